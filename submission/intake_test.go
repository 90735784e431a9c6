package submission

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/holdqueue"
)

func TestMailIsStoredByteForByteBelowReceived(t *testing.T) {
	r := serve(t)
	text := "X-Odd  :  folded\r\n\tvalue \r\nfrom: Alice <alice@corp.example>\r\nTO: b@other.example\r\n" +
		"Subject: =?iso-2022-jp?B?GyRCRnxLXBsoQg==?=\r\nDate: now\r\nMessage-Id: <x@corp.example>\r\n\r\n" +
		".leading dot\r\n..two\r\n\xff\xfe raw octets\r\n \r\nlast line"
	c := r.signed("alice@corp.example")
	id := c.mail(text + "\r\n")
	m := r.shelf.only(t)
	if got := m.below(t, text+"\r\n"); got != text+"\r\n" {
		t.Errorf("stored:\n%q", got)
	}
	head, _, _ := strings.Cut(string(m.bytes), "X-Odd")
	if !strings.HasPrefix(head, "Received: from localhost\r\n by mail.corp.example (Sekisho) with ESMTPSA id "+id+";\r\n ") ||
		strings.Count(head, "\r\n") != 3 {
		t.Errorf("in front stands:\n%s", head)
	}
	if strings.Contains(head, "127.0.0.1") || strings.Contains(head, "client.example") || strings.Contains(head, "for") {
		t.Errorf("Received tells too much:\n%s", head)
	}
	if m.Received != sha256.Sum256([]byte(text+"\r\n")) {
		t.Error("the hash is not that of what the client sent")
	}
	if m.id != id || m.Origin != holdqueue.FromPerson || m.Person != alice || m.Meta.Subject != "日本" ||
		m.Meta.MessageID != "x@corp.example" || !m.Meta.EightBit || m.Meta.Client != "127.0.0.1" ||
		len(m.Meta.HeaderTo) != 1 || m.Meta.From[0] != alice {
		t.Errorf("envelope %+v", m.Envelope)
	}
}

func TestDateAndMessageIDAreAddedOnlyWhereAbsent(t *testing.T) {
	r := serve(t)
	c := r.signed("alice@corp.example")
	text := "From: alice@corp.example\r\n\r\nx\r\n"
	id := c.mail(text)
	m := r.shelf.only(t)
	lines := strings.Split(strings.TrimSuffix(string(m.bytes), text), "\r\n")
	if len(lines) != 6 || !strings.HasPrefix(lines[3], "Date: ") || lines[4] != "Message-ID: <"+id+"@mail.corp.example>" {
		t.Fatalf("in front stands %q", lines)
	}
	if _, err := time.Parse(dateLayout, strings.TrimPrefix(lines[3], "Date: ")); err != nil {
		t.Error(err)
	}
	if m.Meta.MessageID != id+"@mail.corp.example" {
		t.Errorf("Message-ID %q", m.Meta.MessageID)
	}
}

func TestBccAndOurMarkAreTakenOutAndNothingElse(t *testing.T) {
	r := serve(t)
	c := r.signed("alice@corp.example")
	c.mail("Bcc: one@other.example,\r\n\ttwo@other.example\r\nFrom: alice@corp.example\r\nX-Bcc: stays\r\nBCC :three@other.example\r\n" +
		"Resent-Bcc: four@other.example\r\nX-Sekisho-Loop: v1 somebody else's\r\nSubject: a\r\n b\r\nbcc: five@other.example\r\n" +
		"Date: now\r\nMessage-ID: <1@x>\r\n\r\nBcc: in the body stays\r\n")
	m := r.shelf.only(t)
	want := "From: alice@corp.example\r\nX-Bcc: stays\r\nSubject: a\r\n b\r\nDate: now\r\nMessage-ID: <1@x>\r\n\r\nBcc: in the body stays\r\n"
	if got := m.below(t, want); got != want || strings.Contains(string(m.bytes), "other.example") {
		t.Errorf("stored:\n%s", m.bytes)
	}
}

