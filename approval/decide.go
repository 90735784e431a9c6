package approval

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/audit"
	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/failpoint"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// LongestComment is how long a comment may be, in characters.
const LongestComment = 2000

// ErrComment says that a comment is longer than LongestComment.
var ErrComment = errors.New("the comment is too long")

// Decide takes one decision, or says truthfully why not: ErrDecided with who
// and when, ErrStale with the revision that stands, ErrNotApprover, ErrSelf.
func (d *Desk) Decide(ctx context.Context, decision Decision) (Outcome, error) {
	// Browsers count a line end as one character and send two.
	decision.Comment = strings.ReplaceAll(decision.Comment, "\r\n", "\n")
	if utf8.RuneCountInString(decision.Comment) > LongestComment {
		return Outcome{}, ErrComment
	}
	decision.Comment = strings.TrimSpace(strings.ToValidUTF8(decision.Comment, "\uFFFD"))
	var out Outcome
	failpoint.At("decide.asked")
	err := d.db.Write(ctx, func(tx *db.Tx) error {
		var err error
		out, err = d.decide(tx, decision)
		failpoint.At("decide.applied")
		return err
	})
	failpoint.At("decide.recorded")
	if err != nil {
		return Outcome{}, d.withName(err)
	}
	d.Queue.Wake()
	return out, nil
}

// AskManager passes a question that was put to the sender first on to whoever
// the rule names next.
func (d *Desk) AskManager(ctx context.Context, id RequestID, revision Revision, by Actor) (Outcome, error) {
	r, err := d.Request(ctx, id, by)
	if err != nil {
		return Outcome{}, err
	}
	if !r.MayAsk {
		if r.Why != nil {
			return Outcome{}, r.Why
		}
		return Outcome{}, ErrNotApprover
	}
	return d.Decide(ctx, Decision{Request: id, Revision: revision, Verb: Approve, By: by})
}

// withName puts the name of whoever was first into the loser's error.
func (d *Desk) withName(err error) error {
	var decided *DecidedError
	if errors.As(err, &decided) && decided.Name == "" {
		if p, ok := d.People.Book().ByAddress(decided.By); ok {
			decided.Name = p.Called()
		} else {
			decided.Name = decided.By.String()
		}
	}
	return err
}

func (d *Desk) decide(tx *db.Tx, decision Decision) (Outcome, error) {
	r, err := d.load(tx, decision.Request)
	if err != nil {
		return Outcome{}, err
	}
	now := tx.Now()
	if err := d.sync(tx, r); err != nil {
		return Outcome{}, err
	}
	p, _ := d.People.Book().ByAddress(decision.By.Address)
	by, err := r.right(p, decision.By)
	if err != nil {
		return Outcome{}, err
	}
	e, err := r.answer(decision, by, now)
	if err != nil {
		return Outcome{}, err
	}
	var fresh []*question
	if e.next {
		r.advance()
		fresh = d.askStage(r, now)
	}
	// Our rows before the queue's: its hooks then find the recipients answered.
	if err := d.save(tx, r); err != nil {
		return Outcome{}, err
	}
	failpoint.At("decide.answered")
	if err := d.carryOut(tx, r, e, holdqueue.Person(by.who)); err != nil {
		return Outcome{}, err
	}
	if err := d.finish(tx, r, e, fresh); err != nil {
		return Outcome{}, err
	}
	if err := logDecision(tx, r, by, e); err != nil {
		return Outcome{}, err
	}
	m, err := d.Queue.WholeTx(tx, r.message)
	if err != nil {
		return Outcome{}, err
	}
	return r.outcome(e, releaseAt(m, e.released)), d.tellDecided(tx, m, r, e, decision, by)
}

// sync brings answers up to date with what the queue knows: an administrator
// may have released or cancelled from the command line.
func (d *Desk) sync(tx *db.Tx, r *record) error {
	states := map[RecipientID]*holdqueue.Recipient{}
	if len(r.unanswered()) > 0 {
		m, err := d.Queue.WholeTx(tx, r.message)
		if err != nil {
			return fmt.Errorf("request %s: %w", r.id, err)
		}
		for _, q := range m.Recipients {
			states[q.ID] = q
		}
	}
	for _, x := range r.unanswered() {
		if q := states[x.id]; q != nil && q.State != holdqueue.Held {
			x.answer, x.answeredAt = answerOf(q.State), q.DecidedAt
			if q.State.Ended() {
				x.answeredAt = q.EndedAt
			}
		}
	}
	r.close("", tx.Now())
	return nil
}

