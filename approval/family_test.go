package approval

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

var (
	ben     = mailaddr.Address("ben@other.example")
	chie    = mailaddr.Address("chie@third.example")
	daigo   = mailaddr.Address("daigo@fourth.example")
	theBoss = mailaddr.Address("manager@corp.example")
)

// one is the copy for one recipient of a mail to Ben and Chie that is held.
func one(to mailaddr.Address, plans ...plan) submission {
	if plans == nil {
		plans = []plan{hold(asking("manager"))}
	}
	return submission{person: "alice@corp.example", subject: "名簿の件", to: []mailaddr.Address{to}, header: []mailaddr.Address{ben, chie},
		copyOf: "one@corp.example", plans: plans}
}

// counts is how often a notice of a kind came to somebody.
func (h *house) counts(notice string) (n int) {
	for _, k := range h.kinds() {
		if k == notice {
			n++
		}
	}
	return n
}

func (h *house) open(m *holdqueue.Message) (open []*Request) {
	for _, r := range h.requests(m) {
		if r.State == Open {
			open = append(open, r)
		}
	}
	return open
}

func TestCopiesOfOneMailAreOneQuestion(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		first, second := h.submit(one(ben)), h.submit(one(chie))
		h.advance("2026-11-24 10:01")
		question := textOf(t, h.gets("question", "manager"))
		if !strings.Contains(question, string(ben)) || !strings.Contains(question, string(chie)) {
			t.Errorf("the question does not name both:\n%s", question)
		}
		held := textOf(t, h.gets("held", "alice"))
		if !strings.Contains(held, string(ben)) || !strings.Contains(held, string(chie)) {
			t.Errorf("the notice of the hold does not name both:\n%s", held)
		}
		r := h.only(first)
		if len(r.Recipients) != 2 || r.Message != first.ID || r.Recipients[1].Bcc {
			t.Errorf("the question is about %+v", r.Recipients)
		}
		out, err := h.decide(r, Approve, theBoss)
		must(t, err)
		if len(out.Approved) != 2 || out.State != Approved {
			t.Errorf("%+v", out)
		}
		h.expectStates(first, "ben delayed")
		h.expectStates(second, "chie delayed")
		approved := textOf(t, h.gets("approved", "alice"))
		if !strings.Contains(approved, string(ben)) || !strings.Contains(approved, string(chie)) {
			t.Errorf("the notice of the approval does not name both:\n%s", approved)
		}
		h.advance("2026-11-24 10:10")
		h.until("both have left", func() bool {
			return slices.Equal(h.states(first), []string{"ben sent"}) && slices.Equal(h.states(second), []string{"chie sent"})
		})
		for _, k := range []string{"question manager", "held alice", "approved alice"} {
			if n := h.counts(k); n != 1 {
				t.Errorf("%d times %s", n, k)
			}
		}
	})
}

func TestCopiesThatComeAtOnceAreOneQuestion(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		var ids []holdqueue.ID
		for i := range 12 {
			ids = append(ids, h.accept(one(mailaddr.Address(fmt.Sprintf("r%d@other.example", i)))))
		}
		for _, id := range ids {
			h.until("inspection", func() bool { return !h.message(id).InspectedAt.IsZero() })
		}
		r := h.only(h.message(ids[0]))
		if len(r.Recipients) != 12 {
			t.Errorf("the question is about %d recipients", len(r.Recipients))
		}
		_, err := h.decide(r, Reject, theBoss)
		must(t, err)
		for _, id := range ids {
			if m := h.message(id); m.Recipients[0].State != holdqueue.Rejected {
				t.Errorf("%s is %s", m.Recipients[0].Address, m.Recipients[0].State)
			}
		}
		h.advance("2026-11-24 10:01")
		h.gets("rejected", "alice")
		if n := h.counts("rejected alice"); n != 1 {
			t.Errorf("told %d times", n)
		}
	})
}

func TestALateCopyThatWasShownInheritsTheAnswer(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		for verb, want := range map[Verb]string{Approve: "chie delayed", Reject: "chie rejected"} {
			first, late := one(ben), one(chie)
			first.copyOf, late.copyOf = string(verb), string(verb)
			m := h.submit(first)
			_, err := h.decide(h.only(m), verb, theBoss)
			must(t, err)
			copied := h.submit(late)
			h.expectStates(copied, want)
			r := h.only(m)
			if len(r.Recipients) != 2 || r.Recipients[1].DecidedBy == "" || r.Recipients[1].Answer != r.Recipients[0].Answer {
				t.Errorf("the question says %+v", r.Recipients)
			}
			if log := h.audited(copied.ID); !slices.Contains(log, string(verb)+".inherit") {
				t.Errorf("the log has %v", log)
			}
		}
		h.advance("2026-11-24 10:01")
		h.until("the sender hears of the late copy", func() bool { return h.counts("rejected alice") == 2 })
		if n := h.counts("question manager"); n > 0 {
			t.Errorf("asked %d times about what was decided", n)
		}
	})
}

