package approval

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

func TestHeldMailAsksTheManagerAndTellsTheSender(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		m := h.submit(plain("b@other.example", "c@third.example"))
		h.gets("held", "alice")
		h.gets("question", "manager")
		r := h.only(m)
		if r.State != Open || len(r.Recipients) != 2 || len(r.Holders) != 1 || r.Holders[0].Address != "manager@corp.example" {
			t.Errorf("request %+v", r)
		}
		if want := at(t, h.Calendar, "2026-11-27 10:00"); !r.ExpiresAt.Equal(want) {
			t.Errorf("expires %s", r.ExpiresAt)
		}
		ctx := context.Background()
		rows, next, err := h.Questions(ctx, Actor{Address: "manager@corp.example"}, Page{})
		must(t, err)
		if len(rows) != 1 || rows[0].Subject != "名簿の件" || rows[0].SenderName != "佐藤 花子" || next != "" {
			t.Errorf("list %+v, next %q", rows, next)
		}
		if rows, _, _ := h.Questions(ctx, Actor{Address: "bob@corp.example"}, Page{}); len(rows) != 0 {
			t.Errorf("bob is asked: %+v", rows)
		}
		held, err := h.Holders(ctx, []MessageID{m.ID})
		must(t, err)
		if len(held[m.ID]) != 1 || held[m.ID][0].Name != "田中 一郎" {
			t.Errorf("holders %+v", held)
		}
	})
}

func TestApprovalReleasesAndTheQuestionDisappears(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		m := h.submit(plain("b@other.example"))
		r := h.only(m)
		out, err := h.decide(r, Approve, "manager@corp.example")
		must(t, err)
		if out.State != Approved || len(out.Approved) != 1 || !out.ReleaseAt.Equal(m.AcceptedAt.Add(5*time.Minute)) {
			t.Errorf("outcome %+v", out)
		}
		h.expectStates(m, "b delayed")
		if n, err := h.Waiting(context.Background(), Actor{Address: "manager@corp.example"}, 100); n != 0 || err != nil {
			t.Errorf("%d questions left, %v", n, err)
		}
		h.gets("approved", "alice")
		if log := h.audited(m.ID); !slices.Contains(log, "ask") || !slices.Contains(log, "approve") {
			t.Errorf("log %v", log)
		}
	})
}

func TestLosersLearnWhoWasFirstAndWhen(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		s := plain("b@other.example")
		s.plans = []plan{hold(asking("manager", "director@corp.example"))}
		m := h.submit(s)
		r := h.only(m)
		var won, lost atomic.Int32
		var first sync.Map
		var all sync.WaitGroup
		for i := range 8 {
			by, verb := mailaddr.Address("manager@corp.example"), Approve
			if i%2 == 1 {
				by, verb = "director@corp.example", Reject
			}
			all.Go(func() {
				_, err := h.decide(r, verb, by)
				var decided *DecidedError
				switch {
				case err == nil:
					won.Add(1)
					first.Store("by", by)
				case errors.As(err, &decided) && errors.Is(err, ErrDecided):
					lost.Add(1)
					first.Store("told "+string(decided.By), decided.Name)
					if decided.At.IsZero() || decided.Name == "" {
						t.Errorf("loser is told %+v", decided)
					}
				default:
					t.Error(err)
				}
			})
		}
		all.Wait()
		if won.Load() != 1 || lost.Load() != 7 {
			t.Fatalf("%d won, %d lost", won.Load(), lost.Load())
		}
		by, _ := first.Load("by")
		if _, ok := first.Load("told " + string(by.(mailaddr.Address))); !ok {
			t.Error("losers were not told of the winner")
		}
		h.until("one outcome", func() bool {
			k := h.kinds()
			return slices.Contains(k, "approved alice") || slices.Contains(k, "rejected alice")
		})
	})
}

func TestASubsetIsReleasedAndTheRestReturned(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		m := h.submit(plain("a@other.example", "b@other.example", "c@third.example"))
		r := h.only(m)
		out, err := h.Decide(context.Background(), Decision{Request: r.ID, Revision: r.Revision, Verb: Approve,
			Recipients: []RecipientID{r.Recipients[0].ID, r.Recipients[1].ID}, Others: Reject, Comment: "Cは不要です",
			By: Actor{Address: "manager@corp.example"}})
		must(t, err)
		if out.State != Divided || len(out.Approved) != 2 || len(out.Rejected) != 1 {
			t.Errorf("outcome %+v", out)
		}
		h.expectStates(m, "a delayed", "b delayed", "c rejected")
		h.gets("rejected", "alice")
	})
}

