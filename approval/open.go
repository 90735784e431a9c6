package approval

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/audit"
	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// OnHeld is the queue's hook for recipients that wait for a person now: it opens
// one request for all that need the same people, and tells the sender.
func (d *Desk) OnHeld(tx *db.Tx, m *holdqueue.Message, held []*holdqueue.Recipient, _ holdqueue.Actor) error {
	if err := d.note(tx, m, held); err != nil {
		return err
	}
	var earlier, opened []*record
	var asked []*holdqueue.Recipient
	if m.Origin == holdqueue.FromGateway {
		var err error
		if earlier, err = d.ofFamily(tx, m.Family); err != nil {
			return err
		}
	}
	for _, g := range d.groups(m, held) {
		if err := d.settleIn(tx, m, g, earlier); err != nil {
			return err
		}
		if len(g.recipients) == 0 {
			continue
		}
		r, err := d.open(tx, m, g)
		if err != nil {
			return err
		}
		opened, asked = append(opened, r), append(asked, g.recipients...)
	}
	if splits(m) {
		return d.tellLater(tx, m, noteHeld, asked)
	}
	return d.tellHeld(tx, m, opened)
}

// group is the recipients of a mail that need the same people.
type group struct {
	verdict    Verdict
	recipients []*holdqueue.Recipient
	likeness   map[RecipientID]string
}

func (d *Desk) groups(m *holdqueue.Message, held []*holdqueue.Recipient) []*group {
	var out []*group
	byKey := map[string]*group{}
	for _, r := range held {
		v, err := d.Verdict(m, r)
		if err != nil {
			// What cannot be read is not guessed: administrators look at it.
			d.Log.Error("verdict not readable, administrators are asked", "message", m.ID, "recipient", r.ID)
			v = Verdict{Reasons: []Reason{{Code: CauseUninspected, JA: "判定の記録を読めませんでした", EN: "the record of the verdict could not be read"}}}
		}
		v.Stages = stagesFor(v.Stages, m.Automatic)
		key, _ := json.Marshal([]any{v.Stages, v.Expire}) // slices of strings and numbers only
		g, ok := byKey[string(key)]
		if !ok {
			g = &group{verdict: v, likeness: map[RecipientID]string{}}
			byKey[string(key)] = g
			out = append(out, g)
		}
		g.add(v, r)
	}
	return out
}

// stagesFor is the route of a rule made safe: never empty, and without the
// sender where nobody reads the sender's mail.
func stagesFor(stages []Stage, automatic bool) []Stage {
	var out []Stage
	for _, s := range stages {
		// Notices about automatic mail are never sent, so its sender would
		// never learn of the question.
		if len(s.Approvers) == 0 || automatic && s.selfReview() {
			continue
		}
		out = append(out, s)
	}
	if len(out) == 0 {
		out = []Stage{{Approvers: []string{toAdmin}, Quorum: 1}}
	}
	return out
}

// add takes a recipient in; reasons and rules of all recipients of the group
// are shown together.
func (g *group) add(v Verdict, r *holdqueue.Recipient) {
	g.recipients = append(g.recipients, r)
	g.likeness[r.ID] = v.Likeness
	for _, x := range v.Reasons {
		g.verdict.Reasons = appendNew(g.verdict.Reasons, x)
	}
	for _, x := range v.Places {
		g.verdict.Places = appendNew(g.verdict.Places, x)
	}
	for _, x := range v.Rules {
		g.verdict.Rules = appendNew(g.verdict.Rules, x)
	}
	for _, x := range v.Transforms {
		g.verdict.Transforms = appendNew(g.verdict.Transforms, x)
	}
	g.verdict.HideSubject = g.verdict.HideSubject || v.HideSubject
}

