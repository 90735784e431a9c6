package dlp

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"
	"strings"
	"testing"
)

// styledSheet is a workbook whose cells may take style 1: the given font and fill,
// or number format.
func styledSheet(t testing.TB, font, fill, format, cell string) []byte {
	b := xlsxFile(t, "会員", "", `<row r="3"><c r="C3" s="1" t="inlineStr"><is><t>`+cell+`</t></is></c></row>`)
	styles := `<styleSheet><numFmts><numFmt numFmtId="200" formatCode="` + format + `"/></numFmts>` +
		`<fonts><font><sz val="11"/></font><font>` + font + `</font></fonts>` +
		`<fills><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill><fill>` + fill + `</fill></fills>` +
		`<cellStyleXfs><xf numFmtId="0"/></cellStyleXfs><cellXfs><xf numFmtId="0" fontId="0" fillId="0"/><xf numFmtId="200" fontId="1" fillId="2"/></cellXfs></styleSheet>`
	return replaced(t, b, "xl/styles.xml", styles)
}

// replaced is a ZIP with another body for one of its entries.
func replaced(t testing.TB, zip []byte, name, body string) []byte {
	var members []member
	for _, m := range unzipped(t, zip) {
		if m.name == name {
			m.body = body
		}
		members = append(members, m)
	}
	return zipFile(t, members...)
}

func deckFile(t testing.TB, slide string, more ...member) []byte {
	return zipFile(t, append([]member{
		{"[Content_Types].xml", "<Types/>"},
		{"ppt/presentation.xml", `<p:presentation><p:sldSz cx="9144000" cy="6858000"/></p:presentation>`},
		{"ppt/slides/slide1.xml", `<p:sld><p:cSld><p:spTree>` + slide + `</p:spTree></p:cSld></p:sld>`},
	}, more...)...)
}

func textBox(place, run string) string {
	return `<p:sp><p:spPr><a:xfrm>` + place + `</a:xfrm></p:spPr><p:txBody><a:p><a:r>` + run + `<a:t>値引き率</a:t></a:r></a:p></p:txBody></p:sp>`
}

const onSlide = `<a:off x="100" y="100"/><a:ext cx="500000" cy="300000"/>`

func openDocument(t testing.TB, styles, body string) []byte {
	return zipFile(t, member{"META-INF/manifest.xml", "<m/>"},
		member{"content.xml", `<o><office:automatic-styles>` + styles + `</office:automatic-styles><office:body>` + body + `</office:body></o>`})
}

