package relay

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/mail"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-msgauth/dkim"

	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// Signer puts DKIM signatures (RFC 6376, RFC 8463) on what leaves. It signs the bytes as they are sent, so whatever
// was taken out of the mail or put into it is covered.
//
// A mail gets one signature for each algorithm that its domain has a key of. Of several keys of one algorithm the last
// one whose public half stands in DNS is used, so that a new key can be configured before it is published and an old one
// need not be taken away in the same minute.
type Signer struct {
	keys []*Key

	mu     sync.Mutex
	looked time.Time
	seen   map[published]bool
}

// Key is one private key under one selector.
type Key struct {
	Selector string
	Domains  []string // mail whose From is in one of them, or below one
	Private  crypto.Signer
}

// published names a key's place in DNS.
type published struct{ selector, domain string }

func (p published) name() string { return p.selector + "._domainkey." + p.domain }

// errUnsignable says that a mail has nothing a signature of ours could stand for; it leaves without one.
var errUnsignable = errors.New("not ours to sign")

// LoadKey reads the private key of a selector: PEM, RSA or Ed25519, PKCS #1 or #8.
func LoadKey(selector string, domains []string, keyFile string) (*Key, error) {
	raw, err := os.ReadFile(keyFile)
	if err != nil {
		return nil, fmt.Errorf("dkim key: %w", err)
	}
	private, err := parseKey(raw)
	if err != nil {
		return nil, fmt.Errorf("dkim key %s: %w", keyFile, err)
	}
	return &Key{Selector: selector, Domains: domains, Private: private}, nil
}

// NewSigner signs with the keys, given in the order in which they came into use.
func NewSigner(keys ...*Key) (*Signer, error) {
	s := &Signer{seen: map[published]bool{}}
	for _, k := range keys {
		if k.Selector == "" || len(k.Domains) == 0 {
			return nil, errors.New("dkim needs a selector and a domain")
		}
		made := &Key{Selector: k.Selector, Private: k.Private}
		for _, domain := range k.Domains {
			made.Domains = append(made.Domains, mailaddr.ASCIIDomain(domain))
		}
		switch public := k.Private.Public().(type) {
		case ed25519.PublicKey:
		case *rsa.PublicKey:
			// RFC 8301: verifiers ignore what is shorter.
			if public.N.BitLen() < 1024 {
				return nil, fmt.Errorf("dkim key has %d bits, at least 1024 (better 2048) are needed", public.N.BitLen())
			}
		default:
			return nil, errors.New("dkim key is neither RSA nor Ed25519")
		}
		s.keys = append(s.keys, made)
	}
	return s, nil
}

// Algorithm is how DNS calls the kind of key.
func (k *Key) Algorithm() string {
	if _, ok := k.Private.Public().(ed25519.PublicKey); ok {
		return "ed25519"
	}
	return "rsa"
}

// Record is what must stand in DNS at SELECTOR._domainkey.DOMAIN.
func (k *Key) Record() (string, error) {
	var raw []byte
	var err error
	switch public := k.Private.Public().(type) {
	case ed25519.PublicKey:
		raw = public
	default:
		raw, err = x509.MarshalPKIXPublicKey(public)
	}
	return "v=DKIM1; k=" + k.Algorithm() + "; p=" + base64.StdEncoding.EncodeToString(raw), err
}

// Published says whether DNS shows the key for a domain.
func (k *Key) Published(ctx context.Context, r *Resolver, domain string) (bool, error) {
	texts, err := r.texts(ctx, published{k.Selector, mailaddr.ASCIIDomain(domain)}.name())
	if err != nil {
		return false, err
	}
	want, err := k.Record()
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(texts, func(text string) bool { return tag(text, "p") == tag(want, "p") }), nil
}

// tag is the value of one tag of a record (RFC 6376 section 3.2), without white space.
func tag(record, name string) string {
	for part := range strings.SplitSeq(record, ";") {
		if key, value, ok := strings.Cut(part, "="); ok && strings.TrimSpace(key) == name {
			return strings.Join(strings.Fields(value), "")
		}
	}
	return ""
}

// lookEvery is how often DNS is asked which keys it shows.
const lookEvery = 10 * time.Minute

// look finds out which of several keys are published. What DNS does not answer stays as it was.
func (s *Signer) look(ctx context.Context, r *Resolver) {
	if s == nil || r == nil || !s.due() {
		return
	}
	for _, k := range s.keys {
		for _, domain := range k.Domains {
			if len(s.rivals(domain, k.Algorithm())) < 2 {
				continue // there is no choice
			}
			if ok, err := k.Published(ctx, r, domain); err == nil {
				s.mu.Lock()
				s.seen[published{k.Selector, domain}] = ok
				s.mu.Unlock()
			}
		}
	}
}

func (s *Signer) due() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.looked) < lookEvery {
		return false
	}
	s.looked = time.Now()
	return true
}

// rivals are the keys of one algorithm for a domain.
func (s *Signer) rivals(domain, algorithm string) (keys []*Key) {
	for _, k := range s.keys {
		if k.Algorithm() == algorithm && slices.Contains(k.Domains, domain) {
			keys = append(keys, k)
		}
	}
	return keys
}

// inUse are the keys that sign for a domain now: of each algorithm the last one that was seen in DNS, else the first,
// which verifiers have known for longest.
func (s *Signer) inUse(domain string) (keys []*Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, algorithm := range []string{"rsa", "ed25519"} {
		rivals := s.rivals(domain, algorithm)
		if len(rivals) == 0 {
			continue
		}
		chosen := rivals[0]
		for _, k := range rivals {
			if s.seen[published{k.Selector, domain}] {
				chosen = k
			}
		}
		keys = append(keys, chosen)
	}
	return keys
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

// sign reads the mail and returns its DKIM-Signature fields. from is what its From said at intake; our own mail
// has not been read there, and its header is plain.
func (s *Signer) sign(found *survey, from []mailaddr.Address, body io.Reader) (string, error) {
	domain, err := s.domainOf(found, from)
	if err != nil {
		return "", err
	}
	fields := coveredFields(found)
	var signers []*dkim.Signer
	var into []io.Writer
	for _, k := range s.inUse(domain) {
		signer, err := dkim.NewSigner(&dkim.SignOptions{
			Domain: domain, Selector: k.Selector, Signer: k.Private, Hash: crypto.SHA256, HeaderKeys: fields,
			HeaderCanonicalization: dkim.CanonicalizationRelaxed, BodyCanonicalization: dkim.CanonicalizationRelaxed,
		})
		if err != nil {
			return "", closeAll(signers, err)
		}
		signers, into = append(signers, signer), append(into, signer)
	}
	_, err = io.Copy(io.MultiWriter(into...), body)
	if err = closeAll(signers, err); err != nil {
		return "", err
	}
	var signatures strings.Builder
	for _, signer := range signers {
		signatures.WriteString(signer.Signature())
	}
	return signatures.String(), nil
}

// closeAll ends the signers' goroutines, whatever happened.
func closeAll(signers []*dkim.Signer, err error) error {
	for _, signer := range signers {
		err = errors.Join(err, signer.Close())
	}
	return err
}

func coveredFields(found *survey) (fields []string) {
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
	return fields
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
		if slices.ContainsFunc(s.keys, func(k *Key) bool { return slices.Contains(k.Domains, domain) }) {
			return domain, nil
		}
	}
	return "", fmt.Errorf("%w: From is not in our domains", errUnsignable)
}
