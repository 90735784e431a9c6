package relay

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestEightBitMailNeeds8BITMIME(t *testing.T) {
	eight := "Subject: hello\r\n\r\ncaf\xe9\r\n"
	without := newHop(t, &hop{offers: []string{"SIZE"}})
	r := relayTo(t, without)
	if got := outcome(r.Send(t.Context(), outgoing(eight, "a@x.example"))[0]); got != "permanent 554 5.6.3" {
		t.Error(got)
	}
	if len(without.told("MAIL")) != 0 {
		t.Error("the transaction was begun")
	}
	out := outgoing(plainMail, "a@x.example")
	out.Message.Meta.EightBit = true // the client said so; the bytes do not
	wantSent(t, r.Send(t.Context(), out))

	with := newHop(t, &hop{offers: everything})
	r = relayTo(t, with)
	wantSent(t, r.Send(t.Context(), outgoing(eight, "a@x.example")))
	wantSent(t, r.Send(t.Context(), outgoing(plainMail, "a@x.example")))
	mail := with.told("MAIL")
	if len(mail) != 2 || !strings.Contains(mail[0], "BODY=8BITMIME") || strings.Contains(mail[1], "BODY=") {
		t.Errorf("%q", mail)
	}
	if _, mails, _, _ := with.seen(); mails[0] != eight {
		t.Errorf("%q", mails[0])
	}
}

func TestInternationalisedAddressesNeedSMTPUTF8(t *testing.T) {
	without := newHop(t, &hop{offers: []string{"8BITMIME"}})
	r := relayTo(t, without)
	results := r.Send(t.Context(), outgoing(plainMail, "a@x.example", "花子@x.example", "b@例え.example"))
	if got := outcomes(results); !slices.Equal(got, []string{"sent", "permanent 550 5.6.7", "sent"}) {
		t.Errorf("%q", got)
	}
	// A Japanese domain has a form in ASCII.
	if rcpt := without.told("RCPT"); len(rcpt) != 2 || rcpt[1] != "RCPT TO:<b@xn--r8jz45g.example>" {
		t.Errorf("%q", rcpt)
	}
	out := outgoing(plainMail, "a@x.example")
	out.From = "花子@corp.example"
	if got := outcome(r.Send(t.Context(), out)[0]); got != "permanent 550 5.6.7" {
		t.Error(got)
	}

	with := newHop(t, &hop{offers: everything})
	r = relayTo(t, with)
	wantSent(t, r.Send(t.Context(), outgoing(plainMail, "a@x.example", "花子@x.example")))
	if mail := with.told("MAIL"); !strings.Contains(mail[0], " SMTPUTF8") {
		t.Errorf("%q", mail)
	}
	if rcpt := with.told("RCPT"); rcpt[1] != "RCPT TO:<花子@x.example>" {
		t.Errorf("%q", rcpt)
	}
}

func TestSMTPUTF8IsDecidedByTheBytes(t *testing.T) {
	utf8Header := "From: alice@corp.example\r\nSubject: 見積書\r\n\r\nhello\r\n"
	for _, test := range []struct {
		raw      string
		declared bool
		offered  bool
		want     string
		asked    bool
	}{
		{plainMail, true, true, "sent", false},
		{plainMail, true, false, "sent", false},
		{utf8Header, true, true, "sent", true},
		{utf8Header, true, false, "permanent 550 5.6.7", false},
		// A device that puts raw text into its header never said SMTPUTF8: its mail travels as eight bits.
		{utf8Header, false, false, "sent", false},
		{utf8Header, false, true, "sent", false},
		{"Subject: \x8c\xa9\x90\xcf\r\n\r\nx\r\n", true, false, "sent", false},
		{"Subject: x\r\n\r\n見積書\r\n", true, false, "sent", false},
	} {
		offers := []string{"8BITMIME"}
		if test.offered {
			offers = everything
		}
		h := newHop(t, &hop{offers: offers})
		out := outgoing(test.raw, "a@x.example")
		out.Message.Meta.SMTPUTF8 = test.declared
		if got := outcome(relayTo(t, h).Send(t.Context(), out)[0]); got != test.want {
			t.Errorf("%+v: %s", test, got)
		}
		if asked := strings.Contains(strings.Join(h.told("MAIL"), ""), "SMTPUTF8"); asked != test.asked {
			t.Errorf("%+v: asked %v", test, asked)
		}
	}
}

