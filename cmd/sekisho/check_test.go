package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/sekisho-mail/sekisho/internal/testkit"
)

// surroundings are the real servers that `check` looks at.
type surroundings struct {
	dir      string
	relay    string // host:port of a next hop with TLS and AUTH
	issuer   string
	password string
	dns      *testkit.Zone
}

// certificate writes a certificate and its key for the names, ending at a time.
func certificate(t *testing.T, dir, name string, ends time.Time, names ...string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: ends.Add(-10_000 * time.Hour), NotAfter: ends,
		DNSNames: names, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert = write(t, dir, name+".crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	key = write(t, dir, name+".key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})))
	return cert, key
}

// hop is a next hop that knows one user.
type hop struct{ password string }

func (h hop) NewSession(*smtp.Conn) (smtp.Session, error) { return &hopSession{h}, nil }

type hopSession struct{ hop }

func (*hopSession) AuthMechanisms() []string { return []string{sasl.Plain} }
func (s *hopSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "sekisho" || password != s.password {
			return smtp.ErrAuthFailed
		}
		return nil
	}), nil
}
func (*hopSession) Reset()                               {}
func (*hopSession) Logout() error                        { return nil }
func (*hopSession) Mail(string, *smtp.MailOptions) error { return nil }
func (*hopSession) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (*hopSession) Data(io.Reader) error                 { return errors.New("no mail belongs here") }

