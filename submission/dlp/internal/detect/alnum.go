package detect

import (
	"strings"
	"unicode/utf8"
)

// Identifiers that mix letters and digits: passport, residence card, NINO, IBAN.

// findAlnum walks the tokens of Latin letters and digits.
func (p *page) findAlnum() {
	s := p.s
	for i := 0; i < len(s); {
		if !letter(s[i]) || i > 0 && alnum(s[i-1]) {
			i++
			continue
		}
		j := i + 1
		for j < len(s) && alnum(s[j]) {
			j++
		}
		p.tryToken(i, j)
		i = j
	}
}

// tryToken looks at the token that begins at i. AB 1234567 may have spaces or
// dashes between its parts, or between all of its characters.
func (p *page) tryToken(i, j int) {
	if j-i > 34 || i > 0 && p.pathBefore(i) {
		return
	}
	token := p.s[i:j]
	switch {
	case j-i <= 2:
		if !p.digitsFollow(j) {
			return
		}
		if j-i == 2 {
			p.tryIBAN(i)
		}
		p.tryApart(i)
		return
	case digits(token) < 2:
		return
	case j-i == 4:
		p.tryIBAN(i)
	case shaped(token, "AA00000000"): // AB12345678 CD
		p.tryApart(i)
	}
	switch {
	case shaped(token, "AA0000000"):
		p.addShaped("jp.passport", kPassport, token, i, j)
	case shaped(token, "AA00000000AA"):
		p.addShaped("jp.residence_card", kResidence, token, i, j)
	case shaped(token, "AA000000A") && nino(token):
		p.addShaped("uk.nino", kNINO, token, i, j)
	case j-i >= 15:
		p.tryIBAN(i)
	}
}

// pathBefore says whether what stands before i makes it part of a path or code.
func (p *page) pathBefore(i int) bool {
	switch c := p.s[i-1]; c {
	case '/':
		return i > 1 && (letter(p.s[i-2]) && slashed(p.s[:i-1]) || p.s[i-2] == '/')
	case '=', '_', '%', '+', '@', '\\':
		return c != '=' || i > 1 && alnum(p.s[i-2]) && slashed(p.s[:i-1])
	}
	return false
}

// digitsFollow says whether at most one letter and then a digit follow j, a
// separator before each: words of two letters are many, codes are few.
func (p *page) digitsFollow(j int) bool {
	for range 2 {
		n := separator(p.s[j:])
		j += n
		if n == 0 || j >= len(p.s) {
			return false
		}
		if digit(p.s[j]) {
			return true
		}
		if !upper(p.s[j]) || j+1 < len(p.s) && alnum(p.s[j+1]) {
			return false
		}
		j++
	}
	return false
}

func upper(c byte) bool { return c >= 'A' && c <= 'Z' }

// apartShapes are the forms that may be written apart, the longest first.
var apartShapes = []struct {
	shape, detector string
	kind            kind
}{
	{"AA00000000AA", "jp.residence_card", kResidence},
	{"AA000000A", "uk.nino", kNINO},
	{"AA0000000", "jp.passport", kPassport},
}

// tryApart reads a form whose parts are set apart.
func (p *page) tryApart(i int) {
	for _, a := range apartShapes {
		if token, end := p.apartToken(i, a.shape); end > 0 && (a.kind != kNINO || nino(token)) {
			p.addShaped(a.detector, a.kind, token, i, end)
			return
		}
	}
}

// apartToken matches shape at i with separators between its characters; end is 0
// where it does not fit. Few separators stand between groups, many everywhere.
func (p *page) apartToken(i int, shape string) (token string, end int) {
	var b [12]byte
	gaps := 0
	at := i
	for k := range len(shape) {
		if k > 0 {
			if n := separator(p.s[at:]); n > 0 {
				gaps++
				at += n
			}
		}
		if at >= len(p.s) || shape[k] == 'A' && !upper(p.s[at]) || shape[k] == '0' && !digit(p.s[at]) {
			return "", 0
		}
		b[k] = p.s[at]
		at++
	}
	if at < len(p.s) && alnum(p.s[at]) || gaps > 5 && gaps != len(shape)-1 {
		return "", 0
	}
	return string(b[:len(shape)]), at
}

// separator is the length of what people write between the parts of a code: a
// space, a dash with or without spaces, a line end after the dash.
func separator(s string) int {
	n, dashes := 0, 0
	for n < len(s) && n < 8 {
		switch {
		case s[n] == ' ':
			n++
		case s[n] == '-' && dashes == 0:
			n, dashes = n+1, 1
		case s[n] == '\n' && dashes > 0:
			n++
		case s[n] >= utf8.RuneSelf && dashes == 0: // a dash that stays one beside letters
			r, size := utf8.DecodeRuneInString(s[n:])
			if !strings.ContainsRune("ー−‐‒–—―・", r) {
				return n
			}
			n, dashes = n+size, 1
		default:
			return n
		}
	}
	return n
}

// shaped compares a token with a shape of A (letter) and 0 (digit).
func shaped(token, shape string) bool {
	if len(token) != len(shape) {
		return false
	}
	for i := range len(token) {
		if shape[i] == 'A' != letter(token[i]) {
			return false
		}
	}
	return true
}

// addShaped: medium with a keyword, low by shape alone.
func (p *page) addShaped(detector string, k kind, token string, start, end int) {
	if strings.HasPrefix(p.s[end:], ".") && end+1 < len(p.s) && letter(p.s[end+1]) {
		return // the name of a file
	}
	if p.inURL(start) || p.sampled(start, end) || p.likeThis(end) || trivial(strings.Trim(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")) {
		return
	}
	level := Low
	own := p.ownLabel(start, end)
	switch {
	case p.named(k, own, start, end):
		level = Medium
	case own.kind != kNone || detector == "jp.passport" && p.s[start:end] != strings.ToUpper(p.s[start:end]):
		return
	}
	p.add(detector, level, strings.ToUpper(token), start, end, maskDigits)
}

// nino: prefixes that HMRC does not use.
func nino(token string) bool {
	t := strings.ToUpper(token)
	if strings.IndexByte("DFIQUV", t[0]) >= 0 || strings.IndexByte("DFIQUVO", t[1]) >= 0 || t[8] > 'D' {
		return false
	}
	switch t[:2] {
	case "BG", "GB", "KN", "NK", "NT", "TN", "ZZ":
		return false
	}
	return true
}

// tryIBAN reads an IBAN with or without spaces at i. Its structure is evidence
// enough for medium; a keyword makes it high.
func (p *page) tryIBAN(i int) {
	var b strings.Builder
	end := i
	for j := i; j < len(p.s) && b.Len() < 34; j++ {
		c := p.s[j]
		switch {
		case alnum(c):
			b.WriteByte(c &^ lowerBit(c))
			end = j + 1
		case (c == ' ' || c == '-') && j == end && b.Len()%4 == 0:
			continue
		default:
			j = len(p.s)
		}
		if end < len(p.s) && alnum(p.s[end]) {
			continue
		}
		if text := b.String(); end == j+1 && iban(text) {
			p.addIBAN(text, i, end)
			return
		}
	}
}

func lowerBit(c byte) byte {
	if c >= 'a' {
		return 0x20
	}
	return 0
}

func (p *page) addIBAN(text string, start, end int) {
	if p.sampled(start, end) {
		return
	}
	level := Medium
	own := p.ownLabel(start, end)
	if own.kind == kIBAN || own.kind == kAccount || p.close(kIBAN, start, proximity) {
		level = High
	} else if own.kind == kOther {
		return
	}
	p.add("iban", p.amid(level, start), text, start, end, maskDigits)
}
