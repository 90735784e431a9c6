package linkify

import (
	"context"
	"crypto/hmac"
	"errors"
	"fmt"
	"io"
	"sort"
	"time"

	"github.com/sekisho-mail/sekisho/internal/blob"
	"github.com/sekisho-mail/sekisho/internal/db"
)

// Received is one file of a folder, opened. It is for one goroutine.
type Received struct {
	Upload
	Stored time.Time
	links  *Links
	ctx    context.Context
	parts  []part
	open   int // index of the opened piece, -1 for none
	file   blob.File
	plain  io.ReaderAt
}

// Take opens a file for the owner of its folder. Close it.
func (l *Links) Take(ctx context.Context, folder, id string) (*Received, error) {
	c, err := l.received(ctx, folder, id)
	if err == nil && !c.Ready() {
		err = ErrNotReady
		if c.State == Dropped || c.State == Infected || c.State == Refused {
			err = ErrGone
		}
	}
	if err != nil {
		return nil, fmt.Errorf("take file of folder %s: %w", folder, err)
	}
	return c, nil
}

func (l *Links) received(ctx context.Context, folder, id string) (*Received, error) {
	c := &Received{links: l, ctx: ctx, open: -1}
	err := l.o.DB.Read(ctx, func(tx *db.Tx) (err error) {
		if c.Upload, err = l.uploadByID(tx, folder, id); err != nil {
			return err
		}
		c.Stored = c.EndedAt
		c.parts, err = partsOf(tx, id)
		return err
	})
	return c, err
}

func partsOf(tx *db.Tx, file string) (out []part, err error) {
	rows, err := tx.Query(`SELECT start, size, object, key_id FROM folder_part WHERE file = $1 ORDER BY start`, file)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		p := part{file: file}
		if err := rows.Scan(&p.start, &p.size, &p.object, &p.keyID); err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, rows.Err()
}

// ReadAt reads plain bytes. One piece is open at a time; whoever reads in order opens each once.
func (c *Received) ReadAt(b []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, errors.New("negative offset")
	}
	for n < len(b) && off+int64(n) < c.Size {
		at := off + int64(n)
		i := sort.Search(len(c.parts), func(i int) bool { return c.parts[i].start+c.parts[i].size > at })
		if i == len(c.parts) || c.parts[i].start > at {
			return n, fmt.Errorf("%w: a piece is missing", ErrDamaged)
		}
		if err := c.turnTo(i); err != nil {
			return n, err
		}
		p := c.parts[i]
		want := min(int64(len(b)-n), p.start+p.size-at)
		got, err := c.plain.ReadAt(b[n:n+int(want)], at-p.start)
		n += got
		if int64(got) < want {
			return n, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// turnTo opens a piece and proves that it is the one its row speaks of.
func (c *Received) turnTo(i int) error {
	if c.open == i {
		return nil
	}
	if err := c.Close(); err != nil {
		return err
	}
	p := c.parts[i]
	f, err := c.links.o.Blobs.Open(c.ctx, p.object)
	if errors.Is(err, blob.ErrNotFound) {
		return fmt.Errorf("%w: object %s is missing from the store", ErrDamaged, p.object)
	}
	if err != nil {
		return fmt.Errorf("open stored piece: %w", err)
	}
	plain, err := c.links.provedPart(f, p)
	if err != nil {
		f.Close()
		return err
	}
	c.open, c.file, c.plain = i, f, plain
	return nil
}

func (l *Links) provedPart(f blob.File, p part) (io.ReaderAt, error) {
	plain, size, err := l.keys.DecryptAt(f, f.Size())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	want, err := l.partBinding(p)
	if err != nil {
		return nil, fmt.Errorf("open stored piece: %w", err)
	}
	got := make([]byte, partTail)
	if size != p.size+partTail {
		return nil, fmt.Errorf("%w: object %s is another piece's", ErrDamaged, p.object)
	}
	if _, err := plain.ReadAt(got, p.size); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if !hmac.Equal(got, want) {
		return nil, fmt.Errorf("%w: object %s is another piece's", ErrDamaged, p.object)
	}
	return plain, nil
}

// Close gives back what is open.
func (c *Received) Close() error {
	if c.open < 0 {
		return nil
	}
	c.open = -1
	return c.file.Close()
}
