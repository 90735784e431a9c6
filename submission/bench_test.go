package submission

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/db"
)

// nowhere is a draft that throws everything away, so that what is measured is the way from the socket to it.
type nowhere struct{}

func (nowhere) ID() string                  { return db.NewID() }
func (nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (nowhere) Abort()                      {}
func (nowhere) Answered()                   {}
func (nowhere) Commit(context.Context, holdqueue.Envelope) (string, error) {
	return "id", nil
}

// BenchmarkAccept sends mails over one connection without TLS, as Exchange or a printer would.
func BenchmarkAccept(b *testing.B) {
	for _, size := range []int{4 << 10, 100 << 10, 10 << 20} {
		b.Run(fmt.Sprintf("%dK", size>>10), func(b *testing.B) { benchmarkAccept(b, size) })
	}
}

func benchmarkAccept(b *testing.B, size int) {
	r := serve(b, func(o *Options) {
		o.Begin = func(context.Context) (Draft, error) { return nowhere{}, nil }
		o.Sources = []Source{{Name: "bench", Networks: loopback(), Senders: []string{"corp.example"}, Owner: it}}
		o.Limits.RecipientsPer10Minutes, o.Limits.RecipientsPerDay = 1<<30, 1<<30
		o.TLS, o.Listen, o.ListenTLS = &tls.Config{}, nil, nil
	})
	conn, err := net.Dial("tcp", r.srv.Addresses().Gateway[0].String())
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	expect := func(n int) {
		for range n {
			l, err := in.ReadString('\n')
			if err != nil || l[0] > '3' {
				b.Fatalf("%q, %v", l, err)
			}
			if l[3] == '-' {
				n++
			}
		}
	}
	expect(1)
	io.WriteString(conn, "HELO bench\r\n")
	expect(1)
	line := strings.Repeat("x", 76) + "\r\n"
	text := []byte(someMail + strings.Repeat(line, size/len(line)) + ".\r\n")
	begin := "MAIL FROM:<alice@corp.example>\r\nRCPT TO:<b@other.example>\r\nDATA\r\n"
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		io.WriteString(conn, begin)
		expect(3)
		conn.Write(text)
		expect(1)
	}
}
