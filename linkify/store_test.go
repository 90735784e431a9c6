package linkify

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/internal/blob"
	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/db/dbtest"
	"github.com/sekisho-mail/sekisho/internal/seal"
)

// A new key is a new line in the key file. What older keys made goes on: the same mail, the same token, the
// same files.
func TestLinksOutliveTheKeyThatMadeThem(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		path := filepath.Join(d.dir, "keys")
		load := func() {
			keys, err := seal.Load(path)
			if err != nil {
				t.Fatal(err)
			}
			d.keys = keys
			d.Links = d.links("https://files.corp.example")
		}
		load()
		m, r := d.mail(letterTo(pdf(100_000))), to(bob, AccessOpen)
		first := d.prepare(m, r)
		rotated := append(read(t, path), fmt.Sprintf("0badcafe %s %s\n", d.clock.now().UTC().Format(time.RFC3339), strings.Repeat("5a", 32))...)
		write(t, path, rotated)
		load()
		if d.keys.CurrentID() != "0badcafe" {
			t.Fatal("the key was not rotated")
		}
		if !bytes.Equal(first, d.prepare(m, r)) {
			t.Fatal("another key, another mail")
		}
		d.leave(m, r)
		for _, token := range []string{tokenIn(t, first), d.sent(m, to("carol@third.example", AccessOpen))} {
			v := browser()
			f := d.landing(token, v).Files[0]
			if got := d.fetch(token, v, f, 0, f.Size); !bytes.Equal(got, pdf(100_000)) {
				t.Fatal("the file did not outlive the key")
			}
		}
	})
}

func TestFilesLieInABucket(t *testing.T) {
	s3 := bucket(t)
	c := &clock{at: start(t)}
	d := newDesk(t, dbtest.SQLite(t, db.WithClock(c.now)), c)
	var err error
	if d.store, err = blob.OpenStore(context.Background(), s3.URL, d.dir); err != nil {
		t.Fatal(err)
	}
	d.Links = d.links("https://files.corp.example")
	m := d.mail(letterTo(pdf(3_000_000)))
	token, v := d.sent(m, to(bob, AccessOpen)), browser()
	f := d.landing(token, v).Files[0]
	if got := d.fetch(token, v, f, 1_000_000, 2_000_000); !bytes.Equal(got, pdf(3_000_000)[1_000_000:2_000_000]) {
		t.Fatal("a range is wrong")
	}
	if got := d.fetch(token, v, f, 0, f.Size); !bytes.Equal(got, pdf(3_000_000)) {
		t.Fatal("the file is wrong")
	}
	if got := d.only(m).Taken; got != 1 {
		t.Fatalf("taken %d, want 1", got)
	}
	d.clock.pass(30 * 24 * time.Hour)
	if _, err := d.Sweep(context.Background(), m.ID); err != nil || d.objects() != 0 {
		t.Fatalf("%v, %d objects left", err, d.objects())
	}
}

// Fifty downloads of one large file at once must not hold it in memory fifty times, or once.
func TestDownloadsTakeLittleMemory(t *testing.T) {
	const size, visitors = 48 << 20, 50
	c := &clock{at: start(t)}
	d := newDesk(t, dbtest.SQLite(t, db.WithClock(c.now)), c)
	m := d.mail(letterTo(pdf(size)))
	token := d.sent(m, to(bob, AccessOpen))
	m.Raw = nil
	f := d.landing(token, Visitor{}).Files[0]

	var open []*Content
	for range visitors {
		v := browser()
		ticket, err := d.Ticket(context.Background(), token, v, f.ID)
		if err != nil {
			t.Fatal(err)
		}
		one, err := d.Download(context.Background(), token, v, f.ID, ticket)
		if err != nil {
			t.Fatal(err)
		}
		defer one.Close()
		open = append(open, one)
	}
	runtime.GC()
	var before, during runtime.MemStats
	runtime.ReadMemStats(&before)
	buf := make([]byte, 32<<10)
	for off := int64(0); off < 4<<20; off += int64(len(buf)) { // all of them side by side
		for _, one := range open {
			if _, err := one.ReadAt(buf, off); err != nil && err != io.EOF {
				t.Fatal(err)
			}
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&during)
	if grown := int64(during.HeapAlloc) - int64(before.HeapAlloc); grown > visitors*300<<10 {
		t.Fatalf("%d downloads hold %d KB", visitors, grown>>10)
	}
}

// mail25 is a mail with one file of 25 MB, in a file of its own as the queue has it.
func mail25(b *testing.B) (raw []byte, path string) {
	raw = letterTo(pdf(25 << 20))
	raw = raw[:bytes.LastIndex(raw, []byte("--b1\r\nContent-Type: application/pdf"))]
	raw = append(raw, "--b1--\r\n"...)
	path = filepath.Join(b.TempDir(), "mail")
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		b.Fatal(err)
	}
	return raw, path
}

