package holdqueue

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sekisho-mail/sekisho/internal/audit"
	"github.com/sekisho-mail/sekisho/internal/db"
)

// Outcome is the truth about one recipient after somebody asked for something.
type Outcome struct {
	Recipient ID
	Address   string
	State     State // as it is now
	Err       error // why not; a *StateError says since when
}

// Cancel takes back the recipients of a mail that have not begun to leave. It concerns all copies of the mail, whichever
// id names it; ids nil means all recipients, also those of copies that are still to come.
// The error is about the mail; each recipient has its own outcome.
func (q *Queue) Cancel(ctx context.Context, id ID, ids []ID, why Reason, by Actor) ([]Outcome, error) {
	return q.each(ctx, id, ids, by, wishCancel, why, func(r *Recipient, _ *Message, now time.Time) error { return r.Cancel(why, now) })
}

// SendNow ends the delay. What is held stays held.
func (q *Queue) SendNow(ctx context.Context, id ID, ids []ID, by Actor) ([]Outcome, error) {
	return q.each(ctx, id, ids, by, wishSend, "", func(r *Recipient, _ *Message, now time.Time) error { return r.SendNow(now) })
}

// Stop stops the clock of delayed recipients.
func (q *Queue) Stop(ctx context.Context, id ID, ids []ID, by Actor) ([]Outcome, error) {
	return q.each(ctx, id, ids, by, wishStop, "", func(r *Recipient, _ *Message, now time.Time) error { return r.Stop(now) })
}

// Release approves held recipients in the name of an administrator, without the identity provider.
func (q *Queue) Release(ctx context.Context, id ID, ids []ID, by Actor) ([]Outcome, error) {
	return q.each(ctx, id, ids, by, "", "", func(r *Recipient, m *Message, now time.Time) error {
		if r.State == Delayed {
			return r.SendNow(now)
		}
		return r.Approve(m.BeganAt, now)
	})
}

