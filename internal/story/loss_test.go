package story

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"
)

// kills is how often; a long run is `go test ./internal/story -run Killed -args -kills 100`.
var kills = flag.Int("kills", 5, "how often TestNothingIsLostWhenKilled kills the service")

const (
	speakers = 4  // connections that hand mail in at once
	between  = 12 // mails that are accepted before the next kill, at least
)

// TestNothingIsLostWhenKilled kills the service again and again while numbered mails are handed in over several
// connections. Every mail that was answered with 250 arrives, byte for byte and once; twice only where the audit
// log says that nobody saw the end of an attempt. A mail without an answer may have arrived or not, but never half.
func TestNothingIsLostWhenKilled(t *testing.T) {
	t.Parallel()
	hop := newRecorder(t)
	h := found(t, settings{hop: hop, policy: atOnce})
	c := &numbered{h: h, stop: make(chan struct{})}
	var talking sync.WaitGroup
	for range speakers {
		talking.Go(c.talk)
	}
	for range *kills {
		c.more(between)
		time.Sleep(time.Duration(rand.IntN(500)) * time.Millisecond)
		h.kill()
		h.start()
	}
	c.more(between)
	close(c.stop)
	talking.Wait()
	if t.Failed() {
		return
	}
	sent, kept := c.results()
	c.allArrive(hop, kept)
	h.eventually("nothing waits any more", func() error {
		out, errs, err := h.command("queue", "list", "--json")
		if err != nil || out != "" {
			return fmt.Errorf("%v\n%s%s", err, out, errs)
		}
		return nil
	})
	h.stop()
	c.compare(hop, sent, kept)
	if out, errs, err := h.command("audit", "verify"); err != nil {
		t.Errorf("audit verify: %v\n%s%s", err, out, errs)
	}
}

// atOnce lets everything leave after its inspection.
const atOnce = `version: 1
rules:
  - name: nothing
    mode: audit
    when: {recipients: external}
    then: {delay: 1s}
`

// numbered hands in mails with numbers, and remembers what it was told about each.
type numbered struct {
	h    *house
	stop chan struct{}

	mu   sync.Mutex
	next int
	sent map[int][]byte
	kept map[int]string // ids of mails that were answered with 250
}

// more waits until n more mails have been accepted.
func (c *numbered) more(n int) {
	c.h.t.Helper()
	before := c.answered()
	c.h.eventually("more mails are accepted", func() error {
		if now := c.answered(); now < before+n {
			return fmt.Errorf("%d of %d", now-before, n)
		}
		return nil
	})
}

func (c *numbered) answered() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.kept)
}

func (c *numbered) results() (sent map[int][]byte, kept map[int]string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sent, c.kept
}

// talk is one connection, opened anew whenever it breaks.
func (c *numbered) talk() {
	for {
		select {
		case <-c.stop:
			return
		default:
		}
		s, err := c.h.submission("alice@corp.example", password)
		if err != nil {
			time.Sleep(20 * time.Millisecond) // it is being started
			continue
		}
		for c.one(s) {
		}
		s.close()
	}
}

// one hands in the next mail; it says whether the connection goes on.
func (c *numbered) one(s *sender) bool {
	select {
	case <-c.stop:
		return false
	default:
	}
	n, raw := c.compose()
	a, err := s.send(letterOf{from: "alice@corp.example", to: []string{fmt.Sprintf("n%d@other.example", n)}, raw: raw})
	if err != nil {
		return false
	}
	if a.code != 250 || a.id == "" {
		if a.code/100 != 4 { // "try again" is an honest answer of a service that is being stopped
			c.h.t.Errorf("mail %d: %s", n, a)
		}
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept[n] = a.id
	return true
}

// compose makes a mail; every twentieth is too large for a row of the database and lies in a file.
func (c *numbered) compose() (int, []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next++
	n := c.next
	var b bytes.Buffer
	fmt.Fprintf(&b, "From: alice@corp.example\r\nTo: n%d@other.example\r\nDate: Fri, 21 Nov 2025 10:00:00 +0900\r\nSubject: number %d\r\nMessage-ID: <n%d.loss@corp.example>\r\n\r\n", n, n, n)
	size := 500 + rand.IntN(8000)
	if n%20 == 0 {
		size = 300_000 + rand.IntN(300_000)
	}
	b.Write(padding(size))
	if c.sent == nil {
		c.sent, c.kept = map[int][]byte{}, map[int]string{}
	}
	c.sent[n] = b.Bytes()
	return n, b.Bytes()
}

// copies counts what came of each number.
func copies(hop *recorder, t testing.TB) map[int][]delivery {
	got := map[int][]delivery{}
	for _, d := range hop.deliveries(t) {
		var n int
		if len(d.to) == 1 {
			fmt.Sscanf(d.to[0], "n%d@other.example", &n)
		}
		got[n] = append(got[n], d)
	}
	return got
}

// allArrive waits for every mail that was answered with 250. What a killed process was sending is taken over when
// its lease has ended, after a minute.
func (c *numbered) allArrive(hop *recorder, kept map[int]string) {
	c.h.t.Helper()
	c.h.within(3*time.Minute, "all mails have arrived", func() error {
		got := copies(hop, c.h.t)
		var missing []string
		for n, id := range kept {
			if len(got[n]) == 0 {
				missing = append(missing, fmt.Sprintf("%d (%s)", n, id))
			}
		}
		if len(missing) > 0 {
			return fmt.Errorf("%d of %d have not: %s", len(missing), len(kept), strings.Join(missing[:min(len(missing), 5)], ", "))
		}
		return nil
	})
}

// compare looks at every copy that came.
func (c *numbered) compare(hop *recorder, sent map[int][]byte, kept map[int]string) {
	t := c.h.t
	t.Helper()
	uncertain, err := c.h.uncertain()
	if err != nil {
		t.Fatal(err)
	}
	twice := 0
	for n, all := range copies(hop, t) {
		if n == 0 {
			t.Errorf("something else came, to %q:\n%.2000s", all[0].to, all[0].raw)
			continue
		}
		for _, d := range all {
			if err := identical(sent[n], d.raw); err != nil {
				t.Errorf("mail %d: %v", n, err)
			}
		}
		if len(all) == 1 {
			continue
		}
		twice++
		if id := kept[n]; id != "" && !uncertain[id] {
			t.Errorf("mail %d (%s) came %d times and the audit log knows of no uncertain attempt", n, id, len(all))
		}
	}
	t.Logf("%d handed in, %d answered with 250, all arrived; %d came twice after an uncertain attempt, of %d marked", len(sent), len(kept), twice, len(uncertain))
}

// uncertain are the mails of which the audit log says that nobody saw the end of an attempt.
func (h *house) uncertain() (map[string]bool, error) {
	out, errs, err := h.command("audit", "export")
	if err != nil {
		return nil, errors.Join(err, errors.New(errs))
	}
	marked := map[string]bool{}
	for line := range strings.Lines(out) {
		var e struct {
			Message string
			Detail  map[string]string
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			return nil, err
		}
		if e.Detail["uncertain"] != "" {
			marked[e.Message] = true
		}
	}
	return marked, nil
}
