package holdqueue

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/failpoint"
)

// errLost says that a lease ended and another worker has the work now.
var errLost = errors.New("another worker has taken over")

const (
	// lookAgain bounds how long work waits that another process scheduled: a node, or the command line.
	lookAgain = time.Second
	// safeStart is how long after a start or a jump of the clock people can still cancel what had become due.
	safeStart = 60 * time.Second
	// clockJump is how far the wall clock may move against the monotonic one before we call it a jump.
	clockJump = 60 * time.Second
)

// Run is the one loop: it claims what is due and carries it out until ctx ends, then waits for what is under way, but
// not for a next hop that has fallen silent.
func (q *Queue) Run(ctx context.Context) error {
	if err := q.setFloor(ctx); err != nil {
		if ctx.Err() != nil {
			return nil // stopped before it began
		}
		return err
	}
	var running sync.WaitGroup
	defer q.settleLast()
	defer q.drain(&running)
	lanes := q.lanes()
	timer := time.NewTimer(0)
	defer timer.Stop()
	renewal := time.NewTicker(q.o.Workers.Lease / 3)
	defer renewal.Stop()
	last, lastWall := time.Now(), failpoint.Now().Round(0)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-renewal.C:
			if err := q.renew(ctx); err != nil && ctx.Err() == nil {
				q.o.Log.Error("leases not renewed", "error", err)
			}
			continue
		case <-q.kick:
		case <-timer.C:
		}
		now, wall := time.Now(), failpoint.Now().Round(0)
		if wall.Sub(lastWall)-now.Sub(last) > clockJump {
			q.o.Log.Warn("the clock jumped forward; nothing leaves for a moment")
			if err := q.setFloor(ctx); err != nil {
				q.o.Log.Error("clock not read", "error", err)
			}
		}
		last, lastWall = now, wall
		timer.Reset(min(q.round(ctx, lanes, &running), q.settleDue(ctx)))
	}
}

// drain waits for what is under way. What takes longer than the grace is broken off: a mail whose dot is not written
// has not left, and the sender waits a little longer for the answer to one whose dot is.
func (q *Queue) drain(running *sync.WaitGroup) {
	done := make(chan struct{})
	go func() {
		running.Wait()
		close(done)
	}()
	renewal := time.NewTicker(q.o.Workers.Lease / 3)
	defer renewal.Stop()
	grace := time.NewTimer(q.o.Workers.Grace)
	defer grace.Stop()
	for {
		select {
		case <-done:
			return
		case <-renewal.C:
			if err := q.renew(context.Background()); err != nil {
				q.o.Log.Error("leases not renewed", "error", err)
			}
		case <-grace.C:
			q.mu.Lock()
			for _, c := range q.active {
				c.cancel()
			}
			q.mu.Unlock()
		}
	}
}

// setFloor notes that from now on people need time to cancel what may have become due unseen.
func (q *Queue) setFloor(ctx context.Context) error {
	now, err := q.o.DB.Now(ctx)
	if err != nil {
		return fmt.Errorf("read the clock: %w", err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.floor = now
	return nil
}

// carryOut runs one claim. What fails or panics is due again after a growing pause.
func (q *Queue) carryOut(ctx context.Context, l *lane, c *claim) {
	err := q.guarded(ctx, l, c)
	if err == nil || errors.Is(err, errLost) {
		return
	}
	q.o.Log.Error("work failed", "kind", c.kind, "ref", c.ref, "tries", c.tries, "error", err)
	pause := min(time.Second<<min(c.tries, 12), 30*time.Minute)
	again := func(tx *db.Tx) error { return q.finish(tx, c, tx.Now().Add(pause), true) }
	// Not ctx: what was broken off is put back like what failed.
	if err := q.o.DB.Write(context.WithoutCancel(ctx), again); err != nil {
		q.o.Log.Error("work not put back; its lease will end", "kind", c.kind, "ref", c.ref, "error", err)
	}
}

// guarded turns a panic into an error: a mail that crashes its inspection must not take the service with it.
func (q *Queue) guarded(ctx context.Context, l *lane, c *claim) (err error) {
	defer func() {
		if p := recover(); p != nil {
			// The value of the panic may quote the mail; where it happened does not.
			q.o.Log.Error("panic", "kind", c.kind, "ref", c.ref, "stack", string(debug.Stack()))
			err = errors.New("panicked")
		}
	}()
	return l.do(ctx, c)
}

// handle runs the work of other packages, and purging.
func (q *Queue) handle(ctx context.Context, c *claim) error {
	h := q.Handlers[c.kind]
	if c.kind == kindPurge {
		h = q.purge
	}
	again, err := h(ctx, c.ref)
	if err != nil {
		return err
	}
	return q.o.DB.Write(ctx, func(tx *db.Tx) error { return q.finish(tx, c, again, false) })
}
