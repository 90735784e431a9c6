package carrier

import (
	"context"
	"encoding/xml"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/internal/message"
	"github.com/sekisho-mail/sekisho/submission/dlp/internal/detect"
)

// sink checks what every reader promises: valid text, cells inside it.
type sink struct{ t *testing.T }

func (s sink) Text(t Text) {
	last := 0
	for _, c := range t.Cells {
		if c.Start < last || c.End < c.Start || c.End > len(t.Body) {
			s.t.Fatalf("cell %d..%d after %d in a text of %d", c.Start, c.End, last, len(t.Body))
		}
		last = c.End
	}
}
func (sink) Form(Form, Where, string, string) {}
func (sink) Label(Where, string, Label)       {}
func (sink) Failed(string, Reason)            {}
func (sink) Seen(string, string, int64)       {}
func (sink) Skipped(string, string)           {}

func walkFor(t *testing.T) *Walk {
	limits := Limits{Depth: 6, Entries: 200, Part: 4 << 20, Expanded: 16 << 20, Ratio: 200, PartTime: 5 * time.Second, Text: 64 << 10, ReadingsPerPart: 3}
	return New(context.Background(), limits, sink{t}, Readers{})
}

// Readers are called without the recovery that protects the product. The first
// argument chooses among those of a kind.

func FuzzMarkup(f *testing.F) {
	seed(f, 6, `<p style="display:none;color:#fff">x<td bgcolor=white>y<style>a{background:red}</style><script>var a="QUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJD"+"QUJD"</script>`,
		"\x89PNG\r\n\x1a\n\x00\x00\x00\x01tEXtx\x00\x00\x00\x00", "\xff\xd8\xff\xfe\x00\x03x", "<p>x<table><tr><td>a<td>b</table><blockquote>q", "{\\rtf1\\ansicpg932{\\fonttbl{\\f0\\fcharset128}}{\\colortbl;\\red255\\green255\\blue255;}\\cf1\\'8c\\u20491?\\v x}",
		"a,b\n\"c\nd\",e", "BEGIN:VCARD\nN;ENCODING=QUOTED-PRINTABLE:=E5=80\n")
	f.Fuzz(func(t *testing.T, which byte, b []byte) {
		w, g := walkFor(t), file{name: "a", path: "a", body: b}
		switch which % 6 {
		case 0:
			w.htmlFile(g)
		case 1:
			w.rtf(g)
		case 2:
			w.table(Text{Text: detect.Text{Body: string(b)}})
		case 3:
			unfoldLines(string(b))
		case 4:
			w.blobs(g, string(b))
			for at := 0; at >= 0; {
				from, to := nextBlob(string(b), at)
				if from >= 0 && (from < at || to < from+minBlob) {
					t.Fatalf("from %d: %d to %d", at, from, to)
				}
				at = to
			}
		case 5:
			pictureText(b, "image/png")
			pictureText(b, "image/jpeg")
			w.behind(g, "image/png")
			w.packets(g)
		}
	})
}

func FuzzArchives(f *testing.F) {
	lzh := "\x19\x00-lh5-\x07\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00 \x00\x01a\x00\x00\x00\x05\x0b\x7f\x80\x00\x00\x00\x00"
	seed(f, 7, "7z\xbc\xaf\x27\x1c\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x0a\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x17\x06\x00\x01\x09\x01\x00\x07\x0b\x01", "PK\x03\x04\x14\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00ab", lzh,
		"MSCF\x00\x00\x00\x00\x60\x00\x00\x00\x00\x00\x00\x00\x2c\x00\x00\x00\x00\x00\x00\x00\x03\x01\x01\x00\x01\x00\x00\x00\x00\x00\x00\x00\x3e\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00a\x00\x00\x00\x00\x00\x01\x00\x01\x00x",
		"(This file must be converted with BinHex 4.0)\n:$f*TEQKPH#iZ:\n", "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x4b\x04\x00\x43\xbe\xb7\xe8\x01\x00\x00\x00")
	f.Fuzz(func(t *testing.T, which byte, b []byte) {
		w, g := walkFor(t), file{name: "a", path: "a", body: b}
		switch which % 7 {
		case 0:
			w.zip(g, "application/zip")
		case 1:
			w.lzh(g)
		case 2:
			w.cab(g)
		case 3:
			w.binhex(g)
		case 4:
			w.tar(g)
		case 5:
			w.compressed(g, "application/gzip")
		case 6: // their libraries are not ours to search
			sevenClaims(b)
			xzClaims(b)
		}
	})
}

func FuzzWorkbooks(f *testing.F) {
	seed(f, 3, "\x09\x08\x08\x00\x00\x06\x05\x00", "\x00\x11\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x10\x00\x00\x00\x00\x00\x06\x0c\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00a\x00",
		`<sheetData><cols><col min="1" max="2" hidden="1"/></cols><row r="2" hidden="1"><c r="B2" s="1" t="s"><v>0</v></c></row></sheetData>`)
	f.Fuzz(func(t *testing.T, which byte, b []byte) {
		w, g := walkFor(t), file{name: "a", path: "a", body: b}
		k := &workbook{o: &office{w: w, f: g, parts: map[string]entry{"s": {packed: b, size: int64(len(b))}}, read: map[string]bool{}}}
		switch which % 3 {
		case 0:
			w.biff(g, b)
		case 1:
			k.binaryStrings(b)
			k.binaryStyles(b)
			k.binarySheets(b, nil)
			k.binaryComments("", b)
			k.readBinarySheet(sheetPart{name: "S", part: "s"})
		case 2:
			k.readStrings(newXML(b))
			k.readStyles(b)
			k.sheets(b, nil)
			k.readSheet(sheetPart{name: "S", part: "s"})
			k.external("s")
			k.pivot("s")
		}
	})
}

