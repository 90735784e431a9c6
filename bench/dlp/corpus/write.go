package corpus

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/sekisho-mail/sekisho/submission/dlp"
)

// run is a piece of text; label is the index of its label, or -1.
type run struct {
	text  string
	label int
}

// block is a Block whose texts still know their labels.
type block struct {
	lines [][]run   // of text
	cells [][][]run // rows of a table
	pairs bool      // rows of a label and a value
}

// writer fills one template.
type writer struct {
	set    *Set
	r      *rand.Rand
	kinds  map[string]kind
	forms  map[string]form
	named  map[string]written
	labels []Label
	index  map[string]int // by detector and value
	blocks []block
	quoted bool
	loose  bool   // inside a signature: every label is optional
	cell   bool   // inside a table or a pair
	scope  string // of names in a repeated line
}

func (s *Set) write(t template, seed uint64, i int) (*Document, error) {
	w := &writer{set: s, r: chance(seed, s.Name+"/"+t.family, i), kinds: kinds(), forms: map[string]form{}, named: map[string]written{}, index: map[string]int{}}
	for _, line := range t.lines {
		w.line(line)
	}
	d := &Document{ID: fmt.Sprintf("%s/%s/%d", s.Name, t.family, i), Family: t.family}
	for _, p := range w.fill(w.chosen(t.subject)) {
		d.Subject += p.text
	}
	w.render(d)
	if strings.Contains(d.Text, "{{") || strings.Contains(d.Text, "?}}") || strings.Contains(d.Text, "[[") {
		return nil, fmt.Errorf("a hole was left open in %q", d.Text)
	}
	return d, nil
}

// line adds one line of the template.
func (w *writer) line(line string) {
	if least, most, rest, ok := rangeOf(line); ok {
		for i := range least + w.r.IntN(most-least+1) {
			w.scope = fmt.Sprintf("#%d", i)
			w.line(rest)
		}
		w.scope = ""
		return
	}
	switch {
	case line == "%quote" || line == "%end":
		w.quoted = line == "%quote"
	case line == "%sig":
		w.signature()
	case strings.HasPrefix(line, "| "):
		w.cell = true
		var row [][]run
		for cell := range strings.SplitSeq(w.chosen(line[2:]), " | ") {
			row = append(row, w.fill(strings.TrimSpace(cell)))
		}
		w.cell = false
		w.add(row, false)
	case strings.HasPrefix(line, ": "):
		w.cell = true
		k, v, _ := strings.Cut(w.chosen(line[2:]), " = ")
		w.add([][]run{w.fill(k), w.fill(v)}, true)
		w.cell = false
	default:
		runs := w.fill(w.chosen(line))
		if w.quoted {
			runs = append([]run{{"> ", -1}}, runs...)
		}
		if n := len(w.blocks); n == 0 || w.blocks[n-1].lines == nil {
			w.blocks = append(w.blocks, block{})
		}
		b := &w.blocks[len(w.blocks)-1]
		b.lines = append(b.lines, runs)
	}
}

// add puts a row into the current table, or begins one.
func (w *writer) add(row [][]run, pairs bool) {
	if n := len(w.blocks); n == 0 || w.blocks[n-1].cells == nil || w.blocks[n-1].pairs != pairs {
		w.blocks = append(w.blocks, block{pairs: pairs})
	}
	b := &w.blocks[len(w.blocks)-1]
	b.cells = append(b.cells, row)
}

// signature writes one of the set's signatures; its labels are optional.
func (w *writer) signature() {
	if len(w.set.signatures) == 0 {
		return
	}
	t := w.set.signatures[w.r.IntN(len(w.set.signatures))]
	w.loose = true
	for _, line := range t.lines {
		w.line(line)
	}
	w.loose = false
}

// chosen takes one of each [[this|or that]].
func (w *writer) chosen(line string) string {
	for {
		before, rest, ok := strings.Cut(line, "[[")
		if !ok {
			return line
		}
		inner, after, _ := strings.Cut(rest, "]]")
		of := strings.Split(inner, "|")
		line = before + of[w.r.IntN(len(of))] + after
	}
}

// fill replaces the slots of a line.
func (w *writer) fill(line string) []run {
	var runs []run
	for {
		before, rest, ok := strings.Cut(line, "{{")
		if before != "" {
			runs = append(runs, run{before, -1})
		}
		if !ok {
			return runs
		}
		inner, after, _ := strings.Cut(rest, "}}")
		runs = append(runs, w.slot(parseSlot(inner)))
		line = after
	}
}

func (w *writer) slot(p slot) run {
	if p.kind == "phone" {
		p.kind = []string{"landline", "mobile", "mobile", "landline", "ipphone"}[w.r.IntN(5)]
	}
	k, labelled := w.kinds[p.kind]
	if !labelled {
		return run{w.filler(p), -1}
	}
	v, known := w.named[w.scope+p.name]
	if p.name == "" || !known {
		v = k.make(w.set, w.r)
		if p.grade == '!' {
			v = w.spoiled(k, v)
		}
		w.named[w.scope+p.name] = v
	}
	f := w.form(p, k)
	text := f.show(v)
	if p.kind == "kana" {
		text, v.canon = v.parts["kana"], v.parts["kana"]
	}
	if p.grade == '!' || p.grade == '-' {
		return run{text, -1}
	}
	return run{text, w.label(k, p.grade, v, f)}
}

// spoiled makes a near miss of a value.
func (w *writer) spoiled(k kind, v written) written {
	if k.miss == nil {
		return v
	}
	d := k.miss(w.r, v.canon)
	sizes := make([]int, len(v.groups))
	for i, g := range v.groups {
		sizes[i] = len(g)
	}
	return grouped(d, sizes...)
}

// form is the one a kind has in this document: people write a list one way.
func (w *writer) form(p slot, k kind) form {
	forms := k.forms
	if forms == "" {
		forms = p.kind
	}
	key := fmt.Sprint(forms, w.cell)
	f, ok := w.forms[key]
	if !ok || p.form != "" {
		f = w.set.choose(w.r, forms, p.form, w.cell)
	}
	if p.form == "" {
		w.forms[key] = f
	}
	f.name = forms + ":" + f.name
	return f
}

// label finds or makes the label of a value.
func (w *writer) label(k kind, grade byte, v written, f form) int {
	l := Label{Detector: k.detector, Value: v.canon, Level: k.level, Form: f.name}
	l.Optional = grade == '~' || grade != '+' && (w.loose || k.optional || w.quoted && Contact(k.detector))
	if grade == '_' {
		l.Level, l.Bare = dlp.Low, true
	}
	key := l.Detector + "\x00" + l.Value
	i, ok := w.index[key]
	if !ok {
		i = len(w.labels)
		w.index[key] = i
		w.labels = append(w.labels, l)
		return i
	}
	had := &w.labels[i]
	had.Optional = had.Optional && l.Optional
	had.Bare = had.Bare && l.Bare
	had.Level = max(had.Level, l.Level)
	return i
}

// Contact: what a signature holds, or a reply quotes of whom it answers, need
// not count towards a list of people.
func Contact(detector string) bool {
	switch detector {
	case "jp.phone", "jp.postal_address", "jp.person_name", "email_address", "date_of_birth":
		return true
	}
	return false
}
