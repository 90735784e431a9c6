package detect

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// connectors may stand between a label and its value.
var connectors = []string{
	"記号番号", "記号・番号", "記号", "番号", "ナンバー", "コード", "です", "(番号)", "は", "が", "の", "も", "を", "に", "欄", "分", "様", "さん", "氏",
	"number", "num", "no", "nr", "is", "are", "was", "as", "of", "the", "following", "as follows", "my", "your", "his", "her", "and",
	"第", "西暦", "和暦", "以下", "下記", "次", "とおり", "通り",
}

// connects says whether gap holds nothing but connectors: punctuation, space, at
// most two line ends, notes in brackets and the words above.
func connects(gap string) bool {
	if joins(gap) {
		return true
	}
	if rest := afterSibling(gap); rest != "" {
		return joins(rest)
	}
	// 年 金 証 書 の 番 号
	return strings.Contains(gap, " ") && len(gap) < maxGap && strings.IndexFunc(gap, kanaOrIdeograph) >= 0 && joins(strings.ReplaceAll(gap, " ", ""))
}

// afterSibling leaves out the second half of a double label: 生年月日／性別：1980年.
func afterSibling(gap string) string {
	if !strings.HasPrefix(gap, "/") && !strings.HasPrefix(gap, "・") && !strings.HasPrefix(gap, "、") {
		return ""
	}
	_, n := utf8.DecodeRuneInString(gap)
	end := strings.IndexAny(gap, ":\t|】]」")
	if end < n+3 || end > 24 {
		return ""
	}
	for _, r := range strings.TrimSpace(gap[n:end]) {
		if !ideograph(r) {
			return ""
		}
	}
	return gap[end:]
}

func kanaOrIdeograph(r rune) bool { return r >= 0x3041 && r <= 0x30FF || ideograph(r) }

func joins(gap string) bool {
	bare := strings.TrimSpace(gap)
	if strings.HasPrefix(bare, "(") {
		bare = strings.TrimSpace(bare[note(bare):])
	}
	switch bare {
	case "、", ",", ";":
		return !strings.Contains(gap, "\n")
	}
	lines, topic := 0, false
	for gap != "" {
		r, n := utf8.DecodeRuneInString(gap)
		if r == '\n' {
			if lines++; lines > 2 {
				return false
			}
		}
		switch {
		case r == '(' || r == '[' || r == '【' || r == '「' || r == '〔':
			n = max(n, note(gap))
		case r == '、' && topic: // 個人番号は、...
		case r == '。' || r == '、' || r == ',' || r == ';' || r == '!':
			return false
		case unicode.IsSpace(r) || unicode.IsPunct(r) || unicode.IsSymbol(r):
		default:
			if n = word(gap); n == 0 {
				return false
			}
		}
		topic = r == 'は' || topic && r == ' '
		gap = gap[n:]
	}
	return true
}

// note is the length of the bracketed remark at s, 0 where it does not close.
func note(s string) int {
	end := strings.IndexAny(s, ")]】」〕\n")
	if end < 0 || end > 60 || s[end] == '\n' {
		return 0
	}
	_, n := utf8.DecodeRuneInString(s[end:])
	return end + n
}

func word(s string) int {
	for _, w := range connectors {
		if len(s) >= len(w) && (s[0] == w[0] || s[0]|0x20 == w[0]) && strings.EqualFold(s[:len(w)], w) {
			if letter(w[0]) && len(s) > len(w) && letter(s[len(w)]) {
				continue
			}
			return len(w)
		}
	}
	return 0
}

// genericEnds are the endings by which people name numbers of any sort.
var genericEnds = []string{"番号", "コード", "ナンバー", "id", "no", "no.", "№", "number", "code", "ref", "key", "キー", "管番", "品番", "型番"}

func lowered(c byte) byte {
	if upper(c) {
		return c | 0x20
	}
	return c
}

// lastOfEnds are the last bytes of genericEnds: most words end otherwise.
const lastOfEnds = "do.refy\xb7\x89\xbc\xaa\x96"

// genericLabel finds a label that only its ending gives away (会員番号, Batch No.)
// directly before a value, and returns where its stem and it end. 番号 by itself
// names nothing.
func genericLabel(before string) (stem, end int, ok bool) {
	offset := max(0, len(before)-maxGap)
	before = before[offset:]
	trimmed := strings.TrimRightFunc(before, func(r rune) bool {
		return unicode.IsSpace(r) && r != '\n' || strings.ContainsRune(":=#>\"'「『([【-→", r)
	})
	trimmed = trimNote(trimmed)
	for _, particle := range []string{"は", "が", "is", "の"} {
		trimmed = strings.TrimRight(strings.TrimSuffix(trimmed, particle), " ")
	}
	if strings.HasSuffix(before, "=") && trimmed != "" && letter(trimmed[len(trimmed)-1]) {
		return offset + len(trimmed), offset + len(trimmed), true // session=...
	}
	if trimmed == "" || strings.IndexByte(lastOfEnds, lowered(trimmed[len(trimmed)-1])) < 0 {
		return 0, 0, false
	}
	for _, suffix := range genericEnds {
		n := len(trimmed) - len(suffix)
		if n <= 0 || !strings.EqualFold(trimmed[n:], suffix) {
			continue
		}
		r, _ := utf8.DecodeLastRuneInString(trimmed[:n])
		if letter(suffix[0]) && letter(trimmed[n-1]) && !(upper(trimmed[n]) && !upper(trimmed[n-1])) || neutral(trimmed[:n], r) {
			return 0, 0, false
		}
		return offset + len(strings.TrimRight(trimmed[:n], " ")), offset + len(trimmed), true
	}
	return 0, 0, false
}

// neutral says that what stands before 番号 does not say which number.
func neutral(before string, last rune) bool {
	switch {
	case unicode.IsSpace(last) || unicode.IsPunct(last) || unicode.IsSymbol(last):
		word := strings.TrimRight(before, " ")
		return word == "" || !letter(word[len(word)-1])
	case last == 'の' || last == '各' || last == '記' || last == '該':
		return true
	}
	return false
}

// trimNote drops a closed bracket at the end: 会員番号(10桁).
func trimNote(s string) string {
	if strings.HasSuffix(s, ")") {
		if i := strings.LastIndexByte(s, '('); i >= 0 && len(s)-i < 60 {
			return strings.TrimRight(s[:i], " ")
		}
	}
	return s
}
