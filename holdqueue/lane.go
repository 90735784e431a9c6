package holdqueue

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/sekisho-mail/sekisho/internal/failpoint"
)

// lane is a number of workers for some kinds of work, so that a flood of one kind never starves another.
type lane struct {
	kinds  []string
	slots  chan struct{}
	do     func(ctx context.Context, c *claim) error
	yields bool      // while mail pours in, to taking it
	look   time.Time // when to look again though nobody calls
}

// Lanes by number, for wake.
const (
	laneInspect = 1 << iota
	laneSend
	laneNotice
	laneOther
	laneAll = laneInspect | laneSend | laneNotice | laneOther
)

// waiting is how many claimed mails wait for each inspection that runs: their verdicts are committed together.
const waiting = 8

func (q *Queue) lanes() []*lane {
	others := append(slices.Sorted(maps.Keys(q.Handlers)), kindPurge)
	make := func(n int, do func(context.Context, *claim) error, kinds ...string) *lane {
		return &lane{kinds: kinds, slots: make(chan struct{}, n), do: do}
	}
	lanes := []*lane{ // in the order of their numbers
		make(waiting*q.o.Workers.Inspect, q.inspect, kindInspect),
		make(q.o.Workers.Send, q.send, kindSend),
		make(max(2, q.o.Workers.Send/4), q.send, kindNotice),
		make(q.o.Workers.Other, q.handle, others...),
	}
	lanes[0].yields = true
	return lanes
}

// wake makes the loop look at once for work of the lanes.
func (q *Queue) wake(lanes uint32) {
	q.called.Or(lanes)
	select {
	case q.kick <- struct{}{}:
	default:
	}
}

// round starts what is due and has a free worker, in the lanes that were called or whose time has come, and says
// when to look again.
func (q *Queue) round(ctx context.Context, lanes []*lane, running *sync.WaitGroup) time.Duration {
	called := q.called.Swap(0)
	wait := lookAgain
	for i, l := range lanes {
		now, call := time.Now(), called&(1<<i) != 0
		pause := l.look.Sub(now)
		if call || pause <= 0 {
			var err error
			if pause, err = q.serve(ctx, l, 1<<i, call, running); err != nil && ctx.Err() == nil {
				q.o.Log.Error("queue not read", "error", err)
			}
			l.look = now.Add(pause)
		}
		wait = min(wait, pause)
	}
	return wait
}

// serve starts what a lane has to do and says when to look again.
func (q *Queue) serve(ctx context.Context, l *lane, number uint32, called bool, running *sync.WaitGroup) (time.Duration, error) {
	free := cap(l.slots) - len(l.slots)
	if free == 0 {
		return lookAgain, nil // whoever finishes calls
	}
	if l.yields {
		if free = q.intake.share(free); free == 0 {
			return yieldTime, nil
		}
	}
	if !called {
		// Nobody knows of anything: a look costs no transaction that writes.
		next, now, err := q.nextDue(ctx, l.kinds)
		if err != nil {
			return lookAgain, err
		}
		q.floorAt(now)
		if next.IsZero() || next.After(now) {
			return untilDue(next, now), nil
		}
	}
	got, next, now, err := q.take(ctx, l.kinds, free)
	if err != nil {
		return lookAgain, err
	}
	q.floorAt(now)
	if len(got) > 0 {
		failpoint.At("work.claimed")
	}
	for _, c := range got {
		q.begin(ctx, l, number, c, running)
	}
	if l.yields && len(got) > 0 {
		q.intake.waited(now.Sub(got[0].due))
	}
	if len(got) == free {
		return yieldTime, nil // there may be more; mostly a worker that finishes calls sooner
	}
	return untilDue(next, now), nil
}

// untilDue is how long to wait for the next due work. What is due and was left alone is another worker's, or paused.
func untilDue(next, now time.Time) time.Duration {
	if !next.After(now) {
		return lookAgain
	}
	return min(lookAgain, max(time.Millisecond, next.Sub(now)))
}

// begin has a claim carried out.
func (q *Queue) begin(ctx context.Context, l *lane, number uint32, c *claim, running *sync.WaitGroup) {
	l.slots <- struct{}{}
	// Not ctx: what has begun is finished, so that a stop in the middle of a DATA is no uncertain mail.
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	c.cancel = cancel
	q.mu.Lock()
	q.active[c.attempt] = c
	q.mu.Unlock()
	posted := q.posted.Load()
	running.Go(func() {
		defer func() {
			q.mu.Lock()
			delete(q.active, c.attempt)
			q.mu.Unlock()
			cancel()
			<-l.slots
			if q.posted.Load() != posted {
				number |= laneNotice
			}
			q.wake(number)
		}()
		q.carryOut(work, l, c)
	})
}
