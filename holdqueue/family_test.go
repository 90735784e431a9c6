package holdqueue

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// copyOf is the envelope of one copy of a mail that a cloud splits.
func copyOf(to ...string) Envelope {
	env := Envelope{Origin: FromGateway, Source: "cloud", Person: "alice@corp.example", MailFrom: "alice@corp.example",
		Meta: Meta{Subject: "件名", MessageID: "one@corp.example"}}
	for _, a := range to {
		env.Recipients = append(env.Recipients, EnvelopeRecipient{Address: mailaddr.Address(a)})
	}
	return env
}

func (h *house) accepts(env Envelope) ID {
	h.t.Helper()
	d, err := h.Begin(context.Background())
	must(h.t, err)
	_, err = io.WriteString(d, "the same for everybody")
	must(h.t, err)
	id, err := d.Commit(context.Background(), env)
	must(h.t, err)
	return id
}

// saying makes inspection find one content in every mail, which can be changed, and delay it.
func (h *house) saying(content string, delay time.Duration) (change func(string)) {
	var now atomic.Value
	now.Store(content)
	h.Inspect = func(_ context.Context, m *Message, _ Body) (Inspection, error) {
		found := sendAll(m, delay)
		found.Content = now.Load().(string)
		return found, nil
	}
	return func(content string) { now.Store(content) }
}

func (h *house) familyOf(id ID) ID {
	h.t.Helper()
	m, err := h.Get(context.Background(), id)
	must(h.t, err)
	return m.Family
}

func TestCopiesOfOneMailFindEachOther(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		says := h.saying("content", time.Hour)
		h.run()
		first := h.accepts(copyOf("a@x.example"))
		h.becomes(first, "delayed")
		n := 0
		join := func(change func(*Envelope)) bool {
			n++
			env := copyOf(fmt.Sprintf("r%d@x.example", n))
			change(&env)
			id := h.accepts(env)
			h.becomes(id, "delayed")
			return h.familyOf(id) == first
		}
		h.advance(9 * time.Minute)
		if !join(func(*Envelope) {}) {
			t.Error("a copy nine minutes later is another mail")
		}
		if !join(func(e *Envelope) { e.MailFrom = "bounces@corp.example" }) {
			t.Error("the return path that a distribution list wrote makes another mail")
		}
		for name, change := range map[string]func(*Envelope){
			"Message-ID":      func(e *Envelope) { e.Meta.MessageID = "two@corp.example" },
			"no Message-ID":   func(e *Envelope) { e.Meta.MessageID = "" },
			"person":          func(e *Envelope) { e.Person = "bob@corp.example" },
			"source":          func(e *Envelope) { e.Source = "printer" },
			"door":            func(e *Envelope) { e.Origin, e.Source = FromPerson, "" },
			"content":         func(*Envelope) { says("another") },
			"unknown content": func(*Envelope) { says("") },
		} {
			if join(change) {
				t.Errorf("another %s: the same mail", name)
			}
			says("content")
		}
		h.advance(2 * time.Minute)
		if join(func(*Envelope) {}) {
			t.Error("what comes eleven minutes after the first copy is the same mail")
		}
	})
}

func TestWhatIsAskedForAMailConcernsEveryCopy(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.saying("content", time.Hour)
		told := 0
		h.Hooks.Ended = func(_ *db.Tx, m *Message, ended []*Recipient, _ Actor) error {
			told++
			if len(ended) != 3 || len(m.Recipients) != 3 {
				t.Errorf("%d of %d recipients ended at once", len(ended), len(m.Recipients))
			}
			return nil
		}
		h.run()
		var ids []ID
		for _, to := range []string{"a@x.example", "b@x.example", "c@x.example"} {
			ids = append(ids, h.accepts(copyOf(to)))
			h.becomes(ids[len(ids)-1], "delayed")
			h.advance(time.Second)
		}
		// One clock: that of the first copy.
		whole, err := h.Whole(context.Background(), ids[1])
		must(t, err)
		if whole.ID != ids[0] || !slices.Equal(whole.Copies, ids) {
			t.Errorf("the whole is %s of %v", whole.ID, whole.Copies)
		}
		for _, r := range whole.Recipients {
			if !r.ReleaseAt.Equal(whole.AcceptedAt.Add(time.Hour)) {
				t.Errorf("%s leaves at %s", r.Address, r.ReleaseAt)
			}
		}
		_, err = h.Stop(context.Background(), ids[2], nil, "person:alice@corp.example")
		must(t, err)
		if whole, err = h.Whole(context.Background(), ids[0]); err != nil || !whole.Recipients[0].Stopped || !whole.Recipients[2].Stopped {
			t.Error("the clock of some copies runs on", err)
		}
		out, err := h.Cancel(context.Background(), ids[1], nil, ReasonSender, "person:alice@corp.example")
		must(t, err)
		if len(out) != 3 || told != 1 {
			t.Errorf("%d outcomes, told %d times", len(out), told)
		}
	})
}

