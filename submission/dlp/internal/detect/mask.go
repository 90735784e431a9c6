package detect

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// mask says how a value is hidden where it is shown.
type mask uint8

const (
	maskNone    mask = iota // keywords are no secret
	maskDigits              // 9832-****-****
	maskDate                // 1980-**-**
	maskAddress             // 東京都港区***
	maskEmail               // t***@other.example
	maskText                // first two characters
	maskSecret              // first four
	maskLink                // without query and path
)

// Context shown around a value, in characters.
const (
	contextBefore = 20
	contextAfter  = 10
)

// Excerpt shows a hit with a little context, everything personal masked.
func (g *Page) Excerpt(h Hit) string {
	p := g.p
	value := h.mask.apply(p.s[h.from:h.to])
	if c := p.cellAt(h.from); c != nil && !c.prose(p.s) {
		label := ""
		if c.above >= 0 {
			label = p.s[p.cells[c.above].start:p.cells[c.above].end]
		}
		return strings.TrimSpace(cut(veil(label), contextBefore) + " " + value)
	}
	before := p.s[back(p.s, h.from, contextBefore):h.from]
	before = before[strings.LastIndexByte(before, '\n')+1:]
	after := p.s[h.to:ahead(p.s, h.to, contextAfter)]
	if nl := strings.IndexByte(after, '\n'); nl >= 0 {
		after = after[:nl]
	}
	return strings.TrimSpace(oneLine(veil(before) + value + veil(after)))
}

func (m mask) apply(s string) string {
	switch m {
	case maskNone:
		return oneLine(s)
	case maskDigits:
		if digits(s) >= 10 || digits(s) < 6 && len(s) > 9 {
			return hide(s, 4)
		}
		return hide(s, 2)
	case maskDate:
		return hide(s, 4)
	case maskAddress:
		return cut(s, 6) + "***"
	case maskEmail:
		local, domain, _ := strings.Cut(s, "@")
		return cut(local, 1) + "***@" + domain
	case maskLink:
		if i := strings.IndexAny(s, "?#"); i >= 0 {
			s = s[:i] + "?***"
		}
		return cut(oneLine(s), 80)
	case maskSecret:
		return cut(oneLine(s), 4) + "****"
	}
	return cut(oneLine(s), 2) + "***"
}

// hide keeps the first letters and digits and the separators.
func hide(s string, keep int) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			if r == '\n' {
				r = ' '
			}
			b.WriteRune(r)
		case keep > 0:
			keep--
			b.WriteRune(r)
		case strings.ContainsRune("年月日", r):
			b.WriteRune(r)
		default:
			b.WriteByte('*')
		}
	}
	return b.String()
}

// veil hides what the context may hold of other values: digits, and tokens that
// look like addresses or secrets.
func veil(s string) string {
	fields := strings.SplitAfter(s, " ")
	for i, f := range fields {
		if strings.Contains(f, "@") || token(f) {
			fields[i] = "*** "
			continue
		}
		fields[i] = strings.Map(func(r rune) rune {
			if unicode.IsDigit(r) {
				return '*'
			}
			return r
		}, f)
	}
	return strings.Join(fields, "")
}

// token says whether a word is a long mix of ASCII letters and digits.
func token(f string) bool {
	n := 0
	for _, c := range []byte(f) {
		if c >= utf8.RuneSelf {
			return false
		}
		if alnum(c) {
			n++
		}
	}
	return n >= 12 && digits(f) > 0
}

func cut(s string, n int) string { return s[:ahead(s, 0, n)] }

func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return ' '
		}
		return r
	}, s)
}
