package submission

import (
	"bufio"
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/db/dbtest"
	"github.com/sekisho-mail/sekisho/internal/seal"
)

// queued is a mail of alice's with its own Message-ID, on a connection of its own.
func (r *running) identified(messageID string) (c *client, text string) {
	c = r.gateway()
	c.do("EHLO app.corp.example", "250")
	c.begin("b@other.example")
	c.do("DATA", "354")
	return c, "Message-ID: <" + messageID + ">\r\n" + someMail + ".\r\n"
}

func idOf(reply string) string { return reply[strings.LastIndex(reply, " ")+1:] }

// eachDoubt runs body against a server in front of a real queue whose loop runs.
func eachDoubt(t *testing.T, body func(t *testing.T, r *running, q *holdqueue.Queue)) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		q := queueOn(t, d, seal.NewTest(), t.TempDir())
		q.Inspect = func(_ context.Context, m *holdqueue.Message, _ holdqueue.Body) (holdqueue.Inspection, error) {
			return holdqueue.Inspection{Decisions: []holdqueue.Decision{{Action: holdqueue.ActionHold}}}, nil
		}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error)
		go func() { ended <- q.Run(ctx) }()
		t.Cleanup(func() {
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
		body(t, serve(t, func(o *Options) {
			o.Begin = func(ctx context.Context) (Draft, error) { return q.Begin(ctx) }
			o.Sources = []Source{{Name: "app", Networks: loopback(), Senders: []string{"corp.example"}, Owner: it}}
		}), q)
	})
}

// stored waits until n mails are there and gives their ids, the newest first.
func stored(t *testing.T, q *holdqueue.Queue, n int) (ids []string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		page, _, err := q.List(t.Context(), holdqueue.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		if len(page) >= n {
			for _, m := range page {
				ids = append(ids, m.ID)
			}
			return ids
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d mails stored, want %d", len(page), n)
		}
	}
}

func TestClientCutOffBeforeItsAnswerMaySendAgain(t *testing.T) {
	eachDoubt(t, func(t *testing.T, r *running, q *holdqueue.Queue) {
		for n, cut := range map[string]func(net.Conn){
			"closed in good order": func(c net.Conn) { c.Close() },
			"broken off":           func(c net.Conn) { c.(*net.TCPConn).SetLinger(0); time.Sleep(100 * time.Millisecond); c.Close() },
		} {
			before := len(stored(t, q, 0))
			c, text := r.identified(strings.ReplaceAll(n, " ", "."))
			c.send(text)
			cut(c.conn) // with the 250 on its way
			first := stored(t, q, before+1)[0]
			for range 2 { // and once more, because this 250 may be lost, too
				again, text := r.identified(strings.ReplaceAll(n, " ", "."))
				again.send(text)
				if got := idOf(again.want("250")); got != first {
					t.Errorf("%s: the resend became %s beside %s", n, got, first)
				}
				again.conn.(*net.TCPConn).SetLinger(0)
				again.conn.Close()
			}
			if got := len(stored(t, q, 0)); got != before+1 {
				t.Errorf("%s: %d mails of one", n, got-before)
			}
		}
	})
}

func TestSameMailTwiceOnPurposeIsTwoMails(t *testing.T) {
	for name, leave := range map[string]func(c *client){
		"quits":                     func(c *client) { c.do("QUIT", "221") },
		"goes on":                   func(c *client) { c.do("NOOP", "250") },
		"hangs up after it is told": func(c *client) { c.conn.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			eachDoubt(t, func(t *testing.T, r *running, q *holdqueue.Queue) {
				c, text := r.identified("twice@corp.example")
				c.send(text)
				first := idOf(c.want("250"))
				leave(c)
				if name == "hangs up after it is told" {
					r.alone(t) // the server has seen that
				}
				again, _ := r.identified("twice@corp.example")
				again.send(text)
				if second := idOf(again.want("250")); second == first {
					t.Error("the second mail was taken for a resend of the first, which the client had been told of")
				}
				stored(t, q, 2)
			})
		})
	}
}

// alone waits until no client is connected.
func (r *running) alone(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		r.srv.mu.Lock()
		n := len(r.srv.wires)
		r.srv.mu.Unlock()
		if n == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d connections are still open", n)
		}
	}
}

func TestAnswerInTheClientsHandsOnlyWhenReadIsStillInDoubt(t *testing.T) {
	eachDoubt(t, func(t *testing.T, r *running, q *holdqueue.Queue) {
		c, text := r.identified("unread@corp.example")
		c.send(text)
		// The 250 is in the client's machine, and the program dies without having read it.
		if _, err := bufio.NewReaderSize(c.conn, 1).Peek(1); err != nil {
			t.Fatal(err)
		}
		c.conn.Close()
		first := stored(t, q, 1)[0]
		again, _ := r.identified("unread@corp.example")
		again.send(text)
		if got := idOf(again.want("250")); got != first {
			t.Error("the resend of a mail whose answer nobody read was taken as another mail")
		}
	})
}