// BenchmarkPrepare25MB strips, encrypts and stores; BenchmarkPlain25MB is what it is compared with.
func BenchmarkPrepare25MB(b *testing.B) {
	prepare := prepare25(b)
	b.SetBytes(25 << 20)
	b.ReportAllocs()
	for b.Loop() {
		prepare()
	}
}

func prepare25(b *testing.B) func() {
	d := benchDesk(b)
	_, path := mail25(b)
	return func() {
		raw, err := os.ReadFile(path)
		if err != nil {
			b.Fatal(err)
		}
		m := Mail{ID: db.NewID(), Person: alice, From: alice, Raw: raw}
		if err := d.Prepare(context.Background(), io.Discard, m, to(bob, AccessOpen)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPlain25MB reads the same mail, decodes its file with the standard library, and writes and syncs it.
func BenchmarkPlain25MB(b *testing.B) {
	plain := plain25(b)
	b.SetBytes(25 << 20)
	b.ReportAllocs()
	for b.Loop() {
		plain()
	}
}

func plain25(b *testing.B) func() {
	dir := b.TempDir()
	raw, path := mail25(b)
	begin := bytes.LastIndex(raw, []byte("base64\r\n\r\n")) + len("base64\r\n\r\n")
	end := bytes.LastIndex(raw, []byte("\r\n--b1--"))
	return func() {
		raw, err := os.ReadFile(path)
		if err != nil {
			b.Fatal(err)
		}
		f, err := os.CreateTemp(dir, "")
		if err != nil {
			b.Fatal(err)
		}
		if n, err := io.Copy(f, base64.NewDecoder(base64.StdEncoding, bytes.NewReader(raw[begin:end]))); err != nil || n != 25<<20 {
			b.Fatal(n, err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
		f.Close()
		os.Remove(f.Name())
	}
}

// BenchmarkPrepareBesidePlain25MB does both in turns and gives the median of their ratios, which should be at most 1.5.
func BenchmarkPrepareBesidePlain25MB(b *testing.B) {
	prepare, plain := prepare25(b), plain25(b)
	var ratios []float64
	took := func(do func()) float64 {
		began := time.Now()
		do()
		return float64(time.Since(began))
	}
	for b.Loop() {
		ratios = append(ratios, took(prepare)/took(plain))
	}
	slices.Sort(ratios)
	median, met := ratios[len(ratios)/2], "reached"
	if median > 1.5 {
		met = "MISSED"
	}
	b.ReportMetric(median, "times-plain")
	b.Logf("strip, encrypt and store 25 MB: %.2f times reading, decoding and writing it; %s (<= 1.5)", median, met)
}

func BenchmarkDownload(b *testing.B) {
	d := benchDesk(b)
	m := Mail{ID: db.NewID(), Person: alice, From: alice, Raw: letterTo(pdf(25 << 20))}
	r := to(bob, AccessOpen)
	var out bytes.Buffer
	if err := d.Prepare(context.Background(), &out, m, r); err != nil {
		b.Fatal(err)
	}
	if err := d.o.DB.Write(context.Background(), func(tx *db.Tx) error { return d.Activate(tx, []string{r.ID}) }); err != nil {
		b.Fatal(err)
	}
	token, v := tokenIn(b, out.Bytes()), browser()
	page, err := d.Open(context.Background(), token, v)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(page.Files[0].Size)
	buf := make([]byte, 32<<10)
	for b.Loop() {
		ticket, err := d.Ticket(context.Background(), token, v, page.Files[0].ID)
		if err != nil {
			b.Fatal(err)
		}
		c, err := d.Download(context.Background(), token, v, page.Files[0].ID, ticket)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, io.NewSectionReader(c, 0, c.Size), buf); err != nil {
			b.Fatal(err)
		}
		if err := c.Finish(context.Background(), true); err != nil {
			b.Fatal(err)
		}
		c.Close()
	}
}

func benchDesk(b *testing.B) *Links {
	dir := b.TempDir()
	store, err := blob.OpenStore(context.Background(), "file:objects", dir)
	if err != nil {
		b.Fatal(err)
	}
	l, err := New(Options{DB: dbtest.SQLite(b), Keys: seal.NewTest(), Blobs: store, Portal: "https://files.corp.example",
		Zone: tokyo(b), TempDir: filepath.Join(dir, "tmp"),
		Post:     func(*db.Tx, Letter) error { return nil },
		Schedule: func(*db.Tx, string, string, time.Time) error { return nil }})
	if err != nil {
		b.Fatal(err)
	}
	return l
}
