package detect

import (
	"sort"
	"strings"
)

// An example in a document is no leak, but the word 見本 somewhere around a real
// number must not hide it: only what names the value itself excuses it.

// sampled says whether the value at start..end is called an example by its own
// label or in its own cell: 見本：1234, 個人番号（記入例）1234, 1234（見本）, or a
// column header that says so.
func (p *page) sampled(start, end int) bool {
	if !p.present[kSample] {
		return false
	}
	c := p.cellAt(start)
	floor := p.lineStart(start)
	if c != nil {
		floor = max(floor, c.start)
		if c.example || c.head != kNone && p.holds(kSample, &p.cells[c.above]) || c.left != kNone && p.holds(kSample, p.leftOf(c)) {
			return true
		}
	}
	if p.belowExample(start) {
		return true
	}
	if !p.sampleIn(floor, end+60) {
		return false
	}
	return p.sampleBefore(start, floor) || p.sampleAfter(end, c) || p.sampleLine(start)
}

// belowExample says that the paragraph of at has no other heading than 記入例 or its
// like, as a guide to a form has.
func (p *page) belowExample(at int) bool {
	for _, g := range p.guides {
		if g.start <= at && at < g.end {
			return true
		}
	}
	return false
}

// guideParagraphs are the paragraphs of which the example's word at start..end is the
// heading.
func (p *page) guideParagraphs(start, end int) []group {
	switch p.s[start:end] {
	case "記入例", "記載例", "入力例", "見本":
	default:
		return nil
	}
	from := p.lineStart(start)
	switch strings.Trim(p.s[from:lineEnd(p.s, from)], " 【】[]()<>■□●○◆◇★※・*#=-—:〔〕ご") {
	case "記入例", "記載例", "入力例", "記入見本", "記載見本", "書き方見本":
	default:
		return nil
	}
	to := min(len(p.s), from+maxExample)
	if i := strings.Index(p.s[from:to], "\n\n"); i > 0 {
		to = from + i
	}
	return []group{{from, to}}
}

// Limits of examples: bytes of a paragraph, and how many of them are kept.
const (
	maxExample = 600
	maxGuides  = 40
)

// sampleIn says whether a word for an example stands in from..to.
func (p *page) sampleIn(from, to int) bool {
	i := sort.SearchInts(p.samples, from)
	return i < len(p.samples) && p.samples[i] < to
}

// lineStart is where the line of at begins, or a stretch of it that is long enough
// for any question about it.
func (p *page) lineStart(at int) int {
	from := max(0, at-maxLine)
	return from + strings.LastIndexByte(p.s[from:at], '\n') + 1
}

const maxLine = 2000

// sampleLine says that the line is one of an example: 記入例 and its like begin
// it, or サンプル： and nothing but values follows.
func (p *page) sampleLine(start int) bool {
	from := p.lineStart(start)
	for i := p.endingBy(from); i < len(p.hits) && p.hits[i].end <= start && p.hits[i].start < from+60; i++ {
		h := p.hits[i]
		if h.kind != kSample || h.start < from || strings.Trim(p.s[from:h.start], " ・*■□●○※【[(<-") != "" {
			continue
		}
		rest := strings.TrimLeft(p.s[h.end:start], " 】])>")
		switch word := p.s[h.start:h.end]; word {
		case "記入例", "記載例", "入力例", "書式例", "表示例":
			return rest != "" && !strings.HasPrefix(rest, "の") && !strings.HasPrefix(rest, "を")
		default:
			return strings.HasPrefix(rest, ":") && !p.labelWithin(h.end, start) && !strings.ContainsAny(rest, "。、")
		}
	}
	return false
}

// labelWithin says whether a label that names a value ends in from..to.
func (p *page) labelWithin(from, to int) bool {
	for i := p.endingBy(from); i < len(p.hits) && p.hits[i].end <= to; i++ {
		if p.hits[i].kind.names() {
			return true
		}
	}
	return false
}

