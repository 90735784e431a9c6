package relay

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/internal/testkit"
)

// How Postfix refuses, delays and protects: the next hop that most companies have.

// greylist is a policy service for Postfix that refuses each sender and recipient once.
func greylist(t *testing.T) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	seen := map[string]bool{}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer conn.Close()
				recipient := ""
				for lines := bufio.NewScanner(conn); lines.Scan(); {
					if name, value, _ := strings.Cut(lines.Text(), "="); name == "recipient" {
						recipient = value
					}
					if lines.Text() != "" {
						continue
					}
					mu.Lock()
					action := "DUNNO"
					if strings.HasPrefix(recipient, "grey") && !seen[recipient] {
						action, seen[recipient] = "DEFER_IF_PERMIT Greylisted, try again", true
					}
					mu.Unlock()
					fmt.Fprintf(conn, "action=%s\n\n", action)
				}
			})
		}
	})
	t.Cleanup(func() { listener.Close() }) // Postfix closes its own connections when it stops
	return listener.Addr().String()
}

// issued writes a certificate for 127.0.0.1 that ends at a time, signed by itself, as two files of Postfix.
func issued(t *testing.T, name string, ends time.Time) (cert, key string, pool *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: ends.Add(-1000 * time.Hour),
		NotAfter: ends, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "c.pem"), filepath.Join(dir, "k.pem")
	raw := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(raw)
	for path, text := range map[string][]byte{cert: raw, key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key, pool
}

