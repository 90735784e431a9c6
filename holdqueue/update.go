package holdqueue

import (
	"bytes"
	"fmt"
	"time"

	"github.com/sekisho-mail/sekisho/internal/audit"
	"github.com/sekisho-mail/sekisho/internal/db"
)

// update is the only way a message changes: load, run a pure function, write what differs by compare-and-set,
// and in the same transaction the audit entry of every recipient that changed its state, the hooks of those
// states, and the work that is due next. fn that fails changes nothing.
func (q *Queue) update(tx *db.Tx, id ID, by Actor, fn func(m *Message, now time.Time) error) (*Message, error) {
	m, was, err := q.change(tx, id, by, fn)
	if err != nil {
		return m, err
	}
	return m, q.runHooks(tx, m, was, by)
}

// change is update without its hooks. It gives the earlier states of the recipients whose states it changed.
func (q *Queue) change(tx *db.Tx, id ID, by Actor, fn func(m *Message, now time.Time) error) (*Message, map[ID]State, error) {
	m, err := q.load(tx, id, false)
	if err != nil {
		return nil, nil, err
	}
	before := make([]Recipient, len(m.Recipients))
	for i, r := range m.Recipients {
		before[i] = *r
	}
	hadReport, wasInspected := m.Report, m.InspectedAt
	now := tx.Now()
	if err := fn(m, now); err != nil {
		return m, nil, err
	}
	was, err := q.saveChanged(tx, m, before, by)
	if err != nil {
		return nil, nil, err
	}
	if m.EndedAt.IsZero() && m.ended() {
		m.EndedAt = now
		if err := q.schedule(tx, kindPurge, m.ID, now.Add(q.retain(m))); err != nil {
			return nil, nil, err
		}
	}
	n, err := tx.Exec(`UPDATE message SET inspected_at = $1, ended_at = $2, version = $3 WHERE id = $4 AND version = $5`,
		db.Micros(m.InspectedAt), db.Micros(m.EndedAt), m.version+1, m.ID, m.version)
	if err != nil {
		return nil, nil, fmt.Errorf("update %s: %w", id, err)
	}
	if n != 1 {
		return nil, nil, fmt.Errorf("update %s: %w", id, db.ErrConflict)
	}
	if !bytes.Equal(hadReport, m.Report) || !wasInspected.Equal(m.InspectedAt) {
		if _, err := tx.Exec(`UPDATE message SET report = $1 WHERE id = $2`, q.o.Keys.Seal("report", m.ID, m.Report), m.ID); err != nil {
			return nil, nil, fmt.Errorf("update %s: %w", id, err)
		}
	}
	if err := q.arm(tx, m); err != nil {
		return nil, nil, fmt.Errorf("update %s: %w", id, err)
	}
	return m, was, nil
}

func (m *Message) ended() bool {
	for _, r := range m.Recipients {
		if !r.State.Ended() {
			return false
		}
	}
	return true
}

// saveChanged writes the recipients that differ and gives the earlier states of those whose state does.
func (q *Queue) saveChanged(tx *db.Tx, m *Message, before []Recipient, by Actor) (map[ID]State, error) {
	was := map[ID]State{}
	for i, r := range m.Recipients {
		old := before[i]
		newVerdict := !bytes.Equal(r.Verdict, old.Verdict)
		old.Verdict = r.Verdict
		if equalRecipient(old, *r) && !newVerdict {
			continue
		}
		if err := q.save(tx, r, newVerdict); err != nil {
			return nil, fmt.Errorf("save recipient %s: %w", r.ID, err)
		}
		if old.State == r.State && old.Stopped == r.Stopped && old.ReleaseAt.Equal(r.ReleaseAt) && old.DotSentAt.Equal(r.DotSentAt) {
			continue
		}
		if old.State != r.State {
			was[r.ID] = old.State
		}
		if err := audit.Append(tx, entry(m, &old, r, by)); err != nil {
			return nil, err
		}
	}
	return was, nil
}

func equalRecipient(a, b Recipient) bool {
	a.Verdict, b.Verdict = nil, nil
	return fmt.Sprint(a) == fmt.Sprint(b)
}

// entry says in the audit log what became of one recipient.
func entry(m *Message, old, r *Recipient, by Actor) audit.Entry {
	action := string(r.State)
	detail := map[string]string{"from": string(old.State), "address": string(r.Address)}
	if old.State == r.State {
		switch {
		case r.Stopped && !old.Stopped:
			action = "stop"
		case !r.DotSentAt.IsZero():
			action = "dot_sent"
		default:
			action = "reschedule"
		}
	}
	if r.Reason != "" {
		detail["reason"] = string(r.Reason)
	}
	if r.Uncertain {
		detail["uncertain"] = "1"
	}
	if r.State.Ended() && r.Reply != "" {
		detail["reply"] = r.Reply
	}
	if !r.ReleaseAt.Equal(old.ReleaseAt) {
		detail["release_at"] = r.ReleaseAt.Format(time.RFC3339)
	}
	return audit.Entry{Actor: string(by), Action: action, Message: m.ID, Recipient: r.ID, Detail: detail}
}

// runHooks tells the other packages of recipients that changed their states; was are the earlier ones.
func (q *Queue) runHooks(tx *db.Tx, m *Message, was map[ID]State, by Actor) error {
	groups := map[string][]*Recipient{}
	for _, r := range m.Recipients {
		old, changed := was[r.ID]
		switch {
		case !changed:
		case r.State == Held:
			groups["held"] = append(groups["held"], r)
		case r.State == Delayed && old == Held:
			groups["freed"] = append(groups["freed"], r)
		case r.State == Delayed && old == Received:
			groups["waiting"] = append(groups["waiting"], r)
		case r.State.Ended():
			groups["ended"] = append(groups["ended"], r)
		}
	}
	if m.Origin == FromSystem {
		return call(q.Hooks.NoticeFailed, tx, m, onlyFailed(groups["ended"]), by)
	}
	for _, h := range []struct {
		hook Hook
		who  []*Recipient
	}{{q.Hooks.Held, groups["held"]}, {q.Hooks.Freed, groups["freed"]}, {q.Hooks.Waiting, groups["waiting"]}, {q.Hooks.Ended, groups["ended"]}} {
		if err := call(h.hook, tx, m, h.who, by); err != nil {
			return err
		}
	}
	return nil
}

func onlyFailed(rs []*Recipient) (failed []*Recipient) {
	for _, r := range rs {
		if r.State == Failed {
			failed = append(failed, r)
		}
	}
	return failed
}

func call(h Hook, tx *db.Tx, m *Message, rs []*Recipient, by Actor) error {
	if h == nil || len(rs) == 0 {
		return nil
	}
	return h(tx, m, rs, by)
}

func (q *Queue) retain(m *Message) time.Duration {
	for _, r := range m.Recipients {
		if r.State != Sent {
			return q.o.Retain.Returned
		}
	}
	return q.o.Retain.Sent
}
