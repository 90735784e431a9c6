package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db"
)

// exportedEntry is one line of an export. Whoever has it can recompute the leaf's hashes (HMAC-SHA-256 by
// the salt over name, NUL, value) and from the leaves the roots of the checkpoints (RFC 6962).
type exportedEntry struct {
	Type      string            `json:"type"` // "entry"
	Number    int64             `json:"number"`
	ID        string            `json:"id"`
	At        time.Time         `json:"at"`
	Actor     string            `json:"actor"`
	Action    string            `json:"action"`
	Message   string            `json:"message,omitempty"`
	Recipient string            `json:"recipient,omitempty"`
	Object    string            `json:"object,omitempty"`
	Detail    map[string]string `json:"detail,omitempty"`
	Purged    bool              `json:"purged,omitempty"`
	Salt      []byte            `json:"salt,omitempty"`
	Leaf      string            `json:"leaf"`
}

// exportedCheckpoint is a signed root. The verifier is the public key, in the form of x/mod/sumdb/note.
type exportedCheckpoint struct {
	Type     string `json:"type"` // "checkpoint"
	Size     int64  `json:"size"`
	Note     string `json:"note"`
	Verifier string `json:"verifier,omitempty"`
}

// Export writes the log as JSON lines: the entries in the order of the log, then those without a number,
// then the checkpoints. It holds the personal data that have not been purged.
func (l *Log) Export(ctx context.Context, w io.Writer) error {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	number, id := int64(-1), ""
	for {
		rows, err := l.exportSlice(ctx, number, id)
		if err != nil {
			return fmt.Errorf("export audit log: %w", err)
		}
		if len(rows) == 0 {
			break
		}
		for _, r := range rows {
			if err := out.Encode(r.exported()); err != nil {
				return fmt.Errorf("export audit log: %w", err)
			}
		}
		last := rows[len(rows)-1]
		number, id = last.number, last.id
	}
	if err := l.exportPending(ctx, out); err != nil {
		return fmt.Errorf("export audit log: %w", err)
	}
	if err := l.exportCheckpoints(ctx, out); err != nil {
		return fmt.Errorf("export audit log: %w", err)
	}
	return nil
}

func (l *Log) exportSlice(ctx context.Context, number int64, id string) (rows []*row, err error) {
	err = l.db.Read(ctx, func(tx *db.Tx) (err error) {
		rows, err = scanRows(tx, selectRow+` WHERE number >= 0 AND (number, id) > ($1, $2) ORDER BY number, id LIMIT 1000`, number, id)
		return err
	})
	return rows, err
}

func (l *Log) exportPending(ctx context.Context, out *json.Encoder) error {
	var rows []*row
	err := l.db.Read(ctx, func(tx *db.Tx) (err error) {
		rows, err = scanRows(tx, selectRow+` WHERE number < 0 ORDER BY at, id`)
		return err
	})
	if err != nil {
		return err
	}
	for _, r := range rows {
		if err := out.Encode(r.exported()); err != nil {
			return err
		}
	}
	return nil
}

func (l *Log) exportCheckpoints(ctx context.Context, out *json.Encoder) error {
	var lines []exportedCheckpoint
	err := l.db.Read(ctx, func(tx *db.Tx) error {
		rows, err := tx.Query(`SELECT size, note FROM audit_checkpoint ORDER BY size`)
		if err != nil {
			return err
		}
		defer rows.Close()
		lines = nil
		for rows.Next() {
			line := exportedCheckpoint{Type: "checkpoint"}
			if err := rows.Scan(&line.Size, &line.Note); err != nil {
				return err
			}
			lines = append(lines, line)
		}
		return rows.Err()
	})
	if err != nil {
		return err
	}
	for _, line := range lines {
		if c, err := openCheckpoint(l.keys, line.Note); err == nil {
			line.Verifier, _ = verifierKey(l.keys, c.key)
		}
		if err := out.Encode(line); err != nil {
			return err
		}
	}
	return nil
}

func (r *row) exported() exportedEntry {
	e := r.recorded()
	return exportedEntry{
		Type: "entry", Number: r.number, ID: r.id, At: e.At, Actor: r.actor, Action: r.action, Message: r.message,
		Recipient: r.recipient, Object: r.object, Detail: e.Detail, Purged: e.Purged, Salt: r.salt, Leaf: string(r.leaf),
	}
}