func TestTooLargeForTheNextHopIsKnownBeforehand(t *testing.T) {
	h := newHop(t, &hop{offers: []string{"SIZE 1000"}})
	r := relayTo(t, h)
	large := "Subject: x\r\n\r\n" + strings.Repeat("0123456789\r\n", 100)
	if got := outcome(r.Send(t.Context(), outgoing(large, "a@x.example"))[0]); got != "permanent 552 5.3.4" {
		t.Error(got)
	}
	if len(h.told("MAIL")) != 0 {
		t.Error("the transaction was begun")
	}
	wantSent(t, r.Send(t.Context(), outgoing(plainMail, "a@x.example")))
	if mail := h.told("MAIL"); !strings.Contains(mail[0], fmt.Sprintf("SIZE=%d", len(plainMail))) {
		t.Errorf("%q", mail)
	}
}

func TestReportParametersArePassedOnWhereOffered(t *testing.T) {
	out := outgoing(plainMail, "a@x.example", "b@x.example", "c@x.example")
	out.Message.Meta.Ret, out.Message.Meta.EnvID = "HDRS", "id+1=x y"
	out.Recipients[0].Notify, out.Recipients[0].ORcpt = "SUCCESS,FAILURE", "rfc822;a+b@x.example"
	out.Recipients[1].Notify, out.Recipients[1].ORcpt = "NEVER", "x400;/c=jp/"
	out.Recipients[2].Notify, out.Recipients[2].ORcpt = "SOMETIMES,SUCCESS\r\nRSET", "rfc822;a\r\nDATA"
	with := newHop(t, &hop{offers: everything})
	results := relayTo(t, with).Send(t.Context(), out)
	wantSent(t, results)
	if !results[0].DSNPassed {
		t.Error("the duty to report was passed on")
	}
	want := []string{
		"RCPT TO:<a@x.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;a+2Bb@x.example",
		"RCPT TO:<b@x.example> NOTIFY=NEVER",
		"RCPT TO:<c@x.example>",
	}
	if got := with.told("RCPT"); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if mail := with.told("MAIL")[0]; !strings.HasSuffix(mail, " RET=HDRS ENVID=id+2B1+3Dx+20y") {
		t.Errorf("%q", mail)
	}
	without := newHop(t, &hop{offers: []string{"8BITMIME"}})
	results = relayTo(t, without).Send(t.Context(), out)
	wantSent(t, results)
	if results[0].DSNPassed {
		t.Error("nobody took the duty to report")
	}
	if got := without.told("RCPT")[0]; got != "RCPT TO:<a@x.example>" {
		t.Errorf("%q", got)
	}
}

func TestMailThatCouldBeReadTwoWaysIsNotSent(t *testing.T) {
	h := newHop(t, &hop{offers: everything})
	r := relayTo(t, h)
	for _, raw := range []string{
		"Subject: x\r\n\r\na\rb\r\n", "Subject: x\r\n\r\na\nb\r\n", "Subject: x\n\na\n", "Subject: x\r\n\r\na\r", "Subject: x\r\n\r\na\r\r\n",
		"Subject: x\r\n\r\na\n.\nMAIL FROM:<b@evil.example>\r\n", "Subject: x\r\n\r\na\x00b\r\n", "\n",
	} {
		if got := outcome(r.Send(t.Context(), outgoing(raw, "a@x.example"))[0]); got != "permanent 554 5.6.0" {
			t.Errorf("%q: %s", raw, got)
		}
	}
	// The seam between two reads hides nothing.
	for _, tail := range []string{"\n", "\rx"} {
		raw := "S: x\r\n\r\n" + strings.Repeat("x", 64<<10-8) + tail
		if got := outcome(r.Send(t.Context(), outgoing(raw, "a@x.example"))[0]); got != "permanent 554 5.6.0" {
			t.Errorf("at the seam %q: %s", tail, got)
		}
	}
	if len(h.told("EHLO")) != 0 {
		t.Error("a connection was made")
	}
}

func TestLastLineWithoutAnEndGetsOne(t *testing.T) {
	h := newHop(t, &hop{offers: everything})
	wantSent(t, relayTo(t, h).Send(t.Context(), outgoing("Subject: x\r\n\r\nlast", "a@x.example")))
	if _, mails, _, _ := h.seen(); mails[0] != "Subject: x\r\n\r\nlast\r\n" {
		t.Errorf("%q", mails[0])
	}
}
