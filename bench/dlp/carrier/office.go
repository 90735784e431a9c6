package carrier

import (
	"archive/zip"
	"bytes"
	"fmt"
	"strings"

	"github.com/sekisho-mail/sekisho/bench/dlp/corpus"
)

type member struct{ name, body string }

// packed is a ZIP without the UTF-8 flag. Writing to memory cannot fail.
func packed(members ...member) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, m := range members {
		if w, err := z.CreateHeader(&zip.FileHeader{Name: m.name, Method: zip.Deflate, NonUTF8: true}); err == nil {
			_, _ = w.Write([]byte(m.body))
		}
	}
	_ = z.Close()
	return b.Bytes()
}

const xmlHead = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>` + "\n"

const relationships = `http://schemas.openxmlformats.org/officeDocument/2006/relationships`

func kinds(parts ...string) member {
	var b strings.Builder
	b.WriteString(xmlHead + `<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/>`)
	for i := 0; i < len(parts); i += 2 {
		b.WriteString(`<Override PartName="/` + parts[i] + `" ContentType="application/vnd.openxmlformats-officedocument.` + parts[i+1] + `+xml"/>`)
	}
	return member{"[Content_Types].xml", b.String() + `</Types>`}
}

func related(name string, pairs ...string) member {
	var b strings.Builder
	b.WriteString(xmlHead + `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">`)
	for i := 0; i < len(pairs); i += 2 {
		fmt.Fprintf(&b, `<Relationship Id="rId%d" Type="%s/%s" Target="%s"/>`, i/2+1, relationships, pairs[i], pairs[i+1])
	}
	return member{name, b.String() + `</Relationships>`}
}

// workbook is one sheet. With numbers, cells of nothing but digits are typed as
// numbers, as Excel does when somebody pastes them: leading zeros are gone.
func workbook(d *corpus.Document, numbers bool) []byte {
	var sheet, shared strings.Builder
	n := 0
	for r, row := range rows(d) {
		fmt.Fprintf(&sheet, `<row r="%d">`, r+1)
		for c, cell := range row {
			ref := fmt.Sprintf("%s%d", column(c), r+1)
			if v, ok := asNumber(cell); numbers && ok {
				fmt.Fprintf(&sheet, `<c r="%s"><v>%s</v></c>`, ref, v)
				continue
			}
			fmt.Fprintf(&sheet, `<c r="%s" t="s"><v>%d</v></c>`, ref, n)
			shared.WriteString(`<si><t xml:space="preserve">` + escaped(cell) + `</t></si>`)
			n++
		}
		sheet.WriteString(`</row>`)
	}
	const main = `xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"`
	return packed(
		kinds("xl/workbook.xml", "spreadsheetml.sheet.main", "xl/worksheets/sheet1.xml", "spreadsheetml.worksheet", "xl/sharedStrings.xml", "spreadsheetml.sharedStrings"),
		related("_rels/.rels", "officeDocument", "xl/workbook.xml"),
		member{"xl/workbook.xml", xmlHead + `<workbook ` + main + ` xmlns:r="` + relationships + `"><sheets><sheet name="一覧" sheetId="1" r:id="rId1"/></sheets></workbook>`},
		related("xl/_rels/workbook.xml.rels", "worksheet", "worksheets/sheet1.xml", "sharedStrings", "sharedStrings.xml"),
		member{"xl/sharedStrings.xml", fmt.Sprintf(`%s<sst %s count="%d" uniqueCount="%d">%s</sst>`, xmlHead, main, n, n, shared.String())},
		member{"xl/worksheets/sheet1.xml", xmlHead + `<worksheet ` + main + `><sheetData>` + sheet.String() + `</sheetData></worksheet>`},
	)
}

func asNumber(cell string) (string, bool) {
	if cell == "" || len(cell) > 15 || strings.Trim(cell, "0123456789") != "" {
		return "", false
	}
	if cell = strings.TrimLeft(cell, "0"); cell == "" {
		cell = "0"
	}
	return cell, true
}

