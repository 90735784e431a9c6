package detect

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Tables that only their header gives away: 氏名／生年月日／電話番号 and below it
// 山田太郎／1980.1.2／090-3400-1234. What divides the header divides the rows.

// looseSigns are tried in this order; all of them also stand inside values.
var looseSigns = []string{" / ", "/", "、", " > ", "~", "・", ":", " "}

// Bounds of such a table.
const (
	looseLine = 400
	looseRows = 2000
)

// looseTables adds the cells of these tables to those that are known.
func (p *page) looseTables(cells []cell) []cell {
	table, taken := 1_000_000, 0
	var more []cell
	for h := 0; h+1 < len(p.hits); h++ {
		// two labels in one line that belongs to no other table
		a, b := p.hits[h], p.hits[h+1]
		if a.start < taken || !a.kind.heads() || !b.kind.heads() || b.start-a.end > 60 || b.start < a.end || strings.IndexByte(p.s[a.end:b.start], '\n') >= 0 {
			continue
		}
		from := max(0, a.start-looseLine)
		from += strings.LastIndexByte(p.s[from:a.start], '\n') + 1
		if inGrid(cells, from) {
			continue
		}
		taken = lineEnd(p.s, a.start)
		if line := p.s[from:taken]; len(line) > looseLine || a.kind == kOther && b.kind == kOther || digits(line) > 8 || strings.ContainsAny(line, "@!?") || strings.Contains(line, "。") {
			continue
		}
		for _, sign := range looseSigns {
			if found, end := p.looseTable(from, taken, sign, table); found != nil {
				more, taken, table = append(more, found...), end, table+1
				break
			}
		}
	}
	if len(more) == 0 {
		return cells
	}
	all := append(cells, more...)
	slices.SortStableFunc(all, func(a, b cell) int { return a.start - b.start })
	return all
}

// heads says that a label of kind k may be the name of a column.
func (k kind) heads() bool {
	return k.names() || k == kName || k == kAddress || k == kEmail
}

func inGrid(cells []cell, at int) bool {
	i, _ := slices.BinarySearchFunc(cells, at, func(c cell, at int) int {
		if c.end < at {
			return -1
		}
		return 1
	})
	return i < len(cells) && cells[i].start <= at+3
}

func lineEnd(s string, at int) int {
	if n := strings.IndexByte(s[at:], '\n'); n >= 0 {
		return at + n
	}
	return len(s)
}

// looseTable reads the table whose header is the line from..to, divided by sign; nil
// when that is none.
func (p *page) looseTable(from, to int, sign string, table int) ([]cell, int) {
	head := split(p.s, from, to, sign)
	if len(head) < 2 || len(head) > 40 {
		return nil, 0
	}
	kinds := make([]kind, len(head))
	labels := 0
	for i, g := range head {
		text := strings.TrimSpace(p.s[g.start:g.end])
		if text == "" && i > 0 || utf8.RuneCountInString(text) > 20 || digits(text) > 3 {
			return nil, 0
		}
		if kinds[i] = p.cellLabel(g.start, g.end); kinds[i] != kNone {
			labels++
		}
	}
	if labels < 2 || labels*2 < len(head) {
		return nil, 0
	}
	out := p.looseCells(head, table, 0)
	end := to
	for row := 1; row < looseRows && end < len(p.s); row++ {
		start := end + 1
		stop := lineEnd(p.s, min(start, len(p.s)))
		if stop-start > looseLine {
			break
		}
		if row == 1 && strings.Trim(p.s[min(start, stop):stop], " -=─━+|") == "" && stop < len(p.s) {
			end = stop // a rule or an empty line below the header
			continue
		}
		got := aligned(p.s, split(p.s, start, stop, sign), kinds, sign)
		if got == nil || !plausibleRow(p.s, got, kinds) {
			break
		}
		out, end = append(out, p.looseCells(got, table, row)...), stop
	}
	if len(out) == len(head) {
		return nil, 0
	}
	return out, end
}

