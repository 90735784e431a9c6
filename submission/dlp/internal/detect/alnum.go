package detect

import "strings"

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

// tryToken looks at the token that begins at i. The letters AB 1234567 may be
// set apart from the digits.
func (p *page) tryToken(i, j int) {
	if j-i > 34 || i > 0 && strings.IndexByte("/=_%+@\\", p.s[i-1]) >= 0 {
		return
	}
	token, end := p.s[i:j], j
	switch {
	case j-i == 2: // AB 1234567; words of two letters are many
		if k := j + 1; k >= len(p.s) || !digit(p.s[k]) {
			return
		}
		p.tryIBAN(i)
		token, end = p.spaced(i)
	case digits(token) < 2:
		return
	case j-i == 4:
		p.tryIBAN(i)
	}
	switch {
	case shaped(token, "AA0000000"):
		p.addShaped("jp.passport", kPassport, token, i, end)
	case shaped(token, "AA00000000AA"):
		p.addShaped("jp.residence_card", kResidence, token, i, end)
	case shaped(token, "AA000000A") && nino(token):
		p.addShaped("uk.nino", kNINO, token, i, end)
	case j-i >= 15:
		p.tryIBAN(i)
	}
}

// spaced joins the rest of a token that is written with spaces or dashes.
func (p *page) spaced(i int) (string, int) {
	var b strings.Builder
	end := i
	for j := i; j < len(p.s) && b.Len() < 12; j++ {
		c := p.s[j]
		if alnum(c) {
			b.WriteByte(c)
			end = j + 1
			if b.Len() >= 9 && (j+1 >= len(p.s) || !alnum(p.s[j+1])) && (j+2 >= len(p.s) || !alnum(p.s[j+2]) || b.Len() == 12) {
				break
			}
			continue
		}
		if c != ' ' && c != '-' || j > end {
			break
		}
	}
	if end < len(p.s) && alnum(p.s[end]) {
		return "", end
	}
	return strings.ToUpper(b.String()), end
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
	if p.inURL(start) || p.sampled(start, end) || trivial(strings.Trim(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")) {
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
