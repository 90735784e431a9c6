package testkit

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Pool is one address at which a load balancer serves, and where it takes connections.
type Pool struct {
	At    string
	Nodes []string
	Check string // a line of its configuration beyond "does it connect"; optional
}

// HAProxy starts Debian's HAProxy with the configuration of docs/scale.md in front of nodes. It speaks to them from an
// address of its own, and says whose connections they are.
func HAProxy(t testing.TB, from string, pools ...Pool) {
	t.Helper()
	binary := Need(t, "haproxy", "haproxy")
	var conf strings.Builder
	fmt.Fprintf(&conf, `defaults
    mode tcp
    timeout connect 5s
    timeout client 6m
    timeout server 6m
    option redispatch
    default-server inter 1s fall 2 rise 1 send-proxy-v2 check-send-proxy source %s
`, from)
	for i, p := range pools {
		fmt.Fprintf(&conf, "listen pool%d\n    bind %s\n    balance roundrobin\n", i, p.At)
		if p.Check != "" {
			fmt.Fprintf(&conf, "    %s\n", p.Check)
		}
		for n, node := range p.Nodes {
			fmt.Fprintf(&conf, "    server node%d %s check\n", n+1, node)
		}
	}
	file := filepath.Join(t.TempDir(), "haproxy.cfg")
	write(t, file, conf.String())
	start(t, exec.Command(binary, "-db", "-f", file), pools[0].At)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for _, p := range pools {
		for !listens(ctx, p.At) {
			if ctx.Err() != nil {
				t.Fatalf("HAProxy does not listen at %s", p.At)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
}
