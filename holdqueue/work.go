package holdqueue

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db"
)

// Kinds of work of this package. Other packages name theirs "package.verb" and give a Handler.
const (
	kindInspect = "inspect" // ref: message
	kindSend    = "send"    // ref: message; due when its first recipient is
	kindNotice  = "notice"  // as send, of our own mail: it never queues behind the company's
	kindPurge   = "purge"   // ref: message
)

// Schedule makes work of a kind due at a time, moving it when it is already scheduled and nobody is at it.
// It belongs to the transaction of its cause.
func (q *Queue) Schedule(tx *db.Tx, kind, ref string, due time.Time) error {
	return q.schedule(tx, kind, ref, due)
}

func (q *Queue) schedule(tx *db.Tx, kind, ref string, due time.Time) error {
	_, err := tx.Exec(`INSERT INTO work (kind, ref, due_at, attempt, tries) VALUES ($1, $2, $3, '', 0)
		ON CONFLICT (kind, ref) DO UPDATE SET due_at = excluded.due_at, tries = 0 WHERE work.attempt = ''`,
		kind, ref, db.Micros(due))
	if err != nil {
		return fmt.Errorf("schedule %s: %w", kind, err)
	}
	return nil
}

// Announce makes work of a kind due at a time unless it is scheduled already. It needs no queue: a portal that may only
// add to the table uses it as well.
func Announce(tx *db.Tx, kind, ref string, due time.Time) error {
	// No conflict target: PostgreSQL would ask for the right to read it.
	_, err := tx.Exec(`INSERT INTO work (kind, ref, due_at, attempt, tries) VALUES ($1, $2, $3, '', 0) ON CONFLICT DO NOTHING`,
		kind, ref, db.Micros(due))
	if err != nil {
		return fmt.Errorf("announce %s: %w", kind, err)
	}
	return nil
}

// Unschedule forgets work of a kind. A worker that is at it finishes, and its wish to run again is not granted.
func (q *Queue) Unschedule(tx *db.Tx, kind, ref string) error {
	if _, err := tx.Exec(`DELETE FROM work WHERE kind = $1 AND ref = $2`, kind, ref); err != nil {
		return fmt.Errorf("unschedule %s: %w", kind, err)
	}
	return nil
}

// arm makes the sending of a message due when its first recipient is; was is when it was due before. A worker that has
// the message looks itself before it lets go, so its row is left alone.
func (q *Queue) arm(tx *db.Tx, m *Message, was time.Time) error {
	due := m.dueAt()
	switch {
	case due.Equal(was):
		return nil
	case !due.IsZero():
		return q.schedule(tx, m.sendKind(), m.ID, due)
	case m.sending():
		return nil
	}
	_, err := tx.Exec(`DELETE FROM work WHERE kind = $1 AND ref = $2 AND attempt = ''`, m.sendKind(), m.ID)
	return err
}

// sending says whether a worker has recipients of the message.
func (m *Message) sending() bool {
	return slices.ContainsFunc(m.Recipients, func(r *Recipient) bool { return r.State == Sending })
}

func (m *Message) sendKind() string {
	if m.Origin == FromSystem {
		return kindNotice
	}
	return kindSend
}

func (m *Message) dueAt() (first time.Time) {
	for _, r := range m.Recipients {
		if due := r.DueAt(); !due.IsZero() && (first.IsZero() || due.Before(first)) {
			first = due
		}
	}
	return first
}

// claim is one piece of work that this process has, until its lease ends.
type claim struct {
	kind, ref string
	attempt   string
	tries     int // this one included
	due       time.Time
	cancel    context.CancelFunc

	known atomic.Pointer[Message] // of a sending: the message as it was last written
	over  atomic.Bool             // the work is done, and the claim given back
}

// update is Queue.update for the worker that has the message. Store what it gives with learn after the commit.
func (c *claim) update(q *Queue, tx *db.Tx, fn func(m *Message, now time.Time) error) (*Message, error) {
	if known := c.known.Load(); known != nil {
		return q.updateKnown(tx, known, System, fn)
	}
	return q.update(tx, c.ref, System, fn)
}

