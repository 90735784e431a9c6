package holdqueue

import (
	"context"
	"sync"
	"testing"
	"time"
)

// TestOwnWorkIsNotTakenOver: a database locked by somebody else, or a clock set forward, ends leases whose worker lives.
func TestOwnWorkIsNotTakenOver(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		dot, answer := make(chan struct{}, 9), make(chan struct{})
		h.answer = func(out *Outgoing) []Result {
			must(t, out.BeforeDot(t.Context(), out.Recipients))
			dot <- struct{}{}
			<-answer
			return []Result{{Reply: "250 2.0.0 queued as 4XYZ"}}
		}
		h.run()
		id := h.submit("S: x\r\n\r\n", "a@o.example")
		<-dot
		h.advance(time.Hour)
		time.Sleep(300 * time.Millisecond)
		close(answer)
		h.becomes(id, "sent")
		m, err := h.Get(t.Context(), id)
		must(t, err)
		if r := m.Recipients[0]; len(dot) != 0 || r.Tries != 1 || r.Uncertain {
			t.Errorf("sent once more while the first attempt waited for its answer: %d tries, uncertain %v", r.Tries, r.Uncertain)
		}
	})
}

func TestPausedQueueIsNotPolled(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		id := h.submit("S: x\r\n\r\n", "a@o.example")
		c, _, _, err := h.take(t.Context(), []string{kindInspect}, 1)
		must(t, err)
		must(t, h.inspect(t.Context(), c[0]))
		must(t, h.Pause(t.Context(), "os:root", "test"))
		var running sync.WaitGroup
		if wait := h.round(t.Context(), h.lanes(), &running); wait < lookAgain {
			t.Errorf("looks again after %v for %s, which nobody may send", wait, id)
		}
		running.Wait()
	})
}

func TestClockSetBackAfterTheStartHoldsNothingUp(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.Inspect = func(_ context.Context, m *Message, b Body) (Inspection, error) { return sendAll(m, 5*time.Minute), nil }
		h.run()
		h.eventually("the start", h.started)
		h.advance(-9 * time.Hour) // the hardware clock kept local time
		id := h.submit("S: x\r\n\r\n", "a@o.example")
		h.becomes(id, "delayed")
		h.advance(6 * time.Minute)
		h.becomes(id, "sent")
	})
}

func TestStopDoesNotWaitForASilentNextHop(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.opts.Workers.Grace = 100 * time.Millisecond
		h.reopen()
		began := make(chan struct{}, 1)
		h.Sender = senderFunc(func(ctx context.Context, out *Outgoing) []Result {
			began <- struct{}{}
			<-ctx.Done()
			return sameResult(len(out.Recipients), &SendError{Text: "greeting: timeout", Temporary: true})
		})
		h.run()
		id := h.submit("S: x\r\n\r\n", "a@o.example")
		<-began
		start := time.Now()
		h.halt()
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("stopped after %v", took)
		}
		if s := h.state(id); s != "deferred" {
			t.Errorf("%s, and nobody knows until its lease is over", s)
		}
	})
}

type senderFunc func(context.Context, *Outgoing) []Result

func (f senderFunc) Send(ctx context.Context, out *Outgoing) []Result { return f(ctx, out) }
