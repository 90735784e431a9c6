package dlp

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"io"
	"strings"
	"testing"
)

// TestNothingIsLeftUnread: places where people and programs put text that no
// reader of documents shows at first.
func TestNothingIsLeftUnread(t *testing.T) {
	s := scanner(t, Options{})
	label := "個人番号：" + number
	csv := "氏名,個人番号\r\n山田太郎,983205673214\r\n" + strings.Repeat("佐藤花子,\r\n", 20)
	packed := zipFile(t, member{"b.txt", label})
	b64 := base64.StdEncoding.EncodeToString([]byte(csv))
	zip64 := base64.StdEncoding.EncodeToString(zipFile(t, member{"b.csv", csv}))
	workbook := xlsxFile(t, "S", "", "")
	sheet := func(xml string) []byte {
		return replaced(t, workbook, "xl/worksheets/sheet1.xml", `<worksheet>`+xml+`</worksheet>`)
	}
	for _, c := range []struct {
		name, file, path string
		body             []byte
	}{
		{"a zip behind a JPEG", "a.jpg", "a.jpg!/b.txt", append([]byte("\xff\xd8\xff\xe0\x00\x10JFIF"), packed...)},
		{"a zip behind a PDF", "a.pdf", "a.pdf!/b.txt", append([]byte("%PDF-1.4\n%%EOF\n"), packed...)},
		{"a zip behind a program", "a.exe", "a.exe!/b.txt", append([]byte("MZ\x90\x00\x03\x00\x00\x00\xff\xff"), packed...)},
		{"a zip behind a text of many pages", "a.txt", "a.txt!/b.txt", append([]byte(strings.Repeat("こんにちは\n", 2000)), packed...)},
		{"an old document behind a GIF", "a.gif", "a.gif!/after", append([]byte("GIF89a\x01\x00\x01\x00\x80\x00\x00\x00;"), wordFile(label)...)},
		{"a list that begins like a picture", "a.gif", "a.gif", []byte("GIF89a\r\n" + csv)},
		{"a list that begins like a film", "a.mp4", "a.mp4", []byte("\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00" + strings.Repeat("\x00", 40) + csv)},
		{"a comment in a PNG", "a.png", "a.png#properties", []byte("\x89PNG\r\n\x1a\n\x00\x00\x00" + string(rune(len(label)+8)) + "tEXtComment\x00" + label + "\x00\x00\x00\x00")},
		{"a caption in a JPEG", "a.jpg", "a.jpg#properties", []byte("\xff\xd8\xff\xfe\x00" + string(rune(len(label)+2)) + label + "\xff\xda")},
		{"a list pasted in base64", "a.txt", "a.txt!/base64-1", []byte("展開してください\n" + wrap(b64))},
		{"a quoted list in base64", "a.txt", "a.txt!/base64-1", []byte("> " + strings.ReplaceAll(wrap(b64), "\r\n", "\r\n> "))},
		{"a data: address", "a.html", "a.html!/base64-1!/b.csv#B2", []byte(`<a href="data:application/zip;base64,` + zip64 + `">x</a>`)},
		{"a text in a data: address", "a.html", "a.html", []byte(`<a href="data:text/plain,` + "%E5%80%8B%E4%BA%BA%E7%95%AA%E5%8F%B7 983205673214" + `">x</a>`)},
		{"a script that writes a file", "a.html", "a.html!/base64-1!/b.csv#B2", []byte(`<script>var f="` + zip64[:80] + `" +` + "\n  \"" + zip64[80:] + `";save(atob(f))</script>`)},
		{"a file in a picture of SVG", "a.svg", "a.svg!/base64-1", []byte(`<svg><script>go("` + b64 + `")</script></svg>`)},
		{"a calendar entry with a file", "a.ics", "a.ics!/base64-1", []byte("BEGIN:VCALENDAR\r\nATTACH;ENCODING=BASE64:" + strings.ReplaceAll(wrap(b64), "\r\n", "\r\n ") + "\r\nEND:VCALENDAR\r\n")},
		{"hidden letters between shown ones", "a.html", "a.html", []byte(`個人番号 9832<span style="display:none">junk</span>05673214`)},
		{"what a hidden element says", "a.html", "a.html", []byte(`<p>x<div hidden>` + label + `</div>`)},
		{"a variable of a document", "a.docx", "a.docx#word/settings.xml", docxFile(t, paragraph("x"), member{"word/settings.xml", `<w:settings><w:docVars><w:docVar w:name="x" w:val="` + label + `"/></w:docVars></w:settings>`})},
		{"text in a theme", "a.docx", "a.docx#word/theme/theme1.xml", docxFile(t, paragraph("x"), member{"word/theme/theme1.xml", `<a:theme>` + label + `</a:theme>`})},
		{"a file among the settings", "a.docx", "a.docx!/word/x.bin", docxFile(t, paragraph("x"), member{"word/x.bin", csv})},
		{"a file among the thumbnails", "a.odt", "a.odt!/Thumbnails/x.csv#B2", zipFile(t, append(unzipped(t, openDocument(t, "", "")), member{"Thumbnails/x.csv", csv})...)},
		{"an alternative text", "a.docx", "a.docx", docxFile(t, `<w:p><w:r><wp:docPr id="1" descr="`+label+`"/></w:r></w:p>`)},
		{"a watermark", "a.docx", "a.docx#header1", docxFile(t, paragraph("x"), member{"word/header1.xml", `<w:hdr><v:textpath style="" string="` + label + `"/></w:hdr>`})},
		{"a choice of a form", "a.docx", "a.docx", docxFile(t, `<w:sdt><w:dropDownList><w:listItem w:displayText="`+label+`" w:value="1"/></w:dropDownList></w:sdt>`)},
		{"data of a form", "a.docx", "a.docx#customXml/item1.xml", docxFile(t, paragraph("x"), member{"customXml/item1.xml", `<root a="` + label + `"/>`})},
		{"a name that stands for a constant", "a.xlsx", "a.xlsx", replaced(t, workbook, "xl/workbook.xml", `<workbook><sheets><sheet name="S" r:id="rId1"/></sheets><definedNames><definedName name="x">"`+label+`"</definedName></definedNames></workbook>`)},
		{"a text in a formula", "a.xlsx", "a.xlsx#S", sheet(`<sheetData><row r="1"><c r="A1"><f>IF(B1=1,"` + label + `","")</f><v>0</v></c></row></sheetData>`)},
		{"choices of a cell", "a.xlsx", "a.xlsx#S", sheet(`<dataValidations><dataValidation><formula1>"` + label + `"</formula1></dataValidation></dataValidations>`)},
		{"a string that no cell shows", "a.xlsx", "a.xlsx#sharedStrings", xlsxFile(t, "S", "", "", "x", label)},
		{"a hint for reading", "a.xlsx", "a.xlsx#sharedStrings", xlsxFile(t, "S", "", "", "x</t></si><si><t>y</t><rPh><t>"+label+"</t></rPh></si><si><t>z")},
		{"a command to a database", "a.xlsx", "a.xlsx#xl/connections.xml", zipFile(t, append(unzipped(t, workbook), member{"xl/connections.xml", `<c><dbPr connection="` + label + `"/></c>`})...)},
		{"an alternative text on a slide", "a.pptx", "a.pptx#slide1", deckFile(t, `<p:pic><p:nvPicPr><p:cNvPr id="1" descr="`+label+`"/></p:nvPicPr></p:pic>`)},
		{"what a cell of ods holds and does not show", "a.ods", "a.ods", openDocument(t, "", `<table:table table:name="S"><table:table-row><table:table-cell office:string-value="`+label+`"><text:p>x</text:p></table:table-cell></table:table-row></table:table>`)},
		{"a field of odt", "a.odt", "a.odt", openDocument(t, "", `<text:p><text:hidden-text text:string-value="`+label+`"/></text:p>`)},
		{"a file of an unusual kind in a tar", "a.tar", "a.tar!/b.txt", oddTar(t, label)},
		{"text behind a tar", "a.tar", "a.tar!/after", []byte(tarred(t, "b.txt", "x") + label)},
	} {
		t.Run(c.name, func(t *testing.T) { wantNumber(t, s.File(context.Background(), c.file, c.body), c.path) })
	}
	r := scanMail(t, s, "From: a@corp.test\r\nTo: b@other.test\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n貼り付けます\r\n"+wrap(b64)+"\r\n")
	wantNumber(t, r, "1!/base64-1")
}

