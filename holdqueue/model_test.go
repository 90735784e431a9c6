package holdqueue

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/db/dbtest"
)

// TestQueueIsItsModel drives one mail through the queue by random commands, crashes and lost leases among them, and a
// model of a page beside it. After each command they must agree, and what has left must be what the end says.
func TestQueueIsItsModel(t *testing.T) {
	place, runs := dbtest.Memory(t), 0
	rapid.Check(t, func(rt *rapid.T) {
		runs++
		h := &house{t: t}
		dir := filepath.Join(place, fmt.Sprint(runs))
		var err error
		h.db, err = db.Open(t.Context(), "sqlite:"+filepath.Join(dir, "sekisho.db"), db.WithClock(func() time.Time { return t0.Add(time.Duration(h.clock.Load())) }))
		must(t, err)
		defer h.db.Close()
		h.build(dir)
		for range 5 {
			p := newPlay(rt, h)
			rt.Repeat(map[string]func(*rapid.T){
				"inspect": p.inspect, "inspection crashes": p.inspectCrash, "inspection panics": p.inspectPanic, "attempt": p.attempt, "next attempt": p.attempt, "time": p.time,
				"person": p.person, "restart": func(*rapid.T) { p.h.reopen(); p.plug() }, "": p.agree,
			})
			p.finish()
			p.tidy()
		}
	})
}

// model is what one recipient should be.
type model struct {
	state              State
	stopped, uncertain bool
	dot                bool // the attempt under way has noted it
	delay              time.Duration
	accepted, release  time.Time
	next, first        time.Time
	lease              time.Time // until when a dead worker keeps others off
	crashes            int       // of the inspection
	copies             int
}

func (m *model) due() time.Time {
	switch m.state {
	case Delayed:
		return m.release
	case Deferred:
		return m.next
	case Sending: // its worker is dead
		return m.lease
	}
	return time.Time{}
}

// can says whether a command works, and does it.
func (m *model) can(command string, now time.Time) bool {
	switch {
	case command == "cancel" && (m.state == Received || m.state == Held || m.state == Delayed || m.state == Deferred && !m.uncertain):
		m.state = Cancelled
	case command == "approve" && m.state == Held:
		m.state, m.release = Delayed, later(m.accepted.Add(m.delay), now.Add(approvalPause))
	case command == "reject" && m.state == Held:
		m.state = Rejected
	case command == "expire" && m.state == Held:
		m.state = Expired
	case command == "send now" && m.state == Delayed:
		m.release, m.stopped = now, false
	case command == "send now" && m.state == Deferred:
		m.next = now
	case command == "stop" && m.state == Delayed:
		if !m.stopped {
			m.stopped, m.release = true, now.Add(stopLimit)
		}
	default:
		return false
	}
	return true
}

// play is a mail, its model and the house they are in.
type play struct {
	*rapid.T
	h       *house
	m       model
	id      ID
	verdict Decision
	script  string // of the attempt under way
}

func newPlay(rt *rapid.T, h *house) *play {
	p := &play{T: rt, h: h}
	h.reopen()
	p.plug()
	p.id = h.submit("S: x\r\n\r\n", "a@o.example")
	p.m = model{state: Received, accepted: p.now()}
	if rapid.Bool().Draw(rt, "inspected at once") {
		p.verdict = Decision{Action: ActionSend}
		if err := h.inspect(context.Background(), p.claim(kindInspect, true)); err != nil {
			p.Fatal(err)
		}
		p.inspected(false)
	}
	return p
}

// tidy does what is left to do about a mail that was taken back before its inspection.
func (p *play) tidy() {
	p.h.clock.Add(int64(100 * 24 * time.Hour))
	for {
		got, _, _, err := p.h.take(context.Background(), []string{kindInspect}, 100)
		if err != nil {
			p.Fatal(err)
		}
		if len(got) == 0 {
			return
		}
		for _, c := range got {
			if err := p.h.inspect(context.Background(), c); err != nil {
				p.Fatal(err)
			}
		}
	}
}

