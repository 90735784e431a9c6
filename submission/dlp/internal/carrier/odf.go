package carrier

import (
	"strconv"
	"strings"

	"github.com/sekisho-mail/sekisho/submission/dlp/internal/detect"
)

// openDocument reads text documents, spreadsheets and presentations of ODF.
func (w *Walk) openDocument(f file) error {
	o, err := w.openOffice(f)
	if err != nil {
		return err
	}
	if strings.Contains(string(o.part("META-INF/manifest.xml")), "encryption-data") {
		return ErrEncrypted
	}
	for _, name := range []string{"content.xml", "styles.xml", "meta.xml"} {
		if body := o.part(name); body != nil {
			place := strings.TrimPrefix(propertyPlace(name), "content.xml")
			o.odfPart(place, body)
			o.about(name, body)
		}
	}
	return o.rest()
}

// odfReader follows paragraphs and tables.
type odfReader struct {
	o      *office
	place  string
	text   wordText
	sheet  *sheet
	row    int
	next   int // row after this one
	col    int
	cell   strings.Builder
	inCell bool
	repeat int
	value  string
	kept   string // the text a cell holds, whatever it shows
	look   odfLook
	aside  strings.Builder // values that are not shown, links, alt texts
	found  []veil          // place and way
}

// odfLook is what the automatic styles say is not to be seen.
type odfLook struct {
	style   string            // being read
	ways    map[string]string // style -> way
	table   string            // way of the current table
	row     bool              // the current row is not shown
	columns [][2]int
	column  int
	spans   []string // way of each open paragraph and span
	inside  map[string]int
	gone    int  // inside tracked changes
	noted   int  // inside annotations and notes
	spoken  int  // inside the notes of a speaker
	veiled  int  // inside sections that are not shown
	slide   bool // the current slide is not shown
}

// coloured marks a style with a ground on which white letters are seen.
const coloured = "coloured"

// maxRepeat bounds number-columns-repeated, with which one cell claims a million.
const maxRepeat = 64

func (o *office) odfPart(place string, body []byte) {
	r := &odfReader{o: o, place: place, row: -1, look: odfLook{ways: map[string]string{}, inside: map[string]int{}}}
	x := newXML(body)
	depth := 0 // inside something that holds text
	for n := 0; ; n++ {
		if n%4096 == 0 && o.w.over() != nil {
			o.err = errTime
			break
		}
		tok := x.next()
		if tok == xmlEnd {
			break
		}
		if tok == xmlChars {
			if depth > 0 || place == "properties" {
				r.chars(x.text)
			}
			continue
		}
		if x.name == "p" || x.name == "h" || x.name == "annotation" || x.name == "title" || x.name == "desc" {
			depth += sign(x)
		}
		r.style(x)
		r.tag(x)
		if speaking(x.name) {
			x.says(&r.aside, false)
		}
	}
	if r.sheet != nil {
		r.sheet.flush()
	}
	o.emitWord(place, &r.text)
	o.text(place, r.aside.String())
	for _, v := range r.found {
		o.hidden(v.cell, v.how)
	}
}

// note keeps the first place of each way to hide something, of a spreadsheet the
// first of each sheet.
func (r *odfReader) note(how string) {
	at := r.place
	if r.sheet != nil {
		at = r.sheet.t.Sheet
		if how != hiddenSheet {
			at += "!" + CellName(max(r.row, 0), r.col)
		}
	}
	sheet, _, _ := strings.Cut(at, "!")
	for _, v := range r.found {
		if have, _, _ := strings.Cut(v.cell, "!"); v.how == how && have == sheet {
			return
		}
	}
	r.found = append(r.found, veil{how, at})
}

func (r *odfReader) chars(s string) {
	if strings.TrimSpace(s) != "" && (r.look.spoken == 0 || notes(s)) {
		r.seen()
	}
	if r.inCell {
		r.cell.WriteString(s)
		return
	}
	r.text.b.WriteString(s)
	if r.place == "properties" {
		r.text.newline()
	}
}

// seen notes why a text is not.
func (r *odfReader) seen() {
	l := &r.look
	switch {
	case l.gone > 0:
		r.note(trackedDeletion)
	case l.noted > 0:
		r.note(aComment)
	case l.spoken > 0:
		r.note(speakerNotes)
	case l.slide:
		r.note(hiddenSlide)
	case l.veiled > 0:
		r.note(hiddenText)
	default:
		for _, way := range []string{hiddenText, tinyText, whiteText} {
			if l.inside[way] > 0 && (way != whiteText || l.inside[coloured] == 0) {
				r.note(way)
			}
		}
	}
}

