package linkify

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/internal/blob"
	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/db/dbtest"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
	"github.com/sekisho-mail/sekisho/internal/seal"
)

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// desk is one office with its database, its store, and what it has asked of the queue.
type desk struct {
	t     *testing.T
	db    *db.DB
	clock *clock
	store blob.Store
	dir   string
	keys  *seal.Keys
	*Links

	mu      sync.Mutex
	letters []Letter
	due     map[string]time.Time // "kind ref"
}

func tokyo(t testing.TB) *time.Location {
	zone, err := time.LoadLocation("Asia/Tokyo")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// start is a Thursday, 10:03 in Tokyo.
func start(t testing.TB) time.Time { return time.Date(2026, 11, 26, 10, 3, 12, 0, tokyo(t)) }

// each runs body on both engines, each time with an empty office.
func each(t *testing.T, body func(t *testing.T, d *desk)) {
	c := &clock{at: start(t)}
	dbtest.Each(t, func(t *testing.T, database *db.DB) {
		c.mu.Lock()
		c.at = start(t)
		c.mu.Unlock()
		body(t, newDesk(t, database, c))
	}, db.WithClock(c.now))
}

func newDesk(t *testing.T, database *db.DB, c *clock) *desk {
	d := &desk{t: t, db: database, clock: c, dir: t.TempDir(), keys: seal.NewTest(), due: map[string]time.Time{}}
	var err error
	if d.store, err = blob.OpenStore(context.Background(), "file:objects", d.dir); err != nil {
		t.Fatal(err)
	}
	d.Links = d.links("https://files.corp.example")
	return d
}

// links makes the package as a start of the program would: everything else it finds in database and store.
func (d *desk) links(portal string) *Links {
	l, err := New(Options{
		DB: d.db, Keys: d.keys, Blobs: d.store, Portal: portal, Company: "株式会社コープ", Zone: tokyo(d.t),
		TempDir: filepath.Join(d.dir, "tmp"), Post: d.post, Schedule: d.schedule, Staff: "https://hold.corp.example",
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return l
}

func (d *desk) post(_ *db.Tx, letter Letter) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.letters = append(d.letters, letter)
	return nil
}

func (d *desk) schedule(_ *db.Tx, kind, ref string, due time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.due[kind+" "+ref] = due
	return nil
}

// code is the code of the last letter, as its reader would type it.
func (d *desk) code() (to mailaddr.Address, code string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	last := d.letters[len(d.letters)-1]
	_, rest, _ := strings.Cut(last.Text, "確認コード： ")
	code, _, _ = strings.Cut(rest, "\n")
	return last.To, code
}

const (
	alice = mailaddr.Address("alice@corp.example")
	bob   = mailaddr.Address("Bob.Tanaka@other.example")
)

// letterTo is a mail with two attachments, one of them called twice.
func letterTo(pdf []byte) []byte {
	var b strings.Builder
	b.WriteString("From: =?UTF-8?B?" + base64.StdEncoding.EncodeToString([]byte("佐藤 花子")) + "?= <alice@corp.example>\r\n" +
		"To: bob.tanaka@other.example\r\nSubject: test\r\nMessage-ID: <1@corp.example>\r\nMIME-Version: 1.0\r\n" +
		"Content-Type: multipart/mixed; boundary=\"b1\"\r\n\r\n" +
		"--b1\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nいつもお世話になっております。\r\n")
	for _, name := range []string{"見積書.pdf", "控え.pdf"} {
		fmt.Fprintf(&b, "--b1\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment;\r\n filename=\"=?UTF-8?B?%s?=\"\r\nContent-Transfer-Encoding: base64\r\n\r\n%s\r\n",
			base64.StdEncoding.EncodeToString([]byte(name)), wrap(base64.StdEncoding.EncodeToString(pdf)))
	}
	b.WriteString("--b1\r\nContent-Type: text/csv\r\nContent-Disposition: attachment; filename=list.csv\r\n\r\na,b\r\n1,2\r\n--b1--\r\n")
	return []byte(b.String())
}

func wrap(s string) string {
	var b strings.Builder
	for len(s) > 76 {
		b.WriteString(s[:76] + "\r\n")
		s = s[76:]
	}
	return b.String() + s
}

// pdf is content of a size that ends in the middle of an encrypted chunk.
func pdf(size int) []byte {
	page := []byte("%PDF-1.7 見積 0123456789\n")
	return bytes.Repeat(page, size/len(page)+1)[:size]
}

func (d *desk) mail(raw []byte) Mail {
	return Mail{ID: db.NewID(), Person: alice, From: alice, FromName: "佐藤 花子", Subject: "お見積り", AcceptedAt: d.clock.now(), Raw: raw}
}

func to(a mailaddr.Address, access Access) Recipient {
	return Recipient{ID: db.NewID(), Address: a, Terms: Terms{Access: access}}
}

func (d *desk) prepare(m Mail, r Recipient) []byte {
	d.t.Helper()
	var out bytes.Buffer
	if err := d.Prepare(context.Background(), &out, m, r); err != nil {
		d.t.Fatal(err)
	}
	return out.Bytes()
}

// sent prepares a mail, lets it leave, and gives the token that stands in it.
func (d *desk) sent(m Mail, r Recipient) (token string) {
	d.t.Helper()
	token = tokenIn(d.t, d.prepare(m, r))
	d.leave(m, r)
	return token
}

func (d *desk) leave(m Mail, rs ...Recipient) {
	d.t.Helper()
	var ids []string
	for _, r := range rs {
		ids = append(ids, r.ID)
	}
	if err := d.db.Write(context.Background(), func(tx *db.Tx) error { return d.Activate(tx, ids) }); err != nil {
		d.t.Fatal(err)
	}
}

// tokenIn finds the link in a mail, whatever the transfer encoding of the text.
func tokenIn(t testing.TB, mail []byte) string {
	t.Helper()
	text := strings.ReplaceAll(string(mail), "=\r\n", "")
	_, rest, ok := strings.Cut(text, "https://files.corp.example/d/")
	if !ok || len(rest) < tokenLen {
		t.Fatalf("no link in the mail:\n%s", mail)
	}
	return rest[:tokenLen]
}

func (d *desk) landing(token string, v Visitor) Landing {
	d.t.Helper()
	l, err := d.Open(context.Background(), token, v)
	if err != nil {
		d.t.Fatal(err)
	}
	return l
}

func browser() Visitor {
	return Visitor{Browser: NewBrowser(), Address: "198.51.100.7", Agent: "Mozilla/5.0"}
}

// fetch takes one file as a browser does: press, then read from an offset.
func (d *desk) fetch(token string, v Visitor, f File, from, to int64) []byte {
	d.t.Helper()
	ctx := context.Background()
	ticket, err := d.Ticket(ctx, token, v, f.ID)
	if err != nil {
		d.t.Fatal(err)
	}
	c, err := d.Download(ctx, token, v, f.ID, ticket)
	if err != nil {
		d.t.Fatal(err)
	}
	defer c.Close()
	got, err := io.ReadAll(io.NewSectionReader(c, from, to-from))
	if err != nil {
		d.t.Fatal(err)
	}
	if err := c.Finish(ctx, true); err != nil {
		d.t.Fatal(err)
	}
	return got
}

func (d *desk) only(m Mail) Link {
	d.t.Helper()
	links, err := d.OfMessage(context.Background(), m.ID)
	if err != nil || len(links) != 1 {
		d.t.Fatalf("%d links (%v), want 1", len(links), err)
	}
	return links[0]
}

// audited counts the entries of an action, read as the log's owner would.
func (d *desk) audited(action string) (n int) {
	d.t.Helper()
	if err := d.count(`SELECT COUNT(*) FROM audit_entry WHERE action = '`+action+`'`, &n); err != nil {
		d.t.Fatal(err)
	}
	return n
}

func (d *desk) count(query string, n *int) error {
	return d.db.Read(context.Background(), func(tx *db.Tx) error { return tx.QueryRow(query).Scan(n) })
}
