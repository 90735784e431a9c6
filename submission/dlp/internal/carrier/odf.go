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
			place := ""
			if name != "content.xml" {
				place = strings.TrimSuffix(name, ".xml")
			}
			o.odfPart(place, body)
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
	col    int
	cell   strings.Builder
	inCell bool
	repeat int
	value  string
	notes  int
	gone   bool // tracked deletion
}

// maxRepeat bounds number-columns-repeated, with which one cell claims a million.
const maxRepeat = 64

func (o *office) odfPart(place string, body []byte) {
	r := &odfReader{o: o, place: place, row: -1}
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
			if depth > 0 || place == "meta" {
				r.chars(x.text)
			}
			continue
		}
		if x.name == "p" || x.name == "h" || x.name == "annotation" || x.name == "title" || x.name == "desc" {
			depth += sign(x)
		}
		r.tag(x)
	}
	if r.sheet != nil {
		r.sheet.flush()
	}
	o.emitWord(place, &r.text)
	if r.notes > 0 {
		o.hidden(place, "comment")
	}
	if r.gone {
		o.hidden(place, "tracked_deletion")
	}
}

func (r *odfReader) chars(s string) {
	if r.inCell {
		r.cell.WriteString(s)
		return
	}
	r.text.b.WriteString(s)
	if r.place == "meta" {
		r.text.newline()
	}
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
	case "table-row":
		if !x.closing {
			r.row++
			r.col = 0
		}
	case "table-cell", "covered-table-cell":
		r.tableCell(x)
	case "annotation":
		if !x.closing {
			r.notes++
		}
	case "tracked-changes":
		r.gone = true
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
	r.row = -1
	r.sheet = newSheet(r.o.w, Text{Text: detect.Text{Title: r.o.f.name + " " + name}, Where: Attachment, Path: r.o.f.path, Sheet: name, Grid: true, First: true})
}

func (r *odfReader) tableCell(x *xmlScanner) {
	if !x.closing {
		r.repeat, _ = strconv.Atoi(x.attr("number-columns-repeated")) // 0 is one
		r.value = x.attr("date-value")
		if v := x.attr("value"); r.value == "" && v != "" && !strings.ContainsAny(v, ".eE") {
			r.value = v // 1.23E+11 is shown, the value is exact
		}
		r.inCell = !x.empty
		r.cell.Reset()
	}
	if !x.closing && !x.empty {
		return
	}
	shown := strings.TrimSpace(r.cell.String())
	if r.value != "" && shown != r.value && r.sheet != nil {
		shown = strings.TrimSpace(r.value)
	}
	repeat := max(1, r.repeat)
	if r.sheet != nil && shown != "" {
		for i := range min(repeat, maxRepeat) {
			r.sheet.add(r.row, r.col+i, shown)
		}
	}
	r.col += repeat
	r.inCell = false
	r.cell.Reset()
}
