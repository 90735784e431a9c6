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

// ErrArriving says that a database is being filled by a move that has not ended: it may hold mail that the old one
// still sends.
var ErrArriving = errors.New("a move into this database has not ended: run the same sekisho migrate again")

// Arriving marks a target in the transaction that fills it; no service works on it before Arrived.
func Arriving(tx *db.Tx) error { return setSetting(tx, "arriving", []byte("1")) }

// Arrived takes the mark away, after the old database has been set aside.
func Arrived(tx *db.Tx) error {
	_, err := tx.Exec(`DELETE FROM setting WHERE name = 'arriving'`)
	return err
}

// IsArriving says whether an earlier move was broken off, IsSetAside whether it had come as far as setting the old one
// aside.
func IsArriving(tx *db.Tx) (bool, error) {
	v, err := setting(tx, "arriving")
	return v != nil, err
}

// IsSetAside says whether the database's content has moved elsewhere.
func IsSetAside(tx *db.Tx) (bool, error) {
	v, err := setting(tx, "moved")
	return v != nil, err
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
