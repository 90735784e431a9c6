package relay

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/testkit"
)

// world is a relay that delivers by MX, into a small internet on loopback addresses, with a DNS of its own.
type world struct {
	t     *testing.T
	dns   *testkit.Zone
	relay *Relay
}

func newWorld(t *testing.T, change ...func(*Options)) *world {
	t.Helper()
	w := &world{t: t, dns: testkit.DNS(t)}
	o := Options{
		Hostname: "mail.corp.example", Routes: []Route{{MX: true}}, AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		Timeouts: Timeouts{Connect: 3 * time.Second, Command: 3 * time.Second, Data: time.Second, Dot: 3 * time.Second},
	}
	w.resolve(&o, true)
	for _, c := range change {
		c(&o)
	}
	var err error
	if w.relay, err = New(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.relay.closeIdle(time.Time{}) })
	return w
}

func (w *world) resolve(o *Options, dnssec bool) {
	w.t.Helper()
	var err error
	if o.DNS, err = NewResolver([]string{w.dns.Address}, dnssec); err != nil {
		w.t.Fatal(err)
	}
}

// server starts a mail server with a name in DNS.
func (w *world) server(name string, h *hop) *hop {
	w.t.Helper()
	ip := testkit.LoopbackIP(w.t)
	h.at, h.name = ip+":25", name
	if h.offers == nil {
		h.offers = everything
	}
	w.dns.Add(w.t, name+". 60 IN A "+ip)
	return newHop(w.t, h)
}

func (w *world) protected(name string, c testkit.Certificate) *hop {
	return w.server(name, &hop{offers: append([]string{"STARTTLS"}, everything...), pair: &c.Pair})
}

func (w *world) want(to, want string) {
	w.t.Helper()
	results := w.relay.Send(w.t.Context(), outgoing(plainMail, to))
	if got := outcome(results[0]); got != want {
		w.t.Errorf("%s: %s, want %s (%v)", to, got, want, results[0].Err)
	}
}

func got(h *hop) int {
	_, mails, _, _ := h.seen()
	return len(mails)
}

func TestMailGoesToTheFirstExchangerThatAnswers(t *testing.T) {
	w := newWorld(t)
	w.dns.Add(t, "a.example. 60 IN MX 30 mx3.a.example.", "a.example. 60 IN MX 10 mx1.a.example.", "a.example. 60 IN MX 20 mx2.a.example.",
		"mx1.a.example. 60 IN A "+testkit.LoopbackIP(t)) // nobody listens there
	mx2, mx3 := w.server("mx2.a.example", &hop{}), w.server("mx3.a.example", &hop{})
	results := w.relay.Send(t.Context(), outgoing(plainMail, "x@a.example"))
	wantSent(t, results)
	if got(mx2) != 1 || got(mx3) != 0 || results[0].Remote != "mx2.a.example" {
		t.Errorf("%d at mx2, %d at mx3, remote %s", got(mx2), got(mx3), results[0].Remote)
	}
	// The dead one is not tried again with each mail.
	for _, h := range w.relay.hosts() {
		if h.name == "mx1.a.example" && h.down() == nil {
			t.Error("mx1 is tried again at once")
		}
	}
	w.want("x@a.example", "sent")
}

func TestEqualExchangersShareTheMail(t *testing.T) {
	w := newWorld(t)
	w.dns.Add(t, "a.example. 60 IN MX 10 one.a.example.", "a.example. 60 IN MX 10 two.a.example.", "a.example. 60 IN MX 50 three.a.example.")
	first := map[string]int{}
	for range 400 {
		x, failed := w.relay.exchangersOf(t.Context(), "a.example")
		if failed != nil || len(x.list) != 3 || x.list[2].name != "three.a.example" {
			t.Fatalf("%+v %v", x, failed)
		}
		first[x.list[0].name]++
	}
	if first["one.a.example"] < 130 || first["two.a.example"] < 130 {
		t.Errorf("%v", first)
	}
}

