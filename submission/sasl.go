package submission

import (
	"errors"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

const mechanismLogin = "LOGIN"

// signIn decides about a user name and password. Its errors are replies.
type signIn func(user, password string) error

// newPlain is PLAIN (RFC 4616). The library decodes; we refuse to let one person act for another.
func newPlain(verify signIn) sasl.Server {
	return sasl.NewPlainServer(func(identity, user, password string) error {
		if identity != "" && identity != user {
			return wrongAuthz()
		}
		return verify(user, password)
	})
}

// login is the LOGIN mechanism, never standardised (draft-murchison-sasl-login) and still the only one of many
// scanners and of Outlook.
type login struct {
	verify signIn
	step   int
	user   string
}

// Next takes the user name, which may come with the command, then the password.
func (l *login) Next(response []byte) (challenge []byte, done bool, err error) {
	if l.step == 0 && response == nil {
		l.step = 1
		return []byte("Username:"), false, nil
	}
	switch l.step {
	case 0, 1:
		l.user, l.step = string(response), 2
		return []byte("Password:"), false, nil
	case 2:
		l.step = 3
		return nil, true, l.verify(l.user, string(response))
	}
	return nil, false, sasl.ErrUnexpectedClientResponse
}

// strict gives every error of a mechanism a reply of ours: go-smtp would show the text of any other.
type strict struct{ sasl.Server }

func (s strict) Next(response []byte) ([]byte, bool, error) {
	challenge, done, err := s.Server.Next(response)
	if err == nil {
		return challenge, done, nil
	}
	var r *smtp.SMTPError
	if errors.As(err, &r) {
		return nil, false, r
	}
	return nil, false, badSignIn()
}
