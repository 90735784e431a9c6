package carrier

import (
	"strings"

	"github.com/sekisho-mail/sekisho/submission/dlp/internal/detect"
)

// docx reads a Word document: body, headers and footers, notes, comments, text
// boxes, and what is deleted or hidden but still in the file.
func (w *Walk) docx(f file) error {
	o, err := w.openOffice(f)
	if err != nil {
		return err
	}
	for _, name := range o.order {
		if !strings.HasPrefix(name, "word/") || !strings.HasSuffix(name, ".xml") || skipped(name) || strings.Contains(name, "/_rels/") {
			continue
		}
		place := strings.TrimSuffix(strings.TrimPrefix(name, "word/"), ".xml")
		if place == "document" {
			place = ""
		}
		o.wordPart(place, o.part(name))
	}
	return o.rest()
}

// wordText builds text with its tables from WordprocessingML or DrawingML.
type wordText struct {
	b       strings.Builder
	cells   []detect.Cell
	tables  int
	stack   []wordTable
	deleted int
	hidden  int
}

type wordTable struct{ id, row, col, start int }

// newline ends a paragraph; inside a cell it is a space, so that a cell is one
// line.
func (t *wordText) newline() {
	if t.b.Len() > 0 {
		t.b.WriteByte('\n')
	}
}

func (t *wordText) openTable() {
	t.tables++
	t.stack = append(t.stack, wordTable{id: t.tables, row: -1})
}

func (t *wordText) openRow() {
	if n := len(t.stack); n > 0 {
		t.stack[n-1].row++
		t.stack[n-1].col = 0
	}
}

func (t *wordText) openCell() {
	if n := len(t.stack); n > 0 {
		t.stack[n-1].start = t.b.Len()
	}
}

// closeCell notes innermost cells only: a table in a cell has its own.
func (t *wordText) closeCell() {
	n := len(t.stack)
	if n == 0 {
		return
	}
	c := &t.stack[n-1]
	last := 0
	if k := len(t.cells); k > 0 {
		last = t.cells[k-1].End
	}
	if t.b.Len() > c.start && c.start >= last {
		t.cells = append(t.cells, detect.Cell{Start: c.start, End: t.b.Len(), Table: c.id, Row: c.row, Col: c.col})
	}
	c.col++
	t.b.WriteByte('\t')
}

func (t *wordText) closeTable() {
	if n := len(t.stack); n > 0 {
		t.stack = t.stack[:n-1]
	}
	t.newline()
}

// wordPart reads one part of a document.
func (o *office) wordPart(place string, body []byte) {
	x := newXML(body)
	t := &wordText{}
	vanish, inText, inDeleted := false, false, false
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
			if inText {
				t.b.WriteString(x.text)
				if vanish && strings.TrimSpace(x.text) != "" {
					t.hidden++
				}
				if inDeleted {
					t.deleted++
				}
			}
			continue
		}
		switch x.name {
		case "t", "delText", "instrText", "delInstrText":
			inText, inDeleted = !x.closing && !x.empty, x.name == "delText"
		case "r":
			vanish = false
		case "vanish", "webHidden":
			vanish = vanish || x.name == "vanish" && x.attr("val") != "0" && x.attr("val") != "false"
		default:
			t.structure(x)
		}
	}
	o.emitWord(place, t)
}

// structure turns paragraphs, breaks and tables into white space and cells.
func (t *wordText) structure(x *xmlScanner) {
	switch x.name {
	case "p":
		if x.closing {
			t.newline()
		}
	case "tab":
		if !x.closing {
			t.b.WriteByte('\t')
		}
	case "br", "cr":
		if !x.closing {
			t.newline()
		}
	case "noBreakHyphen":
		t.b.WriteByte('-')
	case "tbl":
		if x.closing {
			t.closeTable()
		} else if !x.empty {
			t.openTable()
		}
	case "tr":
		if x.closing {
			t.newline()
		} else {
			t.openRow()
		}
	case "tc":
		if x.closing {
			t.closeCell()
		} else {
			t.openCell()
		}
	}
}

func (o *office) emitWord(place string, t *wordText) {
	p := o.f.path
	if place != "" {
		p += "#" + place
	}
	o.w.text(Text{Text: detect.Text{Body: t.b.String(), Cells: t.cells, Title: o.f.name}, Where: Attachment, Path: p, First: true})
	if t.deleted > 0 {
		o.hidden(place, "tracked_deletion")
	}
	if t.hidden > 0 {
		o.hidden(place, "hidden_text")
	}
	if strings.HasPrefix(place, "comments") && strings.TrimSpace(t.b.String()) != "" {
		o.hidden(place, "comment")
	}
}
