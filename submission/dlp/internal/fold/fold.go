// Package fold brings text into the one form the detectors read: Unicode NFKC,
// no invisible characters, ASCII digits, one dash between digits. It keeps a map
// from every folded byte to the bytes it came from, so that findings can be
// shown where they stand.
package fold

import (
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Text is folded text with its way back.
type Text struct {
	S string
	// Kanji are runs of four or more kanji digits in S. They are numbers only
	// beside a keyword (三〇〇〇 is also a year, a street, a price).
	Kanji []Span

	steps []step
	size  int // bytes of the original
}

// Span is a half-open range of byte offsets.
type Span struct{ Start, End int }

// step maps a stretch of folded bytes: every out bytes came from in bytes. Runs
// of equal units share one step, so plain text costs one step per line at most.
type step struct {
	at, from int32 // folded and original offset
	in, out  int32 // bytes per unit
}

// Fold folds s. Invalid UTF-8 becomes U+FFFD.
func Fold(s string) *Text {
	f := folder{src: s}
	f.out.Grow(len(s) + len(s)/16)
	for f.i < len(s) {
		f.next()
	}
	f.endKanji()
	return &Text{S: f.out.String(), Kanji: f.kanji, steps: f.steps, size: len(s)}
}

// Origin maps a range of S to the original text.
func (t *Text) Origin(start, end int) (int, int) {
	if start >= end {
		return t.origin(start), t.origin(start)
	}
	last := t.find(end - 1)
	st := t.steps[last]
	unit := (int32(end-1) - st.at) / st.out
	return t.origin(start), int(st.from + (unit+1)*st.in)
}

func (t *Text) origin(at int) int {
	if at >= len(t.S) || len(t.steps) == 0 {
		return t.size
	}
	st := t.steps[t.find(at)]
	unit := (int32(at) - st.at) / st.out
	return int(st.from + unit*st.in)
}

func (t *Text) find(at int) int {
	return sort.Search(len(t.steps), func(i int) bool { return int(t.steps[i].at) > at }) - 1
}

// Folded maps an original offset to the first folded byte at or after it.
func (t *Text) Folded(at int) int {
	i := sort.Search(len(t.steps), func(i int) bool { return int(t.steps[i].from) > at }) - 1
	if i < 0 {
		return 0
	}
	st := t.steps[i]
	next := len(t.S)
	if i+1 < len(t.steps) {
		next = int(t.steps[i+1].at)
	}
	return min(int(st.at+(int32(at)-st.from)/st.in*st.out), next)
}

type folder struct {
	src   string
	i     int
	out   strings.Builder
	steps []step

	kanji     []Span
	run, runN int // start and length of the current run of kanji digits
}

// next folds one stretch of ASCII or one segment of anything else.
func (f *folder) next() {
	if n := f.ascii(); n > 0 {
		f.endKanji()
		f.keep(n)
		return
	}
	if f.src[f.i] == '\r' { // CRLF and LF are one line end
		if f.i+1 < len(f.src) && f.src[f.i+1] == '\n' {
			f.i++
			return
		}
		f.write("\n", 1)
		return
	}
	r, n := utf8.DecodeRuneInString(f.src[f.i:])
	switch {
	case r == utf8.RuneError:
		f.write("\uFFFD", max(n, 1))
	case invisible(r):
		f.i += n
	case digitKanji(r):
		f.foldKanji(r, n)
	case stable(r) && !combines(f.src[f.i+n:]):
		f.endKanji()
		f.keep(f.stableRun(n))
	default:
		f.endKanji()
		f.foldOther(r, n)
	}
}

// ascii is the length of the ASCII stretch at i that needs no folding.
func (f *folder) ascii() int {
	s := f.src[f.i:]
	n := 0
	for n < len(s) && s[n] < utf8.RuneSelf && s[n] != '\r' {
		n++
	}
	if n > 0 && n < len(s) && combines(s[n:]) {
		n-- // the letter belongs to the mark that follows
	}
	return n
}

// stableRun extends a stable character of n bytes to the whole run: CJK prose
// folds in long stretches.
func (f *folder) stableRun(n int) int {
	s := f.src[f.i:]
	for n+3 <= len(s) && s[n] >= 0xE3 && s[n] <= 0xE9 {
		if s[n+1]&0xC0 != 0x80 || s[n+2]&0xC0 != 0x80 {
			break
		}
		r := rune(s[n]&0x0F)<<12 | rune(s[n+1]&0x3F)<<6 | rune(s[n+2]&0x3F)
		if !stable(r) || digitKanji(r) || combines(s[n+3:]) {
			break
		}
		n += 3
	}
	return n
}

// keep copies n bytes as they are.
func (f *folder) keep(n int) {
	f.mark(1, 1)
	f.out.WriteString(f.src[f.i : f.i+n])
	f.i += n
}

// write replaces n source bytes by s.
func (f *folder) write(s string, n int) {
	if s != "" {
		f.mark(int32(n), int32(len(s)))
		f.out.WriteString(s)
	}
	f.i += n
}

// mark opens a step unless the last one continues with the same unit.
func (f *folder) mark(in, out int32) {
	at, from := int32(f.out.Len()), int32(f.i)
	if k := len(f.steps) - 1; k >= 0 {
		st := f.steps[k]
		if st.in == in && st.out == out && (at-st.at)/out*in+st.from == from {
			return
		}
	}
	f.steps = append(f.steps, step{at, from, in, out})
}

// foldOther folds a segment that is neither plain ASCII nor stable.
func (f *folder) foldOther(r rune, n int) {
	if r >= 0xFF01 && r <= 0xFF5E && !combines(f.src[f.i+n:]) { // fullwidth ASCII, by far the most usual
		f.write(asciiOf[r-0xFEE0], n)
		return
	}
	if dash(r) && (f.betweenDigits(n) || r != '・' && f.betweenCode(n)) {
		f.write("-", n)
		return
	}
	switch {
	case r == '\u2028' || r == '\u2029' || r == '\u0085':
		f.write("\n", n)
		return
	case unicode.Is(unicode.Nd, r):
		f.write(asciiOf['0'+digitValue(r)], n)
		return
	case unicode.Is(unicode.No, r): // ①, ², ½: never digits of a number
		f.keep(n)
		return
	}
	f.foldSegment()
}

// foldSegment applies NFKC to the characters that combine at i.
func (f *folder) foldSegment() {
	end := norm.NFKC.NextBoundaryInString(f.src[f.i:], true)
	if end <= 0 {
		end = len(f.src) - f.i
	}
	segment := f.src[f.i : f.i+end]
	folded := norm.NFKC.String(segment)
	if strings.ContainsAny(folded, "0123456789") && !strings.ContainsAny(segment, "0123456789") {
		folded = segment // ㏠ is "day one", not a digit of a number
	}
	if dashes(folded) && (f.betweenDigits(end) || folded != "・" && f.betweenCode(end)) {
		folded = "-"
	}
	f.write(folded, end)
}

// foldKanji copies a kanji digit and remembers the run. 一 between two digits is
// what OCR makes of a dash.
func (f *folder) foldKanji(r rune, n int) {
	if r == '一' && f.runN == 0 && f.betweenDigits(n) {
		f.write("-", n)
		return
	}
	if f.runN == 0 {
		f.run = f.out.Len()
	}
	f.runN++
	f.keep(n)
}

func (f *folder) endKanji() {
	if f.runN >= 4 {
		f.kanji = append(f.kanji, Span{f.run, f.out.Len()})
	}
	f.runN = 0
}

// betweenDigits says whether a digit stands directly before i and after the n
// bytes at i, invisible characters aside.
func (f *folder) betweenDigits(n int) bool {
	out := f.out.String()
	if len(out) == 0 || out[len(out)-1] < '0' || out[len(out)-1] > '9' {
		return false
	}
	rest := f.src[f.i+n:]
	for rest != "" {
		r, size := utf8.DecodeRuneInString(rest)
		if !invisible(r) {
			return unicode.Is(unicode.Nd, r)
		}
		rest = rest[size:]
	}
	return false
}

// betweenCode says whether the dash at i joins the parts of a number or code:
// Latin letters and digits on both sides, a digit on one of them at least, with
// at most two spaces between (０３　ー　１２３４, TK‐1234567).
func (f *folder) betweenCode(n int) bool {
	out := f.out.String()
	trimmed := strings.TrimRight(out[max(0, len(out)-3):], " ")
	if trimmed == "" {
		return false
	}
	before := trimmed[len(trimmed)-1]
	after, spaces := rune(0), 0
	for rest := f.src[f.i+n:]; rest != ""; {
		r, size := utf8.DecodeRuneInString(rest)
		rest = rest[size:]
		if invisible(r) {
			continue
		}
		if r == ' ' || r == '\u3000' || r == '\u00a0' {
			if spaces++; spaces > 2 {
				return false
			}
			continue
		}
		after = r
		break
	}
	if after >= 0xFF01 && after <= 0xFF5E {
		after -= 0xFEE0
	}
	digitBefore, digitAfter := before >= '0' && before <= '9', after >= '0' && after <= '9'
	spaced := spaces > 0 || len(trimmed) < len(out[max(0, len(out)-3):])
	if spaced {
		return digitBefore && digitAfter
	}
	return (digitBefore || digitAfter) && (digitBefore || upperLetter(rune(before))) && (digitAfter || upperLetter(after))
}

func upperLetter(r rune) bool { return r >= 'A' && r <= 'Z' }