// plug gives a queue that was just opened what it is given.
func (p *play) plug() {
	p.h.Inspect = func(_ context.Context, m *Message, _ Body) (Inspection, error) {
		if p.script == "panic" {
			panic(p.script)
		}
		return Inspection{Decisions: []Decision{p.verdict}}, nil
	}
	p.h.Sender = senderFunc(p.send)
}

func (p *play) now() time.Time {
	return t0.Add(time.Duration(p.h.clock.Load())).Truncate(time.Microsecond)
}

func (p *play) load() *Recipient {
	m, err := p.h.Get(context.Background(), p.id)
	if err != nil {
		p.Fatal(err)
	}
	return m.Recipients[0]
}

func (p *play) agree(*rapid.T) {
	r := p.load()
	is := fmt.Sprint(r.State, r.Stopped, r.Uncertain)
	if want := fmt.Sprint(p.m.state, p.m.stopped, p.m.uncertain); !p.m.state.Ended() && is != want || p.m.state != r.State {
		p.Fatalf("the queue has %s and the model %s", is, want)
	}
	if r.DueAt() != p.m.due() && p.m.state != Sending {
		p.Fatalf("due at %v, and by the model at %v (%s)", r.DueAt(), p.m.due(), p.m.state)
	}
	switch {
	case p.m.copies > 0 && slices.Contains([]State{Received, Held, Delayed, Cancelled, Rejected, Expired, Refused}, r.State):
		p.Fatalf("%s, and %d copies have left", r.State, p.m.copies)
	case p.m.copies == 0 && r.State == Sent:
		p.Fatal("sent, and nothing has left")
	case p.m.copies > 1 && !r.Uncertain:
		p.Fatalf("%d copies, and nobody says so", p.m.copies)
	}
}

// claim takes due work, and fails where the model does not agree about whether there is any.
func (p *play) claim(kind string, expected bool) *claim {
	got, _, _, err := p.h.take(context.Background(), []string{kind}, 100)
	if err != nil {
		p.Fatal(err)
	}
	i := slices.IndexFunc(got, func(c *claim) bool { return c.ref == p.id })
	if (i >= 0) != expected {
		p.Fatalf("%s is due: %v; by the model: %v (%s)", kind, i >= 0, expected, p.m.state)
	}
	if i < 0 {
		return nil
	}
	return got[i]
}

func (p *play) inspect(rt *rapid.T) {
	now := p.now()
	if p.m.state != Received {
		return // cancelled before: there is work, and nothing to do
	}
	c := p.claim(kindInspect, !now.Before(p.m.lease))
	if c == nil {
		return
	}
	p.script = ""
	p.verdict = Decision{Action: rapid.SampledFrom([]Action{ActionSend, ActionSend, ActionSend, ActionHold, ActionHold, ActionRefuse}).Draw(rt, "verdict"),
		Delay: time.Duration(rapid.IntRange(0, 3600).Draw(rt, "delay")) * time.Second}
	if err := p.h.inspect(context.Background(), c); err != nil {
		p.Fatal(err)
	}
	p.inspected(p.m.crashes >= maxInspections)
}

func (p *play) inspected(poison bool) {
	p.m.delay, p.m.lease = p.verdict.Delay, time.Time{}
	if poison {
		p.m.state, p.m.delay = Held, 0
		return
	}
	p.m.state = map[Action]State{ActionSend: Delayed, ActionHold: Held, ActionRefuse: Refused}[p.verdict.Action]
	p.m.release = p.m.accepted.Add(p.m.delay)
}

// inspectCrash takes the process along: the work was claimed, and nobody comes back with a verdict.
func (p *play) inspectCrash(*rapid.T) {
	c := p.suspect()
	if c == nil {
		return
	}
	p.h.reopen()
	p.plug()
	p.m.lease = p.now().Add(p.h.opts.Workers.Lease)
}