// release gives the claim back, the work done; it fails when another worker has it.
func (q *Queue) release(tx *db.Tx, c *claim) error {
	n, err := tx.Exec(`DELETE FROM work WHERE kind = $1 AND ref = $2 AND attempt = $3`, c.kind, c.ref, c.attempt)
	if err == nil && n != 1 {
		err = errLost
	}
	return err
}

// take claims up to n pieces of due work of the kinds, the longest due first. next is when there is more, now the clock
// by which that is meant.
func (q *Queue) take(ctx context.Context, kinds []string, n int) (got []*claim, next, now time.Time, err error) {
	err = q.o.DB.Write(ctx, func(tx *db.Tx) error {
		got, next, now = nil, time.Time{}, tx.Now()
		if kinds[0] == kindSend {
			if paused, err := pause(tx); err != nil || paused != nil {
				return err
			}
		}
		for _, kind := range kinds {
			some, err := q.takeKind(tx, kind, n-len(got))
			if err != nil {
				return err
			}
			got = append(got, some...)
		}
		if len(got) < n {
			next, err = firstDue(tx, kinds)
		}
		return err
	})
	return got, next, now, err
}

// dueRow is work that may be claimed.
type dueRow struct {
	ref   string
	due   int64
	old   string // the attempt that had it
	tries int
}

func (q *Queue) takeKind(tx *db.Tx, kind string, n int) ([]*claim, error) {
	if n <= 0 {
		return nil, nil
	}
	due, err := dueRows(tx, kind, n)
	if err != nil {
		return nil, err
	}
	var got []*claim
	until := db.Micros(tx.Now().Add(q.o.Workers.Lease))
	suspect := kind == kindInspect && q.suspects()
	for _, d := range due {
		if len(got) == n {
			break
		}
		if q.at(d.old) {
			// Ours, and we live: a locked database or a jump of the clock kept the lease from being renewed. Taking
			// it over from ourselves would send again what is on its way.
			if err := q.extend(tx, &claim{kind: kind, ref: d.ref, attempt: d.old}); err != nil {
				return nil, err
			}
			continue
		}
		if kind == kindInspect && d.tries > 0 {
			// It may be what made the process die. Of such only one is looked into at a time, so that a mail which was
			// merely beside it is not beside it again until it, too, is held.
			if suspect {
				continue
			}
			suspect = true
		}
		c := &claim{kind: kind, ref: d.ref, attempt: db.NewID(), tries: d.tries + 1, due: db.Time(d.due)}
		changed, err := tx.Exec(`UPDATE work SET due_at = $1, attempt = $2, tries = $3
			WHERE kind = $4 AND ref = $5 AND due_at = $6 AND attempt = $7`, until, c.attempt, c.tries, kind, d.ref, d.due, d.old)
		if err != nil {
			return nil, err
		}
		if changed == 1 {
			got = append(got, c)
		}
	}
	return got, nil
}

func dueRows(tx *db.Tx, kind string, n int) ([]dueRow, error) {
	if kind == kindInspect {
		n *= 2 // some may have to wait for another
	}
	rows, err := tx.Query(`SELECT ref, due_at, attempt, tries FROM work WHERE kind = $1 AND due_at <= $2
		ORDER BY due_at LIMIT $3`, kind, db.Micros(tx.Now()), n)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var due []dueRow
	for rows.Next() {
		var d dueRow
		if err := rows.Scan(&d.ref, &d.due, &d.old, &d.tries); err != nil {
			return nil, err
		}
		due = append(due, d)
	}
	return due, rows.Err()
}

// suspects says whether a mail is being inspected whose inspection has been tried before.
func (q *Queue) suspects() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, c := range q.active {
		if c.kind == kindInspect && c.tries > 1 {
			return true
		}
	}
	return false
}

// at says whether this process is at the work of an attempt.
func (q *Queue) at(attempt string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	_, ok := q.active[attempt]
	return ok
}