func TestHiddenContentIsAFinding(t *testing.T) {
	s := scanner(t, Options{})
	row := `<row r="1"><c r="A1"><v>1</v></c></row>`
	plain := `<patternFill patternType="none"/>`
	run := func(props string) []byte {
		return docxFile(t, `<w:p><w:r><w:rPr>`+props+`</w:rPr><w:t>原価</w:t></w:r></w:p>`)
	}
	style := func(props string) string {
		return `<style:style style:name="T1">` + props + `</style:style>`
	}
	span := `<text:p><text:span text:style-name="T1">原価</text:span></text:p>`
	for _, c := range []struct {
		name, file, path, how string
		body                  []byte
	}{
		{"hidden sheet", "a.xlsx", "a.xlsx#裏", "hidden_sheet", xlsxFile(t, "裏", "hidden", row)},
		{"very hidden sheet", "a.xlsx", "a.xlsx#裏", "very_hidden_sheet", xlsxFile(t, "裏", "veryHidden", row)},
		{"hidden row", "a.xlsx", "a.xlsx#S!A1", "hidden_row", xlsxFile(t, "S", "", `<row r="1" hidden="1"><c r="A1"><v>1</v></c></row>`)},
		{"hidden column", "a.xlsx", "a.xlsx#S!B1", "hidden_column", replaced(t, xlsxFile(t, "S", "", ""), "xl/worksheets/sheet1.xml",
			`<worksheet><cols><col min="2" max="3" hidden="1"/></cols><sheetData><row r="1"><c r="A1"><v>1</v></c><c r="B1"><v>2</v></c></row></sheetData></worksheet>`)},
		{"white cell", "a.xlsx", "a.xlsx#会員!C3", "white_text", styledSheet(t, `<color rgb="FFFFFFFF"/>`, plain, "General", "原価")},
		{"white cell by theme", "a.xlsx", "a.xlsx#会員!C3", "white_text", styledSheet(t, `<color theme="0"/>`, plain, "General", "原価")},
		{"tiny cell", "a.xlsx", "a.xlsx#会員!C3", "tiny_text", styledSheet(t, `<sz val="1"/>`, plain, "General", "原価")},
		{"format that shows nothing", "a.xlsx", "a.xlsx#会員!C3", "hidden_value", styledSheet(t, ``, plain, ";;;", "原価")},
		{"cell comment", "a.xlsx", "a.xlsx#comments1", "comment", zipFile(t, append(unzipped(t, xlsxFile(t, "S", "", row)), member{"xl/comments1.xml", "<c><t>hm</t></c>"})...)},
		{"pivot cache", "a.xlsx", "a.xlsx#pivotCache", "pivot_cache", zipFile(t, append(unzipped(t, xlsxFile(t, "S", "", row)), member{"xl/pivotCache/pivotCacheRecords1.xml", `<r><s v="山田"/></r>`})...)},
		{"values of another workbook", "a.xlsx", "a.xlsx#externalLink1", "external_cache", zipFile(t, append(unzipped(t, xlsxFile(t, "S", "", row)), member{"xl/externalLinks/externalLink1.xml", `<externalLink><sheetName val="給与"/><cell r="A1"><v>500000</v></cell></externalLink>`})...)},
		{"hidden sheet of xls", "a.xls", "a.xls#裏", "hidden_sheet", excelFile("裏", 1, "x", 1)},
		{"very hidden sheet of xls", "a.xls", "a.xls#裏", "very_hidden_sheet", excelFile("裏", 2, "x", 1)},
		{"hidden sheet of ods", "a.ods", "a.ods#裏", "hidden_sheet", openDocument(t, style(`<style:table-properties table:display="false"/>`),
			`<table:table table:name="裏" table:style-name="T1"><table:table-row><table:table-cell><text:p>1</text:p></table:table-cell></table:table-row></table:table>`)},
		{"hidden row of ods", "a.ods", "a.ods#S!A4", "hidden_row", openDocument(t, "", `<table:table table:name="S"><table:table-row table:number-rows-repeated="3"><table:table-cell/></table:table-row>`+
			`<table:table-row table:visibility="collapse"><table:table-cell><text:p>1</text:p></table:table-cell></table:table-row></table:table>`)},
		{"hidden column of ods", "a.ods", "a.ods#S!B1", "hidden_column", openDocument(t, "", `<table:table table:name="S"><table:table-column/><table:table-column table:visibility="collapse"/>`+
			`<table:table-row><table:table-cell/><table:table-cell><text:p>1</text:p></table:table-cell></table:table-row></table:table>`)},
		{"tracked deletion", "a.docx", "a.docx", "tracked_deletion", docxFile(t, `<w:p><w:del><w:r><w:delText>gone</w:delText></w:r></w:del></w:p>`)},
		{"hidden text", "a.docx", "a.docx", "hidden_text", run(`<w:vanish/>`)},
		{"white text", "a.docx", "a.docx", "white_text", run(`<w:color w:val="FFFFFF"/>`)},
		{"tiny text", "a.docx", "a.docx", "tiny_text", run(`<w:sz w:val="2"/>`)},
		{"text box off the page", "a.docx", "a.docx", "off_page", docxFile(t, `<w:p><w:r><wp:anchor><wp:positionH><wp:posOffset>99999999</wp:posOffset></wp:positionH><w:txbxContent>`+paragraph("原価")+`</w:txbxContent></wp:anchor></w:r></w:p>`)},
		{"cropped picture", "a.docx", "a.docx", "cropped_picture", docxFile(t, `<w:p><w:r><pic:blipFill><a:srcRect l="20000" r="30000"/></pic:blipFill></w:r></w:p>`)},
		{"comment", "a.docx", "a.docx#comments", "comment", docxFile(t, paragraph("x"), member{"word/comments.xml", `<w:comments>` + paragraph("hm") + `</w:comments>`})},
		{"author", "a.docx", "a.docx#properties", "named_person", docxFile(t, paragraph("x"), member{"docProps/core.xml", `<p><dc:creator>佐藤 花子</dc:creator></p>`})},
		{"hidden text of odt", "a.odt", "a.odt", "hidden_text", openDocument(t, style(`<style:text-properties text:display="none"/>`), span)},
		{"white text of odt", "a.odt", "a.odt", "white_text", openDocument(t, style(`<style:text-properties fo:color="#ffffff"/>`), span)},
		{"tracked deletion of odt", "a.odt", "a.odt", "tracked_deletion", openDocument(t, "", `<text:tracked-changes><text:deletion><text:p>gone</text:p></text:deletion></text:tracked-changes>`)},
		{"comment of odt", "a.odt", "a.odt", "comment", openDocument(t, "", `<text:p>x<office:annotation><text:p>hm</text:p></office:annotation></text:p>`)},
		{"author of odt", "a.odt", "a.odt#properties", "named_person", replaced(t, zipFile(t, append(unzipped(t, openDocument(t, "", "")), member{"meta.xml", ""})...), "meta.xml", `<o><meta:initial-creator>佐藤</meta:initial-creator></o>`)},
		{"hidden slide", "a.pptx", "a.pptx#slide1", "hidden_slide", replaced(t, deckFile(t, ""), "ppt/slides/slide1.xml", `<p:sld show="0"/>`)},
		{"speaker notes", "a.pptx", "a.pptx#notesSlide1", "speaker_notes", deckFile(t, "", member{"ppt/notesSlides/notesSlide1.xml", `<p:notes><a:p><a:r><a:t>言わない</a:t></a:r></a:p></p:notes>`})},
		{"text box off the slide", "a.pptx", "a.pptx#slide1", "off_page", deckFile(t, textBox(`<a:off x="9500000" y="0"/><a:ext cx="500" cy="500"/>`, ""))},
		{"white text on white", "a.pptx", "a.pptx#slide1", "white_text", deckFile(t, textBox(onSlide, `<a:rPr><a:solidFill><a:srgbClr val="FFFFFF"/></a:solidFill></a:rPr>`))},
		{"tiny text on a slide", "a.pptx", "a.pptx#slide1", "tiny_text", deckFile(t, textBox(onSlide, `<a:rPr sz="100"/>`))},
		{"cropped picture on a slide", "a.pptx", "a.pptx#slide1", "cropped_picture", deckFile(t, textBox(onSlide, "")+`<p:pic><p:blipFill><a:srcRect t="12000"/></p:blipFill></p:pic>`)},
		{"paragraph in a style that hides", "a.docx", "a.docx", "hidden_text", docxFile(t, `<w:p><w:pPr><w:pStyle w:val="X"/></w:pPr><w:r><w:t>原価</w:t></w:r></w:p>`,
			member{"word/styles.xml", `<w:styles><w:style w:styleId="X"><w:rPr><w:vanish/></w:rPr></w:style></w:styles>`})},
		{"text box of older Word off the page", "a.docx", "a.docx", "off_page", docxFile(t, `<w:p><w:r><v:shape style="position:absolute;margin-left:-9999pt"><v:textbox><w:txbxContent>`+paragraph("原価")+`</w:txbxContent></v:textbox></v:shape></w:r></w:p>`)},
		{"drawing that is switched off", "a.docx", "a.docx", "hidden_text", docxFile(t, `<w:p><w:r><wp:anchor><wp:docPr id="1" hidden="1"/></wp:anchor></w:r></w:p>`)},
		{"row of no height", "a.xlsx", "a.xlsx#S!A1", "hidden_row", xlsxFile(t, "S", "", `<row r="1" ht="0" customHeight="1"><c r="A1"><v>1</v></c></row>`)},
		{"column of no width", "a.xlsx", "a.xlsx#S!A1", "hidden_column", replaced(t, xlsxFile(t, "S", "", ""), "xl/worksheets/sheet1.xml",
			`<worksheet><cols><col min="1" max="1" width="0"/></cols><sheetData><row r="1"><c r="A1"><v>1</v></c></row></sheetData></worksheet>`)},
		{"shape that is switched off", "a.pptx", "a.pptx#slide1", "hidden_text", deckFile(t, strings.Replace(textBox(onSlide, ""), "<p:spPr>", `<p:nvSpPr><p:cNvPr id="2" hidden="1"/></p:nvSpPr><p:spPr>`, 1))},
		{"hidden slide of odp", "a.odp", "a.odp", "hidden_slide", openDocument(t, style(`<style:drawing-page-properties presentation:visibility="hidden"/>`), `<draw:page draw:style-name="T1"><text:p>x</text:p></draw:page>`)},
		{"speaker notes of odp", "a.odp", "a.odp", "speaker_notes", openDocument(t, "", `<draw:page><presentation:notes><text:p>言わない</text:p></presentation:notes></draw:page>`)},
		{"section of odt that is not shown", "a.odt", "a.odt", "hidden_text", openDocument(t, "", `<text:section text:display="none"><text:p>x</text:p></text:section>`)},
		{"block of a page that is not shown", "a.html", "a.html", "hidden_text", []byte(`<p>x<div style="display:none">secret</div>`)},
		{"letters of no size on a page", "a.html", "a.html", "tiny_text", []byte(`<p>x<span style="font-size:0">secret</span>`)},
		{"white letters on a white page", "a.html", "a.html", "white_text", []byte(`<p>x<font color=white>secret</font>`)},
		{"block left of the page", "a.html", "a.html", "off_page", []byte(`<p>x<p style="position:absolute; left:-9999px">secret`)},
		{"an archive behind a picture", "a.jpg", "a.jpg#before", "around_archive", append([]byte("\xff\xd8\xff\xe0 picture"), zipFile(t, member{"a.txt", "x"})...)},
		{"notes of ppt", "a.ppt", "a.ppt#notesSlide1", "speaker_notes", notesFile("言わない")},
		{"deleted text of doc", "a.doc", "a.doc", "tracked_deletion", lookFile("gone", 0x00, 0x08, 1)},
		{"hidden text of doc", "a.doc", "a.doc", "hidden_text", lookFile("secret", 0x3c, 0x08, 1)},
		{"white text of doc", "a.doc", "a.doc", "white_text", lookFile("secret", 0x70, 0x68, 0xff, 0xff, 0xff, 0)},
		{"text box off the slide of ppt", "a.ppt", "a.ppt#slide1", "off_page", anchoredFile("言わない", 6000)},
		{"hidden text of rtf", "a.rtf", "a.rtf", "hidden_text", []byte(`{\rtf1 a{\v secret}b}`)},
		{"white text of rtf", "a.rtf", "a.rtf", "white_text", []byte(`{\rtf1{\colortbl;\red0\green0\blue0;\red255\green255\blue255;}{\cf2 secret}}`)},
		{"tiny text of rtf", "a.rtf", "a.rtf", "tiny_text", []byte(`{\rtf1{\fs2 secret}}`)},
		{"deleted text of rtf", "a.rtf", "a.rtf", "tracked_deletion", []byte(`{\rtf1{\deleted secret}}`)},
		{"comment of rtf", "a.rtf", "a.rtf", "comment", []byte(`{\rtf1 x{\*\annotation hm}}`)},
		{"comment of a zip", "a.zip", "a.zip#comment", "archive_comment", commented(zipFile(t, member{"a.txt", "x"}), "原価率 42%")},
		{"text in front of a zip", "a.zip", "a.zip#before", "around_archive", append([]byte("\x01\x02secret margin\x00\x00"), zipFile(t, member{"a.txt", "x"})...)},
		{"text behind a zip", "a.zip", "a.zip#after", "around_archive", append(zipFile(t, member{"a.txt", "x"}), "secret margin behind"...)},
	} {
		t.Run(c.name, func(t *testing.T) { wantHidden(t, s.File(context.Background(), c.file, c.body), c.path, c.how) })
		if !slices.Contains(HiddenDetails(), c.how) {
			t.Errorf("%s is not among the details", c.how)
		}
	}
}