// answerOf is the answer that a state of the queue amounts to.
func answerOf(s holdqueue.State) Answer {
	switch s {
	case holdqueue.Held, holdqueue.Received:
		return Unanswered
	case holdqueue.Cancelled:
		return AnswerCancelled
	case holdqueue.Rejected, holdqueue.Refused:
		return AnswerRejected
	case holdqueue.Expired:
		return AnswerExpired
	}
	return AnswerApproved
}

// carryOut has the queue turn the recipients. All of it is one transaction
// with the rows it follows from, so a refusal there undoes everything here.
func (d *Desk) carryOut(tx *db.Tx, r *record, e effect, by holdqueue.Actor) error {
	for _, step := range []struct {
		about []*recipient
		do    turn
	}{{e.released, d.Queue.Approve}, {e.returned, d.Queue.Reject}, {e.withdrawn, d.Queue.Withdraw}} {
		if err := turned(tx, r, step.about, step.do, by); err != nil {
			return err
		}
	}
	return nil
}

// turn is one of the queue's ways out of held.
type turn func(tx *db.Tx, id holdqueue.ID, ids []holdqueue.ID, by holdqueue.Actor) ([]holdqueue.Outcome, error)

// turned has the queue turn recipients, whichever copies of the mail they belong to.
func turned(tx *db.Tx, r *record, about []*recipient, do turn, by holdqueue.Actor) error {
	if len(about) == 0 {
		return nil
	}
	var ids []RecipientID
	for _, x := range about {
		ids = append(ids, x.id)
	}
	outcomes, err := do(tx, r.message, ids, by)
	if err != nil {
		return err
	}
	for _, o := range outcomes {
		if o.Err != nil {
			return o.Err
		}
	}
	return nil
}

// finish does what follows from the new state of the request itself.
func (d *Desk) finish(tx *db.Tx, r *record, e effect, fresh []*question) error {
	switch {
	case e.closed:
		return d.closeWork(tx, r)
	case e.next:
		return d.follow(tx, r, fresh, noteQuestion)
	}
	return nil
}

// closeWork forgets the clocks of a closed request and sets the last one.
func (d *Desk) closeWork(tx *db.Tx, r *record) error {
	for _, w := range [][2]string{{kindAsk, r.stageRef()}, {kindRemind, r.stageRef()}, {kindEscalate, r.stageRef()}, {kindExpire, string(r.id)}} {
		if err := d.Queue.Unschedule(tx, w[0], w[1]); err != nil {
			return err
		}
	}
	if _, err := tx.Exec(`DELETE FROM question_mail WHERE request = $1`, string(r.id)); err != nil {
		return fmt.Errorf("close request %s: %w", r.id, err)
	}
	return d.Queue.Schedule(tx, kindForget, string(r.id), r.closedAt.Add(d.Retain))
}

func logDecision(tx *db.Tx, r *record, by speaker, e effect) error {
	for _, part := range []struct {
		action string
		about  []*recipient
	}{{"approve", e.released}, {"reject", e.returned}, {"withdraw", e.withdrawn}} {
		for _, x := range part.about {
			err := audit.Append(tx, audit.Entry{
				Actor: string(holdqueue.Person(by.who)), Action: part.action, Message: x.message, Recipient: x.id,
				Object: string(r.id), Detail: decisionDetail(r, by),
			})
			if err != nil {
				return err
			}
		}
	}
	if len(e.released)+len(e.returned)+len(e.withdrawn) > 0 {
		return nil
	}
	// A voice that does not decide yet is in the log all the same.
	return audit.Append(tx, audit.Entry{
		Actor: string(holdqueue.Person(by.who)), Action: "agree", Message: r.message, Object: string(r.id),
		Detail: decisionDetail(r, by),
	})
}

func decisionDetail(r *record, by speaker) map[string]string {
	last := r.voices[len(r.voices)-1]
	return map[string]string{
		"revision": string(r.revision), "capacity": string(by.as), "stage": strconv.Itoa(last.Stage),
	}
}

// releaseAt is when the first of the released recipients leaves.
func releaseAt(m *holdqueue.Message, released []*recipient) (first time.Time) {
	for _, x := range released {
		for _, q := range m.Recipients {
			if q.ID == x.id && (first.IsZero() || q.ReleaseAt.Before(first)) {
				first = q.ReleaseAt
			}
		}
	}
	return first
}

func (r *record) outcome(e effect, release time.Time) Outcome {
	return Outcome{
		Request: r.id, State: r.state, Approved: addresses(e.released), Rejected: addresses(append(e.returned, e.withdrawn...)),
		Waiting: addresses(r.unanswered()), Stage: r.stage, ReleaseAt: release,
	}
}

func addresses(list []*recipient) []mailaddr.Address {
	var out []mailaddr.Address
	for _, x := range list {
		out = append(out, x.address)
	}
	return out
}
