package submission

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
	"github.com/sekisho-mail/sekisho/internal/seal"
	"golang.org/x/crypto/argon2"
)

const (
	alice    = mailaddr.Address("alice@corp.example")
	password = "correct horse"
)

// shelf keeps committed mails in memory.
type shelf struct {
	mu     sync.Mutex
	mails  []mail
	aborts int
	open   int

	failBegin, failWrite, failCommit error
	slow                             chan struct{} // Commit waits for it
}

type mail struct {
	holdqueue.Envelope
	id    string
	bytes []byte
}

func (s *shelf) begin(context.Context) (Draft, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failBegin != nil {
		return nil, s.failBegin
	}
	s.open++
	return &shelfDraft{s: s, id: db.NewID()}, nil
}

func (s *shelf) all() []mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]mail(nil), s.mails...)
}

// fail makes the store fail from now on.
func (s *shelf) fail(begin, write, commit error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failBegin, s.failWrite, s.failCommit = begin, write, commit
}

type shelfDraft struct {
	s    *shelf
	id   string
	buf  bytes.Buffer
	done bool
}

func (d *shelfDraft) ID() string { return d.id }
func (d *shelfDraft) Answered()  {}

func (d *shelfDraft) Write(p []byte) (int, error) {
	d.s.mu.Lock()
	defer d.s.mu.Unlock()
	if d.s.failWrite != nil {
		return 0, d.s.failWrite
	}
	return d.buf.Write(p)
}

func (d *shelfDraft) Commit(ctx context.Context, e holdqueue.Envelope) (string, error) {
	if d.s.slow != nil {
		select {
		case <-d.s.slow:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	d.s.mu.Lock()
	defer d.s.mu.Unlock()
	if d.s.failCommit != nil {
		return "", d.s.failCommit
	}
	d.done = true
	d.s.open--
	d.s.mails = append(d.s.mails, mail{e, d.id, d.buf.Bytes()})
	return d.id, nil
}

func (d *shelfDraft) Abort() {
	if d.done {
		return
	}
	d.done = true
	d.s.mu.Lock()
	defer d.s.mu.Unlock()
	d.s.open--
	d.s.aborts++
}

// book is a small people file.
type book struct {
	aliases map[mailaddr.Address]mailaddr.Address // alias to person
	sendAs  map[mailaddr.Address][]string
}

func (b book) Whose(a mailaddr.Address) (mailaddr.Address, bool) {
	p, ok := b.aliases[a.Key()]
	return p, ok
}

func (b book) MaySend(person, from mailaddr.Address) bool {
	if p, ok := b.Whose(from); ok && p.Key() == person.Key() {
		return true
	}
	for _, s := range b.sendAs[person.Key()] {
		if s == "*" || mailaddr.Address(s).Key() == from.Key() && from != "" {
			return true
		}
	}
	return false
}

func testPeople() book {
	return book{
		aliases: map[mailaddr.Address]mailaddr.Address{
			alice: alice, "a.sato@corp.example": alice,
			"bob@corp.example": "bob@corp.example", "robot@corp.example": "robot@corp.example",
		},
		sendAs: map[mailaddr.Address][]string{
			alice:                {"sales@corp.example"},
			"robot@corp.example": {"*"},
		},
	}
}

// cheapHash is an argon2id hash that costs a test nothing.
func cheapHash(password string) string {
	salt := []byte("0123456789abcdef")
	key := argon2.IDKey([]byte(password), salt, 1, 64, 1, 32)
	b := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=19$m=64,t=1,p=1$%s$%s", b.EncodeToString(salt), b.EncodeToString(key))
}

func writeUsers(t testing.TB, path string, users ...string) {
	t.Helper()
	var b strings.Builder
	b.WriteString("users:\n")
	for _, u := range users {
		fmt.Fprintf(&b, "  - {address: %s, password: %q}\n", u, cheapHash(password))
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

// certificate is made once for a test process; it is valid for localhost.
var certificate = sync.OnceValues(func() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	return selfSigned(key, 1)
})

func selfSigned(key *ecdsa.PrivateKey, serial int64) (tls.Certificate, error) {
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// caFile writes the certificate for clients that want to verify it.
func caFile(t testing.TB) string {
	t.Helper()
	cert, err := certificate()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// running is a server under test.
type running struct {
	t     testing.TB
	srv   *Server
	shelf *shelf
	log   *lockedBuffer
	stop  func() error
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

const sourceSecret = "0123456789abcdef0123456789abcdef"

// serve starts a server on free ports; change may alter the options.
func serve(t testing.TB, change ...func(*Options)) *running {
	t.Helper()
	cert, err := certificate()
	if err != nil {
		t.Fatal(err)
	}
	users := filepath.Join(t.TempDir(), "users.yaml")
	writeUsers(t, users, "alice@corp.example", "bob@corp.example", "robot@corp.example")
	r := &running{t: t, shelf: &shelf{}, log: &lockedBuffer{}}
	log := slog.New(slog.NewTextHandler(r.log, nil))
	u, err := OpenUsers(users, log)
	if err != nil {
		t.Fatal(err)
	}
	o := Options{
		Hostname: "mail.corp.example", Listen: []string{"127.0.0.1:0"}, ListenTLS: []string{"127.0.0.1:0"},
		Gateway: []string{"127.0.0.1:0"}, TLS: &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}},
		Verify: u.Verify, People: testPeople(), Keys: seal.NewTest(), Begin: r.shelf.begin, Zone: time.UTC, Log: log,
	}
	for _, c := range change {
		c(&o)
	}
	if r.srv, err = New(o); err != nil {
		t.Fatal(err)
	}
	if err := r.srv.Bind(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.srv.Run(ctx) }()
	r.stop = sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Error("server:", err)
		}
	})
	return r
}

// client speaks raw SMTP.
type client struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
}

