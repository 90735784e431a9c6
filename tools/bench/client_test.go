//go:build bench

package bench

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
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// load is a number of messages of one size from a number of sessions at once.
type load struct {
	size, sessions, messages int
	to                       string // x@other.example when empty
	reuse                    bool   // many messages on one connection
}

func (l load) recipient() string {
	if l.to == "" {
		return "x@other.example"
	}
	return l.to
}

// source sends the load with Postfix's smtp-source and gives messages per second.
func source(t *testing.T, address string, l load) float64 {
	t.Helper()
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute) // smtp-source itself waits for ever
	defer cancel()
	args := []string{"-s", strconv.Itoa(l.sessions), "-m", strconv.Itoa(l.messages), "-l", strconv.Itoa(l.size), "-f", "app@corp.example", "-t", l.recipient()}
	if l.reuse {
		args = append(args, "-d")
	}
	out, err := exec.CommandContext(ctx, "smtp-source", append(args, address)...).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Fatalf("smtp-source to %s, %d octets, %d sessions: %v %s", address, l.size, l.sessions, err, out)
	}
	return float64(l.messages) / time.Since(began).Seconds()
}

// client is ours, for what smtp-source cannot do: measure each message, speak TLS, sign in.
type client struct {
	address        string
	tls            *tls.Config // STARTTLS before anything else
	user, password string
}

// run sends the load, one message per connection, and gives messages per second and each one's milliseconds from
// connecting to its 250.
func (c *client) run(t *testing.T, l load) (rate float64, times []float64) {
	t.Helper()
	body := text(l)
	times = make([]float64, l.messages)
	var next atomic.Int64
	var wg sync.WaitGroup
	var failed atomic.Pointer[error]
	began := time.Now()
	for range l.sessions {
		wg.Go(func() {
			for failed.Load() == nil {
				n := int(next.Add(1)) - 1
				if n >= l.messages {
					return
				}
				start := time.Now()
				if err := c.send(l, n, body); err != nil {
					failed.Store(&err)
					return
				}
				times[n] = float64(time.Since(start).Microseconds()) / 1000
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		t.Fatalf("client to %s: %v", c.address, *err)
	}
	return float64(l.messages) / time.Since(began).Seconds(), times
}

// text is the part that all messages have alike.
func text(l load) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "From: app@corp.example\r\nTo: %s\r\nSubject: bench\r\nDate: Sat, 21 Nov 2026 10:00:00 +0900\r\n\r\n", l.recipient())
	line := strings.Repeat("The quick brown fox jumps over the lazy dog. ", 2)[:76] + "\r\n"
	for b.Len() < l.size {
		b.WriteString(line)
	}
	return append(b.Bytes(), ".\r\n"...)
}

func (c *client) send(l load, n int, body []byte) error {
	conn, err := net.Dial("tcp", c.address)
	if err != nil {
		return err
	}
	defer func() { conn.Close() }()
	conn.SetDeadline(time.Now().Add(2 * time.Minute))
	s := &dialogue{conn: conn, in: bufio.NewReaderSize(conn, 1024)}
	s.want("", "220")
	s.want("EHLO bench.corp.example", "250")
	if c.tls != nil {
		s.want("STARTTLS", "220")
		secure := tls.Client(conn, c.tls)
		s.conn, s.in = secure, bufio.NewReaderSize(secure, 1024)
		conn = secure
		s.want("EHLO bench.corp.example", "250")
		s.want("AUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00"+c.user+"\x00"+c.password)), "235")
	}
	s.want("MAIL FROM:<app@corp.example>", "250")
	s.want("RCPT TO:<"+l.recipient()+">", "250")
	s.want("DATA", "354")
	if s.err == nil {
		_, s.err = s.conn.Write(append(fmt.Appendf(nil, "Message-ID: <%d.%d@bench>\r\n", time.Now().UnixNano(), n), body...))
	}
	s.want("", "250")
	if s.err == nil {
		fmt.Fprintf(s.conn, "QUIT\r\n")
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
