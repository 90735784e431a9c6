package carrier

import (
	"strings"
	"unicode/utf8"

	"github.com/sekisho-mail/sekisho/submission/dlp/internal/detect"
)

// Bounds of one table.
const (
	maxRows    = 1_048_576 // what a spreadsheet holds
	headRows   = 6         // rows repeated at the head of every piece
	maxCell    = 64 << 10  // bytes of one cell that stay with the others of its table
	bigCell    = 4 << 10   // bytes from which a cell counts as expanded
	pieceBytes = 512 << 10
)

// sheet collects cells into texts. A long table is searched in pieces; each
// begins with the first rows again, because the headers stand there.
type sheet struct {
	w     *Walk
	t     Text
	b     strings.Builder
	cells []detect.Cell
	head  []headCell
	last  int // row
	table int
	err   error // no room for more
}

type headCell struct {
	row, col int
	value    string
}

func newSheet(w *Walk, t Text) *sheet {
	t.Body, t.Cells = "", nil
	return &sheet{w: w, t: t, last: -1}
}

// add takes cells in order of rows.
func (s *sheet) add(row, col int, value string) {
	value = strings.TrimSpace(value)
	if value == "" || s.err != nil {
		return
	}
	if len(value) > bigCell && s.charge(len(value)) != nil {
		return
	}
	if len(value) > maxCell {
		end := cutPoint(value, maxCell)
		s.w.text(Text{Text: detect.Text{Body: value[end:]}, Where: s.t.Where, Path: s.t.Path, First: s.t.First})
		value = value[:end]
	}
	if row != s.last && s.b.Len() > pieceBytes {
		room := len(s.cells) + len(s.cells)/8
		s.flush()
		s.b.Grow(pieceBytes + pieceBytes/8) // the next will be like this one
		s.cells = make([]detect.Cell, 0, room)
		for _, h := range s.head {
			s.put(h.row, h.col, h.value)
		}
	}
	if row < headRows && utf8.RuneCountInString(value) <= 40 {
		s.head = append(s.head, headCell{row, col, value})
	}
	s.put(row, col, value)
}

// charge counts the cells that are large: a million of them may show one string
// of a megabyte, which the file holds once.
func (s *sheet) charge(n int) error {
	s.w.expanded += int64(n)
	if s.w.expanded > s.w.limits.Expanded {
		s.err = ErrLarge
	} else {
		s.err = s.w.over()
	}
	if s.err != nil {
		s.w.out.Failed(s.t.Path, reasonOf(s.err))
	}
	return s.err
}

func (s *sheet) put(row, col int, value string) {
	switch {
	case s.b.Len() == 0:
	case row != s.last:
		s.b.WriteByte('\n')
	default:
		s.b.WriteByte('\t')
	}
	start := s.b.Len()
	s.b.WriteString(value)
	s.cells = append(s.cells, detect.Cell{Start: start, End: s.b.Len(), Table: s.table, Row: row, Col: col})
	s.last = row
}

// flush hands on what was collected.
func (s *sheet) flush() {
	if s.b.Len() > 0 {
		t := s.t
		t.Body, t.Cells = s.b.String(), s.cells
		s.w.text(t)
	}
	s.b = strings.Builder{}
	s.cells = nil
	s.last = -1
}

// CellName is the address people know: B7 for row 6, column 1.
func CellName(row, col int) string {
	name := ""
	for c := col + 1; c > 0; c = (c - 1) / 26 {
		name = string(rune('A'+(c-1)%26)) + name
	}
	return name + itoa(row+1)
}
