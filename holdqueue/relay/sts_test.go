package relay

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mjl-/mox/mtasts"

	"github.com/sekisho-mail/sekisho/internal/db/dbtest"
	"github.com/sekisho-mail/sekisho/internal/testkit"
)

// policyHost is a real web server for the policies of domains.
type policyHost struct {
	ip string

	mu     sync.Mutex
	policy map[string]string // by domain; missing is 404
	asked  int
}

// policyWorld is a world whose authority vouches for every server in it.
func policyWorld(t *testing.T, change ...func(*Options)) (*world, *policyHost, testkit.Certificate) {
	t.Helper()
	c := testkit.NewCertificate(t, "mx.a.example", "mta-sts.a.example", "mta-sts.b.example", "mta-sts.c.example", "mx.c.example")
	w := newWorld(t, append([]func(*Options){func(o *Options) { o.Roots = c.Roots }}, change...)...)
	p := &policyHost{ip: testkit.LoopbackIP(t), policy: map[string]string{}}
	listener, err := net.Listen("tcp", p.ip+":443")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: p, ErrorLog: log.New(io.Discard, "", 0)}
	ended := make(chan error, 1)
	go func() {
		ended <- server.Serve(tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{c.Pair}}))
	}()
	t.Cleanup(func() { server.Close(); <-ended })
	return w, p, c
}

func (p *policyHost) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked++
	text, ok := p.policy[strings.TrimPrefix(r.Host, "mta-sts.")]
	switch {
	case !ok || r.URL.Path != "/.well-known/mta-sts.txt":
		http.NotFound(rw, r)
	case strings.HasPrefix(text, "->"):
		http.Redirect(rw, r, text[2:], http.StatusFound)
	default:
		fmt.Fprint(rw, text)
	}
}

func (p *policyHost) requests() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked
}

// says publishes a policy for a domain in DNS and on the web.
func (p *policyHost) says(w *world, domain, id, policy string) {
	w.t.Helper()
	w.dns.Forget("_mta-sts." + domain)
	w.dns.Forget("mta-sts." + domain)
	w.dns.Add(w.t, fmt.Sprintf("_mta-sts.%s. 0 IN TXT \"v=STSv1; id=%s;\"", domain, id), fmt.Sprintf("mta-sts.%s. 60 IN A %s", domain, p.ip))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.policy[domain] = policy
}

func policyText(mode string, age int, mx ...string) string {
	text := "version: STSv1\r\nmode: " + mode + "\r\n"
	for _, m := range mx {
		text += "mx: " + m + "\r\n"
	}
	return text + fmt.Sprintf("max_age: %d\r\n", age)
}

func TestEnforcedPolicyKeepsMailFromEverybodyElse(t *testing.T) {
	w, p, good := policyWorld(t)
	stranger := testkit.NewCertificate(t, "mx.b.example")
	right := w.protected("mx.a.example", good)
	w.dns.Add(t, "a.example. 60 IN MX 10 mx.a.example.")
	p.says(w, "a.example", "1", policyText("enforce", 86400, "mx.a.example"))
	w.want("x@a.example", "sent")

	for name, h := range map[string]*hop{
		"b.example": w.protected("mx.b.example", stranger), // nobody vouches for it
		"c.example": w.server("mx.c.example", &hop{}),      // no TLS
	} {
		w.dns.Add(t, name+". 60 IN MX 10 mx."+name+".")
		p.says(w, name, "1", policyText("enforce", 86400, "*."+name))
		w.want("x@"+name, "temporary 0 4.7.5")
		if len(h.told("MAIL")) > 0 {
			t.Errorf("%s got the envelope", name)
		}
	}
	// Whoever forges the MX record can have a valid certificate of his own: the policy names the servers.
	forged := w.protected("mx.a.example.evil.example", good)
	w.dns.Forget("a.example")
	w.dns.Add(t, "a.example. 60 IN MX 10 mx.a.example.evil.example.")
	w.resolve(&w.relay.o, true)
	w.relay.sts.dns = w.relay.o.DNS
	w.want("x@a.example", "temporary 0 4.7.5")
	if _, _, _, conns := forged.seen(); conns != 0 || got(right) != 1 {
		t.Error("the forged server was asked")
	}
	for _, want := range []string{"a.example success", "b.example certificate-not-trusted", "c.example starttls-not-supported", "a.example validation-failure"} {
		found := false
		for k := range w.relay.tls.counts {
			found = found || k.Policy == policySTS && k.Domain+" "+k.Result == want
		}
		if !found {
			t.Errorf("%s is not counted: %v", want, w.relay.tls.counts)
		}
	}
}

