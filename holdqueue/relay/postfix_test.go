package relay

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/internal/testkit"
)

func relayToPostfix(t *testing.T, p *testkit.NextHop, change ...func(*Options)) *Relay {
	t.Helper()
	o := Options{Hostname: "mail.corp.example", Routes: []Route{{Hosts: []Host{{Address: p.Address, Roots: p.Roots, Weight: 1}}}}}
	for _, c := range change {
		c(&o)
	}
	r, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.closeIdle(time.Time{}) })
	return r
}

// awkward is a mail with everything that a careless client spoils.
func awkward(marker string) string {
	return "From: alice@corp.example\r\nTo: bob@other.example\r\nSubject: =?ISO-2022-JP?B?GyRCOCtAUT1xGyhC?=\r\nX-Marker: " + marker +
		"\r\nDate: Sat, 21 Nov 2026 10:00:00 +0900\r\nMessage-ID: <" + marker + "@corp.example>\r\nMIME-Version: 1.0\r\n" +
		"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" +
		".\r\n..\r\n.hidden\r\n\r\nFrom here on\r\n見積書を送ります。\r\n\x1b$B8+@Q\x1b(B\r\n" +
		strings.Repeat("x", 990) + "\r\n \r\n\t\r\ntrailing \r\n\r\n\r\n"
}

func TestPostfixGetsTheBytesAsTheyAre(t *testing.T) {
	p := testkit.Postfix(t)
	var ids []string
	for name, change := range map[string]func(*Options){
		"starttls": func(*Options) {},
		"implicit": func(o *Options) { only(o).Address, only(o).Implicit = p.AddressTLS, true },
	} {
		r := relayToPostfix(t, p, change)
		raw := awkward(name)
		results := r.Send(t.Context(), outgoing(raw, "bob@other.example", "unknown1@other.example", "carol@third.example"))
		if results[0].Err != nil || results[2].Err != nil || outcome(results[1]) != "permanent 550 5.1.1" {
			t.Fatalf("%s: %q (%v)", name, outcomes(results), results[1].Err)
		}
		id := regexp.MustCompile(`queued as ([0-9A-Za-z]+)`).FindStringSubmatch(results[0].Reply)
		if id == nil {
			t.Fatalf("%s: no queue id in %q", name, results[0].Reply)
		}
		ids = append(ids, id[1])
	}
	for _, mail := range p.Delivered(t, 4) {
		name := "starttls"
		if bytes.Contains(mail, []byte("X-Marker: implicit")) {
			name = "implicit"
		}
		if !bytes.HasSuffix(mail, []byte(awkward(name))) {
			t.Errorf("%s: other bytes arrived:\n%q", name, mail)
		}
	}
	for _, id := range ids {
		if !strings.Contains(p.Log(), id+": from=<alice@corp.example>") {
			t.Errorf("Postfix knows no %s:\n%s", id, p.Log())
		}
	}
}

func TestPostfixWithoutWhatTheBytesNeed(t *testing.T) {
	p := testkit.Postfix(t, "smtputf8_enable = no", "smtpd_discard_ehlo_keywords = 8bitmime, smtputf8")
	r := relayToPostfix(t, p)
	if got := outcome(r.Send(t.Context(), outgoing(awkward("eight"), "bob@other.example"))[0]); got != "permanent 554 5.6.3" {
		t.Error(got)
	}
	results := r.Send(t.Context(), outgoing(plainMail, "花子@other.example", "bob@other.example"))
	if outcome(results[0]) != "permanent 550 5.6.7" || results[1].Err != nil {
		t.Errorf("%q", outcomes(results))
	}
	p.Delivered(t, 1)
}

func TestPostfixTakesInternationalisedAndLargeMail(t *testing.T) {
	p := testkit.Postfix(t, "message_size_limit = 30000000")
	r := relayToPostfix(t, p)
	out := outgoing("From: 花子@corp.example\r\nSubject: 見積書\r\n\r\nhello\r\n", "太郎@other.example", "bob@例え.example")
	out.From = "花子@corp.example"
	out.Message.Meta.SMTPUTF8 = true
	wantSent(t, r.Send(t.Context(), out))
	large := awkward("large") + strings.Repeat(strings.Repeat("y", 76)+"\r\n", 250_000)
	wantSent(t, r.Send(t.Context(), outgoing(large, "bob@other.example")))
	larger := large + large
	if got := outcome(r.Send(t.Context(), outgoing(larger, "bob@other.example"))[0]); got != "permanent 552 5.3.4" {
		t.Error(got)
	}
	found := false
	for _, mail := range p.Delivered(t, 3) {
		found = found || bytes.HasSuffix(mail, []byte(large))
	}
	if !found {
		t.Error("the large mail did not arrive as it is")
	}
}

func TestPostfixFromManyWorkers(t *testing.T) {
	p := testkit.Postfix(t)
	r := relayToPostfix(t, p)
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			wantSent(t, r.Send(t.Context(), outgoing(awkward(fmt.Sprint("m", i, "-")), "bob@other.example")))
		})
	}
	wg.Wait()
	seen := map[string]bool{}
	for _, mail := range p.Delivered(t, 40) {
		marker := regexp.MustCompile(`X-Marker: (\S+)`).FindSubmatch(mail)
		seen[string(marker[1])] = true
	}
	if len(seen) != 40 {
		t.Errorf("%d different mails arrived", len(seen))
	}
	if n := strings.Count(p.Log(), ": connect from"); n > 12 {
		t.Errorf("%d connections for 40 mails", n)
	}
}
