package submission

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// Kind says how a source proves that a mail is its own.
type Kind string

const (
	// Networks sources are known by their addresses alone: printers, applications, our own servers.
	Networks Kind = "networks"
	// ExchangeOnline and GoogleWorkspace share their addresses and certificates among all their customers, so
	// a header that only ours sets must prove whose mail it is (EchoSpoofing, 2024).
	ExchangeOnline  Kind = "exchange_online"
	GoogleWorkspace Kind = "google_workspace"
)

// Source is one who may submit on the gateway listener.
type Source struct {
	Name     string
	Kind     Kind           // "" is Networks
	Networks []netip.Prefix // empty: any address, when Header is secret
	Header   *RequiredHeader
	// RequireTLS refuses the source over plain text, where a secret header could be read on the way.
	RequireTLS bool
	// Senders are domains ("corp.example", ".corp.example" for those below it) and addresses that may stand
	// in MAIL FROM and From.
	Senders []string
	// Owner answers for mail whose From is no person's.
	Owner mailaddr.Address
}

// RequiredHeader is a field every mail of a source carries.
type RequiredHeader struct {
	Name  string
	Value string
	// Public is a value everybody may know, such as a tenant id that only the sender's own servers can set. A
	// secret one is taken out of the mail; a public one stays and proves something only together with Networks.
	Public bool
}

// minSecret is how long a secret header's value must be, in octets.
const minSecret = 16

// Check says what is wrong with a source. A source that would let strangers send through us is an error, not a
// matter of taste.
func (s *Source) Check() error {
	shared := s.Kind == ExchangeOnline || s.Kind == GoogleWorkspace
	switch {
	case s.Name == "":
		return errors.New("a gateway source needs a name")
	case !shared && s.Kind != Networks && s.Kind != "":
		return fmt.Errorf("gateway source %s: kind %q is not exchange_online, google_workspace or networks", s.Name, s.Kind)
	case len(s.Senders) == 0:
		return fmt.Errorf("gateway source %s: senders is empty, so nothing could be sent", s.Name)
	case s.Owner == "":
		return fmt.Errorf("gateway source %s: owner is missing; somebody must answer for its mail", s.Name)
	case shared && s.Header == nil:
		return fmt.Errorf("gateway source %s: %s is shared by all its customers; require_header (name and value_file) is needed to know your own mail", s.Name, s.Kind)
	case s.Header == nil && len(s.Networks) == 0:
		return fmt.Errorf("gateway source %s: networks or require_header is needed; without them anybody could send", s.Name)
	case s.Header == nil && slices.ContainsFunc(s.Networks, everybody):
		return fmt.Errorf("gateway source %s: a network of the whole Internet, or a large part of it, would let anybody send", s.Name)
	}
	for _, n := range s.Networks {
		if who := sharedBy(n); who != "" && s.Header == nil {
			return fmt.Errorf("gateway source %s: every customer of %s sends from %s; require_header is needed to know your own mail", s.Name, who, n)
		}
	}
	return s.checkHeader()
}

func (s *Source) checkHeader() error {
	h := s.Header
	switch {
	case h == nil:
		return nil
	case h.Name == "" || strings.Trim(strings.ToLower(h.Name), "abcdefghijklmnopqrstuvwxyz0123456789-_") != "":
		return fmt.Errorf("gateway source %s: require_header has no valid field name", s.Name)
	case h.Value == "" || !plainText(h.Value) || strings.TrimSpace(h.Value) != h.Value:
		return fmt.Errorf("gateway source %s: require_header has no value of one line", s.Name)
	case h.Public && (len(s.Networks) == 0 || slices.ContainsFunc(s.Networks, everybody)):
		return fmt.Errorf("gateway source %s: anybody can write the header %s; name the networks it must come from, or use a secret value", s.Name, h.Name)
	case !h.Public && len(h.Value) < minSecret:
		return fmt.Errorf("gateway source %s: the secret of require_header must have %d characters or more", s.Name, minSecret)
	}
	return nil
}

// everybody says whether a network is larger than any company's: two halves of the Internet are all of it.
func everybody(p netip.Prefix) bool {
	if p.Addr().Is4() {
		return p.Bits() < 8
	}
	return p.Bits() < 16
}

// sourcesAt are the sources a connection from the address may be.
func (s *Server) sourcesAt(remote netip.Addr, secure bool) []*Source {
	var out []*Source
	for i := range s.o.Sources {
		src := &s.o.Sources[i]
		at := len(src.Networks) == 0 || slices.ContainsFunc(src.Networks, func(p netip.Prefix) bool { return p.Contains(remote) })
		if at && (secure || !src.RequireTLS) {
			out = append(out, src)
		}
	}
	return out
}

// secretNames are the fields that no mail takes along, because their values are secrets between a source and us.
func (s *Server) secretNames() []string {
	var names []string
	for _, src := range s.o.Sources {
		if src.Header != nil && !src.Header.Public {
			names = append(names, src.Header.Name)
		}
	}
	return names
}

// whose finds the source a mail comes from and the person it belongs to: the From within the source's senders, else
// the source's owner. The error is a reply about the source that came closest.
func (s *Server) whose(tx *transaction, h *header) (*Source, mailaddr.Address, []mailaddr.Address, error) {
	a, err := h.readAuthors()
	if err != nil {
		return nil, "", nil, err
	}
	var refusal error = notThatSource()
	for _, src := range tx.sources {
		if !src.shown(h) {
			continue
		}
		if refusal = src.allows(tx.from, a); refusal == nil {
			return src, s.personOf(src, a.from), a.from, nil
		}
	}
	return nil, "", nil, refusal
}

// shown says whether the mail carries the source's header.
func (src *Source) shown(h *header) bool {
	if src.Header == nil {
		return true
	}
	want := sha256.Sum256([]byte(src.Header.Value))
	found := 0
	for _, value := range h.all(src.Header.Name) {
		got := sha256.Sum256([]byte(value))
		found |= subtle.ConstantTimeCompare(got[:], want[:])
	}
	return found == 1
}

// allows says whether the source may send under these names; the error is a reply.
func (src *Source) allows(envelope mailaddr.Address, a authors) error {
	if envelope != "" && !src.has(envelope) {
		return notOfSource("MAIL FROM", envelope)
	}
	for _, from := range a.from {
		if !src.has(from) {
			return notOfSource("From", from)
		}
	}
	if a.sender != "" && !src.has(a.sender) {
		return notOfSource("Sender", a.sender)
	}
	return nil
}

func (src *Source) has(a mailaddr.Address) bool {
	return mailaddr.InDomains(a, src.Senders) || slices.ContainsFunc(src.Senders, func(want string) bool {
		return strings.Contains(want, "@") && mailaddr.Address(want).Key() == a.Key()
	})
}

func (s *Server) personOf(src *Source, from []mailaddr.Address) mailaddr.Address {
	for _, a := range from {
		if p, ok := s.o.People.Whose(a); ok {
			return p
		}
	}
	return src.Owner
}
