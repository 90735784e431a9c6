package holdqueue

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"bytes"

	"github.com/sekisho-mail/sekisho/internal/blob"
	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// Get gives a message with its recipients and report, or db.ErrNotFound.
func (q *Queue) Get(ctx context.Context, id ID) (m *Message, err error) {
	err = q.o.DB.Read(ctx, func(tx *db.Tx) error {
		m, err = q.load(tx, id, true)
		return err
	})
	return m, err
}

// GetTx is Get inside a transaction.
func (q *Queue) GetTx(tx *db.Tx, id ID) (*Message, error) { return q.load(tx, id, true) }

// Filter chooses mails for List. The zero Filter is everything but our own mail. Of a mail of several copies it is
// enough that one fits, but Ended wants all of them.
type Filter struct {
	Person mailaddr.Address // whose
	Open   bool             // only with a recipient that has not ended
	Ended  bool             // only those all of whose recipients have
	States []State          // only with a recipient in one of them
	System bool             // our own mail instead
	Before Cursor           // only what lies after the cursor in the list: older
	Limit  int              // 0 is 50
}

// Cursor is a place in a list by acceptance, the newest first.
type Cursor struct {
	At time.Time
	ID ID
}

// List gives a page of whole mails with their recipients, the newest first, without reports. A mail of several copies
// stands once, where its newest copy that fits does. next is zero after the last page.
func (q *Queue) List(ctx context.Context, f Filter) (page []*Message, next Cursor, err error) {
	if f.Limit <= 0 {
		f.Limit = 50
	}
	err = q.o.DB.Read(ctx, func(tx *db.Tx) error {
		page, next = nil, Cursor{}
		places, err := listPlaces(tx, f)
		if err != nil {
			return err
		}
		for i, place := range places {
			if i == f.Limit {
				next = places[i-1]
				break
			}
			m, err := q.whole(tx, place.ID, false)
			if err != nil {
				return err
			}
			page = append(page, m)
		}
		return nil
	})
	return page, next, err
}

func listPlaces(tx *db.Tx, f Filter) ([]Cursor, error) {
	var args []any
	arg := func(v any) string { args = append(args, v); return fmt.Sprintf("$%d", len(args)) }
	fits := f.where(arg)
	// A newer copy that fits stands for this one.
	where := fits + ` AND NOT EXISTS (SELECT 1 FROM message AS newer WHERE newer.family = message.family
		AND (newer.accepted_at, newer.id) > (message.accepted_at, message.id) AND ` + strings.ReplaceAll(fits, "message.", "newer.") + `)`
	if !f.Before.At.IsZero() {
		where += " AND (accepted_at, id) < (" + arg(db.Micros(f.Before.At)) + ", " + arg(f.Before.ID) + ")"
	}
	rows, err := tx.Query(`SELECT accepted_at, id FROM message WHERE `+where+
		` ORDER BY accepted_at DESC, id DESC LIMIT `+arg(f.Limit+1), args...)
	if err != nil {
		return nil, fmt.Errorf("list messages: %w", err)
	}
	defer rows.Close()
	var places []Cursor
	for rows.Next() {
		var at int64
		var c Cursor
		if err := rows.Scan(&at, &c.ID); err != nil {
			return nil, err
		}
		c.At = db.Time(at)
		places = append(places, c)
	}
	return places, rows.Err()
}

// where is what a copy must be to fit, in terms of "message.".
func (f Filter) where(arg func(any) string) string {
	var where []string
	if f.Person != "" {
		where = append(where, "message.person = "+arg(string(f.Person)))
	}
	if f.System {
		where = append(where, "message.origin = 'system'")
	} else {
		where = append(where, "message.origin <> 'system'")
	}
	if f.Open {
		where = append(where, "message.ended_at = 0")
	}
	if f.Ended {
		where = append(where, "message.ended_at <> 0 AND NOT EXISTS (SELECT 1 FROM message AS rest WHERE rest.family = message.family AND rest.ended_at = 0)")
	}
	if len(f.States) > 0 {
		in := make([]string, len(f.States))
		for i, s := range f.States {
			in[i] = arg(string(s))
		}
		where = append(where, "EXISTS (SELECT 1 FROM recipient WHERE recipient.message = message.id AND recipient.state IN ("+
			strings.Join(in, ", ")+"))")
	}
	return strings.Join(where, " AND ")
}

// ErrPurged says that the content of a mail has been deleted after its retention.
var ErrPurged = fmt.Errorf("content deleted after its retention: %w", db.ErrNotFound)

