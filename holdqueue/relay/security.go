package relay

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"

	"github.com/mjl-/adns"
	"github.com/mjl-/mox/dane"
	"github.com/mjl-/mox/dns"
)

// security is how a connection is protected, and who must be at its other end.
type security struct {
	level    TLS
	implicit bool   // TLS begins with the connection
	name     string // the server's, for SNI and its certificate
	roots    *x509.CertPool
	present  func() (*tls.Certificate, error) // ours, where the server wants one
	policy   policyType
	domain   string // whose policy it is, for the counts
	// testing looks at the certificate and counts what is wrong with it, and goes on all the same (MTA-STS testing).
	testing bool
	// records are the server's keys by DNSSEC (RFC 7672); names are those a certificate below a trust anchor may have.
	records []adns.TLSA
	names   []string
	// blind takes any certificate although TLS is a must: all TLSA records are of kinds that we cannot read.
	blind bool
}

// key tells connections apart that must not serve for each other.
func (s *security) key() string {
	sum := sha256.Sum256(fmt.Append(nil, s.level, s.testing, s.blind, s.records, s.names))
	return fmt.Sprintf("%s %s %x", s.name, s.policy, sum[:8])
}

// handshake turns the connection into a protected one, or closes it.
func (s *session) handshake(ctx context.Context, conn net.Conn) (net.Conn, error) {
	sec := &s.host.security
	config := &tls.Config{
		ServerName: sec.name, RootCAs: sec.roots, MinVersion: tls.VersionTLS12,
		// Opportunistic TLS keeps off who only listens; an unverified name is no worse than no TLS (RFC 7435).
		InsecureSkipVerify: sec.level == TLSOpportunistic || sec.blind || len(sec.records) > 0,
		VerifyConnection:   func(state tls.ConnectionState) error { return s.verify(&state) },
	}
	if sec.present != nil {
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return sec.present() }
	}
	ctx, cancel := context.WithTimeout(ctx, s.host.relay.o.Timeouts.Connect)
	defer cancel()
	protected := tls.Client(conn, config)
	if err := protected.HandshakeContext(ctx); err != nil {
		conn.Close()
		s.host.count(failureType(err))
		return nil, &tlsError{err}
	}
	if !s.failedTest {
		s.host.count(success)
	}
	return protected, nil
}

// verify is asked after the standard library's own checks, if those are on.
func (s *session) verify(state *tls.ConnectionState) error {
	sec := &s.host.security
	switch {
	case len(sec.records) > 0:
		return sec.verifyDANE(state)
	case sec.testing:
		if err := sec.verifyPKIX(state); err != nil {
			s.failedTest = true
			s.host.count(failureType(err))
		}
	}
	return nil
}

func (sec *security) verifyDANE(state *tls.ConnectionState) error {
	base, err := dns.ParseDomain(sec.name)
	if err != nil {
		return err
	}
	var more []dns.Domain
	for _, name := range sec.names {
		if d, err := dns.ParseDomain(name); err == nil {
			more = append(more, d)
		}
	}
	ok, _, err := dane.Verify(slog.New(slog.DiscardHandler), sec.records, *state, base, more, sec.roots)
	if err != nil {
		return fmt.Errorf("%w: %w", errDANE, err)
	}
	if !ok {
		return errDANE
	}
	return nil
}

// errDANE says that a certificate is not the one that the domain publishes.
var errDANE = errors.New("the certificate does not match the TLSA records")

func (sec *security) verifyPKIX(state *tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return errors.New("no certificate")
	}
	between := x509.NewCertPool()
	for _, c := range state.PeerCertificates[1:] {
		between.AddCert(c)
	}
	_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{DNSName: sec.name, Roots: sec.roots, Intermediates: between})
	return err
}

// failureType is the word of RFC 8460 section 4.3 for what went wrong in a handshake.
func failureType(err error) string {
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, new(x509.HostnameError)):
		return "certificate-host-mismatch"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "certificate-expired"
	case errors.As(err, new(x509.UnknownAuthorityError)), errors.As(err, &invalid):
		return "certificate-not-trusted"
	}
	return "validation-failure"
}
