package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net"
	"strings"
	"testing"

	"github.com/emersion/go-smtp"

	"github.com/sekisho-mail/sekisho/internal/testkit"
)

// delivers makes the surroundings' configuration one that delivers by MX, in English.
func (s surroundings) delivers(t *testing.T, more ...string) string {
	t.Helper()
	return s.config(t, append([]string{"relay: {host: \"" + s.relay + "\", username: sekisho, password_file: relay.secret, ca_file: tls.crt,",
		"relay: {mx: true, hostname: mail.corp.example, allow_private: [127.0.0.0/8],", "domains: [corp.example]}", "domains: [corp.example], language: en}"}, more...)...)
}

func TestCheckLooksAtWhatReceiversLookAt(t *testing.T) {
	for name, test := range map[string]struct {
		records []string
		want    []string
	}{
		"all is well": {[]string{`corp.example. 60 IN TXT "v=spf1 a:mail.corp.example ~all"`, `_dmarc.corp.example. 60 IN TXT "v=DMARC1; p=none"`,
			"mail.corp.example. 60 IN A 192.0.2.7", "7.2.0.192.in-addr.arpa. 60 IN PTR mail.corp.example."},
			[]string{"ok     organization.domains: SPF of corp.example lets 192.0.2.7 send", "ok     organization.domains: corp.example has a DMARC record",
				"ok     relay.hostname: 192.0.2.7 is called mail.corp.example and back"}},
		"nothing is published": {nil, []string{"corp.example has no SPF record", "corp.example has no DMARC record", "mail.corp.example has no address"}},
		"all is wrong": {[]string{`corp.example. 60 IN TXT "v=spf1 ip4:198.51.100.1 -all"`, `_dmarc.corp.example. 60 IN TXT "v=DMARC1; p=none"`,
			`_dmarc.corp.example. 60 IN TXT "v=DMARC1; p=reject"`, "mail.corp.example. 60 IN A 192.0.2.7", "7.2.0.192.in-addr.arpa. 60 IN PTR dynamic-7.isp.example."},
			[]string{"SPF of corp.example does not let 192.0.2.7 send (fail", "several DMARC records", "(PTR) of 192.0.2.7 is not mail.corp.example (dynamic-7.isp.example.)"}},
		"everybody may send": {[]string{`corp.example. 60 IN TXT "v=spf1 +all"`}, []string{"ends in +all"}},
		"two SPF records":    {[]string{`corp.example. 60 IN TXT "v=spf1 -all"`, `corp.example. 60 IN TXT "v=spf1 ~all"`}, []string{"several SPF records"}},
	} {
		s := surround(t)
		s.dns = testkit.DNS(t, test.records...)
		r := command(t, "", "check", "--config", s.delivers(t))
		for _, want := range test.want {
			if !strings.Contains(r.out, want) {
				t.Errorf("%s: no %q in\n%s", name, want, r.out)
			}
		}
	}
}

func TestCheckTriesPort25BeforeMailDoes(t *testing.T) {
	s := surround(t)
	r := command(t, "", "check", "--config", s.delivers(t))
	if !strings.Contains(r.out, "no mail server in the world can be reached on port 25") || r.code != 1 {
		t.Errorf("exit %d\n%s", r.code, r.out)
	}
	ip := testkit.LoopbackIP(t)
	listener, err := net.Listen("tcp", ip+":25")
	if err != nil {
		t.Fatal(err)
	}
	server := smtp.NewServer(hop{})
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	t.Cleanup(func() { server.Close(); <-ended })
	s.dns = testkit.DNS(t, "yahoo.co.jp. 60 IN MX 10 mx.yahoo.co.jp.", "mx.yahoo.co.jp. 60 IN A "+ip)
	r = command(t, "", "check", "--config", s.delivers(t))
	if !strings.Contains(r.out, "ok     relay.mx: port 25 is open towards the world") || !strings.Contains(r.out, "ok     relay: the DNS server answers") {
		t.Errorf("exit %d\n%s", r.code, r.out)
	}
}

