package approval

import (
	"slices"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// tellHeld tells the sender what is held and with whom it lies, in one notice
// for all that others decide and one for each question to the sender.
func (d *Desk) tellHeld(tx *db.Tx, m *holdqueue.Message, opened []*record) error {
	var others []*record
	for _, r := range opened {
		if !r.present().selfReview() {
			others = append(others, r)
		}
	}
	if len(others) == 0 || m.Automatic {
		return nil
	}
	to := d.reader(m.Person)
	n := d.of(m, to, nil, false)
	for _, r := range others {
		part := d.withRequest(d.of(m, to, pick(m, r.recipients), r.detail.HideSubject), r, to.language)
		n = n.and(part)
	}
	n.URL = d.cancelURL(m.ID)
	return d.post(tx, to, noteHeld, n, posting{about: m})
}

// and joins what several requests about one mail say. The earliest deadline
// is the one to know.
func (n notice) and(o notice) notice {
	if len(n.Recipients) == 0 {
		return o
	}
	o.Recipients = append(n.Recipients, o.Recipients...)
	o.Outside = o.Outside || n.Outside
	for i, list := range [][]string{n.Reasons, n.Holders} {
		into := []*[]string{&o.Reasons, &o.Holders}[i]
		all := slices.Clone(list)
		for _, x := range *into {
			all = appendNew(all, x)
		}
		*into = all
	}
	if n.Expires.Before(o.Expires) {
		o.Expires = n.Expires
	}
	return o
}

// tellAsked mails a question, a reminder or an escalation to people who are
// asked.
func (d *Desk) tellAsked(tx *db.Tx, r *record, questions []*question, k kind) error {
	if len(questions) == 0 {
		return nil
	}
	m, err := d.Queue.WholeTx(tx, r.message)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(questions, func(q *question) bool { return !isRole(q.approver) }) {
		d.Log.Warn("nobody with an address is asked; name administrators", "request", r.id)
	}
	open := pick(m, r.unanswered())
	for _, q := range questions {
		if isRole(q.approver) {
			continue // nobody's address: whoever signs in with the role sees it
		}
		to := d.reader(q.approver)
		n := d.withRequest(d.of(m, to, open, r.detail.HideSubject), r, to.language)
		n.URL = d.requestURL(r.id)
		n.Deputy = q.as == AsDeputy
		each := k
		if q.as == AsSender {
			each = noteAskSender
		}
		if k == noteEscalation {
			n.Holders = d.holderNamesWithout(r, questions, to.language)
		}
		if err := d.post(tx, to, each, n, posting{about: m, request: r.id, approver: q.approver}); err != nil {
			return err
		}
	}
	return nil
}

// holderNamesWithout names who was asked before the newcomers.
func (d *Desk) holderNamesWithout(r *record, fresh []*question, language string) []string {
	earlier := *r
	earlier.questions = slices.DeleteFunc(slices.Clone(r.questions), func(q *question) bool { return slices.Contains(fresh, q) })
	return d.holderNames(&earlier, language)
}

// tellDecided tells the sender what an approver decided. Senders who decided
// themselves know it.
func (d *Desk) tellDecided(tx *db.Tx, m *holdqueue.Message, r *record, e effect, decision Decision, by speaker) error {
	if r.detail.Automatic {
		return nil
	}
	t := verdictTold{kind: noteApproved, about: e.released, released: e.released, comment: decision.Comment, by: by.who}
	switch {
	case len(e.withdrawn) > 0:
		return nil // the queue's hook for what was cancelled has told the sender
	case len(e.returned) > 0:
		t.kind, t.about = noteRejected, e.returned
	case len(e.released) == 0 || by.as == AsSender:
		return nil
	}
	return d.tellAnswer(tx, m, r, t)
}

// verdictTold is an answer as its sender hears of it.
type verdictTold struct {
	kind            kind // approved or rejected
	about, released []*recipient
	comment         string
	by              mailaddr.Address
}

func (d *Desk) tellAnswer(tx *db.Tx, m *holdqueue.Message, r *record, t verdictTold) error {
	to := d.reader(r.sender)
	picked := pick(m, t.about)
	n := d.withRequest(d.of(m, to, picked, r.detail.HideSubject), r, to.language)
	n.At, n.Release = tx.Now(), releaseAt(m, t.released)
	n.Comment = t.comment
	n.Remaining = bounded(addressLines(r.unanswered()), to.language)
	p := posting{about: m}
	n.By = d.called(d.People.Book(), t.by, to.language)
	if t.kind == noteApproved {
		n.URL = d.cancelURL(m.ID)
	} else {
		n.URL, p.returned = d.messageURL(m.ID), picked
		n.Released = bounded(addressLines(t.released), to.language)
	}
	return d.post(tx, to, t.kind, n, p)
}

func addressLines(list []*recipient) []string {
	var out []string
	for _, x := range list {
		out = append(out, x.address.String())
	}
	return out
}

// tellExpired returns to the sender what nobody decided in time.
func (d *Desk) tellExpired(tx *db.Tx, r *record, expired []*recipient) error {
	if r.detail.Automatic || len(expired) == 0 {
		return nil
	}
	m, err := d.Queue.WholeTx(tx, r.message)
	if err != nil {
		return err
	}
	to := d.reader(r.sender)
	picked := pick(m, expired)
	n := d.withRequest(d.of(m, to, picked, r.detail.HideSubject), r, to.language)
	n.URL = d.messageURL(m.ID)
	return d.post(tx, to, noteExpired, n, posting{about: m, returned: picked})
}

// tellEnded returns a mail that was cancelled, refused, or whose clock stood
// still too long.
func (d *Desk) tellEnded(tx *db.Tx, m *holdqueue.Message, k kind, ended []*holdqueue.Recipient, by holdqueue.Actor) error {
	if len(ended) == 0 || m.Automatic {
		return nil
	}
	to := d.reader(m.Person)
	hide, reasons := false, []string(nil)
	for _, r := range ended {
		v, err := d.Verdict(m, r)
		if err != nil {
			continue // cancelled before inspection, or unreadable: say less
		}
		hide = hide || v.HideSubject
		for _, x := range v.Reasons {
			reasons = appendNew(reasons, x.line(v.Places, to.language))
		}
	}
	n := d.of(m, to, ended, hide)
	n.URL = d.messageURL(m.ID)
	if k == noteRefused {
		n.Reasons = reasons
	}
	if k == noteCancelled && ended[0].Reason == holdqueue.ReasonAdmin {
		n.By = d.adminName(by, to.language)
	}
	return d.post(tx, to, k, n, posting{about: m, returned: ended})
}

// adminName names an administrator; somebody at the command line has none.
func (d *Desk) adminName(by holdqueue.Actor, language string) string {
	if a := actorAddress(by); a != "" {
		return d.called(d.People.Book(), a, language)
	}
	return string(by)
}

func (d *Desk) tellWaiting(tx *db.Tx, m *holdqueue.Message, w waitingMail) error {
	if m.Automatic || !w.worthTelling() {
		return nil
	}
	to := d.reader(m.Person)
	n := d.of(m, to, w.outside, w.hide)
	n.Release, n.URL = w.release, d.cancelURL(m.ID)
	return d.post(tx, to, noteWaiting, n, posting{about: m})
}