func surround(t *testing.T) surroundings {
	t.Helper()
	s := surroundings{dir: t.TempDir(), password: "correct horse"}
	s.dns = testkit.DNS(t, `corp.example. 60 IN TXT "v=spf1 ip4:192.0.2.1 ~all"`, `_dmarc.corp.example. 60 IN TXT "v=DMARC1; p=none"`)
	cert, key := certificate(t, s.dir, "tls", time.Now().Add(90*24*time.Hour), "localhost", "mail.corp.example")
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	server := smtp.NewServer(hop{s.password})
	server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{pair}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	s.relay = "localhost:" + port

	var provider *httptest.Server
	provider = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/.well-known/openid-configuration" {
			http.NotFound(w, r)
			return
		}
		fmt.Fprintf(w, `{"issuer":%q}`, provider.URL)
	}))
	t.Cleanup(provider.Close)
	s.issuer = provider.URL

	write(t, s.dir, "relay.secret", s.password+"\n")
	write(t, s.dir, "people.yaml", "people:\n  - {address: alice@corp.example, name: 佐藤 花子, manager: boss@corp.example}\n  - {address: boss@corp.example, name: 田中 一郎}\n")
	if err := os.Mkdir(filepath.Join(s.dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	return s
}

// config is a configuration in which everything is right, before change.
func (s surroundings) config(t *testing.T, change ...string) string {
	t.Helper()
	text := `data_dir: data
base_url: https://localhost
organization: {domains: [corp.example]}
administrators: [boss@corp.example]
submission: {hostname: mail.corp.example, listen: ["127.0.0.1:0"], listen_tls: [], tls: {cert_file: tls.crt, key_file: tls.key}}
relay: {host: "RELAY", username: sekisho, password_file: relay.secret, ca_file: tls.crt, dns: {servers: ["DNS"]}}
oidc: {issuer: "ISSUER", roles: {admin: [admins]}}
web: {listen: "127.0.0.1:0", tls: {cert_file: tls.crt, key_file: tls.key}}
portal: {url: https://mail.corp.example}
metrics: {listen: ""}
`
	text = strings.NewReplacer("RELAY", s.relay, "ISSUER", s.issuer, "DNS", s.dns.Address).Replace(text)
	text = strings.NewReplacer(change...).Replace(text)
	return write(t, s.dir, "sekisho.yaml", text)
}

func TestCheckOfAHealthyInstallationFindsNoErrors(t *testing.T) {
	s := surround(t)
	r := command(t, "", "check", "--config", s.config(t))
	if r.code != 0 || !strings.Contains(r.out, "0 errors, ") {
		t.Errorf("exit %d\n%s", r.code, r.out)
	}
	for _, line := range []string{
		"ok     configuration: every key is understood", "ok     policy: the factory policy", "ok     people: 2 people, 1 of them without a manager",
		"ok     submission.tls: made for mail.corp.example", "its certificate is valid, it accepts the password", "ok     oidc.issuer: ",
		"will be made at the first start", "GB free",
	} {
		if !strings.Contains(r.out, line) {
			t.Errorf("%q is missing in\n%s", line, r.out)
		}
	}
	if entries, _ := os.ReadDir(filepath.Join(s.dir, "data")); len(entries) != 0 {
		t.Errorf("check left %v behind", entries)
	}
}

// TestCheckFindsEachMistake breaks one thing at a time.
func TestCheckFindsEachMistake(t *testing.T) {
	s := surround(t)
	certificate(t, s.dir, "old", time.Now().Add(-time.Hour), "mail.corp.example")
	certificate(t, s.dir, "ending", time.Now().Add(48*time.Hour), "mail.corp.example")
	certificate(t, s.dir, "stranger", time.Now().Add(1000*time.Hour), "mail.other.example")
	write(t, s.dir, "wrong.secret", "battery staple\n")
	write(t, s.dir, "long.secret", strings.Repeat("x", 32)+"\n")
	write(t, s.dir, "rules.yaml", "version: 1\nrules:\n  - {name: a, then: {hold: {approvers: ['group:nobody', x@corp.example]}}}\n")
	write(t, s.dir, "pool.yaml", "version: 1\nrules:\n  - {name: a, then: {hold: {approvers: ['role:approver']}}}\n")
	write(t, s.dir, "account.yaml", "version: 1\nrules:\n  - {name: a, then: {link: {access: account}}}\n")
	write(t, s.dir, "bad-people.yaml", "people:\n  - {address: alice}\n")
	write(t, s.dir, "bad-users.yaml", "users:\n  - {address: alice@corp.example, password: plain}\n")
	write(t, s.dir, "keys", "no keys\n")
	if err := os.WriteFile(filepath.Join(s.dir, "open.secret"), []byte(s.password+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	nobody := testkit.FreeAddress(t)
	for name, c := range map[string]struct {
		change []string
		want   string // level and a part of the line
	}{
		"relay down":            {[]string{s.relay, nobody}, "error  sekisho.yaml:6: " + nobody},
		"relay password":        {[]string{"relay.secret", "wrong.secret"}, "error  sekisho.yaml:6: " + s.relay},
		"relay certificate":     {[]string{", ca_file: tls.crt", ""}, "error  sekisho.yaml:6: " + s.relay},
		"secret missing":        {[]string{"relay.secret", "none.secret"}, "error  sekisho.yaml:6: cannot read"},
		"secret open":           {[]string{"relay.secret", "open.secret"}, "warn   sekisho.yaml:6: "},
		"provider down":         {[]string{s.issuer, "http://" + nobody}, "error  sekisho.yaml:7: the identity provider does not answer"},
		"provider's other name": {[]string{s.issuer, s.issuer + "/"}, `error  sekisho.yaml:7: the provider calls itself "` + s.issuer + `"`},
		"no administrators":     {[]string{", roles: {admin: [admins]}", ""}, "warn   sekisho.yaml:7: nobody can be administrator"},
		"certificate ended":     {[]string{"tls: {cert_file: tls.crt, key_file: tls.key}}\nrelay", "tls: {cert_file: old.crt, key_file: old.key}}\nrelay"}, "error  sekisho.yaml:5: the certificate"},
		"certificate ending":    {[]string{"tls: {cert_file: tls.crt, key_file: tls.key}}\nrelay", "tls: {cert_file: ending.crt, key_file: ending.key}}\nrelay"}, "warn   sekisho.yaml:5: the certificate"},
		"another's certificate": {[]string{"tls: {cert_file: tls.crt, key_file: tls.key}}\nrelay", "tls: {cert_file: stranger.crt, key_file: stranger.key}}\nrelay"}, "is not made for mail.corp.example"},
		"no certificate":        {[]string{", tls: {cert_file: tls.crt, key_file: tls.key}}\nrelay", "}\nrelay"}, "error  sekisho.yaml:5: no certificate"},
		"key of another":        {[]string{"key_file: tls.key}}\nrelay", "key_file: old.key}}\nrelay"}, "error  sekisho.yaml:5: cannot use"},
		"portal's host":         {[]string{"https://mail.corp.example", "https://localhost"}, "warn   sekisho.yaml:9: downloads share the host"},
		"portal's port":         {[]string{"https://mail.corp.example", "https://mail.corp.example:8443"}, "warn   sekisho.yaml:9: https://mail.corp.example:8443 is not https on port 443"},
		"observe":               {[]string{"metrics:", "policy: {mode: observe}\nmetrics:"}, "warn   sekisho.yaml:10: observe: every mail leaves at once"},
		"unknown pilot":         {[]string{"metrics:", "policy: {pilot: [nogroup]}\nmetrics:"}, "the people file does not know group:nogroup"},
		"unknown approvers":     {[]string{"metrics:", "policy: {file: rules.yaml}\nmetrics:"}, "rules.yaml:3: rule a names group:nobody"},
		"empty pool":            {[]string{"metrics:", "policy: {file: pool.yaml}\nmetrics:"}, "pool.yaml:3: rule a names role:approver, whom the people file does not know"},
		"nowhere to sign in":    {[]string{"metrics:", "policy: {file: account.yaml}\nmetrics:"}, `rule "a" has access: account, and there is no provider`},
		"policy missing":        {[]string{"metrics:", "policy: {file: none.yaml}\nmetrics:"}, "cannot read the policy"},
		"people":                {[]string{"metrics:", "people: {file: bad-people.yaml}\nmetrics:"}, "bad-people.yaml:2: "},
		"users":                 {[]string{"listen_tls", "auth: {users_file: bad-users.yaml}, listen_tls"}, "bad-users.yaml:2: "},
		"scanner down":          {[]string{"metrics:", "scanners: {clamd: \"tcp:" + nobody + "\"}\nmetrics:"}, "error  sekisho.yaml:10: clamd does not answer"},
		"keys":                  {[]string{"metrics:", "keys: {file: ../keys}\nmetrics:"}, "error  sekisho.yaml:10: key file"},
		"data is a file":        {[]string{"data_dir: data", "data_dir: keys"}, "is not a directory"},
		"data cannot be made":   {[]string{"data_dir: data", "data_dir: /proc/none/data"}, "this user cannot make it"},
		"gateway without proof": {[]string{"listen_tls", "gateway: {sources: [{name: exo, kind: exchange_online, senders: [corp.example], owner: it@corp.example}]}, listen_tls"}, "error  sekisho.yaml:5: exchange_online shares its addresses"},
		"gateway of everybody":  {[]string{"listen_tls", "gateway: {sources: [{name: x, networks: [40.107.0.0/16], senders: [corp.example], owner: it@corp.example}]}, listen_tls"}, "every customer of Exchange Online sends from 40.107.0.0/16"},
		"gateway not on 25":     {[]string{"listen_tls", "gateway: {listen: [\"127.0.0.1:2525\"], sources: [{name: x, kind: exchange_online, require_header: {name: X-S, value_file: long.secret}, require_tls: true, senders: [corp.example], owner: it@corp.example}]}, listen_tls"}, "warn   sekisho.yaml:5: Exchange Online connects to port 25 only"},
		"gateway short secret":  {[]string{"listen_tls", "gateway: {sources: [{name: x, require_header: {name: X-S, value_file: short}, senders: [corp.example], owner: it@corp.example}]}, listen_tls"}, "error  sekisho.yaml:5: "},
		"gateway secret bare":   {[]string{"listen_tls", "gateway: {sources: [{name: x, require_header: {name: X-S, value_file: long.secret}, senders: [corp.example], owner: it@corp.example}]}, listen_tls"}, "warn   sekisho.yaml:5: the secret header of x may travel in clear"},
		"limits":                {[]string{"listen_tls", "limits: {connections_per_address: 5000}, listen_tls"}, "error  sekisho.yaml:5: connections_per_address (5000) is more than connections (2000) allows"},
		"database":              {[]string{"metrics:", "database: {url: \"postgres://x@" + nobody + "/x\"}\nmetrics:"}, "error  sekisho.yaml:10: "},
		"store":                 {[]string{"metrics:", "files: {url: \"file:/proc\"}\nmetrics:"}, "error  sekisho.yaml:10: "},
		"dkim":                  {[]string{"metrics:", "dkim: {selector: s1, key_file: keys}\nmetrics:"}, "error  sekisho.yaml:10: dkim key"},
		"listener taken":        {[]string{`listen: ["127.0.0.1:0"]`, `listen: ["198.51.100.1:25"]`}, "error  sekisho.yaml:5: cannot listen on"},
		"unknown key":           {[]string{"metrics:", "metrix: {}\nmetrics:"}, `sekisho.yaml:10: unknown key "metrix"`},
	} {
		write(t, s.dir, "short", "short\n")
		r := command(t, "", "check", "--config", s.config(t, c.change...))
		shown := strings.ReplaceAll(r.out, s.dir+"/", "")
		if !strings.Contains(shown, c.want) {
			t.Errorf("%s: %q is missing in\n%s", name, c.want, shown)
		}
		if wantError := !strings.HasPrefix(c.want, "warn") && !strings.Contains(c.want, "rule a names") && !strings.Contains(c.want, "nogroup") && !strings.Contains(c.want, "access: account"); wantError != (r.code == 1) {
			t.Errorf("%s: exit %d\n%s", name, r.code, shown)
		}
		if strings.Contains(r.out, s.password) {
			t.Errorf("%s: the password is printed", name)
		}
	}
}

func TestCheckSpeaksJSON(t *testing.T) {
	s := surround(t)
	r := command(t, "", "check", "--json", "--offline", "--config", s.config(t, "metrics:", "metrix: {}\nmetrics:"))
	if r.code != 1 {
		t.Errorf("exit %d", r.code)
	}
	errorsSeen := 0
	for line := range strings.Lines(r.out) {
		var n note
		if err := json.Unmarshal([]byte(line), &n); err != nil || n.What == "" || n.Text == "" {
			t.Fatalf("%q: %v", line, err)
		}
		if n.Level == noteError {
			errorsSeen++
			if n.Line != 10 || filepath.Base(n.File) != "sekisho.yaml" {
				t.Errorf("%+v", n)
			}
		}
		if strings.HasPrefix(n.What, "relay") || strings.HasPrefix(n.What, "oidc.issuer") {
			t.Errorf("offline, and yet: %+v", n)
		}
	}
	if errorsSeen != 1 {
		t.Errorf("%d errors\n%s", errorsSeen, r.out)
	}
}

func TestCheckOfAMissingFileSaysSo(t *testing.T) {
	r := command(t, "", "check", "--config", filepath.Join(t.TempDir(), "none.yaml"))
	if r.code != 1 || !strings.Contains(r.out, "cannot read the configuration: no such file") {
		t.Errorf("exit %d, %s", r.code, r.out)
	}
}
