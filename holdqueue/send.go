package holdqueue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/failpoint"
)

// ErrMustHold is wrapped by Prepare when these bytes may not leave as planned and a person has to say how: the
// recipients go back to held with a reason.
var ErrMustHold = errors.New("cannot be sent as planned")

// warnAfter is how long the next hop may say "later" before the sender hears of it.
const warnAfter = 4 * time.Hour

// send hands a message's due recipients to the next hop, bundle by bundle.
func (q *Queue) send(ctx context.Context, c *claim) error {
	for first := true; ; first = false {
		m, bundle, err := q.claimBundle(ctx, c, first)
		if errors.Is(err, db.ErrNotFound) {
			return q.o.DB.Write(ctx, func(tx *db.Tx) error { return q.finish(tx, c, time.Time{}, false) })
		}
		if err != nil || len(bundle) == 0 {
			return err
		}
		failpoint.At("send.claimed", m.ID)
		if err := q.attempt(ctx, c, m, bundle); err != nil {
			return err
		}
		failpoint.At("record.committed", m.ID)
		if c.over.Load() {
			return nil
		}
	}
}

// claimBundle takes over what a dead attempt left, claims the next due bundle, and lets the message go, armed
// for its next time, when nothing is due. All in one transaction: a Cancel is either before it or too late.
func (q *Queue) claimBundle(ctx context.Context, c *claim, first bool) (m *Message, bundle []*Recipient, err error) {
	err = q.o.DB.Write(ctx, func(tx *db.Tx) error {
		bundle = nil
		if err := q.owns(tx, c); err != nil {
			return err
		}
		paused, err := pause(tx)
		if err != nil {
			return err
		}
		m, err = c.update(q, tx, func(m *Message, now time.Time) error {
			var err error
			bundle, err = q.pick(m, c, first, paused != nil, now)
			return err
		})
		failpoint.At("send.claiming", c.ref)
		if err != nil || len(bundle) > 0 {
			return err
		}
		again := m.dueAt()
		if !again.IsZero() && again.Before(tx.Now()) {
			again = q.notBefore(m, tx.Now()) // paused, or just started
		}
		return q.finish(tx, c, again, false)
	})
	if err == nil {
		c.known.Store(m)
	}
	return m, bundle, err
}

// pick chooses and claims the recipients of one bundle that are due.
func (q *Queue) pick(m *Message, c *claim, first, paused bool, now time.Time) ([]*Recipient, error) {
	var bundle []*Recipient
	for _, r := range m.Recipients {
		if first && r.State == Sending {
			if err := r.TakeOver(now); err != nil {
				return nil, err
			}
		}
		due := r.DueAt()
		if due.IsZero() || due.After(now) {
			continue
		}
		if r.Stopped {
			if err := r.GiveBack(now); err != nil {
				return nil, err
			}
			continue
		}
		if m.Origin != FromSystem && (paused || q.heldByStart(r, now)) {
			continue
		}
		if len(bundle) > 0 && bundle[0].Bundle != r.Bundle {
			continue
		}
		if err := r.Claim(c.attempt, now); err != nil {
			return nil, err
		}
		bundle = append(bundle, r)
	}
	return bundle, nil
}

// heldByStart says whether people still need a moment to cancel: after a start or a jump of the clock nothing
// leaves sooner than its own delay, at most a minute.
func (q *Queue) heldByStart(r *Recipient, now time.Time) bool {
	return r.Tries == 0 && now.Before(q.floorAt(now).Add(min(r.Delay, safeStart)))
}

// floorAt is the moment from which people have time to cancel. It is never in the future: a clock that was set back,
// as after a start in local time, would hold all mail until it has caught up.
func (q *Queue) floorAt(now time.Time) time.Time {
	q.mu.Lock()
	defer q.mu.Unlock()
	if now.Before(q.floor) {
		q.floor = now
	}
	return q.floor
}

func (q *Queue) notBefore(m *Message, now time.Time) time.Time {
	floor := q.floorAt(now)
	next := now.Add(lookAgain)
	for _, r := range m.Recipients {
		if at := floor.Add(min(r.Delay, safeStart)); r.State == Delayed && at.After(now) && at.Before(next) {
			next = at
		}
	}
	return next
}

