package approval

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// OnEnded is the queue's hook for recipients that came to an end: questions
// about them close, and the sender hears of what nobody else tells them.
// Failures are told by the queue's own reports.
func (d *Desk) OnEnded(tx *db.Tx, m *holdqueue.Message, ended []*holdqueue.Recipient, by holdqueue.Actor) error {
	if err := d.note(tx, m, ended); err != nil {
		return err
	}
	if err := d.closeEnded(tx, m.Family, ended, by); err != nil {
		return err
	}
	told := map[kind][]*holdqueue.Recipient{}
	for _, r := range ended {
		switch {
		case r.State == holdqueue.Cancelled:
			told[noteCancelled] = append(told[noteCancelled], r)
		case r.State == holdqueue.Refused:
			told[noteRefused] = append(told[noteRefused], r)
		case r.State == holdqueue.Expired && r.Reason == holdqueue.ReasonStopped:
			told[noteStopped] = append(told[noteStopped], r)
		}
	}
	for _, k := range []kind{noteCancelled, noteRefused, noteStopped} {
		if by == holdqueue.System && splits(m) {
			if err := d.tellLater(tx, m, k, told[k]); err != nil {
				return err
			}
			continue
		}
		if err := d.tellEnded(tx, m, k, told[k], by); err != nil {
			return err
		}
	}
	return nil
}

// OnFreed is the queue's hook for held recipients that were let go: by a decision, which has answered for them
// before, or by an administrator at the command line, and then nobody need decide any more.
func (d *Desk) OnFreed(tx *db.Tx, m *holdqueue.Message, freed []*holdqueue.Recipient, by holdqueue.Actor) error {
	return d.closeEnded(tx, m.Family, freed, by)
}

// closeEnded answers recipients that nobody had answered yet. What a decision
// or a deadline ended was answered before the queue was told.
func (d *Desk) closeEnded(tx *db.Tx, family string, ended []*holdqueue.Recipient, by holdqueue.Actor) error {
	open, err := d.openOf(tx, family)
	if err != nil {
		return err
	}
	now := tx.Now()
	for _, r := range open {
		answered := 0
		var unasked []*recipient // time ran out elsewhere than in our own work, which tells the sender itself
		for _, q := range ended {
			now := r.end([]RecipientID{q.ID}, answerOf(q.State), actorAddress(by), now)
			answered += len(now)
			if q.State == holdqueue.Expired {
				unasked = append(unasked, now...)
			}
		}
		if answered == 0 {
			continue
		}
		if err := d.tellExpired(tx, r, unasked); err != nil {
			return err
		}
		if err := d.goOn(tx, r, actorAddress(by), now); err != nil {
			return err
		}
	}
	return nil
}

// goOn does what follows when recipients have left a request without a voice:
// it closes, or its next stage is asked, because all that are left have passed
// the present one and nobody there has anything more to say.
func (d *Desk) goOn(tx *db.Tx, r *record, by mailaddr.Address, now time.Time) error {
	closed := r.close(by, now)
	next := !closed && !r.lastStage() && r.allPassed()
	var fresh []*question
	if next {
		r.advance()
		fresh = d.askStage(r, now)
	}
	if err := d.save(tx, r); err != nil {
		return err
	}
	return d.finish(tx, r, effect{closed: closed, next: next}, fresh)
}

// actorAddress is the person of an actor, who may have acted through a program
// or the link in a notice; empty for time and the command line.
func actorAddress(by holdqueue.Actor) mailaddr.Address {
	as, who, _ := strings.Cut(string(by), ":")
	switch as {
	case "person", "notice":
		return mailaddr.Address(who)
	case "token":
		_, who, _ = strings.Cut(who, ":") // the token's id stands first
		return mailaddr.Address(who)
	}
	return ""
}

// waitingDomains is how many outside domains a mail may go to before its
// sender is told that it waits.
const waitingDomains = 3

