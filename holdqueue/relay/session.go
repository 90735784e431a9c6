package relay

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	"github.com/emersion/go-sasl"

	"github.com/sekisho-mail/sekisho/holdqueue"
)

// session is one connection to a host, greeted, protected and signed in.
//
// It speaks for itself and not through a client library: the final dot must be withheld until somebody else agrees,
// commands travel in groups, and the name in EHLO is ours before STARTTLS, too.
type session struct {
	host   *host
	wire   *wire
	text   text
	self   string            // how the server called itself in its answer to EHLO
	offers map[string]string // extensions, in upper case, with their parameters
	born   time.Time
	used   time.Time
	mails  int
	clean  bool // the last transaction ended with the mail taken, so there is nothing to reset
	// failedTest says that the certificate broke a policy that is only being tested.
	failedTest bool
}

// text is both directions of a conversation in lines.
type text struct {
	*textproto.Reader
	*textproto.Writer
}

// errNoTLS says that the next hop does not offer what the policy requires.
var errNoTLS = errors.New("the server offers no STARTTLS, and TLS is required")

// tlsError says that only the protection of the connection failed.
type tlsError struct{ cause error }

func (e *tlsError) Error() string { return "TLS: " + e.cause.Error() }
func (e *tlsError) Unwrap() error { return e.cause }

// dial gives a session that is ready for a mail. Where a token was refused that had been kept, it tries a new one.
func (h *host) dial(ctx context.Context) (*session, error) {
	s, err := h.dialAsTLSAllows(ctx)
	if errors.As(err, new(*staleToken)) && ctx.Err() == nil {
		return h.dialAsTLSAllows(ctx)
	}
	return s, err
}

func (h *host) dialAsTLSAllows(ctx context.Context) (*session, error) {
	s, err := h.dialWith(ctx, h.security.level != TLSNone)
	if err == nil || h.security.level != TLSOpportunistic || ctx.Err() != nil || !errors.As(err, new(*tlsError)) {
		return s, err
	}
	// Opportunistic: whoever can break TLS could as well have hidden it.
	return h.dialWith(ctx, false)
}

// dialWith connects, protects the connection, greets and signs in.
func (h *host) dialWith(ctx context.Context, protect bool) (*session, error) {
	conn, err := h.connect(ctx)
	if err != nil {
		return nil, err
	}
	s := &session{host: h, born: time.Now(), used: time.Now()}
	if protect && h.security.implicit {
		if conn, err = s.handshake(ctx, conn); err != nil {
			return nil, err
		}
	}
	s.speakOver(conn)
	if err := s.begin(ctx, protect && !h.security.implicit); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (h *host) connect(ctx context.Context) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: h.relay.o.Timeouts.Connect}
	if h.mx {
		dialer.Control = h.relay.refusePrivate
	}
	return dialer.DialContext(ctx, "tcp", h.address)
}

func (s *session) speakOver(conn net.Conn) {
	s.wire = newWire(conn)
	s.text = text{textproto.NewReader(bufio.NewReader(s.wire)), textproto.NewWriter(bufio.NewWriterSize(s.wire, 32<<10))}
}

// begin waits for the greeting and says hello, once more after STARTTLS, and signs in.
func (s *session) begin(ctx context.Context, startTLS bool) error {
	stop := s.wire.abortWith(ctx)
	defer func() { stop() }()
	s.clock()
	if _, _, err := s.hear("220"); err != nil {
		return fmt.Errorf("greeting: %w", refused(err))
	}
	if err := s.hello(); err != nil {
		return err
	}
	if startTLS && !s.offered("STARTTLS") {
		s.host.count("starttls-not-supported")
		if s.host.security.level == TLSRequired {
			return errNoTLS
		}
		startTLS = false
	}
	if startTLS {
		if err := s.askTLS(); err != nil {
			return err
		}
		stop() // the handshake listens to ctx itself
		conn, err := s.handshake(ctx, s.wire.Conn)
		if err != nil {
			return err
		}
		s.speakOver(conn)
		stop = s.wire.abortWith(ctx)
		s.clock()
		if err := s.hello(); err != nil {
			return err
		}
	}
	if s.host.mx && strings.EqualFold(s.self, s.host.relay.o.Hostname) {
		return errOurself
	}
	return s.signIn(ctx)
}

// hello says EHLO with our real name and reads what is offered.
func (s *session) hello() error {
	s.offers = map[string]string{}
	answer, err := s.ask("250", "EHLO "+s.host.relay.o.Hostname)
	if unknown := (*reply)(nil); errors.As(err, &unknown) && unknown.code/10 == 50 {
		// A server from before extensions (RFC 5321 section 4.1.4). What a mail needs of them it cannot have here.
		answer, err = s.ask("250", "HELO "+s.host.relay.o.Hostname)
		answer, _, _ = strings.Cut(answer, "\n")
	}
	if err != nil {
		return fmt.Errorf("EHLO: %w", err)
	}
	for i, line := range strings.Split(answer, "\n") {
		word, parameters, _ := strings.Cut(strings.TrimSpace(line), " ")
		if i == 0 {
			s.self = word
			continue
		}
		s.offers[strings.ToUpper(word)] = parameters
	}
	return nil
}

func (s *session) offered(extension string) bool {
	_, ok := s.offers[extension]
	return ok
}

