package submission

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
	"github.com/sekisho-mail/sekisho/internal/seal"
)

const it = mailaddr.Address("it@corp.example")

func exchange() Source {
	return Source{Name: "exo", Kind: ExchangeOnline, Senders: []string{"corp.example"}, Owner: it,
		Header: &RequiredHeader{Name: "X-Sekisho-Source", Value: sourceSecret}}
}

func printers() Source {
	return Source{Name: "printers", Networks: loopback(), Senders: []string{"scan@corp.example"}, Owner: it}
}

func with(sources ...Source) func(*Options) { return func(o *Options) { o.Sources = sources } }

// hand submits a mail on the gateway port.
func (c *client) hand(from, text, want string) {
	c.t.Helper()
	c.do("EHLO mx1.cloud.example", "250")
	c.do("MAIL FROM:<"+from+">", "250")
	c.do("RCPT TO:<b@other.example>", "250")
	c.do("DATA", "354")
	c.do(stuff(text)+".", want)
}

func TestGatewayMailBelongsToThePersonInFrom(t *testing.T) {
	r := serve(t, with(exchange()))
	r.gateway().hand("a.sato@corp.example", "X-Sekisho-Source: "+sourceSecret+"\r\n"+mailFrom("From: a.sato@corp.example"), "250 2.0.0 Ok: queued as ")
	m := r.shelf.only(t)
	if m.Person != alice || m.Source != "exo" || m.Origin != holdqueue.FromGateway {
		t.Errorf("%+v", m.Envelope)
	}
	if strings.Contains(string(m.bytes), sourceSecret) || strings.Contains(string(m.bytes), "X-Sekisho-Source") {
		t.Errorf("the secret goes on:\n%s", m.bytes)
	}
	if want := mailFrom("From: a.sato@corp.example"); m.below(t, want) != want ||
		!strings.HasPrefix(string(m.bytes), "Received: from mx1.cloud.example\r\n by mail.corp.example (Sekisho) with ESMTP id ") {
		t.Errorf("stored:\n%s", m.bytes)
	}
}

func TestGatewayMailOfNobodyBelongsToTheOwner(t *testing.T) {
	r := serve(t, with(printers()))
	r.gateway().hand("scan@corp.example", "From: scan@corp.example\r\nTo: b@other.example\r\n\r\nscan\r\n", "250")
	m := r.shelf.only(t)
	if m.Person != it || m.Source != "printers" {
		t.Errorf("%+v", m.Envelope)
	}
	if got := string(m.bytes); !strings.Contains(got, "\r\nDate: ") || !strings.Contains(got, "\r\nMessage-ID: <") {
		t.Errorf("a printer's mail has no Date or Message-ID:\n%s", got)
	}
}

func TestAnotherTenantsMailIsRefused(t *testing.T) {
	// The connection is the same as our own tenant's; only the header tells them apart.
	for name, field := range map[string]string{
		"no header": "", "wrong value": "X-Sekisho-Source: 0123456789abcdef0123456789abcdeX\r\n", "empty value": "X-Sekisho-Source:\r\n",
		"in the body": "\r\nX-Sekisho-Source: " + sourceSecret + "\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			r := serve(t, with(exchange()))
			text := "From: alice@corp.example\r\n" + field + "\r\nx\r\n"
			r.gateway().hand("alice@corp.example", text, "550 5.7.1")
			if n := len(r.shelf.all()); n != 0 {
				t.Errorf("%d stored", n)
			}
		})
	}
}

func TestGatewaySendersAreThoseOfTheSource(t *testing.T) {
	secret := "X-Sekisho-Source: " + sourceSecret + "\r\n"
	for _, c := range []struct{ from, text, want string }{
		{"alice@corp.example", secret + mailFrom("From: alice@corp.example"), "250"},
		{"", secret + mailFrom("From: alice@corp.example"), "250"},
		{"", secret + mailFrom("From: ceo@evil.example"), "550 5.7.1"},
		{"x@evil.example", secret + mailFrom("From: alice@corp.example"), "550 5.7.1"},
		{"alice@corp.example", secret + mailFrom("From: alice@corp.example, x@evil.example"), "550 5.7.1"},
		{"alice@corp.example", secret + mailFrom("From: alice@corp.example\r\nSender: x@evil.example"), "550 5.7.1"},
		{"alice@corp.example", secret + mailFrom("From: alice@corp.example\r\nFrom: bob@corp.example"), "554 5.6.0"},
		{"scan@corp.example", mailFrom("From: scan@corp.example"), "250"}, // as a printer, without the secret
		{"scan@corp.example", mailFrom("From: alice@corp.example"), "550 5.7.1"},
	} {
		r := serve(t, with(exchange(), printers()))
		r.gateway().hand(c.from, c.text, c.want)
	}
}