// oddTar is a tar whose file has the type "contiguous", which every tar unpacks
// like any other.
func oddTar(t testing.TB, body string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: "b.txt", Size: int64(len(body)), Mode: 0o600, Typeflag: tar.TypeCont}); err != nil {
		t.Fatal(err)
	}
	w.Write([]byte(body))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestWhatDecryptsItselfIsEncrypted: a page that holds its content sealed and a
// script that opens it.
func TestWhatDecryptsItselfIsEncrypted(t *testing.T) {
	s := scanner(t, Options{})
	noise := make([]byte, 3000)
	for i := range noise {
		binary.LittleEndian.PutUint16(noise[i&^1:], uint16(i*40503>>3))
	}
	page := `<script>const data="` + base64.StdEncoding.EncodeToString(noise) + `";`
	if _, ok := finding(s.File(context.Background(), "a.html", []byte(page+`crypto.subtle.decrypt(x)</script>`)), DetectorEncrypted); !ok {
		t.Error("a page that decrypts itself passes as read")
	}
	if f, ok := finding(s.File(context.Background(), "a.html", []byte(page+`draw(x)</script>`)), DetectorEncrypted); ok {
		t.Errorf("a page with a font: %+v", f)
	}
}

// TestOrdinaryTextsHoldNoFiles: what looks like base64 and is none.
func TestOrdinaryTextsHoldNoFiles(t *testing.T) {
	s := scanner(t, Options{})
	for name, text := range map[string]string{
		"dashes":   strings.Repeat("-", 500),
		"equals":   strings.Repeat("=", 500),
		"one word": strings.Repeat("a", 500),
		"digests":  strings.Repeat("0123456789abcdef", 40),
		"a path":   "https://files.example/" + strings.Repeat("share/folder/document/", 30),
		"a key":    "-----BEGIN CERTIFICATE-----\n" + wrap(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0x30, 0x82, 3, 0x11, 0xfe}, 150))) + "\n-----END CERTIFICATE-----\n",
	} {
		if r := s.File(context.Background(), "a.txt", []byte(text)); len(r.Carriers) != 1 || len(r.Uninspectable) > 0 {
			t.Errorf("%s: %+v %+v", name, r.Carriers, r.Uninspectable)
		}
	}
}

// TestMalwareIsLookedForInWhatScannersDoNotOpen: they are given the file that lay
// in such a thing, not only the thing.
func TestMalwareIsLookedForInWhatScannersDoNotOpen(t *testing.T) {
	const evil = "a file that some scanner knows to be evil, and which is as long as a short program would be"
	s := scanner(t, Options{Virus: func(_ context.Context, _ string, r io.Reader) (string, error) {
		b, err := io.ReadAll(r)
		if bytes.HasPrefix(b, []byte(evil)) {
			return "Test", err
		}
		return "", err
	}})
	for name, body := range map[string][]byte{
		"a.lzh": lzhFile(1, "lh0", "a.txt", []byte(evil), evil),
		"a.hqx": []byte(binHex("a.txt", evil)),
		"a.txt": []byte("open this\n" + wrap(base64.StdEncoding.EncodeToString([]byte(strings.Repeat(evil+"\n", 3))))),
	} {
		if _, ok := finding(scanMail(t, s, string(mailWith(name, body))), DetectorMalware); !ok {
			t.Errorf("%s passes", name)
		}
	}
}
