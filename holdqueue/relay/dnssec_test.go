package relay

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/internal/testkit"
)

// TestDANEWithAZoneThatIsReallySigned: Knot signs, Unbound validates, and a resolver that cannot validate (its anchor is
// another's) gives nothing away.
func TestDANEWithAZoneThatIsReallySigned(t *testing.T) {
	good, other := testkit.NewCertificate(t, "x"), testkit.NewCertificate(t, "y")
	servers := map[string]*hop{}
	var records []string
	for name, c := range map[string]testkit.Certificate{"good": good, "bad": other} {
		ip := testkit.LoopbackIP(t)
		servers[name] = newHop(t, &hop{at: ip + ":25", name: name, offers: append([]string{"STARTTLS"}, everything...), pair: &c.Pair})
		mx := "mx." + name + ".signed.example"
		records = append(records, name+".signed.example. 60 IN MX 10 "+mx+".", mx+". 60 IN A "+ip, tlsa(mx, good))
	}
	zone := testkit.DNSSEC(t, "signed.example", records...)
	dns, err := NewResolver([]string{zone.Resolver}, true)
	if err != nil {
		t.Fatal(err)
	}
	r, err := New(Options{Hostname: "mail.corp.example", DNS: dns, Routes: []Route{{MX: true}}, AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.closeIdle(time.Time{}) })
	for name, want := range map[string]string{"good": "sent", "bad": "temporary 0 4.7.5", "nobody": "permanent 0 5.1.2"} {
		result := r.Send(t.Context(), outgoing(plainMail, "x@"+name+".signed.example"))[0]
		if got := outcome(result); got != want {
			t.Errorf("%s: %s, want %s (%v)", name, got, want, result.Err)
		}
	}
	if got(servers["good"]) != 1 || got(servers["bad"]) != 0 {
		t.Error("the mail went elsewhere")
	}
	if proved, why := r.TLSProved(t.Context(), "good.signed.example"); !proved || !strings.Contains(why, "DANE") {
		t.Errorf("%v, %s", proved, why)
	}

	// The same answers, signed by somebody else: the resolver gives none of them.
	forged := testkit.Forged(t, zone, records...)
	dns, err = NewResolver([]string{forged.Resolver}, true)
	if err != nil {
		t.Fatal(err)
	}
	r.o.DNS, r.sts.dns = dns, dns
	if got := outcome(r.Send(t.Context(), outgoing(plainMail, "x@good.signed.example"))[0]); got != "temporary 0 4.4.3" {
		t.Errorf("with false signatures: %s", got)
	}
	if proved, why := r.TLSProved(t.Context(), "good.signed.example"); proved {
		t.Errorf("proved by false signatures: %s", why)
	}
}
