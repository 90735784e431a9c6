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
	example    bool // the column is one of examples
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
	// Each look for itself: ContainsAny is slow as soon as one of its letters is not ASCII.
	if !strings.ContainsAny(s, "\t|,;") && !strings.Contains(s, "│") && !strings.Contains(s, "｜") && !strings.Contains(s, "  ") && !strings.Contains(s, "\u3000\u3000") {
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
		if len(block) > 0 && ruler(line) {
			at += end + 1
			continue // between the rows of one table
		}
		by, n := divide(line)
		if len(block) > 0 && by != sep && len(sep) == 1 && strings.Count(line, sep)+1 == width && sep != " " && sep != quoteMark {
			by, n = sep, width // a;1,234,567
		}
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

// ruler says that a line only sets rows apart: +-----+-----+, |---|---|.
func ruler(line string) bool {
	if len(line) < 3 || line[0] < utf8.RuneSelf && !strings.Contains("-=+|: ", line[:1]) {
		return false // most lines end here
	}
	return strings.ContainsAny(line, "-=─━") && strings.Trim(line, "-=+|:─━┼├┤┌┐└┘┬┴┝┥┿ ") == ""
}

// divide says which separator divides a line, and into how many columns.
func divide(line string) (string, int) {
	if n := enclosed(line); n >= minColumns && n <= maxColumns {
		return quoteMark, n
	}
	for _, sep := range []string{"\t", "|", "│", "｜", ",", ";"} {
		n := strings.Count(line, sep) + 1
		if n < minColumns || n > maxColumns {
			continue
		}
		if (sep == "," || sep == ";") && n < 3 && !pair(line, sep) {
			continue // a sentence with a comma
		}
		if sep == "," && thousands(line) && len(fields(line)) >= minColumns {
			continue // columns of amounts
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

// thousands says that every comma of a line stands in an amount: 1,234,567.
func thousands(line string) bool {
	for i := range len(line) {
		if line[i] != ',' {
			continue
		}
		if i == 0 || !digit(line[i-1]) || i+4 > len(line) || digits(line[i+1:i+4]) < 3 || i+4 < len(line) && digit(line[i+4]) {
			return false
		}
	}
	return true
}

// quoteMark as separator stands for "a","b, c": cells in quotation marks.
const quoteMark = "\""

// enclosed is the number of cells of a line whose first and last one, at least,
// stand in quotation marks as programs write them; 0 for any other line.
func enclosed(line string) int {
	if len(line) < 5 || line[0] != '"' || line[len(line)-1] != '"' || !strings.Contains(line, "\",") && !strings.Contains(line, "\";") && !strings.Contains(line, "\"\t") {
		return 0
	}
	n := 0
	eachEnclosed(line, func(int, int) { n++ })
	return n
}

// eachEnclosed calls cell with the range of every cell, its marks left out.
func eachEnclosed(line string, cell func(start, end int)) {
	for at := 0; at <= len(line); {
		if at < len(line) && line[at] == '"' {
			end := at + 1
			for end < len(line) && (line[end] != '"' || end+1 < len(line) && line[end+1] == '"') {
				if line[end] == '"' {
					end++
				}
				end++
			}
			end = min(end, len(line))
			cell(at+1, end)
			at = end + 2
			continue
		}
		end := strings.IndexAny(line[at:], ",;\t")
		if end < 0 {
			end = len(line) - at
		}
		cell(at, at+end)
		at += end + 1
	}
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
	if sep == quoteMark {
		eachEnclosed(line, func(start, end int) {
			out = append(out, Cell{Start: at + start, End: at + end, Table: table, Row: row, Col: col})
			col++
		})
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
