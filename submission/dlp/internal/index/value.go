package index

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sekisho-mail/sekisho/submission/dlp/internal/fold"
)

// Form is how a value is recognised in text.
type Form uint8

// Forms of values. A word is a name; it has no digits.
const (
	None Form = iota
	Number
	Code
	Mail
	Word
)

// Shortest values that mean anything.
const (
	minNumber = 6
	minCode   = 6
	minLatin  = 5
	minWide   = 3
	maxValue  = 48 // runes of a word, bytes of the others
)

// Canonical brings a value of a list into the form in which it is compared:
// folded, without case, spaces and punctuation, without the zeros that
// spreadsheets lose. Too short a value has the form None.
func Canonical(value string) (string, Form) {
	s := strings.ToLower(strings.TrimSpace(fold.Fold(value).S))
	if local, domain, ok := strings.Cut(s, "@"); ok && local != "" && strings.Contains(domain, ".") && !strings.ContainsAny(s, " \t\n") {
		return s, Mail
	}
	plus := strings.HasPrefix(s, "+81")
	bare := strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return -1
	}, s)
	digits, wide := 0, 0
	for _, r := range bare {
		if r >= '0' && r <= '9' {
			digits++
		} else if r >= utf8.RuneSelf {
			wide++
		}
	}
	runes := utf8.RuneCountInString(bare)
	switch {
	case digits == len(bare):
		return number(bare, plus)
	case wide == 0 && digits > 0:
		return formOf(bare, Code, runes >= minCode && runes <= maxValue)
	case digits > 0 || runes > maxValue: // an address: its spelling varies too much
		return "", None
	case wide > 0:
		return formOf(bare, Word, runes >= minWide)
	}
	return formOf(bare, Word, runes >= minLatin)
}

func formOf(s string, f Form, ok bool) (string, Form) {
	if !ok {
		return "", None
	}
	return s, f
}

// number drops the country code of Japan and leading zeros.
func number(d string, plus bool) (string, Form) {
	if plus {
		d = d[2:]
	}
	d = strings.TrimLeft(d, "0")
	return formOf(d, Number, len(d) >= minNumber && len(d) <= maxValue)
}

// strong values are rare enough to mean one row by themselves.
func strong(s string, f Form) bool {
	return f == Mail || f == Number && len(s) >= 8 || f == Code && len(s) >= 8
}
