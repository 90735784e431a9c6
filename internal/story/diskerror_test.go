package story

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
)

// TestNothingIsLostWhenTheDiskErrs lets the system report errors of the disk while mails are handed in, kills the
// service in the middle of them, and takes them away the next time. While they last nothing is accepted and readyz
// says so; afterwards mail is taken again without a restart. What was answered with 250 arrives; what was answered
// with 4yz never does, whatever of it had reached the log of the database.
func TestNothingIsLostWhenTheDiskErrs(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]string{
		"fsync": "fsync,fdatasync:error=EIO", "every second fsync": "fsync,fdatasync:error=EIO:when=1+2", "write": "pwrite64:error=EIO", "full": "pwrite64:error=ENOSPC",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hop := newRecorder(t)
			h := found(t, settings{hop: hop, policy: atOnce})
			c := &numbered{h: h, stop: make(chan struct{})}
			var talking sync.WaitGroup
			for range speakers {
				talking.Go(c.talk)
			}
			c.more(between)
			h.err(fault)
			c.noMore()
			h.kill()
			h.start()
			c.more(between)
			well := h.err(fault)
			c.noMore()
			h.eventually("it says so", func() error { return h.answersReady(http.StatusServiceUnavailable) })
			well()
			c.more(between)
			h.eventually("it says so", func() error { return h.answersReady(http.StatusOK) })
			close(c.stop)
			talking.Wait()
			c.allArrive(hop)
			c.compare(hop)
			h.stop()
			if out, errs, err := h.command("audit", "verify"); err != nil {
				t.Errorf("audit verify: %v\n%s%s", err, out, errs)
			}
		})
	}
}

// err makes system calls of the running service fail until it ends or well is called.
func (h *house) err(fault string) (well func()) {
	h.t.Helper()
	return h.traced("-f", "--quiet=attach,exit", "-e", "inject="+fault)
}

func (h *house) answersReady(want int) error {
	res, err := h.client.Get(h.staffURL() + "/readyz")
	if err != nil {
		return err
	}
	res.Body.Close()
	if res.StatusCode != want {
		return fmt.Errorf("readyz answers %s", res.Status)
	}
	return nil
}

// noMore waits until mails are no longer answered with 250.
func (c *numbered) noMore() {
	c.h.t.Helper()
	before := c.refused()
	c.h.eventually("mails are refused", func() error {
		if now := c.refused(); now < before+between {
			return fmt.Errorf("%d of %d", now-before, between)
		}
		return nil
	})
}

// refused counts mails that were handed in and not answered with 250.
func (c *numbered) refused() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.sent {
		if m.code != 250 {
			n++
		}
	}
	return n
}
