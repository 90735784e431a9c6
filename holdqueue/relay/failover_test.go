package relay

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
	"github.com/sekisho-mail/sekisho/internal/testkit"
)

// relayAmong is a relay with two hosts, the second a standby, so that the first is always tried first.
func relayAmong(t *testing.T, first, second string, change ...func(*Options)) *Relay {
	t.Helper()
	return relayTo(t, &hop{}, append([]func(*Options){func(o *Options) {
		o.Routes[0].Hosts = []Host{{Address: first, TLS: TLSNone, Weight: 1}, {Address: second, TLS: TLSNone}}
	}}, change...)...)
}

func TestNextServerTakesWhatTheFirstDidNot(t *testing.T) {
	for place, answers := range map[string][]string{
		"GREETING": {"drop", "421 4.3.2 not now", "554 5.7.1 go away", "stall"},
		"EHLO":     {"drop", "421 4.3.2 not now", "550 what"},
		"MAIL":     {"drop", "421 4.3.2 not now", "451 4.3.0 disk trouble", "stall"},
		"RCPT":     {"drop", "421 4.3.2 shutting down"},
		"DATA":     {"drop", "421 4.3.2 shutting down", "451 4.3.0 disk trouble"},
		"BODY":     {"drop", "451 4.3.0 disk trouble"},
		"DOT":      {"451 4.3.0 disk trouble", "421 4.3.2 shutting down"},
	} {
		for _, answer := range answers {
			first := newHop(t, &hop{offers: everything, say: on(place, answer)})
			second := newHop(t, &hop{offers: everything})
			r := relayAmong(t, first.address(), second.address(), func(o *Options) { o.Timeouts.Command = 1e9 })
			out := outgoing(plainMail+strings.Repeat("0123456789\r\n", 50_000), "a@x.example", "b@x.example")
			wantSent(t, r.Send(t.Context(), out))
			if _, mails, _, _ := second.seen(); len(mails) != 1 {
				t.Errorf("%s %s: the second server got %d mails", place, answer, len(mails))
			}
			if _, mails, _, _ := first.seen(); place != "DOT" && len(mails) != 0 {
				t.Errorf("%s %s: the first server has it too", place, answer)
			}
		}
	}
}

// TestNobodyElseIsAskedAfterALostAnswer: the first may have the mail (RFC 1047).
func TestNobodyElseIsAskedAfterALostAnswer(t *testing.T) {
	first := newHop(t, &hop{offers: everything, say: on("DOT", "drop")})
	second := newHop(t, &hop{offers: everything})
	got := outcomes(relayAmong(t, first.address(), second.address()).Send(t.Context(), outgoing(plainMail, "a@x.example")))
	if !slices.Equal(got, []string{"temporary 0 4.4.2 uncertain"}) {
		t.Errorf("%q", got)
	}
	if _, _, _, conns := second.seen(); conns != 0 {
		t.Error("the second server was asked")
	}
}

func TestRefusalOfARecipientIsBelieved(t *testing.T) {
	first := newHop(t, &hop{offers: everything, say: on("RCPT TO:<gone@", "550 5.1.1 no such user", "RCPT TO:<grey@", "450 4.7.1 greylisted")})
	second := newHop(t, &hop{offers: everything})
	got := outcomes(relayAmong(t, first.address(), second.address()).Send(t.Context(), outgoing(plainMail, "gone@x.example", "a@x.example", "grey@x.example")))
	if !slices.Equal(got, []string{"permanent 550 5.1.1", "sent", "temporary 450 4.7.1"}) {
		t.Errorf("%q", got)
	}
	if _, _, _, conns := second.seen(); conns != 0 {
		t.Error("the second server was asked again")
	}
}

