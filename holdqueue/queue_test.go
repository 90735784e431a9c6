package holdqueue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
	"github.com/sekisho-mail/sekisho/internal/seal"
)

func TestMailWaitsItsDelayAndLeavesOnceWithItsBytes(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.Inspect = func(_ context.Context, m *Message, b Body) (Inspection, error) { return sendAll(m, 5*time.Minute), nil }
		h.run()
		id := h.submit("Subject: x\r\n\r\nbody\r\n", "b@other.example", "c@other.example", "b@other.example")
		h.becomes(id, "delayed delayed")
		h.advance(5*time.Minute - time.Second)
		time.Sleep(50 * time.Millisecond)
		if n := len(h.deliveries()); n != 0 {
			t.Fatalf("%d deliveries before the delay was over", n)
		}
		h.advance(time.Second)
		h.becomes(id, "sent sent")
		got := h.deliveries()
		if len(got) != 1 || got[0].body != "Subject: x\r\n\r\nbody\r\n" || len(got[0].to) != 2 {
			t.Errorf("%+v", got)
		}
		m, _ := h.Get(t.Context(), id)
		if m.Recipients[0].Reply != "250 2.0.0 queued as 4XYZ" || m.EndedAt.IsZero() || string(m.Report) != "report" {
			t.Errorf("%+v", m)
		}
	})
}

func TestLargeBodyIsEncryptedOnDiskAndComesOutWhole(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.run()
		body := "Subject: big\r\n\r\n" + strings.Repeat("confidential line\r\n", 60_000)
		id := h.submit(body, "b@other.example")
		h.becomes(id, "sent")
		if got := h.deliveries()[0].body; got != body {
			t.Errorf("%d octets came out of %d", len(got), len(body))
		}
		left, _ := os.ReadDir(h.opts.Spool)
		if len(left) != 0 {
			t.Errorf("spool is not empty: %v", left)
		}
		filepath.Walk(filepath.Dir(h.opts.Spool), func(p string, info os.FileInfo, _ error) error {
			if info.Mode().IsRegular() {
				if raw, _ := os.ReadFile(p); bytes.Contains(raw, []byte("confidential")) {
					t.Errorf("%s holds the mail in clear", p)
				}
			}
			return nil
		})
	})
}

func TestAbortedAndFailedDraftsLeaveNothing(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		d, _ := h.Begin(t.Context())
		io.WriteString(d, strings.Repeat("x", inRow+1))
		d.Abort()
		if _, err := d.Commit(t.Context(), Envelope{Recipients: []EnvelopeRecipient{{Address: "a@b.example"}}}); err == nil {
			t.Error("an aborted draft was committed")
		}
		ctx, cancel := context.WithCancel(t.Context())
		d, _ = h.Begin(ctx)
		io.WriteString(d, strings.Repeat("x", inRow+1))
		cancel()
		if _, err := d.Commit(ctx, Envelope{Recipients: []EnvelopeRecipient{{Address: "a@b.example"}}}); err == nil {
			t.Error("committed with a dead context")
		}
		if left, _ := os.ReadDir(h.opts.Spool); len(left) != 0 {
			t.Errorf("spool: %v", left)
		}
		h.opts.Blobs.Walk(t.Context(), "", func(key string, _ int64, _ time.Time) error { t.Errorf("blob %s was left", key); return nil })
		page, _, err := h.List(t.Context(), Filter{})
		if err != nil || len(page) != 0 {
			t.Errorf("%d messages, %v", len(page), err)
		}
	})
}

