package linkify

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"sync"

	"github.com/sekisho-mail/sekisho/internal/db"
)

// transfer is the state of one download: what was read, and how much of it went out.
type transfer struct {
	links   *Links
	object  *object
	row     row
	session session
	visitor Visitor

	mu       sync.Mutex // reading runs ahead of delivery
	got      ranges     // delivered
	waiting  []span     // read and not delivered, in the order of reading
	failure  error      // of reading
	finished bool
}

// Download opens a file for a browser that has a ticket. The caller reads, then calls Finish and Close.
func (l *Links) Download(ctx context.Context, token string, v Visitor, file, ticket string) (*Content, error) {
	return l.download(ctx, v, file, func(tx *db.Tx) (row, session, error) {
		r, s, err := l.mayHave(tx, token, v, taking, file)
		if err == nil && !l.checkTicket(taking, ticket, r.id, s.id, file, tx.Now()) {
			err = ErrTicket
		}
		return r, s, err
	})
}

// Bundle is several files of one link that a browser takes with one press.
type Bundle struct {
	links   *Links
	token   string
	visitor Visitor
	files   map[string]bool
}

// Bundle permits this browser to open those files, one after the other.
func (l *Links) Bundle(ctx context.Context, token string, v Visitor, files ...string) (*Bundle, error) {
	if _, err := l.permit(ctx, token, v, taking, files...); err != nil {
		return nil, err
	}
	b := &Bundle{links: l, token: token, visitor: v, files: map[string]bool{}}
	for _, id := range files {
		b.files[id] = true
	}
	return b, nil
}

// Open is Download of one of the files, as long as the link is open to this browser.
func (b *Bundle) Open(ctx context.Context, file string) (*Content, error) {
	return b.links.download(ctx, b.visitor, file, func(tx *db.Tx) (row, session, error) {
		r, err := rowByToken(tx, b.token)
		if err == nil {
			err = r.usable(tx.Now())
		}
		if err == nil && !b.files[file] {
			err = ErrNotFound
		}
		if err != nil {
			return r, session{}, err
		}
		s, err := b.links.sessionOf(tx, r.id, b.visitor.Browser)
		if err == nil && !s.serves(r, tx.Now()) {
			err = ErrNeedCode
		}
		return r, s, err
	})
}

func (l *Links) download(ctx context.Context, v Visitor, file string, may func(*db.Tx) (row, session, error)) (*Content, error) {
	var r row
	var s session
	var b stored
	var f File
	err := l.o.DB.Read(ctx, func(tx *db.Tx) (err error) {
		if r, s, err = may(tx); err != nil {
			return err
		}
		f, b, err = l.fileByID(tx, file)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("download: %w", err)
	}
	o, err := l.open(ctx, b)
	if err != nil {
		return nil, fmt.Errorf("download: %w", l.suspect(ctx, file, err))
	}
	return &Content{File: f, Stored: b.at,
		transfer: &transfer{links: l, object: o, row: r, session: s, visitor: v}}, nil
}

func (l *Links) fileByID(tx *db.Tx, id string) (f File, b stored, err error) {
	var message, digest string
	var sealed []byte
	err = tx.QueryRow(`SELECT message, digest, sealed FROM link_file WHERE id = $1`, id).Scan(&message, &digest, &sealed)
	if db.IsNoRows(err) {
		return f, b, ErrNotFound
	}
	if err != nil {
		return f, b, err
	}
	if err := l.openJSON(sealFile, id, sealed, &f); err != nil {
		return f, b, err
	}
	b, err = blobRow(tx, message, digest)
	return f, b, err
}

// ReadAt reads plain bytes; a byte that is not what was stored is ErrDamaged, never content: every piece of an object is
// authenticated, and its beginning says whose it is. That what was stored is what the file's SHA-256 says was proved when
// it was stored.
func (c *Content) ReadAt(p []byte, off int64) (int, error) {
	if off >= c.Size {
		return 0, io.EOF
	}
	n, err := c.transfer.object.ReadAt(p, off)
	if err != nil && err != io.EOF {
		c.transfer.fail(err)
		return 0, err
	}
	c.transfer.note(span{off, off + int64(n)})
	return n, err
}

// note takes a read down.
func (t *transfer) note(s span) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if last := len(t.waiting) - 1; last >= 0 && t.waiting[last].end == s.start {
		t.waiting[last].end = s.end
		return
	}
	t.waiting = append(t.waiting, s)
}

func (t *transfer) fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failure = err
}

// Delivered says that the next n bytes of what was read have gone out.
func (c *Content) Delivered(n int64) {
	t := c.transfer
	t.mu.Lock()
	defer t.mu.Unlock()
	for n > 0 && len(t.waiting) > 0 {
		s := &t.waiting[0]
		out := span{s.start, min(s.end, s.start+n)}
		t.got = t.got.add(out)
		n -= out.end - out.start
		if s.start = out.end; s.start == s.end {
			t.waiting = t.waiting[1:]
		}
	}
}

// Close gives back the store's resources. Call it after Finish.
func (c *Content) Close() error { return c.transfer.object.file.Close() }