func TestClientAppearsInReceivedOnlyWhenConfigured(t *testing.T) {
	r := serve(t, func(o *Options) { o.ClientInReceived = true })
	r.signed("alice@corp.example").mail(someMail)
	if got := string(r.shelf.only(t).bytes); !strings.HasPrefix(got, "Received: from client.example ([127.0.0.1])\r\n") {
		t.Errorf("stored:\n%s", got)
	}
}

func TestReceivedSaysHowTheMailCame(t *testing.T) {
	r := serve(t, with(printers()))
	for greeting, want := range map[string]string{"HELO printer": " with SMTP id ", "EHLO printer": " with ESMTP id "} {
		c := r.gateway()
		c.do(greeting, "250")
		c.do("MAIL FROM:<scan@corp.example>", "250")
		c.do("RCPT TO:<b@other.example>", "250")
		c.data(mailFrom("From: scan@corp.example"))
		all := r.shelf.all()
		if got := string(all[len(all)-1].bytes); !strings.Contains(got, want) {
			t.Errorf("%s:\n%s", greeting, got)
		}
	}
	c := r.signed("alice@corp.example")
	c.do("MAIL FROM:<alice@corp.example> SMTPUTF8", "250")
	c.do("RCPT TO:<b@other.example>", "250")
	c.data(someMail)
	all := r.shelf.all()
	if got := string(all[len(all)-1].bytes); !strings.Contains(got, " with UTF8SMTPSA id ") {
		t.Error(got)
	}
}

func TestMailWithoutABodyIsKeptAsItIs(t *testing.T) {
	for _, text := range []string{
		"From: alice@corp.example\r\nDate: d\r\nMessage-ID: <1@x>\r\n",
		"From: alice@corp.example\r\nDate: d\r\nMessage-ID: <1@x>\r\n\r\n",
		"From MAILER Fri Nov 21\r\nFrom: alice@corp.example\r\nDate: d\r\nMessage-ID: <1@x>\r\nno field\r\n\r\nx\r\n",
	} {
		r := serve(t)
		r.signed("alice@corp.example").mail(text)
		if got := r.shelf.only(t).below(t, text); got != text {
			t.Errorf("stored %q, want %q", got, text)
		}
	}
}

func TestHeadersThatAreRefused(t *testing.T) {
	const from = "From: alice@corp.example\r\n"
	for name, c := range map[string]struct{ text, want string }{
		"no header":             {"\r\nbody\r\n", "554 5.6.0"},
		"no fields":             {"just words\r\n\r\nbody\r\n", "554 5.6.0"},
		"nothing":               {"", "554 5.6.0"},
		"begins folded":         {" x\r\n" + from + "\r\nbody\r\n", "554 5.6.0"},
		"no From":               {"To: b@other.example\r\n\r\nbody\r\n", "554 5.6.0"},
		"two From fields":       {from + "FROM : alice@corp.example\r\n\r\nbody\r\n", "554 5.6.0"},
		"two Sender fields":     {from + "Sender: alice@corp.example\r\nSender: alice@corp.example\r\n\r\nx\r\n", "554 5.6.0"},
		"header over the limit": {from + "X: " + strings.Repeat("y\r\n ", 300<<10) + "\r\n\r\nx\r\n", "552 5.3.4"},
		"too many fields":       {from + strings.Repeat("X: y\r\n", 6000) + "\r\nx\r\n", "552 5.3.4"},
		"From without address":  {"From: Alice\r\n\r\nx\r\n", "550 5.7.1"},
		"From of nobody":        {"From: undisclosed:;\r\n\r\nx\r\n", "550 5.7.1"},
		"in a circle":           {from + strings.Repeat("Received: from a by b\r\n", 51) + "\r\nx\r\n", "554 5.4.6"},
	} {
		t.Run(name, func(t *testing.T) {
			r := serve(t)
			cl := r.signed("alice@corp.example")
			cl.begin("b@other.example")
			cl.do("DATA", "354")
			cl.do(stuff(c.text)+".", c.want)
			cl.mail(someMail)
			if n := len(r.shelf.all()); n != 1 || r.shelf.open != 0 {
				t.Errorf("%d stored, %d open", n, r.shelf.open)
			}
		})
	}
}

