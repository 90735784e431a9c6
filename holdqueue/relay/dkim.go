package relay

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/mail"
	"os"
	"slices"
	"strings"

	"github.com/emersion/go-msgauth/dkim"

	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// Signer puts a DKIM signature (RFC 6376) on what leaves. It signs the bytes as they are sent, so whatever
// was taken out of the mail or put into it is covered.
type Signer struct {
	selector string
	domains  []string
	key      crypto.Signer
}

// errUnsignable says that a mail has nothing a signature of ours could stand for; it leaves without one.
var errUnsignable = errors.New("not ours to sign")

// LoadSigner reads the private key of a selector: PEM, RSA or Ed25519, PKCS #1 or #8.
func LoadSigner(selector string, domains []string, keyFile string) (*Signer, error) {
	raw, err := os.ReadFile(keyFile)
	if err != nil {
		return nil, fmt.Errorf("dkim key: %w", err)
	}
	key, err := parseKey(raw)
	if err != nil {
		return nil, fmt.Errorf("dkim key %s: %w", keyFile, err)
	}
	return NewSigner(selector, domains, key)
}

// NewSigner signs mail whose From is in one of the domains, or below one.
func NewSigner(selector string, domains []string, key crypto.Signer) (*Signer, error) {
	if selector == "" || len(domains) == 0 {
		return nil, errors.New("dkim needs a selector and a domain")
	}
	s := &Signer{selector: selector, key: key}
	for _, domain := range domains {
		s.domains = append(s.domains, mailaddr.ASCIIDomain(domain))
	}
	switch public := key.Public().(type) {
	case ed25519.PublicKey:
	case *rsa.PublicKey:
		// RFC 8301: verifiers ignore what is shorter.
		if public.N.BitLen() < 1024 {
			return nil, fmt.Errorf("dkim key has %d bits, at least 1024 (better 2048) are needed", public.N.BitLen())
		}
	default:
		return nil, errors.New("dkim key is neither RSA nor Ed25519")
	}
	return s, nil
}

func parseKey(raw []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(raw)
	if block == nil {
		return nil, errors.New("is not PEM")
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("holds no private key that can be read")
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New("holds no key for signatures")
	}
	return signer, nil
}

// Fields that the signature covers where they stand, and those it covers once more than they stand, so that
// none can be added: what a reader sees first, and what decides how the body is read.
var (
	signedFields = []string{
		"Sender", "In-Reply-To", "References", "Resent-From", "Resent-To", "Resent-Date", "Resent-Message-ID",
		"Content-Disposition", "Content-Description", "Content-ID", "Auto-Submitted", "List-Unsubscribe", "List-Unsubscribe-Post",
	}
	sealedFields = []string{
		"From", "To", "Cc", "Reply-To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type",
		"Content-Transfer-Encoding",
	}
)

// sign reads the mail and returns its DKIM-Signature field. from is what its From said at intake; our own mail
// has not been read there, and its header is plain.
func (s *Signer) sign(found *survey, from []mailaddr.Address, body io.Reader) (string, error) {
	domain, err := s.domainOf(found, from)
	if err != nil {
		return "", err
	}
	var fields []string
	for _, name := range signedFields {
		for range found.fields[strings.ToLower(name)] {
			fields = append(fields, name)
		}
	}
	for _, name := range sealedFields {
		for range found.fields[strings.ToLower(name)] + 1 {
			fields = append(fields, name)
		}
	}
	signer, err := dkim.NewSigner(&dkim.SignOptions{
		Domain: domain, Selector: s.selector, Signer: s.key, Hash: crypto.SHA256, HeaderKeys: fields,
		HeaderCanonicalization: dkim.CanonicalizationRelaxed, BodyCanonicalization: dkim.CanonicalizationRelaxed,
	})
	if err != nil {
		return "", err
	}
	_, err = io.Copy(signer, body)
	// Close ends the signer's goroutine, so it is called whatever happened.
	if err = errors.Join(err, signer.Close()); err != nil {
		return "", err
	}
	return signer.Signature(), nil
}

// domainOf finds which of our domains answers for the mail: that of From, because DMARC compares with it.
func (s *Signer) domainOf(found *survey, from []mailaddr.Address) (string, error) {
	if !found.complete() || !found.hasBody {
		return "", fmt.Errorf("%w: no end of the header within %d bytes", errUnsignable, maxHeader)
	}
	if found.fields["from"] != 1 {
		return "", fmt.Errorf("%w: %d From fields", errUnsignable, found.fields["from"])
	}
	var domain string
	if len(from) > 0 {
		domain = from[0].Domain()
	} else if parsed, err := mail.ParseAddressList(found.from); err == nil {
		domain = mailaddr.Address(parsed[0].Address).Domain()
	}
	for ; domain != ""; _, domain, _ = strings.Cut(domain, ".") {
		if slices.Contains(s.domains, domain) {
			return domain, nil
		}
	}
	return "", fmt.Errorf("%w: From is not in our domains", errUnsignable)
}
