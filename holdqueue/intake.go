package holdqueue

import (
	"sync"
	"time"
)

const (
	// window is the time over which is measured how busy taking mail in is, and pouring the part of it from which on
	// mail pours in.
	window  = 100 * time.Millisecond
	pouring = window / 4
	// yieldTime is how long inspection stands back at a time, and turnMails how many mails it takes between.
	yieldTime = window / 2
	turnMails = 4
	// patience is how long a mail may wait for its inspection because others are being taken in.
	patience = 5 * time.Second
)

// intake knows whether mail pours in: a quarter of the time some client waits for the disk. A client waits for its
// 250, and a mail that has it has minutes; so inspection, which wants the same cores and the same disk, takes a few
// mails now and then only, until the one that waits longest has waited for some seconds. Then both go on together, and
// clients wait as long as that takes.
type intake struct {
	mu     sync.Mutex
	under  int           // mails being written now
	since  time.Time     // how much of busy has been counted
	start  time.Time     // of the present window
	busy   time.Duration // in the present window
	before time.Duration // in the window before
	turn   time.Time     // when inspection may take a mail though mail pours in
	free   time.Time     // until when inspection does not stand back
}

// begin and end stand around the writing of a mail.
func (i *intake) begin() { i.change(1) }
func (i *intake) end()   { i.change(-1) }

func (i *intake) change(by int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.count(time.Now())
	i.under += by
}

// count brings the windows up to date.
func (i *intake) count(now time.Time) {
	if now.Sub(i.start) >= window {
		if i.under > 0 {
			i.busy += max(0, min(window, i.start.Add(window).Sub(i.since)))
		}
		i.before = i.busy
		if now.Sub(i.start) >= 2*window {
			i.before = 0
			if i.under > 0 {
				i.before = window
			}
		}
		i.busy, i.start = 0, now
		i.since = now
	}
	if i.under > 0 {
		i.busy += now.Sub(i.since)
	}
	i.since = now
}

// share is how many of the free workers inspection may put to work.
func (i *intake) share(free int) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	now := time.Now()
	i.count(now)
	switch {
	case max(i.busy, i.before) < pouring || now.Before(i.free):
		return free
	case now.Before(i.turn):
		return 0
	}
	i.turn = now.Add(yieldTime)
	return min(free, turnMails)
}

// waited hears how long the mail has waited that inspection has taken.
func (i *intake) waited(d time.Duration) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if d >= patience {
		i.free = time.Now().Add(time.Second)
	}
}
