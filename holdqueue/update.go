package holdqueue

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
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

// updateKnown is update of a message as somebody read it a moment ago. When it has changed since, it is read again.
func (q *Queue) updateKnown(tx *db.Tx, known *Message, by Actor, fn func(m *Message, now time.Time) error) (*Message, error) {
	var failed error
	m, was, err := q.apply(tx, known.clone(), by, func(m *Message, now time.Time) error {
		failed = fn(m, now)
		return failed
	})
	if failed != nil || errors.Is(err, errStale) {
		return q.update(tx, known.ID, by, fn)
	}
	if err != nil {
		return m, err
	}
	return m, q.runHooks(tx, m, was, by)
}

// clone is a message that can be changed without changing the original.
func (m *Message) clone() *Message {
	c := *m
	c.Recipients = make([]*Recipient, len(m.Recipients))
	for i, r := range m.Recipients {
		own := *r
		c.Recipients[i] = &own
	}
	return &c
}

// change is update without its hooks. It gives the earlier states of the recipients whose states it changed.
func (q *Queue) change(tx *db.Tx, id ID, by Actor, fn func(m *Message, now time.Time) error) (*Message, map[ID]State, error) {
	m, err := q.load(tx, id, false)
	if err != nil {
		return nil, nil, err
	}
	m, was, err := q.apply(tx, m, by, fn)
	if errors.Is(err, errStale) {
		err = fmt.Errorf("update %s: %w", id, db.ErrConflict)
	}
	return m, was, err
}

// errStale says that a message is not any more as it was read. Nothing has been written.
var errStale = errors.New("message has changed since it was read")

// apply runs fn on m and writes what it changed, the compare-and-set first.
func (q *Queue) apply(tx *db.Tx, m *Message, by Actor, fn func(m *Message, now time.Time) error) (*Message, map[ID]State, error) {
	before := m.clone()
	now := tx.Now()
	if err := fn(m, now); err != nil {
		return m, nil, err
	}
	ends := m.EndedAt.IsZero() && m.ended()
	if ends {
		m.EndedAt = now
	}
	altered := m.altered(before)
	if len(altered) == 0 && !ends && !m.newReport(before) {
		return m, nil, nil
	}
	if err := q.saveMessage(tx, m, before); err != nil {
		return nil, nil, err
	}
	was, err := q.saveChanged(tx, m, altered, before, by)
	if err != nil {
		return nil, nil, err
	}
	if ends {
		if err := q.schedule(tx, kindPurge, m.ID, now.Add(q.retain(m))); err != nil {
			return nil, nil, err
		}
	}
	if err := q.arm(tx, m, before.dueAt()); err != nil {
		return nil, nil, fmt.Errorf("update %s: %w", m.ID, err)
	}
	return m, was, nil
}

func (m *Message) newReport(before *Message) bool {
	return !bytes.Equal(before.Report, m.Report) || !before.InspectedAt.Equal(m.InspectedAt)
}

// altered are the places of the recipients that differ.
func (m *Message) altered(before *Message) (places []int) {
	for i, r := range m.Recipients {
		if !reflect.DeepEqual(*r, *before.Recipients[i]) {
			places = append(places, i)
		}
	}
	return places
}

// saveMessage is the compare-and-set of everything that happens to a message and its recipients.
func (q *Queue) saveMessage(tx *db.Tx, m, before *Message) error {
	var n int64
	var err error
	if m.newReport(before) {
		n, err = tx.Exec(`UPDATE message SET report = $1, inspected_at = $2, ended_at = $3, version = $4 WHERE id = $5 AND version = $6`,
			q.o.Keys.Seal("report", m.ID, m.Report), db.Micros(m.InspectedAt), db.Micros(m.EndedAt), m.version+1, m.ID, m.version)
	} else {
		n, err = tx.Exec(`UPDATE message SET ended_at = $1, version = $2 WHERE id = $3 AND version = $4`,
			db.Micros(m.EndedAt), m.version+1, m.ID, m.version)
	}
	switch {
	case err != nil:
		return fmt.Errorf("update %s: %w", m.ID, err)
	case n != 1:
		return fmt.Errorf("update %s: %w", m.ID, errStale)
	}
	m.version++
	return nil
}

func (m *Message) ended() bool {
	for _, r := range m.Recipients {
		if !r.State.Ended() {
			return false
		}
	}
	return true
}

// saveChanged writes the recipients at these places and gives the earlier states of those whose state differs.
func (q *Queue) saveChanged(tx *db.Tx, m *Message, altered []int, before *Message, by Actor) (map[ID]State, error) {
	was := map[ID]State{}
	for _, i := range altered {
		r, old := m.Recipients[i], before.Recipients[i]
		if err := q.save(tx, r, !bytes.Equal(r.Verdict, old.Verdict)); err != nil {
			return nil, fmt.Errorf("save recipient %s: %w", r.ID, err)
		}
		if old.State == r.State && old.Stopped == r.Stopped && old.ReleaseAt.Equal(r.ReleaseAt) && old.DotSentAt.Equal(r.DotSentAt) {
			continue
		}
		if old.State != r.State {
			was[r.ID] = old.State
		}
		if err := audit.Append(tx, entry(m, old, r, by)); err != nil {
			return nil, err
		}
	}
	return was, nil
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
