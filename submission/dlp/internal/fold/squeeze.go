package fold

import (
	"sort"
	"unicode/utf8"
)

// Squeezed is folded text for keyword search: lower-case ASCII, and without the
// space people, columns and line wrapping put between CJK characters, so that
// 個 人 番 号 and a keyword broken over two lines are found.
type Squeezed struct {
	B    []byte
	gaps []gap
}

// gap says that from B[at] on, skip bytes of the folded text were left out.
type gap struct{ at, skip int32 }

// maxGap is the widest space inside a keyword, in bytes of folded text.
const maxGap = 4

// Squeeze makes the search view of t.
func (t *Text) Squeeze() *Squeezed {
	q := &Squeezed{B: make([]byte, 0, len(t.S))}
	s := t.S
	skipped := int32(0)
	for i := 0; i < len(s); {
		c := s[i]
		if c > ' ' {
			if c >= 'A' && c <= 'Z' {
				c += 'a' - 'A'
			}
			q.B = append(q.B, c)
			i++
			continue
		}
		n, lines := blank(s[i:])
		if n == 0 {
			q.B = append(q.B, c)
			i++
			continue
		}
		// An empty line ends a sentence.
		if lines <= 1 && n <= maxGap && i > 0 && s[i-1] >= 0x80 && wideBefore(s[:i]) && wideAfter(s[i+n:]) {
			skipped += int32(n)
			q.gaps = append(q.gaps, gap{int32(len(q.B)), skipped})
		} else {
			q.B = append(q.B, s[i:i+n]...)
		}
		i += n
	}
	return q
}

// Origin maps a range of B to the folded text.
func (q *Squeezed) Origin(start, end int) (int, int) {
	return q.origin(start), q.origin(end-1) + 1
}

func (q *Squeezed) origin(at int) int {
	i := sort.Search(len(q.gaps), func(i int) bool { return int(q.gaps[i].at) > at })
	if i == 0 {
		return at
	}
	return at + int(q.gaps[i-1].skip)
}

// blank is the length of the run of spaces at s and how many lines end in it.
// Tabs separate cells and never stand in a word.
func blank(s string) (n, lines int) {
	for n < len(s) && (s[n] == ' ' || s[n] == '\n') {
		if s[n] == '\n' {
			lines++
		}
		n++
	}
	return n, lines
}

// wide characters are written without spaces between words.
func wide(r rune) bool {
	return r >= 0x3005 && r <= 0x30FF && r != 0x300C && r != 0x300D || r >= 0x3400 && r <= 0x9FFF || r >= 0xAC00 && r <= 0xD7A3
}

func wideBefore(s string) bool {
	r, n := utf8.DecodeLastRuneInString(s)
	return n > 1 && wide(r)
}

func wideAfter(s string) bool {
	r, n := utf8.DecodeRuneInString(s)
	return n > 1 && wide(r)
}