func TestALateCopyThatWasNotShownIsANewQuestion(t *testing.T) {
	other := hold(asking("manager"))
	other.Reasons = []Reason{{Code: "x", JA: "別の理由", EN: "another reason"}}
	forged := one(daigo)
	forged.header = []mailaddr.Address{ben, chie, daigo} // its own header is not the one that was shown
	eachHouse(t, func(t *testing.T, h *house) {
		asked := 0
		for name, late := range map[string]submission{"Bcc": one(daigo), "another finding": one(chie, other), "another header": forged} {
			for _, verb := range []Verb{Approve, Reject} {
				asked++
				first := one(ben)
				first.copyOf, late.copyOf = name+string(verb), name+string(verb)
				m := h.submit(first)
				_, err := h.decide(h.only(m), verb, theBoss)
				must(t, err)
				copied := h.submit(late)
				h.expectStates(copied, late.to[0].Local()+" held")
				open := h.open(copied)
				if len(open) != 1 || len(open[0].Recipients) != 1 || open[0].Recipients[0].Address != late.to[0] {
					t.Fatalf("%s after %s: open questions: %+v", name, verb, open)
				}
			}
		}
		h.advance("2026-11-24 10:01")
		h.until("the sender hears of each", func() bool { return h.counts("held alice") == asked })
	})
}

func TestDividedAnswersAreNoPrecedent(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		s := one(ben)
		s.to = []mailaddr.Address{ben, daigo}
		s.header = []mailaddr.Address{ben, daigo, chie}
		first := h.submit(s)
		r := h.only(first)
		_, err := h.Decide(context.Background(), Decision{Request: r.ID, Revision: r.Revision, Verb: Approve, Others: Reject,
			Recipients: []RecipientID{r.Recipients[0].ID}, By: Actor{Address: theBoss}})
		must(t, err)
		s.to = []mailaddr.Address{chie}
		h.expectStates(h.submit(s), "chie held")
	})
}

func TestACopyThatJoinsVoidsWhatWasShownBefore(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		first := h.submit(one(ben))
		shown := h.only(first)
		h.advance("2026-11-24 10:05")
		h.gets("question", "manager")
		h.gets("held", "alice")
		late := h.submit(one(daigo))
		_, err := h.decide(shown, Approve, theBoss)
		var stale *StaleError
		if !errors.As(err, &stale) {
			t.Fatalf("a decision about less than there is: %v", err)
		}
		now := h.only(first)
		if stale.Revision != now.Revision || len(now.Recipients) != 2 || !now.Recipients[1].Bcc {
			t.Errorf("the question now: %+v", now.Recipients)
		}
		_, err = h.decide(now, Approve, theBoss)
		must(t, err)
		h.expectStates(first, "ben delayed")
		h.expectStates(late, "daigo delayed")
		h.advance("2026-11-24 10:06")
		if q, held := h.counts("question manager"), h.counts("held alice"); q != 1 || held != 1 {
			t.Errorf("%d questions and %d notices by mail", q, held)
		}
	})
}

func TestALateCopyPassesNoStageThatItWasNotShownIn(t *testing.T) {
	stages := hold(asking("director@corp.example"), asking("manager"))
	eachHouse(t, func(t *testing.T, h *house) {
		first := h.submit(one(ben, stages))
		_, err := h.decide(h.only(first), Approve, "director@corp.example")
		must(t, err)
		shown, blind := h.submit(one(chie, stages)), h.submit(one(daigo, stages))
		open := h.open(first)
		if len(open) != 2 || open[0].Stage != 1 || len(open[0].Recipients) != 2 || open[1].Stage != 0 || open[1].Recipients[0].Address != daigo {
			t.Fatalf("open questions: %+v", open)
		}
		_, err = h.decide(open[0], Approve, theBoss)
		must(t, err)
		h.expectStates(shown, "chie delayed")
		h.expectStates(blind, "daigo held")
	})
}

func TestWhoeverHasSpokenIsAskedAgainAboutACopyThatJoined(t *testing.T) {
	two := hold(Stage{Approvers: []string{"manager", "director@corp.example"}, Quorum: 2})
	eachHouse(t, func(t *testing.T, h *house) {
		first := h.submit(one(ben, two))
		_, err := h.decide(h.only(first), Approve, theBoss)
		must(t, err)
		late := h.submit(one(chie, two))
		_, err = h.decide(h.only(first), Approve, "director@corp.example")
		must(t, err)
		h.expectStates(first, "ben delayed")
		h.expectStates(late, "chie held")
		rows, _, err := h.Questions(context.Background(), Actor{Address: theBoss}, Page{})
		must(t, err)
		if len(rows) != 1 {
			t.Fatalf("%d questions", len(rows))
		}
		_, err = h.decide(h.only(first), Approve, theBoss)
		must(t, err)
		h.expectStates(late, "chie delayed")
	})
}

