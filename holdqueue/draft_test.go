package holdqueue

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/db/dbtest"
)

// TestCommitWhoseAnswerIsLostIsNoLostMail: PostgreSQL has committed and the connection breaks before it can say so.
func TestCommitWhoseAnswerIsLostIsNoLostMail(t *testing.T) {
	h, p := mutedHouse(t)
	for _, body := range []string{"S: small\r\n\r\n", "S: large\r\n\r\n" + strings.Repeat("long\r\n", 100_000)} {
		p.armed.Store(true)
		id, err := h.trySubmit(body, "a@o.example")
		if p.armed.Load() {
			t.Fatal("no COMMIT was seen")
		}
		if err != nil {
			t.Fatalf("%d octets: %v, and the mail is in the queue", len(body), err)
		}
		m, err := h.Get(t.Context(), id)
		must(t, err)
		b, err := h.Open(t.Context(), m)
		if err != nil {
			t.Fatalf("%d octets: %v", len(body), err)
		}
		got, err := io.ReadAll(io.NewSectionReader(b, 0, b.Size()))
		b.Close()
		if err != nil || string(got) != body {
			t.Errorf("%d octets came out of %d, %v", len(got), len(body), err)
		}
	}
}

// TestOutcomeWhoseCommitIsLostIsRecordedOnce: the same at the end of an attempt.
func TestOutcomeWhoseCommitIsLostIsRecordedOnce(t *testing.T) {
	h, p := mutedHouse(t)
	sent := make(chan struct{}, 9)
	h.answer = func(out *Outgoing) []Result {
		must(t, out.BeforeDot(t.Context(), out.Recipients))
		sent <- struct{}{}
		p.armed.Store(true)
		return []Result{{Reply: "250 2.0.0 queued as 4XYZ"}}
	}
	h.run()
	id := h.submit("S: x\r\n\r\n", "a@o.example")
	h.becomes(id, "sent")
	h.eventually("the work is done", func() bool {
		var n int64
		must(t, h.db.Read(t.Context(), func(tx *db.Tx) error {
			return tx.QueryRow(`SELECT count(*) FROM work WHERE kind = $1 AND ref = $2`, kindSend, id).Scan(&n)
		}))
		return n == 0
	})
	if p.armed.Load() || len(sent) != 1 {
		t.Errorf("the commit was heard (%v), or the mail sent %d times", p.armed.Load(), len(sent))
	}
}

func mutedHouse(t *testing.T) (*house, *mute) {
	address, err := url.Parse(dbtest.PostgresURL(t))
	must(t, err)
	p := &mute{t: t, to: address.Host}
	address.Host = p.listen()
	h := &house{t: t}
	h.db, err = db.Open(t.Context(), address.String())
	must(t, err)
	t.Cleanup(func() { h.db.Close() })
	h.build(t.TempDir())
	return h, p
}

// mute passes bytes on to a database; armed, it keeps the answer to the next COMMIT to itself and hangs up.
type mute struct {
	t     *testing.T
	to    string
	armed atomic.Bool
}

func (m *mute) listen() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(m.t, err)
	m.t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go m.pass(c)
		}
	}()
	return l.Addr().String()
}

func (m *mute) pass(client net.Conn) {
	defer client.Close()
	server, err := new(net.Dialer).DialContext(context.Background(), "tcp", m.to)
	if err != nil {
		return
	}
	defer server.Close()
	var silent atomic.Bool
	go func() {
		defer client.Close()
		block := make([]byte, 32<<10)
		for {
			n, err := server.Read(block)
			if err != nil || silent.Load() {
				return
			}
			if _, err := client.Write(block[:n]); err != nil {
				return
			}
		}
	}()
	block := make([]byte, 32<<10)
	for {
		n, err := client.Read(block)
		if err != nil {
			return
		}
		if bytes.Contains(bytes.ToLower(block[:n]), []byte("commit\x00")) && m.armed.CompareAndSwap(true, false) {
			silent.Store(true)
		}
		if _, err := server.Write(block[:n]); err != nil {
			return
		}
	}
}
