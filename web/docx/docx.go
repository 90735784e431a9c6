// Package docx writes plain Word documents: headings, paragraphs and tables, for people to go on writing in. It knows
// nothing of what they say.
package docx

import (
	"archive/zip"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
)

// Block is one piece of a document: exactly one of its members is set.
type Block struct {
	Title   string
	Heading string
	Text    string     // lines become paragraphs
	Table   [][]string // the first row is the heading
}

// Document is written from top to bottom.
type Document struct {
	Lang   string // "ja" or "en"
	Blocks []Block
}

const (
	contentTypes = xml.Header + `<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">` +
		`<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>` +
		`<Default Extension="xml" ContentType="application/xml"/>` +
		`<Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/>` +
		`</Types>`
	relations = xml.Header + `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">` +
		`<Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/>` +
		`</Relationships>`
	begin = xml.Header + `<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>`
	// A4, margins of 25 mm; lengths are twentieths of a point.
	end = `<w:sectPr><w:pgSz w:w="11906" w:h="16838"/><w:pgMar w:top="1417" w:right="1417" w:bottom="1417" w:left="1417" w:header="708" w:footer="708" w:gutter="0"/></w:sectPr></w:body></w:document>`
)

// Write writes the document as .docx.
func (d Document) Write(w io.Writer) error {
	z := zip.NewWriter(w)
	for _, part := range []struct{ name, text string }{
		{"[Content_Types].xml", contentTypes}, {"_rels/.rels", relations}, {"word/document.xml", d.body()},
	} {
		f, err := z.Create(part.name)
		if err == nil {
			_, err = io.WriteString(f, part.text)
		}
		if err != nil {
			return fmt.Errorf("write document: %w", err)
		}
	}
	return z.Close()
}

func (d Document) body() string {
	var b strings.Builder
	b.WriteString(begin)
	for _, each := range d.Blocks {
		switch {
		case each.Title != "":
			d.paragraph(&b, each.Title, 36, true)
		case each.Heading != "":
			d.paragraph(&b, each.Heading, 24, true)
		case each.Table != nil:
			d.table(&b, each.Table)
		default:
			for line := range strings.SplitSeq(each.Text, "\n") {
				d.paragraph(&b, line, 21, false)
			}
		}
	}
	b.WriteString(end)
	return b.String()
}

// paragraph writes one line; size is in half points.
func (d Document) paragraph(b *strings.Builder, text string, size int, bold bool) {
	b.WriteString("<w:p>")
	if bold {
		b.WriteString(`<w:pPr><w:keepNext/><w:spacing w:before="240" w:after="80"/></w:pPr>`)
	}
	d.run(b, text, size, bold)
	b.WriteString("</w:p>")
}

func (d Document) run(b *strings.Builder, text string, size int, bold bool) {
	font, lang := "Calibri", "en-US"
	if d.Lang == "ja" {
		font, lang = "Yu Gothic", "ja-JP"
	}
	fmt.Fprintf(b, `<w:r><w:rPr><w:rFonts w:ascii="%[1]s" w:hAnsi="%[1]s" w:eastAsia="Yu Gothic"/>`, font)
	if bold {
		b.WriteString("<w:b/>")
	}
	fmt.Fprintf(b, `<w:sz w:val="%d"/><w:lang w:val="%s" w:eastAsia="ja-JP"/></w:rPr><w:t xml:space="preserve">`, size, lang)
	xml.EscapeText(b, []byte(printable(text))) // a builder does not fail
	b.WriteString("</w:t></w:r>")
}

func (d Document) table(b *strings.Builder, rows [][]string) {
	b.WriteString(`<w:tbl><w:tblPr><w:tblW w:w="5000" w:type="pct"/><w:tblBorders>`)
	for _, side := range []string{"top", "left", "bottom", "right", "insideH", "insideV"} {
		fmt.Fprintf(b, `<w:%s w:val="single" w:sz="4" w:space="0" w:color="808080"/>`, side)
	}
	b.WriteString(`</w:tblBorders></w:tblPr><w:tblGrid>`)
	for range rows[0] {
		b.WriteString("<w:gridCol/>")
	}
	b.WriteString("</w:tblGrid>")
	for i, row := range rows {
		b.WriteString("<w:tr>")
		if i == 0 {
			b.WriteString("<w:trPr><w:tblHeader/></w:trPr>")
		}
		for _, cell := range row {
			b.WriteString("<w:tc><w:p>")
			d.run(b, cell, 18, i == 0)
			b.WriteString("</w:p></w:tc>")
		}
		b.WriteString("</w:tr>")
	}
	b.WriteString("</w:tbl><w:p/>")
}

// printable drops what XML 1.0 cannot hold, and what turns the reading direction: names of files come from mails.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r < ' ' && r != '\t', r == 0x7f, r == 0xfffe, r == 0xffff, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0x200e, r == 0x200f:
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}
