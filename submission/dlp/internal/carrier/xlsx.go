package carrier

import (
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sekisho-mail/sekisho/submission/dlp/internal/detect"
)

// workbook is what the sheets of a spreadsheet refer to.
type workbook struct {
	o       *office
	strings []string
	used    []bool // strings that stand in a cell
	styles  []cellStyle
	since04 bool // days count from 1904
}

// xlsx reads a spreadsheet: every cell with its address, comments, headers and
// footers, hidden sheets, rows and columns.
func (w *Walk) xlsx(f file) error {
	o, err := w.openOffice(f)
	if err != nil {
		return err
	}
	b := &workbook{o: o}
	b.readStrings(o.xml("xl/sharedStrings.xml"))
	b.readStyles(o.part("xl/styles.xml"))
	targets := b.relations(o.part("xl/_rels/workbook.xml.rels"))
	sheets := b.sheets(o.part("xl/workbook.xml"), targets)
	named := map[string]bool{}
	for _, s := range sheets {
		named[s.part] = true
	}
	for _, name := range o.like("xl/worksheets/", ".xml") {
		if !named[name] && !strings.Contains(name, "/_rels/") {
			sheets = append(sheets, sheetPart{name: strings.TrimSuffix(path.Base(name), ".xml"), part: name})
		}
	}
	for _, s := range sheets {
		if err := w.over(); err != nil {
			return err
		}
		b.readSheet(s)
	}
	b.leftovers()
	b.extras()
	return o.rest()
}

type sheetPart struct {
	name, part string
	hidden     string // how, "" for a sheet that is shown
}

// relations maps the ids of the workbook to parts.
func (b *workbook) relations(body []byte) map[string]string {
	out := map[string]string{}
	x := newXML(body)
	for tok := x.next(); tok != xmlEnd; tok = x.next() {
		if tok == xmlTag && x.opens("Relationship") {
			target := x.attr("Target")
			if !strings.HasPrefix(target, "/") {
				target = path.Join("xl", target)
			}
			out[x.attr("Id")] = strings.TrimPrefix(target, "/")
		}
	}
	return out
}

func (b *workbook) sheets(body []byte, targets map[string]string) []sheetPart {
	var out []sheetPart
	x := newXML(body)
	named := false
	for tok := x.next(); tok != xmlEnd; tok = x.next() {
		if tok == xmlChars && named {
			b.o.text("", x.text) // a constant, where it is no range
		}
		if tok != xmlTag {
			continue
		}
		named = x.opens("definedName") && !x.empty
		if x.closing {
			continue
		}
		switch x.name {
		case "workbookPr":
			b.since04 = x.attr("date1904") == "1" || x.attr("date1904") == "true"
		case "sheet":
			out = append(out, sheetPart{name: x.attr("name"), part: targets[x.attr("id")], hidden: sheetState(x.attr("state"))})
		case "definedName":
			b.o.text("", x.attr("name"))
		}
	}
	return out
}

func sheetState(state string) string {
	switch strings.ToLower(state) {
	case "hidden":
		return hiddenSheet
	case "veryhidden":
		return veryHiddenSheet
	}
	return ""
}

// maxHints bounds the ふりがな that are searched.
const maxHints = 4 << 20

// readStrings reads the shared strings; phonetic hints (ふりがな) are searched
// apart so that they do not tear names.
func (b *workbook) readStrings(x *xmlScanner) {
	var s, hints strings.Builder
	defer func() { b.o.text("sharedStrings", hints.String()) }()
	inText, phonetic := false, 0
	for n := 0; ; n++ {
		if n%4096 == 0 && b.o.w.over() != nil {
			b.o.err = errTime
			return
		}
		switch x.next() {
		case xmlEnd:
			return
		case xmlChars:
			if inText && phonetic == 0 {
				s.WriteString(x.text)
			} else if inText && hints.Len() < maxHints {
				hints.WriteString(x.text + "\n")
			}
			continue
		}
		switch x.name {
		case "t":
			inText = !x.closing && !x.empty
		case "rPh":
			phonetic += sign(x)
		case "si":
			if x.closing || x.empty {
				b.strings = append(b.strings, s.String())
				s.Reset()
			}
		}
	}
}

func sign(x *xmlScanner) int {
	switch {
	case x.empty:
		return 0
	case x.closing:
		return -1
	}
	return 1
}

// readSheet reads the cells of one sheet.
func (b *workbook) readSheet(p sheetPart) {
	x := b.o.xml(p.part)
	s := newSheet(b.o.w, Text{Text: detect.Text{Title: b.o.f.name + " " + p.name}, Where: Attachment, Path: b.o.f.path, Sheet: p.name, Grid: true, First: true})
	c := cellReader{book: b, sheet: s, row: -1}
	for n := 0; ; n++ {
		if n%4096 == 0 && b.o.w.over() != nil {
			b.o.err = errTime
			break
		}
		tok := x.next()
		if tok == xmlEnd {
			break
		}
		c.token(x, tok)
	}
	b.finishSheet(p, &c)
}

// finishSheet hands on what a sheet holds beside its cells.
func (b *workbook) finishSheet(p sheetPart, c *cellReader) {
	c.sheet.flush()
	if c.footer.Len() > 0 {
		b.o.text(p.name, c.footer.String())
	}
	b.o.text(p.name, c.aside.String())
	if p.hidden != "" && c.cells > 0 {
		b.o.hidden(p.name, p.hidden)
	}
	for _, v := range c.veils {
		b.o.hidden(p.name+"!"+v.cell, v.how)
	}
}