// Finish records what was delivered: with all everything that was read, else what Delivered was told of. all is false
// when writing to the browser failed, and for HEAD. A transfer that delivered nothing leaves no trace. An error of
// reading is given back: the browser cannot be told more than by a connection that breaks off.
func (c *Content) Finish(ctx context.Context, all bool) error {
	t := c.transfer
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.finished {
		return nil
	}
	t.finished = true
	told := t.links.suspect(ctx, c.ID, t.failure)
	if all {
		t.got = t.got.union(t.waiting)
	}
	if len(t.got) == 0 && !(c.Size == 0 && all) {
		return told
	}
	// A browser that hangs up ends its request's context; what it took is recorded all the same.
	ctx = context.WithoutCancel(ctx)
	if err := t.links.o.DB.Write(ctx, func(tx *db.Tx) error { return t.record(tx, c.File) }); err != nil {
		return errors.Join(told, fmt.Errorf("record download: %w", err))
	}
	return told
}

// maxTransfers bounds the log lines that one browser can make for one file; beyond it only the union grows.
const maxTransfers = 100

// record adds the transfer to what this browser has of the file, and counts the file once it has it whole.
func (t *transfer) record(tx *db.Tx, f File) error {
	k, err := takeOf(tx, t.session.id, f.ID)
	if err != nil {
		return err
	}
	had := !k.complete
	k.got = k.got.union(t.got)
	k.transfers++
	k.bytes += t.got.total()
	completes := had && k.got.covers(f.Size)
	k.complete = k.complete || completes
	if err := k.save(tx, t.session.id, f.ID); err != nil {
		return err
	}
	if k.transfers <= maxTransfers || completes {
		if err := t.log(tx, f, completes); err != nil {
			return err
		}
	}
	if !completes {
		return nil
	}
	return t.count(tx, f)
}

// take is what one browser has of one file.
type take struct {
	got       ranges
	transfers int64
	bytes     int64
	complete  bool
	version   int64
}

func takeOf(tx *db.Tx, session, file string) (k take, err error) {
	var text string
	var complete int64
	err = tx.QueryRow(`SELECT ranges, transfers, bytes, complete_at, version FROM link_take WHERE session = $1 AND file = $2`,
		session, file).Scan(&text, &k.transfers, &k.bytes, &complete, &k.version)
	if db.IsNoRows(err) {
		return take{}, nil
	}
	if err != nil {
		return take{}, err
	}
	k.complete = complete != 0
	k.got, err = parseRanges(text)
	return k, err
}

func (k take) save(tx *db.Tx, session, file string) (err error) {
	var at, n int64
	if k.complete {
		at = db.Micros(tx.Now())
	}
	if k.version == 0 {
		n, err = tx.Exec(`INSERT INTO link_take (session, file, ranges, transfers, bytes, complete_at, version)
			VALUES ($1, $2, $3, $4, $5, $6, 1) ON CONFLICT (session, file) DO NOTHING`,
			session, file, k.got.String(), k.transfers, k.bytes, at)
	} else {
		n, err = tx.Exec(`UPDATE link_take SET ranges = $1, transfers = $2, bytes = $3,
			complete_at = CASE WHEN complete_at = 0 THEN $4 ELSE complete_at END, version = version + 1
			WHERE session = $5 AND file = $6 AND version = $7`,
			k.got.String(), k.transfers, k.bytes, at, session, file, k.version)
	}
	return lost(n, err)
}

func (t *transfer) log(tx *db.Tx, f File, completes bool) error {
	id := db.NewID()
	as, err := t.links.sealJSON(sealTaken, id, t.session.as)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO link_download (id, message, link, file, session, at, bytes, complete, sealed, address_hash, address, agent)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		id, t.row.message, t.row.id, f.ID, t.session.id, db.Micros(tx.Now()), t.got.total(), db.Bool(completes), as,
		t.links.addressHash(t.visitor.Address), plainIP(t.visitor.Address), cut(cleanLine(t.visitor.Agent), 200))
	return err
}

// count keeps the figures that lists show, so that nobody ever counts rows.
func (t *transfer) count(tx *db.Tx, f File) error {
	now := db.Micros(tx.Now())
	if err := t.links.told(tx, t.row); err != nil {
		return err
	}
	if _, err := tx.Exec(`UPDATE link SET taken = taken + 1, last_taken = $1,
		first_taken = CASE WHEN first_taken = 0 THEN $2 ELSE first_taken END WHERE id = $3`, now, now, t.row.id); err != nil {
		return err
	}
	if _, err := tx.Exec(`UPDATE link_content SET taken = taken + 1 WHERE link = $1 AND file = $2`, t.row.id, f.ID); err != nil {
		return err
	}
	detail := map[string]string{"file": f.ID, "ip": plainIP(t.visitor.Address)}
	if t.session.as != "" {
		detail["address"] = string(t.session.as)
	}
	return record(tx, visitor, "link.taken", t.row.message, t.row.recipient, t.row.id, detail)
}

// addressHash lets visits of one address be recognised as such after the address itself was purged. The key's
// id stands before it, because another key gives another hash.
func (l *Links) addressHash(address string) string {
	return l.keys.CurrentID() + ":" + hex.EncodeToString(l.keys.MAC("linkify.visitor", address))[:32]
}

// plainIP is the address as the log shows it; what is none was not seen by us but claimed by somebody.
func plainIP(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return ""
	}
	return ip.Unmap().WithZone("").String()
}

func cut(s string, most int) string {
	if len(s) > most {
		s = s[:most]
	}
	return strings.ToValidUTF8(s, "")
}

// cleanLine makes one line of what strangers say about themselves.
func cleanLine(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if invisible(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "")))
}
