package detect

import "strings"

// findEmails reports e-mail addresses. They count, but alone never hold a mail.
func (p *page) findEmails(own owned) {
	for at := 0; ; {
		start, end, next := nextEmail(p.s, at)
		if next == 0 {
			return
		}
		at = next
		if end == start {
			continue
		}
		value := strings.ToLower(p.s[start:end])
		if !own.email(value) && !p.silent(start) && !exampleDomain(value[strings.IndexByte(value, '@')+1:]) {
			p.add("email_address", Medium, value, start, end, maskEmail)
		}
	}
}

// nextEmail is the first address from at on and where to go on; next is 0 at the
// end of the text, start and end are equal where the @ belongs to none.
func nextEmail(s string, at int) (start, end, next int) {
	i := strings.IndexByte(s[at:], '@')
	if i < 0 {
		return 0, 0, 0
	}
	i += at
	start, end = i, i+1
	for start > 0 && i-start < 64 && (alnum(s[start-1]) || strings.IndexByte("._%+-", s[start-1]) >= 0) {
		start--
	}
	for end < len(s) && end-i < 254 && (alnum(s[end]) || s[end] == '.' || s[end] == '-') {
		end++
	}
	start += len(s[start:i]) - len(strings.TrimLeft(s[start:i], ".-"))
	end -= len(s[i:end]) - len(strings.TrimRight(s[i:end], ".-"))
	if domain := s[i+1 : max(i+1, end)]; start == i || !hostName(domain) {
		return i, i, i + 1
	}
	return start, end, end
}

func hostName(d string) bool {
	dot := strings.LastIndexByte(d, '.')
	if dot <= 0 || len(d)-dot-1 < 2 || strings.Contains(d, "..") {
		return false
	}
	for _, c := range []byte(d[dot+1:]) {
		if !letter(c) {
			return false
		}
	}
	return true
}

// exampleDomain: RFC 2606 domains are documentation.
func exampleDomain(d string) bool {
	d = strings.ToLower(d)
	for _, e := range []string{"example.com", "example.org", "example.net"} {
		if d == e {
			return true
		}
	}
	return strings.HasSuffix(d, ".invalid") || strings.HasSuffix(d, ".localhost")
}
