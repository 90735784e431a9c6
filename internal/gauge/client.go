// Package gauge measures mail servers from outside: a client that sends many messages and says how long each took, and
// a next hop that takes everything and counts it. `sekisho bench` and tools/bench share it, so that both measure alike.
package gauge

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// Load is a number of messages of one size from a number of sessions at once, one message per connection.
type Load struct {
	Size, Sessions, Messages int
	To                       string
}

// Client sends from app@corp.example.
type Client struct {
	Address        string
	TLS            *tls.Config // STARTTLS and AUTH PLAIN before anything else
	User, Password string
	Also           string // text at the head of every message
}

// Result is what a load has shown.
type Result struct {
	Rate  float64         // messages per second
	Times []time.Duration // from connecting to the 250, sorted
}

// Percentile is the time within which that part of the messages had their 250.
func (r Result) Percentile(p float64) time.Duration {
	if len(r.Times) == 0 {
		return 0
	}
	return r.Times[min(int(float64(len(r.Times))*p), len(r.Times)-1)]
}

// Run sends the load. The first message that is not taken ends it.
func (c *Client) Run(ctx context.Context, l Load) (Result, error) {
	body := c.text(l)
	r := Result{Times: make([]time.Duration, l.Messages)}
	var next atomic.Int64
	began := time.Now()
	g, ctx := errgroup.WithContext(ctx)
	for range l.Sessions {
		g.Go(func() error {
			for ctx.Err() == nil {
				n := int(next.Add(1)) - 1
				if n >= l.Messages {
					return nil
				}
				start := time.Now()
				if err := c.send(ctx, l, n, body); err != nil {
					return fmt.Errorf("send to %s: %w", c.Address, err)
				}
				r.Times[n] = time.Since(start)
			}
			return ctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return Result{}, err
	}
	r.Rate = float64(l.Messages) / time.Since(began).Seconds()
	slices.Sort(r.Times)
	return r, nil
}

// text is the part that all messages have alike.
func (c *Client) text(l Load) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "From: app@corp.example\r\nTo: %s\r\nSubject: bench\r\nDate: Sat, 21 Nov 2026 10:00:00 +0900\r\nMIME-Version: 1.0\r\n"+
		"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n%s", l.To, c.Also)
	line := strings.Repeat("The quick brown fox jumps over the lazy dog. ", 2)[:76] + "\r\n"
	for b.Len() < l.Size {
		b.WriteString(line)
	}
	return append(b.Bytes(), ".\r\n"...)
}

func (c *Client) send(ctx context.Context, l Load, n int, body []byte) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", c.Address)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(2 * time.Minute))
	s := &dialogue{conn: conn, in: bufio.NewReaderSize(conn, 1024)}
	s.want("", "220")
	s.want("EHLO bench.corp.example", "250")
	if c.TLS != nil {
		s.want("STARTTLS", "220")
		secure := tls.Client(conn, c.TLS)
		s.conn, s.in = secure, bufio.NewReaderSize(secure, 1024)
		s.want("EHLO bench.corp.example", "250")
		s.want("AUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00"+c.User+"\x00"+c.Password)), "235")
	}
	s.want("MAIL FROM:<app@corp.example>", "250")
	s.want("RCPT TO:<"+l.To+">", "250")
	s.want("DATA", "354")
	if s.err == nil {
		_, s.err = s.conn.Write(fmt.Appendf(nil, "Message-ID: <%d.%d@bench>\r\n", time.Now().UnixNano(), n))
	}
	if s.err == nil {
		_, s.err = s.conn.Write(body)
	}
	s.want("", "250")
	if s.err == nil {
		_, s.err = io.WriteString(s.conn, "QUIT\r\n")
	}
	return s.err
}

type dialogue struct {
	conn net.Conn
	in   *bufio.Reader
	err  error
}

// want sends a command and reads the answer to it.
func (d *dialogue) want(command, code string) {
	if d.err != nil {
		return
	}
	if command != "" {
		if _, d.err = io.WriteString(d.conn, command+"\r\n"); d.err != nil {
			return
		}
	}
	for {
		var line string
		if line, d.err = d.in.ReadString('\n'); d.err != nil {
			d.err = fmt.Errorf("after %q: %w", command, d.err)
			return
		}
		if len(line) < 4 || line[3] != '-' {
			if !strings.HasPrefix(line, code) {
				d.err = errors.New(strings.TrimSpace(line))
			}
			return
		}
	}
}