func TestOneRecipientAfterTheOther(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		m := h.submit(plain("a@other.example", "b@other.example"))
		r := h.only(m)
		out, err := h.decide(r, Approve, "manager@corp.example", r.Recipients[0].ID)
		must(t, err)
		if out.State != Open || len(out.Waiting) != 1 {
			t.Errorf("outcome %+v", out)
		}
		h.expectStates(m, "a delayed", "b held")
		if _, err := h.decide(r, Reject, "manager@corp.example", r.Recipients[0].ID); !errors.Is(err, ErrDecided) {
			t.Errorf("deciding the same again: %v", err)
		}
		// Removing a recipient never voids the revision.
		out, err = h.decide(r, Reject, "manager@corp.example", r.Recipients[1].ID)
		must(t, err)
		if out.State != Divided {
			t.Errorf("outcome %+v", out)
		}
	})
}

func TestWhoMayNotDecide(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		m := h.submit(plain("b@other.example"))
		r := h.only(m)
		tests := []struct {
			by   Actor
			want error
		}{
			{Actor{Address: "bob@corp.example"}, ErrNotApprover},
			{Actor{Address: "stranger@corp.example"}, ErrNotApprover},
			{Actor{Address: "alice@corp.example"}, ErrSelf},
			{Actor{Address: "A.Sato@corp.example"}, ErrSelf},
			{Actor{Address: "alice@corp.example", Admin: true}, ErrSelf},
			{Actor{Address: "a.sato@corp.example", Admin: true}, ErrSelf},
		}
		for _, tt := range tests {
			_, err := h.Decide(context.Background(), Decision{Request: r.ID, Revision: r.Revision, Verb: Approve, By: tt.by})
			if !errors.Is(err, tt.want) {
				t.Errorf("%+v: %v, want %v", tt.by, err, tt.want)
			}
		}
		_, err := h.Decide(context.Background(), Decision{Request: r.ID, Revision: "0", Verb: Approve, By: Actor{Address: "manager@corp.example"}})
		var stale *StaleError
		if !errors.As(err, &stale) || stale.Revision != r.Revision {
			t.Errorf("a stale page: %v", err)
		}
		if _, err := h.Request(context.Background(), r.ID, Actor{Address: "bob@corp.example"}); !errors.Is(err, ErrNotFound) {
			t.Errorf("bob sees the request: %v", err)
		}
		h.expectStates(m, "b held")
		_, err = h.Decide(context.Background(), Decision{Request: r.ID, Revision: r.Revision, Verb: Approve,
			By: Actor{Address: "admin@corp.example", Admin: true}})
		must(t, err)
		if v := h.only(m).Voices; len(v) != 1 || v[0].As != "admin" {
			t.Errorf("voices %+v", v)
		}
	})
}

func TestWithoutAManagerTheAdministratorsAreAsked(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		s := plain("b@other.example")
		s.person = "director@corp.example"
		m := h.submit(s)
		h.gets("question", "admin")
		r := h.only(m)
		if !slices.Contains(r.Notes, NoManager) {
			t.Errorf("notes %v", r.Notes)
		}
		// Whoever signs in as administrator sees it too.
		rows, _, err := h.Questions(context.Background(), Actor{Address: "robot@corp.example", Admin: true}, Page{})
		must(t, err)
		if len(rows) != 1 {
			t.Errorf("role sees %v", rows)
		}
		rows, _, err = h.Questions(context.Background(), Actor{Address: "admin@corp.example", Admin: true}, Page{})
		must(t, err)
		if len(rows) != 1 {
			t.Errorf("the known administrator sees it %d times", len(rows))
		}
	})
}

func TestSilenceRemindsEscalatesAndReturns(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		m := h.submit(plain("b@other.example"))
		h.gets("question", "manager")
		h.advance("2026-11-24 11:00")
		h.gets("reminder", "manager")
		h.advance("2026-11-24 14:00")
		h.gets("escalation", "bob") // the manager's standing deputy
		r := h.only(m)
		if len(r.Holders) != 2 {
			t.Errorf("holders %+v", r.Holders)
		}
		h.advance("2026-11-27 09:59")
		h.advance("2026-11-27 10:00")
		h.gets("expired", "alice")
		h.expectStates(m, "b expired")
		if r := h.only(m); r.State != Expired || len(r.Holders) != 0 {
			t.Errorf("request %+v", r)
		}
		_, err := h.decide(r, Approve, "bob@corp.example")
		var decided *DecidedError
		if !errors.As(err, &decided) || decided.State != Expired {
			t.Errorf("too late: %v", err)
		}
	})
}

func TestADatedDeputyIsAskedAtOnce(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.advance("2026-12-02 09:30")
		m := h.submit(plain("b@other.example"))
		h.gets("question", "manager")
		h.gets("question", "deputy")
		_, err := h.decide(h.only(m), Approve, "deputy@corp.example")
		must(t, err)
		if v := h.only(m).Voices; v[0].As != "deputy" {
			t.Errorf("voices %+v", v)
		}
	})
}