func TestHeldMailLeavesOnlyByApproval(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		var held, ended []string
		h.Hooks.Held = func(tx *db.Tx, m *Message, rs []*Recipient, by Actor) error {
			for _, r := range rs {
				held = append(held, string(r.Address))
			}
			return h.Schedule(tx, "test.expire", m.ID, tx.Now().Add(time.Hour))
		}
		h.Hooks.Ended = func(_ *db.Tx, _ *Message, rs []*Recipient, by Actor) error {
			for _, r := range rs {
				ended = append(ended, string(r.Address)+" "+string(r.State))
			}
			return nil
		}
		h.Inspect = func(_ context.Context, m *Message, b Body) (Inspection, error) { return holdAll(m), nil }
		h.run()
		id := h.submit("S: x\r\n\r\n", "a@o.example", "b@o.example")
		h.becomes(id, "held held")
		h.advance(240 * time.Hour)
		time.Sleep(50 * time.Millisecond)
		h.becomes(id, "held held")
		m, _ := h.Get(t.Context(), id)
		must(t, h.db.Write(t.Context(), func(tx *db.Tx) error {
			if _, err := h.Approve(tx, id, []ID{m.Recipients[0].ID}, "person:m@c.example"); err != nil {
				return err
			}
			_, err := h.Reject(tx, id, []ID{m.Recipients[1].ID}, "person:m@c.example")
			return err
		}))
		h.advance(11 * time.Second)
		h.becomes(id, "sent rejected")
		h.halt()
		if strings.Join(held, ",") != "a@o.example,b@o.example" || strings.Join(ended, ",") != "b@o.example rejected,a@o.example sent" {
			t.Errorf("held %v, ended %v", held, ended)
		}
		if got := h.deliveries(); len(got) != 1 || got[0].to[0] != "a@o.example" {
			t.Errorf("%+v", got)
		}
	})
}

func TestReleaseByAnAdministratorFreesWhatWasAsked(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		freed := make(chan string, 2)
		h.Hooks.Freed = func(_ *db.Tx, _ *Message, rs []*Recipient, by Actor) error {
			freed <- string(rs[0].Address) + " " + string(by)
			return nil
		}
		h.Inspect = func(_ context.Context, m *Message, b Body) (Inspection, error) { return holdAll(m), nil }
		h.run()
		id := h.submit("S: x\r\n\r\n", "a@o.example")
		h.becomes(id, "held")
		out, err := h.Release(t.Context(), id, nil, "os:root")
		if err != nil || out[0].Err != nil {
			t.Fatal(err, out)
		}
		if got := <-freed; got != "a@o.example os:root" {
			t.Error(got)
		}
	})
}

func TestNobodyIsToldOfAutomaticMail(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.answer = func(out *Outgoing) []Result { return sameResult(1, &SendError{Code: 550, Text: "no"}) }
		h.run()
		for _, env := range []Envelope{{MailFrom: "alice@corp.example", Automatic: true}, {MailFrom: ""}} {
			d, err := h.Begin(t.Context())
			must(t, err)
			io.WriteString(d, "S: x\r\n\r\n")
			env.Origin, env.Person, env.Recipients = FromPerson, "alice@corp.example", []EnvelopeRecipient{{Address: "x@o.example"}}
			id, err := d.Commit(t.Context(), env)
			must(t, err)
			h.becomes(id, "failed")
		}
		if page, _, err := h.List(t.Context(), Filter{System: true}); err != nil || len(page) != 0 {
			t.Errorf("%d mails of our own, %v", len(page), err)
		}
	})
}

func TestPoisonMailIsHeldAndTheRestFlows(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.Inspect = func(_ context.Context, m *Message, b Body) (Inspection, error) {
			raw := make([]byte, b.Size())
			b.ReadAt(raw, 0)
			if bytes.Contains(raw, []byte("poison")) {
				panic("boom")
			}
			return sendAll(m, 0), nil
		}
		h.run()
		bad := h.submit("S: poison\r\n\r\n", "a@o.example")
		good := h.submit("S: fine\r\n\r\n", "a@o.example")
		h.becomes(good, "sent")
		for range 3 {
			time.Sleep(100 * time.Millisecond)
			h.advance(10 * time.Minute)
		}
		h.becomes(bad, "held")
	})
}

// TestInspectionThatDoesNotEndIsHeldAndTheRestFlows: whether it hears that its time is over, or not.
func TestInspectionThatDoesNotEndIsHeldAndTheRestFlows(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.opts.Workers.Look = 200 * time.Millisecond
		h.reopen()
		end := make(chan struct{})
		defer close(end)
		h.Inspect = func(ctx context.Context, m *Message, b Body) (Inspection, error) {
			raw := make([]byte, b.Size())
			b.ReadAt(raw, 0)
			switch {
			case bytes.Contains(raw, []byte("slow")):
				<-ctx.Done()
				return Inspection{}, ctx.Err()
			case bytes.Contains(raw, []byte("deaf")):
				<-end
			}
			return sendAll(m, 0), nil
		}
		h.run()
		var bad []ID
		for range 2 { // more than there are workers
			bad = append(bad, h.submit("S: slow\r\n\r\n", "a@o.example"), h.submit("S: deaf\r\n\r\n", "a@o.example"))
		}
		good := h.submit("S: fine\r\n\r\n", "a@o.example")
		h.becomes(good, "sent")
		h.eventually("all are held", func() bool {
			h.advance(time.Minute)
			return !slices.ContainsFunc(bad, func(id ID) bool { return h.state(id) != "held" })
		})
	})
}

