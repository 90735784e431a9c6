package carrier

import (
	"path"
	"strings"
)

// What a workbook keeps beside the cells that people see.

// extras are what a workbook keeps beside its sheets.
func (b *workbook) extras() {
	for _, prefix := range []string{"xl/comments", "xl/threadedComments/"} {
		for _, name := range b.o.like(prefix, ".xml") {
			place := strings.TrimSuffix(path.Base(name), ".xml")
			b.o.text(place, xmlText(string(b.o.part(name))))
			b.o.hidden(place, aComment)
		}
	}
	for _, name := range b.o.like("xl/pivotCache/", ".xml") {
		b.pivot(name)
	}
	for _, name := range b.o.like("xl/externalLinks/", ".xml") {
		if !strings.Contains(name, "/_rels/") {
			b.external(name)
		}
	}
}

// external searches the values of another workbook that a link keeps here.
func (b *workbook) external(name string) {
	x := b.o.xml(name)
	var out strings.Builder
	values := 0
	for tok := x.next(); tok != xmlEnd; tok = x.next() {
		if tok == xmlChars {
			if s := strings.TrimSpace(x.text); s != "" {
				out.WriteString(s + "\n")
				values++
			}
		} else if x.opens("sheetName") || x.opens("definedName") {
			out.WriteString(x.attr("val") + x.attr("name") + "\n")
		}
	}
	place := strings.TrimSuffix(path.Base(name), ".xml")
	b.o.text(place, out.String())
	if values > 0 {
		b.o.hidden(place, externalCache)
	}
}

// leftovers searches the strings that no cell shows any more.
func (b *workbook) leftovers() {
	var out strings.Builder
	for i, s := range b.strings {
		if (i >= len(b.used) || !b.used[i]) && s != "" {
			out.WriteString(s + "\n")
		}
	}
	b.o.text("sharedStrings", out.String())
}

// pivot searches the copy of the data that a pivot table keeps, even after its
// sheet was deleted.
func (b *workbook) pivot(name string) {
	x := b.o.xml(name)
	var out strings.Builder
	for tok := x.next(); tok != xmlEnd; tok = x.next() {
		if tok == xmlTag && !x.closing && (x.name == "s" || x.name == "n" || x.name == "d") {
			if v := x.attr("v"); v != "" {
				out.WriteString(v + "\n")
			}
		}
	}
	if out.Len() > 0 {
		b.o.text("pivotCache", out.String())
		b.o.hidden("pivotCache", pivotCache)
	}
}

// maxAside bounds what is kept of formulas.
const maxAside = 4 << 20

// literals keeps the longer texts inside a formula: choices of a list, targets of
// links, what only a condition shows.
func (c *cellReader) literals(s string) {
	for c.aside.Len() < maxAside {
		_, rest, ok := strings.Cut(s, `"`)
		if !ok {
			return
		}
		text, rest, ok := strings.Cut(rest, `"`)
		if len(text) >= minString {
			c.aside.WriteString(text + "\n")
		}
		if !ok {
			return
		}
		s = rest
	}
}

// pageText takes the codes out of a header or footer: &L, &C and &R begin its
// three parts, &"font" and &12 say how it looks.
func pageText(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '&' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch c := s[i]; {
		case c == '&':
			b.WriteByte('&')
		case c == '"':
			if end := strings.IndexByte(s[i+1:], '"'); end >= 0 {
				i += end + 1
			}
		case c >= '0' && c <= '9':
			for i+1 < len(s) && s[i+1] >= '0' && s[i+1] <= '9' {
				i++
			}
		default:
			b.WriteByte('\n')
		}
	}
	return b.String()
}