// inspectPanic is survived by the process, which puts the work back.
func (p *play) inspectPanic(*rapid.T) {
	c := p.suspect()
	if c == nil {
		return
	}
	p.script = "panic"
	p.h.carryOut(context.Background(), &lane{do: p.h.inspect}, c)
	p.m.lease = p.now().Add(time.Second << p.m.crashes)
	if p.m.crashes == maxInspections {
		p.inspected(true)
	}
}

// suspect claims a mail for an inspection that goes wrong; nil when there is none to claim.
func (p *play) suspect() *claim {
	if p.m.state != Received || p.now().Before(p.m.lease) || p.m.crashes >= maxInspections {
		return nil
	}
	p.m.crashes++
	return p.claim(kindInspect, true)
}

// dies runs something that ends in a crash, and starts anew.
func (p *play) dies(do func()) {
	defer func() {
		if recover() == nil {
			p.Fatal("it lives")
		}
		p.h.reopen()
		p.plug()
	}()
	do()
}

// attempt hands over what is due, by one of many scripts.
func (p *play) attempt(rt *rapid.T) {
	due := p.m.due()
	if wait := due.Sub(p.now()); !due.IsZero() && wait > 0 && !p.m.stopped && rapid.Bool().Draw(rt, "when it is due") {
		p.h.clock.Add(int64(wait))
	}
	c := p.claim(kindSend, !due.IsZero() && !due.After(p.now()) && !p.now().Before(p.m.lease))
	if c == nil {
		return
	}
	p.script = rapid.SampledFrom([]string{"taken", "later", "later", "never", "lost", "lost", "cancel", "crash before", "crash after", "lease lost"}).Draw(rt, "script")
	p.play(c)
}

func (p *play) play(c *claim) {
	if p.m.state == Sending { // taken over
		p.m.uncertain = p.m.uncertain || p.m.dot
	}
	if p.m.stopped {
		p.m.state, p.m.stopped = Expired, false
		if err := p.h.send(context.Background(), c); err != nil {
			p.Fatal(err)
		}
		return
	}
	p.m.state, p.m.dot = Sending, false
	if p.m.first.IsZero() {
		p.m.first = p.now()
	}
	if p.script == "crash before" || p.script == "crash after" {
		p.dies(func() { p.h.send(context.Background(), c) })
		p.m.lease = p.now().Add(p.h.opts.Workers.Lease)
		return
	}
	if err := p.h.send(context.Background(), c); err != nil && !errors.Is(err, errLost) {
		p.Fatal(err)
	}
	p.m.lease = time.Time{}
}

// send is the next hop, as the script has it.
func (p *play) send(ctx context.Context, out *Outgoing) []Result {
	script := p.script
	temporary := func(uncertain bool) []Result {
		p.m.uncertain = p.m.uncertain || uncertain
		p.m.state, p.m.next = Deferred, p.now().Add(time.Minute)
		if p.now().Sub(p.m.first) > 5*24*time.Hour {
			p.m.state = Failed
		}
		return []Result{{Err: &SendError{Text: script, Temporary: true, Uncertain: uncertain}}}
	}
	switch script {
	case "later":
		return temporary(false)
	case "never":
		p.m.state = Failed
		return []Result{{Err: &SendError{Code: 550, Text: script}}}
	case "cancel":
		p.cancel()
	case "crash before":
		panic(script)
	case "lease lost":
		return p.overtaken(ctx, out)
	}
	if err := out.BeforeDot(ctx, out.Recipients); err != nil {
		p.Fatal(err)
	}
	p.m.dot = true
	switch script {
	case "crash after":
		p.m.copies++
		panic(script)
	case "lost":
		p.m.copies++
		return temporary(true)
	}
	p.m.copies++
	p.m.state = Sent
	return []Result{{Reply: "250 2.0.0 ok"}}
}

