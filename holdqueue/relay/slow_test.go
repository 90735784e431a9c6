package relay

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestNextHopThatIsAlwaysAlmostTooLateIsLeft: each answer comes in time, and all of them together would keep a worker
// for as long as the next hop likes.
func TestNextHopThatIsAlwaysAlmostTooLateIsLeft(t *testing.T) {
	h := newHop(t, &hop{offers: everything, say: func(place string) string {
		if strings.HasPrefix(place, "RCPT") {
			time.Sleep(800 * time.Millisecond)
		}
		return ""
	}})
	r := relayTo(t, h, func(o *Options) { o.Timeouts.Command = time.Second })
	var many []string
	for i := range 40 {
		many = append(many, fmt.Sprintf("a%d@x.example", i))
	}
	start := time.Now()
	got := outcomes(r.Send(t.Context(), outgoing(plainMail, many...)))
	if slices.ContainsFunc(got, func(o string) bool { return o != "temporary 0 4.4.2" }) {
		t.Errorf("%v", got)
	}
	if took := time.Since(start); took > 16*time.Second {
		t.Errorf("took %v", took)
	}
}

// TestNextHopThatReadsInDripsIsLeft: each write of the body ends in time.
func TestNextHopThatReadsInDripsIsLeft(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		drip(l)
	}()
	t.Cleanup(func() {
		l.Close()
		<-ended
	})
	r, err := New(Options{Hostname: "mail.corp.example", Routes: []Route{{Hosts: []Host{{Address: l.Addr().String(), TLS: TLSNone}}}},
		Timeouts: Timeouts{Connect: 3 * time.Second, Command: 3 * time.Second, Data: time.Second, Dot: 3 * time.Second, Slowest: 8 << 20}})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	out := outgoing("Subject: big\r\n\r\n"+strings.Repeat(strings.Repeat("x", 78)+"\r\n", 100_000), "a@x.example")
	if got := outcome(r.Send(t.Context(), out)[0]); got != "temporary 0 4.4.2" {
		t.Error(got)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
}

// drip is a server that takes a mail in about half a minute and never stops reading.
func drip(l net.Listener) {
	conn, err := l.Accept()
	if err != nil {
		return
	}
	defer conn.Close()
	r := bufio.NewReader(conn)
	for _, said := range []string{"220 drip", "250 drip", "250 ok", "250 ok", "354 go on"} {
		if _, err := io.WriteString(conn, said+"\r\n"); err != nil {
			return
		}
		if said != "354 go on" {
			if _, err := r.ReadString('\n'); err != nil {
				return
			}
		}
	}
	for {
		if _, err := io.CopyN(io.Discard, r, 16<<10); err != nil {
			return
		}
		time.Sleep(60 * time.Millisecond)
	}
}
