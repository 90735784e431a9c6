package linkify

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/sekisho-mail/sekisho/internal/blob"
	"github.com/sekisho-mail/sekisho/internal/db"
)

// A file whose middle is damaged gives out what is right before it, then breaks off; administrators hear of it once a day.
func TestDamageInTheMiddleBreaksADownloadOffAndIsTold(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		alarms := 0
		d.o.DamageAlarm = func(*db.Tx, string) error { alarms++; return nil }
		m := d.mail(letterTo(pdf(400_000)))
		token, v := d.sent(m, to(bob, AccessOpen)), browser()
		f := d.landing(token, v).Files[0]
		ticket, err := d.Ticket(ctx, token, v, f.ID)
		if err != nil {
			t.Fatal(err)
		}
		path := d.objectOf(400_000)
		raw := read(t, path)
		raw[200_000] ^= 1
		write(t, path, raw)
		c, err := d.Download(ctx, token, v, f.ID, ticket)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size))
		if !errors.Is(err, ErrDamaged) || len(got) == 0 || string(got) != string(pdf(400_000)[:len(got)]) {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
		c.Delivered(int64(len(got)))
		if err := c.Finish(ctx, false); !errors.Is(err, ErrDamaged) {
			t.Fatalf("%v", err)
		}
		if _, due := d.due[WorkDamage+" "+f.ID]; !due || d.only(m).Taken != 0 {
			t.Fatal("nobody looks at it, or it counts")
		}
		for range 2 {
			if _, err := d.Damaged(ctx, f.ID); err != nil {
				t.Fatal(err)
			}
		}
		if alarms != 1 {
			t.Fatalf("%d alarms", alarms)
		}
	})
}

// A portal in the wrong hands may claim damage as often as it likes.
func TestAFileThatIsWholeRaisesNoAlarm(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		d.o.DamageAlarm = func(*db.Tx, string) error { t.Error("alarm"); return nil }
		m := d.mail(letterTo(pdf(100_000)))
		f := d.landing(d.sent(m, to(bob, AccessOpen)), browser()).Files[0]
		for _, file := range []string{f.ID, "no-such-file"} {
			if again, err := d.Damaged(context.Background(), file); err != nil || !again.IsZero() {
				t.Fatalf("%v %v", again, err)
			}
		}
	})
}

// awayStore answers Open, and then nothing.
type awayStore struct{ blob.Store }

var errAway = errors.New("connection refused")

func (s awayStore) Open(ctx context.Context, key string) (blob.File, error) {
	f, err := s.Store.Open(ctx, key)
	return awayFile{f}, err
}

type awayFile struct{ blob.File }

func (awayFile) ReadAt([]byte, int64) (int, error) { return 0, errAway }

func TestABucketThatDoesNotAnswerIsNoDamage(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		d.o.DamageAlarm = func(*db.Tx, string) error { t.Error("alarm"); return nil }
		m := d.mail(letterTo(pdf(100_000)))
		token, v := d.sent(m, to(bob, AccessOpen)), browser()
		f := d.landing(token, v).Files[0]
		ticket, err := d.Ticket(ctx, token, v, f.ID)
		if err != nil {
			t.Fatal(err)
		}
		d.o.Blobs = awayStore{d.store}
		if _, err := d.Download(ctx, token, v, f.ID, ticket); !errors.Is(err, errAway) || errors.Is(err, ErrDamaged) {
			t.Fatalf("%v", err)
		}
		if _, err := d.Damaged(ctx, f.ID); !errors.Is(err, errAway) {
			t.Fatalf("not looked at again: %v", err)
		}
	})
}

// What was read ahead of the browser does not count; what it has does.
func TestWhatWasReadAheadDoesNotCount(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		m := d.mail(letterTo(pdf(100_000)))
		token, v := d.sent(m, to(bob, AccessOpen)), browser()
		f := d.landing(token, v).Files[0]
		part := func(from, read, took int64, all bool) {
			t.Helper()
			ticket, err := d.Ticket(ctx, token, v, f.ID)
			if err != nil {
				t.Fatal(err)
			}
			c, err := d.Download(ctx, token, v, f.ID, ticket)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := io.ReadAll(io.NewSectionReader(c, from, read)); err != nil {
				t.Fatal(err)
			}
			c.Delivered(took)
			if err := c.Finish(ctx, all); err != nil {
				t.Fatal(err)
			}
		}
		part(0, 100_000, 60_000, false)
		part(0, 100_000, 0, false)
		if l := d.only(m); l.Taken != 0 {
			t.Fatal("bytes that were only read count")
		}
		part(60_001, 39_999, 0, true)
		if l := d.only(m); l.Taken != 0 {
			t.Fatal("counted with a byte missing")
		}
		part(60_000, 10, 1, false)
		if l := d.only(m); l.Taken != 1 {
			t.Fatal("the union is whole and does not count")
		}
	})
}

// objectOf is the file of the store that holds a content of that size.
func (d *desk) objectOf(size int64) (found string) {
	d.t.Helper()
	err := filepath.Walk(filepath.Join(d.dir, "objects"), func(path string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() && info.Size() > size && info.Size() < size+1000 {
			found = path
		}
		return err
	})
	if err != nil || found == "" {
		d.t.Fatalf("no object of %d bytes, %v", size, err)
	}
	return found
}