// TestMailRefusedHalfwayIsDividedRightly: of 150 recipients the first server takes 100, then goes away.
func TestMailRefusedHalfwayIsDividedRightly(t *testing.T) {
	mails := 0
	first := newHop(t, &hop{offers: everything, say: func(place string) string {
		if place == "DOT" {
			mails++
		}
		if mails == 1 && strings.HasPrefix(place, "MAIL") {
			return "421 4.3.2 shutting down"
		}
		return ""
	}})
	second := newHop(t, &hop{offers: everything})
	var to []string
	for i := range 150 {
		to = append(to, fmt.Sprintf("r%d@x.example", i))
	}
	wantSent(t, relayAmong(t, first.address(), second.address()).Send(t.Context(), outgoing(plainMail, to...)))
	if a, b := len(first.told("RCPT"))-0, len(second.told("RCPT")); b != 50 {
		t.Errorf("the first was told of %d, the second of %d", a, b)
	}
}

func TestServerThatFailedIsTriedLast(t *testing.T) {
	dead := testkit.FreeAddress(t)
	alive := newHop(t, &hop{offers: everything})
	r := relayAmong(t, dead, alive.address())
	route := r.routes[0]
	if first := route.order()[0]; first.address != dead {
		t.Fatalf("%s is tried first", first.address)
	}
	wantSent(t, r.Send(t.Context(), outgoing(plainMail, "a@x.example")))
	if first := route.order()[0]; first.address != alive.address() {
		t.Errorf("%s is still tried first", first.address)
	}
	route.hosts[0].works()
	if first := route.order()[0]; first.address != dead {
		t.Error("a server that works again is not used")
	}
}

func TestOnlyServerIsTriedAlthoughItFailed(t *testing.T) {
	broken := true
	h := newHop(t, &hop{offers: everything, say: func(place string) string {
		if place == "GREETING" && broken {
			broken = false
			return "421 4.3.2 restarting"
		}
		return ""
	}})
	r := relayTo(t, h)
	if got := outcome(r.Send(t.Context(), outgoing(plainMail, "a@x.example"))[0]); got != "temporary 421" {
		t.Error(got)
	}
	wantSent(t, r.Send(t.Context(), outgoing(plainMail, "a@x.example")))
}

func TestWeightsDivideTheMail(t *testing.T) {
	r := relayTo(t, &hop{}, func(o *Options) {
		o.Routes[0].Hosts = []Host{{Address: "a.example:25", TLS: TLSNone, Weight: 3}, {Address: "b.example:25", TLS: TLSNone, Weight: 1},
			{Address: "c.example:25", TLS: TLSNone}}
	})
	first := map[string]int{}
	const draws = 4000
	for range draws {
		order := r.routes[0].order()
		first[order[0].name]++
		if order[2].name != "c.example" {
			t.Fatalf("the standby is not last: %s", order[2].name)
		}
	}
	// 3000 are expected and 27 are a standard deviation.
	if a := first["a.example"]; a < 2800 || a > 3200 || first["c.example"] != 0 {
		t.Errorf("%v", first)
	}
}

func TestCommandsTravelTogetherWhereTheServerAllowsIt(t *testing.T) {
	var to []string
	for i := range 60 {
		to = append(to, fmt.Sprintf("r%d@x.example", i))
	}
	for _, offered := range []bool{true, false} {
		h := newHop(t, &hop{offers: append([]string{"DSN"}, everything...), say: on("RCPT TO:<r7@", "550 5.1.1 no", "RCPT TO:<r55@", "450 4.2.1 busy")})
		if offered {
			h.offers = append(h.offers, "PIPELINING")
		}
		got := outcomes(relayTo(t, h).Send(t.Context(), outgoing(plainMail, to...)))
		for i, o := range got {
			want := map[int]string{7: "permanent 550 5.1.1", 55: "temporary 450 4.2.1"}[i]
			if want == "" {
				want = "sent"
			}
			if o != want {
				t.Errorf("pipelining %v: recipient %d: %s", offered, i, o)
			}
		}
		h.mu.Lock()
		if offered != (h.together > 10) {
			t.Errorf("pipelining %v: %d commands came together", offered, h.together)
		}
		h.mu.Unlock()
	}
}

func TestRefusedSenderIsNotMistakenForRefusedRecipients(t *testing.T) {
	h := newHop(t, &hop{offers: append([]string{"PIPELINING"}, everything...), say: on("MAIL", "550 5.7.1 not you", "RCPT", "503 5.5.1 MAIL first")})
	r := relayTo(t, h)
	if got := outcomes(r.Send(t.Context(), outgoing(plainMail, "a@x.example", "b@x.example"))); !slices.Equal(got, []string{"permanent 550 5.7.1", "permanent 550 5.7.1"}) {
		t.Errorf("%q", got)
	}
}

