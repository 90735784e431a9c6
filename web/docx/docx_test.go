package docx_test

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/sekisho-mail/sekisho/web/docx"
)

// read gives the well-formed parts of a document and its text.
func read(t *testing.T, d docx.Document) string {
	t.Helper()
	var b bytes.Buffer
	if err := d.Write(&b); err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	text := ""
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		x := xml.NewDecoder(r)
		for {
			token, err := x.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", f.Name, err)
			}
			if c, ok := token.(xml.CharData); ok {
				text += string(c) + "|"
			}
		}
	}
	return text
}

func TestADocumentHoldsWhatItWasGiven(t *testing.T) {
	got := read(t, docx.Document{Lang: "ja", Blocks: []docx.Block{{Title: "報告書"}, {Heading: "概要"}, {Text: "一行目\n二行目 <&>"},
		{Table: [][]string{{"宛先", "日時"}, {"a@b.example", "10:03"}}}}})
	for _, want := range []string{"報告書|", "概要|", "一行目|", "二行目 <&>|", "宛先|", "a@b.example|", "10:03|"} {
		if !strings.Contains(got, want) {
			t.Errorf("lacks %q: %s", want, got)
		}
	}
}

func TestHostileNamesLeaveAWellFormedDocument(t *testing.T) {
	got := read(t, docx.Document{Blocks: []docx.Block{{Text: "a\x00b\x1b\uFFFE]]>\u202egnp.exe\xff</w:t>"}}})
	if !strings.Contains(got, "ab]]>gnp.exe\uFFFD</w:t>") {
		t.Errorf("%q", got)
	}
}
