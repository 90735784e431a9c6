package relay

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/sekisho-mail/sekisho/internal/testkit"
)

func protectedHop(t *testing.T, certificate testkit.Certificate, say func(string) string) *hop {
	return newHop(t, &hop{offers: append([]string{"STARTTLS"}, everything...), pair: &certificate.Pair, say: say})
}

func TestCertificateIsVerified(t *testing.T) {
	good := testkit.NewCertificate(t, "127.0.0.1")
	wrongName := testkit.NewCertificate(t, "other.example")
	for _, test := range []struct {
		name        string
		certificate testkit.Certificate
		trusted     testkit.Certificate
		policy      TLS
		want        string
	}{
		{"good", good, good, TLSRequired, "sent"},
		{"untrusted", good, wrongName, TLSRequired, "temporary 0 4.7.5"},
		{"wrong name", wrongName, wrongName, TLSRequired, "temporary 0 4.7.5"},
		{"untrusted, opportunistic", good, wrongName, TLSOpportunistic, "sent"},
		{"wrong name, opportunistic", wrongName, wrongName, TLSOpportunistic, "sent"},
	} {
		h := protectedHop(t, test.certificate, nil)
		r := relayTo(t, h, func(o *Options) { only(o).TLS, only(o).Roots = test.policy, test.trusted.Roots })
		results := r.Send(t.Context(), outgoing(plainMail, "a@x.example"))
		if got := outcome(results[0]); got != test.want {
			t.Errorf("%s: %s (%v)", test.name, got, results[0].Err)
		}
		if _, mails, _, _ := h.seen(); test.want != "sent" && len(mails)+len(h.told("MAIL")) > 0 {
			t.Errorf("%s: the mail left all the same", test.name)
		}
		if hello := h.told("EHLO"); test.want == "sent" && (len(hello) != 2 || hello[0] != "EHLO mail.corp.example") {
			t.Errorf("%s: %q", test.name, hello)
		}
	}
}

func TestRequiredTLSIsNeverGivenUp(t *testing.T) {
	certificate := testkit.NewCertificate(t, "127.0.0.1")
	for name, h := range map[string]*hop{
		"not offered":       newHop(t, &hop{offers: everything}),
		"refused":           protectedHop(t, certificate, on("STARTTLS", "454 4.7.0 not now")),
		"broken handshake":  newHop(t, &hop{offers: []string{"STARTTLS"}}),
		"dropped":           protectedHop(t, certificate, on("STARTTLS", "drop")),
		"text behind 220":   protectedHop(t, certificate, on("STARTTLS", "220 go ahead\r\n250-injected")),
		"EHLO not accepted": protectedHop(t, certificate, on("EHLO", "502 no")),
	} {
		r := relayTo(t, h, func(o *Options) { only(o).TLS, only(o).Roots = TLSRequired, certificate.Roots })
		results := r.Send(t.Context(), outgoing(plainMail, "a@x.example"))
		if e := results[0].Err; e == nil || !e.Temporary {
			t.Errorf("%s: %v", name, e)
		}
		if len(h.told("MAIL")) > 0 {
			t.Errorf("%s: the mail left in clear", name)
		}
	}
}

func TestOpportunisticTLSFallsBack(t *testing.T) {
	certificate := testkit.NewCertificate(t, "127.0.0.1")
	for name, h := range map[string]*hop{
		"not offered": newHop(t, &hop{offers: everything}),
		"refused":     protectedHop(t, certificate, on("STARTTLS", "454 4.7.0 not now")),
	} {
		r := relayTo(t, h, func(o *Options) { only(o).TLS = TLSOpportunistic })
		if results := r.Send(t.Context(), outgoing(plainMail, "a@x.example")); results[0].Err != nil {
			t.Errorf("%s: %v", name, results[0].Err)
		}
	}
}

// upstream is a server of go-smtp that wants a password.
type upstream struct {
	mechanisms []string
	mails      chan string
	discard    bool // take any mail from anybody and forget it
	token      func(user, token string) bool
}

func (u *upstream) NewSession(*smtp.Conn) (smtp.Session, error) {
	return &upstreamSession{upstream: u}, nil
}

type upstreamSession struct {
	*upstream
	signedIn bool
}

func (s *upstreamSession) AuthMechanisms() []string { return s.mechanisms }

func (s *upstreamSession) check(user, password string) error {
	if user != "relay-user" || password != "correct horse" {
		return &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "no"}
	}
	s.signedIn = true
	return nil
}

