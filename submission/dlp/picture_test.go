package dlp

import (
	"bytes"
	"compress/zlib"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"testing"
	"time"
)

// blankPicture is a PNG of that size with a stripe.
func blankPicture(t testing.TB, width, height int) []byte {
	t.Helper()
	p := image.NewGray(image.Rect(0, 0, width, height))
	for x := range width {
		p.SetGray(x, height/2, color.Gray{Y: 200})
	}
	var b bytes.Buffer
	if err := png.Encode(&b, p); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// says is a reader of pictures that finds the same text in each.
func says(text string) []string {
	return []string{"/bin/sh", "-c", "cat >/dev/null; echo '" + text + "'"}
}

func skipped(r *Report, path string) string {
	for _, c := range r.Carriers {
		if c.Path == path {
			return c.Skipped
		}
	}
	return "not seen"
}

func TestPicturesAreReadWhereverTheyLie(t *testing.T) {
	s := scanner(t, Options{OCRCommand: says("個人番号 " + number)})
	p := blankPicture(t, 400, 100)
	wantNumber(t, scanMail(t, s, string(mailWith("a.png", p))), "a.png")
	wantNumber(t, s.File(context.Background(), "a.zip", zipFile(t, member{"b.png", string(p)})), "a.zip!/b.png")
	wantNumber(t, s.File(context.Background(), "a.docx", docxFile(t, paragraph("x"), member{"word/media/image1.png", string(p)})), "a.docx!/word/media/image1.png")
}

func TestPicturesThatAreNotReadAreToldAndHoldNothing(t *testing.T) {
	p := blankPicture(t, 400, 100)
	for _, c := range []struct {
		why  string
		o    Options
		body []byte
	}{
		{"picture", Options{}, p},
		{"small_picture", Options{OCRCommand: says("x")}, blankPicture(t, 20, 20)},
		{"picture_failed", Options{OCRCommand: []string{"/bin/false"}}, p},
		{"picture_failed", Options{OCRCommand: []string{"/bin/sleep", "60"}, Limits: Limits{PictureTime: 100 * time.Millisecond}}, p},
		{"media", Options{}, []byte("OggS\x00\x02")},
	} {
		r := scanner(t, c.o).File(context.Background(), "a.bin", c.body)
		if got := skipped(r, "a.bin"); got != c.why || len(r.Uninspectable) > 0 {
			t.Errorf("skipped %q, %+v; want %s", got, r.Uninspectable, c.why)
		}
	}
	many := zipFile(t, member{"1.png", string(p)}, member{"2.png", string(p)}, member{"3.png", string(p)})
	for name, o := range map[string]Options{
		"number": {OCRCommand: says("x"), Limits: Limits{Pictures: 2}},
		"time":   {OCRCommand: []string{"/bin/sh", "-c", "cat >/dev/null; sleep 0.3"}, Limits: Limits{PicturesTime: 500 * time.Millisecond}},
	} {
		r := scanner(t, o).File(context.Background(), "a.zip", many)
		if skipped(r, "a.zip!/2.png") != "" || skipped(r, "a.zip!/3.png") != "picture_limit" || len(r.Uninspectable) > 0 {
			t.Errorf("%s: %+v %+v", name, r.Carriers, r.Uninspectable)
		}
	}
}

// scannedPDF is a document whose only page is a picture.
func scannedPDF(t testing.TB) []byte {
	t.Helper()
	var data bytes.Buffer
	z := zlib.NewWriter(&data)
	if _, err := z.Write(bytes.Repeat([]byte{0xff}, 300*100)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return pdfFile("q 500 0 0 160 50 500 cm /I9 Do Q", "", fmt.Sprintf("<< /Type /XObject /Subtype /Image /Width 300 /Height 100 /BitsPerComponent 8 /ColorSpace /DeviceGray /Filter /FlateDecode /Length %d >>\nstream\n%s\nendstream", data.Len(), data.String()))
}

func TestAScannedPageIsDrawnAndRead(t *testing.T) {
	body := bytes.Replace(scannedPDF(t), []byte("/I1 6 0 R"), []byte("/I9 7 0 R"), 1)
	s := pdfScanner(t, Options{OCRCommand: says("個人番号 " + number)})
	r := s.File(context.Background(), "a.pdf", body)
	wantNumber(t, r, "a.pdf#1")
	if len(r.Uninspectable) > 0 {
		t.Errorf("%+v", r.Uninspectable)
	}
	if r := pdfScanner(t, Options{OCRCommand: says(" ")}).File(context.Background(), "a.pdf", body); !has(r, "a.pdf", Unreadable) {
		t.Errorf("a scan in which nothing was found is clean: %+v", r)
	}
}