func TestPolicyBeingTestedCountsAndDelivers(t *testing.T) {
	w, p, _ := policyWorld(t)
	w.protected("mx.b.example", testkit.NewCertificate(t, "mx.elsewhere.example"))
	w.dns.Add(t, "b.example. 60 IN MX 10 mx.b.example.")
	p.says(w, "b.example", "1", policyText("testing", 86400, "mx.b.example"))
	w.want("x@b.example", "sent")
	for k, n := range w.relay.tls.counts {
		if k.Policy != policySTS || k.Result != "certificate-not-trusted" && k.Result != "certificate-host-mismatch" || n != 1 {
			t.Errorf("%+v %d", k, n)
		}
	}
	if len(w.relay.tls.counts) != 1 {
		t.Errorf("%v", w.relay.tls.counts)
	}
}

// TestPolicyOutlivesDNSAndRestart: an attacker who hides the record or the policy host undoes nothing that we know.
func TestPolicyOutlivesDNSAndRestart(t *testing.T) {
	d := dbtest.SQLite(t)
	w, p, good := policyWorld(t, func(o *Options) { o.DB = d })
	w.protected("mx.a.example", good)
	w.dns.Add(t, "a.example. 60 IN MX 10 mx.a.example.")
	p.says(w, "a.example", "1", policyText("enforce", 86400, "mx.a.example"))
	if got := w.relay.sts.of(t.Context(), "a.example"); got == nil || got.Mode != mtasts.ModeEnforce {
		t.Fatalf("%+v", got)
	}
	w.relay.sts.of(t.Context(), "a.example")
	if n := p.requests(); n != 1 {
		t.Errorf("fetched %d times", n)
	}
	w.dns.Forget("_mta-sts.a.example")
	again, err := New(w.relay.o)
	if err != nil {
		t.Fatal(err)
	}
	if got := again.sts.of(t.Context(), "a.example"); got == nil || got.Mode != mtasts.ModeEnforce {
		t.Errorf("after a restart, without the record: %+v", got)
	}
	w.resolve(&w.relay.o, true) // what it knows of the missing record would be kept for a minute
	again.sts.dns = w.relay.o.DNS
	// A new id whose policy cannot be had leaves the old one in force, and is not asked for with each mail.
	p.says(w, "a.example", "2", "->https://evil.example/")
	for range 3 {
		if got := again.sts.of(t.Context(), "a.example"); got == nil || got.Mode != mtasts.ModeEnforce {
			t.Errorf("with a policy that has moved: %+v", got)
		}
	}
	if n := p.requests(); n != 2 {
		t.Errorf("%d requests", n)
	}
	// A new policy replaces the old one.
	again.sts.absent.Remove("a.example")
	p.says(w, "a.example", "3", policyText("none", 60))
	if got := again.sts.of(t.Context(), "a.example"); got == nil || got.Mode != mtasts.ModeNone {
		t.Errorf("after the change: %+v", got)
	}
}