func TestMailThatKilledTheProcessThriceIsHeld(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		id := h.submit("S: x\r\n\r\n", "a@o.example")
		for range 3 { // a crash leaves the claim as it is
			got, _, _, err := h.take(t.Context(), []string{kindInspect}, 10)
			if err != nil || len(got) != 1 {
				t.Fatalf("%v %v", got, err)
			}
			h.advance(h.opts.Workers.Lease)
			h.advance(time.Minute)
		}
		h.Inspect = func(context.Context, *Message, Body) (Inspection, error) { os.Exit(3); return Inspection{}, nil }
		h.run()
		h.becomes(id, "held")
	})
}

func TestTemporaryFailureIsTriedAgainFromRelease(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		var tries atomic.Int64
		h.answer = func(out *Outgoing) []Result {
			if tries.Add(1) < 3 {
				return sameResult(len(out.Recipients), &SendError{Code: 451, Enhanced: "4.7.1", Text: "greylisted", Temporary: true})
			}
			return nil
		}
		h.run()
		id := h.submit("S: x\r\n\r\n", "a@o.example")
		h.becomes(id, "deferred")
		h.advance(time.Minute)
		h.eventually("second try", func() bool { return tries.Load() == 2 })
		h.becomes(id, "deferred")
		h.advance(time.Minute)
		h.becomes(id, "sent")
		if n := len(h.deliveries()); n != 1 {
			t.Errorf("%d deliveries", n)
		}
	})
}

func TestPartialAcceptanceIsPerRecipient(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.answer = func(out *Outgoing) []Result {
			if len(out.Recipients) == 1 {
				return nil
			}
			return []Result{{Reply: "250 ok"}, {Err: &SendError{Code: 550, Enhanced: "5.1.1", Text: "no such user"}},
				{Err: &SendError{Code: 452, Enhanced: "4.2.2", Text: "full", Temporary: true}}}
		}
		h.run()
		id := h.submit("S: x\r\n\r\n", "a@o.example", "b@o.example", "c@o.example")
		h.becomes(id, "sent failed deferred")
		h.advance(time.Minute)
		h.becomes(id, "sent failed sent")
		h.eventually("a report", func() bool { return len(h.deliveries()) == 2 })
		var retried, reported []delivery
		for _, d := range h.deliveries() {
			if d.id == id {
				retried = append(retried, d)
			} else {
				reported = append(reported, d)
			}
		}
		if len(retried) != 1 || retried[0].to[0] != "c@o.example" {
			t.Errorf("%+v", retried)
		}
		// The sender is told of b, of nobody else, and once.
		if len(reported) != 1 || reported[0].to[0] != "alice@corp.example" || !strings.Contains(reported[0].body, "rfc822; b@o.example\r\nAction: failed\r\nStatus: 5.1.1") ||
			strings.Contains(reported[0].body, "c@o.example") {
			t.Errorf("%+v", reported)
		}
	})
}

