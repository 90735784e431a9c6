package holdqueue

import (
	"errors"
	"testing"
	"time"
)

var t0 = time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)

func at(s time.Duration) time.Time { return t0.Add(s) }

// TestTransitions is the whole table: every verb in every state either leads where it says or is refused.
func TestTransitions(t *testing.T) {
	all := []State{Received, Held, Delayed, Sending, Deferred, Sent, Failed, Refused, Cancelled, Rejected, Expired}
	ok := Result{Remote: "mx", Reply: "250 queued as X"}
	later := Result{Err: &SendError{Code: 451, Temporary: true, Text: "later"}}
	never := Result{Err: &SendError{Code: 550, Text: "no"}}
	verbs := map[string]struct {
		do   func(*Recipient) error
		want map[State]State
	}{
		"inspect>send":   {func(r *Recipient) error { return r.Inspected(Decision{Action: ActionSend}, t0, t0) }, map[State]State{Received: Delayed}},
		"inspect>hold":   {func(r *Recipient) error { return r.Inspected(Decision{Action: ActionHold}, t0, t0) }, map[State]State{Received: Held}},
		"inspect>refuse": {func(r *Recipient) error { return r.Inspected(Decision{Action: ActionRefuse}, t0, t0) }, map[State]State{Received: Refused}},
		"approve":        {func(r *Recipient) error { return r.Approve(t0, t0) }, map[State]State{Held: Delayed}},
		"reject":         {func(r *Recipient) error { return r.Reject(t0) }, map[State]State{Held: Rejected}},
		"expire":         {func(r *Recipient) error { return r.Expire(t0) }, map[State]State{Held: Expired}},
		"cancel": {func(r *Recipient) error { return r.Cancel(ReasonSender, t0) },
			map[State]State{Received: Cancelled, Held: Cancelled, Delayed: Cancelled, Deferred: Cancelled}},
		"send now":         {func(r *Recipient) error { return r.SendNow(t0) }, map[State]State{Delayed: Delayed, Deferred: Deferred}},
		"stop":             {func(r *Recipient) error { return r.Stop(t0) }, map[State]State{Delayed: Delayed}},
		"give back":        {func(r *Recipient) error { r.Stopped = true; return r.GiveBack(t0) }, map[State]State{Delayed: Expired}},
		"claim":            {func(r *Recipient) error { return r.Claim("a", t0) }, map[State]State{Delayed: Sending, Deferred: Sending}},
		"take over":        {func(r *Recipient) error { return r.TakeOver(t0) }, map[State]State{Sending: Deferred}},
		"hold again":       {func(r *Recipient) error { return r.HoldAgain(Decision{}, t0) }, map[State]State{Sending: Held}},
		"dot sent":         {func(r *Recipient) error { return r.DotSent("", t0) }, map[State]State{Sending: Sending}},
		"postpone":         {func(r *Recipient) error { r.Tries = 2; return r.Postpone(at(1), t0) }, map[State]State{Sending: Deferred}},
		"postpone first":   {func(r *Recipient) error { r.Tries = 1; return r.Postpone(at(1), t0) }, map[State]State{Sending: Delayed}},
		"answered ok":      {func(r *Recipient) error { return r.Answered(ok, t0, t0) }, map[State]State{Sending: Sent}},
		"answered later":   {func(r *Recipient) error { return r.Answered(later, at(1), t0) }, map[State]State{Sending: Deferred}},
		"answered too old": {func(r *Recipient) error { return r.Answered(later, time.Time{}, t0) }, map[State]State{Sending: Failed}},
		"answered never":   {func(r *Recipient) error { return r.Answered(never, at(1), t0) }, map[State]State{Sending: Failed}},
	}
	for name, v := range verbs {
		for _, from := range all {
			r := &Recipient{State: from}
			err := v.do(r)
			to, allowed := v.want[from]
			switch {
			case allowed && (err != nil || r.State != to):
				t.Errorf("%s in %s: %s, %v; want %s", name, from, r.State, err, to)
			case !allowed && (err == nil || r.State != from):
				t.Errorf("%s in %s must be refused, became %s", name, from, r.State)
			case r.State.Ended() != !r.EndedAt.IsZero() && allowed:
				t.Errorf("%s in %s: ended_at does not agree with the state", name, from)
			}
		}
	}
}