// attempt prepares the bytes, hands them over and records what became of them.
func (q *Queue) attempt(ctx context.Context, c *claim, m *Message, bundle []*Recipient) error {
	body, err := q.prepared(ctx, m, bundle)
	if errors.Is(err, ErrMustHold) || errors.Is(err, ErrDamaged) && m.Origin != FromSystem {
		return q.record(ctx, c, m.ID, bundle, nil, err)
	}
	if err != nil {
		q.o.Log.Error("mail not prepared; it is tried again", "message", m.ID, "error", err)
		failed := sameResult(len(bundle), &SendError{Text: "the mail could not be prepared for sending", Temporary: true})
		return q.record(ctx, c, m.ID, bundle, failed, nil)
	}
	sound := &watched{Body: body}
	defer sound.Close()
	failpoint.At("prepare.done", m.ID)
	var known outcomes
	results := q.Sender.Send(ctx, &Outgoing{Attempt: c.attempt, Message: m, From: m.MailFrom, Recipients: bundle, Body: sound, Size: sound.Size(),
		BeforeDot: func(ctx context.Context, to []*Recipient) error { return q.beforeDot(ctx, c, m.ID, to) },
		Answered: func(to []*Recipient, results []Result) {
			known.note(to, q.record(ctx, c, m.ID, to, results, nil))
		}})
	if len(results) != len(bundle) {
		return fmt.Errorf("send: %d results for %d recipients", len(results), len(bundle))
	}
	rest, results := known.without(bundle, results)
	if known.err != nil || len(rest) == 0 {
		return known.err
	}
	if damage := sound.found(results); damage != nil && m.Origin != FromSystem {
		return q.record(ctx, c, m.ID, rest, nil, damage)
	}
	return q.record(ctx, c, m.ID, rest, results, nil)
}

// outcomes are the recipients of an attempt whose results are recorded before the attempt is over.
type outcomes struct {
	mu       sync.Mutex
	recorded []ID
	err      error
}

func (o *outcomes) note(to []*Recipient, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err != nil {
		o.err = err // the claim is lost, or the service is being stopped: nothing more can be recorded
		return
	}
	for _, r := range to {
		o.recorded = append(o.recorded, r.ID)
	}
}

// without gives the recipients that are not recorded yet, with their results.
func (o *outcomes) without(bundle []*Recipient, results []Result) (rest []*Recipient, of []Result) {
	if len(o.recorded) == 0 {
		return bundle, results
	}
	for i, r := range bundle {
		if !slices.Contains(o.recorded, r.ID) {
			rest, of = append(rest, r), append(of, results[i])
		}
	}
	return rest, of
}

func (q *Queue) prepared(ctx context.Context, m *Message, bundle []*Recipient) (Body, error) {
	body, err := q.Open(ctx, m)
	if err != nil {
		return nil, err
	}
	failpoint.At("prepare.opened", m.ID)
	if m.Origin == FromSystem || q.Prepare == nil {
		return body, nil
	}
	out, err := q.Prepare(ctx, m, bundle, body)
	if err != nil {
		body.Close()
		return nil, err
	}
	return out, nil
}

func sameResult(n int, err *SendError) []Result {
	return slices.Repeat([]Result{{Err: err}}, n)
}

// beforeDot commits that the mail may be delivered to these recipients from now on, unless somebody else has it. Those
// whose transaction is still to come are not in doubt when the process dies now.
func (q *Queue) beforeDot(ctx context.Context, c *claim, id ID, to []*Recipient) error {
	var m *Message
	err := q.o.DB.Write(ctx, func(tx *db.Tx) error {
		if err := q.owns(tx, c); err != nil {
			return err
		}
		var leaving []*Recipient
		var err error
		m, err = c.update(q, tx, func(m *Message, now time.Time) error {
			leaving = m.among(to)
			for _, r := range leaving {
				if err := r.DotSent(c.attempt, now); err != nil {
					return err
				}
			}
			return nil
		})
		failpoint.At("send.dot_noting", id)
		if err != nil || m.Origin == FromSystem {
			return err
		}
		return call(q.Hooks.Leaving, tx, m, leaving, System)
	})
	if err == nil {
		c.known.Store(m)
	}
	return err
}

// among gives m's own recipients with the ids of others: those of an earlier load.
func (m *Message) among(others []*Recipient) (mine []*Recipient) {
	for _, r := range m.Recipients {
		if slices.ContainsFunc(others, func(o *Recipient) bool { return o.ID == r.ID }) {
			mine = append(mine, r)
		}
	}
	return mine
}

