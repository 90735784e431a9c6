package carrier

import (
	"encoding/binary"
	"math"
	"path"
	"strings"

	"github.com/sekisho-mail/sekisho/submission/dlp/internal/detect"
)

// Records of the binary workbook (MS-XLSB 2.4).
const (
	xbRow           = 0
	xbRK            = 2
	xbReal          = 5
	xbString        = 6
	xbShared        = 7
	xbFormulaText   = 8
	xbFormulaNumber = 9
	xbSharedItem    = 19
	xbFormat        = 44
	xbStyle         = 47
	xbColumn        = 60
	xbRichString    = 62
	xbWorkbook      = 153
	xbSheet         = 156
	xbHeaderFooter  = 479
	xbLink          = 494
	xbStyles        = 617
	xbStylesEnd     = 618
	xbComment       = 637
)

// xlsb reads a binary workbook: the same tables as .xlsx, in records.
func (w *Walk) xlsb(f file) error {
	o, err := w.openOffice(f)
	if err != nil {
		return err
	}
	b := &workbook{o: o}
	b.binaryStrings(o.part("xl/sharedStrings.bin"))
	b.binaryStyles(o.part("xl/styles.bin"))
	targets := b.relations(o.part("xl/_rels/workbook.bin.rels"))
	sheets := b.binarySheets(o.part("xl/workbook.bin"), targets)
	named := map[string]bool{}
	for _, s := range sheets {
		named[s.part] = true
	}
	for _, name := range o.like("xl/worksheets/", ".bin") {
		base := path.Base(name)
		if !named[name] && !strings.HasPrefix(base, "binaryIndex") {
			sheets = append(sheets, sheetPart{name: strings.TrimSuffix(base, ".bin"), part: name})
		}
	}
	for _, s := range sheets {
		if err := w.over(); err != nil {
			return err
		}
		b.readBinarySheet(s)
	}
	b.leftovers()
	for _, name := range o.like("xl/comments", ".bin") {
		b.binaryComments(strings.TrimSuffix(path.Base(name), ".bin"), o.part(name))
	}
	b.extras()
	return o.rest()
}

// xbRecords hands on every record of a part.
func (o *office) xbRecords(b []byte, each func(id int, body []byte)) {
	for n := 0; len(b) > 0; n++ {
		if n%4096 == 0 && o.w.over() != nil {
			o.err = errTime
			return
		}
		id, rest := xbVarint(b, 2)
		size, rest := xbVarint(rest, 4)
		if size > len(rest) {
			each(id, rest)
			if o.err == nil {
				o.err = errHeader
			}
			return
		}
		each(id, rest[:size])
		b = rest[size:]
	}
}

// xbVarint reads a number of seven bits a byte. The id of a record keeps the
// mark of its first byte: ids below 128 take one byte, others two.
func xbVarint(b []byte, most int) (int, []byte) {
	v := 0
	for i := range most {
		if i == len(b) {
			return v, nil
		}
		v |= int(b[i]&0x7f) << (7 * i)
		if b[i]&0x80 == 0 {
			return v, b[i+1:]
		}
	}
	return v, b[most:]
}

// xbText reads a string with a length of four bytes; rest is what follows.
func xbText(b []byte) (s string, rest []byte) {
	if len(b) < 4 {
		return "", nil
	}
	n := int64(binary.LittleEndian.Uint32(b)) * 2
	if n > int64(len(b)-4) { // 0xffffffff is a string that is not there
		return "", b[4:]
	}
	return utf16LE(b[4 : 4+n]), b[4+n:]
}

func (b *workbook) binaryStrings(body []byte) {
	b.o.xbRecords(body, func(id int, r []byte) {
		if id == xbSharedItem && len(r) > 1 {
			s, _ := xbText(r[1:])
			b.strings = append(b.strings, s)
		}
	})
}

