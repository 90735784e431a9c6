package holdqueue

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sekisho-mail/sekisho/internal/audit"
	"github.com/sekisho-mail/sekisho/internal/blob"
	"github.com/sekisho-mail/sekisho/internal/db"
)

// Stray is a body in the store that belongs to no mail or, with Missing, a mail whose body is not in the store.
type Stray struct {
	Key     string
	Size    int64 // as stored; of the plain mail when missing
	Since   time.Time
	Missing bool
}

// Strays compares the bodies in the store with the mails and reports what does not match. Bodies younger than settled
// may be on their way into the database.
func Strays(ctx context.Context, d *db.DB, store blob.Store, settled time.Time, fn func(Stray) error) error {
	// Eight bytes for each: a store is not asked about a million bodies one by one. A collision hides one loss, once.
	seed, seen := maphash.MakeSeed(), map[uint64]bool{}
	err := store.Walk(ctx, bodies, func(key string, size int64, modified time.Time) error {
		seen[maphash.String(seed, key)] = true
		if !modified.Before(settled) {
			return nil
		}
		var n int64
		err := d.Read(ctx, func(tx *db.Tx) error {
			return tx.QueryRow(`SELECT count(*) FROM message WHERE id = $1`, strings.TrimPrefix(key, bodies)).Scan(&n)
		})
		if err != nil || n > 0 {
			return err
		}
		return fn(Stray{Key: key, Size: size, Since: modified})
	})
	for last := ""; err == nil; {
		var page []Stray
		if page, err = stored500(ctx, d, last); len(page) == 0 {
			break
		}
		last = strings.TrimPrefix(page[len(page)-1].Key, bodies)
		unseen := slices.DeleteFunc(page, func(s Stray) bool { return seen[maphash.String(seed, s.Key)] })
		err = missing(ctx, store, unseen, fn)
	}
	if err != nil {
		return fmt.Errorf("look for stray bodies: %w", err)
	}
	return nil
}

// stored500 are the next mails whose bodies lie in the store.
func stored500(ctx context.Context, d *db.DB, after string) (page []Stray, err error) {
	err = d.Read(ctx, func(tx *db.Tx) error {
		page = nil
		rows, err := tx.Query(`SELECT blob, size, accepted_at FROM message WHERE id > $1 AND blob <> '' AND purged_at = 0 ORDER BY id LIMIT 500`, after)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			s := Stray{Missing: true}
			var at int64
			if err := rows.Scan(&s.Key, &s.Size, &at); err != nil {
				return err
			}
			s.Since = db.Time(at)
			page = append(page, s)
		}
		return rows.Err()
	})
	return page, err
}

func missing(ctx context.Context, store blob.Store, page []Stray, fn func(Stray) error) error {
	for _, s := range page {
		f, err := store.Open(ctx, s.Key)
		switch {
		case err == nil:
			err = f.Close()
		case errors.Is(err, blob.ErrNotFound):
			err = fn(s)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// SweepBodies removes bodies older than before that belong to no mail: a process died after it had stored one and
// before it had committed its mail, which nobody was promised to keep. Mails without their body are told of.
func (q *Queue) SweepBodies(ctx context.Context, before time.Time) error {
	removed, lost := 0, 0
	err := Strays(ctx, q.o.DB, q.o.Blobs, before, func(s Stray) error {
		if s.Missing {
			lost++
			q.o.Log.Error("mail without its body", "key", s.Key, "size", s.Size)
			return nil
		}
		removed++
		q.o.Log.Warn("body without a mail removed", "key", s.Key, "size", s.Size)
		return q.o.Blobs.Delete(ctx, s.Key)
	})
	if err != nil || removed+lost == 0 {
		return err
	}
	return q.o.DB.WriteLow(ctx, func(tx *db.Tx) error {
		return audit.Append(tx, audit.Entry{Actor: string(System), Action: "body.sweep",
			Detail: map[string]string{"removed": strconv.Itoa(removed), "missing": strconv.Itoa(lost)}})
	})
}
