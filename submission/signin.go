package submission

import (
	"errors"
	"time"

	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

const maxUserName = 320 // octets: 64 + @ + 255

// signIn decides about a user name and password. Every error is a reply.
func (s *session) signIn(user, password string) error {
	srv := s.w.srv
	// An empty password signs in anonymously at some directories (RFC 4513 section 5.1.2).
	if user == "" || password == "" || len(user) > maxUserName || len(password) > maxPassword {
		return badCredentials()
	}
	a := srv.failures.attempt(user, password, s.w.remote)
	if wait := srv.failures.blocked(s.ctx(), a, time.Now()); wait > 0 {
		srv.figures.signIns.Inc("blocked")
		s.w.log.Warn("sign-in not tried: too many wrong passwords", "remote", s.w.remote)
		return signInBlocked(wait)
	}
	name, err := srv.o.Verify(s.ctx(), user, password)
	srv.figures.signIns.Inc(result(err))
	switch {
	case err == nil:
		srv.failures.succeeded(a)
		s.person = srv.personNamed(name)
		s.w.log.Info("signed in", "remote", s.w.remote)
		return nil
	case errors.Is(err, ErrBusy):
		return signInBusy()
	case errors.Is(err, ErrBadPassword):
		srv.failures.failed(a, time.Now())
		s.w.log.Warn("sign-in refused", "remote", s.w.remote)
		return badCredentials()
	}
	s.w.log.Error("sign-in could not be checked", "error", err)
	return signInUnavailable()
}

// result is the word for a sign-in's end.
func result(err error) string {
	switch {
	case err == nil:
		return "good"
	case errors.Is(err, ErrBadPassword):
		return "wrong"
	case errors.Is(err, ErrBusy):
		return "busy"
	}
	return "trouble"
}

// personNamed is who a sign-in name belongs to. A user the people file does not know is a person of one address.
func (s *Server) personNamed(a mailaddr.Address) mailaddr.Address {
	if p, ok := s.o.People.Whose(a); ok {
		return p
	}
	return a
}
