package story

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// numbered hands in mails with numbers, and remembers what it was told about each.
type numbered struct {
	h    *house
	stop chan struct{}

	released int // of those that were held after three crashes

	quiet sync.RWMutex // whoever has it to himself keeps mails from being handed in

	mu   sync.Mutex
	sent []*numberedMail // by number
}

// numberedMail is one mail and what became of handing it in.
type numberedMail struct {
	to     string
	raw    []byte
	linked bool
	code   int // 0 without an answer
	id     string
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
	_, kept := c.results()
	return len(kept)
}

// results are all mails, and the ids of those that were answered with 250, by number.
func (c *numbered) results() (sent []*numberedMail, kept map[int]string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	kept = map[int]string{}
	for n, m := range c.sent {
		if m.code == 250 {
			kept[n] = m.id
		}
	}
	return c.sent, kept
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
	c.quiet.RLock()
	defer c.quiet.RUnlock()
	m := c.compose()
	a, err := s.send(letterOf{from: "alice@corp.example", to: []string{m.to}, raw: m.raw})
	if err != nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	m.code, m.id = a.code, a.id
	if a.code == 250 && a.id != "" {
		return true
	}
	if a.code/100 != 4 { // "try again" is an honest answer of a service that is being stopped
		c.h.t.Errorf("the mail to %s: %s", m.to, a)
	}
	return false
}

// compose makes a mail. Every tenth is too large for a row of the database and lies in a file; every seventh has a
// file that becomes a link.
func (c *numbered) compose() *numberedMail {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.sent)
	m := &numberedMail{to: fmt.Sprintf("n%d@other.example", n), linked: n%7 == 3}
	if m.linked {
		m.to = fmt.Sprintf("n%d@linked.example", n)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "From: alice@corp.example\r\nTo: %s\r\nDate: Fri, 21 Nov 2025 10:00:00 +0900\r\nSubject: number %d\r\nMessage-ID: <n%d.loss@corp.example>\r\n", m.to, n, n)
	size := 500 + rand.IntN(8000)
	if n%10 == 0 {
		size = 270_000 + rand.IntN(200_000)
	}
	if m.linked {
		b.Write(withFile(fmt.Sprint("number", n), padding(size*3/4)))
	} else {
		b.WriteString("\r\n")
		b.Write(padding(size))
	}
	m.raw = b.Bytes()
	c.sent = append(c.sent, m)
	return m
}

// copies counts what came of each number.
func copies(hop *recorder, t testing.TB) map[int][]delivery {
	got := map[int][]delivery{}
	for _, d := range hop.deliveries(t) {
		if d.from == "" {
			continue // a notice to a sender
		}
		n := -1
		if len(d.to) == 1 {
			fmt.Sscanf(d.to[0], "n%d@", &n)
		}
		got[n] = append(got[n], d)
	}
	return got
}

// allArrive waits for every mail that was answered with 250. What a killed process was sending is taken over when
// its lease has ended. A mail that was being inspected at three crashes is held for the administrators, who let it go.
func (c *numbered) allArrive(hop *recorder) {
	c.h.t.Helper()
	_, kept := c.results()
	c.h.within(3*time.Minute, "all mails have arrived", func() error {
		got := copies(hop, c.h.t)
		var missing []string
		last := ""
		for n, id := range kept {
			if len(got[n]) == 0 {
				missing, last = append(missing, fmt.Sprintf("%d (%s)", n, id)), id
			}
		}
		if len(missing) > 0 {
			if err := c.letGo(); err != nil {
				return err
			}
			out, errs, _ := c.h.command("queue", "show", last)
			return fmt.Errorf("%d of %d have not: %s\n%s%s", len(missing), len(kept), strings.Join(missing[:min(len(missing), 5)], ", "), out, errs)
		}
		return nil
	})
}

// letGo releases what is held because its inspection seems to crash.
func (c *numbered) letGo() error {
	out, errs, err := c.h.command("queue", "list", "--state", "held", "--limit", "10000", "--json")
	if err != nil {
		return fmt.Errorf("%w\n%s", err, errs)
	}
	for line := range strings.Lines(out) {
		var m struct {
			ID         string `json:"id"`
			Recipients []struct {
				Rules []string `json:"rules"`
			} `json:"recipients"`
		}
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			return err
		}
		if !slices.Equal(m.Recipients[0].Rules, []string{"uninspected"}) {
			return fmt.Errorf("held: %s", line)
		}
		if _, errs, err := c.h.command("queue", "release", "--reason", "inspected at three crashes", m.ID); err != nil {
			return fmt.Errorf("%w\n%s", err, errs)
		}
		c.released++
	}
	return nil
}

// compare looks at every copy that came.
func (c *numbered) compare(hop *recorder) {
	t := c.h.t
	t.Helper()
	uncertain, err := c.h.uncertain()
	if err != nil {
		t.Fatal(err)
	}
	sent, kept := c.results()
	twice, unanswered, linked := 0, 0, 0
	for n, all := range copies(hop, t) {
		if n < 0 {
			t.Errorf("something else came, to %q:\n%.2000s", all[0].to, all[0].raw)
			continue
		}
		m := sent[n]
		if m.code/100 == 4 {
			t.Errorf("mail %d was answered with %d and came", n, m.code)
		}
		for i, d := range all {
			switch {
			case !m.linked:
				if err := identical(m.raw, d.raw); err != nil {
					t.Errorf("mail %d: %v", n, err)
				}
			case i == 0:
				linked++
				c.h.opened(&posted{raw: m.raw}, d)
			}
		}
		if m.code == 0 {
			unanswered++
		}
		if len(all) == 1 {
			continue
		}
		twice++
		if id := idOf(t, all[0]); !uncertain[id] {
			t.Errorf("mail %d (%s) came %d times and the audit log knows of no uncertain attempt", n, id, len(all))
		}
	}
	t.Logf("%d handed in, %d answered with 250, all of them arrived, %d with a link; %d arrived that had no answer; %d came twice after an uncertain attempt, of %d marked; %d were held after three crashes and released",
		len(sent), len(kept), linked, unanswered, twice, len(uncertain), c.released)
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
