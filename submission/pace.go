package submission

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/sekisho-mail/sekisho/internal/db"
)

// pace counts the recipients each sender writes to, over ten minutes and over a day. Alone it forgets at a restart; with
// a ledger it counts what other nodes took, and what this one did before. It forgets the sender not seen for longest
// when there are too many to remember.
type pace struct {
	per10Minutes, perDay int
	ledger               *Ledger

	mu      sync.Mutex
	senders *simplelru.LRU[string, *counts]
}

const paceSenders = 20_000

// counts are sliding windows in steps: ten of a minute, twenty-four of an hour.
type counts struct {
	minutes, hours window
	there          struct { // at other nodes
		minutes, hours window
		subject        string
		read           time.Time
	}
}

func newCounts() *counts {
	c := &counts{minutes: newWindow(time.Minute, 10), hours: newWindow(time.Hour, 24)}
	c.there.minutes, c.there.hours = newWindow(time.Minute, 10), newWindow(time.Hour, 24)
	return c
}

func newWindow(step time.Duration, n int) window { return window{step: step, n: make([]int, n)} }

type window struct {
	step time.Duration
	n    []int
	at   int64 // number of the step n[at % len(n)] counts
}

func newPace(l Limits, ledger *Ledger) *pace {
	senders, err := simplelru.NewLRU[string, *counts](paceSenders, nil)
	if err != nil {
		panic(err) // only for a size that is not positive
	}
	return &pace{per10Minutes: l.RecipientsPer10Minutes, perDay: l.RecipientsPerDay, ledger: ledger, senders: senders}
}

// may says whether the sender may write to n more recipients now; the error is a reply.
func (p *pace) may(ctx context.Context, sender string, n int, now time.Time) error {
	p.look(ctx, sender, now)
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.judge(p.of(sender), n, now)
}

// take counts n recipients, or none and says why. What it returns takes them back, for a mail that was not stored.
func (p *pace) take(ctx context.Context, sender string, n int, now time.Time) (giveBack func(), err error) {
	p.look(ctx, sender, now)
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.of(sender)
	if err := p.judge(c, n, now); err != nil {
		return nil, err
	}
	p.add(c, n, now)
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.add(c, -n, now)
	}, nil
}

// add counts, and tells the other nodes.
func (p *pace) add(c *counts, n int, now time.Time) {
	c.minutes.add(n, now)
	c.hours.add(n, now)
	if p.ledger != nil {
		p.ledger.put(c.minutes.line(tallyMinutes, c.there.subject, now))
		p.ledger.put(c.hours.line(tallyHours, c.there.subject, now))
	}
}

// look reads what other nodes have counted, at most once a second.
func (p *pace) look(ctx context.Context, sender string, now time.Time) {
	if p.ledger == nil {
		return
	}
	p.mu.Lock()
	c := p.of(sender)
	if c.there.subject == "" {
		c.there.subject = p.ledger.subject("recipients", sender)
	}
	fresh, subject := now.Sub(c.there.read).Abs() < ledgerPause, c.there.subject
	c.there.read = now
	p.mu.Unlock()
	if fresh {
		return
	}
	found := p.ledger.elsewhere(ctx, subject, now, tallyMinutes, tallyHours)
	if found == nil {
		return
	}
	minutes, hours := newWindow(time.Minute, 10), newWindow(time.Hour, 24)
	minutes.turn(now)
	hours.turn(now)
	for n, e := range found {
		w := &hours
		if n.kind == tallyMinutes {
			w = &minutes
		}
		w.add(int(e.count), db.Time(n.opened))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c.there.minutes, c.there.hours = minutes, hours
}

func (p *pace) of(sender string) *counts {
	c, ok := p.senders.Get(sender)
	if !ok {
		c = newCounts()
		p.senders.Add(sender, c)
	}
	return c
}

func (p *pace) judge(c *counts, n int, now time.Time) error {
	minutes := &c.minutes
	today := c.hours.sum(now)
	if p.ledger != nil {
		minutes = c.minutes.plus(&c.there.minutes, now)
		today += c.there.hours.sum(now)
	}
	if today+n > p.perDay {
		return tooManyToday(p.perDay)
	}
	// A mail that comes alone may have as many recipients as a mail may have at all: waiting would not make it fewer.
	if before := minutes.sum(now); before > 0 && before+n > p.per10Minutes {
		return tooFast(p.per10Minutes, minutes.until(max(p.per10Minutes-n, 0), now))
	}
	return nil
}

// turn empties the steps that have passed since the last look. A clock that went back changes nothing.
func (w *window) turn(now time.Time) {
	step := now.UnixNano() / int64(w.step)
	if gone := step - w.at; gone > 0 {
		for i := range min(gone, int64(len(w.n))) {
			w.n[(step-i)%int64(len(w.n))] = 0
		}
		w.at = step
	}
}

func (w *window) sum(now time.Time) int {
	w.turn(now)
	total := 0
	for _, n := range w.n {
		total += n
	}
	return total
}

// add counts in the step of the time given, if that is still in the window.
func (w *window) add(n int, at time.Time) {
	w.turn(at)
	step := at.UnixNano() / int64(w.step)
	if step <= w.at-int64(len(w.n)) {
		return
	}
	i := step % int64(len(w.n))
	w.n[i] = max(w.n[i]+n, 0)
}

// plus is both windows counted together.
func (w *window) plus(other *window, now time.Time) *window {
	w.turn(now)
	other.turn(now)
	sum := &window{step: w.step, n: slices.Clone(w.n), at: w.at}
	if other.at == w.at { // else the clock went back, and their counts are in steps to come
		for i, n := range other.n {
			sum.n[i] += n
		}
	}
	return sum
}

// line is the count of the step that a time is in, as the ledger has it.
func (w *window) line(kind, subject string, at time.Time) (tallyLine, tallied) {
	step := at.UnixNano() / int64(w.step)
	opened := time.Unix(0, step*int64(w.step))
	return tallyLine{kind: kind, subject: subject, opened: db.Micros(opened)},
		tallied{int64(w.n[step%int64(len(w.n))]), opened.Add(w.step * time.Duration(len(w.n)+1))}
}

// until says how long it takes until no more than room is left counted.
func (w *window) until(room int, now time.Time) time.Duration {
	total := w.sum(now)
	for i := range int64(len(w.n)) {
		oldest := w.at - int64(len(w.n)) + 1 + i
		total -= w.n[oldest%int64(len(w.n))]
		if total <= room {
			end := time.Unix(0, (oldest+int64(len(w.n)))*int64(w.step))
			return end.Sub(now)
		}
	}
	return w.step * time.Duration(len(w.n))
}
