package story

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// TestDiskThatTurnsReadOnly: ext4 does so when it finds a fault. Nothing is accepted, readyz says so, and after a
// repair everything goes on. The fault comes at a moment in which nothing is being written: in the middle of an fsync
// the kernel may say that it is done when it is not, to any program (docs/durability.md).
func TestDiskThatTurnsReadOnly(t *testing.T) {
	t.Parallel()
	hop := newRecorder(t)
	d := newDisk(t, "512M")
	h := found(t, settings{hop: hop, policy: atOnce, dataDir: d.data()})
	t.Cleanup(h.kill)
	c := &numbered{h: h, stop: make(chan struct{})}
	var talking sync.WaitGroup
	for range speakers {
		talking.Go(c.talk)
	}
	c.more(between)
	fault := filepath.Join("/sys/fs/ext4", filepath.Base(d.device), "trigger_fs_error")
	c.quiet.Lock()
	h.idle()
	err := os.WriteFile(fault, []byte("1"), 0o200)
	c.quiet.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	c.noMore()
	h.eventually("it says so", func() error { return h.answersReady(http.StatusServiceUnavailable) })
	h.kill()
	d.unmount()
	d.repair()
	d.mount()
	h.start()
	c.more(between)
	close(c.stop)
	talking.Wait()
	c.allArrive(hop)
	c.compare(hop)
}

// TestTornLogIsAnEarlierMoment: a disk that lost the end of the database's log gives back an earlier moment. No mail is
// half there, and the service works.
func TestTornLogIsAnEarlierMoment(t *testing.T) {
	t.Parallel()
	h := found(t, settings{policy: later})
	c := &numbered{h: h, stop: make(chan struct{})}
	var talking sync.WaitGroup
	for range speakers {
		talking.Go(c.talk)
	}
	c.more(4 * between)
	h.kill()
	close(c.stop)
	talking.Wait()
	log := filepath.Join(h.dataDir, "sekisho.db-wal")
	info, err := os.Stat(log)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(log, info.Size()/2+1234); err != nil {
		t.Fatal(err)
	}
	spool := filepath.Join(h.dataDir, "spool", "spool-torn")
	if err := os.WriteFile(spool, []byte("half a mail"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.start()
	lost := c.missing()
	for _, l := range lost {
		if !strings.Contains(l, "there is no mail") {
			t.Errorf("neither there nor not there: %s", l)
		}
	}
	if n := c.answered(); len(lost) == 0 || len(lost) == n {
		t.Errorf("%d of %d mails are from after the moment", len(lost), n)
	}
	if _, err := os.Stat(spool); !os.IsNotExist(err) {
		t.Errorf("what a dead process was receiving is still there: %v", err)
	}
	s, err := h.submission("alice@corp.example", password)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	a, err := s.send(letterOf{from: "alice@corp.example", to: []string{"b@other.example"}, raw: []byte("From: alice@corp.example\r\nSubject: new\r\n\r\nhello\r\n")})
	if err != nil || a.code != 250 {
		t.Fatal(a, err)
	}
	if out, errs, err := h.command("audit", "verify"); err != nil {
		t.Errorf("%v", fmt.Sprint(out, errs, err))
	}
}
