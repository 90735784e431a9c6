package relay

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/emersion/go-msgauth/dkim"

	"github.com/sekisho-mail/sekisho/internal/mailaddr"
	"github.com/sekisho-mail/sekisho/internal/testkit"
)

// keyRecord is what the administrator would put into DNS.
func keyRecord(t *testing.T, key crypto.Signer) string {
	t.Helper()
	if public, ok := key.Public().(ed25519.PublicKey); ok {
		return "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(public)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(der)
}

func rsaKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// signed sends a mail with a signer and returns it as it was on the wire.
func signed(t *testing.T, s *Signer, raw string, from ...mailaddr.Address) string {
	t.Helper()
	h := newHop(t, &hop{offers: everything})
	out := outgoing(raw, "bob@other.example")
	out.Message.Meta.From = from
	wantSent(t, relayTo(t, h, func(o *Options) { o.DKIM = s }).Send(t.Context(), out))
	_, mails, _, _ := h.seen()
	return strings.ReplaceAll(mails[0], "\r\n..", "\r\n.")
}

func verifies(t *testing.T, mail string, key crypto.Signer) error {
	t.Helper()
	found, err := dkim.VerifyWithOptions(strings.NewReader(mail), &dkim.VerifyOptions{
		LookupTXT: func(domain string) ([]string, error) {
			if domain != "s2026._domainkey.corp.example" {
				return nil, fmt.Errorf("asked for %s", domain)
			}
			return []string{keyRecord(t, key)}, nil
		},
	})
	if err != nil {
		return err
	}
	if len(found) != 1 || found[0].Domain != "corp.example" {
		return fmt.Errorf("signatures: %+v", found)
	}
	return found[0].Err
}

// python asks dkimpy, which shares no code with the signer, and returns what it thinks of each mail.
func python(t *testing.T, mails []string, key crypto.Signer) []string {
	t.Helper()
	const program = `
import sys, json, dkim
record, mails = json.load(sys.stdin)
answer = lambda name, timeout=5: record.encode()
print("\n".join(str(dkim.verify(m.encode(), dnsfunc=answer)) for m in mails))`
	question, err := json.Marshal([]any{keyRecord(t, key), mails})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/usr/bin/python3", "-c", program) // Debian's, which has Debian's packages
	cmd.Stdin = bytes.NewReader(question)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("dkimpy (apt-get install python3-dkim): %v\n%s", err, out)
	}
	return strings.Fields(string(out))
}

func TestSignatureVerifies(t *testing.T) {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]crypto.Signer{"rsa": rsaKey(t), "ed25519": ed} {
		s, err := NewSigner(&Key{Selector: "s2026", Domains: []string{"corp.example"}, Private: key})
		if err != nil {
			t.Fatal(err)
		}
		var mails []string
		for _, raw := range []string{
			plainMail, awkward("dkim"),
			"From: alice@corp.example\r\n\r\n",                                                // no body
			"From: alice@corp.example\r\nSubject: x\r\n\r\nno end",                            // no end of the last line
			"From: alice@corp.example\r\nSubject: folded\r\n over\r\n\tlines\r\n\r\nx\r\n",    //
			"From: alice@corp.example\r\nTo: b@x.example\r\nTo: c@x.example\r\n\r\ntwice\r\n", //
		} {
			mail := signed(t, s, raw)
			if !strings.HasPrefix(mail, "DKIM-Signature: ") {
				t.Fatalf("%s: not signed: %.200q", name, mail)
			}
			if err := verifies(t, mail, key); err != nil {
				t.Errorf("%s: %v\n%q", name, err, mail)
			}
			mails = append(mails, mail)
		}
		for i, verdict := range python(t, mails, key) {
			if verdict != "True" {
				t.Errorf("%s: dkimpy: %s\n%q", name, verdict, mails[i])
			}
		}
	}
}

func TestSignatureCoversWhatReadersSee(t *testing.T) {
	key := rsaKey(t)
	s, err := NewSigner(&Key{Selector: "s2026", Domains: []string{"corp.example"}, Private: key})
	if err != nil {
		t.Fatal(err)
	}
	mail := signed(t, s, awkward("dkim"))
	for what, changed := range map[string]string{
		"body":          strings.Replace(mail, "見積書を", "請求書を", 1),
		"subject":       strings.Replace(mail, "Subject: ", "Subject: Re: ", 1),
		"second From":   "From: boss@corp.example\r\n" + mail,
		"added Cc":      "Cc: other@evil.example\r\n" + mail,
		"content type":  strings.Replace(mail, "text/plain", "text/html", 1),
		"second type":   "Content-Type: text/html\r\n" + mail,
		"reply address": "Reply-To: other@evil.example\r\n" + mail,
	} {
		if changed == mail {
			t.Fatalf("%s: nothing changed", what)
		}
		if verifies(t, changed, key) == nil {
			t.Errorf("%s: a change is not noticed", what)
		}
	}
	for what, harmless := range map[string]string{
		"received": "Received: from a by b; Sat, 21 Nov 2026 10:00:00 +0900\r\n" + mail,
		"list":     "X-List: x\r\n" + mail,
	} {
		if err := verifies(t, harmless, key); err != nil {
			t.Errorf("%s breaks the signature: %v", what, err)
		}
	}
}

