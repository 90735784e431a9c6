//go:build bench

// Package bench measures the whole product from outside beside Postfix on the same machine: the same client
// (smtp-source, one message per connection), the same disk, in turns. Only the ratios mean anything.
//
//	make bench
package bench

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/internal/testkit"
)

var (
	binary = flag.String("binary", "../../bin/sekisho", "the product")
	rounds = flag.Int("rounds", 3, "rounds of each figure; the median is shown")
)

// config is a service that accepts from applications, inspects nothing while it is measured (the inspection of what
// came before runs beside it, as it does in life) and releases nothing.
const config = `data_dir: %[1]s/data
base_url: http://127.0.0.1:%[3]s
organization: {name: bench, domains: [corp.example]}
submission:
  hostname: bench.corp.example
  listen: []
  listen_tls: []
  limits: {connections: 5000, connections_per_address: 5000, recipients_per_10_minutes: 10000000, recipients_per_day: 10000000}
  gateway:
    listen: ["127.0.0.1:%[2]s"]
    sources: [{name: app, networks: [127.0.0.0/8], senders: [corp.example], owner: it@corp.example}]
relay: {host: "127.0.0.1:9", tls: none}
oidc: {issuer: "http://127.0.0.1:9", client_id: x}
web: {listen: "127.0.0.1:%[3]s"}
metrics: {listen: ""}
log: {level: error}
`

func sekisho(t *testing.T) string {
	t.Helper()
	home := t.TempDir()
	smtp, web := testkit.FreeAddress(t), testkit.FreeAddress(t)
	_, smtpPort, _ := net.SplitHostPort(smtp)
	_, webPort, _ := net.SplitHostPort(web)
	file := filepath.Join(home, "sekisho.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, config, home, smtpPort, webPort), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(*binary, "serve", "--config", file)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Signal(os.Interrupt); cmd.Wait() })
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if c, err := net.Dial("tcp", smtp); err == nil {
			c.Close()
			return smtp
		}
		if time.Now().After(deadline) {
			t.Fatal("sekisho does not listen")
		}
	}
}

// rate is how many messages a second the server takes.
func rate(t *testing.T, address string, size, sessions, messages int) float64 {
	t.Helper()
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute) // smtp-source itself waits for ever
	defer cancel()
	out, err := exec.CommandContext(ctx, "smtp-source", "-s", strconv.Itoa(sessions), "-m", strconv.Itoa(messages), "-l", strconv.Itoa(size),
		"-f", "app@corp.example", "-t", "x@other.example", address).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Fatalf("smtp-source to %s, %d octets, %d sessions: %v %s", address, size, sessions, err, out)
	}
	return float64(messages) / time.Since(began).Seconds()
}

func median(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}

func TestAcceptBesidePostfix(t *testing.T) {
	testkit.Need(t, "smtp-source", "postfix")
	ours := sekisho(t)
	theirs := testkit.Postfix(t, "smtpd_end_of_data_restrictions = check_client_access static:HOLD",
		"default_process_limit = 200", "smtpd_client_connection_count_limit = 0", "smtpd_tls_security_level = none").Address
	fmt.Printf("durable accept, one message per connection, smtp-source (messages per second, medians of %d rounds in turns)\n\n", *rounds)
	fmt.Printf("%8s %9s %10s %10s %7s\n", "size", "sessions", "sekisho", "postfix", "ratio")
	for _, c := range []struct{ size, sessions, messages int }{
		{4096, 1, 400}, {4096, 10, 2000}, {4096, 50, 4000}, {102400, 1, 200}, {102400, 10, 800}, {102400, 50, 1000},
	} {
		var a, b, ratios []float64
		for range *rounds {
			x, y := rate(t, ours, c.size, c.sessions, c.messages), rate(t, theirs, c.size, c.sessions, c.messages)
			a, b, ratios = append(a, x), append(b, y), append(ratios, x/y)
		}
		fmt.Printf("%8d %9d %10.0f %10.0f %6.2fx\n", c.size, c.sessions, median(a), median(b), median(ratios))
	}
}