// A gateway shows whose mail it is in the header only, and one answer to DATA speaks for all recipients: a mail that
// somebody may have is taken, and inspection returns it for the others.
func TestRecipientsRefusedForThePersonBehindAGateway(t *testing.T) {
	r := serve(t, with(exchange()), func(o *Options) {
		o.RefuseRecipient = func(person mailaddr.Address, source string, to mailaddr.Address) string {
			if to == "nobody@rival.example" || person == alice && source == "exo" && to.Domain() == "rival.example" {
				return strings.Repeat("so long a reason ", 40)
			}
			return ""
		}
	})
	text := "X-Sekisho-Source: " + sourceSecret + "\r\n" + mailFrom("From: alice@corp.example")
	send := func(want string, to ...string) string {
		c := r.gateway()
		c.do("EHLO mx1.cloud.example", "250")
		c.do("MAIL FROM:<alice@corp.example>", "250")
		c.do("RCPT TO:<nobody@rival.example>", "550 5.7.1")
		for _, a := range to {
			c.do("RCPT TO:<"+a+">", "250")
		}
		c.do("DATA", "354")
		return c.do(stuff(text)+".", want)
	}
	got := send("550 5.7.1", "a@rival.example", "b@rival.example")
	if !strings.Contains(got, "Mail to a@rival.example is not allowed: so long a reason") || len(got) > 512 {
		t.Errorf("%d octets: %s", len(got), got)
	}
	if n := len(r.shelf.all()); n != 0 {
		t.Errorf("%d stored", n)
	}
	send("250", "a@rival.example", "b@other.example")
	if got := r.shelf.only(t).Recipients; len(got) != 2 {
		t.Errorf("recipients %v", got)
	}
}

func TestStrangersAreRefusedAtMail(t *testing.T) {
	far := printers()
	far.Networks = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/28")}
	r := serve(t, with(far))
	c := r.gateway()
	c.do("EHLO mx", "250")
	c.do("MAIL FROM:<scan@corp.example>", "550 5.7.1")
	c.do("AUTH PLAIN "+plainToken("", "alice@corp.example", password), "503")
}

func TestSourceThatRequiresTLS(t *testing.T) {
	src := exchange()
	src.RequireTLS = true
	r := serve(t, with(src))
	c := r.gateway()
	c.do("EHLO mx", "250")
	c.do("MAIL FROM:<alice@corp.example>", "550 5.7.1")
	c.do("STARTTLS", "220")
	upgrade(c).hand("alice@corp.example", "X-Sekisho-Source: "+sourceSecret+"\r\n"+mailFrom("From: alice@corp.example"), "250")
	if got := string(r.shelf.only(t).bytes); !strings.Contains(got, "with ESMTPS id") {
		t.Error(got)
	}
}

func TestPublicTenantHeaderStaysInTheMail(t *testing.T) {
	src := exchange()
	src.Header = &RequiredHeader{Name: "X-MS-Exchange-CrossTenant-Id", Value: "11111111-2222-3333-4444-555555555555", Public: true}
	src.Networks = loopback()
	r := serve(t, with(src))
	text := "X-MS-Exchange-CrossTenant-Id: 11111111-2222-3333-4444-555555555555\r\n" + mailFrom("From: alice@corp.example")
	r.gateway().hand("alice@corp.example", text, "250")
	if got := r.shelf.only(t).below(t, text); got != text {
		t.Errorf("stored:\n%s", got)
	}
}