func TestALateCopyFollowsWhatWasAskedForItsMail(t *testing.T) {
	for name, c := range map[string]struct {
		ask  func(h *house, id ID) error
		want string
	}{
		"cancel": {func(h *house, id ID) error {
			_, err := h.Cancel(context.Background(), id, nil, ReasonSender, "person:alice@corp.example")
			return err
		}, "cancelled"},
		"send now": {func(h *house, id ID) error {
			_, err := h.SendNow(context.Background(), id, nil, "person:alice@corp.example")
			return err
		}, "sent"},
		"stop": {func(h *house, id ID) error {
			_, err := h.Stop(context.Background(), id, nil, "person:alice@corp.example")
			return err
		}, "stopped"},
	} {
		t.Run(name, func(t *testing.T) {
			eachHouse(t, func(t *testing.T, h *house) {
				h.saying("content", time.Hour)
				h.run()
				first := h.accepts(copyOf("a@x.example"))
				h.becomes(first, "delayed")
				must(t, c.ask(h, first))
				h.advance(5 * time.Minute)
				late := h.accepts(copyOf("late@x.example"))
				h.eventually("the late copy is "+c.want, func() bool {
					m, err := h.Get(context.Background(), late)
					must(t, err)
					r := m.Recipients[0]
					return string(r.State) == c.want || c.want == "stopped" && r.State == Delayed && r.Stopped
				})
			})
		})
	}
}

func TestAMailThatWasTakenBackKeepsItsLateCopiesForDays(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.saying("content", time.Hour)
		h.run()
		first := h.accepts(copyOf("a@x.example"))
		h.becomes(first, "delayed")
		_, err := h.Cancel(context.Background(), first, nil, ReasonSender, "person:alice@corp.example")
		must(t, err)
		h.advance(26 * time.Hour)
		h.becomes(h.accepts(copyOf("late@x.example")), "cancelled")
		h.advance(3 * 24 * time.Hour)
		h.becomes(h.accepts(copyOf("another@x.example")), "delayed")
	})
}

func TestSomeRecipientsTakenBackAreNoWordAboutOthers(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.saying("content", time.Hour)
		h.run()
		first := h.accepts(copyOf("a@x.example", "b@x.example"))
		h.becomes(first, "delayed delayed")
		m, err := h.Get(context.Background(), first)
		must(t, err)
		_, err = h.Cancel(context.Background(), first, []ID{m.Recipients[0].ID}, ReasonSender, "person:alice@corp.example")
		must(t, err)
		h.becomes(h.accepts(copyOf("c@x.example")), "delayed")
	})
}

// Whoever is quick takes back the first copy before anybody knows that it is one.
func TestACopyTakenBackBeforeItsInspectionTakesTheOthersBack(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		first, second := h.accepts(copyOf("a@x.example")), h.accepts(copyOf("b@x.example"))
		_, err := h.Cancel(context.Background(), second, nil, ReasonSender, "person:alice@corp.example")
		must(t, err)
		h.saying("content", time.Hour)
		h.run()
		h.becomes(first, "cancelled")
		h.becomes(h.accepts(copyOf("c@x.example")), "cancelled")
	})
}

