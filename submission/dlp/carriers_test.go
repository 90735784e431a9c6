package dlp

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/text/encoding/japanese"
)

func sjis(t testing.TB, s string) string {
	t.Helper()
	b, err := japanese.ShiftJIS.NewEncoder().String(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestEveryCarrierIsOpened(t *testing.T) {
	s := scanner(t, Options{})
	label := "個人番号：" + number
	sheet := `<row r="1"><c r="A1" t="inlineStr"><is><t>個人番号</t></is></c></row>`
	cell := func(xml string) []byte { return xlsxFile(t, "S", "", sheet+`<row r="2">`+xml+`</row>`, "x", number) }
	for _, c := range []struct {
		name string
		file string
		body []byte
		path string
	}{
		{"text", "a.txt", []byte(label), "a.txt"},
		{"text in Shift_JIS", "a.txt", []byte(sjis(t, label)), "a.txt"},
		{"csv", "a.csv", []byte("氏名,個人番号\r\n山田," + number + "\r\n"), "a.csv#B2"},
		{"csv in Shift_JIS", "a.csv", []byte(sjis(t, "氏名,個人番号\r\n\"山田\",\"983205673214\"\r\n")), "a.csv#B2"},
		{"tsv", "a.tsv", []byte("氏名\t個人番号\n山田\t983205673214\n"), "a.tsv#B2"},
		{"html", "a.html", []byte("<table><tr><th>個人番号</th></tr><tr><td>983205673214</td></tr></table>"), "a.html"},
		{"xml", "a.xml", []byte("<?xml version='1.0'?><a><b>個人番号</b><c>" + number + "</c></a>"), "a.xml"},
		{"vcard", "a.vcf", []byte("BEGIN:VCARD\r\nNOTE:個人番\r\n 号 9832-0567\r\n -3214\r\nEND:VCARD\r\n"), "a.vcf"},
		{"calendar", "a.ics", []byte("BEGIN:VCALENDAR\r\nDESCRIPTION:個人番号 9832-056\r\n 7-3214\r\nEND:VCALENDAR\r\n"), "a.ics"},
		{"rtf", "a.rtf", []byte(`{\rtf1\ansi\ansicpg932{\fonttbl{\f0\fcharset128 x;}}\f0 \'8c\'c2\'90\'6c\'94\'d4\'8d\'86 9832-0567-3214\par}`), "a.rtf"},
		{"rtf with unicode", "a.rtf", []byte(`{\rtf1\ansi\uc1\u20491?\u20154?\u30058?\u21495? 9832-0567-3214\par}`), "a.rtf"},
		{"docx", "a.docx", docxFile(t, paragraph(label)), "a.docx"},
		{"docx split over runs", "a.docx", docxFile(t, `<w:p><w:r><w:t>個人</w:t></w:r><w:r><w:t>番号 9832-05</w:t></w:r><w:r><w:t>67-3214</w:t></w:r></w:p>`), "a.docx"},
		{"docx table", "a.docx", docxFile(t, `<w:tbl><w:tr><w:tc>`+paragraph("氏名")+`</w:tc><w:tc>`+paragraph("個人番号")+`</w:tc></w:tr><w:tr><w:tc>`+paragraph("山田")+`</w:tc><w:tc>`+paragraph("983205673214")+`</w:tc></w:tr></w:tbl>`), "a.docx"},
		{"docx header", "a.docx", docxFile(t, paragraph("x"), member{"word/header1.xml", `<w:hdr>` + paragraph(label) + `</w:hdr>`}), "a.docx#header1"},
		{"docx comment", "a.docx", docxFile(t, paragraph("x"), member{"word/comments.xml", `<w:comments><w:comment>` + paragraph(label) + `</w:comment></w:comments>`}), "a.docx#comments"},
		{"docx deleted text", "a.docx", docxFile(t, `<w:p><w:del><w:r><w:delText>`+label+`</w:delText></w:r></w:del></w:p>`), "a.docx"},
		{"docx property", "a.docx", docxFile(t, paragraph("x"), member{"docProps/core.xml", `<p><title>` + label + `</title></p>`}), "a.docx#properties"},
		{"docx embedded file", "a.docx", docxFile(t, paragraph("x"), member{"word/embeddings/b.txt", label}), "a.docx!/word/embeddings/b.txt"},
		{"xlsx shared string", "a.xlsx", cell(`<c r="A2" t="s"><v>1</v></c>`), "a.xlsx#S!A2"},
		{"xlsx number", "a.xlsx", cell(`<c r="A2"><v>983205673214</v></c>`), "a.xlsx#S!A2"},
		{"xlsx number in scientific form", "a.xlsx", cell(`<c r="A2"><v>9.83205673214E11</v></c>`), "a.xlsx#S!A2"},
		{"xlsx without references", "a.xlsx", xlsxFile(t, "S", "", `<row><c t="s"><v>0</v></c></row><row><c><v>983205673214</v></c></row>`, "個人番号"), "a.xlsx#S!A2"},
		{"pptx", "a.pptx", zipFile(t, member{"[Content_Types].xml", "<Types/>"}, member{"ppt/presentation.xml", "<p/>"}, member{"ppt/slides/slide1.xml", `<p:sld><a:p><a:r><a:t>` + label + `</a:t></a:r></a:p></p:sld>`}), "a.pptx#slide1"},
		{"pptx notes", "a.pptx", zipFile(t, member{"[Content_Types].xml", "<Types/>"}, member{"ppt/presentation.xml", "<p/>"}, member{"ppt/notesSlides/notesSlide1.xml", `<p:notes><a:p><a:r><a:t>` + label + `</a:t></a:r></a:p></p:notes>`}), "a.pptx#notesSlide1"},
		{"odt", "a.odt", zipFile(t, member{"mimetype", "application/vnd.oasis.opendocument.text"}, member{"content.xml", `<o><text:p>` + label + `</text:p></o>`}, member{"META-INF/manifest.xml", "<m/>"}), "a.odt"},
		{"ods", "a.ods", zipFile(t, member{"META-INF/manifest.xml", "<m/>"}, member{"content.xml", `<o><table:table table:name="名簿"><table:table-row><table:table-cell><text:p>個人番号</text:p></table:table-cell></table:table-row>` +
			`<table:table-row><table:table-cell office:value="983205673214"><text:p>9.83E+11</text:p></table:table-cell></table:table-row></table:table></o>`}), "a.ods#名簿!A2"},
		{"zip", "a.zip", zipFile(t, member{"b.txt", label}), "a.zip!/b.txt"},
		{"zip with Shift_JIS names", "a.zip", zipFile(t, member{sjis(t, "名簿.txt"), label}), "a.zip!/名簿.txt"},
		{"zip in zip", "a.zip", zipFile(t, member{"b.zip", string(zipFile(t, member{"c.txt", label}))}), "a.zip!/b.zip!/c.txt"},
		{"xlsx in zip", "data.zip", zipFile(t, member{"名簿.xlsx", string(cell(`<c r="A2" t="s"><v>1</v></c>`))}), "data.zip!/名簿.xlsx#S!A2"},
		{"gzip", "a.txt.gz", gzipped(t, label), "a.txt.gz!/a.txt"},
		{"tar.gz", "a.tar.gz", gzipped(t, tarred(t, "b.txt", label)), "a.tar.gz!/a.tar!/b.txt"},
		{"doc", "a.doc", wordFile(label), "a.doc"},
		{"xls", "a.xls", excelFile("名簿", 0, "個人番号", 983205673214), "a.xls#名簿!A2"},
		{"ppt", "a.ppt", powerPointFile(label), "a.ppt#slide1"},
		{"msg", "a.msg", outlookFile(label, "x"), "a.msg"},
		{"msg attachment", "a.msg", outlookFile("x", label+strings.Repeat(" ", 4096)), "a.msg!/b.txt"},
		{"winmail.dat", "winmail.dat", tnefFile("b.txt", label), "winmail.dat!/b.txt"},
		{"word in a compound inside docx", "a.docx", docxFile(t, paragraph("x"), member{"word/embeddings/oleObject1.bin", string(wordFile(label))}), "a.docx!/word/embeddings/oleObject1.bin"},
	} {
		t.Run(c.name, func(t *testing.T) {
			wantNumber(t, s.File(context.Background(), c.file, c.body), c.path)
			wantNumber(t, scanMail(t, s, string(mailWith(c.file, c.body))), c.path)
		})
	}
}

func gzipped(t testing.TB, s string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(s)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func tarred(t testing.TB, name, body string) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: name, Size: int64(len(body)), Mode: 0o600}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(body)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// wordFile is a Word 97 document whose text is one piece of UTF-16.
func wordFile(text string) []byte {
	doc := make([]byte, 0x400)
	binary.LittleEndian.PutUint16(doc, 0xa5ec)
	binary.LittleEndian.PutUint16(doc[2:], 0xc1)
	at := uint32(len(doc))
	body := wide(text)
	doc = append(doc, body...)
	chars := uint32(len(body) / 2)
	plc := binary.LittleEndian.AppendUint32(nil, 0)
	plc = binary.LittleEndian.AppendUint32(plc, chars)
	plc = append(plc, 0, 0)
	plc = binary.LittleEndian.AppendUint32(plc, at)
	plc = append(plc, 0, 0)
	clx := binary.LittleEndian.AppendUint32([]byte{2}, uint32(len(plc)))
	clx = append(clx, plc...)
	binary.LittleEndian.PutUint32(doc[0x1a2:], 0)
	binary.LittleEndian.PutUint32(doc[0x1a6:], uint32(len(clx)))
	return compoundFile(map[string][]byte{"WordDocument": doc, "0Table": clx})
}

func record(id uint16, body ...byte) []byte {
	b := binary.LittleEndian.AppendUint16(nil, id)
	return append(binary.LittleEndian.AppendUint16(b, uint16(len(body))), body...)
}

// excelFile is a BIFF8 workbook with a shared string in A1 and a number in A2.
func excelFile(name string, state byte, head string, value float64) []byte {
	short := append([]byte{byte(len(wide(name)) / 2), 1}, wide(name)...)
	text := append([]byte{byte(len(wide(head)) / 2), 0, 1}, wide(head)...)
	cut := 5 // inside the string, so that it goes on in a CONTINUE record
	sst := append([]byte{1, 0, 0, 0, 1, 0, 0, 0}, text[:cut]...)
	var b []byte
	b = append(b, record(0x809, 0, 6, 5, 0)...)
	b = append(b, record(0x85, append([]byte{0, 0, 0, 0, state, 0}, short...)...)...)
	b = append(b, record(0xfc, sst...)...)
	b = append(b, record(0x3c, append([]byte{1}, text[cut:]...)...)...)
	b = append(b, record(0x0a)...)
	b = append(b, record(0x809, 0, 6, 16, 0)...)
	b = append(b, record(0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)...)
	number := binary.LittleEndian.AppendUint64([]byte{1, 0, 0, 0, 0, 0}, floatBits(value))
	b = append(b, record(0x203, number...)...)
	b = append(b, record(0x0a)...)
	return compoundFile(map[string][]byte{"Workbook": b})
}

func powerPointFile(text string) []byte {
	atom := append([]byte{0, 0, 0xa0, 0x0f}, binary.LittleEndian.AppendUint32(nil, uint32(len(wide(text))))...)
	atom = append(atom, wide(text)...)
	box := append([]byte{0x0f, 0, 0xee, 0x03}, binary.LittleEndian.AppendUint32(nil, uint32(len(atom)))...)
	return compoundFile(map[string][]byte{"PowerPoint Document": append(box, atom...)})
}

func outlookFile(body, attached string) []byte {
	return compoundFile(map[string][]byte{
		"__properties_version1.0":                               make([]byte, 32),
		"__substg1.0_0037001F":                                  wide("件名"),
		"__substg1.0_1000001F":                                  wide(body),
		"__attach_version1.0_#00000000/__properties_version1.0": make([]byte, 8),
		"__attach_version1.0_#00000000/__substg1.0_3707001F":    wide("b.txt"),
		"__attach_version1.0_#00000000/__substg1.0_37010102":    []byte(attached),
	})
}

func tnefFile(name, body string) []byte {
	attribute := func(level byte, id uint32, value []byte) []byte {
		b := binary.LittleEndian.AppendUint32([]byte{level}, id)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(value)))
		return append(append(b, value...), 0, 0)
	}
	b := []byte("\x78\x9f\x3e\x22\x01\x00")
	b = append(b, attribute(1, 0x00078004, []byte("subject\x00"))...)
	b = append(b, attribute(2, 0x00069002, make([]byte, 14))...)
	b = append(b, attribute(2, 0x00018010, []byte(name+"\x00"))...)
	return append(b, attribute(2, 0x0006800f, []byte(body))...)
}