func TestOurOwnMarkIsALoopAndAnothersIsNot(t *testing.T) {
	keys := seal.NewTest()
	r := serve(t, with(exchange()), func(o *Options) { o.Keys = keys })
	secret := "X-Sekisho-Source: " + sourceSecret + "\r\n"
	text := mailFrom("From: alice@corp.example")
	r.gateway().hand("alice@corp.example", secret+LoopField(keys, "id", time.Now())+text, "554 5.4.6")
	r.gateway().hand("alice@corp.example", secret+LoopField(seal.NewTest(), "id", time.Now())+text, "250")
	r.gateway().hand("alice@corp.example", secret+LoopField(keys, "id", time.Now().Add(-loopAge-time.Hour))+text, "250")
	r.gateway().hand("alice@corp.example", secret+"Resent-From: bob@corp.example\r\n"+LoopField(keys, "id", time.Now())+text, "250")
	resent := func(at time.Time) string {
		return "Resent-From: bob@corp.example\r\nResent-Date: " + at.Format(time.RFC1123Z) + "\r\n"
	}
	r.gateway().hand("alice@corp.example", secret+resent(time.Now())+LoopField(keys, "id", time.Now().Add(-time.Hour))+text, "250")
	r.gateway().hand("alice@corp.example", secret+resent(time.Now().Add(-time.Hour))+LoopField(keys, "id", time.Now())+text, "554 5.4.6")
	forged := strings.Replace(LoopField(keys, "id", time.Now()), " id ", " di ", 1)
	r.gateway().hand("alice@corp.example", secret+forged+text, "250")
	c := r.signed("alice@corp.example")
	c.begin("b@other.example")
	c.do("DATA", "354")
	c.do(LoopField(keys, "id", time.Now())+someMail+".", "554 5.4.6")
	for _, m := range r.shelf.all() {
		if strings.Contains(string(m.bytes), LoopName) {
			t.Errorf("somebody's mark goes on:\n%s", m.bytes)
		}
	}
}

func TestSourcesThatWouldOpenARelayAreRefused(t *testing.T) {
	everywhere := []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}
	for name, change := range map[string]func(*Source){
		"shared without header":          func(s *Source) { s.Header = nil },
		"shared without header, network": func(s *Source) { s.Header, s.Networks = nil, loopback() },
		"networks empty":                 func(s *Source) { s.Kind, s.Header = Networks, nil },
		"networks of everybody":          func(s *Source) { s.Kind, s.Header, s.Networks = Networks, nil, everywhere },
		"public header alone":            func(s *Source) { s.Header.Public = true },
		"public header from everywhere":  func(s *Source) { s.Header.Public, s.Networks = true, everywhere },
		"networks of Exchange Online": func(s *Source) {
			s.Kind, s.Header, s.Networks = Networks, nil, []netip.Prefix{netip.MustParsePrefix("40.107.8.0/24")}
		},
		"networks around Google": func(s *Source) {
			s.Kind, s.Header, s.Networks = Networks, nil, []netip.Prefix{netip.MustParsePrefix("209.0.0.0/8")}
		},
		"half the Internet": func(s *Source) {
			s.Kind, s.Header, s.Networks = "", nil, []netip.Prefix{netip.MustParsePrefix("0.0.0.0/1")}
		},
		"public header from two halves of the Internet": func(s *Source) {
			s.Header.Public, s.Networks = true, []netip.Prefix{netip.MustParsePrefix("0.0.0.0/1"), netip.MustParsePrefix("128.0.0.0/1"), netip.MustParsePrefix("2000::/3")}
		},
		"short secret":        func(s *Source) { s.Header.Value = "secret" },
		"secret of two lines": func(s *Source) { s.Header.Value += "\r\nX: y" },
		"bad name":            func(s *Source) { s.Header.Name = "X Y" },
		"no senders":          func(s *Source) { s.Senders = nil },
		"no owner":            func(s *Source) { s.Owner = "" },
		"no name":             func(s *Source) { s.Name = "" },
		"unknown kind":        func(s *Source) { s.Kind = "exchange" },
	} {
		src := exchange()
		change(&src)
		if err := src.Check(); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	for _, src := range []Source{exchange(), printers()} {
		if err := src.Check(); err != nil {
			t.Error(err)
		}
	}
}
