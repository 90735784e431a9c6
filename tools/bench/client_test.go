//go:build bench

package bench

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/internal/gauge"
)

// load is a number of messages of one size from a number of sessions at once.
type load struct {
	size, sessions, messages int
	to                       string // x@other.example when empty
	reuse                    bool   // many messages on one connection
}

func (l load) String() string { return fmt.Sprintf("%d KB x%d", l.size>>10, l.sessions) }

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

// ours is the same load for our own client, which measures each message, speaks TLS and signs in.
func (l load) ours() gauge.Load {
	return gauge.Load{Size: l.size, Sessions: l.sessions, Messages: l.messages, To: l.recipient()}
}

// run sends a load with our own client.
func run(t *testing.T, c *gauge.Client, l load) gauge.Result {
	t.Helper()
	r, err := c.Run(t.Context(), l.ours())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// newSink starts a next hop that ends with the test and takes a time for each message.
func newSink(t *testing.T, each time.Duration) *gauge.Sink {
	t.Helper()
	s, err := gauge.NewSink()
	if err != nil {
		t.Fatal(err)
	}
	s.Each = each
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return s
}