func TestTheSenderIsAskedFirstAndCannotApprove(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		s := plain("b@other.example")
		s.plans = []plan{hold(asking("sender"), asking("manager"))}
		m := h.submit(s)
		h.gets("ask_sender", "alice")
		alice := Actor{Address: "a.sato@corp.example"}
		r, err := h.Request(context.Background(), h.only(m).ID, alice)
		must(t, err)
		if !r.MayAsk || r.MayDecide {
			t.Errorf("may ask %v, may decide %v", r.MayAsk, r.MayDecide)
		}
		out, err := h.AskManager(context.Background(), r.ID, r.Revision, alice)
		must(t, err)
		if out.State != Open || out.Stage != 1 {
			t.Errorf("outcome %+v", out)
		}
		h.expectStates(m, "b held")
		h.gets("question", "manager")
		if _, err := h.decide(r, Approve, "alice@corp.example"); !errors.Is(err, ErrSelf) {
			t.Errorf("the sender approves: %v", err)
		}
		_, err = h.decide(r, Approve, "manager@corp.example")
		must(t, err)
		h.expectStates(m, "b delayed")
	})
}

func TestSelfReviewWhereTheRuleSaysSo(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		s := plain("b@other.example")
		s.plans = []plan{hold(asking("sender"))}
		m := h.submit(s)
		out, err := h.decide(h.only(m), Approve, "alice@corp.example")
		must(t, err)
		if out.State != Approved {
			t.Errorf("outcome %+v", out)
		}
		m = h.submit(s)
		out, err = h.decide(h.only(m), Reject, "alice@corp.example")
		must(t, err)
		if out.State != Cancelled {
			t.Errorf("outcome %+v", out)
		}
		h.gets("cancelled", "alice")
	})
}

func TestTwoVoicesOfTwoPeople(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		s := plain("b@other.example")
		s.plans = []plan{hold(Stage{Approvers: []string{"group:sales", "manager"}, Quorum: 2})}
		m := h.submit(s)
		r := h.only(m)
		out, err := h.decide(r, Approve, "bob@corp.example")
		must(t, err)
		if out.State != Open {
			t.Fatalf("one voice is enough: %+v", out)
		}
		if _, err := h.decide(r, Approve, "bob@corp.example"); !errors.Is(err, ErrDecided) {
			t.Errorf("a double click: %v", err)
		}
		if n, _ := h.Waiting(context.Background(), Actor{Address: "bob@corp.example"}, 9); n != 0 {
			t.Error("bob is still asked")
		}
		out, err = h.decide(r, Approve, "manager@corp.example")
		must(t, err)
		if out.State != Approved {
			t.Errorf("outcome %+v", out)
		}
	})
}

func TestCancelClosesTheQuestion(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		m := h.submit(plain("a@other.example", "b@other.example"))
		r := h.only(m)
		_, err := h.Queue.Cancel(context.Background(), m.ID, []RecipientID{r.Recipients[0].ID}, holdqueue.ReasonSender, holdqueue.Person("alice@corp.example"))
		must(t, err)
		if r := h.only(m); r.State != Open || r.Recipients[0].Answer != AnswerCancelled {
			t.Errorf("after the first: %+v", r)
		}
		_, err = h.Queue.Cancel(context.Background(), m.ID, nil, holdqueue.ReasonSender, holdqueue.Person("alice@corp.example"))
		must(t, err)
		if r := h.only(m); r.State != Cancelled || r.ClosedBy != "佐藤 花子" {
			t.Errorf("after the last: %+v", r)
		}
		_, err = h.decide(r, Approve, "manager@corp.example")
		var decided *DecidedError
		if !errors.As(err, &decided) || decided.State != Cancelled || decided.Name != "佐藤 花子" {
			t.Errorf("approving it: %v", err)
		}
		h.gets("cancelled", "alice")
	})
}

// The manager has said yes to one recipient when the sender takes the other back: nobody in the first stage has
// anything left to say, so the second must be asked.
func TestCancelOfTheLastOpenRecipientAsksTheNextStage(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		s := plain("a@other.example", "b@other.example")
		s.plans = []plan{hold(asking("manager"), asking("director@corp.example"))}
		m := h.submit(s)
		r := h.only(m)
		_, err := h.decide(r, Approve, "manager@corp.example", r.Recipients[0].ID)
		must(t, err)
		_, err = h.Queue.Cancel(context.Background(), m.ID, []RecipientID{r.Recipients[1].ID}, holdqueue.ReasonSender, holdqueue.Person("alice@corp.example"))
		must(t, err)
		if r := h.only(m); r.Stage != 1 || len(r.Holders) != 1 || r.Holders[0].Address != "director@corp.example" {
			t.Fatalf("stage %d lies with %+v", r.Stage, r.Holders)
		}
		h.gets("question", "director")
		out, err := h.decide(r, Approve, "director@corp.example")
		must(t, err)
		if out.State != Approved {
			t.Errorf("outcome %+v", out)
		}
		h.expectStates(m, "a delayed", "b cancelled")
	})
}

