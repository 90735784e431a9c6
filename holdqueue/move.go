package holdqueue

import (
	"context"
	"errors"
	"fmt"

	"github.com/sekisho-mail/sekisho/internal/audit"
	"github.com/sekisho-mail/sekisho/internal/db"
)

// ErrServing says that a service is at work on the database: some work is claimed and its lease runs.
var ErrServing = errors.New("a service is at work on this database: stop it first")

// SetAside marks a database whose content has been copied elsewhere, so that no service ever sends from it again.
// It refuses while a service is at work on it.
func SetAside(tx *db.Tx, to string) error {
	if err := Idle(tx); err != nil {
		return err
	}
	if err := setSetting(tx, "moved", []byte(to)); err != nil {
		return err
	}
	return audit.Append(tx, audit.Entry{Actor: string(System), Action: "queue.moved"})
}

// Idle fails while a service is at work on the database.
func Idle(tx *db.Tx) error {
	var one int
	err := tx.QueryRow(`SELECT 1 FROM work WHERE attempt <> '' AND due_at > $1 LIMIT 1`, db.Micros(tx.Now())).Scan(&one)
	switch {
	case err == nil:
		return ErrServing
	case db.IsNoRows(err):
		return nil
	}
	return fmt.Errorf("look for a service: %w", err)
}

// Objects gives the keys of the bodies that lie in the store, for whoever copies it.
func Objects(ctx context.Context, d *db.DB) (keys []string, err error) {
	err = d.Read(ctx, func(tx *db.Tx) error {
		keys = nil
		rows, err := tx.Query(`SELECT blob FROM message WHERE blob <> '' AND purged_at = 0`)
		if err != nil {
			return fmt.Errorf("list bodies: %w", err)
		}
		defer rows.Close()
		for rows.Next() {
			var key string
			if err := rows.Scan(&key); err != nil {
				return err
			}
			keys = append(keys, key)
		}
		return rows.Err()
	})
	return keys, err
}
