package detect

import (
	"strings"
	"unicode/utf8"
)

// findInsured reads symbol and number of a health insurance card, which are one
// value written as two: 保険証の記号：6331　番号：97.
func (p *page) findInsured() {
	if !p.present[kInsured] && (p.present[kBank] || p.present[kAccount] || strings.Contains(p.s, "貯金") || strings.Contains(p.s, "ゆうちょ")) {
		return
	}
	for at := 0; ; {
		i := strings.Index(p.s[at:], "記号")
		if i < 0 {
			return
		}
		start := at + i
		at = start + len("記号")
		if !p.insuredNear(at) || strings.Contains(p.s[back(p.s, start, 60):start], "ゆうちょ") {
			continue
		}
		symbol, mid := p.partAfter(at, true)
		if symbol == "" || !p.present[kInsured] && digits(symbol) < 3 {
			continue
		}
		word := strings.Index(p.s[mid:min(len(p.s), mid+24)], "番号")
		if word < 0 || strings.Trim(p.s[mid:mid+word], " 、,・/\n-()[]「」【】〔〕<>|\t") != "" {
			continue
		}
		if num, end := p.partAfter(mid+word+len("番号"), false); num != "" && !p.sampled(start, end) && !p.silent(start) {
			p.add("jp.health_insurance", Medium, symbol+"-"+num, start, end, maskDigits)
			at = end
		}
	}
}

// insuredNear says that a health insurance card is named before at, or by the column
// or neighbour of its cell. Where no bank is named at all, nobody else has a symbol of
// digits and a number.
func (p *page) insuredNear(at int) bool {
	c := p.cellAt(at)
	return !p.present[kInsured] || c != nil && (c.head == kInsured || c.left == kInsured) || p.close(kInsured, at, 60)
}

// partAfter reads the value behind a colon or space: up to eight digits or, for a
// symbol, a short word such as 千代田.
func (p *page) partAfter(at int, symbol bool) (string, int) {
	i := at
	for i < len(p.s) && i-at < 16 {
		r, n := utf8.DecodeRuneInString(p.s[i:])
		if !strings.ContainsRune(" ::=-「[(])」】〕はが\n\t|", r) {
			break
		}
		i += n
	}
	j := i
	for j < len(p.s) && j-i < 12 && (digit(p.s[j]) || p.s[j] == '-' && j > i) {
		j++
	}
	if n := digits(p.s[i:j]); n > 0 && n <= 8 && (j == len(p.s) || !alnum(p.s[j])) {
		return strings.Trim(p.s[i:j], "-"), j
	}
	if !symbol || i == at {
		return "", 0
	}
	for j = i; j < len(p.s) && j-i < 15; {
		r, n := utf8.DecodeRuneInString(p.s[j:])
		if !nameRune(r) && !digit(p.s[j]) {
			break
		}
		j += n
	}
	if word := p.s[i:j]; j > i && !strings.Contains(word, "番号") && !strings.Contains(word, "記号") {
		return word, j
	}
	return "", 0
}
