package linkify

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"time"

	"github.com/sekisho-mail/sekisho/internal/blob"
	"github.com/sekisho-mail/sekisho/internal/db"
)

// orphanAge leaves alone what may be on its way: between an object and its row lies a moment.
const orphanAge = 24 * time.Hour

// Orphans compares the store with the rows and reports what has not matched for a day. It deletes nothing: an
// object without a row is a fault, and its bytes may be the only copy of something.
func (l *Links) Orphans(ctx context.Context, fn func(Orphan) error) error {
	now, err := l.o.DB.Now(ctx)
	if err != nil {
		return fmt.Errorf("look for orphans: %w", err)
	}
	settled := now.Add(-orphanAge)
	// Eight bytes for each object: a million files of the last weeks fit. A collision hides one missing
	// object, once, because the seed is new every day.
	seed, seen := maphash.MakeSeed(), map[uint64]struct{}{}
	err = l.o.Blobs.Walk(ctx, objectPrefix, func(key string, size int64, modified time.Time) error {
		seen[maphash.String(seed, key)] = struct{}{}
		if modified.After(settled) {
			return nil
		}
		known, err := l.speaksOf(ctx, key)
		if err != nil || known {
			return err
		}
		return fn(Orphan{Key: key, Size: size, Since: modified})
	})
	if err == nil {
		err = l.missing(ctx, settled, func(key string) bool { _, ok := seen[maphash.String(seed, key)]; return ok }, fn)
	}
	if err != nil {
		return fmt.Errorf("look for orphans: %w", err)
	}
	return nil
}

// Orphans is the same for who has opened no links.
func Orphans(ctx context.Context, d *db.DB, store blob.Store, fn func(Orphan) error) error {
	return (&Links{o: Options{DB: d, Blobs: store}}).Orphans(ctx, fn)
}

// speaksOf says whether a row wants this object to be there.
func (l *Links) speaksOf(ctx context.Context, key string) (bool, error) {
	var state string
	err := l.o.DB.Read(ctx, func(tx *db.Tx) error {
		return tx.QueryRow(`SELECT state FROM link_blob WHERE object = $1`, key).Scan(&state)
	})
	if db.IsNoRows(err) {
		return false, nil
	}
	return err == nil && state != blobDeleted, err
}

// missing goes through the rows in pages and asks the store itself about those that the walk did not show.
func (l *Links) missing(ctx context.Context, settled time.Time, seen func(string) bool, fn func(Orphan) error) error {
	for last := ""; ; {
		page, err := l.storedAfter(ctx, last)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, s := range page {
			last = s.object
			if seen(s.object) || s.at.After(settled) {
				continue
			}
			gone, err := l.isMissing(ctx, s.object)
			if err == nil && gone {
				err = fn(Orphan{Key: s.object, Size: s.size, Since: s.at, Missing: true})
			}
			if err != nil {
				return err
			}
		}
	}
}

func (l *Links) isMissing(ctx context.Context, key string) (bool, error) {
	f, err := l.o.Blobs.Open(ctx, key)
	if errors.Is(err, blob.ErrNotFound) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	return false, f.Close()
}

func (l *Links) storedAfter(ctx context.Context, last string) (page []stored, err error) {
	err = l.o.DB.Read(ctx, func(tx *db.Tx) error {
		page = nil
		rows, err := tx.Query(`SELECT object, size, stored_at FROM link_blob WHERE object > $1 AND state = $2 ORDER BY object LIMIT 500`,
			last, blobStored)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var s stored
			var at int64
			if err := rows.Scan(&s.object, &s.size, &at); err != nil {
				return err
			}
			s.at = db.Time(at)
			page = append(page, s)
		}
		return rows.Err()
	})
	return page, err
}