func TestFormsOfFiles(t *testing.T) {
	s := scanner(t, Options{})
	pe := make([]byte, 256)
	copy(pe, "MZ")
	pe[0x3c] = 0x80
	copy(pe[0x80:], "PE\x00\x00")
	for _, c := range []struct {
		name, detector, file string
		body                 []byte
	}{
		{"program", DetectorExecutable, "a.bin", pe},
		{"program called text", DetectorMismatched, "a.txt", pe},
		{"program in zip", DetectorExecutable, "a.zip", zipFile(t, member{"b.exe", string(pe)})},
		{"script", DetectorExecutable, "a.vbs", []byte("MsgBox 1")},
		{"double extension", DetectorExecutable, "請求書.pdf.exe", pe},
		{"right-to-left override", DetectorExecutable, "a\u202efdp.txt", []byte("x")},
		{"macro", DetectorMacro, "a.docx", docxFile(t, paragraph("x"), member{"word/vbaProject.bin", "x"})},
		{"macro by name", DetectorMacro, "a.docm", docxFile(t, paragraph("x"))},
		{"macro in xls", DetectorMacro, "a.xls", compoundFile(map[string][]byte{"Workbook": record(0x809, 0, 6, 5, 0), "_VBA_PROJECT_CUR/VBA/dir": []byte("x")})},
		{"winmail.dat", DetectorTNEF, "winmail.dat", tnefFile("a.txt", "x")},
	} {
		if _, ok := finding(s.File(context.Background(), c.file, c.body), c.detector); !ok {
			t.Errorf("%s: no %s", c.name, c.detector)
		}
	}
}

