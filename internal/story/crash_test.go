package story

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// How often; `make crash` does 200 and 100.
var (
	kills = flag.Int("kills", 5, "how often TestNothingIsLostInACrash kills the service")
	cuts  = flag.Int("cuts", 3, "how often TestNothingIsLostInACrash takes the disk its power")
)

const (
	speakers = 4  // connections that hand mail in at once
	between  = 12 // mails that are accepted before the next crash, at least
)

// TestNothingIsLostInACrash kills the service again and again, and cuts the power of its disk, while numbered mails
// are handed in over several connections: small ones, ones that are too large for a row, and ones whose file becomes
// a link. Every mail that was answered with 250 arrives, byte for byte and once; twice only where the audit log says
// that nobody saw the end of an attempt. A mail without an answer may have arrived or not, but never half; one that
// was answered with 4yz never.
func TestNothingIsLostInACrash(t *testing.T) {
	t.Parallel()
	hop := newRecorder(t)
	d := newDisk(t, fmt.Sprintf("%dM", 512+20*(*kills+*cuts))) // what was sent is kept for a week
	h := found(t, settings{hop: hop, policy: atOnce, dataDir: d.data()})
	t.Cleanup(h.kill) // before the disk goes
	c := &numbered{h: h, stop: make(chan struct{})}
	var talking sync.WaitGroup
	for range speakers {
		talking.Go(c.talk)
	}
	for _, cut := range shuffled(*kills, *cuts) {
		c.more(between)
		time.Sleep(time.Duration(rand.IntN(500)) * time.Millisecond)
		if cut {
			h.freeze()
			d.cut()
			h.kill()
			d.restore()
		} else {
			h.kill()
		}
		h.start()
	}
	c.more(between)
	close(c.stop)
	talking.Wait()
	if t.Failed() {
		return
	}
	c.allArrive(hop)
	h.idle()
	c.compare(hop)
	h.stop()
	if out, errs, err := h.command("audit", "verify"); err != nil {
		t.Errorf("audit verify: %v\n%s%s", err, out, errs)
	}
}

// idle waits until nothing waits any more.
func (h *house) idle() {
	h.t.Helper()
	h.eventually("nothing waits any more", func() error {
		out, errs, err := h.command("queue", "list", "--json")
		if err != nil || out != "" {
			return fmt.Errorf("%v\n%s%s", err, out, errs)
		}
		return nil
	})
}

// shuffled is a random order of crashes; a true one is a cut.
func shuffled(kills, cuts int) []bool {
	all := make([]bool, kills+cuts)
	for i := range cuts {
		all[i] = true
	}
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// TestACutShowsWhatADiskHasNotGot makes sure that the cuts above would find a loss: the same cut behind a system whose
// fsync does nothing loses mail that was answered with 250.
func TestACutShowsWhatADiskHasNotGot(t *testing.T) {
	t.Parallel()
	for name, honest := range map[string]bool{"fsync": true, "no fsync": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDisk(t, "512M")
			h := prepare(t, settings{policy: later, dataDir: d.data()})
			t.Cleanup(h.kill)
			h.start()
			if !honest {
				h.traced("-f", "--quiet=attach,exit", "-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:retval=0")
			}
			c := &numbered{h: h, stop: make(chan struct{})}
			var talking sync.WaitGroup
			for range speakers {
				talking.Go(c.talk)
			}
			c.more(4 * between)
			h.freeze()
			d.cut()
			h.kill()
			close(c.stop)
			talking.Wait()
			d.restore()
			lost := c.missing()
			t.Logf("%d of %d lost", len(lost), c.answered())
			if honest != (len(lost) == 0) {
				t.Errorf("lost: %q", lost)
			}
		})
	}
}

// later lets nothing leave while the test lasts.
const later = `version: 1
rules:
  - name: later
    when: {recipients: external}
    then: {delay: 1h}
`

// atOnce lets everything leave after its inspection, files as links where the recipient's number says so.
const atOnce = `version: 1
rules:
  - name: plain
    when: {recipient_domains: [other.example]}
    then: {delay: 1s}
  - name: linked
    when: {recipient_domains: [linked.example]}
    then: {delay: 1s, link: {over: 0, access: open}}
`

// missing are mails that were answered with 250 and that the queue cannot give back whole.
func (c *numbered) missing() (lost []string) {
	sent, kept := c.results()
	for n, id := range kept {
		raw, errs, err := c.h.command("queue", "export", "--reason", "test", id)
		if err != nil {
			lost = append(lost, id+": "+errs)
		} else if err := identical(sent[n].raw, []byte(raw)); err != nil {
			lost = append(lost, id+": "+err.Error())
		}
	}
	return lost
}
