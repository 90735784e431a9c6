package story

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/sekisho-mail/sekisho/internal/db/dbtest"
	"github.com/sekisho-mail/sekisho/internal/testkit"
)

// movingVerbs bring everything somewhere else.
func movingVerbs() map[string]verb {
	return map[string]verb{"move": (*teller).move, "restore": (*teller).restore}
}

// move: from SQLite and local files to PostgreSQL and S3, as docs/operations.md says.
func (k *teller) move(step) {
	k.t.Helper()
	database, files := dbtest.PostgresURL(k.t), testkit.Versitygw(k.t).URL
	k.stop()
	data := filepath.Join(k.dir, "data")
	for _, way := range [][2]string{{"sqlite:" + filepath.Join(data, "sekisho.db"), database}, {"file:" + filepath.Join(data, "files"), files}} {
		if out, errs, err := shared.runs("migrate", "--from", way[0], "--to", way[1]); err != nil {
			k.t.Fatalf("%v\n%s%s", err, out, errs)
		}
	}
	if _, errs, err := k.command("queue", "list"); err == nil || !strings.Contains(errs, "has been moved") {
		k.t.Fatalf("the old database can still be served: %v %s", err, errs)
	}
	k.keptAt(database, files)
	k.start()
}

// restore: a backup while the service runs, then everything but the key file is gone, and comes back.
func (k *teller) restore(step) {
	k.t.Helper()
	backup := filepath.Join(k.dir, "backup")
	if out, errs, err := k.command("backup", backup); err != nil {
		k.t.Fatalf("%v\n%s%s", err, out, errs)
	}
	k.stop()
	data := filepath.Join(k.dir, "data")
	entries, err := os.ReadDir(data)
	if err != nil {
		k.t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "sekisho.keys" {
			if err := os.RemoveAll(filepath.Join(data, e.Name())); err != nil {
				k.t.Fatal(err)
			}
		}
	}
	if out, errs, err := k.command("restore", backup); err != nil || !strings.Contains(out, "PAUSED") {
		k.t.Fatalf("%v\n%s%s", err, out, errs)
	}
	k.start()
	if out, errs, err := k.command("queue", "resume", "--reason", "all of it is to leave"); err != nil {
		k.t.Fatalf("%v\n%s%s", err, out, errs)
	}
}

var keptLine = regexp.MustCompile(`(?m)^(database|files): .*\n`)

// keptAt names other places in the configuration.
func (h *house) keptAt(database, files string) {
	h.t.Helper()
	raw, err := os.ReadFile(h.config)
	if err != nil {
		h.t.Fatal(err)
	}
	h.write("sekisho.yaml", keptLine.ReplaceAllString(string(raw), "")+fmt.Sprintf("database: {url: %q}\nfiles: {url: %q}\n", database, files))
}

// TestABackupUnderLoadComesBackWhole makes a backup while mails are handed in, and brings it into PostgreSQL and S3:
// every mail that was answered before the backup began is there and can be read, and the log is untouched.
func TestABackupUnderLoadComesBackWhole(t *testing.T) {
	t.Parallel()
	h := found(t, settings{policy: later})
	c := &numbered{h: h, stop: make(chan struct{})}
	var talking sync.WaitGroup
	for range speakers {
		talking.Go(c.talk)
	}
	c.more(3 * between)
	_, before := c.results()
	backup := filepath.Join(h.dir, "backup")
	out, errs, err := h.command("backup", backup)
	_, after := c.results()
	if err != nil {
		t.Fatalf("%v\n%s%s", err, out, errs)
	}
	c.more(between)
	close(c.stop)
	talking.Wait()
	h.stop()
	t.Logf("%d mails were answered before the backup, %d while it was made: %s", len(before), len(after)-len(before), strings.SplitN(out, "\n", 2)[0])

	h.keptAt(dbtest.PostgresURL(t), testkit.Versitygw(t).URL)
	if out, errs, err := h.command("restore", backup); err != nil {
		t.Fatalf("%v\n%s%s", err, out, errs)
	}
	sent, _ := c.results()
	for n, id := range before {
		raw, errs, err := h.command("queue", "export", "--reason", "test", id)
		if err != nil {
			t.Errorf("mail %d (%s): %v %s", n, id, err, errs)
		} else if err := identical(sent[n].raw, []byte(raw)); err != nil {
			t.Errorf("mail %d (%s): %v", n, id, err)
		}
	}
	if out, errs, err := h.command("audit", "verify"); err != nil {
		t.Errorf("audit verify: %v\n%s%s", err, out, errs)
	}
}

// TestAMoveToAFullDiskIsRefusedAndRunsAgain: nothing is taken from where everything is, the error says what is wrong,
// and with more room the same command comes to its end.
func TestAMoveToAFullDiskIsRefusedAndRunsAgain(t *testing.T) {
	t.Parallel()
	h := found(t, settings{policy: later})
	c := &numbered{h: h, stop: make(chan struct{})}
	s, err := h.submission("alice@corp.example", password)
	if err != nil {
		t.Fatal(err)
	}
	for range 11 { // two of them large enough for files
		m := c.compose()
		m.raw = append(m.raw, padding(200_000)...)
		a, err := s.send(letterOf{from: "alice@corp.example", to: []string{m.to}, raw: m.raw})
		if err != nil || a.code != 250 {
			t.Fatalf("%v %s", err, a)
		}
		m.code, m.id = a.code, a.id
	}
	s.close()
	h.stop()
	database, files := "sqlite:"+filepath.Join(h.dataDir, "sekisho.db"), "file:"+filepath.Join(h.dataDir, "files")
	for _, size := range []string{"1200k", "200k"} { // less than the database, less than the files
		disk := smallDisk(t, size)
		from, to := &database, "sqlite:"+filepath.Join(disk, "new.db")
		if size == "200k" {
			from, to = &files, "file:"+filepath.Join(disk, "files")
		}
		out, errs, err := shared.runs("migrate", "--from", *from, "--to", to)
		if err == nil || !strings.Contains(errs, "full") && !strings.Contains(errs, "no space left") || !strings.Contains(errs, "is as it was") {
			t.Fatalf("%s: %v\n%s%s", *from, err, out, errs)
		}
		if lost := c.missing(); len(lost) != 0 {
			t.Fatalf("%s: after a move that failed: %q", *from, lost)
		}
		if out, err := exec.Command("mount", "-o", "remount,size=64m", disk).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if out, errs, err := shared.runs("migrate", "--from", *from, "--to", to); err != nil {
			t.Fatalf("%s: %v\n%s%s", *from, err, out, errs)
		}
		*from = to
		h.keptAt(database, files)
		if lost := c.missing(); len(lost) != 0 {
			t.Fatalf("%s: after the move: %q", to, lost)
		}
	}
	if out, errs, err := h.command("audit", "verify"); err != nil {
		t.Errorf("audit verify: %v\n%s%s", err, out, errs)
	}
}

// smallDisk is a disk in memory that is soon full.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+size, "sekisho-story", dir).CombinedOutput(); err != nil {
		t.Fatalf("mount a small disk (it needs root): %v\n%s", err, out)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}