// open writes a request and asks its first stage.
func (d *Desk) open(tx *db.Tx, m *holdqueue.Message, g *group) (*record, error) {
	now := tx.Now()
	v := g.verdict
	r := &record{
		id: RequestID(db.NewID()), message: m.ID, family: m.Family, sender: d.sender(m), state: Open, openedAt: now,
		expiresAt: v.Expire.end(d.Calendar, now),
		detail: detail{
			Subject: m.Meta.Subject, HideSubject: v.HideSubject, Automatic: m.Automatic, Reasons: v.Reasons, Places: v.Places, Rules: v.Rules,
			Transforms: v.Transforms, Stages: v.Stages, Expire: v.Expire,
		},
	}
	addresses, plans := r.take(m, m, g, g.recipients)
	r.revision = revisionOf(m.SHA256, addresses, m.Report, plans)
	fresh := d.askStage(r, now)
	if err := d.insert(tx, r); err != nil {
		return nil, err
	}
	if err := d.Queue.Schedule(tx, kindExpire, string(r.id), r.expiresAt); err != nil {
		return nil, err
	}
	if !splits(m) {
		return r, d.follow(tx, r, fresh, noteQuestion)
	}
	// Its other copies are a moment behind, and belong into the same mail.
	if err := d.Queue.Schedule(tx, kindAsk, r.stageRef(), now.Add(settle)); err != nil {
		return nil, err
	}
	return r, d.noteAsked(tx, r, fresh)
}

// sender is whose mail it is, in look-up form, by the address the people file
// has today.
func (d *Desk) sender(m *holdqueue.Message) mailaddr.Address {
	if p, ok := d.People.Book().ByAddress(m.Person); ok {
		return p.Address.Key()
	}
	return m.Person.Key()
}

func isBcc(m *holdqueue.Message, a mailaddr.Address) bool {
	same := func(x mailaddr.Address) bool { return x.Key() == a.Key() }
	return !slices.ContainsFunc(m.Meta.HeaderTo, same) && !slices.ContainsFunc(m.Meta.HeaderCc, same)
}

// askStage puts the present stage to people and sets its clocks.
func (d *Desk) askStage(r *record, now time.Time) []*question {
	sender, _ := d.People.Book().ByAddress(r.sender)
	people, quorum, notes := d.router(now).stage(r.present(), sender, r.sender)
	r.detail.Quorum, r.detail.Notes = quorum, notes
	r.remindAt = d.before(r, d.Calendar.Add(now, remindAfter))
	r.escalateAt = d.before(r, d.Calendar.Add(now, escalateAfter))
	if r.present().selfReview() {
		r.escalateAt = time.Time{} // nobody else can know what the sender meant
	}
	return r.ask(people, now)
}

// before drops what would happen after the deadline only.
func (d *Desk) before(r *record, at time.Time) time.Time {
	if !at.Before(r.expiresAt) {
		return time.Time{}
	}
	return at
}

// follow does what belongs to a freshly asked stage: its work, its mails and
// its entry in the log.
func (d *Desk) follow(tx *db.Tx, r *record, fresh []*question, k kind) error {
	if err := d.tellAsked(tx, r, fresh, k); err != nil {
		return err
	}
	return d.noteAsked(tx, r, fresh)
}

// noteAsked sets the clocks of the present stage and logs who is asked.
func (d *Desk) noteAsked(tx *db.Tx, r *record, fresh []*question) error {
	for _, work := range []struct {
		kind string
		due  time.Time
	}{{kindRemind, r.remindAt}, {kindEscalate, r.escalateAt}} {
		if work.due.IsZero() {
			continue
		}
		if err := d.Queue.Schedule(tx, work.kind, r.stageRef(), work.due); err != nil {
			return err
		}
	}
	for _, q := range fresh {
		err := audit.Append(tx, audit.Entry{Actor: string(holdqueue.System), Action: "ask", Message: r.message, Object: string(r.id),
			Detail: map[string]string{"approver": string(q.approver), "capacity": string(q.as), "stage": strconv.Itoa(r.stage)}})
		if err != nil {
			return err
		}
	}
	return nil
}

// stageRef names the work of one stage, so that the next stage's is another.
func (r *record) stageRef() string { return fmt.Sprintf("%s.%d", r.id, r.stage) }
