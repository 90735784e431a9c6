package detect

import (
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/sekisho-mail/sekisho/submission/dlp/internal/fold"
)

// page is one folded text with everything the detectors ask about it.
type page struct {
	text    Text
	folded  *fold.Text
	s       string
	hits    []hit // in order of their ends
	cells   []cell
	title   [kinds]bool // labels in the name of the sheet or file
	present [kinds]bool // labels anywhere in the text
	samples []int       // where words for an example stand
	guides  []group     // paragraphs that show how to fill in a form
	names   *nameBook
	quiet   []fold.Span // quoted text and signatures, folded offsets

	numbers []number
	owners  []hit // own label by number, kind kNone for none
	found   []Hit
}

// What naming a number needs: the distance published by Purview, and how far a
// label may stand from its value.
const (
	proximity = 300 // characters
	maxGap    = 90  // bytes between a label and its value
)

// ownLabel is the label that stands directly before the value at start, or the
// column header or left neighbour of its cell.
func (p *page) ownLabel(start, end int) hit {
	c := p.cellAt(start)
	floor := 0
	if c != nil {
		floor = c.start
	}
	if h, ok := p.labelBefore(start, floor); ok {
		if h.kind == kInsured && p.close(kEmployment, h.start, 10) {
			h.kind = kEmployment // 雇用保険の被保険者番号
		}
		if h.kind == kInsured && p.present[kPension] && p.close(kPension, h.start, 4) {
			h.kind = kPension
		}
		return h
	}
	if c != nil {
		if c.head.names() {
			return hit{c.start, c.start, entry{kind: c.head}}
		}
		if c.left.names() {
			return hit{c.start, c.start, entry{kind: c.left}}
		}
	}
	if c == nil || c.prose(p.s) {
		if h, ok := p.labelAfter(end); ok {
			return h
		}
	}
	if h, ok := p.announced(start, end, floor); ok {
		return h
	}
	return hit{}
}

// labelBefore looks for a label whose distance to start holds connectors only.
func (p *page) labelBefore(start, floor int) (hit, bool) {
	var best hit
	for i := p.endingBy(start) - 1; i >= 0; i-- {
		h := p.hits[i]
		if h.end < floor || start-h.end > maxGap || best.kind != kNone && h.end < best.end {
			break
		}
		if h.start < floor || !h.kind.names() || !connects(p.s[h.end:start]) {
			continue
		}
		if best.kind == kNone || h.end == best.end && h.start < best.start {
			best = h
		}
	}
	stem, other, ok := genericLabel(p.s[floor:start])
	other += floor
	if ok && other > best.end && (best.kind == kNone || word(strings.TrimSpace(p.s[best.end:other])) == 0) && !p.hints(floor+stem) {
		return hit{other, other, entry{kind: kOther}}, true
	}
	return best, best.kind != kNone
}

// hints says whether a word that names nothing by itself ends at at: JCB in
// JCB 番号.
func (p *page) hints(at int) bool {
	for i := p.endingBy(at) - 1; i >= 0 && p.hits[i].end == at; i-- {
		if k := p.hits[i].kind; k != kNone && k != kOther {
			return true
		}
	}
	return false
}

// endingBy is the number of hits that end at or before at.
func (p *page) endingBy(at int) int {
	return sort.Search(len(p.hits), func(i int) bool { return p.hits[i].end > at })
}

// named says whether k names the value at start..end: its own label does, or no
// other label stands nearer within reach.
func (p *page) named(k kind, own hit, start, end int) bool {
	if own.kind != kNone {
		return own.kind == k
	}
	return p.near(k, start, end)
}

// near looks 300 characters back, past labels that have values of their own, and
// 100 ahead.
func (p *page) near(k kind, start, end int) bool {
	if p.title[k] {
		return true
	}
	if !p.present[k] {
		return false
	}
	c := p.cellAt(start)
	value := plainValue(p.s[start:end])
	for i := p.endingBy(start) - 1; i >= 0 && start-p.hits[i].end <= proximity*utf8.UTFMax; i-- {
		h := p.hits[i]
		if !h.kind.names() && h.kind != k || c != nil && !p.related(c, h) {
			continue
		}
		gap := p.s[h.end:start]
		if h.kind == k {
			return utf8.RuneCountInString(gap) <= proximity
		}
		if h.kind.takes(value) && !strings.ContainsAny(gap, "0123456789") && !p.within(h, k) {
			return false
		}
	}
	to := ahead(p.s, end, 100)
	for i := p.endingBy(end); i < len(p.hits) && p.hits[i].end <= to; i++ {
		if h := p.hits[i]; h.kind == k && (c == nil || p.related(c, h)) {
			return true
		}
	}
	return false
}

// within says whether h is part of a longer label of kind k: カード in
// マイナンバーカード.
func (p *page) within(h hit, k kind) bool {
	for i := p.endingBy(h.start); i < len(p.hits) && p.hits[i].end <= h.end+60; i++ {
		if o := p.hits[i]; o.kind == k && o.start <= h.start && o.end >= h.end {
			return true
		}
	}
	return false
}

// close says whether a label of kind k stands within n characters before start
// or, in a table, in the same row or as a header of the same table.
func (p *page) close(k kind, start, n int) bool {
	if !p.present[k] {
		return false
	}
	for i := p.endingBy(start) - 1; i >= 0 && start-p.hits[i].end <= n*utf8.UTFMax; i-- {
		if h := p.hits[i]; h.kind == k && utf8.RuneCountInString(p.s[h.end:start]) <= n {
			return true
		}
	}
	return false
}

// inURL says whether at lies in a web address.
func (p *page) inURL(at int) bool {
	from := max(0, at-300)
	token := p.s[from+strings.LastIndexAny(p.s[from:at], " \n\t\"'<>()[]　、。")+1 : at]
	return strings.Contains(token, "://") || strings.HasPrefix(token, "www.")
}

// silent says whether at lies in quoted text or a signature.
func (p *page) silent(at int) bool {
	i := sort.Search(len(p.quiet), func(i int) bool { return p.quiet[i].End > at })
	return i < len(p.quiet) && p.quiet[i].Start <= at
}

// names says whether a label of this kind says what a number is.
func (k kind) names() bool {
	switch k {
	case kNone, kAddress, kEmail, kName, kPerson, kSample, kTest, kPrefecture, kCity, kRoman, kCardHint:
		return false
	}
	return true
}

// back is the offset n characters before at; ahead the one n after it.
func back(s string, at, n int) int {
	for ; n > 0 && at > 0; n-- {
		for at--; at > 0 && !utf8.RuneStart(s[at]); at-- {
		}
	}
	return at
}

func ahead(s string, at, n int) int {
	for ; n > 0 && at < len(s); n-- {
		for at++; at < len(s) && !utf8.RuneStart(s[at]); at++ {
		}
	}
	return at
}
