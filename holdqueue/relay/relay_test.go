package relay

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
	"github.com/sekisho-mail/sekisho/internal/testkit"
)

func TestOneResultForEachRecipient(t *testing.T) {
	h := newHop(t, &hop{offers: everything, say: on(
		"RCPT TO:<gone@", "550 5.1.1 no such user",
		"RCPT TO:<later@", "451 4.7.1 greylisted\r",
		"RCPT TO:<odd@", "599 what",
		"RCPT TO:<full@", "452 4.2.2 mailbox full")})
	results := relayTo(t, h).Send(t.Context(), outgoing(plainMail,
		"a@x.example", "gone@x.example", "b@x.example", "later@x.example", "odd@x.example", "full@x.example"))
	want := []string{"sent", "permanent 550 5.1.1", "sent", "temporary 451 4.7.1", "permanent 599", "temporary 452 4.2.2"}
	if got := outcomes(results); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if results[0].Reply != "250 2.0.0 Ok: queued as 4F2A" || results[0].Remote != "127.0.0.1" {
		t.Errorf("reply %q of %q", results[0].Reply, results[0].Remote)
	}
	if results[1].Err.Text != "no such user" {
		t.Errorf("text %q", results[1].Err.Text)
	}
	if _, mails, _, _ := h.seen(); len(mails) != 1 || mails[0] != strings.ReplaceAll(plainMail, "\r\n.", "\r\n..") {
		t.Errorf("on the wire: %q", mails)
	}
}

