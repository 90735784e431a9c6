//go:build bench

package bench

import (
	"fmt"
	"net"
	"testing"

	"github.com/sekisho-mail/sekisho/internal/gauge"
	"github.com/sekisho-mail/sekisho/internal/testkit"
)

func host(address string) string { h, _, _ := net.SplitHostPort(address); return h }
func port(address string) string { _, p, _ := net.SplitHostPort(address); return p }

// TestAccept is the table: durable before the 250, one message per connection, the gateway listener.
func TestAccept(t *testing.T) {
	testkit.Need(t, "smtp-source", "postfix")
	us, least, them := sekisho(t, setup{}), bare(t), holding(t)
	title("durable accept, one message per connection, smtp-source (messages per second, medians of %d rounds in turns)", *rounds)
	fmt.Printf("%8s %9s %10s %10s %10s %9s %9s\n", "size", "sessions", "sekisho", "postfix", "bare", "/postfix", "/bare")
	for _, c := range []struct {
		load
		target float64
	}{
		{load{size: 4096, sessions: 1, messages: 800}, 1.5}, {load{size: 4096, sessions: 10, messages: 3000}, 2.2},
		{load{size: 4096, sessions: 50, messages: 6000}, 3}, {load{size: 102400, sessions: 1, messages: 300}, 0},
		{load{size: 102400, sessions: 10, messages: 1000}, 1}, {load{size: 102400, sessions: 50, messages: 1500}, 1.3},
	} {
		c.messages = messages(c.messages)
		figures := inTurns(t, func() float64 { return source(t, us.gateway, c.load) },
			func() float64 { return source(t, them.Address, c.load) }, func() float64 { return source(t, least, c.load) })
		r, b := ratio(figures[0], figures[1]), ratio(figures[0], figures[2])
		fmt.Printf("%8d %9d %10.0f %10.0f %10.0f %8.2fx %8.2fx  %s, of bare %s\n", c.size, c.sessions, median(figures[0]), median(figures[1]),
			median(figures[2]), r, b, reach(t, c.load.String()+", against Postfix", r, c.target), reach(t, c.load.String()+", against bare", b, 0.8))
	}
}

// TestReuse is the same with many messages on a connection.
func TestReuse(t *testing.T) {
	testkit.Need(t, "smtp-source", "postfix")
	us, least, them := sekisho(t, setup{}), bare(t), holding(t)
	l := load{size: 4096, sessions: 50, messages: messages(8000), reuse: true}
	figures := inTurns(t, func() float64 { return source(t, us.gateway, l) }, func() float64 { return source(t, them.Address, l) },
		func() float64 { return source(t, least, l) })
	title("durable accept, connections used again, %d octets, %d sessions (messages per second)", l.size, l.sessions)
	r := ratio(figures[0], figures[1])
	fmt.Printf("%10s %10s %10s %9s\n%10.0f %10.0f %10.0f %8.2fx %s\n", "sekisho", "postfix", "bare", "/postfix",
		median(figures[0]), median(figures[1]), median(figures[2]), r, reach(t, "connections used again, "+l.String()+", against Postfix", r, 5))
}

// TestLatency is how long a client waits from connecting to its 250.
func TestLatency(t *testing.T) {
	us, them := &gauge.Client{Address: sekisho(t, setup{}).gateway}, &gauge.Client{Address: holding(t).Address}
	l := load{size: 4096, sessions: 50, messages: messages(5000)}
	percentiles := map[*gauge.Client][2][]float64{}
	for range *rounds {
		for _, c := range []*gauge.Client{us, them} {
			r, p := run(t, c, l), percentiles[c]
			percentiles[c] = [2][]float64{append(p[0], millis(r.Percentile(0.5))), append(p[1], millis(r.Percentile(0.99)))}
		}
	}
	title("from connecting to the 250, %d octets, %d sessions, our own client (milliseconds, medians of %d rounds)", l.size, l.sessions, *rounds)
	fmt.Printf("%10s %10s %10s\n", "", "p50", "p99")
	for _, row := range []struct {
		name string
		c    *gauge.Client
	}{{"sekisho", us}, {"postfix", them}} {
		fmt.Printf("%10s %10.1f %10.1f\n", row.name, median(percentiles[row.c][0]), median(percentiles[row.c][1]))
	}
	fmt.Println("Postfix's p50 against our p99:", reach(t, "Postfix's p50 against our p99, "+l.String(), ratio(percentiles[them][0], percentiles[us][1]), 1))
}