func TestDomainsWithoutExchangers(t *testing.T) {
	w := newWorld(t)
	plain := w.server("plain.example", &hop{})
	w.dns.Add(t, "alias.example. 60 IN CNAME plain.example.", "null.example. 60 IN MX 0 .", "text.example. 60 IN TXT \"no address\"",
		"lame.example. 60 IN MX 10 nowhere.lame.example.", "mixed.example. 60 IN MX 0 .", "mixed.example. 60 IN MX 10 plain.example.")
	w.dns.Break("broken.example")
	w.dns.Add(t, "hidden.example. 60 IN MX 10 mx.hidden.example.")
	w.dns.Break("mx.hidden.example")
	w.want("x@plain.example", "sent")
	w.want("x@alias.example", "sent")
	w.want("x@mixed.example", "sent")
	w.want("x@null.example", "permanent 556 5.1.10")
	w.want("x@nobody.example", "permanent 0 5.1.2")
	w.want("x@broken.example", "temporary 0 4.4.3")
	w.want("x@hidden.example", "temporary 0 4.4.3")
	w.want("x@text.example", "temporary 0 4.4.4")
	w.want("x@lame.example", "temporary 0 4.4.4")
	if got(plain) != 3 {
		t.Errorf("%d mails", got(plain))
	}
}

func TestAddressLiteralIsDialled(t *testing.T) {
	w := newWorld(t)
	h := w.server("literal.example", &hop{})
	ip, _, _ := net.SplitHostPort(h.at)
	w.want("x@["+ip+"]", "sent")
	w.want("x@[10.0.0.1]", "permanent 0 5.4.4")
}

// TestPrivateAddressesAreRefused: DNS of a stranger must not make us speak to our own network.
func TestPrivateAddressesAreRefused(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.AllowPrivate = []netip.Prefix{netip.MustParsePrefix("127.200.0.0/16")} })
	for i, ip := range []string{"127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "224.0.0.1", "255.255.255.255"} {
		name := fmt.Sprintf("p%d.example", i)
		w.dns.Add(t, name+". 60 IN A "+ip)
		w.want("x@"+name, "permanent 0 5.4.4")
	}
	for i, ip := range []string{"::1", "::", "fe80::1", "fd00::1", "ff02::1", "::ffff:10.0.0.1", "64:ff9b::a00:1"} {
		name := fmt.Sprintf("q%d.example", i)
		w.dns.Add(t, name+". 60 IN AAAA "+ip)
		w.want("x@"+name, "permanent 0 5.4.4")
	}
	for _, ip := range []string{"8.8.8.8", "127.200.3.4", "2001:4860::1"} {
		if !w.relay.mayReach(netip.MustParseAddr(ip)) {
			t.Errorf("%s is refused", ip)
		}
	}
	if err := w.relay.refusePrivate("tcp", "10.0.0.1:25", nil); err == nil {
		t.Error("the dialler takes a private address")
	}
}

func TestMailThatWouldComeBackToUs(t *testing.T) {
	us := netip.MustParseAddr("127.99.99.99")
	w := newWorld(t, func(o *Options) { o.Ours = func(a netip.Addr) bool { return a == us } })
	primary := w.server("mx1.b.example", &hop{})
	last := w.server("mx3.b.example", &hop{})
	w.dns.Add(t, "us.a.example. 60 IN A "+us.String(), "a.example. 60 IN MX 10 us.a.example.", "n.example. 60 IN MX 10 MAIL.corp.example.",
		// We are the second exchanger: only the first may get it, or the third would give it back to us.
		"b.example. 60 IN MX 10 mx1.b.example.", "b.example. 60 IN MX 20 mail.corp.example.", "b.example. 60 IN MX 20 mx3.b.example.")
	w.want("x@a.example", "permanent 0 5.4.6")
	w.want("x@n.example", "permanent 0 5.4.6")
	w.want("x@b.example", "sent")
	if got(primary) != 1 || got(last) != 0 {
		t.Errorf("%d and %d mails", got(primary), got(last))
	}
	// A server we know by nothing but the name that it says.
	mirror := w.server("mirror.example", &hop{})
	mirror.name = "Mail.Corp.Example"
	w.want("x@mirror.example", "permanent 0 5.4.6")
	if got(mirror) != 0 {
		t.Error("we sent mail to ourselves")
	}
	mirror.name = "mirror.example"
	w.want("x@mirror.example", "sent")
}