func TestEncryptedFilesAreSaidToBe(t *testing.T) {
	s := scanner(t, Options{})
	locked := zipFile(t, member{"秘密.txt", "x"})
	for i := 0; i+4 < len(locked); i++ { // set the flag in both headers
		switch string(locked[i : i+4]) {
		case "PK\x03\x04":
			locked[i+6] |= 1
		case "PK\x01\x02":
			locked[i+8] |= 1
		}
	}
	word := wordFile("x")
	for i := range word {
		if bytes.HasPrefix(word[i:], []byte{0xec, 0xa5, 0xc1, 0}) {
			word[i+0x0b] |= 1
		}
	}
	for _, c := range []struct {
		name string
		body []byte
	}{
		{"a.zip", locked},
		{"a.docx", compoundFile(map[string][]byte{"EncryptedPackage": []byte("x"), "EncryptionInfo": []byte("x")})},
		{"a.doc", word},
		{"a.xls", compoundFile(map[string][]byte{"Workbook": append(record(0x809, 0, 6, 5, 0), record(0x2f, 0, 0)...)})},
		{"a.ppt", compoundFile(map[string][]byte{"PowerPoint Document": []byte("x"), "Current User": []byte("\x00\x00\xf6\x0f\x14\x00\x00\x00\x14\x00\x00\x00\xdf\xc4\xd1\xf3")})},
		{"a.odt", zipFile(t, member{"META-INF/manifest.xml", "<m><encryption-data/></m>"}, member{"content.xml", "garbage"})},
		{"a.asc", []byte("-----BEGIN PGP MESSAGE-----\n\nhQEMA\n-----END PGP MESSAGE-----\n")},
		{"smime.p7m", []byte("\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03\xa0\x80\x30\x80\x02\x01\x00\x31\x00")},
		{"message.rpmsg", []byte("\x76\xe8\x04\x60\xc4\x11\xe3\x86\x00\x00\x01\x00")},
		{"予算.pfile", []byte(".pfile\x02\x00\x00\x00\x00\x01")},
		{"a.7z", []byte("7z\xbc\xaf\x27\x1c\x00\x04")},
	} {
		r := s.File(context.Background(), c.name, c.body)
		if c.name == "a.7z" { // only damaged: must not be called clean
			if len(r.Uninspectable) == 0 {
				t.Errorf("%s: %+v", c.name, r)
			}
			continue
		}
		f, ok := finding(r, DetectorEncrypted)
		if !ok || f.Matches[0].Path != c.name || !has(r, c.name, Encrypted) {
			t.Errorf("%s: %+v", c.name, r)
		}
		if _, twice := finding(r, DetectorUninspectable); twice {
			t.Errorf("%s: encrypted counts as uninspectable as well", c.name)
		}
	}
}

