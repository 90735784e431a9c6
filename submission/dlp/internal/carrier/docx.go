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
	vanished := vanishedStyles(o.peek("word/styles.xml"))
	for _, name := range o.order {
		if !strings.HasPrefix(name, "word/") || !strings.HasSuffix(name, ".xml") || skipped(name) || strings.Contains(name, "/_rels/") {
			continue
		}
		place := strings.TrimSuffix(strings.TrimPrefix(name, "word/"), ".xml")
		if place == "document" {
			place = ""
		}
		o.wordPart(place, o.xml(name), vanished)
	}
	return o.rest()
}

// wordText builds text with its tables from WordprocessingML or DrawingML.
type wordText struct {
	b      strings.Builder
	cells  []detect.Cell
	tables int
	stack  []wordTable
}

type wordTable struct{ id, row, col, start int }

// newline ends a paragraph; inside a cell it is a space, so that a cell is one
// line.
func (t *wordText) newline() {
	if t.b.Len() > 0 {
		t.b.WriteByte('\n')
	}
}

// full says that a piece of text may be handed on: it ends with a paragraph
// outside of all tables.
func (t *wordText) full(limit int) bool {
	return t.b.Len() > limit && len(t.stack) == 0 && strings.HasSuffix(t.b.String(), "\n")
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
