package audit

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db"
)

// actionPurge is the entry that tells of a purge. Its object is the time before which entries were
// emptied, in microseconds, because details can be purged and this must stay readable.
const actionPurge = "audit.purge"

// Purge takes the personal data out of the entries before a time: names of actors, details, and the salts
// without which the hashes in the log cannot be guessed any more. It returns how many it emptied. A purge
// that is interrupted is finished by the next.
func (l *Log) Purge(ctx context.Context, before time.Time, by string) (int, error) {
	p := &purge{log: l, id: db.NewID(), before: db.Micros(before), by: by}
	for {
		rows, err := p.look(ctx)
		if err != nil {
			return p.emptied, fmt.Errorf("purge audit log: %w", err)
		}
		if len(rows) == 0 {
			return p.emptied, nil
		}
		if err := p.empty(ctx, rows); err != nil {
			return p.emptied, fmt.Errorf("purge audit log: %w", err)
		}
	}
}

type purge struct {
	log     *Log
	id      string // of the entry that tells of it
	before  int64
	by      string
	at      int64 // place reached
	last    string
	emptied int
}

func (p *purge) look(ctx context.Context) (rows []*row, err error) {
	err = p.log.db.Read(ctx, func(tx *db.Tx) (err error) {
		rows, err = scanRows(tx, selectRow+` WHERE (at, id) > ($1, $2) AND at < $3 AND number >= 0
			ORDER BY at, id LIMIT 500`, p.at, p.last, p.before)
		return err
	})
	return rows, err
}

func (p *purge) empty(ctx context.Context, rows []*row) error {
	last := rows[len(rows)-1]
	p.at, p.last = last.at, last.id
	var personal []*row
	for _, r := range rows {
		if r.purge == "" && (r.actor != kindOf(r.actor) || r.detail != "{}") {
			personal = append(personal, r)
		}
	}
	if len(personal) == 0 {
		return nil
	}
	err := p.log.db.WriteLow(ctx, func(tx *db.Tx) error {
		if p.emptied == 0 {
			err := appendAs(tx, p.id, Entry{Actor: p.by, Action: actionPurge, Object: strconv.FormatInt(p.before, 10)})
			if err != nil {
				return err
			}
		}
		for _, r := range personal {
			_, err := tx.Exec(`UPDATE audit_entry SET actor = $1, detail = '', salt = $2, purge = $3 WHERE id = $4 AND purge = ''`,
				kindOf(r.actor), []byte{}, p.id, r.id)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		p.emptied += len(personal)
	}
	return err
}