func TestEncryptedMailsAreSaidToBe(t *testing.T) {
	s := scanner(t, Options{})
	head := "From: a@corp.test\r\nTo: b@other.test\r\nMIME-Version: 1.0\r\n"
	for name, raw := range map[string]string{
		"s/mime":     head + "Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m\r\nContent-Transfer-Encoding: base64\r\n\r\nMIAGCSqGSIb3DQEHA6CA\r\n",
		"pgp/mime":   head + "Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=b\r\n\r\n--b\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n--b\r\nContent-Type: application/octet-stream\r\n\r\n-----BEGIN PGP MESSAGE-----\r\n\r\nhQEMA\r\n-----END PGP MESSAGE-----\r\n--b--\r\n",
		"inline pgp": head + "\r\n-----BEGIN PGP MESSAGE-----\r\n\r\nhQEMA\r\n-----END PGP MESSAGE-----\r\n",
	} {
		r := scanMail(t, s, raw)
		if _, ok := finding(r, DetectorEncrypted); !ok {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestSignedMailIsOpened(t *testing.T) {
	s := scanner(t, Options{})
	inner := "Content-Type: text/plain; charset=utf-8\r\n\r\n個人番号 " + number + "\r\n"
	der := []byte{0x30, 0x80, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02, 0xa0, 0x80, 0x30, 0x80, 0x02, 0x01, 0x01, 0x31, 0x00,
		0x30, 0x80, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01, 0xa0, 0x80, 0x24, 0x80}
	for i := 0; i < len(inner); i += 20 { // in pieces, as mail programs write it
		piece := inner[i:min(len(inner), i+20)]
		der = append(append(der, 0x04, byte(len(piece))), piece...)
	}
	der = append(der, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	wantNumber(t, s.File(context.Background(), "smime.p7m", der), "smime.p7m!/signed.eml!/1")
}

func TestRowsOfALongSheetKeepTheirHeader(t *testing.T) {
	s := scanner(t, Options{})
	var rows strings.Builder
	rows.WriteString(`<row r="1"><c r="A1" t="inlineStr"><is><t>備考</t></is></c><c r="B1" t="inlineStr"><is><t>個人番号</t></is></c></row>`)
	for i := 2; i < 9000; i++ {
		fmt.Fprintf(&rows, `<row r="%d"><c r="A%d" t="inlineStr"><is><t>%s</t></is></c></row>`, i, i, strings.Repeat("長い備考", 40))
	}
	rows.WriteString(`<row r="9000"><c r="B9000"><v>983205673214</v></c></row>`)
	wantNumber(t, s.File(context.Background(), "a.xlsx", xlsxFile(t, "S", "", rows.String())), "a.xlsx#S!B9000")
}
