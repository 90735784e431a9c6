package dlp

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// pdfFile is a document of one page with the given content stream. extra goes
// into the trailer, objects behind the page.
func pdfFile(content, extra string, objects ...string) []byte {
	all := append([]string{
		"<< /Type /Catalog /Pages 2 0 R >>",
		"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
		"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> /XObject << /I1 6 0 R >> >> >>",
		fmt.Sprintf("<< /Length %d >>\nstream\n%s\nendstream", len(content), content),
		"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
		"<< /Type /XObject /Subtype /Image /Width 1 /Height 1 /BitsPerComponent 8 /ColorSpace /DeviceGray /Length 1 >>\nstream\nx\nendstream",
	}, objects...)
	var b strings.Builder
	b.WriteString("%PDF-1.7\n")
	var offsets []int
	for i, o := range all {
		offsets = append(offsets, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	start := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(all)+1)
	for _, at := range offsets {
		fmt.Fprintf(&b, "%010d 00000 n \n", at)
	}
	fmt.Fprintf(&b, "trailer\n<< /Size %d /Root 1 0 R %s >>\nstartxref\n%d\n%%%%EOF\n", len(all)+1, extra, start)
	return []byte(b.String())
}

func shows(text string) string { return "BT /F1 12 Tf 72 700 Td (" + text + ") Tj ET" }

func pdfScanner(t testing.TB, o Options) *Scanner {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	o.PDFCommand = []string{program, pdfArgument}
	return scanner(t, o)
}

func TestPDFIsReadInAChild(t *testing.T) {
	s := pdfScanner(t, Options{})
	body := pdfFile(shows("My Number: "+number), "")
	wantNumber(t, s.File(context.Background(), "a.pdf", body), "a.pdf#1")
	wantNumber(t, scanMail(t, s, string(mailWith("a.pdf", body))), "a.pdf#1")
}

func TestPDFThatCannotBeReadIsNotClean(t *testing.T) {
	s := pdfScanner(t, Options{})
	locked := "/Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <" + strings.Repeat("ab", 32) + "> /U <" + strings.Repeat("cd", 32) + "> >> /ID [<00> <00>]"
	for _, c := range []struct {
		name   string
		body   []byte
		reason Reason
	}{
		{"locked", pdfFile(shows("x"), locked), Encrypted},
		{"a scan", pdfFile("q 500 0 0 700 0 0 cm /I1 Do Q", ""), Unreadable},
		{"no structure", []byte("%PDF-1.7\nnothing of a document\n"), Corrupt},
	} {
		if r := s.File(context.Background(), "a.pdf", c.body); !has(r, "a.pdf", c.reason) {
			t.Errorf("%s: %+v, want %s", c.name, r.Uninspectable, c.reason)
		}
	}
	if r := scanner(t, Options{}).File(context.Background(), "a.pdf", pdfFile(shows("x"), "")); !has(r, "a.pdf", Unsupported) {
		t.Errorf("without a reader: %+v", r.Uninspectable)
	}
}

func TestAnEmptyPageIsNoScan(t *testing.T) {
	s := pdfScanner(t, Options{})
	if r := s.File(context.Background(), "a.pdf", pdfFile("", "")); len(r.Uninspectable) != 0 {
		t.Errorf("%+v", r.Uninspectable)
	}
}

func TestPDFReaderThatHangsIsEnded(t *testing.T) {
	s := scanner(t, Options{PDFCommand: []string{"/bin/sleep", "60"}, Limits: Limits{PartTime: 300 * time.Millisecond}})
	start := time.Now()
	r := s.File(context.Background(), "a.pdf", pdfFile(shows("x"), ""))
	if time.Since(start) > 5*time.Second || !has(r, "a.pdf", TimedOut) {
		t.Errorf("after %v: %+v", time.Since(start), r.Uninspectable)
	}
}

func TestPDFReaderThatDiesIsNotClean(t *testing.T) {
	for _, command := range []string{"/bin/false", "/bin/true", "/nonexistent"} {
		s := scanner(t, Options{PDFCommand: []string{command}})
		if r := s.File(context.Background(), "a.pdf", pdfFile(shows("x"), "")); !has(r, "a.pdf", Corrupt) {
			t.Errorf("%s: %+v", command, r.Uninspectable)
		}
	}
}

// annotated is a page with one annotation.
func annotated(annotation string, objects ...string) []byte {
	b := pdfFile(shows("x"), "", append([]string{annotation}, objects...)...)
	return []byte(strings.Replace(string(b), "/Contents 4 0 R", "/Annots [7 0 R] /Contents 4 0 R", 1))
}

// TestWhatPDFHidesIsRead: text that no reader shows is searched, and said to be
// hidden.
func TestWhatPDFHidesIsRead(t *testing.T) {
	s := pdfScanner(t, Options{})
	label := "My Number: " + number
	off := pdfFile(shows(label), "", "<< /Type /OCG /Name (draft) >>")
	off = []byte(strings.Replace(string(off), "/Pages 2 0 R", "/OCProperties << /OCGs [7 0 R] /D << /OFF [7 0 R] /Order [7 0 R] >> >> /Pages 2 0 R", 1))
	off = []byte(strings.Replace(string(off), "/Resources <<", "/Resources << /Properties << /O 7 0 R >>", 1))
	for _, c := range []struct {
		name, path, how string
		body            []byte
	}{
		{"not drawn", "a.pdf#1", "hidden_text", pdfFile("BT 3 Tr /F1 12 Tf 72 700 Td ("+label+") Tj ET", "")},
		{"white", "a.pdf#1", "white_text", pdfFile("1 1 1 rg "+shows(label), "")},
		{"tiny", "a.pdf#1", "tiny_text", pdfFile("BT /F1 0.5 Tf 72 700 Td ("+label+") Tj ET", "")},
		{"right of the page", "a.pdf#1", "off_page", pdfFile("BT /F1 12 Tf 2000 700 Td ("+label+") Tj ET", "")},
		{"outside what is cut out", "a.pdf#1", "off_page", []byte(strings.Replace(string(pdfFile(shows(label), "")), "/MediaBox", "/CropBox [0 0 300 300] /MediaBox", 1))},
		{"in a layer that is off", "a.pdf#1", "", []byte(strings.Replace(string(off), "BT /F1", "/OC /O BDC BT /F1", 1))},
		{"in a comment", "a.pdf#1", "comment", annotated("<< /Type /Annot /Subtype /Text /Rect [0 0 9 9] /Contents (" + label + ") >>")},
		{"in a comment that is not shown", "a.pdf#1", "comment", annotated("<< /Type /Annot /Subtype /Text /F 2 /Rect [0 0 9 9] /Contents (" + label + ") >>")},
		{"in the target of a link", "a.pdf#1", "", annotated("<< /Type /Annot /Subtype /Link /Rect [0 0 9 9] /A << /S /URI /URI (https://a.example/?" + strings.ReplaceAll(label, " ", "%20") + " " + label + ") >> >>")},
		{"in a file pinned to the page", "a.pdf!/b.txt", "", annotated("<< /Type /Annot /Subtype /FileAttachment /Rect [0 0 9 9] /FS << /Type /Filespec /F (b.txt) /UF (b.txt) /EF << /F 8 0 R >> >> >>",
			fmt.Sprintf("<< /Type /EmbeddedFile /Length %d >>\nstream\n%s\nendstream", len(label), label))},
		{"in the properties", "a.pdf", "", pdfFile(shows("x"), "/Info 7 0 R", "<< /Title ("+label+") >>")},
		{"in the properties in XML", "a.pdf#properties", "", pdfFile(shows("x"), "", "<< /Type /Metadata /Subtype /XML /Length 1 >>\nstream\n<x:xmpmeta><d>"+label+"</d></x:xmpmeta>\nendstream")},
		{"in a form of XML", "a.pdf#form", "", []byte(strings.Replace(string(pdfFile(shows("x"), "", fmt.Sprintf("<< /Length %d >>\nstream\n<data><a>%s</a></data>\nendstream", len(label)+20, label))),
			"/Pages 2 0 R", "/AcroForm << /Fields [] /XFA [(datasets) 7 0 R] >> /Pages 2 0 R", 1))},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := s.File(context.Background(), "a.pdf", c.body)
			wantNumber(t, r, c.path)
			if c.how != "" {
				wantHidden(t, r, "a.pdf#1", c.how)
			}
		})
	}
}

func TestWhatPDFShowsIsNotHidden(t *testing.T) {
	s := pdfScanner(t, Options{})
	for name, body := range map[string][]byte{
		"text":                        pdfFile(shows("x"), ""),
		"white letters on a blue bar": pdfFile("0 0 0.5 rg 50 680 500 60 re f 1 1 1 rg "+shows("Minutes"), ""),
		"the words of a scan":         pdfFile("q 600 0 0 800 0 0 cm /I1 Do Q BT 3 Tr /F1 12 Tf 72 700 Td (Minutes) Tj ET", ""),
	} {
		if f, ok := finding(s.File(context.Background(), "a.pdf", body), DetectorHidden); ok {
			t.Errorf("%s: %+v", name, f.Matches)
		}
	}
	r := s.File(context.Background(), "a.pdf", pdfFile(shows("x"), "/Info 7 0 R", "<< /Author (Sato Hanako) >>"))
	wantHidden(t, r, "a.pdf#properties", "named_person")
}