// maxSize is the largest mail the server takes; 0 when it does not say.
func (s *session) maxSize() int64 {
	n, err := strconv.ParseInt(s.offers["SIZE"], 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// askTLS says STARTTLS; after it, the next bytes are the handshake.
func (s *session) askTLS() error {
	s.clock()
	if _, err := s.ask("220", "STARTTLS"); err != nil {
		s.host.count("starttls-not-supported")
		return &tlsError{err}
	}
	if s.text.R.Buffered() > 0 {
		// What came in clear after the 220 was put there by somebody between us (CVE-2011-0411).
		return errors.New("STARTTLS: plain text behind the answer")
	}
	return nil
}

// signIn proves who we are where the host wants to know.
func (s *session) signIn(ctx context.Context) error {
	l := s.host.login
	if l == nil {
		return nil
	}
	mechanism, err := l.mechanism(ctx, strings.Fields(strings.ToUpper(s.offers["AUTH"])))
	if err != nil {
		return err
	}
	if err := s.auth(mechanism); err != nil {
		if err = fmt.Errorf("AUTH: %w", err); l.failed() {
			return &staleToken{err}
		}
		return err
	}
	return nil
}

// staleToken says that a token was refused that had been kept for a while: a new one may do.
type staleToken struct{ cause error }

func (e *staleToken) Error() string { return e.cause.Error() }
func (e *staleToken) Unwrap() error { return e.cause }

// auth is the exchange of RFC 4954.
func (s *session) auth(m sasl.Client) error {
	name, initial, err := m.Start()
	if err != nil {
		return err
	}
	line := "AUTH " + name
	switch {
	case len(initial) > 0:
		line += " " + base64.StdEncoding.EncodeToString(initial)
	case initial != nil:
		line += " ="
	}
	for range 10 { // no mechanism asks more often
		s.clock()
		if err := s.text.PrintfLine("%s", line); err != nil {
			return err
		}
		_, text, err := s.hear("334")
		if accepted := (*textproto.Error)(nil); errors.As(err, &accepted) && accepted.Code == 235 {
			return nil
		}
		if err != nil {
			return refused(err)
		}
		if line = "*"; name == sasl.OAuthBearer {
			line = "AQ==" // what RFC 7628 section 3.2.3 wants to hear before it says why
		}
		if challenge, err := base64.StdEncoding.DecodeString(text); err == nil {
			if answer, err := m.Next(challenge); err == nil {
				line = base64.StdEncoding.EncodeToString(answer)
			}
		}
	}
	return errors.New("the server never stops asking")
}

// clock starts the time of one command.
func (s *session) clock() {
	limit := s.host.relay.o.Timeouts.Command
	s.wire.begin(limit, limit)
}

// clockUntil starts the time of one of several commands, which have to be over by end: who takes five minutes for each
// of a hundred recipients would keep a worker for a day.
func (s *session) clockUntil(end time.Time) {
	limit := s.host.relay.o.Timeouts.Command
	s.wire.begin(limit, max(time.Millisecond, min(limit, time.Until(end))))
}

// ask sends one command and reads its answer.
func (s *session) ask(expect, line string) (string, error) {
	if err := s.text.PrintfLine("%s", line); err != nil {
		return "", err
	}
	_, answer, err := s.hear(expect)
	return answer, refused(err)
}

// pipelined bounds how many commands are under way at once: their answers must fit into what a connection holds
// while nobody reads (RFC 2920 section 3.1).
const pipelined = 50

// askAll sends commands, in groups where the server allows it, and tells each answer apart. It ends at the first
// broken connection or 421, and after the group in which told says that no more should be sent.
func (s *session) askAll(lines []string, told func(i int, err *holdqueue.SendError) (more bool)) {
	group := 1
	if s.offered("PIPELINING") {
		group = pipelined
	}
	limit := s.host.relay.o.Timeouts.Command
	end := time.Now().Add(limit + time.Duration(len(lines))*limit/20)
	for from := 0; from < len(lines); from += group {
		to := min(from+group, len(lines))
		s.clockUntil(end)
		for _, line := range lines[from:to] {
			s.text.W.WriteString(line + "\r\n") // an error stays in the writer and is told by Flush
		}
		if err := s.text.W.Flush(); err != nil {
			told(from, broken("send a command", err))
			return
		}
		goOn := true
		for i := from; i < to; i++ {
			s.clockUntil(end)
			var failed *holdqueue.SendError
			verb, _, _ := strings.Cut(lines[i], " ")
			if _, _, err := s.hear("25"); err != nil {
				failed = answered(verb, err)
			}
			goOn = told(i, failed) && goOn
			if failed != nil && gone(failed) {
				return
			}
		}
		if !goOn {
			return
		}
	}
}

// gone says that a failure was the end of the connection.
func gone(err *holdqueue.SendError) bool { return err.Code == 0 || err.Code == 421 }

// reset makes a kept connection fit for another transaction, or fails soon.
func (s *session) reset(ctx context.Context) error {
	defer s.wire.abortWith(ctx)()
	s.wire.begin(10*time.Second, 20*time.Second)
	_, err := s.ask("250", "RSET")
	return err
}

func (s *session) quit() {
	s.wire.begin(5*time.Second, 10*time.Second)
	_, _ = s.ask("221", "QUIT") // out of courtesy: the connection is closed either way
}

func (s *session) close() { s.wire.Close() }
