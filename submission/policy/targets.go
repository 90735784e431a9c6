package policy

import (
	"strings"

	"golang.org/x/net/idna"
)

// Targets is a resolved set of recipients or senders: addresses, domains
// (other.example) and everything below a domain (.other.example).
type Targets struct {
	exact    map[string]bool
	suffixes []string
}

// Has reports whether the address, its domain or a parent of it is in the set.
func (t Targets) Has(address string) bool {
	address = strings.ToLower(address)
	if t.exact[address] || t.exact[domainOf(address)] {
		return true
	}
	for _, s := range t.suffixes {
		if strings.HasSuffix(domainOf(address), s) {
			return true
		}
	}
	return false
}

// add takes one entry as written; false when it is neither an address nor a
// domain. "*.example" and ".example" are the same.
func (t *Targets) add(entry string) bool {
	entry = strings.ToLower(strings.TrimSpace(entry))
	local, domain, isAddress := cutAddress(entry)
	below := strings.HasPrefix(domain, "*.") || strings.HasPrefix(domain, ".")
	domain = strings.TrimPrefix(strings.TrimPrefix(domain, "*"), ".")
	ascii, err := idna.Lookup.ToASCII(domain)
	if err != nil || ascii == "" || strings.ContainsAny(ascii, " @*") || isAddress && below {
		return false
	}
	switch {
	case isAddress && local != "":
		t.set(local + "@" + ascii)
	case below:
		t.suffixes = append(t.suffixes, "."+ascii)
	default:
		t.set(ascii)
	}
	return true
}

func (t *Targets) set(key string) {
	if t.exact == nil {
		t.exact = map[string]bool{}
	}
	t.exact[key] = true
}

// cutAddress splits at the last @; without one everything is the domain.
func cutAddress(s string) (local, domain string, isAddress bool) {
	at := strings.LastIndexByte(s, '@')
	if at < 0 {
		return "", s, false
	}
	return s[:at], s[at+1:], true
}
