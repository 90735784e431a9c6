package submission

import (
	"bytes"
	"context"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/blob"
	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/db/dbtest"
	"github.com/sekisho-mail/sekisho/internal/seal"
)

// queueOn opens a real queue, as serve does.
func queueOn(t *testing.T, d *db.DB, keys *seal.Keys, dir string) *holdqueue.Queue {
	t.Helper()
	store, err := blob.OpenStore(t.Context(), "file:files", dir)
	if err != nil {
		t.Fatal(err)
	}
	q, err := holdqueue.New(t.Context(), holdqueue.Options{DB: d, Keys: keys, Blobs: store,
		Spool: filepath.Join(dir, "spool"), Hostname: "mail.corp.example"})
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func TestAcceptedMailIsInTheQueueByteForByte(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		keys, dir := seal.NewTest(), t.TempDir()
		q := queueOn(t, d, keys, dir)
		r := serve(t, func(o *Options) {
			o.Begin = func(ctx context.Context) (Draft, error) { return q.Begin(ctx) }
		})
		c := r.signed("alice@corp.example")
		for _, text := range []string{someMail, someMail + strings.Repeat("0123456789abcdef\r\n", 100_000)} {
			id := c.mail(text)
			// Another handle sees what is in the tables and files, not what is in this one's memory.
			other := queueOn(t, d, keys, dir)
			m, err := other.Get(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			if m.Person != alice || len(m.Recipients) != 1 || m.Recipients[0].Address != "b@other.example" || m.Meta.Subject != "hello" {
				t.Errorf("%+v", m)
			}
			body, err := other.Open(t.Context(), m)
			if err != nil {
				t.Fatal(err)
			}
			stored, err := io.ReadAll(io.NewSectionReader(body, 0, body.Size()))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.HasSuffix(stored, []byte(text)) || !bytes.Contains(stored, []byte("ESMTPSA id "+id+";")) {
				t.Errorf("stored %d octets, sent %d", len(stored), len(text))
			}
			body.Close()
		}
	})
}

func TestDatabaseThatIsAwayKeepsTheMailWithTheClient(t *testing.T) {
	d, err := db.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "sekisho.db"))
	if err != nil {
		t.Fatal(err)
	}
	q := queueOn(t, d, seal.NewTest(), t.TempDir())
	r := serve(t, func(o *Options) {
		o.Begin = func(ctx context.Context) (Draft, error) { return q.Begin(ctx) }
	})
	c := r.signed("alice@corp.example")
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	c.begin("b@other.example")
	c.do("DATA", "354")
	c.do(someMail+".", "451 4.3.0")
}
