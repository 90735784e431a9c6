package linkify

import (
	"github.com/sekisho-mail/sekisho/internal/audit"
	"github.com/sekisho-mail/sekisho/internal/db"
)

// record writes the audit entry of a change into the change's own transaction.
func record(tx *db.Tx, by Actor, action, message, recipient, link string, detail map[string]string) error {
	return audit.Append(tx, audit.Entry{Actor: string(by), Action: action, Message: message, Recipient: recipient, Object: link, Detail: detail})
}
