package holdqueue

import (
	"errors"
	"fmt"
	"time"
)

// State of one recipient.
type State string

const (
	Received State = "received" // durable, not yet inspected
	Held     State = "held"     // waits for a person
	Delayed  State = "delayed"  // waits for its time
	Sending  State = "sending"  // an attempt has it
	Deferred State = "deferred" // the next hop said "later"

	Sent      State = "sent"
	Failed    State = "failed"
	Refused   State = "refused" // by a rule, after acceptance: returned to the sender
	Cancelled State = "cancelled"
	Rejected  State = "rejected"
	Expired   State = "expired"
)

// Ended says whether nothing will happen to the recipient any more.
func (s State) Ended() bool {
	switch s {
	case Received, Held, Delayed, Sending, Deferred:
		return false
	}
	return true
}

// Errors of transitions. A *StateError matches ErrTooLate when the mail has left or is leaving, ErrEnded when
// it came to another end, ErrState otherwise.
var (
	ErrTooLate = errors.New("too late: already being sent")
	ErrEnded   = errors.New("already ended")
	ErrState   = errors.New("not possible in this state")
)

// StateError tells the loser of a race the truth: what the recipient is now, and since when.
type StateError struct {
	Verb  string
	State State
	Since time.Time
}

func (e *StateError) Error() string {
	return fmt.Sprintf("cannot %s: %s since %s", e.Verb, e.State, e.Since.UTC().Format("2006-01-02 15:04:05Z"))
}

// Is matches the sentinel of the state.
func (e *StateError) Is(target error) bool {
	switch {
	case e.State == Sending || e.State == Sent || e.State == Deferred:
		return target == ErrTooLate
	case e.State.Ended():
		return target == ErrEnded
	}
	return target == ErrState
}

// approvalPause is what a mail waits at least between its approval and its leaving, so that a slip of the
// finger can be taken back.
const approvalPause = 10 * time.Second

// stopLimit is how long a mail whose clock was stopped stays before it goes back to its sender.
const stopLimit = 7 * 24 * time.Hour

func (r *Recipient) wrong(verb string) error {
	since := r.DecidedAt
	switch {
	case r.State.Ended():
		since = r.EndedAt
	case r.State == Sending || r.State == Deferred:
		since = r.ClaimedAt
	}
	return &StateError{Verb: verb, State: r.State, Since: since}
}

func (r *Recipient) end(s State, why Reason, at time.Time) {
	r.State, r.Reason, r.EndedAt = s, why, at
	r.Attempt, r.NextTryAt = "", time.Time{}
}

// Inspected carries out what inspection decided: received > refused, held or delayed.
func (r *Recipient) Inspected(d Decision, accepted, at time.Time) error {
	if r.State != Received {
		return r.wrong("inspect")
	}
	r.Delay, r.Bundle, r.Verdict = d.Delay, d.Bundle, d.Verdict
	switch d.Action {
	case ActionRefuse:
		r.end(Refused, ReasonRule, at)
	case ActionHold:
		r.State, r.DecidedAt = Held, at
	case ActionSend:
		r.State, r.ReleaseAt = Delayed, accepted.Add(d.Delay)
	default:
		return fmt.Errorf("inspect: unknown action %q", d.Action)
	}
	return nil
}

// Approve lets a held recipient go: held > delayed. The delay counts from acceptance and does not start again.
func (r *Recipient) Approve(accepted, at time.Time) error {
	if r.State != Held {
		return r.wrong("approve")
	}
	r.State, r.DecidedAt = Delayed, at
	r.ReleaseAt = later(accepted.Add(r.Delay), at.Add(approvalPause))
	return nil
}

// Reject returns a held recipient to its sender.
func (r *Recipient) Reject(at time.Time) error {
	if r.State != Held {
		return r.wrong("reject")
	}
	r.DecidedAt = at
	r.end(Rejected, ReasonReject, at)
	return nil
}

// Expire returns a held recipient that nobody decided about.
func (r *Recipient) Expire(at time.Time) error {
	if r.State != Held {
		return r.wrong("expire")
	}
	r.end(Expired, ReasonUnasked, at)
	return nil
}

// Cancel takes a mail back that has not begun to leave. One that is deferred may be taken back too, unless an
// earlier attempt may have delivered it.
func (r *Recipient) Cancel(why Reason, at time.Time) error {
	switch r.State {
	case Received, Held, Delayed:
	case Deferred:
		if r.Uncertain {
			return r.wrong("cancel")
		}
	default:
		return r.wrong("cancel")
	}
	r.end(Cancelled, why, at)
	return nil
}

