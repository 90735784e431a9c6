package relay

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// hop is a next hop that misbehaves as told. It speaks to real sockets; what a well-behaved server does is
// tested against Postfix.
type hop struct {
	at     string   // where it listens; "" is any port of 127.0.0.1
	name   string   // in the answer to EHLO; "" is hop.example
	offers []string // beyond the greeting of EHLO
	pair   *tls.Certificate
	// say gives the answer to a command line, or to the places GREETING, STARTTLS2 (the handshake), BODY (after
	// 354, before reading) and DOT. "" is the usual answer. "drop" closes the connection, "stall" says nothing.
	say func(place string) string

	listener net.Listener
	ended    chan struct{}
	wg       sync.WaitGroup
	saying   sync.Mutex
	mu       sync.Mutex
	lines    []string // every command line seen
	mails    []string // every mail that ended in a dot, as on the wire without the dot
	partial  []string // every mail that did not
	conns    int
	clients  []string // names in the certificates of clients
	together int      // the most command lines that had come when one was read
}

func newHop(t *testing.T, h *hop) *hop {
	t.Helper()
	var err error
	if h.at == "" {
		h.at = "127.0.0.1:0"
	}
	if h.listener, err = net.Listen("tcp", h.at); err != nil {
		t.Fatal(err)
	}
	h.ended = make(chan struct{})
	t.Cleanup(func() {
		close(h.ended)
		h.listener.Close()
		h.wg.Wait()
	})
	h.wg.Go(func() {
		for {
			conn, err := h.listener.Accept()
			if err != nil {
				return
			}
			h.mu.Lock()
			h.conns++
			h.mu.Unlock()
			h.wg.Go(func() {
				defer conn.Close()
				stop := make(chan struct{})
				defer close(stop)
				go func() {
					select {
					case <-h.ended:
						conn.Close()
					case <-stop:
					}
				}()
				h.serve(conn)
			})
		}
	})
	return h
}

func (h *hop) address() string {
	if h.listener == nil {
		return "nowhere.example:25" // the test names its own hosts
	}
	return h.listener.Addr().String()
}

// asked calls say for one connection at a time, so that it may count.
func (h *hop) asked(place string) string {
	if h.say == nil {
		return ""
	}
	h.saying.Lock()
	defer h.saying.Unlock()
	return h.say(place)
}

func (h *hop) answer(conn net.Conn, place, usual string) bool {
	text := usual
	if said := h.asked(place); said != "" {
		text = said
	}
	switch text {
	case "drop":
		return false
	case "stall":
		<-h.ended
		return false
	}
	_, err := io.WriteString(conn, text+"\r\n")
	return err == nil && !strings.HasPrefix(text, "421")
}

func (h *hop) serve(conn net.Conn) {
	if !h.answer(conn, "GREETING", "220 hop.example ESMTP") {
		return
	}
	r := bufio.NewReader(conn)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		waiting, _ := r.Peek(r.Buffered())
		h.mu.Lock()
		h.together = max(h.together, 1+bytes.Count(waiting, []byte("\r\n")))
		h.lines = append(h.lines, line)
		h.mu.Unlock()
		verb, _, _ := strings.Cut(line, " ")
		switch strings.ToUpper(verb) {
		case "EHLO":
			if !h.answer(conn, line, h.ehlo(conn)) {
				return
			}
		case "STARTTLS":
			if !h.answer(conn, line, "220 go ahead") {
				return
			}
			if h.pair == nil || strings.HasPrefix(h.asked(line), "4") {
				continue
			}
			protected := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{*h.pair}, ClientAuth: tls.RequestClientCert})
			if protected.Handshake() != nil {
				return
			}
			conn, r = protected, bufio.NewReader(protected)
			for _, c := range protected.ConnectionState().PeerCertificates {
				h.mu.Lock()
				h.clients = append(h.clients, c.Subject.CommonName)
				h.mu.Unlock()
			}
		case "DATA":
			if !h.data(conn, r, line) {
				return
			}
		case "QUIT":
			h.answer(conn, line, "221 bye")
			return
		default:
			if !h.answer(conn, line, "250 ok") {
				return
			}
		}
	}
}