// OnWaiting is the queue's hook for mail that is delayed only. Its sender is told
// when the mail goes outside with an attachment, or to more than three domains:
// for every mail would be one notice too many.
func (d *Desk) OnWaiting(tx *db.Tx, m *holdqueue.Message, waiting []*holdqueue.Recipient, _ holdqueue.Actor) error {
	if err := d.note(tx, m, waiting); err != nil {
		return err
	}
	w := d.waitingOf(m, waiting)
	if !splits(m) {
		return d.tellWaiting(tx, m, w)
	}
	d.addHeader(m, &w)
	if !w.worthTelling() {
		return nil
	}
	return d.tellLater(tx, m, noteWaiting, w.outside)
}

// waitingMail is what counts when a mail waits for its time only.
type waitingMail struct {
	outside        []*holdqueue.Recipient
	domains        map[string]bool
	release        time.Time
	attached, hide bool
}

// worthTelling: the mail goes outside with an attachment, or to many.
func (w waitingMail) worthTelling() bool {
	return len(w.outside) > 0 && (w.attached || len(w.domains) > waitingDomains)
}

// addHeader counts the domains whose copies may still be on their way.
func (d *Desk) addHeader(m *holdqueue.Message, w *waitingMail) {
	for _, a := range slices.Concat(m.Meta.HeaderTo, m.Meta.HeaderCc) {
		if d.outside(a) {
			w.domains[a.Domain()] = true
		}
	}
}

func (d *Desk) waitingOf(m *holdqueue.Message, waiting []*holdqueue.Recipient) waitingMail {
	w := waitingMail{domains: map[string]bool{}}
	for _, r := range waiting {
		if !d.outside(r.Address) || r.Delay <= 0 {
			continue
		}
		w.outside = append(w.outside, r)
		w.domains[r.Address.Domain()] = true
		if w.release.IsZero() || r.ReleaseAt.Before(w.release) {
			w.release = r.ReleaseAt
		}
		if v, err := d.Verdict(m, r); err == nil {
			w.attached = w.attached || v.Attachments > 0
			w.hide = w.hide || v.HideSubject
		}
	}
	return w
}

// OnNoticeFailed is the queue's hook for our own mail that could not be
// delivered. A question goes to the next person at once; of anything else the
// administrators are told.
func (d *Desk) OnNoticeFailed(tx *db.Tx, m *holdqueue.Message, failed []*holdqueue.Recipient, _ holdqueue.Actor) error {
	var request string
	err := tx.QueryRow(`SELECT request FROM question_mail WHERE message = $1`, m.ID).Scan(&request)
	switch {
	case err == nil:
		if err := d.escalateFailed(tx, RequestID(request)); err != nil {
			return err
		}
	case !db.IsNoRows(err):
		return err
	}
	if kind(m.Meta.Kind) == noteAlarm {
		return nil // an alarm about an alarm would never end
	}
	line := "notice " + m.ID + " (" + m.Meta.Kind + ")"
	for _, r := range failed {
		line += ", " + r.Address.Domain()
	}
	return d.Alarm(tx, CauseNoticeFailed, line)
}

// escalateFailed asks the next people for somebody whose mailbox is gone, and
// the administrators when those were asked already.
func (d *Desk) escalateFailed(tx *db.Tx, id RequestID) error {
	r, err := d.load(tx, id)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil || r.closed() {
		return err
	}
	if !r.escalateAt.IsZero() {
		if err := d.Queue.Unschedule(tx, kindEscalate, r.stageRef()); err != nil {
			return err
		}
		return d.escalate(tx, r)
	}
	list := &askList{sender: r.sender, already: r.askedNow()}
	d.router(tx.Now()).askAdmins(list)
	fresh := r.ask(list.people, tx.Now())
	if err := d.save(tx, r); err != nil {
		return err
	}
	return d.follow(tx, r, fresh, noteEscalation)
}

// pick gives the recipients of a mail with the ids.
func pick(m *holdqueue.Message, about []*recipient) []*holdqueue.Recipient {
	var out []*holdqueue.Recipient
	for _, r := range m.Recipients {
		if slices.ContainsFunc(about, func(x *recipient) bool { return x.id == r.ID }) {
			out = append(out, r)
		}
	}
	return out
}