// finish lets go of a claim: due again at a time, or done when it is zero. That another worker has taken the work
// over meanwhile is no error here: everything that mattered was compared before.
func (q *Queue) finish(tx *db.Tx, c *claim, again time.Time, keepTries bool) error {
	var err error
	switch {
	case again.IsZero():
		_, err = tx.Exec(`DELETE FROM work WHERE kind = $1 AND ref = $2 AND attempt = $3`, c.kind, c.ref, c.attempt)
	case keepTries:
		_, err = tx.Exec(`UPDATE work SET due_at = $1, attempt = '' WHERE kind = $2 AND ref = $3 AND attempt = $4`,
			db.Micros(again), c.kind, c.ref, c.attempt)
	default:
		_, err = tx.Exec(`UPDATE work SET due_at = $1, attempt = '', tries = 0 WHERE kind = $2 AND ref = $3 AND attempt = $4`,
			db.Micros(again), c.kind, c.ref, c.attempt)
	}
	if err != nil {
		return fmt.Errorf("finish %s %s: %w", c.kind, c.ref, err)
	}
	return nil
}

// owns fails when the claim has been taken over; it is checked in the transactions whose outcome depends on it. Two of
// them about one mail collide in the message itself. A lease that has more than half of its time is left as it is: a
// row whose due time changes is written anew with all its indexes.
func (q *Queue) owns(tx *db.Tx, c *claim) error {
	var due int64
	err := tx.QueryRow(`SELECT due_at FROM work WHERE kind = $1 AND ref = $2 AND attempt = $3`, c.kind, c.ref, c.attempt).Scan(&due)
	switch {
	case db.IsNoRows(err):
		return errLost
	case err != nil:
		return fmt.Errorf("own %s %s: %w", c.kind, c.ref, err)
	case db.Time(due).Sub(tx.Now()) > q.o.Workers.Lease/2:
		return nil
	}
	return q.extend(tx, c)
}

// extend gives a claim a whole lease from now on; it fails when the claim has been taken over.
func (q *Queue) extend(tx *db.Tx, c *claim) error {
	changed, err := tx.Exec(`UPDATE work SET due_at = $1 WHERE kind = $2 AND ref = $3 AND attempt = $4`,
		db.Micros(tx.Now().Add(q.o.Workers.Lease)), c.kind, c.ref, c.attempt)
	if err != nil {
		return err
	}
	if changed != 1 {
		return errLost
	}
	return nil
}

// renew lengthens the leases of everything this process has, and stops what it has lost.
func (q *Queue) renew(ctx context.Context) error {
	q.mu.Lock()
	var mine []*claim
	for _, c := range q.active {
		mine = append(mine, c)
	}
	q.mu.Unlock()
	for slice := range slices.Chunk(mine, 100) {
		var lost []*claim
		err := q.o.DB.Write(ctx, func(tx *db.Tx) error {
			lost = nil
			for _, c := range slice {
				switch err := q.extend(tx, c); err {
				case nil:
				case errLost:
					lost = append(lost, c)
				default:
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("renew leases: %w", err)
		}
		for _, c := range lost {
			q.stopLost(c)
		}
	}
	return nil
}

func (q *Queue) stopLost(c *claim) {
	q.mu.Lock()
	defer q.mu.Unlock()
	// It may simply have finished since the list was made.
	if running, ok := q.active[c.attempt]; ok {
		q.o.Log.Warn("lease lost", "kind", c.kind, "ref", c.ref)
		running.cancel()
	}
}

// nextDue is when the earliest work of the kinds is due; zero when there is none.
func (q *Queue) nextDue(ctx context.Context, kinds []string) (next, now time.Time, err error) {
	err = q.o.DB.Read(ctx, func(tx *db.Tx) error {
		now = tx.Now()
		next, err = firstDue(tx, kinds)
		return err
	})
	return next, now, err
}

func firstDue(tx *db.Tx, kinds []string) (first time.Time, err error) {
	for _, kind := range kinds {
		var due int64
		err := tx.QueryRow(`SELECT due_at FROM work WHERE kind = $1 ORDER BY due_at LIMIT 1`, kind).Scan(&due)
		if db.IsNoRows(err) {
			continue
		}
		if err != nil {
			return first, err
		}
		if at := db.Time(due); first.IsZero() || at.Before(first) {
			first = at
		}
	}
	return first, nil
}
