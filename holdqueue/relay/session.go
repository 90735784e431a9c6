package relay

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"strings"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// session is one connection to the next hop, greeted, protected and signed in. go-smtp's client speaks the
// commands; DATA is ours, because the dot must be withheld until somebody else agrees.
type session struct {
	relay  *Relay
	wire   *wire
	client *smtp.Client
	reader *textproto.Reader // of answers during DATA
	writer *textproto.Writer
	born   time.Time
	used   time.Time
	mails  int
}

// errNoTLS says that the next hop does not offer what the policy requires.
var errNoTLS = errors.New("the next hop offers no STARTTLS, and relay.tls is required")

func (r *Relay) dial(ctx context.Context) (*session, error) {
	switch {
	case r.options.Implicit:
		return r.dialWith(ctx, r.implicitTLS)
	case r.options.TLS == TLSNone:
		return r.dialWith(ctx, r.inClear)
	case r.options.TLS == TLSRequired:
		return r.dialWith(ctx, r.startTLS)
	}
	s, err := r.dialWith(ctx, r.startTLS)
	if err == nil || ctx.Err() != nil || !errors.As(err, new(*tlsError)) {
		return s, err
	}
	// Opportunistic: whoever can break TLS could as well have hidden it.
	return r.dialWith(ctx, r.inClear)
}

// tlsError says that only the protection of the connection failed.
type tlsError struct{ cause error }

func (e *tlsError) Error() string { return "TLS: " + e.cause.Error() }
func (e *tlsError) Unwrap() error { return e.cause }

