package submission

import (
	"context"
	"crypto/sha256"
	"io"
	"strings"
	"time"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/failpoint"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
	"github.com/sekisho-mail/sekisho/internal/message"
)

// hidden are the fields no recipient may see (RFC 5322 section 3.6.3), and our own mark.
func hidden() []string { return []string{"Bcc", "Resent-Bcc", LoopName} }

// accept reads a message, judges what its header and envelope show, and stores it. It returns the id under which the
// message is durable; after an error nothing of it is kept.
func (s *session) accept(tx *transaction, b *body) (string, error) {
	h, err := readHeader(b)
	if err != nil {
		return "", err
	}
	env, strip, err := s.judge(tx, h)
	if err != nil {
		return "", err
	}
	if s.w.port == portGateway {
		// Refused recipients were answered for nobody in particular; now we know whose mail it is.
		if err := s.refusedFor(env); err != nil {
			return "", err
		}
	}
	// At most what the limit allows at all: a source cannot send the rest of one mail later, as a person can.
	n := min(len(tx.recipients), s.w.srv.limits.RecipientsPer10Minutes)
	giveBack, err := s.w.srv.pace.take(s.ctx(), paceKey(env), n, time.Now())
	if err != nil {
		return "", err
	}
	id, err := s.store(h, b, env, strip)
	if err != nil {
		giveBack()
		return "", err
	}
	s.w.log.Info("mail accepted", "message", id, "origin", env.Origin, "source", env.Source,
		"recipients", len(env.Recipients), "octets", b.read)
	return id, nil
}

// judge says whose mail it is and which fields are taken out of it, or why it is refused.
func (s *session) judge(tx *transaction, h *header) (*holdqueue.Envelope, []string, error) {
	if len(h.all("Received")) > maxHops {
		return nil, nil, tooManyHops()
	}
	if s.w.srv.passedBefore(h, time.Now()) {
		return nil, nil, loopFound()
	}
	env := s.envelope(tx, h)
	strip := hidden()
	if s.w.port != portGateway {
		env.Origin, env.Person = holdqueue.FromPerson, s.person
		from, err := s.authorsAllowed(h)
		env.Meta.From = from
		return env, strip, err
	}
	source, person, from, err := s.w.srv.whose(tx, h)
	if err != nil {
		return nil, nil, err
	}
	env.Origin, env.Source, env.Person, env.Meta.From = holdqueue.FromGateway, source.Name, person, from
	return env, append(strip, s.w.srv.secretNames()...), nil
}

// authorsAllowed checks that every mailbox of From and Sender is the person's (DESIGN 7.1).
func (s *session) authorsAllowed(h *header) ([]mailaddr.Address, error) {
	a, err := h.readAuthors()
	if len(h.all("From")) == 1 && len(h.all("Sender")) <= 1 && s.w.srv.o.People.MaySend(s.person, "") {
		// Who may write as anybody may also write as somebody whose name we cannot read.
		return h.addresses("From"), nil
	}
	if err != nil {
		return nil, err
	}
	for _, from := range a.from {
		if !s.maySend(from) {
			return nil, notYours("From", from)
		}
	}
	if a.sender != "" && !s.maySend(a.sender) {
		return nil, notYours("Sender", a.sender)
	}
	return a.from, nil
}

// envelope gathers what the queue keeps beside the bytes.
func (s *session) envelope(tx *transaction, h *header) *holdqueue.Envelope {
	ascii := tx.from.IsASCII()
	for _, r := range tx.recipients {
		ascii = ascii && r.Address.IsASCII()
	}
	return &holdqueue.Envelope{
		MailFrom:   tx.from,
		Recipients: tx.recipients,
		Automatic:  h.automatic(),
		Meta: holdqueue.Meta{
			Subject:   message.DecodeHeader(h.get("Subject")),
			MessageID: h.messageID(),
			HeaderTo:  h.addresses("To"),
			HeaderCc:  h.addresses("Cc"),
			// Many clients say SMTPUTF8 because it is offered; what counts is whether the mail needs it.
			SMTPUTF8: !ascii || tx.utf8 && h.nonASCII(),
			Ret:      tx.ret,
			EnvID:    tx.envID,
			Client:   s.w.remote.String(),
		},
	}
}

// refusedFor asks about the recipients again when the person has become known. The answer to DATA is one for all
// recipients: where some may have the mail it is taken, and inspection, which asks the same rules, returns the rest.
func (s *session) refusedFor(env *holdqueue.Envelope) error {
	refuse := s.w.srv.o.RefuseRecipient
	if refuse == nil {
		return nil
	}
	var first error
	for _, r := range env.Recipients {
		why := refuse(env.Person, env.Source, r.Address)
		if why == "" {
			return nil
		}
		if first == nil {
			first = recipientRefused(r.Address, why)
		}
	}
	return first
}

// paceKey names who is counted. One owner may answer for many devices, which must not slow each other or the owner.
func paceKey(env *holdqueue.Envelope) string {
	if env.Origin == holdqueue.FromPerson {
		return string(env.Person.Key())
	}
	writer := env.Person
	if len(env.Meta.From) > 0 {
		writer = env.Meta.From[0]
	}
	return env.Source + " " + string(writer.Key())
}

// store writes the message and makes it durable.
func (s *session) store(h *header, b *body, env *holdqueue.Envelope, strip []string) (string, error) {
	draft, err := s.w.srv.o.Begin(s.ctx())
	if err != nil {
		return "", err
	}
	defer draft.Abort()
	block := s.prepend(h, draft.ID(), time.Now())
	if env.Meta.MessageID == "" {
		env.Meta.MessageID = strings.Trim(s.madeID(draft.ID()), "<>")
	}
	if _, err := io.WriteString(draft, block); err != nil {
		return "", err
	}
	if err := h.without(draft, strip); err != nil {
		return "", err
	}
	if env.Received, err = copyBody(draft, h, b); err != nil {
		return "", err
	}
	env.Meta.EightBit = b.check.eightBit
	failpoint.At("accept.received")
	// Not the server's own context: a mail whose last octet is here is finished even while the server stops.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx()), s.w.srv.limits.Commit)
	defer cancel()
	start := time.Now()
	id, err := draft.Commit(ctx, *env)
	if err == nil {
		s.w.tell(draft)
		s.w.srv.figures.durable.Since(start)
		s.w.srv.figures.octets.Observe(float64(b.read))
	}
	return id, err
}

// copyBody writes the rest of the message and returns the hash of all of it as the client sent it.
func copyBody(w io.Writer, h *header, b *body) (sum [32]byte, err error) {
	hash := sha256.New()
	hash.Write(h.raw)
	p, err := h.rest, error(nil)
	// Small lines are gathered: a Write per line of base64 costs more than its copy.
	gather := &b.w.gather
	gather.Reset()
	flush := func() error {
		hash.Write(gather.Bytes())
		_, err := w.Write(gather.Bytes())
		gather.Reset()
		return err
	}
	for err == nil {
		gather.Write(p)
		if gather.Len() >= wireBuffer {
			if err = flush(); err != nil {
				return sum, err
			}
		}
		p, err = b.next()
	}
	if err != io.EOF {
		return sum, err
	}
	if err := flush(); err != nil {
		return sum, err
	}
	hash.Sum(sum[:0])
	return sum, nil
}
