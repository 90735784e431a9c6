package index

import (
	"cmp"
	"slices"
	"unicode"
	"unicode/utf8"
)

// Search is the comparison of one text with one list.
type Search struct {
	r    *Rows
	hits []cellHit
	refs []uint32
}

// cellHit is a value of the text that stands in the list.
type cellHit struct {
	start, end int
	sum        uint64
	row        uint32 // or common
	strong     bool
}

// Match is a row found again: how many of its columns stand near each other.
type Match struct {
	Row        uint32
	Sum        uint64 // of the value, where only one column was found
	Columns    int
	Strong     bool // one value at least that is rare by itself
	Start, End int  // of the surest value
}

// Limits of one search.
const (
	maxHits = 200_000
	nearby  = 600 // bytes between the values of one row
)

// NewSearch begins a comparison.
func (r *Rows) NewSearch() *Search { return &Search{r: r} }

// Try compares a value in canonical form.
func (s *Search) Try(value []byte, form Form, start, end int) {
	if len(s.hits) >= maxHits {
		return
	}
	sum := s.r.hash.sum(value)
	s.refs = s.r.table.find(sum, s.refs[:0])
	for _, row := range s.refs {
		s.hits = append(s.hits, cellHit{start, end, sum, row, strong(string(value), form)})
	}
}

// Words compares every word of text that is in the list, with the spaces inside
// it left out.
func (s *Search) Words(text string) {
	if s.r.meta.Lengths == 0 {
		return
	}
	longest := 63
	for ; longest > 0 && s.r.meta.Lengths>>longest&1 == 0; longest-- {
	}
	last, word := rune(0), false // the character before, and whether it belongs to a Latin word
	for i := 0; i < len(text); {
		r, n := rune(text[i]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRuneInString(text[i:])
		}
		if starts(r, last, word) {
			s.wordsAt(text, i, longest)
		}
		word = r < 0x2E80 && unicode.IsLetter(r)
		last = r
		i += n
	}
}

// starts says whether a word may begin with r: Latin ones not inside another.
func starts(r, last rune, inWord bool) bool {
	return r >= 0x3041 && unicode.IsLetter(r) || !inWord && r < 0x2E80 && unicode.IsLetter(r) && !(last >= '0' && last <= '9')
}

// wordsAt compares the words of all lengths that begin at i.
func (s *Search) wordsAt(text string, i, longest int) {
	var buf [maxValue * utf8.UTFMax]byte
	b, runes := buf[:0], 0
	first := rune(0)
	gap := 0
	for j := i; j < len(text) && runes < longest; {
		r, n := utf8.DecodeRuneInString(text[j:])
		if !unicode.IsLetter(r) {
			if gap++; gap > 2 || !between(r) {
				return
			}
			j += n
			continue
		}
		gap = 0
		r = unicode.ToLower(r)
		switch runes {
		case 0:
			first = r
		case 1:
			if k := pair(first, r); s.r.pairs[k/8]>>(k%8)&1 == 0 {
				return
			}
		}
		b = utf8.AppendRune(b, r)
		runes++
		j += n
		if s.r.meta.Lengths>>runes&1 == 1 && ends(text, j, r) {
			s.Try(b, Word, i, j)
		}
	}
}

// between may stand inside a name: a space, a dot, a dash.
func between(r rune) bool {
	return r == ' ' || r == '\n' || r == '・' || r == '-' || r == '.' || r == '='
}

// ends says whether a word may end at j: Latin ones not inside another.
func ends(text string, j int, last rune) bool {
	if last >= 0x2E80 || j >= len(text) {
		return true
	}
	r, _ := utf8.DecodeRuneInString(text[j:])
	return r >= 0x2E80 || !unicode.IsLetter(r)
}

// Matches brings the values together by rows, in order of their places.
func (s *Search) Matches() []Match {
	slices.SortFunc(s.hits, func(a, b cellHit) int { return cmp.Or(cmp.Compare(a.row, b.row), a.start-b.start, a.end-b.end) })
	var commons []cellHit
	if at, _ := slices.BinarySearchFunc(s.hits, uint32(common), func(h cellHit, row uint32) int { return cmp.Compare(h.row, row) }); at < len(s.hits) {
		s.hits, commons = s.hits[:at], s.hits[at:]
	}
	var out []Match
	for i := 0; i < len(s.hits); {
		j := i
		for j < len(s.hits) && s.hits[j].row == s.hits[i].row {
			j++
		}
		out = append(out, s.match(s.hits[i:j], commons))
		i = j
	}
	slices.SortFunc(out, func(a, b Match) int { return cmp.Or(a.Start-b.Start, b.Columns-a.Columns, cmp.Compare(a.Row, b.Row)) })
	return out
}

// match judges the hits of one row: the most columns within reach of one hit.
func (s *Search) match(hits, commons []cellHit) Match {
	best := Match{Row: hits[0].row}
	from := 0
	for i, h := range hits {
		for hits[from].end < h.start-nearby {
			from++
		}
		m := Match{Row: h.row, Sum: h.sum, Columns: s.columns(h, hits[from:i+1], commons), Strong: h.strong, Start: h.start, End: h.end}
		for _, o := range hits[from:i] {
			if o.strong && !m.Strong {
				m.Strong, m.Start, m.End = true, o.start, o.end
			}
		}
		if i == 0 || m.Columns > best.Columns || m.Columns == best.Columns && m.Strong && !best.Strong {
			best = m
		}
	}
	return best
}

// columns counts the cells of the row of h whose values stand near it.
func (s *Search) columns(h cellHit, hits, commons []cellHit) int {
	n := 0
	for c := range s.r.meta.Columns {
		digest := s.r.cell(h.row, c)
		if digest == 0 {
			continue
		}
		has := func(o cellHit) bool { return short(o.sum) == digest }
		if slices.ContainsFunc(hits[max(0, len(hits)-64):], has) {
			n++
			continue
		}
		at, _ := slices.BinarySearchFunc(commons, h.start-nearby, func(o cellHit, start int) int { return o.start - start })
		for k := at; k < len(commons) && k < at+256 && commons[k].start <= h.end+nearby; k++ {
			if has(commons[k]) {
				n++
				break
			}
		}
	}
	return n
}