func TestOnlyOurDomainsAreSigned(t *testing.T) {
	key := rsaKey(t)
	s, err := NewSigner(&Key{Selector: "s2026", Domains: []string{"corp.example", "日本.example"}, Private: key})
	if err != nil {
		t.Fatal(err)
	}
	for raw, want := range map[string]string{
		"From: a@corp.example\r\n\r\nx\r\n":                                  "d=corp.example;",
		"From: a@CORP.example\r\n\r\nx\r\n":                                  "d=corp.example;",
		"From: =?UTF-8?B?6Iqx5a2Q?= <a@sub.corp.example>\r\n\r\nx\r\n":       "d=corp.example;",
		"From: \"Sato,\r\n Hanako\" <a@corp.example>\r\n\r\nx\r\n":           "d=corp.example;",
		"From: a@xn--wgv71a.example\r\n\r\nx\r\n":                            "d=xn--wgv71a.example;",
		"From: a@evilcorp.example\r\n\r\nx\r\n":                              "",
		"From: a@example\r\n\r\nx\r\n":                                       "",
		"From: a@other.example\r\n\r\nx\r\n":                                 "",
		"From: a@corp.example\r\nFrom: b@corp.example\r\n\r\nx\r\n":          "",
		"Subject: none\r\n\r\nFrom: a@corp.example\r\n":                      "",
		"From: a@corp.example\r\n":                                           "",
		"From: nobody\r\n\r\nx\r\n":                                          "",
		"From: a@corp.example\r\n" + strings.Repeat("X-A: a\r\n", 200_000):   "",
		"From: \x8d\xb2\x93\xa1 <a@corp.example>\r\nSubject: x\r\n\r\nx\r\n": "",
	} {
		mail := signed(t, s, raw)
		if got := strings.HasPrefix(mail, "DKIM-Signature: "); got != (want != "") || !strings.Contains(mail, want) {
			t.Errorf("%.80q: %.300q", raw, mail)
		}
		if !strings.HasSuffix(mail, raw) {
			t.Errorf("%.80q: other bytes", raw)
		}
	}
	// What was read at intake decides where the header is written strangely.
	if mail := signed(t, s, "From: \x8d\xb2\x93\xa1 <a@corp.example>\r\n\r\nx\r\n", "a@corp.example"); !strings.HasPrefix(mail, "DKIM-Signature: ") {
		t.Errorf("%q", mail)
	}
}

func TestKeyFilesOfEveryFormAreRead(t *testing.T) {
	key := rsaKey(t)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, raw := range map[string][]byte{
		"pkcs1": pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}),
		"pkcs8": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}),
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadKey("s2026", []string{"corp.example"}, path); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	broken := filepath.Join(dir, "broken")
	for _, raw := range []string{"", "no pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"} {
		if err := os.WriteFile(broken, []byte(raw), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadKey("s2026", []string{"corp.example"}, broken); err == nil {
			t.Errorf("%q was taken for a key", raw)
		}
	}
}

func TestSignedMailPassesThroughPostfix(t *testing.T) {
	p := testkit.Postfix(t)
	key := rsaKey(t)
	s, err := NewSigner(&Key{Selector: "s2026", Domains: []string{"corp.example"}, Private: key})
	if err != nil {
		t.Fatal(err)
	}
	r := relayToPostfix(t, p, func(o *Options) { o.DKIM = s })
	wantSent(t, r.Send(t.Context(), outgoing(awkward("signed"), "bob@other.example")))
	mail := p.Delivered(t, 1)[0]
	if err := verifies(t, string(mail), key); err != nil {
		t.Errorf("%v\n%s", err, mail)
	}
}

// endlessBody makes its bytes up, and watches the heap while they are read.
type endlessBody struct {
	size  int64
	base  uint64
	most  uint64
	reads int
}

const endlessHeader = "From: a@corp.example\r\n\r\n"

func (e *endlessBody) ReadAt(p []byte, off int64) (int, error) {
	if e.reads++; e.reads%200 == 0 {
		runtime.GC()
		var now runtime.MemStats
		runtime.ReadMemStats(&now)
		e.most = max(e.most, now.HeapAlloc-min(e.base, now.HeapAlloc))
	}
	for i := range p {
		switch at := off + int64(i); {
		case at >= e.size:
			return i, io.EOF
		case at < int64(len(endlessHeader)):
			p[i] = endlessHeader[at]
		case at%64 == 62:
			p[i] = '\r'
		case at%64 == 63:
			p[i] = '\n'
		default:
			p[i] = 'z'
		}
	}
	return len(p), nil
}

// Many workers with large mails must not need the memory of all of them.
func TestNoMailIsHeldInMemory(t *testing.T) {
	u, address := newUpstream(t, testkit.NewCertificate(t, "127.0.0.1"), false)
	u.discard = true
	s, err := NewSigner(&Key{Selector: "s2026", Domains: []string{"corp.example"}, Private: rsaKey(t)})
	if err != nil {
		t.Fatal(err)
	}
	r, err := New(Options{Hostname: "mail.corp.example", Routes: []Route{{Hosts: []Host{{Address: address, TLS: TLSNone}}}}, DKIM: s})
	if err != nil {
		t.Fatal(err)
	}
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	body := &endlessBody{size: 64 << 20, base: before.HeapAlloc}
	out := outgoing("", "bob@other.example")
	out.Body, out.Size = body, body.size
	wantSent(t, r.Send(t.Context(), out))
	if body.most > 8<<20 {
		t.Errorf("%d bytes were held for a mail of %d", body.most, body.size)
	}
	if body.reads < 3*64 {
		t.Errorf("only %d reads: the test saw nothing", body.reads)
	}
}