// TestDeadWorkerIsTakenOver plays both deaths: before the dot, and after it.
func TestDeadWorkerIsTakenOver(t *testing.T) {
	for _, dot := range []bool{false, true} {
		t.Run(fmt.Sprintf("dot=%v", dot), func(t *testing.T) {
			eachHouse(t, func(t *testing.T, h *house) {
				id := h.submit("S: x\r\n\r\n", "a@o.example")
				c, _, _, err := h.take(t.Context(), []string{kindInspect}, 1)
				must(t, err)
				must(t, h.inspect(t.Context(), c[0]))
				c, _, _, err = h.take(t.Context(), []string{kindSend}, 1)
				must(t, err)
				_, bundle, err := h.claimBundle(t.Context(), c[0], true)
				if err != nil || len(bundle) != 1 {
					t.Fatalf("%v %v", bundle, err)
				}
				if dot {
					must(t, h.beforeDot(t.Context(), c[0], id, bundle))
				}
				h.reopen()
				h.run()
				time.Sleep(50 * time.Millisecond)
				if h.state(id) != "sending" {
					t.Fatalf("%s before the lease ended", h.state(id))
				}
				h.advance(time.Minute)
				h.becomes(id, "sent")
				m, _ := h.Get(t.Context(), id)
				if m.Recipients[0].Uncertain != dot {
					t.Errorf("uncertain = %v", m.Recipients[0].Uncertain)
				}
				if err := h.beforeDot(t.Context(), c[0], id, bundle); !errors.Is(err, errLost) {
					t.Errorf("the dead worker may still write its dot: %v", err)
				}
			})
		})
	}
}

func TestPauseAcceptsAndReleasesNothing(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		must(t, h.Pause(t.Context(), "os:root", "印刷ミスの確認"))
		h.run()
		id := h.submit("S: x\r\n\r\n", "a@o.example")
		h.becomes(id, "delayed")
		h.advance(time.Hour)
		time.Sleep(100 * time.Millisecond)
		h.becomes(id, "delayed")
		p, err := h.Paused(t.Context())
		if err != nil || p == nil || p.By != "os:root" || p.Reason != "印刷ミスの確認" {
			t.Errorf("%+v %v", p, err)
		}
		must(t, h.db.Write(t.Context(), func(tx *db.Tx) error {
			_, err := h.Post(tx, Mail{To: []mailaddr.Address{"admin@corp.example"}, Raw: []byte("S: paused\r\n\r\n"), Kind: "alarm"})
			return err
		}))
		h.Wake()
		h.eventually("our own notices still leave", func() bool { return len(h.deliveries()) == 1 })
		must(t, h.Resume(t.Context(), "os:root", "ok"))
		h.becomes(id, "sent")
	})
}

func TestNothingDueLeavesAtOnceAfterARestart(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.Inspect = func(_ context.Context, m *Message, b Body) (Inspection, error) { return sendAll(m, 5*time.Minute), nil }
		h.run()
		id := h.submit("S: x\r\n\r\n", "a@o.example")
		h.becomes(id, "delayed")
		h.halt()
		h.advance(24 * time.Hour) // the machine was off
		h.reopen()
		h.Inspect = func(_ context.Context, m *Message, b Body) (Inspection, error) { return sendAll(m, 5*time.Minute), nil }
		h.run()
		h.eventually("the start", h.started)
		asked := h.submit("S: now\r\n\r\n", "a@o.example")
		h.becomes(asked, "delayed")
		if _, err := h.SendNow(t.Context(), asked, nil, "person:alice@corp.example"); err != nil {
			t.Fatal(err)
		}
		h.becomes(asked, "sent")
		h.advance(59 * time.Second)
		time.Sleep(100 * time.Millisecond)
		if s := h.state(id); s != "delayed" {
			t.Fatalf("%s within a minute of the start", s)
		}
		h.advance(2 * time.Second)
		h.becomes(id, "sent")
	})
}

func TestReturnedMailEnclosesTheOriginalWithoutCopyingIt(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.Inspect = func(_ context.Context, m *Message, b Body) (Inspection, error) { return sendAll(m, time.Hour), nil }
		h.run()
		original := "S: original\r\n\r\n" + strings.Repeat("long\r\n", 100_000)
		id := h.submit(original, "a@o.example")
		must(t, h.db.Write(t.Context(), func(tx *db.Tx) error {
			_, err := h.Post(tx, Mail{To: []mailaddr.Address{"alice@corp.example"}, Raw: []byte("HEAD\r\n\r\n--b--\r\n"), Head: 8, Enclose: id, About: id})
			return err
		}))
		h.Wake()
		h.eventually("notice", func() bool { return len(h.deliveries()) == 1 })
		if got := h.deliveries()[0].body; got != "HEAD\r\n\r\n"+original+"--b--\r\n" {
			t.Errorf("%d octets", len(got))
		}
	})
}