// overtaken: the worker slept for so long that another process has sent the mail.
func (p *play) overtaken(ctx context.Context, out *Outgoing) []Result {
	p.h.clock.Add(int64(p.h.opts.Workers.Lease))
	slow := p.h.Queue
	p.h.reopen()
	p.plug()
	p.script, p.m.lease = "taken", time.Time{}
	p.play(p.claim(kindSend, true))
	p.h.Queue = slow
	if err := out.BeforeDot(ctx, out.Recipients); !errors.Is(err, errLost) {
		p.Fatalf("the final dot may be written a second time: %v", err)
	}
	return []Result{{Err: &SendError{Text: "lost", Temporary: true}}}
}

// ask has somebody give a command; the answer must be the model's.
func (p *play) ask(command string, out []Outcome, err error) {
	if err != nil || len(out) != 1 {
		p.Fatalf("%s: %v %v", command, out, err)
	}
	before := p.m.state
	if can := p.m.can(command, p.now()); can != (out[0].Err == nil) {
		p.Fatalf("%s while %s: %v; by the model: %v", command, before, out[0].Err, can)
	}
	if out[0].State != p.m.state {
		p.Fatalf("%s: said to be %s, and it is %s", command, out[0].State, p.m.state)
	}
}

// person is somebody at a screen. Most of them do not end it all.
func (p *play) person(rt *rapid.T) {
	switch rapid.SampledFrom([]string{"approve", "approve", "approve", "send now", "send now", "stop", "stop", "cancel", "reject", "expire"}).Draw(rt, "command") {
	case "cancel":
		p.cancel()
	case "approve":
		p.answer("approve", p.h.Approve)
	case "reject":
		p.answer("reject", p.h.Reject)
	case "expire":
		p.answer("expire", p.h.Expire)
	case "send now":
		p.wish("send now", p.h.SendNow)
	case "stop":
		p.wish("stop", p.h.Stop)
	}
}

func (p *play) cancel() {
	out, err := p.h.Cancel(context.Background(), p.id, nil, ReasonSender, "person:alice@corp.example")
	p.ask("cancel", out, err)
}

// wish is what a sender asks for.
func (p *play) wish(command string, do func(context.Context, ID, []ID, Actor) ([]Outcome, error)) {
	out, err := do(context.Background(), p.id, nil, "person:alice@corp.example")
	p.ask(command, out, err)
}

// answer is what follows from a question, in a transaction of its own.
func (p *play) answer(command string, do func(*db.Tx, ID, []ID, Actor) ([]Outcome, error)) {
	var out []Outcome
	err := p.h.db.Write(context.Background(), func(tx *db.Tx) (err error) {
		out, err = do(tx, p.id, nil, "person:manager@corp.example")
		return err
	})
	p.ask(command, out, err)
}

func (p *play) time(rt *rapid.T) {
	p.h.clock.Add(int64(rapid.SampledFrom([]time.Duration{time.Second, 3 * time.Second, time.Minute, time.Hour, 8 * 24 * time.Hour}).Draw(rt, "by")))
}

// finish brings the mail to an end by what people would do, and looks whether the end is true.
func (p *play) finish() {
	for range 20 {
		p.agree(nil)
		if p.m.state.Ended() {
			return
		}
		p.h.clock.Add(int64(9 * 24 * time.Hour))
		p.script = "taken"
		switch p.m.state {
		case Received:
			c := p.claim(kindInspect, true)
			p.verdict = Decision{Action: ActionSend}
			poison := p.m.crashes >= maxInspections
			if err := p.h.inspect(context.Background(), c); err != nil {
				p.Fatal(err)
			}
			p.inspected(poison)
		case Held:
			out, err := p.h.Release(context.Background(), p.id, nil, "os:root")
			p.ask("approve", out, err)
		default:
			p.play(p.claim(kindSend, true))
		}
	}
	p.Fatalf("it never ends: %s", p.m.state)
}
