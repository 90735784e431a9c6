// Package relay hands released mail to the next hop: the company's smart host.
//
// It owns outbound SMTP: connections, TLS policy, authentication, DKIM, and one result for each recipient.
// It knows no rules and no people, and it changes no byte of what it is given; it only prepends. What the
// next hop cannot carry unchanged is refused with the code of RFC 6152 or 6531, never converted.
package relay

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/sekisho-mail/sekisho/holdqueue"
)

// TLS says how much a connection must be protected.
type TLS string

const (
	TLSRequired      TLS = "required"      // STARTTLS (or implicit TLS), certificate verified
	TLSOpportunistic TLS = "opportunistic" // STARTTLS if offered, any certificate, else in clear
	TLSNone          TLS = "none"          // in clear; for a next hop on the same machine
)

// Options describe the next hop.
type Options struct {
	Host     string // HOST:PORT
	Hostname string // our name, for EHLO
	TLS      TLS    // "" is TLSRequired
	// Implicit begins TLS with the connection instead of STARTTLS; it is so on port 465 in any case (RFC 8314).
	Implicit bool
	// Roots verify the certificate; nil means the system's.
	Roots *x509.CertPool
	// Username and Password sign in, over TLS only. Both may be empty.
	Username string
	Password string
	// Loop gives the header line, CRLF included, by which we recognise our own mail when it comes back.
	Loop func(m *holdqueue.Message) string
	// DKIM signs what leaves; nil signs nothing.
	DKIM *Signer
	// Connections bounds how many are open at a time, 0 means 8.
	Connections int
	// Recipients bounds one transaction, 0 means 100: what RFC 5321 obliges every server to take.
	Recipients int
	Timeouts   Timeouts
	Logger     *slog.Logger
}

// Timeouts of the phases of a transaction; a zero one is that of RFC 5321 section 4.5.3.2.
type Timeouts struct {
	Connect time.Duration // TCP and TLS handshake, each
	Command time.Duration // greeting and every command
	Data    time.Duration // one write of the body
	Dot     time.Duration // from the final dot to the answer
	Idle    time.Duration // how long a connection is kept for the next mail
}

func (t Timeouts) orDefaults() Timeouts {
	orDefault := func(d *time.Duration, standard time.Duration) {
		if *d <= 0 {
			*d = standard
		}
	}
	orDefault(&t.Connect, 30*time.Second)
	orDefault(&t.Command, 5*time.Minute)
	orDefault(&t.Data, 3*time.Minute)
	orDefault(&t.Dot, 10*time.Minute)
	orDefault(&t.Idle, 20*time.Second)
	return t
}

// Relay is one next hop. It is safe for concurrent use.
type Relay struct {
	options Options
	host    string // without the port
	slots   chan struct{}

	mu   sync.Mutex
	idle []*session
}

// New checks the options. It connects to nothing.
func New(o Options) (*Relay, error) {
	host, port, err := net.SplitHostPort(o.Host)
	if err != nil || host == "" {
		return nil, fmt.Errorf("relay host %q is not HOST:PORT", o.Host)
	}
	if o.Hostname == "" {
		return nil, errors.New("relay needs our host name: next hops hang up on localhost")
	}
	switch o.TLS {
	case "":
		o.TLS = TLSRequired
	case TLSRequired, TLSOpportunistic, TLSNone:
	default:
		return nil, fmt.Errorf("relay tls %q is none of required, opportunistic, none", o.TLS)
	}
	if o.Username != "" && o.TLS != TLSRequired {
		return nil, errors.New("relay with a password needs tls: required")
	}
	o.Implicit = o.TLS != TLSNone && (o.Implicit || port == "465")
	if o.Connections <= 0 {
		o.Connections = 8
	}
	if o.Recipients <= 0 {
		o.Recipients = 100
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	o.Timeouts = o.Timeouts.orDefaults()
	return &Relay{options: o, host: host, slots: make(chan struct{}, o.Connections)}, nil
}

// Send hands out to the next hop and gives one result for each recipient, in their order. It is a
// holdqueue.Sender. More recipients than one transaction takes make several, and BeforeDot is called
// before the final dot of each.
func (r *Relay) Send(ctx context.Context, out *holdqueue.Outgoing) []holdqueue.Result {
	t := newTransaction(r, out)
	if !t.checkAddresses() {
		return t.results
	}
	if err := t.prepare(ctx); err != nil {
		t.failAll(err)
		return t.results
	}
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-ctx.Done():
		t.failAll(broken("wait for a connection", ctx.Err()))
		return t.results
	}
	for len(t.open) > 0 {
		s, err := r.session(ctx)
		if err != nil {
			t.failAll(err)
			break
		}
		t.run(ctx, s)
	}
	return t.results
}

// Check signs in to the next hop and leaves: for `sekisho check` and readiness.
func (r *Relay) Check(ctx context.Context) error {
	s, err := r.dial(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	_ = s.quit() // whoever let us in may see us off as they like
	return nil
}

// Run closes connections that nothing was sent over for a while, and all of them when ctx ends.
func (r *Relay) Run(ctx context.Context) error {
	tick := time.NewTicker(r.options.Timeouts.Idle / 2)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			r.closeIdle(time.Time{})
			return nil
		case now := <-tick.C:
			r.closeIdle(now.Add(-r.options.Timeouts.Idle))
		}
	}
}

// session gives a connection on which a transaction can begin.
func (r *Relay) session(ctx context.Context) (*session, *holdqueue.SendError) {
	for s := r.takeIdle(); s != nil; s = r.takeIdle() {
		if s.reset(ctx) == nil {
			return s, nil
		}
		s.close()
	}
	s, err := r.dial(ctx)
	if err != nil {
		return nil, unready(err)
	}
	return s, nil
}

func (r *Relay) takeIdle() *session {
	r.mu.Lock()
	defer r.mu.Unlock()
	oldest := time.Now().Add(-r.options.Timeouts.Idle)
	for n := len(r.idle); n > 0; n = len(r.idle) {
		s := r.idle[n-1]
		r.idle = r.idle[:n-1]
		if s.used.After(oldest) {
			return s
		}
		s.close()
	}
	return nil
}

// Limits of one connection: a next hop behind a balancer is to notice that we are many mails, and a
// session key does not live for ever.
const (
	maxMailsPerSession = 100
	maxSessionAge      = 5 * time.Minute
)

func (r *Relay) keep(s *session) {
	s.mails++
	s.used = time.Now()
	if s.mails >= maxMailsPerSession || s.used.Sub(s.born) > maxSessionAge {
		s.close()
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.idle = append(r.idle, s)
}

// closeIdle closes connections last used before a time; the zero time closes all.
func (r *Relay) closeIdle(before time.Time) {
	r.mu.Lock()
	var old []*session
	kept := r.idle[:0]
	for _, s := range r.idle {
		if before.IsZero() || s.used.Before(before) {
			old = append(old, s)
		} else {
			kept = append(kept, s)
		}
	}
	r.idle = kept
	r.mu.Unlock()
	for _, s := range old {
		_ = s.quit() // out of courtesy: the connection is closed either way
		s.close()
	}
}