func (h *hop) ehlo(conn net.Conn) string {
	text := []string{cmp.Or(h.name, "hop.example")}
	for _, offer := range h.offers {
		if _, protected := conn.(*tls.Conn); !protected || offer != "STARTTLS" {
			text = append(text, offer)
		}
	}
	var b strings.Builder
	for i, line := range text {
		mark := "-"
		if i == len(text)-1 {
			mark = " "
		}
		fmt.Fprintf(&b, "250%s%s", mark, line)
		if i < len(text)-1 {
			b.WriteString("\r\n")
		}
	}
	return b.String()
}

func (h *hop) data(conn net.Conn, r *bufio.Reader, line string) bool {
	if h.asked(line) != "" {
		return h.answer(conn, line, "")
	}
	if !h.answer(conn, line, "354 go on") {
		return false
	}
	if h.asked("BODY") != "" {
		return h.answer(conn, "BODY", "")
	}
	var mail bytes.Buffer
	for {
		l, err := r.ReadBytes('\n')
		if bytes.Equal(l, []byte(".\r\n")) {
			break
		}
		mail.Write(l)
		if err != nil {
			h.mu.Lock()
			h.partial = append(h.partial, mail.String())
			h.mu.Unlock()
			return false
		}
	}
	h.mu.Lock()
	h.mails = append(h.mails, mail.String())
	h.mu.Unlock()
	return h.answer(conn, "DOT", "250 2.0.0 Ok: queued as 4F2A")
}

func (h *hop) seen() (lines, mails, partial []string, conns int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append(lines, h.lines...), append(mails, h.mails...), append(partial, h.partial...), h.conns
}

// told returns the lines that begin so.
func (h *hop) told(prefix string) (found []string) {
	lines, _, _, _ := h.seen()
	for _, line := range lines {
		if strings.HasPrefix(line, prefix) {
			found = append(found, line)
		}
	}
	return found
}

var everything = []string{"8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES", "SIZE 10000000"}

// only is the one smart host of options.
func only(o *Options) *Host { return &o.Routes[0].Hosts[0] }

// relayTo makes a relay in clear with short timeouts.
func relayTo(t *testing.T, h *hop, change ...func(*Options)) *Relay {
	t.Helper()
	o := Options{
		Routes: []Route{{Hosts: []Host{{Address: h.address(), TLS: TLSNone, Weight: 1}}}}, Hostname: "mail.corp.example",
		Timeouts: Timeouts{Connect: 3 * time.Second, Command: 3 * time.Second, Data: time.Second, Dot: 3 * time.Second},
	}
	for _, c := range change {
		c(&o)
	}
	r, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.closeIdle(time.Time{}) })
	return r
}

const plainMail = "From: alice@corp.example\r\nSubject: hello\r\n\r\nline\r\n.dot\r\n..dots\r\nend\r\n"

// outgoing is a mail from alice; the dot is always allowed.
func outgoing(raw string, to ...string) *holdqueue.Outgoing {
	out := &holdqueue.Outgoing{
		Attempt: "attempt", Message: &holdqueue.Message{ID: "message"}, From: "alice@corp.example",
		Body: strings.NewReader(raw), Size: int64(len(raw)),
		BeforeDot: func(context.Context, []*holdqueue.Recipient) error { return nil },
	}
	for _, address := range to {
		out.Recipients = append(out.Recipients, &holdqueue.Recipient{ID: address, Address: mailaddr.Address(address)})
	}
	return out
}

func wantSent(t *testing.T, results []holdqueue.Result) {
	t.Helper()
	for i, r := range results {
		if r.Err != nil {
			t.Errorf("recipient %d: %v", i, r.Err)
		}
	}
}

// outcome is a result in short: "sent", or the kind, the codes and "uncertain".
func outcome(r holdqueue.Result) string {
	e := r.Err
	if e == nil {
		return "sent"
	}
	kind := "permanent"
	if e.Temporary {
		kind = "temporary"
	}
	text := strings.TrimSpace(fmt.Sprintf("%s %d %s", kind, e.Code, e.Enhanced))
	if e.Uncertain {
		text += " uncertain"
	}
	return text
}

func outcomes(results []holdqueue.Result) (all []string) {
	for _, r := range results {
		all = append(all, outcome(r))
	}
	return all
}

// on answers lines with a prefix in a fixed way.
func on(rules ...string) func(string) string {
	return func(place string) string {
		for i := 0; i < len(rules); i += 2 {
			if strings.HasPrefix(place, rules[i]) {
				return rules[i+1]
			}
		}
		return ""
	}
}