func TestWhatEverybodySeesIsNotHidden(t *testing.T) {
	s := scanner(t, Options{})
	dark := `<patternFill patternType="solid"><fgColor rgb="FF1F4E79"/></patternFill>`
	for _, c := range []struct {
		name, file string
		body       []byte
	}{
		{"a white heading on blue cells", "a.xlsx", styledSheet(t, `<color rgb="FFFFFFFF"/>`, dark, "General", "氏名")},
		{"a hidden row without values", "a.xlsx", xlsxFile(t, "S", "", `<row r="1" hidden="1"/><row r="2"><c r="A2"><v>1</v></c></row>`)},
		{"an empty hidden sheet", "a.xlsx", xlsxFile(t, "S", "hidden", "")},
		{"a white heading in a dark cell", "a.docx", docxFile(t, `<w:tbl><w:tr><w:tc><w:tcPr><w:shd w:val="clear" w:fill="1F4E79"/></w:tcPr><w:p><w:r><w:rPr><w:color w:val="FFFFFF"/></w:rPr><w:t>氏名</w:t></w:r></w:p></w:tc></w:tr></w:tbl>`)},
		{"white letters in a drawn box", "a.docx", docxFile(t, `<w:txbxContent><w:p><w:r><w:rPr><w:color w:val="FFFFFF"/></w:rPr><w:t>ご案内</w:t></w:r></w:p></w:txbxContent>`)},
		{"a picture in its frame", "a.docx", docxFile(t, `<w:p><pic:blipFill><a:srcRect/></pic:blipFill></w:p>`)},
		{"a text box on its page", "a.docx", docxFile(t, `<w:p><w:r><wp:anchor><wp:posOffset>914400</wp:posOffset><w:txbxContent>`+paragraph("x")+`</w:txbxContent></wp:anchor></w:r></w:p>`)},
		{"white letters on a coloured slide", "a.pptx", deckFile(t, `<p:bg><a:solidFill><a:srgbClr val="002060"/></a:solidFill></p:bg>`+textBox(onSlide, `<a:rPr><a:solidFill><a:srgbClr val="FFFFFF"/></a:solidFill></a:rPr>`))},
		{"notes with a page number", "a.pptx", deckFile(t, "", member{"ppt/notesSlides/notesSlide1.xml", `<p:notes><a:p><a:r><a:t>12</a:t></a:r></a:p></p:notes>`})},
		{"properties by a program", "a.docx", docxFile(t, paragraph("x"), member{"docProps/core.xml", `<p><dc:creator>openpyxl</dc:creator></p>`})},
		{"white letters on a blue cell of a page", "a.html", []byte(`<table><tr bgcolor="#003366"><td><font color="#ffffff">氏名</font></td></tr></table>`)},
		{"white letters where a style sheet paints", "a.html", []byte(`<style>th{background:navy}</style><table><tr><th style="color:#fff">氏名</th></tr></table>`)},
		{"what follows a hidden element", "a.html", []byte(`<p>a<img style="display:none"><p style="display:none"><p>b<br style="display:none">c`)},
		{"a section that is shown", "a.odt", openDocument(t, "", `<text:section><text:p>x</text:p></text:section>`)},
		{"a picture", "a.png", []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x00IEND....")},
		{"white text of doc on a ground", "a.doc", lookFile("heading", 0x70, 0x68, 0xff, 0xff, 0xff, 0, 0x71, 0xca, 2, 1, 1)},
		{"text box on the slide of ppt", "a.ppt", anchoredFile("言う", 100)},
		{"text in a ZIP", "a.zip", zipFile(t, member{"a.txt", "x"})},
	} {
		if f, ok := finding(s.File(context.Background(), c.file, c.body), DetectorHidden); ok {
			t.Errorf("%s: %+v", c.name, f.Matches)
		}
	}
}

// commented is an archive with a comment at its end.
func commented(zip []byte, comment string) []byte {
	zip = bytes.Clone(zip)
	binary.LittleEndian.PutUint16(zip[len(zip)-2:], uint16(len(comment)))
	return append(zip, comment...)
}

// notesFile is a .ppt with speaker notes.
func notesFile(text string) []byte {
	atom := append([]byte{0, 0, 0xa0, 0x0f}, binary.LittleEndian.AppendUint32(nil, uint32(len(wide(text))))...)
	atom = append(atom, wide(text)...)
	box := append([]byte{0x0f, 0, 0xf0, 0x03}, binary.LittleEndian.AppendUint32(nil, uint32(len(atom)))...)
	return compoundFile(map[string][]byte{"PowerPoint Document": append(box, atom...)})
}

// anchoredFile is a .ppt with slides of 5760 by 4320 and a text box that begins at left.
func anchoredFile(text string, left uint16) []byte {
	atom := func(kind uint16, container bool, body ...byte) []byte {
		b := []byte{0, 0}
		if container {
			b[0] = 0x0f
		}
		b = binary.LittleEndian.AppendUint16(b, kind)
		return append(binary.LittleEndian.AppendUint32(b, uint32(len(body))), body...)
	}
	anchor := []byte{10, 0, byte(left), byte(left >> 8), byte((left + 90)), byte((left + 90) >> 8), 90, 0}
	shape := atom(0xf004, true, append(atom(0xf010, false, anchor...), atom(0x0fa0, false, wide(text)...)...)...)
	return compoundFile(map[string][]byte{"PowerPoint Document": append(atom(0x03e9, false, u32(5760, 4320)...), atom(0x03ee, true, shape...)...)})
}

// lookFile is a .doc whose characters have one change to how they look.
func lookFile(text string, change ...byte) []byte {
	doc := make([]byte, 0x400)
	binary.LittleEndian.PutUint16(doc, 0xa5ec)
	binary.LittleEndian.PutUint16(doc[2:], 0xc1)
	page := make([]byte, 512)
	binary.LittleEndian.PutUint32(page[4:], 100)
	page[8] = 200 // the list stands at twice that
	page[400] = byte(len(change))
	copy(page[401:], change)
	page[511] = 1
	doc = append(doc, page...) // page 2
	at := uint32(len(doc))
	doc = append(doc, wide(text)...)
	plc := binary.LittleEndian.AppendUint32(nil, 0)
	plc = binary.LittleEndian.AppendUint32(plc, uint32(len([]rune(text))))
	plc = append(plc, 0, 0)
	plc = binary.LittleEndian.AppendUint32(plc, at)
	plc = append(plc, 0, 0)
	table := append(binary.LittleEndian.AppendUint32([]byte{2}, uint32(len(plc))), plc...)
	binary.LittleEndian.PutUint32(doc[0x1a6:], uint32(len(table)))
	binary.LittleEndian.PutUint32(doc[0xfa:], uint32(len(table)))
	binary.LittleEndian.PutUint32(doc[0xfe:], 12)
	table = append(table, u32(0, 100, 2)...)
	return compoundFile(map[string][]byte{"WordDocument": doc, "0Table": table})
}

func TestLabelsAreFindings(t *testing.T) {
	s := scanner(t, Options{})
	const id = "0a1b2c3d-1111-2222-3333-444455556666"
	property := func(key, value string) string {
		return `<property name="MSIP_Label_` + id + `_` + key + `"><vt:lpwstr>` + value + `</vt:lpwstr></property>`
	}
	custom := func(more string) []byte {
		return docxFile(t, paragraph("x"), member{"docProps/custom.xml", `<Properties>` + property("Enabled", "true") + property("Name", "社外秘") + more + `</Properties>`})
	}
	want := func(r *Report, detector, path string) {
		t.Helper()
		f, ok := finding(r, detector)
		if !ok || f.Level != High || f.Matches[0].Path != path {
			t.Errorf("%s at %s: %+v", detector, path, r.Findings)
		}
	}
	r := scanMail(t, s, string(mailWith("a.docx", custom(""))))
	want(r, "label."+id, "a.docx#properties")
	want(r, "label.社外秘", "a.docx#properties")
	r = s.File(context.Background(), "a.docx", docxFile(t, paragraph("x"), member{"docMetadata/LabelInfo.xml", `<clbl:labelList><clbl:label id="{` + strings.ToUpper(id) + `}" enabled="1"/></clbl:labelList>`}))
	want(r, "label."+id, "a.docx#properties")
	r = scanMail(t, s, "From: a@corp.test\r\nTo: b@other.test\r\nmsip_labels: MSIP_Label_"+id+"_Enabled=True;\r\n MSIP_Label_"+id+"_Name=Confidential;\r\n\r\nx")
	want(r, "label."+id, "msip_labels")
	want(r, "label.Confidential", "msip_labels")
	r = s.File(context.Background(), "a.docx", custom(property("Removed", "true")))
	for _, f := range r.Findings {
		if strings.HasPrefix(f.Detector, LabelPrefix) {
			t.Errorf("a label that was taken off: %+v", f)
		}
	}
}
