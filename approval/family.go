package approval

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/audit"
	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// Upstream may split one mail into copies that come one by one. They are one
// question: a copy joins the one that is open, and where it has been answered
// inherits the answer, if what was shown was this copy too.

// splits says whether other copies of a mail may come or have come.
func splits(m *holdqueue.Message) bool {
	if m.Origin != holdqueue.FromGateway {
		return false
	}
	here := func(a mailaddr.Address) bool {
		return slices.ContainsFunc(m.Recipients, func(r *holdqueue.Recipient) bool { return r.Address.Key() == a.Key() })
	}
	missing := func(a mailaddr.Address) bool { return !here(a) }
	return m.Family != m.ID || slices.ContainsFunc(m.Meta.HeaderTo, missing) || slices.ContainsFunc(m.Meta.HeaderCc, missing)
}

// ofFamily are the requests about a mail, the oldest first.
func (d *Desk) ofFamily(tx *db.Tx, family string) ([]*record, error) {
	ids, err := requestsOf(tx, family)
	if err != nil {
		return nil, err
	}
	var out []*record
	for _, id := range ids {
		r, err := d.load(tx, id)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// settleIn takes out of a group the recipients that earlier requests about the
// same mail settle: they join the open one or inherit an answer.
func (d *Desk) settleIn(tx *db.Tx, m *holdqueue.Message, g *group, earlier []*record) error {
	var left, joining []*holdqueue.Recipient
	var into *record
	for _, x := range g.recipients {
		switch like, err := d.precedent(tx, earlier, x, g.likeness[x.ID]); {
		case err != nil:
			return err
		case like.answered():
			if err := d.inherit(tx, m, x, like); err != nil {
				return err
			}
			continue
		default:
			if r := admitting(earlier, g, like); r != nil && (into == nil || into == r) {
				into, joining = r, append(joining, x)
				continue
			}
		}
		left = append(left, x)
	}
	g.recipients = left
	if into == nil {
		return nil
	}
	return d.joinIn(tx, m, into, g, joining)
}

// alike is a recipient of an earlier request that a later one is like, and
// stands in the header that was shown there.
type alike struct {
	request   *record
	recipient *recipient
	same      bool // all such recipients have the same answer
}

func (a alike) answered() bool {
	return a.request != nil && a.same && (a.recipient.answer == AnswerApproved || a.recipient.answer == AnswerRejected)
}

// precedent finds what was answered about recipients like this one. Somebody
// who did not stand in the header that was shown (Bcc) has none, nor has
// somebody about whom something else was found.
func (d *Desk) precedent(tx *db.Tx, earlier []*record, x *holdqueue.Recipient, likeness string) (found alike, err error) {
	if likeness == "" {
		return alike{}, nil
	}
	found.same = true
	for _, r := range earlier {
		for _, have := range r.recipients {
			if have.likeness != likeness {
				continue
			}
			found.same = found.same && (found.recipient == nil || found.recipient.answer == have.answer)
			found.request, found.recipient = r, have
		}
	}
	if found.request == nil {
		return alike{}, nil
	}
	shown, err := d.Queue.GetTx(tx, found.request.message)
	if err != nil {
		return alike{}, fmt.Errorf("request %s: %w", found.request.id, err)
	}
	if isBcc(shown, x.Address) {
		return alike{}, nil
	}
	return found, nil
}

// admitting is the open request that a late recipient belongs to. One that has
// passed a stage takes only those who would have passed it.
func admitting(earlier []*record, g *group, like alike) *record {
	for _, r := range earlier {
		if r.closed() || !reflect.DeepEqual(r.detail.Stages, g.verdict.Stages) || r.detail.Expire != g.verdict.Expire {
			continue
		}
		if r.stage == 0 || like.request == r {
			return r
		}
	}
	return nil
}

// joinIn adds recipients of a copy to an open request. What pages show is no
// longer the whole: a decision that names their revision does not count.
func (d *Desk) joinIn(tx *db.Tx, m *holdqueue.Message, r *record, g *group, joining []*holdqueue.Recipient) error {
	shown, err := d.Queue.GetTx(tx, r.message)
	if err != nil {
		return fmt.Errorf("request %s: %w", r.id, err)
	}
	addresses, plans := r.take(shown, m, g, joining)
	r.revision = revisionOf(m.SHA256, addresses, m.Report, append(plans, []byte(r.revision)))
	r.learn(g.verdict)
	r.reopen()
	if err := d.save(tx, r); err != nil {
		return err
	}
	return logJoined(tx, r, joining, "ask.join", map[string]string{"revision": string(r.revision)})
}

// inherit carries out for a late copy what was answered about the others.
func (d *Desk) inherit(tx *db.Tx, m *holdqueue.Message, x *holdqueue.Recipient, like alike) error {
	r, answer := like.request, like.recipient.answer
	r.recipients = append(r.recipients, &recipient{id: x.ID, message: m.ID, address: x.Address, answer: answer,
		answeredBy: like.recipient.answeredBy, answeredAt: tx.Now(), likeness: like.recipient.likeness})
	if err := d.save(tx, r); err != nil {
		return err
	}
	do, action := d.Queue.Approve, "approve.inherit"
	if answer == AnswerRejected {
		do, action = d.Queue.Reject, "reject.inherit"
	}
	one := []*holdqueue.Recipient{x}
	err := logJoined(tx, r, one, action, map[string]string{"revision": string(r.revision), "approver": string(like.recipient.answeredBy)})
	if err != nil {
		return err
	}
	outcomes, err := do(tx, m.ID, []RecipientID{x.ID}, holdqueue.System)
	if err != nil {
		return err
	}
	if outcomes[0].Err != nil {
		return outcomes[0].Err
	}
	if answer == AnswerRejected {
		return d.tellLater(tx, m, noteRejected, one)
	}
	return nil
}

func logJoined(tx *db.Tx, r *record, about []*holdqueue.Recipient, action string, detail map[string]string) error {
	for _, x := range about {
		err := audit.Append(tx, audit.Entry{Actor: string(holdqueue.System), Action: action, Message: x.Message, Recipient: x.ID,
			Object: string(r.id), Detail: detail})
		if err != nil {
			return err
		}
	}
	return nil
}

// take adds recipients of a copy. Bcc is who does not stand in the header that
// the request shows.
func (r *record) take(shown, m *holdqueue.Message, g *group, fresh []*holdqueue.Recipient) (addresses []mailaddr.Address, plans [][]byte) {
	for _, x := range fresh {
		r.recipients = append(r.recipients, &recipient{
			id: x.ID, message: m.ID, address: x.Address, bcc: isBcc(shown, x.Address), answer: Unanswered, likeness: g.likeness[x.ID],
		})
		addresses = append(addresses, x.Address)
		plans = append(plans, x.Verdict)
	}
	return addresses, plans
}

// learn adds what a copy's verdict says besides.
func (r *record) learn(v Verdict) {
	for _, x := range v.Reasons {
		r.detail.Reasons = appendNew(r.detail.Reasons, x)
	}
	for _, x := range v.Places {
		r.detail.Places = appendNew(r.detail.Places, x)
	}
	for _, x := range v.Rules {
		r.detail.Rules = appendNew(r.detail.Rules, x)
	}
	for _, x := range v.Transforms {
		r.detail.Transforms = appendNew(r.detail.Transforms, x)
	}
	r.detail.HideSubject = r.detail.HideSubject || v.HideSubject
}

// reopen asks those of the present stage again who had nothing left to say:
// now there is something.
func (r *record) reopen() {
	for _, q := range r.questions {
		if q.stage == r.stage {
			q.open = true
		}
	}
}

// settle is how long the first notices about a mail wait for its other copies.
const settle = 5 * time.Second