func TestEachDomainIsATransactionOfItsOwn(t *testing.T) {
	w := newWorld(t)
	a, b := w.server("a.example", &hop{}), w.server("b.example", &hop{say: on("DOT", "550 5.7.1 spam")})
	c := w.server("c.example", &hop{say: on("GREETING", "421 4.3.2 busy")})
	out := outgoing(plainMail, "1@a.example", "1@b.example", "2@a.example", "1@c.example", "1@none.example")
	var mu sync.Mutex
	dots, told := map[string]int{}, map[string]string{}
	out.BeforeDot = func(_ context.Context, to []*holdqueue.Recipient) error {
		mu.Lock()
		defer mu.Unlock()
		for _, r := range to {
			dots[r.ID] = len(to)
		}
		return nil
	}
	out.Answered = func(to []*holdqueue.Recipient, results []holdqueue.Result) {
		mu.Lock()
		defer mu.Unlock()
		for i, r := range to {
			told[r.ID] = outcome(results[i])
		}
	}
	results := w.relay.Send(t.Context(), out)
	if got := outcomes(results); !slices.Equal(got, []string{"sent", "permanent 550 5.7.1", "sent", "temporary 421", "permanent 0 5.1.2"}) {
		t.Errorf("%q", got)
	}
	// The dot is noted for those alone whose mail is about to be delivered.
	if len(dots) != 3 || dots["1@a.example"] != 2 || dots["1@b.example"] != 1 {
		t.Errorf("dots: %v", dots)
	}
	for id, outcome := range told {
		if i := slices.IndexFunc(out.Recipients, func(r *holdqueue.Recipient) bool { return r.ID == id }); outcomes(results)[i] != outcome {
			t.Errorf("%s was told %s", id, outcome)
		}
	}
	if got(a) != 1 || got(b) != 1 || got(c) != 0 || len(a.told("RCPT")) != 2 {
		t.Errorf("%d %d %d mails", got(a), got(b), got(c))
	}
}

// TestSlowDestinationPutsItsMailOffAndNobodyElses fills the connections of one domain.
func TestSlowDestinationPutsItsMailOffAndNobodyElses(t *testing.T) {
	w := newWorld(t, func(o *Options) {
		o.Paces = []Pace{{Match: []string{"slow.example"}, Connections: 2}}
		o.Timeouts.Command = 20 * time.Second
	})
	slow := w.server("slow.example", &hop{say: on("MAIL", "stall")})
	w.server("quick.example", &hop{})
	ctx, stop := context.WithCancel(t.Context())
	var stuck sync.WaitGroup
	for range 2 {
		stuck.Go(func() { w.relay.Send(ctx, outgoing(plainMail, "x@slow.example")) })
	}
	for deadline := time.Now().Add(5 * time.Second); len(slow.told("MAIL")) < 2; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the slow server got no mail")
		}
	}
	results := w.relay.Send(t.Context(), outgoing(plainMail, "x@slow.example", "x@quick.example"))
	if results[0].Postponed <= 0 || results[0].Err != nil || outcome(results[1]) != "sent" {
		t.Errorf("%+v", results)
	}
	if _, _, _, conns := slow.seen(); conns != 2 {
		t.Errorf("%d connections", conns)
	}
	stop()
	stuck.Wait()
}

