package holdqueue

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// Mail is one of our own: a notice, a report, a code. It has the null reverse path, is not inspected and not
// delayed, and belongs to the transaction of its cause.
type Mail struct {
	To      []mailaddr.Address
	Subject string
	Kind    string // "held", "question", "dsn", ...; for the log and for NoticeFailed
	About   ID     // the mail it speaks of; "" for none
	Person  mailaddr.Address
	// Raw is the whole message, CRLF lines. With Enclose, the bytes of that message are put in at Head when it is
	// sent: a returned mail of 150 MB is not copied.
	Raw     []byte
	Enclose ID
	Head    int64
}

// Post puts a mail of our own into the queue inside the transaction of its cause.
func (q *Queue) Post(tx *db.Tx, mail Mail) (ID, error) {
	if len(mail.To) == 0 {
		return "", errors.New("post: no recipients")
	}
	if mail.Head < 0 || mail.Head > int64(len(mail.Raw)) {
		return "", errors.New("post: head is outside the message")
	}
	id := db.NewID()
	row := &accepted{id: id, size: int64(len(mail.Raw)), sha: sha256.Sum256(mail.Raw),
		body: q.o.Keys.Seal("body", id, mail.Raw),
		env: Envelope{Origin: FromSystem, Automatic: true, Person: mail.Person,
			Meta: Meta{Subject: mail.Subject, Kind: mail.Kind, About: mail.About, Enclose: mail.Enclose, Head: mail.Head}}}
	for _, to := range mail.To {
		// Our mail never asks for reports: its failure reaches NoticeFailed.
		row.env.Recipients = append(row.env.Recipients, EnvelopeRecipient{Address: to, Notify: "NEVER"})
		row.env.Meta.SMTPUTF8 = row.env.Meta.SMTPUTF8 || !to.IsASCII()
	}
	if err := row.sealUp(q); err != nil {
		return "", err
	}
	if err := q.insert(tx, row); err != nil {
		return "", fmt.Errorf("post %s: %w", mail.Kind, err)
	}
	q.posted.Add(1)
	return id, nil
}

// purge takes the content of an ended mail away when its retention is over, and the facts when theirs is.
func (q *Queue) purge(ctx context.Context, id ID) (again time.Time, err error) {
	var key string
	err = q.o.DB.WriteLow(ctx, func(tx *db.Tx) error {
		m, err := q.load(tx, id, false)
		if errors.Is(err, db.ErrNotFound) {
			again = time.Time{}
			return nil
		}
		if err != nil {
			return err
		}
		key, again = m.blob, m.EndedAt.Add(q.o.Retain.Facts)
		if !tx.Now().Before(again) {
			again = time.Time{}
			return forget(tx, id)
		}
		return clearContent(tx, id)
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("purge %s: %w", id, err)
	}
	if key != "" {
		// After the commit: a file without a row is swept, a row without its file would be a lost mail.
		if err := q.o.Blobs.Delete(ctx, key); err != nil {
			return time.Time{}, fmt.Errorf("purge %s: %w", id, err)
		}
	}
	return again, nil
}

func clearContent(tx *db.Tx, id ID) error {
	// No copy of it will come any more.
	if _, err := tx.Exec(`DELETE FROM family WHERE id = $1`, id); err != nil {
		return err
	}
	if _, err := tx.Exec(`UPDATE recipient SET verdict = NULL WHERE message = $1`, id); err != nil {
		return err
	}
	if _, err := tx.Exec(`DELETE FROM content WHERE message = $1`, id); err != nil {
		return err
	}
	_, err := tx.Exec(`UPDATE message SET body = NULL, report = NULL, meta = $1, purged_at = $2, version = version + 1
		WHERE id = $3 AND purged_at = 0`, []byte{}, db.Micros(tx.Now()), id)
	return err
}

func forget(tx *db.Tx, id ID) error {
	if _, err := tx.Exec(`DELETE FROM recipient WHERE message = $1`, id); err != nil {
		return err
	}
	if _, err := tx.Exec(`DELETE FROM content WHERE message = $1`, id); err != nil {
		return err
	}
	_, err := tx.Exec(`DELETE FROM message WHERE id = $1`, id)
	return err
}
