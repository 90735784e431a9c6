package detect

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// How far an announcement may stand before its value.
const (
	announceRunes = 60
	announceLines = 3
)

// announced finds the label of a value that a sentence introduces rather than a
// colon: 山田様の口座番号ですが、1234567 and 旅券番号をお知らせします。TK1234567. Nothing
// but the rest of a sentence may stand between: no digits, no other label, and no
// noun of its own directly before the value (在庫は 1234567).
func (p *page) announced(start, end, floor int) (hit, bool) {
	floor = max(floor, back(p.s, start, announceRunes))
	value := plainValue(p.s[start:end])
	var best hit
	for i := p.endingBy(start) - 1; i >= 0 && p.hits[i].end >= floor; i-- {
		h := p.hits[i]
		if h.start < floor || !h.kind.names() || h.kind.supports() || !h.kind.takes(value) || best.kind != kNone && (h.end < best.end || h.start > best.start) {
			continue
		}
		best = h
	}
	if !best.kind.announces() || timeStamp(value) || best.kind != kPhone && p.strange(start) {
		return hit{}, false
	}
	gap := p.s[best.end:start]
	if strings.HasPrefix(gap, "(") {
		gap = gap[note(gap):] // 基礎年金番号(10桁)を...
	}
	if strings.ContainsAny(gap, "0123456789@") || strings.Count(gap, "\n") > announceLines {
		return hit{}, false
	}
	if i := strings.LastIndexByte(gap, '\n'); i > 0 && listItem(gap[i+1:]) && !strings.HasSuffix(strings.TrimSpace(gap[i+1:]), "です") {
		above := strings.TrimRight(gap[:i], " \n。:")
		return best, above == "" || predicate(gap[:i]) || strings.HasSuffix(above, "一覧") || strings.HasSuffix(above, "リスト")
	}
	return best, predicate(gap)
}

// predicate says whether gap ends as a sentence or clause does: its last word is
// written in hiragana (です, ました, しますが), or it says "is" or "as follows".
func predicate(gap string) bool {
	text := strings.TrimRightFunc(gap, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsPunct(r) || unicode.IsSymbol(r) })
	last, n := utf8.DecodeLastRuneInString(text)
	switch {
	case last >= 0x3041 && last <= 0x3096:
		if last != 'は' && last != 'が' && last != 'の' && last != 'も' && last != 'を' {
			return true
		}
		before, _ := utf8.DecodeLastRuneInString(text[:len(text)-n])
		return last == 'が' && before >= 0x3041 && before <= 0x3096 // ですが、
	case strings.HasSuffix(text, "通り"), strings.HasSuffix(text, "以下"), strings.HasSuffix(text, "下記"):
		return true
	}
	low := strings.ToLower(text)
	for _, end := range []string{" is", " are", " was", " below", "as follows", " following", " you", " here", " it"} {
		if strings.HasSuffix(low, end) {
			return true
		}
	}
	return false
}

// announces says of which kinds a sentence may name a value from afar.
func (k kind) announces() bool {
	switch k {
	case kMyNumber, kLicence, kPassport, kResidence, kInsurer, kInsured, kPension, kEmployment, kResident, kAccount, kCard, kPhone, kIBAN, kSSN, kNINO:
		return true
	}
	return false
}

// labelAfter reads 1234-5678-9018（個人番号）, TK1234567 が私の旅券番号です and
// 1234567 is my account number.
func (p *page) labelAfter(end int) (hit, bool) {
	rest := p.s[end:min(len(p.s), end+60)]
	trimmed := strings.TrimLeft(rest, " \"'」』)")
	switch {
	case strings.HasPrefix(trimmed, "("), strings.HasPrefix(trimmed, "["), strings.HasPrefix(trimmed, "←"), strings.HasPrefix(trimmed, "<-"):
		at := end + len(rest) - len(strings.TrimLeft(trimmed, "([←<- "))
		to := at
		if n := note(trimmed); n > 0 && digits(trimmed[:n]) == 0 {
			to = at + n - 1 // (三菱銀行 普通), (山田様の個人番号)
		}
		return p.labelFrom(at, to)
	}
	at := end + len(rest) - len(trimmed)
	for _, verb := range []string{"が", "は", "を", "という", "is ", "was "} {
		if !strings.HasPrefix(trimmed, verb) {
			continue
		}
		h, ok := p.labelFrom(at+len(verb), ahead(p.s, at+len(verb), 12))
		if !ok || strings.ContainsAny(p.s[end:h.start], "0123456789\n。、") {
			return hit{}, false
		}
		if verb == "を" && !strings.HasPrefix(p.s[h.end:], "に") && !strings.HasPrefix(p.s[h.end:], "と") {
			return hit{}, false // を伝えて、電話番号を...
		}
		return h, true
	}
	return hit{}, false
}

// labelFrom is the first, longest label that begins in from..to.
func (p *page) labelFrom(from, to int) (hit, bool) {
	var best hit
	for i := p.endingBy(from); i < len(p.hits) && p.hits[i].end <= to+60; i++ {
		h := p.hits[i]
		if h.start < from || h.start > to || !h.kind.names() {
			continue
		}
		if best.kind == kNone || h.start <= best.start && h.end > best.end {
			best = h
		}
	}
	return best, best.kind != kNone
}

// takes says whether a value of this form could be meant by a label of kind k. A
// telephone that is mentioned on the way to a My Number does not name it.
func (k kind) takes(value string) bool {
	n := digits(value)
	switch k {
	case kPhone:
		return n >= 9 && n <= 11 || n == 12 && strings.HasPrefix(value, "81")
	case kPassport, kResidence, kNINO, kIBAN:
		return n < len(value)
	case kAccount, kBank, kBranch, kDeposit:
		return n <= 8
	case kBirth:
		return n == 8 || n == 6
	case kSecretWord:
		return false
	}
	return true
}

// plainValue is a value without separators.
func plainValue(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if alnum(s[i]) {
			b.WriteByte(s[i])
		}
	}
	return b.String()
}
