package linkify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db"
)

// proofTime bounds the question whether TLS is proved; a domain whose servers do not answer proves nothing.
const proofTime = 20 * time.Second

// stays says whether the files stay in the mail of r because it can only travel over TLS that is proved. The answer is
// kept: as long as it is yes, every attempt carries the files. When it becomes no before a copy may have left, there is
// a link after all; later, when another attempt would have to be the same bytes, the mail waits until it is yes again.
func (l *Links) stays(ctx context.Context, m Mail, r Recipient) (bool, error) {
	if !r.Terms.UnlessTLS || l.o.TLSProved == nil {
		return false, nil
	}
	ask, done := context.WithTimeout(ctx, proofTime)
	defer done()
	proved, why := l.o.TLSProved(ask, r.Address.Domain())
	if err := ctx.Err(); err != nil {
		return false, err
	}
	err := l.o.DB.Write(ctx, func(tx *db.Tx) error {
		var left int64
		err := tx.QueryRow(`SELECT left_at FROM link_attached WHERE recipient = $1`, r.ID).Scan(&left)
		switch {
		case db.IsNoRows(err) && proved:
			if _, err := tx.Exec(`INSERT INTO link_attached (recipient, message, attached_at, left_at) VALUES ($1, $2, $3, 0)
				ON CONFLICT (recipient) DO NOTHING`, r.ID, m.ID, db.Micros(tx.Now())); err != nil {
				return err
			}
			return record(tx, System, "link.attach", m.ID, r.ID, "", map[string]string{"tls": why})
		case db.IsNoRows(err), err == nil && proved:
			return nil
		case err == nil && left != 0:
			return errUnproved
		case err == nil:
			_, err = tx.Exec(`DELETE FROM link_attached WHERE recipient = $1 AND left_at = 0`, r.ID)
		}
		return err
	})
	return proved, err
}

// errUnproved: the mail left once with its files, and must not leave so again now.
var errUnproved = errors.New("TLS to the recipient's servers is not proved any more; try again")

// leave notes that copies with files may be on their way to those recipients.
func leave(tx *db.Tx, recipient string) error {
	if _, err := tx.Exec(`UPDATE link_attached SET left_at = $1 WHERE recipient = $2 AND left_at = 0`, db.Micros(tx.Now()), recipient); err != nil {
		return fmt.Errorf("note attached files: %w", err)
	}
	return nil
}