func TestFailedNoticeIsTold(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		told := make(chan ID, 1)
		h.Hooks.NoticeFailed = func(_ *db.Tx, m *Message, _ []*Recipient, _ Actor) error { told <- m.Meta.About; return nil }
		h.Hooks.Ended = func(*db.Tx, *Message, []*Recipient, Actor) error {
			t.Error("a notice is not a mail of the company")
			return nil
		}
		h.answer = func(out *Outgoing) []Result { return sameResult(1, &SendError{Code: 550, Text: "no"}) }
		h.run()
		must(t, h.db.Write(t.Context(), func(tx *db.Tx) error {
			_, err := h.Post(tx, Mail{To: []mailaddr.Address{"m@c.example"}, Raw: []byte("x"), About: "about-id"})
			return err
		}))
		h.Wake()
		select {
		case id := <-told:
			if id != "about-id" {
				t.Error(id)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("nobody was told")
		}
	})
}

func TestContentIsPurgedAfterRetentionAndFactsLater(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.run()
		small := h.submit("S: x\r\n\r\n", "a@o.example")
		large := h.submit(strings.Repeat("x", inRow+1), "a@o.example")
		h.becomes(small, "sent")
		h.becomes(large, "sent")
		h.advance(8 * 24 * time.Hour)
		for _, id := range []ID{small, large} {
			h.eventually("content gone", func() bool {
				m, err := h.Get(t.Context(), id)
				if err != nil {
					t.Fatal(err)
				}
				_, err = h.Queue.Open(t.Context(), m)
				return !m.PurgedAt.IsZero() && errors.Is(err, db.ErrNotFound) || id == large && !m.PurgedAt.IsZero() && err != nil
			})
		}
		m, _ := h.Get(t.Context(), small)
		if m.Meta.Subject != "" || m.Recipients[0].Reply == "" {
			t.Errorf("facts and content: %+v", m)
		}
		h.advance(400 * 24 * time.Hour)
		h.eventually("facts gone", func() bool { _, err := h.Get(t.Context(), small); return errors.Is(err, db.ErrNotFound) })
	})
}

func TestWrongKeysAreRefusedAtTheDoor(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		o := h.opts
		o.Keys = seal.NewTest()
		if _, err := New(t.Context(), o); !errors.Is(err, ErrWrongKeys) {
			t.Errorf("%v", err)
		}
	})
}

func TestListPagesByKey(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		var want []ID
		for i := range 25 {
			want = append(want, h.submit(fmt.Sprint(i), "a@o.example"))
			if i%3 == 0 {
				h.advance(time.Second)
			}
		}
		var got []ID
		f := Filter{Limit: 10, Person: "alice@corp.example", Open: true, States: []State{Received, Held}}
		for {
			page, next, err := h.List(t.Context(), f)
			must(t, err)
			for _, m := range page {
				got = append(got, m.ID)
			}
			if next.ID == "" {
				break
			}
			f.Before = next
		}
		slices.Sort(want)
		sorted := slices.Sorted(slices.Values(got))
		if !slices.Equal(want, sorted) {
			t.Errorf("%d of %d", len(got), len(want))
		}
		if page, _, _ := h.List(t.Context(), Filter{Person: "bob@corp.example"}); len(page) != 0 {
			t.Error("other people's mail")
		}
	})
}

func TestHandlersOfOthersRunAndRepeat(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		var runs atomic.Int64
		h.Handlers["test.tick"] = func(_ context.Context, ref string) (time.Time, error) {
			switch runs.Add(1) {
			case 1:
				return time.Time{}, errors.New("not yet")
			case 2:
				return t0.Add(time.Duration(h.clock.Load())).Add(time.Hour), nil
			}
			return time.Time{}, nil
		}
		h.run()
		must(t, h.db.Write(t.Context(), func(tx *db.Tx) error { return h.Schedule(tx, "test.tick", "r", tx.Now()) }))
		h.Wake()
		h.eventually("first", func() bool { return runs.Load() == 1 })
		time.Sleep(20 * time.Millisecond)
		h.advance(time.Minute)
		h.eventually("again after an error", func() bool { return runs.Load() == 2 })
		time.Sleep(20 * time.Millisecond)
		h.advance(time.Hour)
		h.eventually("again as asked", func() bool { return runs.Load() == 3 })
	})
}
