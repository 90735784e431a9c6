package submission

import (
	"context"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// session is what go-smtp calls when a command has passed the wire.
type session struct {
	w      *wire
	person mailaddr.Address // who signed in
	// tx is the mail under way. Each MAIL makes a new one, which never changes hands.
	tx *transaction
}

// transaction is one mail from MAIL to the end of its body.
type transaction struct {
	from       mailaddr.Address
	utf8       bool
	ret, envID string
	recipients []holdqueue.EnvelopeRecipient
	seen       map[mailaddr.Address]bool
	sources    []*Source // those the connection may be, on the gateway port
}

// NewSession is called at the first EHLO.
func (s *Server) NewSession(c *smtp.Conn) (smtp.Session, error) {
	w := c.Conn().(*wire)
	w.session = &session{w: w}
	return w.session, nil
}

func (s *session) ctx() context.Context { return s.w.srv.base() }

// Reset forgets the mail under way.
func (s *session) Reset() { s.tx = nil }

// Logout has nothing to end: what a body under way holds, Data gives up itself when it cannot read on.
func (s *session) Logout() error { return nil }

// Mail begins a mail. The address is the wire's: go-smtp's has lost its quotes.
func (s *session) Mail(_ string, o *smtp.MailOptions) error {
	srv := s.w.srv
	tx := &transaction{from: s.w.path, utf8: o.UTF8, ret: string(o.Return), envID: o.EnvelopeID,
		seen: map[mailaddr.Address]bool{}}
	if err := srv.room(s.w.log); err != nil {
		return err
	}
	if s.w.port == portGateway {
		tx.sources = srv.sourcesAt(s.w.remote, s.w.secure)
		if len(tx.sources) == 0 {
			return unknownSource()
		}
	} else if tx.from != "" && !s.maySend(tx.from) {
		return notYours("MAIL FROM", tx.from)
	}
	s.tx = tx
	return nil
}

// maySend says whether the address is the person's to write from. A user the people file does not know has one.
func (s *session) maySend(a mailaddr.Address) bool {
	return a.Key() == s.person.Key() || s.w.srv.o.People.MaySend(s.person, a)
}

// Rcpt adds a recipient. go-smtp has counted it against the limit; the wire keeps repeated ones away.
func (s *session) Rcpt(_ string, o *smtp.RcptOptions) error {
	srv, a := s.w.srv, s.w.path
	if srv.o.RefuseRecipient != nil {
		if why := srv.o.RefuseRecipient(s.person, "", a); why != "" {
			return recipientRefused(a, why)
		}
	}
	if s.w.port != portGateway {
		if err := srv.pace.may(s.ctx(), string(s.person.Key()), len(s.tx.recipients)+1, time.Now()); err != nil {
			return err
		}
	}
	s.tx.seen[a] = true
	s.tx.recipients = append(s.tx.recipients, holdqueue.EnvelopeRecipient{
		Address: a, Notify: notify(o.Notify), ORcpt: original(o)})
	return nil
}

func notify(given []smtp.DSNNotify) string {
	words := make([]string, len(given))
	for i, n := range given {
		words[i] = string(n)
	}
	return strings.Join(words, ",")
}

func original(o *smtp.RcptOptions) string {
	if o.OriginalRecipient == "" {
		return ""
	}
	return string(o.OriginalRecipientType) + ";" + o.OriginalRecipient
}

// Data takes the message. It reads from the wire, not from r, whose reader takes one octet at a time and loses a CR
// here and there; what Data leaves unread the wire drains.
func (s *session) Data(io.Reader) error {
	id, err := s.accept(s.tx, s.w.body)
	r := queued(id)
	if err != nil {
		r = s.answerTo(s.ctx(), "take the message", err)
	}
	s.w.srv.figures.bodies.Inc(s.w.port.String(), strconv.Itoa(r.Code))
	return r
}

// AuthMechanisms are offered only where they may be used.
func (s *session) AuthMechanisms() []string {
	if s.w.port == portGateway || !s.w.secure {
		return nil
	}
	return []string{sasl.Plain, mechanismLogin}
}

// Auth begins a sign-in.
func (s *session) Auth(mechanism string) (sasl.Server, error) {
	switch strings.ToUpper(mechanism) {
	case sasl.Plain:
		return strict{newPlain(s.signIn)}, nil
	case mechanismLogin:
		return strict{&login{verify: s.signIn}}, nil
	}
	return nil, unknownMechanism()
}