// TestOldCodeForTooManyRecipientsIsTemporary: RFC 5321 section 4.5.3.1.10.
func TestOldCodeForTooManyRecipientsIsTemporary(t *testing.T) {
	for _, answer := range []string{"552 too many recipients", "452 4.5.3 enough", "552 5.5.3 enough"} {
		n := 0
		h := newHop(t, &hop{offers: append([]string{"PIPELINING"}, everything...), say: func(place string) string {
			if strings.HasPrefix(place, "MAIL") {
				n = 0
			}
			if strings.HasPrefix(place, "RCPT") {
				if n++; n > 2 {
					return answer
				}
			}
			return ""
		}})
		wantSent(t, relayTo(t, h).Send(t.Context(), outgoing(plainMail, "a@x.example", "b@x.example", "c@x.example", "d@x.example", "e@x.example")))
		if _, mails, _, _ := h.seen(); len(mails) != 3 {
			t.Errorf("%s: %d mails", answer, len(mails))
		}
	}
	full := newHop(t, &hop{offers: everything, say: on("RCPT", "552 5.2.2 mailbox full")})
	if got := outcome(relayTo(t, full).Send(t.Context(), outgoing(plainMail, "a@x.example"))[0]); got != "permanent 552 5.2.2" {
		t.Error(got)
	}
}

func TestPaceOfADestinationIsKept(t *testing.T) {
	h := newHop(t, &hop{offers: everything})
	r := relayTo(t, h, func(o *Options) { only(o).Pace = Pace{PerMinute: 12} }) // two at once, then one in five seconds
	var got []string
	for range 4 {
		result := r.Send(t.Context(), outgoing(plainMail, "a@x.example"))[0]
		if result.Postponed > 0 {
			got = append(got, "postponed")
			if result.Postponed.Seconds() > 16 {
				t.Errorf("put off by %v", result.Postponed)
			}
			continue
		}
		got = append(got, outcome(result))
	}
	if !slices.Equal(got, []string{"sent", "sent", "postponed", "postponed"}) {
		t.Errorf("%q", got)
	}
}

func TestProvidersAreTreatedAsTheyAsk(t *testing.T) {
	r := relayTo(t, &hop{}, func(o *Options) {
		o.Paces = []Pace{{Match: []string{"docomo.ne.jp"}, Connections: 1}}
		only(o).Address = "smtp.office365.com:587"
	})
	if lane := r.routes[0].hosts[0].lane; cap(lane.slots) != 3 || lane.pace == nil {
		t.Errorf("Exchange Online gets %d connections", cap(lane.slots))
	}
	for _, test := range []struct {
		host, domain string
		want         Pace
		called       string
	}{
		{"aspmx.l.google.com", "corp.example", Pace{Connections: 8, MailsPerConnection: 50, Recipients: 100}, "*.google.com"},
		{"mx1.mail.yahoo.co.jp", "yahoo.co.jp", Pace{Connections: 3, MailsPerConnection: 20, Recipients: 100}, "*.yahoodns.net"},
		{"mfsmax.docomo.ne.jp", "docomo.ne.jp", Pace{Connections: 2, MailsPerConnection: 20, Recipients: 100}, "docomo.ne.jp"},
		{"mx.elsewhere.example", "docomo.ne.jp", Pace{Connections: 1, MailsPerConnection: 50, Recipients: 100}, "docomo.ne.jp"},
		{"mx.corp.example", "corp.example", mxPace, ""},
	} {
		got, called := r.paceOf(mxPace, test.host, test.domain)
		got.Match, test.want.Match = nil, nil
		if fmt.Sprint(got) != fmt.Sprint(test.want) || called != test.called {
			t.Errorf("%s %s: %+v called %q", test.host, test.domain, got, called)
		}
	}
}

