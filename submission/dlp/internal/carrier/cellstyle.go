package carrier

import (
	"strconv"
	"strings"
)

// cellStyle is what the style of a cell says about its value.
type cellStyle struct {
	date bool
	veil string // how it hides the value: whiteText, tinyText, hiddenValue, ""
}

// builtinDate: the number formats that every spreadsheet knows as dates.
func builtinDate(n int) bool {
	return n >= 14 && n <= 17 || n == 22 || n >= 27 && n <= 36 || n >= 50 && n <= 58
}

// dateFormat: a format with year and day, outside quotes and brackets.
func dateFormat(code string) bool {
	var b strings.Builder
	quoted, bracket := false, false
	for _, r := range strings.ToLower(code) {
		switch {
		case r == '"':
			quoted = !quoted
		case r == '[':
			bracket = true
		case r == ']':
			bracket = false
		case !quoted && !bracket:
			b.WriteRune(r)
		}
	}
	s := b.String()
	return strings.Contains(s, "d") && (strings.Contains(s, "y") || strings.Contains(s, "e") || strings.Contains(s, "m"))
}

// formatStyle is what a number format says of a cell.
func formatStyle(code string) cellStyle {
	s := cellStyle{date: dateFormat(code)}
	if noValue(code) {
		s.veil = hiddenValue
	}
	return s
}

// noValue is the format that shows nothing, whatever the value.
func noValue(code string) bool {
	return strings.Trim(code, "; ") == "" && strings.Count(code, ";") >= 2
}

// styleReader learns the cell styles of an .xlsx: fonts and fills by number, and
// which of them each style takes.
type styleReader struct {
	formats map[string]cellStyle
	fonts   []string // the veil of each
	plain   []bool   // fills that leave the paper white
	section string
	styles  []cellStyle
}

// readStyles learns which cell styles show dates and which hide their value.
func (b *workbook) readStyles(body []byte) {
	r := styleReader{formats: map[string]cellStyle{}}
	x := newXML(body)
	for tok := x.next(); tok != xmlEnd; tok = x.next() {
		if tok == xmlTag {
			r.tag(x)
		}
	}
	b.styles = r.styles
}

func (r *styleReader) tag(x *xmlScanner) {
	switch x.name {
	case "fonts", "fills", "cellXfs", "cellStyleXfs", "dxfs", "borders":
		r.section = x.name
		if x.closing || x.empty {
			r.section = ""
		}
		return
	}
	if x.closing {
		return
	}
	switch r.section + " " + x.name {
	case " numFmt", "numFmts numFmt":
		r.formats[x.attr("numFmtId")] = formatStyle(x.attr("formatCode"))
	case "fonts font":
		r.fonts = append(r.fonts, "")
	case "fonts color":
		if n := len(r.fonts); n > 0 && (white(x.attr("rgb")) || x.attr("theme") == "0" && faintTint(x.attr("tint"))) {
			r.fonts[n-1] = whiteText
		}
	case "fonts sz":
		if v, err := strconv.ParseFloat(x.attr("val"), 64); err == nil && v < tinyPoints && len(r.fonts) > 0 {
			r.fonts[len(r.fonts)-1] = tinyText
		}
	case "fills patternFill":
		t := x.attr("patternType")
		r.plain = append(r.plain, t == "" || t == "none")
	case "fills gradientFill":
		r.plain = append(r.plain, false)
	case "fills fgColor":
		if n := len(r.plain); n > 0 && (white(x.attr("rgb")) || x.attr("theme") == "0" && faintTint(x.attr("tint"))) {
			r.plain[n-1] = true
		}
	case "cellXfs xf":
		r.styles = append(r.styles, r.style(x))
	}
}

// faintTint: the background colour of the theme darkened by a tint is grey.
func faintTint(tint string) bool {
	v, err := strconv.ParseFloat(tint, 64)
	return err != nil || v > -0.05
}

func (r *styleReader) style(x *xmlScanner) cellStyle {
	id := x.attr("numFmtId")
	s := r.formats[id]
	if n, err := strconv.Atoi(id); err == nil && builtinDate(n) {
		s.date = true
	}
	font, errFont := strconv.Atoi(x.attr("fontId"))
	fill, errFill := strconv.Atoi(x.attr("fillId"))
	if errFont != nil || font < 0 || font >= len(r.fonts) || r.fonts[font] == "" {
		return s
	}
	unfilled := errFill != nil || fill < 0 || fill >= len(r.plain) || r.plain[fill]
	if r.fonts[font] != whiteText || unfilled {
		s.veil = r.fonts[font]
	}
	return s
}
