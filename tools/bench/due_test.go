//go:build bench

package bench

import (
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/internal/testkit"
)

// What the next hop of TestDue takes at most: twenty connections, a message on each of them every forty milliseconds.
const (
	hopEach = 40 * time.Millisecond
	hopRate = 20 / 0.040
)

// TestDue lets a hundred thousand mails become due in one moment, as after a long pause or a next hop that was down. They
// should leave as fast as the next hop takes them, the last as fast as the first, while people go on sending.
func TestDue(t *testing.T) {
	testkit.Need(t, "smtp-source", "postfix")
	hop := newSink(t, hopEach)
	us := sekisho(t, setup{relay: hop.Address})
	burst := load{size: 4096, sessions: 10, messages: messages(2000)} // to outside: it waits its five minutes
	calm := us.bursts(t, burst, 3)
	us.command(t, "queue", "pause", "--reason", "bench")
	all := load{size: 4096, sessions: 50, messages: messages(100_000), to: "x@corp.example"}
	for left := all.messages; left > 0; left -= 10_000 { // smtp-source is given two minutes each time
		some := all
		some.messages = min(left, 10_000)
		source(t, us.gateway, some)
	}
	us.inspected(t)
	before, began := hop.Taken(), time.Now()
	us.command(t, "queue", "resume", "--reason", "bench")
	reached := func(part float64) time.Duration {
		if err := hop.Await(t.Context(), before, int64(part*float64(all.messages))); err != nil {
			t.Fatal(err)
		}
		return time.Since(began)
	}
	tenth := reached(0.1)
	busy := us.bursts(t, burst, 3)
	most := reached(0.9)
	end := reached(1)
	rate := float64(all.messages) / end.Seconds()
	last := 0.1 * float64(all.messages) / (end - most).Seconds()
	title("%d mails due in one moment, a next hop that takes %.0f a second", all.messages, hopRate)
	fmt.Printf("%-46s %8.0f a second  %s\n", "all of them", rate, reach(t, fmt.Sprintf("%d due at once, against what the next hop takes", all.messages), rate/hopRate, 0.8))
	fmt.Printf("%-46s %8.0f a second\n", "the first tenth", 0.1*float64(all.messages)/tenth.Seconds())
	fmt.Printf("%-46s %8.0f a second  %s\n", "the last tenth", last, reach(t, "the last tenth of them, against what the next hop takes", last/hopRate, 0.8))
	fmt.Printf("%-46s %8.0f a second (%.0f in calm)  %s\n", "taken meanwhile, "+burst.String(), busy, calm, reach(t, "taken meanwhile, "+burst.String()+", against calm", busy/calm, 0.5))
}

// bursts sends a load some times with pauses between, and gives the median of the rates.
func (o *ours) bursts(t *testing.T, l load, times int) float64 {
	t.Helper()
	var all []float64
	for range times {
		all = append(all, source(t, o.gateway, l))
		time.Sleep(2 * time.Second)
	}
	return median(all)
}

// command runs one of the product's commands over the data directory of the running service.
func (o *ours) command(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), *binary, append(args, "--config", o.config)...).CombinedOutput(); err != nil {
		t.Fatalf("sekisho %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// inspected waits until nothing waits for its inspection, as long as there is progress.
func (o *ours) inspected(t *testing.T) {
	t.Helper()
	least, at := int64(-1), time.Now()
	for {
		switch n := o.recipients(t, "received"); {
		case n == 0:
			return
		case least < 0 || n < least:
			least, at = n, time.Now()
		case time.Since(at) > time.Minute:
			t.Fatalf("%d mails wait for their inspection, and for a minute no fewer", n)
		}
		time.Sleep(time.Second)
	}
}

// recipients is how many recipients are in a state, by the service's own metrics.
func (o *ours) recipients(t *testing.T, state string) int64 {
	t.Helper()
	answer, err := http.Get("http://" + o.metrics + "/metrics")
	check(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	check(t, err)
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, `sekisho_recipients{state="`+state+`"} `); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			check(t, err)
			return int64(n)
		}
	}
	t.Fatalf("no number of recipients %q among the metrics", state)
	return 0
}