func (b *workbook) binaryStyles(body []byte) {
	custom := map[uint16]cellStyle{}
	cells := false
	b.o.xbRecords(body, func(id int, r []byte) {
		switch {
		case id == xbFormat && len(r) > 2:
			code, _ := xbText(r[2:])
			custom[binary.LittleEndian.Uint16(r)] = formatStyle(code)
		case id == xbStyles, id == xbStylesEnd:
			cells = id == xbStyles
		case id == xbStyle && cells && len(r) >= 4:
			n := binary.LittleEndian.Uint16(r[2:])
			s := custom[n]
			s.date = s.date || builtinDate(int(n))
			b.styles = append(b.styles, s)
		}
	})
}

func (b *workbook) binarySheets(body []byte, targets map[string]string) []sheetPart {
	var out []sheetPart
	b.o.xbRecords(body, func(id int, r []byte) {
		switch {
		case id == xbWorkbook && len(r) > 0:
			b.since04 = r[0]&1 != 0
		case id == xbSheet && len(r) >= 8:
			rel, rest := xbText(r[8:])
			name, _ := xbText(rest)
			out = append(out, sheetPart{name: name, part: targets[rel], hidden: hiddenState(binary.LittleEndian.Uint32(r))})
		}
	})
	return out
}

// hiddenState names how a sheet is hidden: 2 can be undone by a macro only.
func hiddenState(n uint32) string {
	switch n & 3 {
	case 1:
		return hiddenSheet
	case 2:
		return veryHiddenSheet
	}
	return ""
}

func (b *workbook) readBinarySheet(p sheetPart) {
	s := newSheet(b.o.w, Text{Text: detect.Text{Title: b.o.f.name + " " + p.name}, Where: Attachment, Path: b.o.f.path, Sheet: p.name, Grid: true, First: true})
	c := cellReader{book: b, sheet: s, row: -1}
	b.o.xbRecords(b.o.part(p.part), func(id int, r []byte) { c.binaryRecord(id, r) })
	b.finishSheet(p, &c)
}

// binaryRecord reads a row, a column or a cell.
func (c *cellReader) binaryRecord(id int, r []byte) {
	if len(r) < 8 {
		return
	}
	switch id {
	case xbRow:
		c.row = int(min(binary.LittleEndian.Uint32(r), maxRows-1))
		c.rowGone = len(r) >= 12 && r[11]&0x10 != 0
		return
	case xbColumn:
		if len(r) >= 18 && r[16]&1 != 0 {
			c.colGone = append(c.colGone, [2]int{int(binary.LittleEndian.Uint32(r)), int(binary.LittleEndian.Uint32(r[4:]))})
		}
		return
	case xbHeaderFooter:
		for rest := r[2:]; len(rest) >= 4; {
			var s string
			s, rest = xbText(rest)
			c.footer.WriteString(pageText(s) + "\n")
		}
		return
	case xbLink:
		for rest := r[min(16, len(r)):]; len(rest) >= 4; {
			var s string
			s, rest = xbText(rest)
			c.footer.WriteString(s + "\n")
		}
		return
	}
	c.col = int(min(binary.LittleEndian.Uint32(r), 1<<14))
	style, rest := int(binary.LittleEndian.Uint32(r[4:])&0xffffff), r[8:]
	switch {
	case id == xbRK && len(rest) >= 4:
		c.put(c.book.float(rk(binary.LittleEndian.Uint32(rest)), style), style)
	case (id == xbReal || id == xbFormulaNumber) && len(rest) >= 8:
		c.put(c.book.float(math.Float64frombits(binary.LittleEndian.Uint64(rest)), style), style)
	case id == xbString || id == xbFormulaText:
		s, _ := xbText(rest)
		c.put(s, style)
	case id == xbRichString && len(rest) > 1:
		s, _ := xbText(rest[1:])
		c.put(s, style)
	case id == xbShared && len(rest) >= 4:
		if n := binary.LittleEndian.Uint32(rest); int64(n) < int64(len(c.book.strings)) {
			c.put(c.book.shared(int(n)), style)
		}
	}
}

func (b *workbook) binaryComments(place string, body []byte) {
	var out strings.Builder
	b.o.xbRecords(body, func(id int, r []byte) {
		if id == xbComment && len(r) > 1 {
			s, _ := xbText(r[1:])
			out.WriteString(s + "\n")
		}
	})
	if out.Len() > 0 {
		b.o.text(place, out.String())
		b.o.hidden(place, aComment)
	}
}