// instructed says that the line explains how to type a number: ハイフンなしで入力.
func (p *page) instructed(start, end int) bool {
	from, to := p.lineStart(start), min(len(p.s), end+100)
	if nl := strings.IndexByte(p.s[end:to], '\n'); nl >= 0 {
		to = end + nl
	}
	line := p.s[max(from, start-200):to]
	return strings.Contains(line, "入力") && (strings.Contains(line, "ハイフン") || strings.Contains(line, "半角"))
}

// likeThis says that the sentence shows how to write a value: 「TK1234567」のように.
func (p *page) likeThis(end int) bool {
	rest := p.s[end:min(len(p.s), end+150)]
	if stop := strings.IndexAny(rest, "。\n"); stop >= 0 {
		rest = rest[:stop]
	}
	return strings.Contains(rest, "のように") || strings.Contains(rest, "のような形") || strings.Contains(rest, "の形式で")
}

// sampleBefore looks for an example's word that stands directly before the value
// or before the label of the value, in the same line and cell.
func (p *page) sampleBefore(start, floor int) bool {
	label := start
	if own, ok := p.labelBefore(start, floor); ok && own.start >= floor {
		label = own.start
	}
	for i := p.endingBy(start) - 1; i >= 0; i-- {
		h := p.hits[i]
		if h.end < floor || start-h.end > 2*maxGap {
			return false
		}
		if h.kind != kSample || h.start < floor {
			continue
		}
		if connects(p.s[h.end:start]) || h.end <= label && connects(p.s[h.end:label]) {
			return true
		}
	}
	return false
}

// sampleAfter reads 1234-5678-9018（見本）.
func (p *page) sampleAfter(end int, c *cell) bool {
	limit := min(len(p.s), end+40)
	if c != nil {
		limit = min(limit, c.end)
	}
	if limit <= end {
		return false
	}
	rest := p.s[end:limit]
	trimmed := strings.TrimLeft(rest, " ")
	word := strings.TrimLeft(trimmed, "([←<- ")
	if len(word) == len(trimmed) {
		return false
	}
	at := end + len(rest) - len(word)
	for i := p.endingBy(at); i < len(p.hits) && p.hits[i].start <= at; i++ {
		// (例) is a word with its brackets.
		if h := p.hits[i]; h.kind == kSample && h.start >= end {
			return true
		}
	}
	return false
}

// leftOf is the label to the left of c. There must be one: c.left came from it.
func (p *page) leftOf(c *cell) *cell {
	i := sort.Search(len(p.cells), func(i int) bool { return p.cells[i].end > c.start }) - 1
	for i > 0 && p.cells[i].label == kNone && p.cells[i-1].Row == c.Row && p.cells[i-1].Table == c.Table {
		i--
	}
	return &p.cells[max(0, i)]
}

// holds says whether a label of kind k stands in a cell.
func (p *page) holds(k kind, c *cell) bool {
	for i := p.endingBy(c.start); i < len(p.hits) && p.hits[i].end <= c.end; i++ {
		if h := p.hits[i]; h.kind == k && h.start >= c.start {
			return true
		}
	}
	return false
}

// amid lowers a level by one where words of an example stand near the value
// without naming it. It never goes below medium, on which rules act: such words
// are in many mails that leak something.
func (p *page) amid(level Level, start int) Level {
	if level == High && p.present[kSample] && p.besideLabel(kSample, start) {
		return Medium
	}
	return level
}

// besideLabel says whether a word of kind k ends within sixteen characters before
// start, in the same line.
func (p *page) besideLabel(k kind, start int) bool {
	from := back(p.s, start, 16)
	if nl := strings.LastIndexByte(p.s[from:start], '\n'); nl >= 0 {
		from += nl
	}
	for i := p.endingBy(start) - 1; i >= 0 && p.hits[i].end > from; i-- {
		if p.hits[i].kind == k {
			return true
		}
	}
	return false
}
