package fold

import (
	"unicode"
	"unicode/utf8"
)

// asciiOf holds the one-byte strings, so that folding a digit allocates nothing.
var asciiOf = func() (t [128]string) {
	for i := range t {
		t[i] = string(rune(i))
	}
	return t
}()

// invisible characters are dropped: they split words for machines only.
func invisible(r rune) bool {
	switch {
	case r < 0xAD:
		return false
	case r == 0xAD, r == 0x034F, r == 0x061C, r == 0x115F, r == 0x1160, r == 0x17B4, r == 0x17B5,
		r == 0x3164, r == 0xFEFF, r == 0xFFA0:
		return true
	case r >= 0x180B && r <= 0x180F, r >= 0x200B && r <= 0x200F, r >= 0x202A && r <= 0x202E,
		r >= 0x2060 && r <= 0x206F, r >= 0xFE00 && r <= 0xFE0F, r >= 0xFFF0 && r <= 0xFFFB:
		return true
	}
	return r >= 0xE0000 && r <= 0xE0FFF // tags and variation selectors (異体字)
}

// stable characters stay as they are under NFKC unless a mark follows.
func stable(r rune) bool {
	return r >= 0x3041 && r <= 0x3096 || r >= 0x30A1 && r <= 0x30FA || r >= 0x3400 && r <= 0x9FFF ||
		r >= 0x3001 && r <= 0x3020 || r >= 0x20000 && r <= 0x2A6DF
}

// combines says whether s begins with a mark that joins the letter before it.
func combines(s string) bool {
	if s == "" || s[0] < 0xC0 {
		return false
	}
	if s[0] >= 0xE4 && s[0] <= 0xE9 {
		return false // CJK ideographs
	}
	if s[0] == 0xE3 && len(s) > 2 { // kana: U+302A to U+302F, U+3099 and U+309A
		return s[1] == 0x80 && s[2] >= 0xAA && s[2] <= 0xAF || s[1] == 0x82 && (s[2] == 0x99 || s[2] == 0x9A)
	}
	r, _ := utf8.DecodeRuneInString(s)
	if r >= 0x3041 && r < 0x3099 || r > 0x309A && r <= 0xA66E || r >= 0xAC00 && r < 0xFB1E {
		return false
	}
	return r == 0xFF9E || r == 0xFF9F || unicode.Is(unicode.M, r) && !invisible(r)
}

// dash is any character people and programs put between groups of digits.
func dash(r rune) bool {
	switch r {
	case 'ー', 'ｰ', '・', '･', '\u00B7', '\u2022', '\u2043', '\u207B', '\u208B', '\u2212', '\u2796',
		'\uFE58', '\uFE63', '\uFF0D', '\u2500', '\u2501', '\u02D7', '\u06D4', '\u3030', '\u30A0', '\u2E3A', '\u2E3B':
		return true
	}
	return r >= 0x2010 && r <= 0x2015
}

func dashes(s string) bool {
	r, n := utf8.DecodeRuneInString(s)
	return n == len(s) && n > 1 && dash(r)
}

// digitKanji are the positional kanji digits; 十 百 千 never stand in an id.
func digitKanji(r rune) bool {
	_, ok := kanjiValue(r)
	return ok
}

func kanjiValue(r rune) (byte, bool) {
	if r < 0x25CB || r > 0x96F6 {
		return 0, false
	}
	switch r {
	case '〇', '零', '○', '◯':
		return '0', true
	case '一', '壱':
		return '1', true
	case '二', '弐':
		return '2', true
	case '三', '参':
		return '3', true
	case '四':
		return '4', true
	case '五':
		return '5', true
	case '六':
		return '6', true
	case '七':
		return '7', true
	case '八':
		return '8', true
	case '九':
		return '9', true
	}
	return 0, false
}

// KanjiDigits turns a run of kanji digits into ASCII digits.
func KanjiDigits(s string) string {
	b := make([]byte, 0, len(s)/3)
	for _, r := range s {
		if d, ok := kanjiValue(r); ok {
			b = append(b, d)
		}
	}
	return string(b)
}

// digitValue is the value of a decimal digit. Unicode keeps the ten digits of a
// script in one ascending block, so it is the distance from the block's zero.
func digitValue(r rune) rune {
	n := rune(0)
	for n < 9 && unicode.Is(unicode.Nd, r-n-1) {
		n++
	}
	if r >= 0x1D7CE && r <= 0x1D7FF { // five styles of mathematical digits without a gap
		return (r - 0x1D7CE) % 10
	}
	return n
}