func (q *Queue) each(ctx context.Context, id ID, ids []ID, by Actor, w wish, why Reason,
	do func(*Recipient, *Message, time.Time) error) ([]Outcome, error) {
	var out []Outcome
	err := q.o.DB.Write(ctx, func(tx *db.Tx) (err error) {
		out, err = q.eachTx(tx, id, ids, by, do)
		if err != nil || ids != nil || w == "" {
			return err
		}
		// What was too late for all that is here is no order for what may come; only a cancel is.
		if w == wishCancel || slices.ContainsFunc(out, func(o Outcome) bool { return o.Err == nil }) {
			return remember(tx, id, w, why)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	q.wake(laneAll)
	return out, nil
}

// eachTx does something to recipients of a mail, whichever of its copies they belong to, and calls the hooks once.
func (q *Queue) eachTx(tx *db.Tx, id ID, ids []ID, by Actor,
	do func(*Recipient, *Message, time.Time) error) (out []Outcome, err error) {
	copies, err := parts(tx, id, ids)
	if err != nil {
		return nil, err
	}
	was := map[ID]State{}
	var m *Message
	for _, c := range copies {
		var changed map[ID]State
		var some []Outcome
		m, changed, err = q.change(tx, c.id, by, func(m *Message, now time.Time) error {
			some, err = m.each(c.ids, do, now)
			return err
		})
		if err != nil {
			return nil, err
		}
		out = append(out, some...)
		maps.Copy(was, changed)
	}
	if len(copies) > 1 {
		if m, err = q.whole(tx, id, false); err != nil {
			return nil, err
		}
	}
	return out, q.runHooks(tx, m, was, by)
}

// each does something to the recipients of one copy; ids nil means all of them.
func (m *Message) each(ids []ID, do func(*Recipient, *Message, time.Time) error, now time.Time) (out []Outcome, err error) {
	if m.Origin == FromSystem {
		return nil, fmt.Errorf("message %s is our own: %w", m.ID, db.ErrNotFound)
	}
	for _, want := range ids {
		if m.recipient(want) == nil {
			return nil, fmt.Errorf("recipient %s of %s: %w", want, m.ID, db.ErrNotFound)
		}
	}
	for _, r := range m.Recipients {
		if ids != nil && !slices.Contains(ids, r.ID) {
			continue
		}
		err := do(r, m, now)
		out = append(out, Outcome{Recipient: r.ID, Address: string(r.Address), State: r.State, Err: err})
	}
	return out, nil
}

// Approve lets held recipients go, inside the transaction of the decision.
func (q *Queue) Approve(tx *db.Tx, id ID, ids []ID, by Actor) ([]Outcome, error) {
	return q.eachTx(tx, id, ids, by, func(r *Recipient, m *Message, now time.Time) error {
		return r.Approve(m.BeganAt, now)
	})
}

// Reject returns held recipients, inside the transaction of the decision.
func (q *Queue) Reject(tx *db.Tx, id ID, ids []ID, by Actor) ([]Outcome, error) {
	return q.eachTx(tx, id, ids, by, func(r *Recipient, _ *Message, now time.Time) error { return r.Reject(now) })
}

// Expire returns held recipients nobody decided about, inside the transaction that finds them.
func (q *Queue) Expire(tx *db.Tx, id ID, ids []ID, by Actor) ([]Outcome, error) {
	return q.eachTx(tx, id, ids, by, func(r *Recipient, _ *Message, now time.Time) error { return r.Expire(now) })
}

// Withdraw takes recipients back in the name of their sender, inside the transaction of an answer.
func (q *Queue) Withdraw(tx *db.Tx, id ID, ids []ID, by Actor) ([]Outcome, error) {
	return q.eachTx(tx, id, ids, by, func(r *Recipient, _ *Message, now time.Time) error { return r.Cancel(ReasonSender, now) })
}

// Wake makes the loop look at once, after a transaction that approved something.
func (q *Queue) Wake() { q.wake(laneAll) }

// Pause is who paused the queue, when and why.
type Pause struct {
	By     Actor     `json:"by"`
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
}

// Paused gives the pause in force, nil when there is none.
func (q *Queue) Paused(ctx context.Context) (p *Pause, err error) {
	err = q.o.DB.Read(ctx, func(tx *db.Tx) error { p, err = pause(tx); return err })
	return p, err
}

func pause(tx *db.Tx) (*Pause, error) {
	raw, err := setting(tx, "pause")
	if err != nil || len(raw) == 0 {
		return nil, err
	}
	var p Pause
	return &p, json.Unmarshal(raw, &p)
}

// Pause stops all release: mail is accepted and inspected, and nothing but our own notices leaves.
func (q *Queue) Pause(ctx context.Context, by Actor, reason string) error {
	return q.o.DB.Write(ctx, func(tx *db.Tx) error { return PauseTx(tx, by, reason) })
}

// PauseTx is Pause as part of a transaction that needs no queue: that of a restore.
func PauseTx(tx *db.Tx, by Actor, reason string) error {
	raw, err := json.Marshal(Pause{By: by, At: tx.Now(), Reason: reason})
	if err != nil {
		return err
	}
	if err := setSetting(tx, "pause", raw); err != nil {
		return err
	}
	return audit.Append(tx, audit.Entry{Actor: string(by), Action: "pause", Detail: map[string]string{"reason": reason}})
}

// Resume lets mail leave again.
func (q *Queue) Resume(ctx context.Context, by Actor, reason string) error {
	err := q.o.DB.Write(ctx, func(tx *db.Tx) error {
		if err := setSetting(tx, "pause", []byte{}); err != nil {
			return err
		}
		return audit.Append(tx, audit.Entry{Actor: string(by), Action: "resume", Detail: map[string]string{"reason": reason}})
	})
	q.wake(laneAll)
	return err
}