func TestPoliciesThatCannotBeUsed(t *testing.T) {
	w, p, _ := policyWorld(t)
	for text, want := range map[string]string{
		"": "sts-policy-invalid", "version: STSv1\nmode: enforce\nmax_age: 60\n": "sts-policy-invalid", "hello": "sts-policy-invalid",
		"->https://mta-sts.a.example/elsewhere": "sts-policy-fetch-error",
		strings.Repeat("x: y\n", 20_000):        "sts-policy-invalid",
	} {
		p.says(w, "a.example", "1", text)
		w.relay.sts.absent.Remove("a.example")
		clear(w.relay.tls.counts)
		if got := w.relay.sts.of(t.Context(), "a.example"); got != nil {
			t.Errorf("%.20q: %+v", text, got)
		}
		for k := range w.relay.tls.counts {
			if k.Result != want {
				t.Errorf("%.20q: counted as %s, want %s", text, k.Result, want)
			}
		}
		if len(w.relay.tls.counts) != 1 {
			t.Errorf("%.20q: %v", text, w.relay.tls.counts)
		}
	}
	// The certificate of the policy host counts, and so does its address.
	p.says(w, "d.example", "1", policyText("enforce", 60, "mx.d.example"))
	clear(w.relay.tls.counts)
	if got := w.relay.sts.of(t.Context(), "d.example"); got != nil {
		t.Errorf("a policy from a host with another's name: %+v", got)
	}
	for k := range w.relay.tls.counts {
		if k.Result != "sts-webpki-invalid" {
			t.Errorf("%+v", k)
		}
	}
	w.dns.Add(t, `two.example. 0 IN TXT "x"`, `_mta-sts.two.example. 0 IN TXT "v=STSv1; id=1"`, `_mta-sts.two.example. 0 IN TXT "v=STSv1; id=2"`,
		`_mta-sts.bad.example. 0 IN TXT "v=STSv1; id="`)
	for _, domain := range []string{"two.example", "bad.example", "none.example"} {
		if got := w.relay.sts.of(t.Context(), domain); got != nil {
			t.Errorf("%s: %+v", domain, got)
		}
	}
}

func TestPolicyHostInOurOwnNetworkIsNotAsked(t *testing.T) {
	w, p, c := policyWorld(t)
	p.says(w, "a.example", "1", policyText("enforce", 60, "mx.a.example"))
	o := w.relay.o
	o.AllowPrivate, o.Roots = nil, c.Roots
	o.DNS, _ = NewResolver([]string{w.dns.Address}, true)
	r, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if got := r.sts.of(t.Context(), "a.example"); got != nil || p.requests() != 0 {
		t.Errorf("%+v after %d requests", got, p.requests())
	}
}

func TestDANEGoesBeforeMTASTS(t *testing.T) {
	w, p, good := policyWorld(t)
	w.dns.Secure("example")
	other := testkit.NewCertificate(t, "x")
	// The policy's authority would vouch for this server; its key is not the one under DNSSEC.
	h := w.protected("mx.a.example", good)
	w.dns.Add(t, "a.example. 60 IN MX 10 mx.a.example.", tlsa("mx.a.example", other))
	p.says(w, "a.example", "1", policyText("enforce", 86400, "mx.a.example"))
	w.want("x@a.example", "temporary 0 4.7.5")
	if got(h) != 0 {
		t.Error("it got the mail")
	}
}

