package approval

import (
	"encoding/base64"
	"strings"

	"github.com/sekisho-mail/sekisho/internal/db"
)

const (
	cancelPurpose = "cancel"
	tokenOctets   = 32
)

// CancelToken is the secret of the sender's notice link. It opens the cancel
// page of one message and nothing else, without login. Form: message id, a
// dot, and the MAC over the id.
func (d *Desk) CancelToken(id MessageID) string {
	return id + "." + base64.RawURLEncoding.EncodeToString(d.keys.MAC(cancelPurpose, id))
}

// ByCancelToken gives the message a token was made for, or ErrBadToken. The
// token is no promise that there is still something to cancel: once the mail
// leaves, the queue answers ErrTooLate.
func (d *Desk) ByCancelToken(token string) (MessageID, error) {
	id, secret, ok := strings.Cut(token, ".")
	if !ok || !db.ValidID(id) || len(secret) > 2*tokenOctets {
		return "", ErrBadToken
	}
	sum, err := base64.RawURLEncoding.Strict().DecodeString(secret)
	if err != nil || len(sum) != tokenOctets || !d.keys.VerifyMAC(sum, cancelPurpose, id) {
		return "", ErrBadToken
	}
	return id, nil
}