func (r *running) dial(a []net.Addr) *client {
	r.t.Helper()
	conn, err := net.Dial("tcp", a[0].String())
	if err != nil {
		r.t.Fatal(err)
	}
	return r.talk(conn)
}

func (r *running) talk(conn net.Conn) *client {
	r.t.Helper()
	r.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	c := &client{r.t, conn, bufio.NewReader(conn)}
	c.want("220")
	return c
}

// plain is a connection to port 587 before STARTTLS, gateway one to port 25.
func (r *running) plain() *client   { return r.dial(r.srv.Addresses().Submission) }
func (r *running) gateway() *client { return r.dial(r.srv.Addresses().Gateway) }

// tls is a connection to port 465.
func (r *running) tls() *client {
	r.t.Helper()
	conn, err := tls.Dial("tcp", r.srv.Addresses().SubmissionTLS[0].String(), clientTLS())
	if err != nil {
		r.t.Fatal(err)
	}
	return r.talk(conn)
}

// signed is a connection that has signed in.
func (r *running) signed(user string) *client {
	r.t.Helper()
	c := r.tls()
	c.do("EHLO client.example", "250")
	c.do("AUTH PLAIN "+plainToken("", user, password), "235 2.7.0")
	return c
}

func clientTLS() *tls.Config { return &tls.Config{InsecureSkipVerify: true} }

func plainToken(authz, user, password string) string {
	return b64(authz + "\x00" + user + "\x00" + password)
}

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func (c *client) send(s string) {
	c.t.Helper()
	if _, err := c.conn.Write([]byte(s)); err != nil {
		c.t.Fatal("write:", err)
	}
}

// reply reads one reply, all its lines.
func (c *client) reply() (string, error) {
	var all strings.Builder
	for {
		l, err := c.r.ReadString('\n')
		all.WriteString(l)
		if err != nil {
			return all.String(), err
		}
		if len(l) < 4 || l[3] != '-' {
			return strings.TrimRight(all.String(), "\r\n"), nil
		}
	}
}

func (c *client) want(prefix string) string {
	c.t.Helper()
	got, err := c.reply()
	if err != nil {
		c.t.Fatalf("want %q, got %q and %v", prefix, got, err)
	}
	if !strings.HasPrefix(got, prefix) {
		c.t.Fatalf("want %q, got %q", prefix, got)
	}
	return got
}

func (c *client) do(command, prefix string) string {
	c.t.Helper()
	c.send(command + "\r\n")
	got, err := c.reply()
	if err != nil {
		c.t.Fatalf("%s: want %q, got %q and %v", cut(command), prefix, got, err)
	}
	if !strings.HasPrefix(got, prefix) {
		c.t.Fatalf("%s: want %q, got %q", cut(command), prefix, got)
	}
	return got
}

func cut(s string) string { return s[:min(len(s), 80)] }

// closed waits for the server to close the connection.
func (c *client) closed() {
	c.t.Helper()
	for {
		l, err := c.r.ReadString('\n')
		if err == nil {
			c.t.Logf("before the end: %q", l)
			continue
		}
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			c.t.Fatal("the connection is still open")
		}
		return
	}
}

// begin starts a mail of alice's.
func (c *client) begin(recipients ...string) {
	c.t.Helper()
	c.do("MAIL FROM:<alice@corp.example>", "250 2.1.0")
	for _, to := range recipients {
		c.do("RCPT TO:<"+to+">", "250 2.1.5")
	}
}

const someMail = "From: alice@corp.example\r\nTo: b@other.example\r\nSubject: hello\r\n" +
	"Date: Fri, 21 Nov 2025 10:00:00 +0900\r\nMessage-ID: <1@corp.example>\r\n\r\nHello\r\n"

// mail sends a whole message and returns the id of the 250.
func (c *client) mail(text string) string {
	c.t.Helper()
	c.begin("b@other.example")
	return c.data(text)
}

func (c *client) data(text string) string {
	c.t.Helper()
	c.do("DATA", "354")
	got := c.do(stuff(text)+".", "250 2.0.0 Ok: queued as ")
	return strings.TrimPrefix(got, "250 2.0.0 Ok: queued as ")
}

// stuff doubles the dots at the beginning of lines.
func stuff(text string) string {
	text = strings.ReplaceAll(text, "\r\n.", "\r\n..")
	if strings.HasPrefix(text, ".") {
		text = "." + text
	}
	return text
}

// only is the one mail that must have been stored.
func (s *shelf) only(t testing.TB) mail {
	t.Helper()
	all := s.all()
	if len(all) != 1 {
		t.Fatalf("%d mails stored, want 1", len(all))
	}
	return all[0]
}

// below is a stored mail without the block we put in front.
func (m mail) below(t testing.TB, original string) string {
	t.Helper()
	i := len(m.bytes) - len(original)
	if i < 0 || !bytes.HasPrefix(m.bytes, []byte("Received: ")) {
		t.Fatalf("stored mail is not the original below a Received field:\n%s", m.bytes)
	}
	return string(m.bytes[i:])
}

// upgrade turns the client's connection into TLS after a 220.
func upgrade(c *client) *client {
	c.t.Helper()
	conn := tls.Client(c.conn, clientTLS())
	if err := conn.Handshake(); err != nil {
		c.t.Fatal(err)
	}
	return &client{c.t, conn, bufio.NewReader(conn)}
}

// rawPlain is a connection to port 587 whose greeting has not been read.
func (r *running) rawPlain() *client { return r.raw(r.srv.Addresses().Submission[0]) }

func (r *running) raw(a net.Addr) *client {
	r.t.Helper()
	conn, err := net.Dial("tcp", a.String())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	return &client{r.t, conn, bufio.NewReader(conn)}
}