func TestLoserIsToldTheTruth(t *testing.T) {
	for state, want := range map[State]error{Sending: ErrTooLate, Sent: ErrTooLate, Cancelled: ErrEnded, Rejected: ErrEnded, Failed: ErrEnded} {
		r := &Recipient{State: state, ClaimedAt: at(3 * time.Second), EndedAt: at(4 * time.Second)}
		err := r.Cancel(ReasonSender, at(5*time.Second))
		if !errors.Is(err, want) {
			t.Errorf("cancel in %s: %v, want %v", state, err, want)
		}
		var se *StateError
		if !errors.As(err, &se) || se.Since.IsZero() {
			t.Errorf("cancel in %s does not say since when: %v", state, err)
		}
	}
	if err := (&Recipient{State: Received}).Approve(t0, t0); !errors.Is(err, ErrState) {
		t.Errorf("approve before inspection: %v", err)
	}
}

func TestApprovalNeverStartsTheDelayAgain(t *testing.T) {
	for _, c := range []struct{ delay, decided, want time.Duration }{
		{5 * time.Minute, time.Minute, 5 * time.Minute},             // the delay still runs
		{5 * time.Minute, 20 * time.Minute, 20*time.Minute + 10e9},  // it is over: ten seconds to take the click back
		{0, time.Second, 11 * time.Second},                          // no delay
		{5 * time.Minute, 5*time.Minute - 5e9, 5*time.Minute + 5e9}, // both
	} {
		r := &Recipient{State: Held, Delay: c.delay}
		if err := r.Approve(t0, at(c.decided)); err != nil || !r.ReleaseAt.Equal(at(c.want)) {
			t.Errorf("delay %v, decided after %v: release after %v, want %v (%v)", c.delay, c.decided, r.ReleaseAt.Sub(t0), c.want, err)
		}
	}
}

func TestUncertainMailCannotBeCancelled(t *testing.T) {
	r := &Recipient{State: Delayed}
	must(t, r.Claim("a1", t0))
	must(t, r.DotSent("a1", at(1)))
	must(t, r.TakeOver(at(2)))
	if !r.Uncertain || r.State != Deferred {
		t.Fatalf("%+v", r)
	}
	if err := r.Cancel(ReasonSender, at(3)); !errors.Is(err, ErrTooLate) {
		t.Errorf("%v", err)
	}
	clean := &Recipient{State: Delayed}
	must(t, clean.Claim("a1", t0))
	must(t, clean.TakeOver(at(2)))
	if clean.Uncertain {
		t.Error("without dot_sent nothing was delivered")
	}
	must(t, clean.Cancel(ReasonSender, at(3)))
}

func TestDotOfALostAttemptIsRefused(t *testing.T) {
	r := &Recipient{State: Delayed}
	must(t, r.Claim("a1", t0))
	must(t, r.TakeOver(at(1)))
	must(t, r.Claim("a2", at(2)))
	if err := r.DotSent("a1", at(3)); err == nil {
		t.Error("two attempts may write the dot")
	}
	must(t, r.DotSent("a2", at(3)))
}

func TestStoppedMailWaitsAndComesBack(t *testing.T) {
	r := &Recipient{State: Delayed, ReleaseAt: at(time.Minute)}
	must(t, r.Stop(t0))
	if err := r.Claim("a", at(stopLimit)); err == nil {
		t.Error("a stopped mail left")
	}
	if !r.DueAt().Equal(at(stopLimit)) {
		t.Errorf("due %v", r.DueAt())
	}
	must(t, r.Stop(at(time.Hour)))
	if !r.DueAt().Equal(at(stopLimit)) {
		t.Error("a second stop lengthened the first")
	}
	must(t, r.SendNow(at(time.Hour)))
	must(t, r.Claim("a", at(time.Hour)))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