// TestCheckShowsWhichDKIMRecordsAreMissing: the record to publish is printed, and works when it is.
func TestCheckShowsWhichDKIMRecordsAreMissing(t *testing.T) {
	s := surround(t)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]any{"rsa.key": rsaKey, "ed.key": edKey} {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		write(t, s.dir, name, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	}
	const keys = "dkim: {keys: [{selector: s1, key_file: rsa.key}, {selector: s2, key_file: ed.key}]}\nweb:"
	r := command(t, "", "check", "--config", s.config(t, "\nweb:", "\n"+keys))
	record := "v=DKIM1; k=ed25519; p="
	at := strings.Index(r.out, record)
	if at < 0 || !strings.Contains(r.out, "s1._domainkey.corp.example") {
		t.Fatalf("no record in\n%s", r.out)
	}
	line, _, _ := strings.Cut(r.out[at:], "\n")
	s.dns.Add(t, `s2._domainkey.corp.example. 60 IN TXT "`+line+`"`)
	r = command(t, "", "check", "--config", s.config(t, "\nweb:", "\n"+keys))
	if !strings.Contains(r.out, "ok     dkim.keys[1]: s2._domainkey.corp.example shows the public key (ed25519)") {
		t.Errorf("%s", r.out)
	}
}

func TestCheckTriesEveryServerOfEveryRoute(t *testing.T) {
	s := surround(t)
	dead := testkit.FreeAddress(t)
	r := command(t, "", "check", "--config", s.config(t, "dns: {servers", `routes: [{name: a, senders: [old.example], host: "`+s.relay+`", ca_file: tls.crt},
  {name: b, recipients: [p.example], hosts: [{host: "`+s.relay+`", ca_file: tls.crt, username: sekisho, password_file: relay.secret}, {host: "`+dead+`", weight: 0}]}],
  dns: {servers`))
	for _, want := range []string{
		"ok     relay.routes[0]: " + s.relay + " answers, its certificate is valid\n", "ok     relay.routes[1].hosts[0]: " + s.relay + " answers, its certificate is valid, it accepts the password",
		"error  sekisho.yaml:7: " + dead, "ok     relay: " + s.relay,
	} {
		if !strings.Contains(strings.ReplaceAll(r.out, s.dir+"/", ""), want) {
			t.Errorf("no %q in\n%s", want, r.out)
		}
	}
}

func TestResolverElsewhereIsNotTakenForSafe(t *testing.T) {
	s := surround(t)
	r := command(t, "", "check", "--config", s.config(t, `dns: {servers: ["`+s.dns.Address+`"]}`, `dns: {servers: ["`+s.dns.Address+`", "192.0.2.53"], dnssec: true}`,
		"domains: [corp.example]}", "domains: [corp.example], language: en}"))
	if !strings.Contains(r.out, "192.0.2.53 is not on this machine") || strings.Contains(r.out, "127.0.0.1 is not on this machine") {
		t.Errorf("%s", r.out)
	}
}

func TestRelayShowsTheWayOfAnAddress(t *testing.T) {
	s := surround(t)
	s.dns = testkit.DNS(t, "a.example. 60 IN MX 10 mx.a.example.", "mx.a.example. 60 IN A 192.0.2.9")
	path := s.delivers(t, "dns: {servers", `routes: [{name: partner, recipients: [partner.example], host: "mail.partner.example:25", tls_proved: true},
  {name: old, senders: [old.example], host: "old.corp.example:25"}], dns: {servers`)
	for _, test := range []struct {
		args []string
		want []string
	}{
		{[]string{"bob@partner.example"}, []string{"route:      partner", "mail.partner.example:25 (TLS required", "TLS proved: yes"}},
		{[]string{"--from", "x@old.example", "bob@a.example"}, []string{"route:      old", "TLS proved: no"}},
		{[]string{"bob@a.example"}, []string{"route:      relay", "mx.a.example [192.0.2.9:25]", "TLS proved: no"}},
		{[]string{"bob@none.example"}, []string{"does not exist", "TLS proved: no"}},
	} {
		r := command(t, "", append([]string{"relay", "show", "--config", path}, test.args...)...)
		for _, want := range test.want {
			if r.code != 0 || !strings.Contains(r.out, want) {
				t.Errorf("%q: exit %d, no %q in\n%s%s", test.args, r.code, want, r.out, r.err)
			}
		}
	}
	r := command(t, "", "relay", "tls", "--config", path)
	if r.code != 0 || !strings.Contains(r.out, "day") {
		t.Errorf("exit %d, %s%s", r.code, r.out, r.err)
	}
}