func TestTheSenderHearsOnceOfAMailThatWaitsInCopies(t *testing.T) {
	wait := plan{Action: holdqueue.ActionSend, Delay: 5 * time.Minute}
	eachHouse(t, func(t *testing.T, h *house) {
		var all []mailaddr.Address
		for i := range 4 {
			all = append(all, mailaddr.Address(fmt.Sprintf("x@d%d.example", i)))
		}
		for _, to := range all {
			s := one(to, wait)
			s.header = all
			h.submit(s)
		}
		h.advance("2026-11-24 10:01")
		notice := textOf(t, h.gets("waiting", "alice"))
		for _, to := range all {
			if !strings.Contains(notice, string(to)) {
				t.Errorf("the notice does not name %s:\n%s", to, notice)
			}
		}
		late := one("late@d5.example", wait)
		late.header = all
		m := h.submit(late)
		h.advance("2026-11-24 10:02")
		_, err := h.Queue.Cancel(context.Background(), m.ID, nil, holdqueue.ReasonSender, "person:alice@corp.example")
		must(t, err)
		cancelled := textOf(t, h.gets("cancelled", "alice"))
		if !strings.Contains(cancelled, "late@d5.example") || !strings.Contains(cancelled, string(all[0])) {
			t.Errorf("the notice of the cancel does not name all:\n%s", cancelled)
		}
		h.advance("2026-11-24 10:03")
		after := one("after@d6.example", wait)
		after.header = all
		h.expectStates(h.submit(after), "after cancelled")
		h.advance("2026-11-24 10:04")
		h.until("the sender hears of the late copy", func() bool { return h.counts("cancelled alice") == 2 })
		if n := h.counts("waiting alice"); n != 1 {
			t.Errorf("told %d times that it waits", n)
		}
	})
}

func TestPeopleHearOnceOfARuleThatMatchesEveryCopy(t *testing.T) {
	noted := plan{Action: holdqueue.ActionSend, Noted: []Noted{{Rule: "free-mail", Mode: NoteNotify, Who: []string{"manager"}}}}
	eachHouse(t, func(t *testing.T, h *house) {
		h.submit(one(ben, noted))
		h.submit(one(chie, noted))
		h.advance("2026-11-24 10:01")
		text := textOf(t, h.gets("noted", "manager"))
		if !strings.Contains(text, string(ben)) || !strings.Contains(text, string(chie)) {
			t.Errorf("the notice does not name both:\n%s", text)
		}
		h.advance("2026-11-24 10:02")
		if n := h.counts("noted manager"); n != 1 {
			t.Errorf("told %d times", n)
		}
	})
}

func TestACancelClosesTheQuestionAboutEveryCopy(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		first, second := h.submit(one(ben)), h.submit(one(chie))
		_, err := h.Queue.Cancel(context.Background(), second.ID, nil, holdqueue.ReasonSender, "person:alice@corp.example")
		must(t, err)
		h.expectStates(first, "ben cancelled")
		if r := h.only(first); r.State != Cancelled {
			t.Errorf("the question is %s", r.State)
		}
		h.expectStates(h.submit(one(daigo)), "daigo cancelled")
		if open := h.open(first); len(open) != 0 {
			t.Errorf("%d open questions", len(open))
		}
	})
}

func TestAMailByAnotherPersonInheritsNothing(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		first := h.submit(one(ben))
		_, err := h.decide(h.only(first), Approve, theBoss)
		must(t, err)
		for name, change := range map[string]func(*submission){
			"another person":     func(s *submission) { s.person = "bob@corp.example" },
			"another content":    func(s *submission) { s.subject = "another" },
			"another Message-ID": func(s *submission) { s.copyOf = "two@corp.example" },
		} {
			s := one(chie)
			change(&s)
			if got := h.states(h.submit(s)); !slices.Equal(got, []string{"chie held"}) {
				t.Errorf("%s: %v", name, got)
			}
		}
	})
}

func TestCopiesThatCannotLeaveAsPlannedAreOneQuestion(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.cannotPrepare.Store(true)
		var ids []holdqueue.ID
		for i := range 6 {
			ids = append(ids, h.accept(one(mailaddr.Address(fmt.Sprintf("r%d@other.example", i)), plan{Action: holdqueue.ActionSend})))
		}
		for _, id := range ids {
			h.until("the copy is held", func() bool { return h.message(id).Recipients[0].State == holdqueue.Held })
		}
		if r := h.only(h.message(ids[0])); len(r.Recipients) != 6 {
			t.Errorf("the question is about %d recipients", len(r.Recipients))
		}
	})
}
