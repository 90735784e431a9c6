//go:build bench

package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db/dbtest"
)

// TestPostgres is end to end on PostgreSQL: what a mail costs Sekisho and what it costs the database. It has no target:
// PostgreSQL is there for several nodes.
func TestPostgres(t *testing.T) {
	hop := newSink(t, 0)
	us := sekisho(t, setup{relay: hop.Address, more: fmt.Sprintf("database: {url: %q}\n", dbtest.PostgresURL(t))})
	l := load{size: 4096, sessions: 20, messages: messages(2000), to: "x@corp.example"}
	var rates, own, server []float64
	for range *rounds {
		before, began, ours, theirs := hop.Taken(), time.Now(), cpu(t, us.pid), postgresCPU(t)
		source(t, us.gateway, l)
		if err := hop.Await(t.Context(), before, int64(l.messages)); err != nil {
			t.Fatal(err)
		}
		rates = append(rates, float64(l.messages)/time.Since(began).Seconds())
		own = append(own, (cpu(t, us.pid)-ours)/float64(l.messages))
		server = append(server, (postgresCPU(t)-theirs)/float64(l.messages))
	}
	title("end to end on PostgreSQL, %s: taken, inspected, released, relayed", l)
	fmt.Printf("%22s %24s %26s\n%22.0f %24.2f %26.2f\n", "messages per second", "Sekisho, CPU ms each", "PostgreSQL, CPU ms each",
		median(rates), median(own), median(server))
}

// postgresCPU is the processor time of the database servers that this process has started, in milliseconds, with that of
// their connections that have ended.
func postgresCPU(t *testing.T) (all float64) {
	t.Helper()
	type process struct {
		parent, name string
		ticks        float64
	}
	found := map[string]process{}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	check(t, err)
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		head, rest, _ := strings.Cut(string(text), ") ")
		pid, name, _ := strings.Cut(head, " (")
		p, f := process{name: name}, strings.Fields(rest)
		p.parent = f[1]
		for _, field := range f[11:15] {
			n, err := strconv.ParseFloat(field, 64)
			check(t, err)
			p.ticks += n
		}
		found[pid] = p
	}
	for _, p := range found {
		if p.name != "postgres" {
			continue
		}
		for up := p.parent; up != "0" && up != ""; up = found[up].parent {
			if up == strconv.Itoa(os.Getpid()) {
				all += p.ticks * 10
				break
			}
		}
	}
	return all
}