func TestRoutesAreChosenByEachCondition(t *testing.T) {
	host := []Host{{Address: "h.example:25", TLS: TLSNone}}
	r := relayTo(t, &hop{}, func(o *Options) {
		o.Groups = func(person mailaddr.Address) []string {
			if person == "boss@corp.example" {
				return []string{"management"}
			}
			return nil
		}
		o.Routes = []Route{
			{Name: "sender", Senders: []string{"old.example", ".below.example", "one@corp.example"}, Hosts: host},
			{Name: "person", People: []string{"Carol@corp.example"}, Hosts: host},
			{Name: "group", Groups: []string{"management"}, Hosts: host},
			{Name: "printers", Sources: []string{"printers"}, Recipients: []string{"corp.example"}, Hosts: host},
			{Name: "reports", Listeners: []string{"system"}, Hosts: host},
			{Name: "partner", Recipients: []string{"partner.example", "one@other.example"}, Hosts: host},
			{Name: "rest", Hosts: host},
		}
	})
	m := func(change func(*holdqueue.Message)) *holdqueue.Message {
		m := &holdqueue.Message{Origin: holdqueue.FromPerson, Person: "alice@corp.example", MailFrom: "alice@corp.example"}
		change(m)
		return m
	}
	for _, test := range []struct {
		m    *holdqueue.Message
		to   string
		want string
	}{
		{m(func(m *holdqueue.Message) {}), "b@other.example", "rest"},
		{m(func(m *holdqueue.Message) { m.MailFrom = "x@OLD.example" }), "b@other.example", "sender"},
		{m(func(m *holdqueue.Message) { m.MailFrom = "x@a.below.example" }), "b@other.example", "sender"},
		{m(func(m *holdqueue.Message) { m.MailFrom = "x@below.example" }), "b@other.example", "rest"},
		{m(func(m *holdqueue.Message) { m.MailFrom = "One@corp.example" }), "b@other.example", "sender"},
		{m(func(m *holdqueue.Message) { m.MailFrom, m.Meta.From = "", []mailaddr.Address{"x@old.example"} }), "b@other.example", "sender"},
		{m(func(m *holdqueue.Message) { m.Person = "carol@corp.example" }), "b@other.example", "person"},
		{m(func(m *holdqueue.Message) { m.Person = "boss@corp.example" }), "b@other.example", "group"},
		{m(func(m *holdqueue.Message) { m.Source = "printers" }), "b@corp.example", "printers"},
		{m(func(m *holdqueue.Message) { m.Source = "printers" }), "b@other.example", "rest"},
		{m(func(m *holdqueue.Message) { m.Origin, m.MailFrom = holdqueue.FromSystem, "" }), "b@corp.example", "reports"},
		{m(func(m *holdqueue.Message) {}), "b@partner.example", "partner"},
		{m(func(m *holdqueue.Message) {}), "One@other.example", "partner"},
	} {
		if got := r.routeFor(test.m, &holdqueue.Recipient{Address: mailaddr.Address(test.to)}); got == nil || got.Name != test.want {
			t.Errorf("%+v to %s: %+v, want %s", test.m, test.to, got, test.want)
		}
	}
}

func TestMailIsDividedAmongRoutesAndAnUnroutedOneWaits(t *testing.T) {
	inside, outside := newHop(t, &hop{offers: everything}), newHop(t, &hop{offers: everything})
	r := relayTo(t, &hop{}, func(o *Options) {
		o.Routes = []Route{{Name: "in", Recipients: []string{"corp.example"}, Hosts: []Host{{Address: inside.address(), TLS: TLSNone}}},
			{Name: "out", Recipients: []string{".example"}, Hosts: []Host{{Address: outside.address(), TLS: TLSNone}}}}
	})
	got := outcomes(r.Send(t.Context(), outgoing(plainMail, "a@corp.example", "b@other.example", "c@corp.example", "d@elsewhere.test")))
	if !slices.Equal(got, []string{"sent", "sent", "sent", "temporary 0 4.4.0"}) {
		t.Errorf("%q", got)
	}
	if a, b := inside.told("RCPT"), outside.told("RCPT"); len(a) != 2 || len(b) != 1 {
		t.Errorf("%q %q", a, b)
	}
}
