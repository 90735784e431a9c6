package holdqueue

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/failpoint"
)

// maxInspections is how often the inspection of a mail may crash or fail before people are asked.
const maxInspections = 3

// inspect has a mail looked into and carries out the verdict on each recipient.
func (q *Queue) inspect(ctx context.Context, c *claim) error {
	m, body, err := q.read(ctx, c.ref)
	if errors.Is(err, db.ErrNotFound) {
		return q.o.DB.Write(ctx, func(tx *db.Tx) error { return q.finish(tx, c, time.Time{}, false) })
	}
	if err != nil {
		return err
	}
	// One that was taken back before its inspection may have copies, which follow it.
	if !m.InspectedAt.IsZero() || m.ended() && (m.Origin != FromGateway || m.takenBack() == "") {
		return q.o.DB.Write(ctx, func(tx *db.Tx) error { return q.finish(tx, c, time.Time{}, false) })
	}
	found, err := q.findOut(ctx, c, m, body)
	if err != nil {
		return err
	}
	failpoint.At("inspect.looked", m.ID)
	var due time.Time
	err = q.o.DB.Write(ctx, func(tx *db.Tx) error {
		if err := q.release(tx, c); err != nil {
			return err
		}
		m, err := q.decide(tx, m, found)
		if err != nil {
			return err
		}
		due = m.dueAt()
		failpoint.At("inspect.applied", m.ID)
		return nil
	})
	failpoint.At("inspect.recorded", m.ID)
	if err == nil && !due.IsZero() && due.Sub(m.AcceptedAt) < lookAgain {
		q.wake(laneSend)
	}
	return err
}

// findOut has a mail looked into; what crashes or fails again and again is held.
func (q *Queue) findOut(ctx context.Context, c *claim, m *Message, body stored) (found Inspection, err error) {
	if c.tries > maxInspections {
		// It crashed the process: what was claimed three times never came back with a verdict.
		found = q.Poison(m, errors.New("inspection crashed three times"))
	} else if found, err = q.look(ctx, m, body); err != nil {
		if c.tries < maxInspections {
			return found, fmt.Errorf("inspect: %w", err)
		}
		q.o.Log.Error("mail could not be inspected and is held", "message", m.ID, "error", err)
		found = q.Poison(m, err)
	}
	if len(found.Decisions) != len(m.Recipients) {
		return found, fmt.Errorf("inspect: %d decisions for %d recipients", len(found.Decisions), len(m.Recipients))
	}
	return found, nil
}

// decide carries out the verdict on each recipient, as one copy of its mail.
func (q *Queue) decide(tx *db.Tx, m *Message, found Inspection) (*Message, error) {
	f, err := q.join(tx, m, found.Content)
	if err != nil {
		return nil, err
	}
	if f != nil {
		m = m.clone()
		m.Family, m.BeganAt = f.id, f.began
	}
	m, err = q.updateKnown(tx, m, System, func(m *Message, now time.Time) error {
		m.Report, m.InspectedAt = found.Report, now
		for i, r := range m.Recipients {
			if r.State != Received {
				continue // cancelled meanwhile
			}
			if err := r.Inspected(found.Decisions[i], m.BeganAt, now); err != nil {
				return err
			}
			if err := f.follow(r, now); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return m, q.followBack(tx, m, f)
}

// read gives a mail and where its bytes are, of one moment.
func (q *Queue) read(ctx context.Context, id ID) (m *Message, at stored, err error) {
	err = q.o.DB.Read(ctx, func(tx *db.Tx) error {
		if m, err = q.load(tx, id, false); err != nil {
			return err
		}
		at, err = storedOf(tx, id)
		return err
	})
	return m, at, err
}

// look has the mail inspected when one of the cores is free for it.
func (q *Queue) look(ctx context.Context, m *Message, at stored) (Inspection, error) {
	select {
	case q.cores <- struct{}{}:
		defer func() { <-q.cores }()
	case <-ctx.Done():
		return Inspection{}, ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, q.o.Workers.Look)
	defer cancel()
	body, err := q.openStored(ctx, m.ID, at)
	if err != nil {
		return Inspection{}, err
	}
	done := make(chan looked, 1)
	go func() {
		defer body.Close()
		done <- q.examine(ctx, m, body)
	}()
	select {
	case l := <-done:
		return l.found, l.err
	case <-ctx.Done():
	}
	// It hears that its time is over. One that does not is left behind: its mail is held after three of them, and
	// all others must not wait for it.
	patience := time.NewTimer(q.o.Workers.Look / 4)
	defer patience.Stop()
	select {
	case l := <-done:
		return l.found, l.err
	case <-patience.C:
		return Inspection{}, errors.New("inspection does not end")
	}
}

// looked is what came of an inspection.
type looked struct {
	found Inspection
	err   error
}

func (q *Queue) examine(ctx context.Context, m *Message, body Body) (l looked) {
	defer func() {
		if p := recover(); p != nil {
			// The value of the panic may quote the mail; where it happened does not.
			q.o.Log.Error("inspection panicked", "message", m.ID, "stack", string(debug.Stack()))
			l.err = errors.New("inspection panicked")
		}
	}()
	failpoint.At("inspect.opened", m.ID)
	l.found, l.err = q.Inspect(ctx, m, body)
	return l
}
