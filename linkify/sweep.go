package linkify

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db"
)

// Expire handles due work of kind WorkExpire: it writes down that a link is over. The link stopped answering
// at its time, whenever this runs; written down, no clock that jumps back can revive it.
func (l *Links) Expire(ctx context.Context, link string) (again time.Time, err error) {
	err = l.o.DB.WriteLow(ctx, func(tx *db.Tx) error {
		again = time.Time{}
		r, err := rowByID(tx, link)
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if !r.expire(tx.Now()) {
			if r.state == Active || r.state == Inactive { // extended meanwhile
				again = r.expires.Add(expireSlack)
			}
			return nil
		}
		if err := save(tx, r); err != nil {
			return err
		}
		return record(tx, System, "link.expire", r.message, r.recipient, r.id, nil)
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("expire link %s: %w", link, err)
	}
	return again, nil
}

// Sweep handles due work of kind WorkSweep. The reference is a mail, whose files are deleted when all its
// links have been over for Options.Keep and no legal hold is on it; or SweepAll, the daily look at the store.
func (l *Links) Sweep(ctx context.Context, ref string) (again time.Time, err error) {
	if ref == SweepAll {
		return l.sweepAll(ctx)
	}
	var gone []stored
	err = l.o.DB.WriteLow(ctx, func(tx *db.Tx) (err error) {
		gone = nil
		if again, err = l.keepUntil(tx, ref); err != nil || !again.IsZero() {
			return err
		}
		gone, err = condemn(tx, ref)
		return err
	})
	if err == nil && len(gone) > 0 {
		err = l.delete(ctx, ref, gone)
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("sweep files of %s: %w", ref, err)
	}
	return again, nil
}

// keepUntil is when to look at the files of a mail again, the zero time when they may go now.
func (l *Links) keepUntil(tx *db.Tx, message string) (time.Time, error) {
	var hold, touched int64
	err := tx.QueryRow(`SELECT legal_hold, touched_at FROM link_mail WHERE message = $1`, message).Scan(&hold, &touched)
	if db.IsNoRows(err) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	if hold != 0 {
		return tx.Now().Add(24 * time.Hour), nil
	}
	rows, err := rowsOfMessage(tx, message)
	if err != nil {
		return time.Time{}, err
	}
	over := db.Time(touched)
	for _, r := range rows {
		end := r.expires
		if r.state == Revoked {
			end = r.ended
		}
		if end.After(over) {
			over = end
		}
	}
	if over = over.Add(l.o.Keep); over.After(tx.Now()) {
		return over, nil
	}
	return time.Time{}, nil
}

// condemn marks the files of a mail for deletion. From here on nobody can open them or count on them.
func condemn(tx *db.Tx, message string) (out []stored, err error) {
	if _, err := tx.Exec(`UPDATE link_blob SET state = $1 WHERE message = $2 AND state <> $3`, blobDeleting, message, blobDeleted); err != nil {
		return nil, err
	}
	rows, err := tx.Query(`SELECT digest, object, size FROM link_blob WHERE message = $1 AND state = $2`, message, blobDeleting)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		s := stored{message: message}
		if err := rows.Scan(&s.digest, &s.object, &s.size); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, rows.Err()
}

// delete removes condemned objects, then what was kept about browsers. After a crash it is simply done again.
func (l *Links) delete(ctx context.Context, message string, gone []stored) error {
	for _, s := range gone {
		if err := l.o.Blobs.Delete(ctx, s.object); err != nil {
			return err
		}
	}
	return l.o.DB.WriteLow(ctx, func(tx *db.Tx) error {
		now := db.Micros(tx.Now())
		if _, err := tx.Exec(`UPDATE link_blob SET state = $1, deleted_at = $2 WHERE message = $3 AND state = $4`,
			blobDeleted, now, message, blobDeleting); err != nil {
			return err
		}
		if _, err := tx.Exec(`UPDATE link_mail SET swept_at = $1 WHERE message = $2`, now, message); err != nil {
			return err
		}
		if err := forgetBrowsers(tx, message); err != nil {
			return err
		}
		return record(tx, System, "link.sweep", message, "", "", map[string]string{"files": strconv.Itoa(len(gone))})
	})
}

// forgetBrowsers drops sessions, half-taken files and codes of a mail whose files are gone. The log stays.
func forgetBrowsers(tx *db.Tx, message string) error {
	for _, statement := range []string{
		`DELETE FROM link_take WHERE session IN (SELECT s.id FROM link_session s JOIN link k ON k.id = s.link WHERE k.message = $1)`,
		`DELETE FROM link_view WHERE session IN (SELECT s.id FROM link_session s JOIN link k ON k.id = s.link WHERE k.message = $1)`,
		`DELETE FROM link_session WHERE link IN (SELECT id FROM link WHERE message = $1)`,
		`DELETE FROM link_code WHERE link IN (SELECT id FROM link WHERE message = $1)`,
	} {
		if _, err := tx.Exec(statement, message); err != nil {
			return err
		}
	}
	return nil
}

// sweepAll reports orphans and forgets old limits.
func (l *Links) sweepAll(ctx context.Context) (time.Time, error) {
	now, err := l.o.DB.Now(ctx)
	if err != nil {
		return time.Time{}, fmt.Errorf("sweep: %w", err)
	}
	err = l.slices(ctx, `DELETE FROM link_rate WHERE ends_at IN (SELECT ends_at FROM link_rate WHERE ends_at < $1 ORDER BY ends_at LIMIT 200)`, now)
	if err != nil {
		return time.Time{}, fmt.Errorf("sweep limits: %w", err)
	}
	found, err := l.sweepParts(ctx, now.Add(-orphanAge))
	if err != nil {
		return time.Time{}, fmt.Errorf("sweep pieces: %w", err)
	}
	err = l.Orphans(ctx, func(o Orphan) error {
		found++
		if l.o.Report != nil {
			l.o.Report(o)
		}
		return nil
	})
	if err == nil && found > 0 {
		err = l.o.DB.WriteLow(ctx, func(tx *db.Tx) error {
			return record(tx, System, "link.orphans", "", "", "", map[string]string{"objects": strconv.Itoa(found)})
		})
	}
	return now.Add(24 * time.Hour), err
}

// slices runs a statement that takes a time and changes a bounded number of rows until it changes none.
func (l *Links) slices(ctx context.Context, statement string, before time.Time) error {
	for {
		var n int64
		err := l.o.DB.WriteLow(ctx, func(tx *db.Tx) (err error) {
			n, err = tx.Exec(statement, db.Micros(before))
			return err
		})
		if err != nil || n == 0 {
			return err
		}
	}
}

// ClearTemp removes what a crash left in the temporary directory before a time. Every node has one of its own.
func (l *Links) ClearTemp(before time.Time) error {
	names, err := filepath.Glob(filepath.Join(l.o.TempDir, tempPattern))
	if err != nil {
		return err
	}
	for _, name := range names {
		if info, err := os.Stat(name); err == nil && info.ModTime().Before(before) {
			if err := os.Remove(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// Purge removes addresses and user agents from log lines older than before (retention.downloads).
func (l *Links) Purge(ctx context.Context, before time.Time) error {
	err := l.slices(ctx, `UPDATE link_download SET address = '', agent = '' WHERE id IN
		(SELECT id FROM link_download WHERE at < $1 AND (address <> '' OR agent <> '') ORDER BY at LIMIT 500)`, before)
	if err == nil {
		err = l.slices(ctx, `UPDATE folder_file SET address = '' WHERE id IN
			(SELECT id FROM folder_file WHERE created_at < $1 AND address <> '' LIMIT 500)`, before)
	}
	if err != nil {
		return fmt.Errorf("purge download log: %w", err)
	}
	return nil
}
