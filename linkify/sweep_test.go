package linkify

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestFilesGoWhenAllLinksHaveBeenOverForAWhile(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		m := d.mail(letterTo(pdf(1000)))
		token := d.sent(m, to(bob, AccessOpen))
		long := to("carol@third.example", AccessOpen)
		long.Terms.Life = 30 * 24 * time.Hour
		d.sent(m, long)
		v := browser()
		f := d.landing(token, v).Files[0]
		d.fetch(token, v, f, 0, f.Size)

		d.clock.pass(22 * 24 * time.Hour)
		again, err := d.Sweep(ctx, m.ID)
		if want := d.linkOf(m, long.Address).ExpiresAt.Add(7 * 24 * time.Hour); err != nil || !again.Equal(want) || d.objects() != 2 {
			t.Fatalf("while one link lives: %v, %v, %d objects", again, err, d.objects())
		}
		d.clock.pass(16 * 24 * time.Hour)
		if again, err := d.Sweep(ctx, m.ID); err != nil || !again.IsZero() || d.objects() != 0 {
			t.Fatalf("after both: %v, %v, %d objects", again, err, d.objects())
		}
		if again, err := d.Sweep(ctx, m.ID); err != nil || !again.IsZero() || d.audited("link.sweep") != 1 {
			t.Fatalf("twice: %v, %v", again, err)
		}
		if l := d.linkOf(m, bob); l.Taken != 1 || len(l.Files) != 3 {
			t.Fatalf("the log must stay: %+v", l)
		}
		if lines, err := d.Log(ctx, m.ID, "", Page{}); err != nil || len(lines) != 1 || lines[0].File.Name != "見積書.pdf" {
			t.Fatalf("the log must stay: %+v, %v", lines, err)
		}
	})
}

func TestLegalHoldKeepsFiles(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		m := d.mail(letterTo(pdf(1000)))
		token := d.sent(m, to(bob, AccessOpen))
		if err := d.LegalHold(ctx, m.ID, true, "person:admin@corp.example"); err != nil {
			t.Fatal(err)
		}
		d.clock.pass(100 * 24 * time.Hour)
		if again, err := d.Sweep(ctx, m.ID); err != nil || !again.After(d.clock.now()) || d.objects() != 2 {
			t.Fatalf("under legal hold: %v, %v, %d objects", again, err, d.objects())
		}
		if d.landing(token, browser()).State != Expired {
			t.Fatal("a legal hold keeps files, not links")
		}
		if err := d.LegalHold(ctx, m.ID, false, "person:admin@corp.example"); err != nil {
			t.Fatal(err)
		}
		if due := d.due[WorkSweep+" "+m.ID]; due.After(d.clock.now()) {
			t.Fatalf("the sweep is due at %v", due)
		}
		if _, err := d.Sweep(ctx, m.ID); err != nil || d.objects() != 0 {
			t.Fatalf("released: %v, %d objects", err, d.objects())
		}
		if err := d.LegalHold(ctx, "nomail", true, System); !errors.Is(err, ErrNotFound) {
			t.Fatalf("unknown mail: %v", err)
		}
	})
}

func TestASweepThatWasKilledIsFinishedLater(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		m, r := d.mail(letterTo(pdf(1000))), to(bob, AccessOpen)
		d.prepare(m, r)
		if _, err := d.Revoke(ctx, m.ID, nil, MailStopped, System); err != nil {
			t.Fatal(err)
		}
		d.clock.pass(8 * 24 * time.Hour)
		d.o.Blobs = stuckStore{&brokenStore{Store: d.store}}
		if _, err := d.Sweep(ctx, m.ID); err == nil {
			t.Fatal("a store that deletes nothing was not noticed")
		}
		d.Links = d.links("https://files.corp.example")
		var out bytes.Buffer
		if err := d.Prepare(ctx, &out, m, to("carol@third.example", AccessOpen)); err == nil {
			t.Fatal("a file that is being deleted was counted on")
		}
		if _, err := d.Sweep(ctx, m.ID); err != nil || d.objects() != 0 {
			t.Fatalf("again: %v, %d objects", err, d.objects())
		}
		// A recipient who is released only now gets the files stored again.
		token := d.sent(m, to("carol@third.example", AccessOpen))
		v := browser()
		f := d.landing(token, v).Files[0]
		if got := d.fetch(token, v, f, 0, f.Size); !bytes.Equal(got, pdf(1000)) {
			t.Fatal("stored again, but not the same")
		}
	})
}

// stuckStore deletes nothing.
type stuckStore struct{ *brokenStore }

func (stuckStore) Delete(context.Context, string) error { return errors.New("the store is away") }

func TestOrphansAreReportedAndKept(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		var reported []Orphan
		d.o.Report = func(o Orphan) { reported = append(reported, o) }
		d.prepare(d.mail(letterTo(pdf(1000))), to(bob, AccessOpen))
		if err := d.store.Put(ctx, objectPrefix+"stray.0123", bytes.NewReader([]byte("x")), 1); err != nil {
			t.Fatal(err)
		}
		left := filepath.Join(d.dir, "tmp", "link-1.age")
		write(t, left, []byte("half"))
		sweep := func() {
			again, err := d.Sweep(ctx, SweepAll)
			if err != nil || !again.After(d.clock.now()) {
				t.Fatalf("%v, %v", again, err)
			}
			if err := d.ClearTemp(d.clock.now().Add(-24 * time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
		d.clock.mu.Lock()
		d.clock.at = time.Now() // the store's times are the machine's
		d.clock.mu.Unlock()
		sweep()
		if _, err := os.Stat(left); len(reported) != 0 || err != nil {
			t.Fatalf("what is young may be on its way: %v, %v", reported, err)
		}
		d.clock.pass(25 * time.Hour)
		sweep()
		if len(reported) != 1 || reported[0].Key != objectPrefix+"stray.0123" || d.objects() != 3 || d.audited("link.orphans") != 1 {
			t.Fatalf("%v, %d objects", reported, d.objects())
		}
		if _, err := os.Stat(left); !os.IsNotExist(err) {
			t.Fatal("half a file was left behind")
		}
		// The other way round: a row whose object somebody has deleted.
		reported = nil
		d.clock.pass(30 * 24 * time.Hour)
		paths := d.everyObject()
		for _, p := range paths {
			if err := os.Remove(p); err != nil {
				t.Fatal(err)
			}
		}
		sweep()
		if len(reported) != 2 || !reported[0].Missing || !reported[1].Missing {
			t.Fatalf("missing objects: %v", reported)
		}
	})
}

func TestOldLimitsAreForgotten(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		token, _, _ := d.withCode(bob)
		if _, err := d.RequestCode(ctx, token, browser(), ""); err != nil {
			t.Fatal(err)
		}
		d.clock.pass(25 * time.Hour)
		if _, err := d.Sweep(ctx, SweepAll); err != nil {
			t.Fatal(err)
		}
		var n int
		if err := d.count(`SELECT COUNT(*) FROM link_rate`, &n); err != nil || n != 0 {
			t.Fatalf("%d limits kept, %v", n, err)
		}
	})
}

func (d *desk) everyObject() (paths []string) {
	d.t.Helper()
	err := filepath.Walk(filepath.Join(d.dir, "objects", "file"), func(path string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return paths
}
