package linkify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/mail"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/internal/blob"
	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/db/dbtest"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

func TestEveryAttemptGivesTheSameBytes(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		m, r := d.mail(letterTo(pdf(300_000))), to(bob, AccessOpen)
		first := d.prepare(m, r)
		if bytes.Contains(first, []byte("JVBERi0xLjc")) { // the base64 of the PDF's first bytes
			t.Fatal("the attachment is still in the mail")
		}
		d.clock.pass(30 * time.Hour)
		d.Links = d.links("https://moved.corp.example") // started again with another configuration
		again := d.prepare(m, r)
		if !bytes.Equal(first, again) {
			t.Fatal("the second attempt differs")
		}
		d.leave(m, r)
		if !bytes.Equal(first, d.prepare(m, r)) {
			t.Fatal("an attempt after dot_sent differs")
		}
		if d.only(m).State != Active || d.audited("link.create") != 1 {
			t.Fatal("one recipient, one link, one entry")
		}
	})
}

// brokenStore fails its next calls, as a store does that goes away or a program that is killed.
type brokenStore struct {
	blob.Store
	fail int
	then bool // fail after the object is stored
}

func (b *brokenStore) Adopt(ctx context.Context, key, path string) error {
	b.fail--
	if b.fail == 0 && !b.then {
		return errors.New("the store is away")
	}
	err := b.Store.Adopt(ctx, key, path)
	if b.fail == 0 {
		return errors.New("killed after storing")
	}
	return err
}

func TestPrepareBeginsAnewAfterACrashWhileStoring(t *testing.T) {
	each(t, func(t *testing.T, office *desk) {
		for _, c := range []brokenStore{{fail: 1}, {fail: 2}, {fail: 1, then: true}, {fail: 2, then: true}} {
			t.Run(fmt.Sprintf("%d %v", c.fail, c.then), func(t *testing.T) {
				d := newDesk(t, office.db, office.clock)
				m, r := d.mail(letterTo(pdf(100_000))), to(bob, AccessOpen)
				d.o.Blobs = &brokenStore{Store: d.store, fail: c.fail, then: c.then}
				if err := d.Prepare(context.Background(), io.Discard, m, r); err == nil {
					t.Fatal("Prepare succeeded without its store")
				}
				if links, _ := d.OfMessage(context.Background(), m.ID); len(links) != 0 {
					t.Fatal("a link was made for files that are not stored")
				}
				if _, ok := d.due[WorkSweep+" "+m.ID]; !ok {
					t.Fatal("nobody will look after what was stored")
				}
				d.Links = d.links("https://files.corp.example")
				token := d.sent(m, r)
				if got := d.objects(); got != 2 {
					t.Fatalf("%d objects in the store, want 2", got)
				}
				if left, _ := filepath.Glob(filepath.Join(d.dir, "tmp", "*")); len(left) != 0 {
					t.Fatalf("left behind: %v", left)
				}
				v := browser()
				f := d.landing(token, v).Files[0]
				if !bytes.Equal(d.fetch(token, v, f, 0, f.Size), pdf(100_000)) {
					t.Fatal("the file is not what was attached")
				}
			})
		}
	})
}

func (d *desk) objects() (n int) {
	d.t.Helper()
	err := d.store.Walk(context.Background(), objectPrefix, func(string, int64, time.Time) error { n++; return nil })
	if err != nil {
		d.t.Fatal(err)
	}
	return n
}

func TestOneContentIsStoredOnceForAllNamesAndRecipients(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		m := d.mail(letterTo(pdf(50_000)))
		carol := to("carol@third.example", AccessCode)
		a, b := d.prepare(m, to(bob, AccessOpen)), d.prepare(m, carol)
		if tokenIn(t, a) == tokenIn(t, b) {
			t.Fatal("two recipients share a token")
		}
		if got := d.objects(); got != 2 { // the PDF under two names, and the list
			t.Fatalf("%d objects, want 2", got)
		}
		other := d.mail(letterTo(pdf(50_000)))
		d.prepare(other, to(bob, AccessOpen))
		if got := d.objects(); got != 4 {
			t.Fatalf("%d objects: another mail must have its own, want 4", got)
		}
	})
}

func TestNothingReadableIsKept(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		token := d.sent(d.mail(letterTo(pdf(70_000))), to(bob, AccessCode))
		v := browser()
		if _, err := d.RequestCode(context.Background(), token, v, ""); err != nil {
			t.Fatal(err)
		}
		_, code := d.code()
		secrets := []string{token, v.Browser, cleanCode(code), "見積書", "%PDF", "Bob.Tanaka", "お見積り", "佐藤"}
		for _, text := range d.everything() {
			for _, s := range secrets {
				if strings.Contains(text, s) {
					t.Errorf("%q is kept in clear", s)
				}
			}
		}
	})
}

// everything is all that lies in the store and in our tables.
func (d *desk) everything() (out []string) {
	d.t.Helper()
	err := filepath.WalkDir(d.dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		out = append(out, path, string(raw))
		return err
	})
	if err != nil {
		d.t.Fatal(err)
	}
	for _, table := range []string{"link_mail", "link_blob", "link_file", "link", "link_content", "link_session", "link_take", "link_code", "link_rate"} {
		err := d.db.Read(context.Background(), func(tx *db.Tx) error {
			rows, err := tx.Query(`SELECT * FROM ` + table)
			if err != nil {
				return err
			}
			defer rows.Close()
			columns, err := rows.Columns()
			if err != nil {
				return err
			}
			for rows.Next() {
				values := make([][]byte, len(columns))
				into := make([]any, len(columns))
				for i := range values {
					into[i] = &values[i]
				}
				if err := rows.Scan(into...); err != nil {
					return err
				}
				out = append(out, string(bytes.Join(values, []byte("|"))))
			}
			return rows.Err()
		})
		if err != nil {
			d.t.Fatal(err)
		}
	}
	return out
}