func TestWhatTheNextHopSaysDecides(t *testing.T) {
	long := strings.Repeat("x", 998) + "\r\n"
	big := "Subject: big\r\n\r\n" + strings.Repeat(long, 8000)
	for _, test := range []struct {
		name, raw string
		say       func(string) string
		want      string
	}{
		{"greeting refuses", plainMail, on("GREETING", "554 5.7.1 go away"), "temporary 554"},
		{"greeting drops", plainMail, on("GREETING", "drop"), "temporary 0 4.4.1"},
		{"greeting stalls", plainMail, on("GREETING", "stall"), "temporary 0 4.4.1"},
		{"greeting without end", plainMail, on("GREETING", "220-"+strings.Repeat("endless\r\n220-", 9000)), "temporary 0 4.4.1"},
		{"EHLO refused", plainMail, on("EHLO", "550 not you", "HELO", "550 not you"), "temporary 550"},
		{"MAIL refused", plainMail, on("MAIL", "550 5.7.1 not you"), "permanent 550 5.7.1"},
		{"MAIL later", plainMail, on("MAIL", "451 4.3.0 busy"), "temporary 451 4.3.0"},
		{"MAIL 421", plainMail, on("MAIL", "421 4.3.2 closing"), "temporary 421 4.3.2"},
		{"MAIL drops", plainMail, on("MAIL", "drop"), "temporary 0 4.4.2"},
		{"MAIL stalls", plainMail, on("MAIL", "stall"), "temporary 0 4.4.2"},
		{"MAIL answered by garbage", plainMail, on("MAIL", "hello?"), "temporary 0 4.4.2"},
		{"MAIL says 354", plainMail, on("MAIL", "354 what"), "temporary 354"},
		{"RCPT 421", plainMail, on("RCPT", "421 4.3.2 closing"), "temporary 421 4.3.2"},
		{"RCPT drops", plainMail, on("RCPT", "drop"), "temporary 0 4.4.2"},
		{"DATA refused", plainMail, on("DATA", "554 5.5.1 no valid recipients"), "permanent 554 5.5.1"},
		{"DATA later", plainMail, on("DATA", "451 4.3.0 disk"), "temporary 451 4.3.0"},
		{"DATA says 250", plainMail, on("DATA", "250 already?"), "temporary 0 4.5.0"},
		{"DATA 421", plainMail, on("DATA", "421 4.3.2 closing"), "temporary 421 4.3.2"},
		{"dropped in the body", big, on("BODY", "drop"), "temporary 0 4.4.2"},
		{"stalls in the body", big, on("BODY", "stall"), "temporary 0 4.4.2"},
		{"refused after the dot", plainMail, on("DOT", "550 5.7.1 spam"), "permanent 550 5.7.1"},
		{"later after the dot", plainMail, on("DOT", "451 4.3.0 try again"), "temporary 451 4.3.0"},
		{"421 after the dot", plainMail, on("DOT", "421 4.3.0 try again"), "temporary 421 4.3.0"},
		{"dropped after the dot", plainMail, on("DOT", "drop"), "temporary 0 4.4.2 uncertain"},
		{"stalls after the dot", plainMail, on("DOT", "stall"), "temporary 0 4.4.2 uncertain"},
		{"garbage after the dot", plainMail, on("DOT", "ok!"), "temporary 0 4.4.2 uncertain"},
		{"354 after the dot", plainMail, on("DOT", "354 more"), "temporary 0 4.4.2 uncertain"},
		{"no text behind the codes", plainMail, on("MAIL", "250", "RCPT", "250", "DOT", "250"), "sent"},
		{"lines of different codes to MAIL", plainMail, on("MAIL", "250-ok\r\n451 later"), "temporary 451"},
		{"lines of different codes after the dot", plainMail, on("DOT", "250-ok\r\n550 spam"), "permanent 550"},
		{"a line without a code", plainMail, on("MAIL", "250-ok\r\nwelcome\r\n250 ok"), "sent"},
		{"a code of four digits", plainMail, on("MAIL", "2500 ok"), "temporary 0 4.4.2"},
		{"knows HELO only", plainMail, on("EHLO", "502 5.5.1 what?"), "sent"},
		{"contradicting codes", plainMail, on("DOT", "451 5.7.1 hm"), "temporary 451"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := newHop(t, &hop{offers: everything, say: test.say})
			start := time.Now()
			results := relayTo(t, h).Send(t.Context(), outgoing(test.raw, "a@x.example", "b@x.example"))
			for _, r := range results {
				if outcome(r) != test.want {
					t.Errorf("%q (%v), want %q", outcome(r), r.Err, test.want)
				}
			}
			if took := time.Since(start); took > 8*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

func TestUnreachableNextHopIsTemporary(t *testing.T) {
	r, err := New(Options{Hostname: "mail.corp.example", Routes: []Route{{Hosts: []Host{{Address: testkit.FreeAddress(t), TLS: TLSNone}}}}})
	if err != nil {
		t.Fatal(err)
	}
	results := r.Send(t.Context(), outgoing(plainMail, "a@x.example"))
	if outcome(results[0]) != "temporary 0 4.4.1" {
		t.Errorf("%v", results[0].Err)
	}
	if err := r.Check(t.Context()); err == nil {
		t.Error("check found a next hop")
	}
}

func TestRefusedDotIsNeverWritten(t *testing.T) {
	h := newHop(t, &hop{offers: everything})
	out := outgoing(plainMail, "a@x.example", "b@x.example")
	called := 0
	out.BeforeDot = func(context.Context, []*holdqueue.Recipient) error { called++; return errors.New("taken over") }
	results := relayTo(t, h).Send(t.Context(), out)
	for _, r := range results {
		if outcome(r) != "temporary 0 4.4.2" {
			t.Errorf("%v", r.Err)
		}
	}
	deadline := time.Now().Add(3 * time.Second)
	for {
		_, mails, partial, conns := h.seen()
		if len(mails) > 0 || conns != 1 {
			t.Fatalf("%d mails, %d connections", len(mails), conns)
		}
		if len(partial) == 1 {
			if partial[0] != strings.ReplaceAll(plainMail, "\r\n.", "\r\n..") {
				t.Errorf("before the dot stood %q", partial[0])
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the connection was not dropped")
		}
		time.Sleep(5 * time.Millisecond)
	}
	if called != 1 {
		t.Errorf("asked %d times", called)
	}
}

func TestWholeBodyIsOutBeforeTheDotIsAsked(t *testing.T) {
	h := newHop(t, &hop{offers: everything})
	out := outgoing(plainMail, "a@x.example")
	out.BeforeDot = func(context.Context, []*holdqueue.Recipient) error {
		if _, mails, _, _ := h.seen(); len(mails) > 0 {
			t.Error("the mail had ended already")
		}
		return nil
	}
	wantSent(t, relayTo(t, h).Send(t.Context(), out))
}

func TestDotIsNotAskedForWhenNobodyIsAccepted(t *testing.T) {
	h := newHop(t, &hop{offers: everything, say: on("RCPT", "550 5.1.1 no")})
	out := outgoing(plainMail, "a@x.example")
	out.BeforeDot = func(context.Context, []*holdqueue.Recipient) error { t.Error("asked"); return nil }
	relayTo(t, h).Send(t.Context(), out)
	if data := h.told("DATA"); len(data) != 0 {
		t.Error("DATA without recipients")
	}
}

func TestStoppingTheServiceBeforeTheDotSendsNothing(t *testing.T) {
	h := newHop(t, &hop{offers: everything, say: on("RCPT", "stall")})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	start := time.Now()
	results := relayTo(t, h).Send(ctx, outgoing(plainMail, "a@x.example"))
	if outcome(results[0]) != "temporary 0 4.4.2" || time.Since(start) > 2*time.Second {
		t.Errorf("%v after %v", results[0].Err, time.Since(start))
	}
}

func TestStoppingTheServiceAfterTheDotWaitsForTheAnswer(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	h := newHop(t, &hop{offers: everything, say: func(place string) string {
		if place == "DOT" {
			cancel()
			time.Sleep(300 * time.Millisecond)
		}
		return ""
	}})
	wantSent(t, relayTo(t, h).Send(ctx, outgoing(plainMail, "a@x.example")))
}

func TestAddressesCannotInjectParametersOrCommands(t *testing.T) {
	h := newHop(t, &hop{offers: everything})
	r := relayTo(t, h)
	bad := []string{
		`"victim@evil.example> NOTIFY=NEVER"@corp.example`, `"a\> BODY=8BITMIME"@corp.example`, "a@x.example> SIZE=1", "a@x.example\r\nDATA",
		"a b@x.example", "a@x.example,b@x.example", "@relay.example:a@x.example", "", "nobody", "<a@x.example>", "a@x..example", "a\x00@x.example",
	}
	for _, address := range bad {
		results := r.Send(t.Context(), outgoing(plainMail, address, "b@x.example"))
		if got := outcomes(results); !slices.Equal(got, []string{"permanent 553 5.1.3", "sent"}) {
			t.Errorf("%q: %q", address, got)
		}
		if address == "" {
			continue // the null reverse path is a sender
		}
		out := outgoing(plainMail, "b@x.example")
		out.From = mailaddr.Address(address)
		if got := outcome(r.Send(t.Context(), out)[0]); got != "permanent 553 5.1.7" {
			t.Errorf("from %q: %s", address, got)
		}
	}
	for _, rcpt := range h.told("RCPT") {
		if rcpt != "RCPT TO:<b@x.example>" {
			t.Errorf("%q", rcpt)
		}
	}
}

func TestNullReversePath(t *testing.T) {
	h := newHop(t, &hop{offers: everything})
	out := outgoing(plainMail, "a@x.example")
	out.From = ""
	wantSent(t, relayTo(t, h).Send(t.Context(), out))
	if mail := h.told("MAIL"); !strings.HasPrefix(mail[0], "MAIL FROM:<>") {
		t.Errorf("%q", mail)
	}
}

type failingBody struct{ after int64 }

func (f failingBody) ReadAt(p []byte, off int64) (int, error) {
	if off >= f.after {
		return 0, errors.New("store is away")
	}
	return copy(p, strings.Repeat("x", len(p))), nil
}

func TestUnreadableMailIsTriedAgain(t *testing.T) {
	h := newHop(t, &hop{offers: everything})
	out := outgoing(plainMail, "a@x.example")
	out.Body, out.Size = failingBody{after: 100}, 1<<20
	out.BeforeDot = func(context.Context, []*holdqueue.Recipient) error { t.Error("asked for the dot"); return nil }
	if got := outcome(relayTo(t, h).Send(t.Context(), out)[0]); got != "temporary 0 4.4.2" {
		t.Error(got)
	}
}

// flakyBody reads well once, for the survey, and then fails in the middle of DATA.
type flakyBody struct {
	text string
	mu   sync.Mutex
	ends int
}

func (f *flakyBody) ReadAt(p []byte, off int64) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ends > 0 && off > 100_000 {
		return 0, errors.New("store went away")
	}
	n := copy(p, f.text[off:])
	if off+int64(n) == int64(len(f.text)) {
		f.ends++
		return n, io.EOF
	}
	return n, nil
}

func TestStoreThatFailsInDATALeavesNoMail(t *testing.T) {
	h := newHop(t, &hop{offers: everything})
	out := outgoing("", "a@x.example")
	body := &flakyBody{text: "Subject: x\r\n\r\n" + strings.Repeat("0123456789\r\n", 40_000)}
	out.Body, out.Size = body, int64(len(body.text))
	if got := outcome(relayTo(t, h).Send(t.Context(), out)[0]); got != "temporary 0 4.4.2" {
		t.Error(got)
	}
	if _, mails, _, _ := h.seen(); len(mails) != 0 {
		t.Error("half a mail was ended with a dot")
	}
}

func TestLoopMarkIsPrepended(t *testing.T) {
	h := newHop(t, &hop{offers: everything})
	r := relayTo(t, h, func(o *Options) {
		o.Loop = func(m *holdqueue.Message) string { return "X-Sekisho-Loop: " + m.ID + "\r\n" }
	})
	wantSent(t, r.Send(t.Context(), outgoing("Subject: x\r\n\r\nx\r\n", "a@x.example")))
	if _, mails, _, _ := h.seen(); mails[0] != "X-Sekisho-Loop: message\r\nSubject: x\r\n\r\nx\r\n" {
		t.Errorf("%q", mails[0])
	}
}

func TestEHLOCarriesOurName(t *testing.T) {
	h := newHop(t, &hop{offers: everything})
	if err := relayTo(t, h).Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	lines, _, _, _ := h.seen()
	if !slices.Equal(lines, []string{"EHLO mail.corp.example", "QUIT"}) {
		t.Errorf("%q", lines)
	}
}

func TestRetriesBeginSoonAndEndAfterFiveDays(t *testing.T) {
	first := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	now, tries := first, 0
	var last time.Time
	for {
		tries++
		next := Next(first, now, tries, 0)
		if next.IsZero() {
			break
		}
		if !next.After(now) || next.Sub(now) > 3*time.Hour {
			t.Fatalf("try %d: %v after %v", tries, next, now)
		}
		now, last = next, next
	}
	if last != first.Add(5*24*time.Hour) {
		t.Errorf("last attempt %v after the first", last.Sub(first))
	}
	if tries < 30 || tries > 60 {
		t.Errorf("%d tries", tries)
	}
	if got := Next(first, first, 1, 0).Sub(first); got != time.Minute {
		t.Errorf("the second attempt comes after %v", got)
	}
	if a, b := Next(first, first, 9, -1), Next(first, first, 9, 1); b.Sub(a) != 48*time.Minute {
		t.Errorf("jitter spreads over %v", b.Sub(a))
	}
	if got := Next(first, first, 0, 7); got != first.Add(72*time.Second) {
		t.Errorf("odd arguments: %v", got)
	}
}

func TestOptionsThatCannotWorkAreRefused(t *testing.T) {
	with := func(h Host) Options { return Options{Hostname: "h", Routes: []Route{{Hosts: []Host{h}}}} }
	for name, o := range map[string]Options{
		"no route":              {Hostname: "h"},
		"route to nobody":       {Hostname: "h", Routes: []Route{{}}},
		"mx and a host":         {Hostname: "h", Routes: []Route{{MX: true, Hosts: []Host{{Address: "h:25"}}}}},
		"mx without DNS":        {Hostname: "h", Routes: []Route{{MX: true}}},
		"no host":               with(Host{}),
		"no port":               with(Host{Address: "smtp.corp.example"}),
		"no name":               {Routes: []Route{{Hosts: []Host{{Address: "h:25"}}}}},
		"unknown policy":        with(Host{Address: "h:25", TLS: "maybe"}),
		"password in clear":     with(Host{Address: "h:25", TLS: TLSNone, Username: "u", Password: "p"}),
		"password unverified":   with(Host{Address: "h:25", TLS: TLSOpportunistic, Username: "u", Password: "p"}),
		"password, 465, no TLS": with(Host{Address: "h:465", TLS: TLSNone, Username: "u", Password: "p"}),
		"token in clear":        with(Host{Address: "h:25", TLS: TLSNone, Username: "u", Tokens: &Tokens{}}),
		"password of nobody":    with(Host{Address: "h:25", Password: "p"}),
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}
