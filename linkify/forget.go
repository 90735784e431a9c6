package linkify

import (
	"context"
	"fmt"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db"
)

// forgetSlice is how many mails or folders one transaction forgets.
const forgetSlice = 20

// Forget deletes all that is kept of links and folders whose files were deleted before that time: rows, log of
// downloads, names (retention.facts). Their tokens are unknown from then on. A legal hold keeps everything.
func (l *Links) Forget(ctx context.Context, before time.Time) error {
	err := l.forgetEach(ctx, "link.forget", before, `SELECT message FROM link_mail m WHERE swept_at > 0 AND swept_at < $1
		AND touched_at <= swept_at AND legal_hold = 0
		AND NOT EXISTS (SELECT 1 FROM link_blob b WHERE b.message = m.message AND b.state <> '`+blobDeleted+`')
		AND NOT EXISTS (SELECT 1 FROM link k WHERE k.message = m.message AND k.expires_at >= m.swept_at AND k.state <> '`+string(Revoked)+`')
		ORDER BY swept_at LIMIT $2`, forgetMail)
	if err == nil {
		err = l.forgetEach(ctx, "folder.forget", before, `SELECT id FROM folder WHERE swept_at > 0 AND swept_at < $1
			ORDER BY swept_at LIMIT $2`, forgetFolder)
	}
	if err == nil {
		err = l.slices(ctx, `DELETE FROM link_attached WHERE recipient IN
			(SELECT recipient FROM link_attached WHERE attached_at < $1 ORDER BY attached_at LIMIT 500)`, before)
	}
	if err != nil {
		return fmt.Errorf("forget links: %w", err)
	}
	return nil
}

// forgetEach runs the statements on everything that the query names, some at a time.
func (l *Links) forgetEach(ctx context.Context, action string, before time.Time, query string, statements []string) error {
	for {
		var ids []string
		err := l.o.DB.WriteLow(ctx, func(tx *db.Tx) (err error) {
			if ids, err = idsIn(tx, query, db.Micros(before), forgetSlice); err != nil {
				return err
			}
			for _, id := range ids {
				for _, s := range statements {
					if _, err := tx.Exec(s, id); err != nil {
						return err
					}
				}
				if action == "link.forget" {
					err = record(tx, System, action, id, "", "", nil)
				} else {
					err = record(tx, System, action, "", "", id, nil)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || len(ids) == 0 {
			return err
		}
	}
}

func idsIn(tx *db.Tx, query string, args ...any) (ids []string, err error) {
	rows, err := tx.Query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

// Rows that others refer to go last, so that a statement always finds what it looks for.
var forgetMail = []string{
	`DELETE FROM link_take WHERE session IN (SELECT s.id FROM link_session s JOIN link k ON k.id = s.link WHERE k.message = $1)`,
	`DELETE FROM link_view WHERE session IN (SELECT s.id FROM link_session s JOIN link k ON k.id = s.link WHERE k.message = $1)`,
	`DELETE FROM link_session WHERE link IN (SELECT id FROM link WHERE message = $1)`,
	`DELETE FROM link_code WHERE link IN (SELECT id FROM link WHERE message = $1)`,
	`DELETE FROM link_content WHERE link IN (SELECT id FROM link WHERE message = $1)`,
	`DELETE FROM link_download WHERE message = $1`,
	`DELETE FROM link_file WHERE message = $1`,
	`DELETE FROM link_blob WHERE message = $1`,
	`DELETE FROM link_attached WHERE message = $1`,
	`DELETE FROM link WHERE message = $1`,
	`DELETE FROM link_mail WHERE message = $1`,
}

var forgetFolder = []string{
	`DELETE FROM folder_part WHERE file IN (SELECT id FROM folder_file WHERE folder = $1)`,
	`DELETE FROM folder_file WHERE folder = $1`,
	`DELETE FROM folder WHERE id = $1`,
}