func TestSmallFilesStayAttachedWhereTheRuleSaysSo(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		m, r := d.mail(letterTo(pdf(100_000))), to(bob, AccessOpen)
		r.Terms.Over = 1000
		out := d.prepare(m, r)
		if !bytes.Contains(out, []byte("a,b\r\n1,2")) {
			t.Error("the small list is gone")
		}
		if got := len(d.only(m).Files); got != 2 {
			t.Errorf("%d files linked, want 2", got)
		}
		r = to("carol@third.example", AccessOpen)
		r.Terms.Over = 1 << 20
		if !bytes.Equal(d.prepare(m, r), m.Raw) {
			t.Error("a mail without large files was changed")
		}
	})
}

func TestWhatCannotBeLinkedIsRefusedUnlessLetGo(t *testing.T) {
	signed := []byte("From: alice@corp.example\r\nMIME-Version: 1.0\r\nContent-Type: multipart/signed; boundary=s;\r\n" +
		" protocol=\"application/pkcs7-signature\"; micalg=sha-256\r\n\r\n--s\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n" +
		"--m\r\nContent-Type: text/plain\r\n\r\nhello\r\n--m\r\nContent-Type: application/pdf\r\n" +
		"Content-Disposition: attachment; filename=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBERg==\r\n--m--\r\n" +
		"--s\r\nContent-Type: application/pkcs7-signature; name=smime.p7s\r\nContent-Disposition: attachment; filename=smime.p7s\r\n" +
		"Content-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--s--\r\n")
	each(t, func(t *testing.T, d *desk) {
		m, r := d.mail(signed), to(bob, AccessOpen)
		if err := d.Prepare(context.Background(), io.Discard, m, r); !errors.Is(err, ErrCannotLink) {
			t.Fatalf("signed mail: %v", err)
		}
		r.AsIs = true
		if !bytes.Equal(d.prepare(m, r), signed) {
			t.Fatal("a signed mail was changed")
		}
	})
}

func TestPreviewStoresNothingAndLeadsNowhere(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		m := d.mail(letterTo(pdf(1000)))
		var one, two bytes.Buffer
		o := Options{Portal: "https://files.corp.example", Zone: tokyo(t)}
		for _, w := range []*bytes.Buffer{&one, &two} {
			if err := Preview(w, o, m, to(bob, AccessCode)); err != nil {
				t.Fatal(err)
			}
		}
		if one.String() != two.String() {
			t.Fatal("two previews differ")
		}
		if _, err := mail.ReadMessage(&one); err != nil {
			t.Fatal(err)
		}
		if d.objects() != 0 || d.landing(tokenIn(t, two.Bytes()), browser()).State != Unknown {
			t.Fatal("a preview left something behind")
		}
	})
}

func TestTwoWorkersMakeOneLink(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		m, r := d.mail(letterTo(pdf(200_000))), to(bob, AccessOpen)
		outs := make([][]byte, 4)
		var wg sync.WaitGroup
		for i := range outs {
			wg.Go(func() {
				var w bytes.Buffer
				for {
					w.Reset()
					err := d.Prepare(context.Background(), &w, m, r)
					if err == nil {
						break
					}
					if !errors.Is(err, errRaced) {
						t.Error(err)
						return
					}
				}
				outs[i] = w.Bytes()
			})
		}
		wg.Wait()
		for _, o := range outs {
			if !bytes.Equal(o, outs[0]) {
				t.Fatal("two workers wrote different mails")
			}
		}
		d.only(m)
	})
}

func TestThePlanIsBoundToTheMail(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		m, r := d.mail(letterTo(pdf(5000))), to(bob, AccessOpen)
		d.prepare(m, r)
		m.Raw = letterTo(append(pdf(4999), 'X'))
		if err := d.Prepare(context.Background(), io.Discard, m, r); !errors.Is(err, ErrChanged) {
			t.Fatalf("another attachment under the same id: %v", err)
		}
	})
}

func TestAnAttemptAfterDotSentMayNotDiffer(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		m, r := d.mail(letterTo(pdf(5000))), to(bob, AccessOpen)
		d.prepare(m, r)
		changed := m
		changed.Raw = bytes.Replace(m.Raw, []byte("Subject: test"), []byte("Subject: tost"), 1)
		d.prepare(changed, r) // nothing has left: what leaves first counts
		d.leave(m, r)
		if err := d.Prepare(context.Background(), io.Discard, m, r); !errors.Is(err, ErrChanged) {
			t.Fatalf("other bytes after dot_sent: %v", err)
		}
		d.prepare(changed, r)
	})
}

func TestRecipientsOfOtherFormsGetLinksToo(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		for _, a := range []mailaddr.Address{`"odd local"@other.example`, "山田@日本.example", "x@[192.0.2.1]"} {
			token := d.sent(d.mail(letterTo(pdf(100))), to(a, AccessCode))
			if l := d.landing(token, Visitor{}); l.State != Active || l.Masked == "" {
				t.Errorf("%s: %+v", a, l)
			}
		}
	})
}

// The mail is in memory once; its files are decoded, hashed, encrypted and stored piece by piece.
func TestPrepareHoldsNoFileBesideTheMail(t *testing.T) {
	const size = 48 << 20
	c := &clock{at: start(t)}
	d := newDesk(t, dbtest.SQLite(t, db.WithClock(c.now)), c)
	m := d.mail(letterTo(pdf(size)))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := d.Prepare(t.Context(), io.Discard, m, to(bob, AccessOpen)); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 8<<20 {
		t.Errorf("linking two files of %d MB took %d MB of memory", size>>20, grown>>20)
	}
}