func TestWhetherTLSIsProved(t *testing.T) {
	w, p, good := policyWorld(t, func(o *Options) {
		o.Routes = []Route{
			{Name: "partner", Recipients: []string{"partner.example"}, Hosts: []Host{{Address: "mail.partner.example:25"}}, Proved: true},
			{Name: "careless", Recipients: []string{"careless.example"}, Hosts: []Host{{Address: "mail.careless.example:25", TLS: TLSOpportunistic}}, Proved: true},
			{Name: "cloud", Recipients: []string{"cloud.example"}, Hosts: []Host{{Address: "smtp.cloud.example:587"}}},
			{Name: "one", Recipients: []string{"boss@c.example"}, Hosts: []Host{{Address: "smtp.cloud.example:587"}}},
			{Name: "old", Senders: []string{"old.example"}, Hosts: []Host{{Address: "smtp.cloud.example:587"}}, Recipients: []string{"d.example"}},
			{MX: true},
		}
	})
	w.dns.Secure("a.example")
	w.dns.Secure("f.example")
	ip := testkit.LoopbackIP(t)
	for _, d := range []string{"a", "b", "c", "d", "e", "f"} {
		w.dns.Add(t, d+".example. 60 IN MX 10 mx."+d+".example.", "mx."+d+".example. 60 IN A "+ip)
	}
	w.dns.Add(t, tlsa("mx.a.example", good), "f.example. 60 IN MX 20 mx2.f.example.", "mx2.f.example. 60 IN A "+ip, tlsa("mx.f.example", good))
	for _, d := range []string{"b.example", "c.example"} {
		p.says(w, d, "1", policyText("enforce", 86400, "*."+d))
	}
	p.says(w, "e.example", "1", policyText("testing", 86400, "*.e.example"))
	for domain, want := range map[string]struct {
		proved bool
		why    string
	}{
		"partner.example":  {true, "route partner"},
		"careless.example": {false, "without required TLS"},
		"cloud.example":    {false, "smart host"},
		"a.example":        {true, "by DANE"},
		"A.example":        {true, "by DANE"},
		"b.example":        {true, "by MTA-STS"},
		"c.example":        {false, "smart host"}, // one of its addresses goes another way
		"d.example":        {false, "smart host"}, // some of our senders go another way
		"e.example":        {false, "neither"},    // only testing
		"f.example":        {false, "mx2.f.example"},
		"nobody.example":   {false, "does not exist"},
		"[127.0.0.1]":      {false, "literal"},
	} {
		if proved, why := w.relay.TLSProved(t.Context(), domain); proved != want.proved || !strings.Contains(why, want.why) {
			t.Errorf("%s: %v, %s", domain, proved, why)
		}
	}
	before := w.dns.Asked("a.example")
	for range 20 {
		w.relay.TLSProved(t.Context(), "a.example")
	}
	if n := w.dns.Asked("a.example"); n != before {
		t.Errorf("DNS was asked %d times more", n-before)
	}
}

// TestCountsOfTLSAreKept: in the words of RFC 8460, over a restart.
func TestCountsOfTLSAreKept(t *testing.T) {
	d := dbtest.SQLite(t)
	for range 2 {
		c := newTLSCounts(Options{DB: d})
		c.now = func() time.Time { return time.Date(2026, 11, 21, 23, 0, 0, 0, time.FixedZone("", 9*3600)) }
		c.note("a.example", policySTS, "mx.a.example", success)
		c.note("a.example", policySTS, "mx.a.example", "certificate-expired")
		c.note("a.example", policySTS, "mx.a.example", success)
		if err := c.flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := c.flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	all, err := TLSCounts(t.Context(), d, "2026-11-01", 10)
	if err != nil || len(all) != 2 || all[0] != (TLSCount{"2026-11-21", "a.example", policySTS, "mx.a.example", "certificate-expired", 2}) || all[1].Count != 4 {
		t.Errorf("%+v, %v", all, err)
	}
	later := newTLSCounts(Options{DB: d})
	later.now = func() time.Time { return time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC) }
	later.note("b.example", policyNone, "b.example", success)
	if err := later.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if all, _ := TLSCounts(t.Context(), d, "2026-01-01", 10); len(all) != 1 {
		t.Errorf("old counts stay: %+v", all)
	}
}

func TestReasonsOfFailedHandshakes(t *testing.T) {
	for want, err := range map[string]error{
		"certificate-host-mismatch": x509.HostnameError{},
		"certificate-expired":       fmt.Errorf("x: %w", x509.CertificateInvalidError{Reason: x509.Expired}),
		"certificate-not-trusted":   x509.UnknownAuthorityError{},
		"validation-failure":        errDANE,
	} {
		if got := failureType(err); got != want {
			t.Errorf("%v: %s", err, got)
		}
	}
}