// cellReader follows the rows and cells of a sheet.
type cellReader struct {
	book     *workbook
	sheet    *sheet
	row, col int
	kind     string
	style    int
	value    strings.Builder
	inValue  bool
	phonetic int
	footer   strings.Builder
	inFooter bool
	formula  bool
	aside    strings.Builder // what formulas, choices and links say
	cells    int
	rowGone  bool
	colGone  [][2]int
	veils    []veil
}

// veil is the first value that is hidden in some way.
type veil struct{ how, cell string }

// note keeps the first cell of each way to hide one.
func (c *cellReader) note(how string) {
	if !slices.ContainsFunc(c.veils, func(v veil) bool { return v.how == how }) {
		c.veils = append(c.veils, veil{how, CellName(c.row, c.col)})
	}
}

func (c *cellReader) token(x *xmlScanner, tok xmlToken) {
	if tok == xmlChars {
		switch {
		case c.inValue && c.phonetic == 0:
			c.value.WriteString(x.text)
		case c.formula:
			c.literals(x.text)
		case c.inFooter:
			c.footer.WriteString(pageText(x.text) + "\n")
		}
		return
	}
	switch x.name {
	case "row":
		if !x.closing {
			c.openRow(x)
		}
	case "col":
		if !x.closing && (x.attr("hidden") == "1" || x.attr("hidden") == "true" || x.attr("width") == "0") {
			c.colGone = append(c.colGone, [2]int{atoi(x.attr("min")) - 1, atoi(x.attr("max")) - 1}) // 0 hides nothing
		}
	case "c":
		if x.closing || x.empty {
			c.closeCell()
		}
		if !x.closing {
			c.openCell(x)
		}
	case "v", "t":
		c.inValue = !x.closing && !x.empty
	case "rPh":
		c.phonetic += sign(x)
	case "f", "formula1", "formula2", "formula":
		c.formula = !x.closing && !x.empty
	case "hyperlink", "dataValidation":
		x.says(&c.aside, false)
	case "oddHeader", "oddFooter", "evenHeader", "evenFooter", "firstHeader", "firstFooter":
		c.inFooter = !x.closing && !x.empty
	}
}

func (c *cellReader) openRow(x *xmlScanner) {
	c.col = -1
	c.row++
	if n := atoi(x.attr("r")); n > 0 && n <= maxRows {
		c.row = n - 1
	}
	c.rowGone = x.attr("hidden") == "1" || x.attr("hidden") == "true" || x.attr("ht") == "0"
}

func (c *cellReader) openCell(x *xmlScanner) {
	c.col++
	if col, ok := columnOf(x.attr("r")); ok {
		c.col = col
	}
	c.kind = x.attr("t")
	c.style = atoi(x.attr("s")) // 0 is the default style
	c.value.Reset()
}

func (c *cellReader) closeCell() {
	value := c.value.String()
	c.value.Reset()
	if value == "" {
		return
	}
	switch c.kind {
	case "s":
		n, err := strconv.Atoi(strings.TrimSpace(value))
		if err != nil || n < 0 || n >= len(c.book.strings) {
			return
		}
		value = c.book.shared(n)
	case "", "n":
		value = c.book.number(value, c.style)
	}
	c.put(value, c.style)
}

// shared is a shared string, which from now on counts as shown.
func (b *workbook) shared(n int) string {
	if b.used == nil {
		b.used = make([]bool, len(b.strings))
	}
	b.used[n] = true
	return b.strings[n]
}

// put takes the value of the current cell.
func (c *cellReader) put(value string, style int) {
	if strings.TrimSpace(value) == "" {
		return
	}
	c.cells++
	if c.rowGone {
		c.note(hiddenRow)
	}
	if c.colHidden() {
		c.note(hiddenColumn)
	}
	if style >= 0 && style < len(c.book.styles) && c.book.styles[style].veil != "" {
		c.note(c.book.styles[style].veil)
	}
	c.sheet.add(c.row, c.col, value)
}

func (c *cellReader) colHidden() bool {
	for _, span := range c.colGone {
		if c.col >= span[0] && c.col <= span[1] {
			return true
		}
	}
	return false
}

// number shows a number as people see it: 1.23456789018E11 is a My Number, and
// a day count with a date style is a date.
func (b *workbook) number(value string, style int) string {
	v, err := strconv.ParseFloat(value, 64)
	if err != nil {
		return value
	}
	if shown, ok := b.shown(v, style); ok {
		return shown
	}
	return value
}

// shown is a date or a whole number as people see it.
func (b *workbook) shown(v float64, style int) (string, bool) {
	if style >= 0 && style < len(b.styles) && b.styles[style].date && v > 0 && v < 2_958_466 {
		return dayOf(v, b.since04).Format(time.DateOnly), true
	}
	if v == math.Trunc(v) && math.Abs(v) < 1e18 {
		return strconv.FormatInt(int64(v), 10), true
	}
	return "", false
}

// float shows a number that was never text.
func (b *workbook) float(v float64, style int) string {
	if s, ok := b.shown(v, style); ok {
		return s
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// dayOf turns the day count of a spreadsheet into a date.
func dayOf(v float64, since04 bool) time.Time {
	epoch := time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC)
	if since04 {
		epoch = time.Date(1904, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	return epoch.AddDate(0, 0, int(v))
}

// columnOf reads the letters of B7.
func columnOf(ref string) (int, bool) {
	n := 0
	for _, r := range ref {
		if r >= 'A' && r <= 'Z' && n < 1<<20 {
			n = n*26 + int(r-'A') + 1
			continue
		}
		break
	}
	return n - 1, n > 0
}