// style reads the styles, and which of them the text takes.
func (r *odfReader) style(x *xmlScanner) {
	l := &r.look
	switch x.name {
	case "style":
		l.style = ""
		if !x.closing {
			l.style = x.attr("name")
		}
	case "text-properties":
		size, err := strconv.ParseFloat(strings.TrimSuffix(x.attr("font-size"), "pt"), 64)
		switch {
		case x.attr("display") == "none":
			l.ways[l.style] = hiddenText
		case err == nil && size < tinyPoints:
			l.ways[l.style] = tinyText
		case white(x.attr("color")) && r.paper(x.attr("background-color")) && l.ways[l.style] == "":
			l.ways[l.style] = whiteText
		}
	case "table-cell-properties", "paragraph-properties", "graphic-properties":
		if !r.paper(x.attr("background-color")) {
			l.ways[l.style] = coloured
		}
	case "table-properties":
		if x.attr("display") == "false" {
			l.ways[l.style] = hiddenSheet
		}
	case "drawing-page-properties":
		if x.attr("visibility") == "hidden" {
			l.ways[l.style] = hiddenSlide
		}
	case "page":
		l.slide = !x.closing && l.ways[x.attr("style-name")] == hiddenSlide
	case "notes":
		l.spoken += sign(x)
	case "section":
		r.section(x)
	case "hidden-text", "hidden-paragraph", "variable-set", "user-field-decl":
		if v := x.attr("string-value"); v != "" {
			r.aside.WriteString(v + "\n")
			r.note(hiddenText)
		}
	case "p", "h", "span":
		r.span(x)
	case "tracked-changes":
		l.gone += sign(x)
	case "annotation":
		l.noted += sign(x)
	}
}

// section follows sections that are not shown, and those inside them.
func (r *odfReader) section(x *xmlScanner) {
	l := &r.look
	if display := x.attr("display"); l.veiled > 0 || display == "none" || display == "condition" {
		l.veiled += sign(x)
	}
}

func (r *odfReader) paper(color string) bool {
	return color == "" || color == "transparent" || white(color)
}

func (r *odfReader) span(x *xmlScanner) {
	l := &r.look
	switch {
	case x.empty:
	case x.closing:
		if n := len(l.spans); n > 0 {
			l.inside[l.spans[n-1]]--
			l.spans = l.spans[:n-1]
		}
	default:
		l.push(r.way(x))
	}
}

func (l *odfLook) push(way string) {
	l.spans = append(l.spans, way)
	l.inside[way]++
}

func (l *odfLook) clear() {
	l.spans = l.spans[:0]
	clear(l.inside)
}

func (r *odfReader) tag(x *xmlScanner) {
	switch x.name {
	case "p", "h":
		if x.closing {
			r.chars("\n")
		}
	case "s", "tab":
		r.chars(" ")
	case "line-break":
		r.chars("\n")
	case "table":
		r.table(x)
	case "table-column":
		if !x.closing {
			n := max(1, int(min(x.number("number-columns-repeated"), 1<<14)))
			if v := x.attr("visibility"); v == "collapse" || v == "filter" {
				r.look.columns = append(r.look.columns, [2]int{r.look.column, r.look.column + n - 1})
			}
			r.look.column += n
		}
	case "table-row":
		if !x.closing {
			r.row, r.col = r.next, 0
			r.next = min(r.next+max(1, int(min(x.number("number-rows-repeated"), maxRows))), maxRows)
			v := x.attr("visibility")
			r.look.row = v == "collapse" || v == "filter"
		}
	case "table-cell", "covered-table-cell":
		r.tableCell(x)
	}
}

func (r *odfReader) table(x *xmlScanner) {
	if r.sheet != nil {
		r.sheet.flush()
		r.sheet = nil
	}
	if x.closing || x.empty {
		return
	}
	name := x.attr("name")
	r.row, r.next = -1, 0
	r.look.table, r.look.columns, r.look.column = r.look.ways[x.attr("style-name")], nil, 0
	r.sheet = newSheet(r.o.w, Text{Text: detect.Text{Title: r.o.f.name + " " + name}, Where: Attachment, Path: r.o.f.path, Sheet: name, Grid: true, First: true})
}

func (r *odfReader) tableCell(x *xmlScanner) {
	if !x.closing {
		r.repeat, _ = strconv.Atoi(x.attr("number-columns-repeated")) // 0 is one
		r.kept = x.attr("string-value")
		r.value = x.attr("date-value")
		if v := x.attr("value"); r.value == "" && v != "" && !strings.ContainsAny(v, ".eE") {
			r.value = v // 1.23E+11 is shown, the value is exact
		}
		r.inCell = !x.empty
		r.cell.Reset()
		r.look.clear()
		r.look.push(r.way(x))
	}
	if !x.closing && !x.empty {
		return
	}
	shown := strings.TrimSpace(r.cell.String())
	if r.value != "" && shown != r.value && r.sheet != nil {
		shown = strings.TrimSpace(r.value)
	}
	if r.kept != "" && r.kept != shown {
		r.aside.WriteString(r.kept + "\n")
	}
	repeat := max(1, r.repeat)
	if r.sheet != nil && shown != "" {
		r.unseen()
		for i := range min(repeat, maxRepeat) {
			r.sheet.add(r.row, r.col+i, shown)
		}
	}
	r.col += repeat
	r.inCell = false
	r.cell.Reset()
	r.look.clear()
}

// way is how the style of a text or cell hides what is in it.
func (r *odfReader) way(x *xmlScanner) string {
	if way := r.look.ways[x.attr("style-name")]; way != hiddenSheet && way != hiddenSlide {
		return way
	}
	return ""
}

// unseen notes a cell with a value whose row, column or sheet is not shown.
func (r *odfReader) unseen() {
	if r.look.table == hiddenSheet {
		r.note(hiddenSheet)
	}
	if r.look.row {
		r.note(hiddenRow)
	}
	for _, span := range r.look.columns {
		if r.col >= span[0] && r.col <= span[1] {
			r.note(hiddenColumn)
		}
	}
}
