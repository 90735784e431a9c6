package holdqueue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/failpoint"
)

// maxInspections is how often the inspection of a mail may crash or fail before people are asked.
const maxInspections = 3

// inspectLimit is how long one inspection may take.
const inspectLimit = 2 * time.Minute

// inspect has a mail looked into and carries out the verdict on each recipient.
func (q *Queue) inspect(ctx context.Context, c *claim) error {
	m, err := q.Get(ctx, c.ref)
	if errors.Is(err, db.ErrNotFound) {
		return q.o.DB.Write(ctx, func(tx *db.Tx) error { return q.finish(tx, c, time.Time{}, false) })
	}
	if err != nil {
		return err
	}
	if !m.InspectedAt.IsZero() || m.ended() {
		return q.o.DB.Write(ctx, func(tx *db.Tx) error { return q.finish(tx, c, time.Time{}, false) })
	}
	var found Inspection
	if c.tries > maxInspections {
		// It crashed the process: what was claimed three times never came back with a verdict.
		found = q.Poison(m, errors.New("inspection crashed three times"))
	} else if found, err = q.look(ctx, m); err != nil {
		if c.tries < maxInspections {
			return fmt.Errorf("inspect: %w", err)
		}
		q.o.Log.Error("mail could not be inspected and is held", "message", m.ID, "error", err)
		found = q.Poison(m, err)
	}
	if len(found.Decisions) != len(m.Recipients) {
		return fmt.Errorf("inspect: %d decisions for %d recipients", len(found.Decisions), len(m.Recipients))
	}
	failpoint.At("inspect.looked", m.ID)
	err = q.o.DB.Write(ctx, func(tx *db.Tx) error {
		if err := q.owns(tx, c); err != nil {
			return err
		}
		_, err := q.update(tx, m.ID, System, func(m *Message, now time.Time) error {
			m.Report, m.InspectedAt = found.Report, now
			for i, r := range m.Recipients {
				if r.State != Received {
					continue // cancelled meanwhile
				}
				if err := r.Inspected(found.Decisions[i], m.AcceptedAt, now); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		failpoint.At("inspect.applied", m.ID)
		return q.finish(tx, c, time.Time{}, false)
	})
	failpoint.At("inspect.recorded", m.ID)
	return err
}

func (q *Queue) look(ctx context.Context, m *Message) (Inspection, error) {
	ctx, cancel := context.WithTimeout(ctx, inspectLimit)
	defer cancel()
	body, err := q.Open(ctx, m)
	if err != nil {
		return Inspection{}, err
	}
	defer body.Close()
	failpoint.At("inspect.opened", m.ID)
	return q.Inspect(ctx, m, body)
}