// Open gives the stored bytes of a message.
func (q *Queue) Open(ctx context.Context, m *Message) (Body, error) {
	if m.Meta.Enclose == "" {
		return q.open(ctx, m.ID)
	}
	own, err := q.open(ctx, m.ID)
	if err != nil {
		return nil, err
	}
	enclosed, err := q.open(ctx, m.Meta.Enclose)
	if errors.Is(err, ErrDamaged) {
		// The notice matters more than what hangs on it.
		enclosed, err = Bytes(inPlaceOfLost()), nil
	}
	if err != nil {
		own.Close()
		return nil, err
	}
	return enclose(own, enclosed, m.Meta.Head), nil
}

func (q *Queue) open(ctx context.Context, id ID) (Body, error) {
	var at stored
	err := q.o.DB.Read(ctx, func(tx *db.Tx) (err error) {
		at, err = storedOf(tx, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	return q.openStored(ctx, id, at)
}

// stored is where the bytes of a message are: sealed in the database, or in a file of that key.
type stored struct {
	sealed []byte
	key    string
}

func storedOf(tx *db.Tx, id ID) (at stored, err error) {
	err = tx.QueryRow(`SELECT COALESCE(content.body, message.body), blob FROM message
		LEFT JOIN content ON content.message = message.id WHERE id = $1`, id).Scan(&at.sealed, &at.key)
	switch {
	case db.IsNoRows(err):
		return at, fmt.Errorf("message %s: %w", id, db.ErrNotFound)
	case err != nil:
		return at, fmt.Errorf("open message %s: %w", id, err)
	}
	return at, nil
}

func (q *Queue) openStored(ctx context.Context, id ID, at stored) (Body, error) {
	switch {
	case at.key != "":
		return q.openBlob(ctx, id, at.key)
	case len(at.sealed) == 0:
		return nil, fmt.Errorf("message %s: %w", id, ErrPurged)
	}
	plain, err := q.o.Keys.Open("body", id, at.sealed)
	if err != nil {
		return nil, fmt.Errorf("open message %s: %w", id, damaged(err))
	}
	return Bytes(plain), nil
}

func (q *Queue) openBlob(ctx context.Context, id ID, key string) (Body, error) {
	f, err := q.o.Blobs.Open(ctx, key)
	if errors.Is(err, blob.ErrNotFound) {
		err = damaged(err)
	}
	if err != nil {
		return nil, fmt.Errorf("open message %s: %w", id, err)
	}
	raw := &readError{from: f}
	plain, size, err := q.o.Keys.DecryptAt(raw, f.Size())
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("open message %s: %w", id, raw.blame(err))
	}
	return &body{ReaderAt: &proved{plain, raw}, size: size, closers: []io.Closer{f}}, nil
}

// Bytes makes a Body of bytes in memory.
func Bytes(b []byte) Body { return &body{ReaderAt: bytes.NewReader(b), size: int64(len(b))} }

type body struct {
	io.ReaderAt
	size    int64
	closers []io.Closer
}

func (b *body) Size() int64 { return b.size }

func (b *body) Close() (err error) {
	for _, c := range b.closers {
		if e := c.Close(); e != nil {
			err = e
		}
	}
	return err
}

// enclose puts the enclosed message between the first head octets of own and the rest.
func enclose(own, enclosed Body, head int64) Body {
	return &body{
		ReaderAt: pieces{
			{own, 0, head}, {enclosed, 0, enclosed.Size()}, {own, head, own.Size() - head},
		},
		size:    own.Size() + enclosed.Size(),
		closers: []io.Closer{own, enclosed},
	}
}

type piece struct {
	r         io.ReaderAt
	off, size int64
}

// pieces reads several ranges as one.
type pieces []piece

func (ps pieces) ReadAt(p []byte, off int64) (n int, err error) {
	for _, each := range ps {
		if off >= each.size {
			off -= each.size
			continue
		}
		want := min(int64(len(p)-n), each.size-off)
		got, err := each.r.ReadAt(p[n:n+int(want)], each.off+off)
		n += got
		if int64(got) < want {
			if err == nil || err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return n, err
		}
		if n == len(p) {
			return n, nil
		}
		off = 0
	}
	return n, io.EOF
}

// States are all states a recipient can have, in the order of its way.
func States() []State {
	return []State{Received, Held, Delayed, Sending, Deferred, Sent, Failed, Refused, Cancelled, Rejected, Expired}
}

// Counts gives the number of recipients in each state that is not an end.
func (q *Queue) Counts(ctx context.Context) (counts map[State]int64, err error) {
	err = q.o.DB.Read(ctx, func(tx *db.Tx) error {
		counts = map[State]int64{}
		for _, s := range States() {
			if s.Ended() {
				continue
			}
			var n int64
			if err := tx.QueryRow(`SELECT COUNT(*) FROM recipient WHERE state = $1`, string(s)).Scan(&n); err != nil {
				return fmt.Errorf("count %s: %w", s, err)
			}
			counts[s] = n
		}
		return nil
	})
	return counts, err
}
