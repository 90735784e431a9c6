package approval

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/seal"
)

func TestAQuestionThatBouncesFindsTheNextPerson(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.mu.Lock()
		h.refuse = "manager@corp.example"
		h.mu.Unlock()
		h.submit(plain("b@other.example"))
		h.gets("escalation", "bob")
		h.gets("alarm", "admin")
	})
}

func TestOneAlarmPerCauseAndHour(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		ctx := context.Background()
		for range 5 {
			must(t, h.RaiseAlarm(ctx, CauseNotReady, "disk full"))
		}
		must(t, h.RaiseAlarm(ctx, CausePeopleFile, "line 2: x"))
		h.until("two alarms", func() bool { return len(h.kinds()) == 2 })
		h.advance("2026-11-24 11:00")
		h.until("what came up since", func() bool { return len(h.kinds()) == 3 })
		h.mu.Lock()
		last := h.mail[2].body
		h.mu.Unlock()
		if text := textOf(t, last); !strings.Contains(text, "ほかに3件") {
			t.Errorf("last alarm: %s", text)
		}
		h.advance("2026-11-24 13:00")
		must(t, h.RaiseAlarm(ctx, CauseNotReady, "disk full"))
		h.until("a new alarm", func() bool { return len(h.kinds()) == 4 })
	})
}

func TestListsArePagedByKey(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		want := map[RequestID]bool{}
		for range 7 {
			want[h.only(h.submit(plain("b@other.example"))).ID] = true
		}
		ctx, reader := context.Background(), Actor{Address: "manager@corp.example", Admin: true}
		page := Page{Limit: 3}
		for pages := 0; ; pages++ {
			rows, next, err := h.Questions(ctx, reader, page)
			must(t, err)
			for _, r := range rows {
				if !want[r.Request] {
					t.Errorf("%s stands twice or is not mine", r.Request)
				}
				delete(want, r.Request)
			}
			if next == "" {
				if pages != 2 || len(want) != 0 {
					t.Errorf("%d pages, %d missing", pages+1, len(want))
				}
				break
			}
			page.After = next
		}
		if n, err := h.Waiting(ctx, reader, 5); n != 5 || err != nil {
			t.Errorf("count %d, %v", n, err)
		}
	})
}

func TestForgottenRequestsKeepNoContent(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		s := plain("b@other.example")
		s.plans[0].Places = []Place{{Code: "content:jp.my_number", Part: PlaceFile, File: "名簿.xlsx"}}
		m := h.submit(s)
		_, err := h.decide(h.only(m), Reject, "manager@corp.example")
		must(t, err)
		h.advance("2026-12-25 10:00")
		h.until("the content to go", func() bool {
			r := h.only(m)
			return r.Subject == "" && r.Voices[0].Comment == ""
		})
		must(t, h.db.Read(t.Context(), func(tx *db.Tx) error {
			r, err := h.load(tx, h.only(m).ID)
			if err == nil && len(r.detail.Places) > 0 {
				t.Errorf("names of files stay: %v", r.detail.Places)
			}
			return err
		}))
		if r := h.only(m); r.State != Rejected || r.Voices[0].By != "manager@corp.example" {
			t.Errorf("the facts went too: %+v", r)
		}
	})
}

func TestCancelTokens(t *testing.T) {
	h := newHouse(t, db.SQLite)
	id := db.NewID()
	token := h.CancelToken(id)
	if got, err := h.ByCancelToken(token); got != id || err != nil {
		t.Fatalf("own token: %q, %v", got, err)
	}
	other := h.CancelToken(db.NewID())
	_, secret, _ := strings.Cut(other, ".")
	for _, bad := range []string{"", ".", id, id + ".", id + "." + secret, token + "A", token[:len(token)-1], strings.ToUpper(token), "x" + token} {
		if _, err := h.ByCancelToken(bad); !errors.Is(err, ErrBadToken) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func FuzzCancelToken(f *testing.F) {
	d := &Desk{keys: seal.NewTest()}
	f.Add(d.CancelToken(db.NewID()))
	f.Add(db.NewID() + ".AAAA")
	f.Fuzz(func(t *testing.T, token string) {
		id, err := d.ByCancelToken(token)
		if err == nil && d.CancelToken(id) != token {
			t.Fatalf("%q is taken for the token of %q", token, id)
		}
	})
}

func TestClosedRequestsGoWithTheFacts(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		m := h.submit(plain("b@other.example"))
		r := h.only(m)
		_, err := h.decide(r, Reject, "manager@corp.example")
		must(t, err)
		again, err := h.forgetWork(t.Context(), string(r.ID))
		must(t, err)
		if want := h.only(m).ClosedAt.Add(400 * 24 * time.Hour); !again.Equal(want) {
			t.Errorf("due again %s, want %s", again, want)
		}
		h.RetainFacts = time.Microsecond
		h.clock.Add(int64(time.Second))
		again, err = h.forgetWork(t.Context(), string(r.ID))
		must(t, err)
		if !again.IsZero() || len(h.requests(m)) != 0 {
			t.Errorf("%d requests left, due again %s", len(h.requests(m)), again)
		}
	})
}

func TestAQuestionAskedByAnAliasIsFound(t *testing.T) {
	h := newHouse(t, db.SQLite)
	s := plain("b@other.example")
	s.person = "bob@corp.example"
	s.plans = []plan{hold(asking("a.sato@corp.example"))}
	m := h.submit(s)
	// The company renames alice: her old address becomes the alias.
	book, problems := ParsePeople("p.yaml", []byte(strings.Replace(companyYAML,
		"{address: alice@corp.example, aliases: [a.sato@corp.example]", "{address: hanako@corp.example, aliases: [a.sato@corp.example, alice@corp.example]", 1)))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	h.People.book.Store(book)
	rows, _, err := h.Questions(t.Context(), Actor{Address: "hanako@corp.example"}, Page{})
	must(t, err)
	if len(rows) != 1 {
		t.Fatalf("%d questions", len(rows))
	}
	if n, err := h.Waiting(t.Context(), Actor{Address: "hanako@corp.example"}, 9); n != 1 || err != nil {
		t.Errorf("count %d, %v", n, err)
	}
	_, err = h.decide(h.only(m), Approve, "hanako@corp.example")
	must(t, err)
}

func TestWhenNobodyCanBeReachedTheAdministratorsAre(t *testing.T) {
	h := newHouse(t, db.SQLite)
	m := h.submit(plain("b@other.example"))
	h.gets("question", "manager")
	h.advance("2026-11-24 14:00")
	h.gets("escalation", "bob")
	var id string
	must(t, h.db.Read(t.Context(), func(tx *db.Tx) error {
		return tx.QueryRow(`SELECT message FROM question_mail WHERE approver = $1`, "bob@corp.example").Scan(&id)
	}))
	must(t, h.db.Write(t.Context(), func(tx *db.Tx) error {
		return h.OnNoticeFailed(tx, &holdqueue.Message{ID: id}, []*holdqueue.Recipient{{Address: "bob@corp.example"}}, holdqueue.System)
	}))
	h.gets("escalation", "admin")
	if r := h.only(m); len(r.Holders) != 4 {
		t.Errorf("holders %+v", r.Holders)
	}
}