func (p *page) looseCells(row []group, table, n int) []cell {
	out := make([]cell, 0, len(row))
	for i, g := range row {
		c := cell{start: g.start, end: g.end, above: -1}
		c.Table, c.Row, c.Col = table, n, i
		c.Start, c.End = p.folded.Origin(g.start, g.end)
		c.label = p.cellLabel(g.start, g.end)
		out = append(out, c)
	}
	return out
}

// split divides from..to at every sign; spaces at its ends are left out.
func split(s string, from, to int, sign string) []group {
	for from < to && s[from] == ' ' {
		from++
	}
	for to > from && s[to-1] == ' ' {
		to--
	}
	if from >= to {
		return nil
	}
	var out []group
	for {
		n := strings.Index(s[from:to], sign)
		if n < 0 {
			return append(out, group{from, to})
		}
		out = append(out, group{from, from + n})
		from += n + len(sign)
	}
}

// aligned joins parts that the sign divided inside a value, so that there are as many
// as columns: a name with a space, a date with slashes. Nil where that is impossible.
func aligned(s string, parts []group, kinds []kind, sign string) []group {
	spare := len(parts) - len(kinds)
	if spare == 0 {
		return parts
	}
	if spare < 0 || spare > 12 {
		return nil
	}
	out := make([]group, 0, len(kinds))
	at := 0
	for _, k := range kinds {
		if at >= len(parts) {
			return nil
		}
		g := parts[at]
		n := 0
		for n < spare && joinsOn(s, g, parts[at+n+1], k, sign) {
			n++
			g.end = parts[at+n].end
		}
		spare -= n
		out = append(out, g)
		at += n + 1
	}
	if spare != 0 {
		return nil
	}
	return out
}

// plausibleRow says that the parts may be what their columns are called. A row that was
// divided wrongly is better not taken for one.
func plausibleRow(s string, row []group, kinds []kind) bool {
	for i, k := range kinds {
		text := strings.TrimSpace(s[row[i].start:row[i].end])
		n := digits(text)
		switch {
		case text == "" || text == "-" || k == kNone || k == kOther || k.supports():
		case k == kName || k == kPerson:
			if n > 0 {
				return false
			}
		case k == kEmail:
			if !strings.Contains(text, "@") {
				return false
			}
		case k.specific() && k != kSecretWord:
			if n == 0 && kanjiRun(text) == 0 && eraName(text) == 0 {
				return false
			}
		}
	}
	return true
}

// joinsOn says that the part next belongs to the value g of a column of kind k.
func joinsOn(s string, g, next group, k kind, sign string) bool {
	have, more := s[g.start:g.end], s[next.start:next.end]
	switch k {
	case kName, kPerson, kNone:
		if sign != " " || latinWords(have) && latinWords(more) {
			return sign == " "
		}
		return k != kNone && !strings.Contains(have, " ") && nameWord(have) && nameWord(more)
	case kBirth:
		_, n := dayAt(have, false)
		return n == 0 && len(have) < 40 && digits(more) > 0
	case kAddress:
		return sign == " " && len(have) < 90 && !strings.Contains(more, "@")
	}
	return k.specific() && figures(have) && figures(more) && digits(have) < 16
}

// figures says that s is a part of a number or code: digits, capitals, dashes.
func figures(s string) bool {
	for i := range len(s) {
		if !digit(s[i]) && !upper(s[i]) && strings.IndexByte(" -().+/", s[i]) < 0 {
			return false
		}
	}
	return s != ""
}

// latinWords says that s is words in Latin letters, as foreign names are.
func latinWords(s string) bool {
	for i := range len(s) {
		if !letter(s[i]) && s[i] != ' ' && s[i] != '.' && s[i] != '\'' && s[i] != '-' {
			return false
		}
	}
	return s != "" && upper(s[0])
}

// nameWord says that a word may be a surname or given name.
func nameWord(s string) bool {
	n := 0
	for _, r := range s {
		if !nameRune(r) {
			return false
		}
		n++
	}
	return n > 0 && n <= 5
}