// SendNow ends the delay. It does not decide a held mail.
func (r *Recipient) SendNow(at time.Time) error {
	switch r.State {
	case Delayed:
		// No delay any more, not even the moment that people get after a start: somebody has just looked.
		r.ReleaseAt, r.Delay, r.Stopped = at, 0, false
	case Deferred:
		r.NextTryAt = at
	default:
		return r.wrong("send now")
	}
	return nil
}

// Stop stops the clock until the sender says SendNow or Cancel.
func (r *Recipient) Stop(at time.Time) error {
	if r.State != Delayed {
		return r.wrong("stop")
	}
	if !r.Stopped {
		r.Stopped, r.ReleaseAt = true, at.Add(stopLimit)
	}
	return nil
}

// GiveBack returns a mail whose stopped clock nobody started again.
func (r *Recipient) GiveBack(at time.Time) error {
	if r.State != Delayed || !r.Stopped {
		return r.wrong("give back")
	}
	r.end(Expired, ReasonStopped, at)
	return nil
}

// DueAt is when something has to be done about the recipient next; zero when nothing has.
func (r *Recipient) DueAt() time.Time {
	switch r.State {
	case Delayed:
		return r.ReleaseAt
	case Deferred:
		return r.NextTryAt
	}
	return time.Time{}
}

// Claim begins an attempt: delayed or deferred > sending. From here on it is too late to cancel.
func (r *Recipient) Claim(attempt string, at time.Time) error {
	if r.State != Delayed && r.State != Deferred || r.Stopped {
		return r.wrong("send")
	}
	r.State, r.Attempt, r.ClaimedAt, r.DotSentAt = Sending, attempt, at, time.Time{}
	r.Tries++
	if r.FirstTryAt.IsZero() {
		r.FirstTryAt = at
	}
	return nil
}

// TakeOver frees a recipient from an attempt whose worker is gone. Without dot_sent nothing has been delivered;
// with it nobody knows, and the mail is sent again, marked.
func (r *Recipient) TakeOver(at time.Time) error {
	if r.State != Sending {
		return r.wrong("take over")
	}
	r.Uncertain = r.Uncertain || !r.DotSentAt.IsZero()
	r.State, r.Attempt, r.DotSentAt, r.NextTryAt = Deferred, "", time.Time{}, at
	return nil
}

// HoldAgain asks people about a recipient whose mail cannot leave as planned: sending > held, before any byte left.
func (r *Recipient) HoldAgain(d Decision, at time.Time) error {
	if r.State != Sending || !r.DotSentAt.IsZero() {
		return r.wrong("hold")
	}
	r.State, r.Attempt, r.DecidedAt, r.Verdict = Held, "", at, d.Verdict
	return nil
}

// DotSent notes that the final dot is about to be written.
func (r *Recipient) DotSent(attempt string, at time.Time) error {
	if r.State != Sending || r.Attempt != attempt {
		return r.wrong("finish")
	}
	r.DotSentAt = at
	return nil
}

// Answered carries out what the next hop said: sending > sent, failed or deferred. next is when to try again;
// zero gives up.
func (r *Recipient) Answered(res Result, next, at time.Time) error {
	if r.State != Sending {
		return r.wrong("record")
	}
	r.Remote, r.Reply = res.Remote, res.Reply
	switch {
	case res.Err == nil:
		r.end(Sent, ReasonDelivered, at)
	case res.Err.Temporary && !next.IsZero():
		r.Uncertain = r.Uncertain || res.Err.Uncertain
		r.State, r.Attempt, r.DotSentAt, r.NextTryAt = Deferred, "", time.Time{}, next
		r.Reply = res.Err.Error()
	case res.Err.Temporary:
		r.Uncertain = r.Uncertain || res.Err.Uncertain
		r.Reply = res.Err.Error()
		r.end(Failed, ReasonGaveUp, at)
	default:
		r.Reply = res.Err.Error()
		r.end(Failed, ReasonUpstream, at)
	}
	return nil
}

// Postpone puts back a recipient that was claimed and not tried: sending > delayed or deferred, as it came.
func (r *Recipient) Postpone(until, at time.Time) error {
	if r.State != Sending || !r.DotSentAt.IsZero() {
		return r.wrong("postpone")
	}
	r.Attempt = ""
	if r.Tries--; r.Tries <= 0 {
		r.State, r.ReleaseAt, r.FirstTryAt, r.Tries = Delayed, until, time.Time{}, 0
		return nil
	}
	r.State, r.NextTryAt = Deferred, until
	return nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