// letter is a document of paragraphs and tables; every other paragraph is cut
// into runs, as Word does after the spelling checker went over it.
func letter(d *corpus.Document) []byte {
	var b strings.Builder
	n := 0
	paragraph := func(s string) string {
		n++
		var p strings.Builder
		p.WriteString(`<w:p>`)
		for i, line := range strings.Split(s, "\n") {
			if i > 0 {
				p.WriteString(`<w:r><w:br/></w:r>`)
			}
			for _, piece := range pieces(line, n%2 == 0) {
				p.WriteString(`<w:r><w:t xml:space="preserve">` + escaped(piece) + `</w:t></w:r>`)
			}
		}
		return p.String() + `</w:p>`
	}
	for _, block := range d.Blocks {
		for _, line := range block.Lines {
			b.WriteString(paragraph(line))
		}
		if block.Table != nil {
			b.WriteString(`<w:tbl>`)
			for _, row := range block.Table {
				b.WriteString(`<w:tr>`)
				for _, cell := range row {
					b.WriteString(`<w:tc>` + paragraph(cell) + `</w:tc>`)
				}
				b.WriteString(`</w:tr>`)
			}
			b.WriteString(`</w:tbl>`)
		}
	}
	return packed(
		kinds("word/document.xml", "wordprocessingml.document.main"),
		related("_rels/.rels", "officeDocument", "word/document.xml"),
		member{"word/document.xml", xmlHead + `<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>` + b.String() + `</w:body></w:document>`},
	)
}

func pieces(s string, cut bool) []string {
	r := []rune(s)
	if !cut || len(r) < 8 {
		return []string{s}
	}
	return []string{string(r[:len(r)/2]), string(r[len(r)/2:])}
}

// slides is a presentation of one slide with text and tables.
func slides(d *corpus.Document) []byte {
	var b strings.Builder
	paragraph := func(s string) string {
		return `<a:p><a:r><a:t>` + strings.ReplaceAll(escaped(s), "\n", `</a:t></a:r><a:br/><a:r><a:t>`) + `</a:t></a:r></a:p>`
	}
	for _, block := range d.Blocks {
		if block.Lines != nil {
			b.WriteString(`<p:sp><p:txBody><a:bodyPr/>`)
			for _, line := range block.Lines {
				b.WriteString(paragraph(line))
			}
			b.WriteString(`</p:txBody></p:sp>`)
		}
		if block.Table != nil {
			b.WriteString(`<p:graphicFrame><a:graphic><a:graphicData uri="http://schemas.openxmlformats.org/drawingml/2006/table"><a:tbl>`)
			for _, row := range block.Table {
				b.WriteString(`<a:tr h="1">`)
				for _, cell := range row {
					b.WriteString(`<a:tc><a:txBody><a:bodyPr/>` + paragraph(cell) + `</a:txBody></a:tc>`)
				}
				b.WriteString(`</a:tr>`)
			}
			b.WriteString(`</a:tbl></a:graphicData></a:graphic></p:graphicFrame>`)
		}
	}
	const spaces = `xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main" xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" xmlns:r="` + relationships + `"`
	return packed(
		kinds("ppt/presentation.xml", "presentationml.presentation.main", "ppt/slides/slide1.xml", "presentationml.slide"),
		related("_rels/.rels", "officeDocument", "ppt/presentation.xml"),
		member{"ppt/presentation.xml", xmlHead + `<p:presentation ` + spaces + `><p:sldIdLst><p:sldId id="256" r:id="rId1"/></p:sldIdLst></p:presentation>`},
		related("ppt/_rels/presentation.xml.rels", "slide", "slides/slide1.xml"),
		member{"ppt/slides/slide1.xml", xmlHead + `<p:sld ` + spaces + `><p:cSld><p:spTree>` + b.String() + `</p:spTree></p:cSld></p:sld>`},
	)
}
