package detect

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// linkBook holds the addresses that links must not lead to, as the company
// listed them. Nothing is looked up anywhere.
type linkBook struct {
	hosts    map[string]string   // host: entry; with a leading dot everything below
	prefixes map[string][]string // host: prefixes host/path, each its own entry
}

// maxLink bounds what is read of one address.
const maxLink = 4096

func newLinkBook(entries []string) *linkBook {
	b := &linkBook{hosts: map[string]string{}, prefixes: map[string][]string{}}
	for _, e := range entries {
		host, path := splitLink(strings.ToLower(strings.TrimSpace(e)))
		below := strings.HasPrefix(host, ".")
		host = asciiHost(strings.TrimPrefix(host, "."))
		switch {
		case host == "":
		case strings.Trim(path, "/") != "":
			b.prefixes[host] = append(b.prefixes[host], path)
		case below:
			b.hosts["."+host] = e
		default:
			b.hosts[host] = e
		}
	}
	return b
}

// splitLink divides an address without its scheme into host and path.
func splitLink(s string) (host, path string) {
	if i := strings.Index(s, "://"); i >= 0 {
		s = s[i+3:]
	}
	if i := strings.IndexAny(s, "/?#"); i >= 0 {
		s, path = s[:i], s[i:]
	}
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		s = s[i+1:]
	}
	if i := strings.LastIndexByte(s, ':'); i >= 0 && digits(s[i:]) == len(s)-i-1 {
		s = s[:i]
	}
	return strings.TrimSuffix(s, "."), path
}

// asciiHost is the form in which hosts are compared: lower case, punycode.
func asciiHost(h string) string {
	h = strings.ToLower(strings.NewReplacer("。", ".", "｡", ".").Replace(h))
	if ascii, err := idna.Lookup.ToASCII(h); err == nil {
		return ascii
	}
	return h
}

// listed is the entry that a host and path fall under, "" for none.
func (b *linkBook) listed(host, path string) string {
	host = asciiHost(host)
	if e, ok := b.hosts[host]; ok {
		return e
	}
	for _, p := range b.prefixes[host] {
		if strings.HasPrefix(strings.ToLower(path), p) {
			return host + p
		}
	}
	for rest := host; ; {
		if e, ok := b.hosts["."+rest]; ok {
			return e
		}
		i := strings.IndexByte(rest, '.')
		if i < 0 {
			return ""
		}
		rest = rest[i+1:]
	}
}

// refang undoes what people do to addresses so that nobody clicks on them.
var refang = strings.NewReplacer("[.]", ".", "(.)", ".", "{.}", ".", "[dot]", ".", "(dot)", ".", "[:]", ":", "[://]", "://", "[/]", "/")

// findLinks reports addresses on the list, with or without a scheme, defanged, in
// punycode or not, and inside the address of a redirector.
func (p *page) findLinks(b *linkBook) {
	if len(b.hosts)+len(b.prefixes) == 0 {
		return
	}
	for at := 0; at < len(p.s); {
		start, end := linkToken(p.s, at)
		if start < 0 {
			return
		}
		at = end
		p.tryLink(b, p.s[start:end], start, end)
	}
}

// linkToken is the next run of characters of an address that holds a dot.
func linkToken(s string, at int) (start, end int) {
	for {
		i := strings.IndexByte(s[at:], '.')
		if i < 0 {
			i = strings.Index(s[at:], "[dot]")
		}
		if i < 0 {
			return -1, -1
		}
		start, end = at+i, at+i
		for start > at && start > at+i-maxLink {
			r, n := utf8.DecodeLastRuneInString(s[at:start])
			if !linkRune(r) {
				break
			}
			start -= n
		}
		for end < len(s) && end < at+i+maxLink {
			r, n := utf8.DecodeRuneInString(s[end:])
			if !linkRune(r) {
				break
			}
			end += n
		}
		if end-start > 3 {
			return start, end
		}
		at = max(end, at+i+1)
	}
}

func linkRune(r rune) bool {
	if r < utf8.RuneSelf {
		return r > ' ' && strings.IndexByte("<>\"`|\\^,;'", byte(r)) < 0
	}
	return unicode.IsLetter(r) || unicode.IsDigit(r)
}

// tryLink compares one token, and what is encoded in it.
func (p *page) tryLink(b *linkBook, token string, start, end int) {
	token = refang.Replace(strings.TrimRight(strings.TrimLeft(token, "([{（「"), ".)]}）」"))
	level := Medium
	low := strings.ToLower(token)
	if strings.Contains(low, "://") || strings.HasPrefix(low, "www.") {
		level = High
	} else if strings.Contains(token, "@") {
		return // an address of mail
	}
	for range 3 { // a redirector may lead to another
		for _, part := range addressesIn(token) {
			host, path := splitLink(part)
			host = host[lastForeign(host):]
			if e := b.listed(host, path); e != "" {
				p.add("url.listed", level, e, start, end, maskLink)
				return
			}
		}
		decoded, err := url.PathUnescape(token)
		if err != nil || decoded == token {
			return
		}
		token = decoded
	}
}

// addressesIn are the token itself and every address inside it.
func addressesIn(token string) []string {
	out := []string{token}
	for rest := token; len(out) < 16; {
		i := strings.Index(rest, "://")
		if i < 0 {
			break
		}
		rest = rest[i+3:]
		out = append(out, rest)
	}
	return out
}

// lastForeign is where a host begins behind letters that cannot belong to it:
// こちらhttp and 詳細はbad.example are written without a space in Japanese.
func lastForeign(host string) int {
	at := 0
	latin := false
	for i, r := range host {
		if r >= utf8.RuneSelf {
			if latin {
				return 0 // a label that mixes scripts
			}
			at = i + utf8.RuneLen(r)
		} else if r != '.' {
			latin = at > 0 || latin
		} else if at == i {
			return 0 // an internationalised label
		}
	}
	if at == len(host) {
		return 0
	}
	return at
}
