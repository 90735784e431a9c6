package submission

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	netmail "net/mail"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
	"github.com/sekisho-mail/sekisho/internal/message"
)

func FuzzPath(f *testing.F) {
	for _, s := range []string{"FROM:<a@b.example> SIZE=1", "TO:a@b.example", `TO:<"a b"@c.example>`, "FROM:<>",
		`TO:<"v@evil> NOTIFY=NEVER"@in.example>`, "FROM:<@a,@b:c@d.example>", "TO: <鈴木@会社.example>"} {
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, s string, utf8OK bool) {
		if !plainText(s) {
			return
		}
		for _, keyword := range []string{"FROM:", "TO:"} {
			p, err := parsePath(s, keyword, utf8OK)
			if err != nil {
				if r := pathReply(err, keyword); r.Code < 500 || r.Code > 559 {
					t.Fatalf("%v is answered with %d", err, r.Code)
				}
				continue
			}
			again, err := mailaddr.Parse(string(p.address), true)
			if p.address != "" && (err != nil || again != p.address) {
				t.Fatalf("%q does not read back", p.address)
			}
			if !utf8OK && !p.address.IsASCII() {
				t.Fatalf("%q without SMTPUTF8", p.address)
			}
			parseParams(p.params)
		}
	})
}

func FuzzChunkCommand(f *testing.F) {
	f.Add("10 LAST")
	f.Fuzz(func(t *testing.T, s string) {
		if c, ok := parseChunk(s); ok && (c.size < 0 || c.size >= 1<<31) {
			t.Fatalf("%q gives %d", s, c.size)
		}
	})
}

// FuzzAuthors compares our reading of From with another one: where both read it, they must see the same people.
func FuzzAuthors(f *testing.F) {
	for _, s := range []string{"a@b.example", "A <a@b.example>, c@d.example", `"x, <y@z>" <a@b.example>`, "g: a@b.example;",
		"a@b.example (c <d@e>)", "<x@y.example> <a@b.example>", "=?utf-8?q?a=40b?= <c@d.example>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ours, err := certain(message.Unfold([]byte(s)))
		if err != nil {
			return
		}
		theirs, err := netmail.ParseAddressList(s)
		if err != nil {
			return
		}
		var want []mailaddr.Address
		for _, a := range theirs {
			want = append(want, mailaddr.Address(a.Address).Key())
		}
		for i, a := range ours {
			ours[i] = mailaddr.Address(strings.ReplaceAll(strings.ReplaceAll(string(a.Key()), `"`, ""), `\`, ""))
		}
		for i, a := range want {
			want[i] = mailaddr.Address(strings.ReplaceAll(strings.ReplaceAll(string(a), `"`, ""), `\`, ""))
		}
		if !slices.Equal(ours, want) {
			t.Fatalf("%q: we see %q, another reader %q", s, ours, want)
		}
	})
}

func FuzzHeader(f *testing.F) {
	for _, s := range []string{"From: a@b.example\r\nBcc: c@d.example\r\n\r\n", "bcc:x\r\n y\r\nbcc :z\r\n\r\n", "From x\r\nA: b\r\njunk\r\n z\r\nBcc: q\r\n\r\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if end := headerEnd(raw, 0); end >= 0 {
			raw = raw[:end]
		}
		if new(checker).write(raw) != nil {
			return
		}
		h, err := newHeader(raw, nil)
		if err != nil {
			return
		}
		h.readAuthors()
		h.automatic()
		h.messageID()
		var out bytes.Buffer
		if err := h.without(&out, hidden()); err != nil {
			t.Fatal(err)
		}
		left := message.Header(out.Bytes())
		if len(left.All("Bcc"))+len(left.All("Resent-Bcc")) > 0 {
			t.Fatalf("Bcc is left in %q", out.Bytes())
		}
		if !isSubsequence(out.Bytes(), raw) {
			t.Fatalf("%q became %q", raw, out.Bytes())
		}
	})
}

func isSubsequence(part, whole []byte) bool {
	for _, c := range part {
		i := bytes.IndexByte(whole, c)
		if i < 0 {
			return false
		}
		whole = whole[i+1:]
	}
	return true
}