// tables writes what Postfix looks addresses and headers up in, where its own user can read it.
func tables(t *testing.T) (access, header string) {
	t.Helper()
	dir := t.TempDir()
	access, header = filepath.Join(dir, "access"), filepath.Join(dir, "header")
	for path, text := range map[string]string{
		access: "/^busy/ 450 4.2.1 mailbox busy\n/^full/ 552 5.2.2 over quota\n/^never/ 550 5.7.1 not here\n/^plain/ 450 later\n",
		header: "/^X-Forbidden:/ REJECT 5.7.1 no such mail\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for ; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return access, header
}

// TestPostfixMisbehaves is one Postfix with many doors, because starting one takes seconds.
func TestPostfixMisbehaves(t *testing.T) {
	access, header := tables(t)
	oldCert, oldKey, oldPool := issued(t, "old", time.Now().Add(-time.Hour))
	selfCert, selfKey, _ := issued(t, "self", time.Now().Add(time.Hour))
	client, clientKey, _ := issued(t, "first client", time.Now().Add(time.Hour))
	client2, clientKey2, _ := issued(t, "second client", time.Now().Add(time.Hour))
	clients := filepath.Join(t.TempDir(), "clients.pem")
	one, _ := os.ReadFile(client)
	two, _ := os.ReadFile(client2)
	if err := os.WriteFile(clients, append(one, two...), 0o644); err != nil {
		t.Fatal(err)
	}
	p := testkit.Postfix(t, "header_checks = regexp:"+header,
		"@strict {smtpd_recipient_restrictions = check_recipient_access regexp:"+access+", reject_unlisted_recipient, check_policy_service inet:"+greylist(t)+", permit_mynetworks, reject}",
		"@few {smtpd_recipient_limit = 20} {smtpd_recipient_overshoot_limit = 100}",
		"@slow {smtpd_client_restrictions = sleep 1} {smtpd_delay_reject = no} {smtpd_recipient_restrictions = sleep 1, permit_mynetworks, reject}",
		"@expired {smtpd_tls_cert_file = "+oldCert+"} {smtpd_tls_key_file = "+oldKey+"}",
		"@selfsigned {smtpd_tls_cert_file = "+selfCert+"} {smtpd_tls_key_file = "+selfKey+"}",
		"@clear {smtpd_tls_security_level = none}",
		"@mutual {smtpd_tls_security_level = encrypt} {smtpd_tls_req_ccert = yes} {smtpd_tls_CAfile = "+clients+"} {smtpd_tls_received_header = yes}")
	door := func(name string, change ...func(*Options)) *Relay {
		return relayToPostfix(t, p, append([]func(*Options){func(o *Options) { only(o).Address = p.Doors[name] }}, change...)...)
	}

	t.Run("each recipient for itself", func(t *testing.T) {
		r := door("strict")
		to := []string{"a@x.example", "grey@x.example", "busy@x.example", "full@x.example", "never@x.example", "unknown@x.example", "plain@x.example"}
		want := []string{"sent", "temporary 450 4.7.1", "temporary 450 4.2.1", "permanent 552 5.2.2", "permanent 550 5.7.1", "permanent 550 5.1.1", "temporary 450 4.7.1"}
		if got := outcomes(r.Send(t.Context(), outgoing(awkward("first"), to...))); !slices.Equal(got, want) {
			t.Errorf("%q\nwant %q", got, want)
		}
		if got := outcomes(r.Send(t.Context(), outgoing(awkward("second"), "grey@x.example"))); got[0] != "sent" {
			t.Errorf("after greylisting: %s", got[0])
		}
	})
	t.Run("refused by its content", func(t *testing.T) {
		got := outcomes(relayToPostfix(t, p).Send(t.Context(), outgoing("X-Forbidden: 1\r\n"+plainMail, "a@x.example", "b@x.example")))
		if !slices.Equal(got, []string{"permanent 550 5.7.1", "permanent 550 5.7.1"}) {
			t.Errorf("%q", got)
		}
	})
	t.Run("few recipients a mail", func(t *testing.T) {
		var to []string
		for i := range 70 {
			to = append(to, fmt.Sprintf("r%d@x.example", i))
		}
		wantSent(t, door("few").Send(t.Context(), outgoing(plainMail, to...)))
		if n := strings.Count(p.Log(), "nrcpt=20 "); n != 3 {
			t.Errorf("%d transactions with 20 recipients", n)
		}
	})
	t.Run("a tarpit costs time and no attempt", func(t *testing.T) {
		start := time.Now()
		wantSent(t, door("slow").Send(t.Context(), outgoing(plainMail, "a@x.example")))
		if time.Since(start) < 2*time.Second {
			t.Error("Postfix was not slow")
		}
		impatient := door("slow", func(o *Options) { o.Timeouts.Command = 300 * time.Millisecond })
		if got := outcome(impatient.Send(t.Context(), outgoing(plainMail, "a@x.example"))[0]); got != "temporary 0 4.4.1" {
			t.Error(got)
		}
	})
	for name, want := range map[string]string{"expired": "expired", "selfsigned": "unknown authority", "clear": "no STARTTLS"} {
		t.Run("wrong TLS: "+name, func(t *testing.T) {
			before := strings.Count(p.Log(), "client=")
			r := door(name, func(o *Options) { only(o).Roots = oldPool })
			result := r.Send(t.Context(), outgoing(plainMail, "a@x.example"))[0]
			if outcome(result) != "temporary 0 4.7.5" || !strings.Contains(result.Err.Text, want) {
				t.Errorf("%v", result.Err)
			}
			if strings.Count(p.Log(), "client=") != before {
				t.Error("a transaction was begun")
			}
		})
	}
	t.Run("our certificate, and the renewed one", func(t *testing.T) {
		pair := [2]string{client, clientKey}
		r := door("mutual", func(o *Options) {
			only(o).Certificate = func() (*tls.Certificate, error) {
				c, err := tls.LoadX509KeyPair(pair[0], pair[1])
				return &c, err
			}
		})
		wantSent(t, r.Send(t.Context(), outgoing(plainMail, "client@x.example")))
		pair = [2]string{client2, clientKey2}
		r.closeIdle(time.Time{})
		wantSent(t, r.Send(t.Context(), outgoing(plainMail, "client@x.example")))
		p.Await(t, "both mails", func(mails [][]byte) bool {
			all := string(bytes.Join(mails, nil))
			return strings.Contains(all, `Client CN "first client"`) && strings.Contains(all, `Client CN "second client"`)
		})
		if got := outcome(door("mutual").Send(t.Context(), outgoing(plainMail, "a@x.example"))[0]); !strings.HasPrefix(got, "temporary") {
			t.Errorf("without a certificate: %s", got)
		}
	})
	t.Run("the sender's wishes for reports", func(t *testing.T) {
		out := outgoing(plainMail, "a@x.example", "b@x.example")
		out.Message.Meta.Ret, out.Message.Meta.EnvID = "HDRS", "order+42=x"
		out.Recipients[0].Notify, out.Recipients[0].ORcpt = "SUCCESS,FAILURE", "rfc822;alias+a@x.example"
		results := relayToPostfix(t, p).Send(t.Context(), out)
		wantSent(t, results)
		if !results[0].DSNPassed {
			t.Error("the duty to report was not passed on")
		}
		p.Await(t, "Postfix's report", func(mails [][]byte) bool {
			return slices.ContainsFunc(mails, func(mail []byte) bool {
				return bytes.Contains(mail, []byte("Original-Envelope-Id: order+42=x")) && bytes.Contains(mail, []byte("Original-Recipient: rfc822;alias+a@x.example")) &&
					bytes.Contains(mail, []byte("Action: delivered"))
			})
		})
	})
	t.Run("dies in DATA, and another takes over", func(t *testing.T) {
		first := testkit.Postfix(t, "smtpd_data_restrictions = sleep 2")
		roots := first.Roots.Clone()
		roots.AddCert(p.Authority)
		r := relayToPostfix(t, first, func(o *Options) {
			o.Routes[0].Hosts = []Host{{Address: first.Address, Roots: roots, Weight: 1}, {Address: p.Address, Roots: roots}}
		})
		done := make(chan []string)
		go func() {
			done <- outcomes(r.Send(t.Context(), outgoing(awkward("takeover"), "a@x.example", "b@x.example")))
		}()
		for deadline := time.Now().Add(20 * time.Second); !strings.Contains(first.Log(), "client="); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("no mail came\n%s", first.Log())
			}
		}
		first.Kill(t)
		if got := <-done; !slices.Equal(got, []string{"sent", "sent"}) {
			t.Errorf("%q", got)
		}
		p.Await(t, "the mail", func(mails [][]byte) bool { return bytes.Contains(bytes.Join(mails, nil), []byte("X-Marker: takeover")) })
	})
}
