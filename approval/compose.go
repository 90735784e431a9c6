package approval

import (
	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// Compose gives the bytes of a mail of our own that another package words: a one-time code for a recipient outside.
// It has the form of our notices, and no link.
func (d *Desk) Compose(tx *db.Tx, to mailaddr.Address, subject, text string) []byte {
	l := &letter{
		from: d.From, fromName: oneLine(d.Name), to: to, subject: subject, text: text, html: asHTML(d.Language, text, ""),
		language: d.Language, at: tx.Now().In(d.Calendar.Zone()), id: db.NewID() + "@" + d.From.Domain(),
	}
	head, _ := l.form()
	return head
}
