// Package mailaddr owns the grammar of a mailbox (RFC 5321 section 4.1.2, RFC 6531) and nothing else.
//
// Addresses are checked on the way in and on the way out, because a quoted local part such as
// `"victim@evil> NOTIFY=NEVER"` is one string to a lenient parser and an ESMTP injection to the next hop.
package mailaddr

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// Address is a mailbox, local part as written, domain in lower case. The empty Address is the null
// reverse path (MAIL FROM:<>).
type Address string

// ErrNotASCII is returned for an internationalised mailbox where SMTPUTF8 was not asked for.
var ErrNotASCII = errors.New("internationalised address without SMTPUTF8")

const (
	maxLocal  = 64  // octets, RFC 5321 section 4.5.3.1.1
	maxDomain = 255 // octets, RFC 5321 section 4.5.3.1.2
)

// Parse reads one mailbox without angle brackets, source route or parameters. utf8OK permits
// internationalised mailboxes (RFC 6531).
func Parse(s string, utf8OK bool) (Address, error) {
	if !utf8.ValidString(s) {
		return "", errors.New("address is not valid UTF-8")
	}
	if !utf8OK && !isASCII(s) {
		return "", ErrNotASCII
	}
	at := strings.LastIndexByte(s, '@')
	if at < 1 || at == len(s)-1 {
		return "", errors.New("address is not of the form local@domain")
	}
	local, domain := s[:at], s[at+1:]
	if err := checkLocal(local); err != nil {
		return "", err
	}
	domain, err := foldDomain(domain)
	if err != nil {
		return "", err
	}
	return Address(local + "@" + domain), nil
}

// MustParse is Parse for addresses written in the program itself.
func MustParse(s string) Address {
	a, err := Parse(s, true)
	if err != nil {
		panic(fmt.Sprintf("mailaddr: %q: %v", s, err))
	}
	return a
}

// Local is the part before the last '@', as written.
func (a Address) Local() string {
	if at := strings.LastIndexByte(string(a), '@'); at >= 0 {
		return string(a[:at])
	}
	return string(a)
}

// Domain is the part after the last '@' in lower-case A-label form, so that 日本.example and its
// xn-- form are one domain to every list and rule. Empty for the null address.
func (a Address) Domain() string {
	at := strings.LastIndexByte(string(a), '@')
	if at < 0 {
		return ""
	}
	return ASCIIDomain(string(a[at+1:]))
}

// Key is the form to look people up by: everything in lower case, the domain as A-labels. RFC 5321
// leaves the case of a local part to its host, and no company gives Alice and alice to two people.
func (a Address) Key() Address {
	if a == "" {
		return ""
	}
	return Address(strings.ToLower(a.Local()) + "@" + a.Domain())
}

// IsASCII says whether the address may travel without SMTPUTF8.
func (a Address) IsASCII() bool { return isASCII(string(a)) }

func (a Address) String() string { return string(a) }

// InDomains says whether the address belongs to one of the domains. An entry ".corp.example" stands for
// every subdomain of corp.example; an entry without a dot in front for that domain alone.
func InDomains(a Address, domains []string) bool {
	d := a.Domain()
	for _, want := range domains {
		if sub, ok := strings.CutPrefix(want, "."); ok {
			if strings.HasSuffix(d, "."+ASCIIDomain(sub)) {
				return true
			}
		} else if d == ASCIIDomain(want) {
			return true
		}
	}
	return false
}

// ASCIIDomain gives the lower-case A-label form of a domain; a domain that IDNA refuses comes back in
// lower case only, so that it never equals another one by accident.
func ASCIIDomain(d string) string {
	d = strings.TrimSuffix(strings.ToLower(d), ".")
	if isASCII(d) {
		return d
	}
	if a, err := idna.Lookup.ToASCII(d); err == nil {
		return a
	}
	return d
}

func checkLocal(local string) error {
	if len(local) > maxLocal {
		return fmt.Errorf("local part is longer than %d octets", maxLocal)
	}
	if strings.HasPrefix(local, `"`) {
		return checkQuoted(local)
	}
	return checkAtoms(local)
}

// checkAtoms is RFC 5321's dot-string with one liberty: dots may stand anywhere. Japanese mobile carriers
// gave out addresses such as "a..b@" and "a.@" by the million, and companies still write to them.
func checkAtoms(local string) error {
	for _, r := range local {
		if r == '.' || isAtext(r) {
			continue
		}
		return fmt.Errorf("character %q may not stand in a local part", r)
	}
	return nil
}

// checkQuoted allows a quoted local part without the characters that change meaning when a careless
// next hop unquotes it: angle brackets, white space other than a plain blank, control characters.
func checkQuoted(local string) error {
	if len(local) < 3 || !strings.HasSuffix(local, `"`) {
		return errors.New("quoted local part is not closed")
	}
	inner := local[1 : len(local)-1]
	for i := 0; i < len(inner); i++ {
		switch c := inner[i]; {
		case c == '\\':
			i++
			if i == len(inner) {
				return errors.New("quoted local part ends in a bare backslash")
			}
			// What a backslash hides from us, a careless next hop unquotes.
			if c := inner[i]; c == '<' || c == '>' || c < 0x20 || c == 0x7f {
				return fmt.Errorf("character %q may not stand in a quoted local part here", c)
			}
		case c == '"', c == '<', c == '>', c < 0x20, c == 0x7f:
			return fmt.Errorf("character %q may not stand in a quoted local part here", c)
		}
	}
	return nil
}

func foldDomain(domain string) (string, error) {
	if len(domain) > maxDomain {
		return "", fmt.Errorf("domain is longer than %d octets", maxDomain)
	}
	if strings.HasPrefix(domain, "[") {
		return foldLiteral(domain)
	}
	folded := strings.ToLower(domain)
	ascii := ASCIIDomain(folded)
	if !isASCII(ascii) {
		return "", fmt.Errorf("domain %q is not a valid internationalised domain", domain)
	}
	for _, label := range strings.Split(ascii, ".") {
		if err := checkLabel(label); err != nil {
			return "", err
		}
	}
	return folded, nil
}

func checkLabel(label string) error {
	if label == "" || len(label) > 63 {
		return errors.New("domain has an empty or over-long label")
	}
	if label[0] == '-' || label[len(label)-1] == '-' {
		return errors.New("domain label begins or ends with a hyphen")
	}
	for i := 0; i < len(label); i++ {
		// '_' is no host name character, but real mail domains have it.
		if c := label[i]; !isAlnum(c) && c != '-' && c != '_' {
			return fmt.Errorf("character %q may not stand in a domain", c)
		}
	}
	return nil
}

func foldLiteral(domain string) (string, error) {
	inner := strings.TrimSuffix(domain[1:], "]")
	if inner == domain[1:] {
		return "", errors.New("address literal is not closed")
	}
	ip := inner
	if v6, ok := strings.CutPrefix(strings.ToLower(inner), "ipv6:"); ok {
		ip = v6
	}
	if _, err := netip.ParseAddr(ip); err != nil || strings.ContainsRune(ip, '%') {
		return "", fmt.Errorf("address literal %q is not an IP address", domain)
	}
	return strings.ToLower(domain), nil
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func isAlnum(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

func isAtext(r rune) bool {
	if r >= utf8.RuneSelf {
		// RFC 6532 allows any UTF-8; what cannot be seen only serves to deceive.
		return unicode.IsPrint(r)
	}
	return isAlnum(byte(r)) || strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r)
}