func FuzzSASL(f *testing.F) {
	f.Add([]byte("\x00a@b.example\x00secret"), []byte("x"))
	f.Add([]byte("a@b.example"), []byte(""))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		calls := 0
		verify := func(user, password string) error { calls++; return badCredentials() }
		for _, m := range []sasl.Server{strict{newPlain(verify)}, strict{&login{verify: verify}}} {
			calls = 0
			for _, response := range [][]byte{nil, first, second, second} {
				if _, done, err := m.Next(response); err != nil {
					var r *smtp.SMTPError
					if !errors.As(err, &r) {
						t.Fatalf("no reply for %v", err)
					}
					break
				} else if done {
					t.Fatal("signed in")
				}
			}
			if calls > 1 {
				t.Fatalf("%d passwords tried", calls)
			}
		}
	})
}

func FuzzHash(f *testing.F) {
	f.Add(cheapHash("x"))
	f.Add("$2a$04$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy")
	f.Fuzz(func(t *testing.T, s string) {
		if h, err := parseHash(s); err == nil && h.bcrypt == nil && h.cost.memory > maxArgonMemory {
			t.Fatalf("%q costs too much", s)
		}
	})
}

// script is a connection whose client has sent everything at once.
type script struct {
	net.Conn
	in  io.Reader
	out *bytes.Buffer
}

func (s *script) Read(p []byte) (int, error)       { return s.in.Read(p) }
func (s *script) Write(p []byte) (int, error)      { return s.out.Write(p) }
func (s *script) Close() error                     { return nil }
func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }
func (s *script) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }
func (s *script) LocalAddr() net.Addr              { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 25} }

// once gives one connection and then waits for the end.
type once struct {
	conn net.Conn
	end  chan struct{}
}

func (o *once) Accept() (net.Conn, error) {
	if c := o.conn; c != nil {
		o.conn = nil
		return c, nil
	}
	<-o.end
	return nil, net.ErrClosed
}
func (o *once) Close() error   { return nil }
func (o *once) Addr() net.Addr { return &net.TCPAddr{} }

// FuzzConversation sends anything at all to the gateway port: nothing panics, every 250 stands for one stored mail,
// and no stored mail holds what two servers could read differently.
func FuzzConversation(f *testing.F) {
	const begin = "EHLO x\r\nMAIL FROM:<a@corp.example>\r\nRCPT TO:<b@other.example>\r\n"
	const text = "From: a@corp.example\r\n\r\nx\r\n"
	f.Add([]byte(begin + "DATA\r\n" + text + ".\r\nQUIT\r\n"))
	f.Add([]byte(begin + "BDAT 10\r\n" + text[:10] + "RSET\r\n" + begin + "BDAT 27 LAST\r\n" + text))
	f.Add([]byte(begin + "DATA\r\n"))
	f.Add([]byte(begin + "DATA\r\nFrom: a@corp.example\r\n\r\nx\n.\r\nMAIL FROM:<c@corp.example>\r\n"))
	f.Add([]byte(begin + "DATA\r\n.\rx\r\n.\r\n" + begin + "BDAT 5\r\nabc\r\nNOOP\r\nQUIT\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		store := &shelf{}
		srv, err := New(Options{Hostname: "mail.corp.example", Begin: store.begin, People: book{}, TLS: &tls.Config{},
			Sources: []Source{{Name: "s", Networks: loopback(), Senders: []string{"corp.example"}, Owner: it}}})
		if err != nil {
			t.Fatal(err)
		}
		conn := &script{in: bytes.NewReader(in), out: &bytes.Buffer{}}
		w := newWire(srv, portGateway, conn, remoteOf(conn))
		if r := srv.arrived(w); r != nil {
			t.Fatal(r)
		}
		end := make(chan struct{})
		done := make(chan error, 1)
		go func() { done <- srv.smtp.Serve(&once{w, end}) }()
		srv.mu.Lock()
		for len(srv.wires) > 0 {
			srv.empty.Wait()
		}
		srv.mu.Unlock()
		close(end)
		<-done
		said := strings.Count(conn.out.String(), "250 2.0.0 Ok: queued as ")
		if said != len(store.mails) || store.open != 0 {
			t.Fatalf("%d times 250, %d stored, %d open\n%s", said, len(store.mails), store.open, conn.out)
		}
		if strings.Contains(conn.out.String(), "421 4.3.0") {
			t.Fatalf("a panic:\n%s", conn.out)
		}
		for _, m := range store.mails {
			var c checker
			if r := c.write(m.bytes); r != nil || c.end() != nil {
				t.Fatalf("stored %q", m.bytes)
			}
		}
	})
}
