package approval

import (
	"slices"
	"time"

	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// speaker is somebody with the right to answer, and as what.
type speaker struct {
	who mailaddr.Address // look-up form
	as  Capacity
}

// effect is what one answer did.
type effect struct {
	released  []*recipient // approved by the last stage
	returned  []*recipient // rejected
	withdrawn []*recipient // taken back by the sender who was asked first
	next      bool         // the next stage is to be asked
	closed    bool
}

// right finds out as what somebody may answer. p is nil for an administrator
// the people file does not know.
func (r *record) right(p *Person, by Actor) (speaker, error) {
	me := by.Address.Key()
	if p != nil {
		me = p.Address.Key()
	}
	if me == r.sender || p.Is(r.sender) {
		if r.present().selfReview() || r.closed() {
			return speaker{me, AsSender}, nil
		}
		return speaker{}, ErrSelf
	}
	var earlier *question
	for _, q := range r.questions {
		if q.approver != me && !p.Is(q.approver) && !(by.Approver && q.approver == approverRole) {
			continue
		}
		if q.stage == r.stage {
			return speaker{me, q.as}, nil
		}
		earlier = q
	}
	switch {
	case by.Admin:
		return speaker{me, AsAdmin}, nil
	case earlier != nil:
		return speaker{}, r.passedOn(earlier.stage)
	}
	return speaker{}, ErrNotApprover
}

// passedOn tells somebody asked in an earlier stage who decided it.
func (r *record) passedOn(stage int) error {
	for _, v := range slices.Backward(r.voices) {
		if v.Stage == stage {
			return &DecidedError{State: Open, By: v.By, At: v.At}
		}
	}
	return ErrNotApprover
}

// answer takes one decision of somebody who has the right to it.
func (r *record) answer(d Decision, by speaker, at time.Time) (effect, error) {
	if r.closed() {
		return effect{}, &DecidedError{State: r.state, By: r.closedBy, At: r.closedAt}
	}
	if d.Revision != r.revision {
		return effect{}, &StaleError{Revision: r.revision}
	}
	named, others, err := r.chosen(d)
	if err != nil {
		return effect{}, err
	}
	if named, err = r.notTwice(named, by, d.Recipients == nil); err != nil {
		return effect{}, err
	}
	var e effect
	r.say(&e, d.Verb, named, d.Comment, by, at)
	r.say(&e, d.Others, others, d.Comment, by, at)
	r.silence(by)
	switch {
	case r.close(by.who, at):
		e.closed = true
	case !r.lastStage() && r.allPassed():
		e.next = true
	}
	return e, nil
}

// chosen resolves the recipients of a decision.
func (r *record) chosen(d Decision) (named, others []*recipient, err error) {
	if d.Verb != Approve && d.Verb != Reject || d.Others != "" && d.Others != Approve && d.Others != Reject {
		return nil, nil, ErrNoRecipient
	}
	if d.Recipients == nil {
		return r.unanswered(), nil, nil
	}
	for _, id := range d.Recipients {
		x := r.find(id)
		if x == nil {
			return nil, nil, ErrNoRecipient
		}
		if x.answer != Unanswered {
			return nil, nil, &DecidedError{State: x.answer.state(), By: x.answeredBy, At: x.answeredAt}
		}
		if !slices.Contains(named, x) {
			named = append(named, x)
		}
	}
	if len(named) == 0 {
		return nil, nil, ErrNoRecipient
	}
	if d.Others != "" {
		for _, x := range r.unanswered() {
			if !slices.Contains(named, x) {
				others = append(others, x)
			}
		}
	}
	return named, others, nil
}

func (a Answer) state() State {
	switch a {
	case AnswerApproved:
		return Approved
	case AnswerRejected:
		return Rejected
	case AnswerExpired:
		return Expired
	case AnswerCancelled:
		return Cancelled
	}
	return Open
}

// notTwice refuses a second voice of the same person in one stage, so that a
// double click is not a quorum of two. Whoever says "all" means those they have
// not spoken about.
func (r *record) notTwice(named []*recipient, by speaker, all bool) ([]*recipient, error) {
	var fresh []*recipient
	var said *Voice
	for _, x := range named {
		if v := r.spoke(by.who, x); v != nil {
			said = v
			continue
		}
		fresh = append(fresh, x)
	}
	if said != nil && (!all || len(fresh) == 0) {
		return nil, &DecidedError{State: Open, By: said.By, At: said.At}
	}
	return fresh, nil
}

// spoke is what somebody has said about a recipient in the present stage.
func (r *record) spoke(who mailaddr.Address, x *recipient) *Voice {
	for _, v := range r.voices {
		if v.By == who && v.Stage == r.stage && slices.Contains(v.Recipients, x.id) {
			return v
		}
	}
	return nil
}

// say records a voice and carries it out as far as it decides.
func (r *record) say(e *effect, verb Verb, about []*recipient, comment string, by speaker, at time.Time) {
	if verb == "" || len(about) == 0 {
		return
	}
	v := &Voice{By: by.who, Verb: verb, Stage: r.stage, Comment: comment, As: string(by.as), At: at}
	for _, x := range about {
		v.Recipients = append(v.Recipients, x.id)
	}
	r.voices = append(r.voices, v)
	for _, x := range about {
		switch {
		case verb == Reject && by.as == AsSender:
			x.answer, e.withdrawn = AnswerCancelled, append(e.withdrawn, x)
		case verb == Reject:
			x.answer, e.returned = AnswerRejected, append(e.returned, x)
		case r.lastStage() && r.passed(x):
			x.answer, e.released = AnswerApproved, append(e.released, x)
		default:
			continue
		}
		x.answeredBy, x.answeredAt = by.who, at
	}
}

// passed says whether enough different people of the present stage approve.
func (r *record) passed(x *recipient) bool {
	var people []mailaddr.Address
	for _, v := range r.voices {
		if v.Stage == r.stage && v.Verb == Approve && slices.Contains(v.Recipients, x.id) && !slices.Contains(people, v.By) {
			people = append(people, v.By)
		}
	}
	return len(people) >= max(r.detail.Quorum, 1)
}

func (r *record) allPassed() bool {
	return !slices.ContainsFunc(r.unanswered(), func(x *recipient) bool { return !r.passed(x) })
}

// silence takes the question away from somebody with nothing left to say.
func (r *record) silence(by speaker) {
	for _, x := range r.unanswered() {
		if r.spoke(by.who, x) == nil {
			return
		}
	}
	for _, q := range r.questions {
		if q.approver == by.who {
			q.open = false
		}
	}
}

// advance begins the next stage: whoever was asked before is asked no more.
func (r *record) advance() {
	r.stage++
	for _, q := range r.questions {
		q.open = false
	}
}