func TestTLSIsUsedWhereOffered(t *testing.T) {
	w := newWorld(t)
	good := w.protected("good.example", testkit.NewCertificate(t, "good.example"))
	w.protected("odd.example", testkit.NewCertificate(t, "another.example"))
	broken := w.server("broken.example", &hop{offers: append([]string{"STARTTLS"}, everything...), say: on("STARTTLS", "454 4.7.0 not now")})
	for _, to := range []string{"x@good.example", "x@odd.example", "x@broken.example"} {
		w.want(to, "sent")
	}
	if hello := good.told("EHLO"); len(hello) != 2 || hello[0] != "EHLO mail.corp.example" || hello[1] != hello[0] {
		t.Errorf("%q", hello)
	}
	if _, _, _, conns := broken.seen(); conns != 2 {
		t.Errorf("%d connections", conns)
	}
	want := map[string]int64{"good.example success": 1, "odd.example success": 1, "broken.example starttls-not-supported": 1}
	for k, n := range w.relay.tls.counts {
		if k.Policy != policyNone || want[k.Domain+" "+k.Result] != n {
			t.Errorf("%+v %d", k, n)
		}
		delete(want, k.Domain+" "+k.Result)
	}
	if len(want) > 0 {
		t.Errorf("not counted: %v", want)
	}
}

func TestRequiredTLSByMXWantsAValidName(t *testing.T) {
	good, odd := testkit.NewCertificate(t, "good.example"), testkit.NewCertificate(t, "another.example")
	w := newWorld(t, func(o *Options) { o.Routes[0].TLS, o.Roots = TLSRequired, good.Roots })
	w.protected("good.example", good)
	w.protected("odd.example", odd)
	w.server("clear.example", &hop{})
	w.want("x@good.example", "sent")
	w.want("x@odd.example", "temporary 0 4.7.5")
	w.want("x@clear.example", "temporary 0 4.7.5")
}

// tlsa is the record of a certificate's key (3 1 1) or of its authority's (2 0 0).
func tlsa(name string, c testkit.Certificate) string {
	sum := sha256.Sum256(c.Pair.Leaf.RawSubjectPublicKeyInfo)
	return fmt.Sprintf("_25._tcp.%s. 60 IN TLSA 3 1 1 %x", name, sum)
}

func TestDANEDecidesWhoGetsTheMail(t *testing.T) {
	w := newWorld(t)
	good, other := testkit.NewCertificate(t, "whatever.example"), testkit.NewCertificate(t, "mx.bad.example")
	w.dns.Secure("example")
	right := w.protected("mx.good.example", good)
	wrong := w.protected("mx.bad.example", other)
	clear := w.server("mx.clear.example", &hop{})
	hidden := w.protected("mx.hidden.example", good)
	odd := w.protected("mx.odd.example", good)
	for _, d := range []string{"good", "bad", "clear", "hidden", "odd"} {
		w.dns.Add(t, fmt.Sprintf("%s.example. 60 IN MX 10 mx.%s.example.", d, d))
	}
	w.dns.Add(t, tlsa("mx.good.example", good), tlsa("mx.bad.example", good), tlsa("mx.clear.example", good),
		"_25._tcp.mx.odd.example. 60 IN TLSA 0 0 1 00") // a usage that SMTP does not know: TLS is a must, any certificate will do
	w.dns.Break("_25._tcp.mx.hidden.example")
	w.want("x@good.example", "sent") // neither the name nor the authority is known: the key alone counts
	w.want("x@odd.example", "sent")
	w.want("x@bad.example", "temporary 0 4.7.5")
	w.want("x@clear.example", "temporary 0 4.7.5")
	w.want("x@hidden.example", "temporary 0 4.7.5")
	if got(right) != 1 || got(odd) != 1 || got(wrong)+got(clear)+got(hidden) != 0 {
		t.Error("mail went where it must not")
	}
	for _, h := range []*hop{wrong, clear, hidden} {
		if len(h.told("MAIL")) > 0 {
			t.Error("the transaction was begun")
		}
	}
	for domain, want := range map[string]string{"good.example": "tlsa success", "bad.example": "tlsa validation-failure",
		"clear.example": "tlsa starttls-not-supported", "hidden.example": "tlsa dnssec-invalid"} {
		found := false
		for k := range w.relay.tls.counts {
			found = found || k.Domain == domain && string(k.Policy)+" "+k.Result == want
		}
		if !found {
			t.Errorf("%s is not counted as %s: %v", domain, want, w.relay.tls.counts)
		}
	}
}

