package corpus

import (
	"strings"
)

// text collects the document as a mail shows it, and where its labels stand.
type text struct {
	b      strings.Builder
	labels []Label
}

func (t *text) put(runs ...run) {
	for _, p := range runs {
		start := t.b.Len()
		t.b.WriteString(p.text)
		if p.label >= 0 {
			l := &t.labels[p.label]
			l.Spans = append(l.Spans, Span{start, t.b.Len()})
		}
	}
}

func (t *text) say(s string) { t.put(run{s, -1}) }

// render writes the blocks in the styles of the set.
func (w *writer) render(d *Document) {
	t := &text{labels: w.labels}
	pair := w.set.choose(w.r, "pair", "", false)
	table := w.set.choose(w.r, "table", "", false)
	for _, b := range w.blocks {
		switch {
		case b.pairs:
			for _, row := range b.cells {
				t.pair(pair.pattern, row[0], row[1])
			}
		case b.cells != nil:
			t.table(b.cells, table, pair.pattern)
		default:
			for _, line := range b.lines {
				t.put(line...)
				t.say("\n")
			}
		}
		d.Blocks = append(d.Blocks, b.plain())
	}
	d.Text = t.b.String()
	d.Labels = t.labels
}

// pair writes a label and its value in a pattern of {k} and {v}.
func (t *text) pair(pattern string, k, v []run) {
	before, rest, _ := strings.Cut(pattern, "{k}")
	between, after, _ := strings.Cut(rest, "{v}")
	t.say(before)
	t.put(k...)
	t.say(between)
	t.put(v...)
	t.say(after + "\n")
}

// table writes rows; how is aligned, boxed, ruled, markdown, enclosed, records or nothing.
func (t *text) table(rows [][][]run, style form, pair string) {
	if style.how == "records" {
		for _, row := range rows[1:] {
			for i, cell := range row {
				if i < len(rows[0]) {
					t.pair(pair, rows[0][i], cell)
				}
			}
			t.say(style.pattern + "\n")
		}
		return
	}
	wide := widths(rows)
	for n, row := range rows {
		if style.how == "ruled" || style.how == "markdown" && n == 1 {
			t.rule(wide, style.how)
		}
		switch style.how {
		case "boxed", "ruled", "markdown":
			t.say(strings.TrimSpace(style.pattern) + " ")
		case "enclosed":
			t.say(`"`)
		}
		for i, cell := range row {
			if i > 0 {
				t.say(style.pattern)
			}
			t.put(cell...)
			if style.how == "aligned" && i < len(row)-1 {
				t.say(strings.Repeat(" ", max(0, wide[i]-width(cell))))
			}
		}
		switch style.how {
		case "boxed", "ruled", "markdown":
			t.say(" " + strings.TrimSpace(style.pattern))
		case "enclosed":
			t.say(`"`)
		}
		t.say("\n")
	}
}

// rule draws the line between two rows: |---|---| or +---+---+.
func (t *text) rule(wide []int, how string) {
	cross := "+"
	if how == "markdown" {
		cross = "|"
	}
	for _, n := range wide {
		t.say(cross + strings.Repeat("-", n+2))
	}
	t.say(cross + "\n")
}

// width counts columns of a terminal, roughly: what is not ASCII takes two.
func width(cell []run) int {
	n := 0
	for _, p := range cell {
		for _, r := range p.text {
			n++
			if r > 0x2000 {
				n++
			}
		}
	}
	return n
}

func widths(rows [][][]run) []int {
	var out []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(out) {
				out = append(out, 0)
			}
			out[i] = max(out[i], width(cell))
		}
	}
	return out
}

func plainRuns(runs []run) string {
	var b strings.Builder
	for _, p := range runs {
		b.WriteString(p.text)
	}
	return b.String()
}

func (b block) plain() Block {
	var out Block
	for _, line := range b.lines {
		out.Lines = append(out.Lines, plainRuns(line))
	}
	for _, row := range b.cells {
		var cells []string
		for _, c := range row {
			cells = append(cells, plainRuns(c))
		}
		out.Table = append(out.Table, cells)
	}
	return out
}
