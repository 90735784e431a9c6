package detect

import (
	"sort"
	"strings"
	"unicode/utf8"
)

// cell is a table cell in folded text. head is what the column header above it
// says, left what the cell to its left says.
type cell struct {
	Cell
	start, end int
	head, left kind
	label      kind // what the cell itself says when it is a label
	above      int  // index of the header cell, -1 for none
}

// prose says that the cell holds a sentence rather than a value.
func (c *cell) prose(s string) bool {
	return c.end-c.start > 120 && strings.ContainsAny(s[c.start:c.end], " 。")
}

// cellAt is the cell that holds at, nil outside tables.
func (p *page) cellAt(at int) *cell {
	i := sort.Search(len(p.cells), func(i int) bool { return p.cells[i].end > at })
	if i < len(p.cells) && p.cells[i].start <= at {
		return &p.cells[i]
	}
	return nil
}

// related says whether a label may speak of a value in cell c: it stands in the
// same row, or outside the table.
func (p *page) related(c *cell, h hit) bool {
	o := p.cellAt(h.start)
	return o == nil || o.Table == c.Table && o.Row == c.Row
}

// layOut maps the cells and finds what header and neighbour say of each.
func (p *page) layOut() {
	given := p.text.Cells
	if len(given) == 0 {
		given = gridOf(p.text.Body)
	}
	p.cells = make([]cell, 0, len(given))
	type column struct{ table, col int }
	heads := map[column]int{} // index + 1 of the header cell
	for _, g := range given {
		c := cell{Cell: g, start: p.folded.Folded(g.Start), end: p.folded.Folded(g.End)}
		c.label = p.cellLabel(c.start, c.end)
		key := column{g.Table, g.Col}
		c.above = heads[key] - 1
		if c.above >= 0 {
			c.head = p.cells[c.above].label
		}
		if n := len(p.cells); n > 0 {
			if l := &p.cells[n-1]; l.Table == g.Table && l.Row == g.Row {
				switch {
				case l.label != kNone:
					c.left = l.label
				case c.head == kNone: // a table whose headers stand at the left
					c.left = l.left
				}
			}
		}
		if c.label != kNone {
			heads[key] = len(p.cells) + 1
		}
		p.cells = append(p.cells, c)
	}
}

// cellLabel is what a cell says when it is a header: short, without a number,
// and mostly a label.
func (p *page) cellLabel(start, end int) kind {
	text := strings.TrimSpace(p.s[start:end])
	if text == "" || utf8.RuneCountInString(text) > 30 || digits(text) > 3 {
		return kNone
	}
	if note := strings.IndexAny(text, "(["); note > 0 {
		if k := p.labelIn(start, start+strings.Index(p.s[start:end], text)+note); k != kNone {
			return k
		}
		if k := p.labelIn(start+strings.Index(p.s[start:end], text)+note, end); k != kNone && k != kOther {
			return k // 本人確認書類(運転免許証)
		}
		return kNone
	}
	return p.labelIn(start, end)
}

// labelIn is what the words in start..end say: the longest label, when it is most
// of them or, as in 勤務先TEL, their last.
func (p *page) labelIn(start, end int) kind {
	text := strings.TrimSpace(p.s[start:end])
	var best hit
	for i := p.endingBy(start); i < len(p.hits) && p.hits[i].end <= end; i++ {
		h := p.hits[i]
		if h.start < start || h.kind == kSample || h.kind == kTest || h.kind == kPrefecture || h.kind == kCity || h.kind == kRoman || h.kind == kNone {
			continue
		}
		last := strings.Trim(p.s[h.end:end], " :*※)]】>") == "" // 保護者電話 is a telephone
		if best.kind == kNone || last && h.kind != kOther || h.end-h.start >= best.end-best.start {
			best = h
		}
	}
	if best.kind != kNone && ((best.end-best.start)*5 >= (end-start)*2 || strings.Trim(p.s[best.end:end], " :*※)]】>") == "") {
		return best.kind
	}
	if short, ok := shortHeads[text]; ok {
		return short
	}
	if _, _, ok := genericLabel(p.s[start:end]); ok {
		return kOther
	}
	return kNone
}

