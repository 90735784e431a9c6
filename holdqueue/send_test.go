package holdqueue

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestDeathBetweenTransactionsPutsOnlyOneInDoubt: of three transactions the first was answered, the second had its dot
// and no answer, the third had not begun.
func TestDeathBetweenTransactionsPutsOnlyOneInDoubt(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		var asked atomic.Int64
		stuck, resume := make(chan struct{}), make(chan struct{})
		h.answer = func(out *Outgoing) []Result {
			if asked.Add(1) > 1 {
				return nil
			}
			must(t, out.BeforeDot(t.Context(), out.Recipients[:1]))
			out.Answered(out.Recipients[:1], []Result{{Reply: "250 2.0.0 queued as 1"}})
			must(t, out.BeforeDot(t.Context(), out.Recipients[1:2]))
			close(stuck)
			<-resume
			return sameResult(3, &SendError{Text: "dead", Temporary: true})
		}
		id := h.submit("S: x\r\n\r\n", "a@o.example", "b@o.example", "c@o.example")
		c, _, _, err := h.take(t.Context(), []string{kindInspect}, 1)
		must(t, err)
		must(t, h.inspect(t.Context(), c[0]))
		c, _, _, err = h.take(t.Context(), []string{kindSend}, 1)
		must(t, err)
		m, bundle, err := h.claimBundle(t.Context(), c[0], true)
		must(t, err)
		dead := make(chan error)
		old := h.Queue
		go func() { dead <- old.attempt(t.Context(), c[0], m, bundle) }()
		<-stuck
		h.reopen()
		h.run()
		h.advance(time.Minute)
		h.becomes(id, "sent sent sent")
		close(resume)
		if err := <-dead; !errors.Is(err, errLost) {
			t.Errorf("the dead worker recorded an outcome: %v", err)
		}
		m, err = h.Get(t.Context(), id)
		must(t, err)
		for i, want := range []bool{false, true, false} {
			if r := m.Recipients[i]; r.Uncertain != want {
				t.Errorf("%s: uncertain = %v", r.Address, r.Uncertain)
			}
		}
		if got := h.deliveries(); len(got) != 1 || len(got[0].to) != 2 || got[0].to[0] != "b@o.example" {
			t.Errorf("sent again: %+v", got)
		}
	})
}

func TestPostponedMailIsNotTried(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		var asked atomic.Int64
		h.answer = func(out *Outgoing) []Result {
			if asked.Add(1) > 1 {
				return nil
			}
			return []Result{{Postponed: 10 * time.Second}}
		}
		h.run()
		id := h.submit("S: x\r\n\r\n", "a@o.example")
		h.eventually("the first look", func() bool { return asked.Load() == 1 })
		h.becomes(id, "delayed")
		m, err := h.Get(t.Context(), id)
		must(t, err)
		if r := m.Recipients[0]; r.Tries != 0 || !r.FirstTryAt.IsZero() {
			t.Errorf("an attempt was counted: %+v", r)
		}
		h.advance(11 * time.Second)
		h.becomes(id, "sent")
	})
}

func TestDelayReportPromisesWhenItEnds(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.answer = func(out *Outgoing) []Result {
			if out.Message.Origin == FromSystem {
				return nil
			}
			return sameResult(len(out.Recipients), &SendError{Code: 451, Enhanced: "4.7.1", Text: "later", Temporary: true})
		}
		h.run()
		id := h.submit("S: x\r\n\r\n", "a@o.example")
		h.becomes(id, "deferred")
		h.advance(4*time.Hour + time.Minute)
		h.eventually("a report", func() bool { return len(h.deliveries()) == 1 })
		m, err := h.Get(t.Context(), id)
		must(t, err)
		want := "Will-Retry-Until: " + m.Recipients[0].FirstTryAt.Add(GiveUp).In(h.o.Zone).Format(time.RFC1123Z)
		if body := h.deliveries()[0].body; !strings.Contains(body, want) || !strings.Contains(body, "Action: delayed") {
			t.Errorf("no %q in\n%s", want, body)
		}
	})
}