func TestAuthorityInTLSAVouchesForTheName(t *testing.T) {
	good := testkit.NewCertificate(t, "mx.a.example")
	w := newWorld(t)
	w.dns.Secure("example")
	w.protected("mx.a.example", good)
	w.protected("mx.b.example", good)
	for _, d := range []string{"a", "b"} {
		w.dns.Add(t, fmt.Sprintf("%s.example. 60 IN MX 10 mx.%s.example.", d, d), fmt.Sprintf("_25._tcp.mx.%s.example. 60 IN TLSA 2 0 0 %x", d, good.Authority.Raw))
	}
	w.want("x@a.example", "sent")
	w.want("x@b.example", "temporary 0 4.7.5") // the right authority, another's name
}

// TestTLSAIsBelievedFromATrustedResolverOnly: without dnssec, or outside the signed part of the world, an AD bit or a
// record means nothing.
func TestTLSAIsBelievedFromATrustedResolverOnly(t *testing.T) {
	good, other := testkit.NewCertificate(t, "a"), testkit.NewCertificate(t, "b")
	for name, change := range map[string]func(*world, *Options){
		"resolver not trusted": func(w *world, o *Options) { w.dns.Secure("example"); w.resolve(o, false) },
		"zone not signed":      func(w *world, o *Options) { w.dns.Secure("elsewhere.example") },
		"MX not signed":        func(w *world, o *Options) { w.dns.Secure("mx.a.example") },
	} {
		w := &world{t: t, dns: testkit.DNS(t)}
		o := Options{Hostname: "mail.corp.example", Routes: []Route{{MX: true}}, AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
		w.resolve(&o, true)
		change(w, &o)
		var err error
		if w.relay, err = New(o); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { w.relay.closeIdle(time.Time{}) })
		w.protected("mx.a.example", other)
		w.dns.Add(t, "a.example. 60 IN MX 10 mx.a.example.", tlsa("mx.a.example", good))
		w.want("x@a.example", "sent")
		if proved, why := w.relay.TLSProved(t.Context(), "a.example"); proved {
			t.Errorf("%s: proved: %s", name, why)
		}
	}
}

func TestServersForgottenAfterAWhile(t *testing.T) {
	w := newWorld(t)
	w.server("a.example", &hop{})
	w.want("x@a.example", "sent")
	if len(w.relay.found) != 1 || len(w.relay.lanes) != 1 {
		t.Fatalf("%d servers, %d lanes", len(w.relay.found), len(w.relay.lanes))
	}
	w.relay.forget(time.Now().Add(2 * time.Hour))
	if len(w.relay.found) != 1 {
		t.Error("a server was forgotten while a connection to it is kept")
	}
	w.relay.closeIdle(time.Time{})
	w.relay.forget(time.Now().Add(2 * time.Hour))
	if len(w.relay.found) != 0 || len(w.relay.lanes) != 0 {
		t.Errorf("%d servers, %d lanes are left", len(w.relay.found), len(w.relay.lanes))
	}
}

func TestLargeAnswersOfDNSComeOverTCP(t *testing.T) {
	w := newWorld(t)
	for i := range 60 {
		w.dns.Add(t, fmt.Sprintf("big.example. 60 IN TXT \"%s %d\"", strings.Repeat("x", 200), i))
	}
	texts, err := w.relay.o.DNS.texts(t.Context(), "big.example")
	if err != nil || len(texts) != 60 {
		t.Errorf("%d texts, %v", len(texts), err)
	}
}

func TestSecondDNSServerIsAskedWhenTheFirstIsSilent(t *testing.T) {
	zone := testkit.DNS(t, "a.example. 60 IN TXT \"x\"")
	refuses := testkit.DNS(t)
	refuses.Break("a.example")
	dns, err := NewResolver([]string{refuses.Address, zone.Address}, false)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if texts, err := dns.texts(t.Context(), "a.example"); err != nil || len(texts) != 1 {
			t.Errorf("%q %v", texts, err)
		}
	}
	if n := zone.Asked("a.example"); n != 1 {
		t.Errorf("asked %d times: answers are kept", n)
	}
}
