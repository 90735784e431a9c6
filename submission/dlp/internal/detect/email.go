package detect

import "strings"

// findEmails reports e-mail addresses. They count, but alone never hold a mail.
func (p *page) findEmails(own owned) {
	s := p.s
	for at := 0; ; {
		i := strings.IndexByte(s[at:], '@')
		if i < 0 {
			return
		}
		i += at
		at = i + 1
		start, end := i, i+1
		for start > 0 && i-start < 64 && (alnum(s[start-1]) || strings.IndexByte("._%+-", s[start-1]) >= 0) {
			start--
		}
		for end < len(s) && end-i < 254 && (alnum(s[end]) || s[end] == '.' || s[end] == '-') {
			end++
		}
		start += len(s[start:i]) - len(strings.TrimLeft(s[start:i], ".-"))
		end -= len(s[i:end]) - len(strings.TrimRight(s[i:end], ".-"))
		domain := s[i+1 : max(i+1, end)]
		if start == i || !hostName(domain) {
			continue
		}
		value := strings.ToLower(s[start:end])
		if !own.email(value) && !p.silent(start) && !exampleDomain(domain) {
			p.add("email_address", Medium, value, start, end, maskEmail)
		}
		at = end
	}
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