// The log names the token or the notice too; people are told the person.
func TestWhoeverCancelsThroughAProgramOrANoticeIsNamed(t *testing.T) {
	for _, by := range []holdqueue.Actor{"person:alice@corp.example", "notice:alice@corp.example", "token:06gzzbxds6a3p7z7red78m674r:alice@corp.example"} {
		h := newHouse(t, db.SQLite)
		m := h.submit(plain("a@other.example"))
		_, err := h.Queue.Cancel(context.Background(), m.ID, nil, holdqueue.ReasonAdmin, by)
		must(t, err)
		if r := h.only(m); r.ClosedBy != "佐藤 花子" {
			t.Errorf("%s: closed by %q", by, r.ClosedBy)
		}
	}
}

func TestReleaseFromTheCommandLineIsSeen(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		m := h.submit(plain("b@other.example"))
		r := h.only(m)
		_, err := h.Queue.Release(context.Background(), m.ID, nil, "os:root")
		must(t, err)
		if _, err := h.decide(r, Reject, "manager@corp.example"); !errors.Is(err, ErrDecided) {
			t.Errorf("rejecting what was released: %v", err)
		}
		h.advance("2026-11-24 11:00")
		h.until("the request to close", func() bool { return h.only(m).State == Approved })
	})
}

func TestPeopleOfDifferentRecipients(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		s := plain("a@other.example", "b@other.example", "c@third.example")
		s.plans = []plan{hold(asking("manager")), hold(asking("group:legal")), hold(asking("manager"))}
		m := h.submit(s)
		list := h.requests(m) // opened at the same time: in any order
		slices.SortFunc(list, func(a, b *Request) int { return len(b.Recipients) - len(a.Recipients) })
		if len(list) != 2 || len(list[0].Recipients) != 2 || len(list[1].Recipients) != 1 {
			t.Fatalf("requests %+v", list)
		}
		_, err := h.decide(list[0], Approve, "manager@corp.example")
		must(t, err)
		h.expectStates(m, "a delayed", "b held", "c delayed")
		if _, err := h.decide(list[1], Approve, "manager@corp.example"); !errors.Is(err, ErrNotApprover) {
			t.Errorf("the manager decides for legal: %v", err)
		}
		held := 0
		for _, k := range h.kinds() {
			if k == "held alice" {
				held++
			}
		}
		if held > 1 {
			t.Errorf("the sender was told %d times", held)
		}
	})
}

func TestAutomaticMailIsNeverAnsweredByMail(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		s := plain("b@other.example")
		s.automatic = true
		s.plans = []plan{hold(asking("sender"), asking("manager"))}
		m := h.submit(s)
		h.gets("question", "manager") // the sender's stage is left out: the sender would never learn of it
		_, err := h.decide(h.only(m), Reject, "manager@corp.example")
		must(t, err)
		h.expectStates(m, "b rejected")
		for _, k := range h.kinds() {
			if strings.HasSuffix(k, " alice") {
				t.Errorf("alice got %q", k)
			}
		}
	})
}

func TestWaitingIsToldOnlyWhenItMatters(t *testing.T) {
	delayed := plan{Action: holdqueue.ActionSend, Delay: 5 * time.Minute}
	attached := delayed
	attached.Attachments = 1
	tests := []struct {
		name string
		plan plan
		to   []mailaddr.Address
		want bool
	}{
		{"plain, one outside", delayed, []mailaddr.Address{"b@other.example"}, false},
		{"attachment, inside", attached, []mailaddr.Address{"bob@corp.example"}, false},
		{"attachment, outside", attached, []mailaddr.Address{"b@other.example"}, true},
		{"three domains", delayed, []mailaddr.Address{"b@a.example", "b@b.example", "b@c.example"}, false},
		{"four domains", delayed, []mailaddr.Address{"b@a.example", "b@b.example", "b@c.example", "b@d.example"}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t, db.SQLite)
			s := plain(tt.to...)
			s.plans = []plan{tt.plan}
			m := h.submit(s)
			if tt.want {
				h.gets("waiting", "alice")
				return
			}
			if rows, _, err := h.Queue.List(context.Background(), holdqueue.Filter{System: true}); len(rows) != 0 || err != nil {
				t.Errorf("told of %s: %v", m.ID, h.kinds())
			}
		})
	}
}
