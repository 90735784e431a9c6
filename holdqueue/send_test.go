package holdqueue

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db"
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

// TestWhatChangesWhileAMailIsBeingSentCounts: the worker knows the message from before, and must not go by that.
func TestWhatChangesWhileAMailIsBeingSentCounts(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.Inspect = func(_ context.Context, m *Message, _ Body) (Inspection, error) {
			in := sendAll(m, 0)
			for i := range in.Decisions {
				in.Decisions[i].Bundle = m.Recipients[i].ID // each travels alone
			}
			return in, nil
		}
		taken := make(chan error, 1)
		h.answer = func(out *Outgoing) []Result {
			if len(taken) == 0 {
				m, err := h.Get(t.Context(), out.Message.ID)
				if err == nil {
					_, err = h.Cancel(t.Context(), m.ID, []ID{m.Recipients[1].ID}, ReasonSender, "person:alice@corp.example")
				}
				taken <- err
			}
			return nil
		}
		id := h.submit("S: x\r\n\r\n", "a@o.example", "b@o.example")
		h.run()
		h.becomes(id, "sent cancelled")
		must(t, <-taken)
		if got := h.deliveries(); len(got) != 1 || got[0].to[0] != "a@o.example" {
			t.Errorf("delivered %v", got)
		}
		var work int
		must(t, h.db.Read(t.Context(), func(tx *db.Tx) error {
			return tx.QueryRow(`SELECT COUNT(*) FROM work WHERE kind = 'send'`).Scan(&work)
		}))
		if work != 0 {
			t.Errorf("%d pieces of work are left of a mail that has ended", work)
		}
	})
}