func FuzzDocuments(f *testing.F) {
	seed(f, 3, `<w:p><w:r><w:rPr><w:vanish/></w:rPr><w:t>x</w:t></w:r></w:p><w:tbl><w:tr><w:tc/></w:tr></w:tbl>`, "\x0f\x00\xee\x03\x08\x00\x00\x00\x00\x00\xa0\x0f\x02\x00\x00\x00a\x00",
		`<style:style style:name="a"><style:text-properties fo:color="#ffffff"/></style:style><table:table table:name="x"><table:table-row table:number-rows-repeated="9"><table:table-cell/></table:table-row></table:table>`)
	f.Fuzz(func(t *testing.T, which byte, b []byte) {
		w, g := walkFor(t), file{name: "a", path: "a", body: b}
		o := &office{w: w, f: g, parts: map[string]entry{}, read: map[string]bool{}}
		switch which % 3 {
		case 0:
			c := &compound{streams: map[string][]byte{"PowerPoint Document": b, "WordDocument": b, "0Table": b, "1Table": b}}
			w.pptBinary(g, c, "")
			w.wordBinary(g, c, "")
		case 1:
			o.wordPart("", newXML(b), vanishedStyles(b))
			loose(b)
			o.slide("slides", "", b, deck{width: 100, height: 100, white: true})
			onColour(b)
		case 2:
			o.odfPart("", b)
			hasPerson(b)
			officeLabels(b)
			headerLabels(string(b))
		}
	})
}

func FuzzOutlook(f *testing.F) {
	seed(f, 3, "\x78\x9f\x3e\x22\x01\x00\x01\x04\x80\x07\x00\x02\x00\x00\x00ab\x00\x00", "\x01\x00\x00\x00\x1f\x00\x00\x10\x01\x00\x00\x00\x04\x00\x00\x00a\x00b\x00",
		"\x2d\x00\x00\x00\x2b\x00\x00\x00\x4c\x5a\x46\x75\xf1\xc5\xc7\xa7\x03\x00\x0a\x00\x72\x63\x70\x67")
	f.Fuzz(func(t *testing.T, which byte, b []byte) {
		w, g := walkFor(t), file{name: "a", path: "a", body: b}
		switch which % 3 {
		case 0:
			w.tnef(g)
		case 1:
		case 2:
			summary(b)
			w.packaged(g, b)
			w.ole(g)
		}
	})
}

func FuzzMails(f *testing.F) {
	seed(f, 2, "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01\xa0\x80$\x04\x04a", "From: a\nmsip_labels: MSIP_Label_x_Name=y;\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b--",
		"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01\xa0\x80\x24\x80\x04\x01a")
	f.Fuzz(func(t *testing.T, which byte, b []byte) {
		w, g := walkFor(t), file{name: "a", path: "a", body: b}
		switch which % 2 {
		case 0:
			if m, err := message.Parse(b); err == nil {
				w.message(m, g)
			}
		case 1:
			w.signed(g)
		}
	})
}

// seed gives every seed to every reader.
func seed(f *testing.F, readers byte, seeds ...string) {
	for _, s := range seeds {
		for which := range readers {
			f.Add(which, []byte(s))
		}
	}
}

// TestXMLAgreesWithTheStandardLibrary: our scanner is another reading of the
// same documents.
func TestXMLAgreesWithTheStandardLibrary(t *testing.T) {
	for _, doc := range []string{
		`<?xml version="1.0"?><a x="1"><b>t&amp;u</b><!-- c --><c/>&#x4e2d;<![CDATA[<raw>&amp;]]></a>`,
		`<!DOCTYPE a [<!ELEMENT a ANY>]><w:a xmlns:w="x"><w:t xml:space="preserve"> s </w:t></w:a>`,
		`<a b='>' c="/">x</a>`,
	} {
		if got, want := flat(newXML([]byte(doc))), standard(t, doc); got != want {
			t.Errorf("%s\n got %q\nwant %q", doc, got, want)
		}
	}
}

func flat(x *xmlScanner) string {
	var b strings.Builder
	for {
		switch x.next() {
		case xmlEnd:
			return b.String()
		case xmlChars:
			b.WriteString(x.text)
		case xmlTag:
			if x.closing {
				b.WriteString("[/" + x.name + "]")
			} else {
				b.WriteString("[" + x.name + "]")
				if x.empty {
					b.WriteString("[/" + x.name + "]")
				}
			}
		}
	}
}

func standard(t *testing.T, doc string) string {
	var b strings.Builder
	d := xml.NewDecoder(strings.NewReader(doc))
	for {
		tok, err := d.Token()
		if err == io.EOF {
			return b.String()
		}
		if err != nil {
			t.Fatal(err)
		}
		switch v := tok.(type) {
		case xml.StartElement:
			b.WriteString("[" + v.Name.Local + "]")
		case xml.EndElement:
			b.WriteString("[/" + v.Name.Local + "]")
		case xml.CharData:
			b.Write(v)
		}
	}
}

func TestAttributesAreReadWhole(t *testing.T) {
	x := newXML([]byte(`<c r="B7" sr='no' x:t = "s" v="a&lt;b"/>`))
	x.next()
	for name, want := range map[string]string{"r": "B7", "t": "s", "v": "a<b", "missing": "", "sr": "no"} {
		if got := x.attr(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
}

func TestCellNames(t *testing.T) {
	for want, at := range map[string][2]int{"A1": {0, 0}, "Z2": {1, 25}, "AA1": {0, 26}, "XFD1048576": {1048575, 16383}} {
		if got := CellName(at[0], at[1]); got != want {
			t.Errorf("CellName(%v) = %s, want %s", at, got, want)
		}
	}
}