func (s *upstreamSession) Auth(mechanism string) (sasl.Server, error) {
	if mechanism == sasl.Plain {
		return sasl.NewPlainServer(func(_, user, password string) error { return s.check(user, password) }), nil
	}
	bearer := func(user, token string) bool {
		s.signedIn = s.token != nil && s.token(user, token)
		return s.signedIn
	}
	switch mechanism {
	case xoauth2:
		return &xoauth2Server{check: bearer}, nil
	case sasl.OAuthBearer:
		return sasl.NewOAuthBearerServer(func(o sasl.OAuthBearerOptions) *sasl.OAuthBearerError {
			if !bearer(o.Username, o.Token) {
				return &sasl.OAuthBearerError{Status: "invalid_token"}
			}
			return nil
		}), nil
	}
	return &loginServer{check: s.check}, nil
}

// loginServer asks as Exchange does.
type loginServer struct {
	check func(user, password string) error
	said  []string
}

func (l *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	if response != nil {
		l.said = append(l.said, string(response))
	}
	switch len(l.said) {
	case 0:
		return []byte("Username:"), false, nil
	case 1:
		return []byte("Password:"), false, nil
	}
	return nil, true, l.check(l.said[0], l.said[1])
}

func (s *upstreamSession) Mail(string, *smtp.MailOptions) error {
	if !s.signedIn && !s.discard {
		return smtp.ErrAuthRequired
	}
	return nil
}
func (s *upstreamSession) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (s *upstreamSession) Data(r io.Reader) error {
	if s.discard {
		_, err := io.Copy(io.Discard, r)
		return err
	}
	raw, err := io.ReadAll(r)
	s.mails <- string(raw)
	return err
}
func (s *upstreamSession) Reset()        {}
func (s *upstreamSession) Logout() error { return nil }

func newUpstream(t *testing.T, certificate testkit.Certificate, implicit bool, mechanisms ...string) (*upstream, string) {
	t.Helper()
	u := &upstream{mechanisms: mechanisms, mails: make(chan string, 10)}
	server := smtp.NewServer(u)
	server.Domain = "upstream.example"
	server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate.Pair}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if implicit {
		listener = tls.NewListener(listener, server.TLSConfig)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Close()
		if err := <-ended; err != nil && !errors.Is(err, smtp.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
	return u, address
}

func TestSignsInOverTLS(t *testing.T) {
	certificate := testkit.NewCertificate(t, "127.0.0.1")
	for _, mechanism := range []string{sasl.Plain, sasl.Login} {
		for _, implicit := range []bool{false, true} {
			u, address := newUpstream(t, certificate, implicit, mechanism)
			r, err := New(Options{Hostname: "mail.corp.example", Routes: []Route{{Hosts: []Host{{Address: address, Implicit: implicit,
				Roots: certificate.Roots, Username: "relay-user", Password: "correct horse"}}}}})
			if err != nil {
				t.Fatal(err)
			}
			wantSent(t, r.Send(t.Context(), outgoing(plainMail, "a@x.example")))
			wantSent(t, r.Send(t.Context(), outgoing(plainMail, "a@x.example")))
			r.closeIdle(time.Time{})
			if got := <-u.mails; got != plainMail {
				t.Errorf("%q", got)
			}
		}
	}
}

// An expired password is the administrator's business: no mail goes back to its sender for it.
func TestWrongPasswordKeepsTheMail(t *testing.T) {
	certificate := testkit.NewCertificate(t, "127.0.0.1")
	for _, mechanism := range []string{sasl.Plain, sasl.Login, "GSSAPI"} {
		_, address := newUpstream(t, certificate, false, mechanism)
		r, err := New(Options{Hostname: "mail.corp.example", Routes: []Route{{Hosts: []Host{{Address: address, Roots: certificate.Roots,
			Username: "relay-user", Password: "wrong-secret"}}}}})
		if err != nil {
			t.Fatal(err)
		}
		results := r.Send(t.Context(), outgoing(plainMail, "a@x.example"))
		if e := results[0].Err; e == nil || !e.Temporary || strings.Contains(e.Text, "wrong-secret") {
			t.Errorf("%s: %v", mechanism, e)
		}
		if err := r.Check(t.Context()); err == nil {
			t.Errorf("%s: check did not see it", mechanism)
		}
	}
}