func TestAMailOfSeveralCopiesStandsOnceInTheList(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.saying("content", time.Hour)
		h.run()
		var copies []ID
		for i := range 4 {
			copies = append(copies, h.accepts(copyOf(fmt.Sprintf("r%d@x.example", i))))
			h.becomes(copies[i], "delayed")
			h.advance(time.Second)
			other := copyOf(fmt.Sprintf("o%d@x.example", i))
			other.Meta.MessageID = fmt.Sprintf("other%d@corp.example", i)
			h.becomes(h.accepts(other), "delayed")
			h.advance(time.Second)
		}
		pages := func(f Filter) (rows []string) {
			f.Limit = 2
			for {
				page, next, err := h.List(context.Background(), f)
				must(t, err)
				for _, m := range page {
					rows = append(rows, fmt.Sprintf("%s %d", m.Meta.MessageID, len(m.Recipients)))
				}
				if next.ID == "" {
					return rows
				}
				f.Before = next
			}
		}
		want := []string{"other3@corp.example 1", "one@corp.example 4", "other2@corp.example 1", "other1@corp.example 1", "other0@corp.example 1"}
		if got := pages(Filter{}); !slices.Equal(got, want) {
			t.Errorf("%q", got)
		}
		m, err := h.Get(context.Background(), copies[3])
		must(t, err)
		_, err = h.SendNow(context.Background(), copies[3], []ID{m.Recipients[0].ID}, "person:alice@corp.example")
		must(t, err)
		h.becomes(copies[3], "sent")
		if got := pages(Filter{Person: "alice@corp.example", Open: true}); len(got) != 5 || !slices.Contains(got, "one@corp.example 4") {
			t.Errorf("what waits: %q", got)
		}
		if got := pages(Filter{States: []State{Sent}}); !slices.Equal(got, []string{"one@corp.example 4"}) {
			t.Errorf("what was sent: %q", got)
		}
		if got := pages(Filter{Ended: true}); len(got) != 0 {
			t.Errorf("what has ended: %q", got)
		}
		_, err = h.SendNow(context.Background(), copies[0], nil, "person:alice@corp.example")
		must(t, err)
		for _, id := range copies {
			h.becomes(id, "sent")
		}
		if got := pages(Filter{Ended: true}); !slices.Equal(got, []string{"one@corp.example 4"}) {
			t.Errorf("what has ended: %q", got)
		}
	})
}

func TestARecipientOfAnotherMailIsNoneOfThisOnes(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.saying("content", time.Hour)
		h.run()
		first := h.accepts(copyOf("a@x.example"))
		h.becomes(first, "delayed")
		other := copyOf("b@x.example")
		other.Person = "bob@corp.example"
		strange := h.accepts(other)
		h.becomes(strange, "delayed")
		m, err := h.Get(context.Background(), strange)
		must(t, err)
		if _, err := h.Cancel(context.Background(), first, []ID{m.Recipients[0].ID}, ReasonSender, "person:alice@corp.example"); !errors.Is(err, db.ErrNotFound) {
			t.Error(err)
		}
		h.becomes(strange, "delayed")
	})
}

// Two nodes inspect the copies of a mail at the same moment, and never begin two families.
func TestNodesThatInspectCopiesAtOnceFindOneFamily(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.opts.Workers.Inspect = 4
		var nodes []*Queue
		for range 2 {
			h.reopen()
			h.saying("content", time.Hour)
			nodes = append(nodes, h.Queue)
		}
		var ids []ID
		for i := range 16 {
			ids = append(ids, h.accepts(copyOf(fmt.Sprintf("r%d@x.example", i))))
		}
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan error)
		for _, q := range nodes {
			go func() { ended <- q.Run(ctx) }()
		}
		families := map[ID]int{}
		for _, id := range ids {
			h.becomes(id, "delayed")
			families[h.familyOf(id)]++
		}
		if len(families) != 1 {
			t.Errorf("families of %v copies", families)
		}
		stop()
		must(t, errors.Join(<-ended, <-ended))
	})
}

func TestACopyThatIsExpelledWithItsContentLeavesNoFamily(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.saying("content", 0)
		h.run()
		id := h.accepts(copyOf("a@x.example"))
		h.becomes(id, "sent")
		h.advance(8 * 24 * time.Hour)
		h.eventually("the family is forgotten", func() bool {
			var n int
			must(t, h.db.Read(context.Background(), func(tx *db.Tx) error { return tx.QueryRow(`SELECT count(*) FROM family`).Scan(&n) }))
			return n == 0
		})
		if s := h.state(id); !strings.Contains(s, "sent") {
			t.Error(s)
		}
	})
}