// shortHeads are headers too short to be looked for in running text.
var shortHeads = map[string]kind{
	"姓": kName, "名": kName, "セイ": kName, "メイ": kName, "性": kName, "no": kOther, "No": kOther, "NO": kOther, "No.": kOther,
	"カナ": kName, "かな": kName, "番地": kAddress, "市区町村": kAddress, "市区郡": kAddress, "町名": kAddress, "町域": kAddress, "丁目": kAddress, "番地以下": kAddress, "丁目番地": kAddress, "町名番地": kAddress, "建物名": kAddress, "住所1": kAddress, "住所2": kAddress, "都道府県": kAddress,
}

func digits(s string) int {
	n := 0
	for i := range len(s) {
		if digit(s[i]) {
			n++
		}
	}
	return n
}

// Table text inside a mail: consecutive lines with the same number of columns.
const (
	minColumns = 2
	maxColumns = 200
)

// gridOf finds tables that people paste into plain text: lines that a tab, |,
// comma or semicolon divides into the same number of columns.
func gridOf(s string) []Cell {
	if !strings.ContainsAny(s, "\t|│｜,;") && !strings.Contains(s, "  ") && !strings.Contains(s, "\u3000\u3000") {
		return nil
	}
	var out []Cell
	table := 0
	var block []string
	offsets := []int{}
	sep, width := "", 0
	flush := func() {
		if len(block) >= 2 {
			table++
			for row, line := range block {
				out = appendRow(out, line, offsets[row], sep, table, row)
			}
		}
		block, offsets = nil, nil
	}
	for at := 0; at < len(s); {
		end := strings.IndexByte(s[at:], '\n')
		if end < 0 {
			end = len(s) - at
		}
		line := strings.TrimSuffix(s[at:at+end], "\r")
		by, n := divide(line)
		if by == "" || by != sep || n != width && !(len(block) > 0 && n > width && digits(block[0]) == 0) {
			flush()
			sep, width = by, n
		}
		if by != "" {
			block, offsets = append(block, line), append(offsets, at)
		}
		at += end + 1
	}
	flush()
	return out
}

// divide says which separator divides a line, and into how many columns.
func divide(line string) (string, int) {
	for _, sep := range []string{"\t", "|", "│", "｜", ",", ";"} {
		n := strings.Count(line, sep) + 1
		if n < minColumns || n > maxColumns {
			continue
		}
		if (sep == "," || sep == ";") && n < 3 && !pair(line, sep) {
			continue // a sentence with a comma
		}
		return sep, n
	}
	if !strings.Contains(line, "  ") && !strings.Contains(line, "\u3000") {
		return "", 0
	}
	if n := len(fields(line)); n >= minColumns && n <= maxColumns {
		return " ", n
	}
	return "", 0
}

// pair says that a line is two short cells rather than a clause with a comma.
func pair(line, sep string) bool {
	a, b, _ := strings.Cut(line, sep)
	return a != "" && b != "" && len(line) <= 90 && !strings.ContainsAny(line, " 　。、!?") && a[len(a)-1] != '.'
}

// fields are the columns of a line that two or more spaces divide, as ranges.
func fields(line string) [][2]int {
	var out [][2]int
	start, gap := -1, 0
	end := 0
	for i, r := range line {
		if r == ' ' || r == '\u3000' {
			gap++
			continue
		}
		if start >= 0 && gap >= 2 {
			out = append(out, [2]int{start, end})
			start = -1
		}
		if start < 0 {
			start = i
		}
		gap = 0
		_, size := utf8.DecodeRuneInString(line[i:])
		end = i + size
	}
	if start >= 0 {
		out = append(out, [2]int{start, end})
	}
	return out
}

func appendRow(out []Cell, line string, at int, sep string, table, row int) []Cell {
	col := 0
	if sep == " " {
		for _, f := range fields(line) {
			out = append(out, Cell{Start: at + f[0], End: at + f[1], Table: table, Row: row, Col: col})
			col++
		}
		return out
	}
	for {
		end := strings.Index(line, sep)
		if end < 0 {
			end = len(line)
		}
		out = append(out, Cell{Start: at, End: at + end, Table: table, Row: row, Col: col})
		if end == len(line) {
			return out
		}
		line = line[end+len(sep):]
		at += end + len(sep)
		col++
	}
}