// dialWith connects, lets protect turn the connection into one ready for EHLO, greets and signs in.
func (r *Relay) dialWith(ctx context.Context, protect func(context.Context, net.Conn) (*wire, error)) (*session, error) {
	dialer := &net.Dialer{Timeout: r.options.Timeouts.Connect}
	conn, err := dialer.DialContext(ctx, "tcp", r.options.Host)
	if err != nil {
		return nil, err
	}
	w, err := protect(ctx, conn)
	if err != nil {
		conn.Close()
		return nil, err
	}
	s := &session{relay: r, wire: w, client: smtp.NewClient(w), born: time.Now(), used: time.Now()}
	s.reader = textproto.NewReader(bufio.NewReader(w))
	s.writer = textproto.NewWriter(bufio.NewWriterSize(w, 32<<10))
	if err := s.greet(ctx); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (r *Relay) inClear(_ context.Context, conn net.Conn) (*wire, error) { return newWire(conn), nil }

func (r *Relay) implicitTLS(ctx context.Context, conn net.Conn) (*wire, error) {
	protected, err := r.handshake(ctx, conn)
	if err != nil {
		return nil, err
	}
	return newWire(protected), nil
}

// startTLS speaks banner, EHLO and STARTTLS itself: go-smtp's client would say "EHLO localhost" here. The
// client takes over after the handshake, where the server does not greet again, so it is given a greeting.
func (r *Relay) startTLS(ctx context.Context, conn net.Conn) (*wire, error) {
	w := newWire(conn)
	defer w.abortWith(ctx)()
	w.begin(r.options.Timeouts.Command, r.options.Timeouts.Command)
	text := textproto.NewConn(w)
	if _, _, err := text.ReadResponse(220); err != nil {
		return nil, fmt.Errorf("greeting: %w", asSMTPError(err))
	}
	answer, err := command(text, 250, "EHLO "+r.options.Hostname)
	if err != nil {
		return nil, fmt.Errorf("EHLO: %w", err)
	}
	if !offersStartTLS(answer) {
		if r.options.TLS == TLSRequired {
			return nil, errNoTLS
		}
		return nil, &tlsError{errors.New("not offered")}
	}
	if _, err := command(text, 220, "STARTTLS"); err != nil {
		return nil, &tlsError{err}
	}
	if text.R.Buffered() > 0 {
		// What came in clear after the 220 was put there by somebody between us (CVE-2011-0411).
		return nil, errors.New("STARTTLS: plain text behind the answer")
	}
	protected, err := r.handshake(ctx, conn)
	if err != nil {
		return nil, err
	}
	w = newWire(protected)
	w.preface = []byte("220 protected\r\n")
	return w, nil
}

func command(text *textproto.Conn, expect int, line string) (string, error) {
	if err := text.PrintfLine("%s", line); err != nil {
		return "", err
	}
	_, answer, err := text.ReadResponse(expect)
	return answer, asSMTPError(err)
}

func offersStartTLS(answer string) bool {
	for i, line := range strings.Split(answer, "\n") {
		if i > 0 && strings.EqualFold(strings.TrimSpace(line), "STARTTLS") {
			return true
		}
	}
	return false
}

func (r *Relay) handshake(ctx context.Context, conn net.Conn) (*tls.Conn, error) {
	config := &tls.Config{
		ServerName: r.host,
		RootCAs:    r.options.Roots,
		MinVersion: tls.VersionTLS12,
		// Opportunistic TLS keeps off who only listens; an unverified name is no worse than no TLS (RFC 7435).
		InsecureSkipVerify: r.options.TLS == TLSOpportunistic,
	}
	ctx, cancel := context.WithTimeout(ctx, r.options.Timeouts.Connect)
	defer cancel()
	protected := tls.Client(conn, config)
	if err := protected.HandshakeContext(ctx); err != nil {
		return nil, &tlsError{err}
	}
	return protected, nil
}

// greet says EHLO with our real name and signs in.
func (s *session) greet(ctx context.Context) error {
	defer s.wire.abortWith(ctx)()
	s.command()
	if err := s.client.Hello(s.relay.options.Hostname); err != nil {
		return fmt.Errorf("EHLO: %w", err)
	}
	if s.relay.options.Username == "" {
		return nil
	}
	mechanism, err := s.mechanism()
	if err != nil {
		return err
	}
	s.command()
	if err := s.client.Auth(mechanism); err != nil {
		return fmt.Errorf("AUTH: %w", err)
	}
	return nil
}

func (s *session) mechanism() (sasl.Client, error) {
	o := &s.relay.options
	switch {
	case s.client.SupportsAuth(sasl.Plain):
		return sasl.NewPlainClient("", o.Username, o.Password), nil
	case s.client.SupportsAuth(sasl.Login):
		return &login{answers: []string{o.Username, o.Password}}, nil
	}
	return nil, errors.New("the next hop offers neither AUTH PLAIN nor AUTH LOGIN")
}

// login answers the two questions of AUTH LOGIN, however a server words them.
type login struct{ answers []string }

func (l *login) Start() (mechanism string, initial []byte, err error) { return sasl.Login, nil, nil }

func (l *login) Next([]byte) ([]byte, error) {
	if len(l.answers) == 0 {
		return nil, errors.New("a third question in AUTH LOGIN")
	}
	answer := l.answers[0]
	l.answers = l.answers[1:]
	return []byte(answer), nil
}

// command starts the clock of one command.
func (s *session) command() {
	s.wire.begin(s.relay.options.Timeouts.Command, s.relay.options.Timeouts.Command)
}

func (s *session) offers(extension string) bool {
	ok, _ := s.client.Extension(extension)
	return ok
}

// reset makes a kept connection fit for another transaction, or fails soon.
func (s *session) reset(ctx context.Context) error {
	defer s.wire.abortWith(ctx)()
	s.wire.begin(10*time.Second, 20*time.Second)
	if err := s.client.Reset(); err != nil {
		return err
	}
	// The client says EHLO again after RSET: here, not in front of MAIL, where it would look like MAIL failing.
	return s.client.Hello(s.relay.options.Hostname)
}

func (s *session) quit() error {
	s.wire.begin(5*time.Second, 10*time.Second)
	return s.client.Quit()
}

func (s *session) close() { s.wire.Close() }
