package kind

import (
	"archive/zip"
	"bytes"
	"testing"
)

func zipOf(t *testing.T, names ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, n := range names {
		f, err := w.CreateHeader(&zip.FileHeader{Name: n, Method: zip.Store})
		if err != nil {
			t.Fatal(err)
		}
		if n == "mimetype" {
			f.Write([]byte(ODS))
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestContentDecidesTheType(t *testing.T) {
	for _, c := range []struct {
		name, file string
		body       []byte
		want       string
	}{
		{"PDF called txt", "a.txt", []byte("%PDF-1.7\n%\xe2\xe3"), PDF},
		{"PDF behind garbage", "a.pdf", append(bytes.Repeat([]byte("x\x00\x01"), 100), append([]byte("%PDF-1.4\n"), make([]byte, 1024)...)...), PDF},
		{"zip", "a.zip", zipOf(t, "a.txt"), Zip},
		{"docx", "a.docx", zipOf(t, "[Content_Types].xml", "word/document.xml"), DOCX},
		{"xlsx called zip", "a.zip", zipOf(t, "[Content_Types].xml", "xl/workbook.xml"), XLSX},
		{"pptx", "", zipOf(t, "[Content_Types].xml", "ppt/presentation.xml"), PPTX},
		{"ods", "", zipOf(t, "mimetype", "content.xml"), ODS},
		{"jar", "", zipOf(t, "META-INF/MANIFEST.MF", "A.class"), Java},
		{"self-extracting zip", "a.bin", append([]byte("MZ\x90\x00\x03\x00\x00"), zipOf(t, "a.txt")...), PE},
		{"text that begins with MZ", "a.txt", []byte("MZ is a pair of letters, and this is a text."), Text},
		{"text that begins with BM", "a.txt", []byte("BM is a pair of letters, and this is a text."), Text},
		{"Shift_JIS text", "a.txt", []byte("\x8c\xc2\x90l\x94\xd4\x8d\x86"), Text},
		{"JIS text", "a.txt", []byte("\x1b$B8D?M\x1b(B"), Text},
		{"UTF-16", "a.txt", []byte("\xff\xfea\x00b\x00"), Text},
		{"UTF-16 without mark", "a.txt", []byte("n\x00u\x00m\x00b\x00e\x00r\x00 \x00o\x00f\x00 \x00i\x00t\x00"), Text},
		{"csv", "a.csv", []byte("a,b\n1,2\n"), CSV},
		{"html called doc", "a.doc", []byte("<html><body>x"), HTML},
		{"mail", "", []byte("From: a@b\nTo: c@d\nSubject: x\n\nhi"), Mail},
		{"signed", "smime.p7s", []byte("\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x80\x30\x80\x02\x01\x01\x31"), PKCS7Sig},
		{"enveloped", "smime.p7m", []byte("\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03\xa0\x80\x30\x80\x02\x01\x01\x31"), PKCS7},
		{"script", "a.vbs", []byte("MsgBox 1"), Script},
		{"noise", "a.dat", []byte{0, 1, 2, 3, 4, 5, 6, 7, 200, 0, 1}, Unknown},
		{"empty", "a", nil, Text},
	} {
		if got := Of(c.file, c.body); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestNamesThatLie(t *testing.T) {
	for _, c := range []struct {
		name, kind string
		mismatch   bool
		executable bool
		deceptive  bool
	}{
		{"a.pdf", PDF, false, false, false},
		{"a.pdf", PE, true, true, false},
		{"a.txt", Zip, true, false, false},
		{"photo.jpg", "image/png", false, false, false},
		{"a.xls", HTML, false, false, false},
		{"a.doc", RTF, false, false, false},
		{"book.zip", XLSX, false, false, false},
		{"請求書.pdf.exe", PE, false, true, true},
		{"請求書.pdf      .scr", PE, false, true, true},
		{"a.js", Text, false, true, false},
		{"a\u202Efdp.exe", PE, false, true, true},
		{"a.lnk", Shortcut, false, true, false},
		{"program", ELF, false, true, false},
		{"a.tar.gz", Gzip, false, false, false},
	} {
		if got := Mismatch(c.name, c.kind); got != c.mismatch {
			t.Errorf("Mismatch(%q, %s) = %v", c.name, c.kind, got)
		}
		if got := Executable(c.name, c.kind) != ""; got != c.executable {
			t.Errorf("Executable(%q, %s) = %v", c.name, c.kind, got)
		}
		if got := Deceptive(c.name) != ""; got != c.deceptive {
			t.Errorf("Deceptive(%q) = %v", c.name, got)
		}
	}
}

func FuzzOf(f *testing.F) {
	f.Add("a.txt", []byte("PK\x03\x04"))
	f.Add("a", []byte("MZ"))
	f.Fuzz(func(t *testing.T, name string, b []byte) {
		k := Of(name, b)
		Mismatch(name, k)
		Executable(name, k)
		Deceptive(name)
	})
}
