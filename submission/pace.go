package submission

import (
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// pace counts the recipients each sender writes to, over ten minutes and over a day. It forgets at a restart, and the
// sender not seen for longest when there are too many to remember.
type pace struct {
	per10Minutes, perDay int

	mu      sync.Mutex
	senders *simplelru.LRU[string, *counts]
}

const paceSenders = 20_000

// counts are sliding windows in steps: ten of a minute, twenty-four of an hour.
type counts struct {
	minutes window
	hours   window
}

type window struct {
	step time.Duration
	n    []int
	at   int64 // number of the step n[at % len(n)] counts
}

func newPace(l Limits) *pace {
	senders, err := simplelru.NewLRU[string, *counts](paceSenders, nil)
	if err != nil {
		panic(err) // only for a size that is not positive
	}
	return &pace{per10Minutes: l.RecipientsPer10Minutes, perDay: l.RecipientsPerDay, senders: senders}
}

// may says whether the sender may write to n more recipients now; the error is a reply.
func (p *pace) may(sender string, n int, now time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.judge(p.of(sender), n, now)
}

// take counts n recipients, or none and says why. What it returns takes them back, for a mail that was not stored.
func (p *pace) take(sender string, n int, now time.Time) (giveBack func(), err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.of(sender)
	if err := p.judge(c, n, now); err != nil {
		return nil, err
	}
	c.minutes.add(n, now)
	c.hours.add(n, now)
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		c.minutes.add(-n, now)
		c.hours.add(-n, now)
	}, nil
}

func (p *pace) of(sender string) *counts {
	c, ok := p.senders.Get(sender)
	if !ok {
		c = &counts{minutes: window{step: time.Minute, n: make([]int, 10)}, hours: window{step: time.Hour, n: make([]int, 24)}}
		p.senders.Add(sender, c)
	}
	return c
}

func (p *pace) judge(c *counts, n int, now time.Time) error {
	if c.hours.sum(now)+n > p.perDay {
		return tooManyToday(p.perDay)
	}
	// A mail that comes alone may have as many recipients as a mail may have at all: waiting would not make it fewer.
	if before := c.minutes.sum(now); before > 0 && before+n > p.per10Minutes {
		return tooFast(p.per10Minutes, c.minutes.until(max(p.per10Minutes-n, 0), now))
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
