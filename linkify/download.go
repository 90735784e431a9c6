package linkify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"net/netip"
	"strings"

	"github.com/sekisho-mail/sekisho/internal/db"
)

// transfer is the state of one download: what was read, and a running check of the whole.
type transfer struct {
	links   *Links
	object  *object
	row     row
	session session
	visitor Visitor

	got      ranges
	pending  span // read last, perhaps not delivered
	bytes    int64
	sum      hash.Hash // over the bytes from the start, as long as they are read in order
	summed   int64
	finished bool
}

// Download opens a file for a browser that has a ticket. The caller reads, then calls Finish and Close.
func (l *Links) Download(ctx context.Context, token string, v Visitor, file, ticket string) (*Content, error) {
	var r row
	var s session
	var b stored
	var f File
	err := l.o.DB.Read(ctx, func(tx *db.Tx) (err error) {
		if r, s, err = l.mayHave(tx, token, v, file, taking); err != nil {
			return err
		}
		if !l.checkTicket(taking, ticket, r.id, s.id, file, tx.Now()) {
			return ErrTicket
		}
		f, b, err = l.fileByID(tx, file)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("download: %w", err)
	}
	o, err := l.open(ctx, b)
	if err != nil {
		return nil, fmt.Errorf("download: %w", err)
	}
	return &Content{File: f, Stored: b.at,
		transfer: &transfer{links: l, object: o, row: r, session: s, visitor: v, sum: sha256.New()}}, nil
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

// ReadAt reads plain bytes; a byte that is not what was stored is ErrDamaged, never content. When the file is
// read from beginning to end, the last bytes come out only if the SHA-256 of the whole is right.
func (c *Content) ReadAt(p []byte, off int64) (int, error) {
	if off >= c.Size {
		return 0, io.EOF
	}
	n, err := c.transfer.object.ReadAt(p, off)
	if err != nil && err != io.EOF {
		return 0, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if !c.transfer.check(p[:n], off, c.File) {
		return 0, fmt.Errorf("%w: SHA-256 differs", ErrDamaged)
	}
	c.transfer.note(span{off, off + int64(n)})
	return n, err
}

// check feeds the running sum and compares it at the end of the file.
func (t *transfer) check(p []byte, off int64, f File) bool {
	if off != t.summed {
		return true // a range: age and the binding vouch for it
	}
	t.sum.Write(p)
	t.summed += int64(len(p))
	return t.summed < f.Size || hex.EncodeToString(t.sum.Sum(nil)) == f.SHA256
}

// note takes a read down. The one before it must have been delivered, or there would be no next.
func (t *transfer) note(s span) {
	t.got = t.got.add(t.pending)
	t.pending = s
	t.bytes += s.end - s.start
}

// Close gives back the store's resources. Call it after Finish.
func (c *Content) Close() error { return c.transfer.object.file.Close() }

// Finish records what was read. delivered is false when writing to the browser failed, so that what was
// read last does not count, and for HEAD. A transfer that read nothing leaves no trace.
func (c *Content) Finish(ctx context.Context, delivered bool) error {
	t := c.transfer
	if t.finished {
		return nil
	}
	t.finished = true
	if delivered {
		t.got = t.got.add(t.pending)
	}
	if len(t.got) == 0 && !(c.Size == 0 && delivered) {
		return nil
	}
	// A browser that hangs up ends its request's context; what it took is recorded all the same.
	ctx = context.WithoutCancel(ctx)
	if err := t.links.o.DB.Write(ctx, func(tx *db.Tx) error { return t.record(tx, c.File) }); err != nil {
		return fmt.Errorf("record download: %w", err)
	}
	return nil
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