// record writes what became of the attempt. It tries as long as the mail is ours, because an answer that is
// forgotten is a mail sent twice.
func (q *Queue) record(ctx context.Context, c *claim, id ID, bundle []*Recipient, results []Result, hold error) error {
	header := q.headerForReports(ctx, id, bundle, results)
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		// Not ctx: what is known of an attempt that was broken off is known all the same.
		var m *Message
		over := false
		err := q.o.DB.Write(context.WithoutCancel(ctx), func(tx *db.Tx) (err error) {
			m, over, err = q.recordOnce(tx, c, id, bundle, results, hold, header)
			return err
		})
		if err == nil {
			c.known.Store(m)
			if over {
				c.over.Store(true)
			}
		}
		if err == nil || errors.Is(err, errLost) || ctx.Err() != nil {
			return err
		}
		q.o.Log.Error("outcome not recorded; trying again", "message", id, "error", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// errRecorded says that the outcome is there: an earlier try was committed and the answer to that was lost.
var errRecorded = errors.New("already recorded")

// recordOnce also gives the claim back when nothing is left to do; over says that it has.
func (q *Queue) recordOnce(tx *db.Tx, c *claim, id ID, bundle []*Recipient, results []Result, hold error, header []byte) (m *Message, over bool, err error) {
	if err := q.owns(tx, c); err != nil {
		return nil, false, err
	}
	if hold != nil {
		// Two copies that are held at once ask one question.
		if err := lockFamily(tx, id); err != nil {
			return nil, false, err
		}
	}
	var reports []report
	m, err = c.update(q, tx, func(m *Message, now time.Time) error {
		if !slices.ContainsFunc(m.among(bundle), func(r *Recipient) bool { return r.State == Sending && r.Attempt == c.attempt }) {
			return errRecorded
		}
		if hold != nil {
			return q.holdAgain(m, m.among(bundle), hold, now)
		}
		var err error
		reports, err = q.answer(m, bundle, results, now)
		return err
	})
	failpoint.At("record.applied", id)
	if errors.Is(err, errRecorded) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	if err := q.postReports(tx, m, reports, header); err != nil {
		return nil, false, err
	}
	due := m.dueAt()
	if over = !m.sending() && (due.IsZero() || due.After(tx.Now())); over {
		err = q.finish(tx, c, due, false)
	}
	return m, over, err
}

// answer carries out the results and says what the sender has to be told.
func (q *Queue) answer(m *Message, bundle []*Recipient, results []Result, now time.Time) ([]report, error) {
	var reports []report
	for i, b := range bundle {
		r := m.recipient(b.ID)
		if r == nil {
			return nil, fmt.Errorf("recipient %s: %w", b.ID, db.ErrNotFound)
		}
		if wait := results[i].Postponed; wait > 0 {
			if err := r.Postpone(now.Add(wait), now); err != nil {
				return nil, err
			}
			continue
		}
		if err := r.Answered(results[i], q.Retry(r.FirstTryAt, now, r.Tries), now); err != nil {
			return nil, err
		}
		switch {
		case r.State == Failed:
			reports = append(reports, report{reportFailed, r, results[i]})
		case r.State == Sent && !results[i].DSNPassed:
			reports = append(reports, report{reportRelayed, r, results[i]})
		case r.State == Deferred && r.WarnedAt.IsZero() && now.Sub(r.FirstTryAt) >= warnAfter:
			r.WarnedAt = now
			reports = append(reports, report{reportDelayed, r, results[i]})
		}
	}
	return reports, nil
}

func (m *Message) recipient(id ID) *Recipient {
	for _, r := range m.Recipients {
		if r.ID == id {
			return r
		}
	}
	return nil
}

// holdAgain gives recipients that cannot leave as planned to the people who decide about such mails.
func (q *Queue) holdAgain(m *Message, rs []*Recipient, cause error, now time.Time) error {
	decisions := q.Poison(m, cause).Decisions
	if len(decisions) != len(m.Recipients) {
		return fmt.Errorf("hold: %d decisions for %d recipients", len(decisions), len(m.Recipients))
	}
	for _, r := range rs {
		i := slices.Index(m.Recipients, r)
		if err := r.HoldAgain(decisions[i], now); err != nil {
			return err
		}
	}
	return nil
}