func TestAutomaticMailIsRecognised(t *testing.T) {
	for field, want := range map[string]bool{
		"Auto-Submitted: auto-replied (vacation); owner-email=x": true,
		"Auto-Submitted: no": false,
		"Content-Type: multipart/report; report-type=delivery-status; boundary=x": true,
		"Content-Type: text/calendar; charset=utf-8; method=REPLY":                true,
		"Content-Type: text/calendar; charset=utf-8":                              false,
		"Content-class: urn:content-classes:calendarmessage":                      true,
		"Precedence: list": false,
	} {
		r := serve(t)
		r.signed("alice@corp.example").mail(field + "\r\n" + someMail)
		if got := r.shelf.only(t).Automatic; got != want {
			t.Errorf("%s: %v", field, got)
		}
	}
}

func TestSizeIsCountedAndTheConnectionLives(t *testing.T) {
	r := serve(t, func(o *Options) { o.Limits.MessageBytes = 100_000 })
	big := someMail + strings.Repeat("0123456789abcdef\r\n", 6000)
	c := r.signed("alice@corp.example")
	c.do("MAIL FROM:<alice@corp.example> SIZE=100001", "552 5.3.4")
	c.begin("b@other.example")
	c.do("DATA", "354")
	c.do(big+".", "552 5.3.4")
	c.begin("b@other.example")
	c.send(fmt.Sprintf("BDAT %d LAST\r\n%s", len(big), big))
	c.want("552 5.3.4")
	c.mail(someMail)
	if r.shelf.only(t); r.shelf.open != 0 {
		t.Error("a draft was left open")
	}
}

func TestTroubleOfOursKeepsTheMailWithTheClient(t *testing.T) {
	full := fmt.Errorf("write spool: %w", syscall.ENOSPC)
	for name, c := range map[string]struct {
		begin, write, commit error
		want                 string
	}{
		"disk full at begin":  {full, nil, nil, "452 4.3.1"},
		"disk full at write":  {nil, full, nil, "452 4.3.1"},
		"disk full at commit": {nil, nil, full, "452 4.3.1"},
		"database away":       {nil, nil, errTest, "451 4.3.0"},
	} {
		t.Run(name, func(t *testing.T) {
			r := serve(t)
			cl := r.signed("alice@corp.example")
			r.shelf.fail(c.begin, c.write, c.commit)
			cl.begin("b@other.example")
			cl.do("DATA", "354")
			cl.do(someMail+".", c.want)
			r.shelf.fail(nil, nil, nil)
			cl.mail(someMail)
			if r.shelf.only(t); r.shelf.open != 0 {
				t.Error("a draft was left open")
			}
		})
	}
}

func TestSlowStoreIs451InTime(t *testing.T) {
	r := serve(t, func(o *Options) { o.Limits.Commit = 200 * time.Millisecond })
	r.shelf.slow = make(chan struct{})
	c := r.signed("alice@corp.example")
	c.begin("b@other.example")
	c.do("DATA", "354")
	c.do(someMail+".", "451 4.3.0")
	if n := len(r.shelf.all()); n != 0 {
		t.Errorf("%d stored", n)
	}
}

func TestNoRoomIs452AtMail(t *testing.T) {
	full := errTest
	r := serve(t, func(o *Options) { o.Room = func() error { return full } })
	c := r.signed("alice@corp.example")
	c.do("MAIL FROM:<alice@corp.example>", "452 4.3.1")
	full = nil
	c.mail(someMail)
}

func TestClientThatLeavesInMidBodyLeavesNothing(t *testing.T) {
	r := serve(t)
	c := r.signed("alice@corp.example")
	c.begin("b@other.example")
	c.do("DATA", "354")
	c.send(someMail + strings.Repeat("x\r\n", 100_000))
	c.conn.Close()
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	if len(r.shelf.all()) != 0 || r.shelf.open != 0 {
		t.Errorf("%d stored, %d open", len(r.shelf.all()), r.shelf.open)
	}
}
