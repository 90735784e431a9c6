package facsimile

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding/japanese"
)

// TestMain lets this program be the child that makes a page, or one that misbehaves.
func TestMain(m *testing.M) {
	if len(os.Args) != 2 || strings.HasPrefix(os.Args[1], "-") {
		os.Exit(m.Run())
	}
	switch os.Args[1] {
	case "page":
		if err := Child(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case "hang":
		time.Sleep(time.Hour) // select{} is a deadlock that the runtime may notice, and end
	case "die":
		os.Exit(3)
	case "flood":
		for {
			if _, err := os.Stdout.Write(make([]byte, 1<<20)); err != nil {
				os.Exit(1)
			}
		}
	default: // an answer of a child that was taken over
		fmt.Print(os.Args[1])
	}
}

// press is one whose compiled code is kept between the runs of this test.
func press(t testing.TB, how string) *Press {
	t.Helper()
	dir, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	p := New(Options{Command: []string{os.Args[0], how}, Cache: filepath.Join(dir, "sekisho-tools", "pdfium-tests"), Time: time.Minute})
	if how == "page" {
		if err := p.Warm(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func made(t *testing.T, document []byte, o Order) (*Page, error) {
	t.Helper()
	return press(t, "page").Page(context.Background(), o, bytes.NewReader(document), int64(len(document)))
}

func drawn(t *testing.T, document []byte, o Order) image.Image {
	t.Helper()
	p, err := made(t, document, o)
	if err != nil {
		t.Fatal(err)
	}
	img, err := jpeg.Decode(bytes.NewReader(p.Picture))
	if err != nil {
		t.Fatal(err)
	}
	if b := img.Bounds(); b.Dx() != p.Width || b.Dy() != p.Height || b.Dx() > maxWidth || b.Dy() > maxHeight {
		t.Fatalf("%v is not %dx%d, or too large", b, p.Width, p.Height)
	}
	return img
}

// twoPages is a PDF: a filled square on the first page, nothing on the second.
func twoPages(trailer string) []byte {
	var b bytes.Buffer
	var at []int
	object := func(s string) {
		at = append(at, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", len(at), s)
	}
	b.WriteString("%PDF-1.4\n")
	object("<</Type/Catalog/Pages 2 0 R>>")
	object("<</Type/Pages/Kids[3 0 R 4 0 R]/Count 2>>")
	object("<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 5 0 R>>")
	object("<</Type/Page/Parent 2 0 R/MediaBox[0 0 100 100]>>")
	object("<</Length 32>>stream\n1 0 0 rg 0 421 297 421 re f     \nendstream")
	xref := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(at)+1)
	for _, o := range at {
		fmt.Fprintf(&b, "%010d 00000 n \n", o)
	}
	fmt.Fprintf(&b, "trailer<</Size %d/Root 1 0 R%s>>\nstartxref\n%d\n%%%%EOF\n", len(at)+1, trailer, xref)
	return b.Bytes()
}

func near(c color.Color, r, g, b uint8) bool {
	x := color.RGBAModel.Convert(c).(color.RGBA)
	far := func(a, b uint8) bool { return max(a, b)-min(a, b) > 24 }
	return !far(x.R, r) && !far(x.G, g) && !far(x.B, b)
}

func TestPagesOfAPDFAreDrawnOneByOne(t *testing.T) {
	doc := twoPages("")
	img := drawn(t, doc, Order{Page: 1})
	if b := img.Bounds(); !near(img.At(50, 50), 255, 0, 0) || !near(img.At(b.Dx()-50, b.Dy()-50), 255, 255, 255) || b.Dx() < 1000 {
		t.Errorf("%v %v %v", b, img.At(50, 50), img.At(b.Dx()-50, b.Dy()-50))
	}
	p, err := made(t, doc, Order{Page: 2})
	if err != nil || p.Number != 2 || p.Of != 2 {
		t.Errorf("%+v, %v", p, err)
	}
	for _, n := range []int{0, -1, 3, 1 << 40} {
		if _, err := made(t, doc, Order{Page: n}); !errors.Is(err, ErrNoPage) {
			t.Errorf("page %d: %v", n, err)
		}
	}
}

// photograph is 80 wide and 40 high, red on its left and blue on its right.
func photograph() *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, 80, 40))
	for x := range 80 {
		for y := range 40 {
			img.Set(x, y, color.RGBA{R: 255, A: 255})
			if x >= 40 {
				img.Set(x, y, color.RGBA{B: 255, A: 255})
			}
		}
	}
	return img
}

// withExif puts a tag of orientation, a place and a name into a photograph.
func withExif(t *testing.T, turn byte) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, photograph(), nil); err != nil {
		t.Fatal(err)
	}
	exif := "Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08\x00\x02" + "\x01\x0f\x00\x02\x00\x00\x00\x04SECR" +
		"\x01\x12\x00\x03\x00\x00\x00\x01\x00" + string(turn) + "\x00\x00" + "\x00\x00\x00\x00GPS-35.6812N-139.7671E"
	head := binary.BigEndian.AppendUint16([]byte("\xff\xd8\xff\xe1"), uint16(len(exif)+2))
	return append(append(head, exif...), b.Bytes()[2:]...)
}

func TestAPhotographStandsUprightAndTellsNothingElse(t *testing.T) {
	red, blue := [3]uint8{255, 0, 0}, [3]uint8{0, 0, 255}
	for turn, want := range map[byte]struct {
		w, h        int
		first, last [3]uint8 // colours in the first and the last corner
	}{
		1: {80, 40, red, blue}, 2: {80, 40, blue, red}, 3: {80, 40, blue, red}, 4: {80, 40, red, blue},
		5: {40, 80, red, blue}, 6: {40, 80, red, blue}, 7: {40, 80, blue, red}, 8: {40, 80, blue, red},
		9: {80, 40, red, blue},
	} {
		source := withExif(t, turn)
		p, err := made(t, source, Order{Page: 1})
		if err != nil {
			t.Fatal(err)
		}
		img, err := jpeg.Decode(bytes.NewReader(p.Picture))
		if err != nil {
			t.Fatal(err)
		}
		b := img.Bounds()
		if b.Dx() != want.w || b.Dy() != want.h || !near(img.At(3, 3), want.first[0], want.first[1], want.first[2]) ||
			!near(img.At(b.Dx()-4, b.Dy()-4), want.last[0], want.last[1], want.last[2]) {
			t.Errorf("orientation %d: %v, %v … %v", turn, b, img.At(3, 3), img.At(b.Dx()-4, b.Dy()-4))
		}
		for _, secret := range []string{"Exif", "GPS", "SECR"} {
			if bytes.Contains(p.Picture, []byte(secret)) || !bytes.Contains(source, []byte(secret)) {
				t.Errorf("%s of the original is in what is shown, or the test shows nothing", secret)
			}
		}
	}
}

func TestOrdinaryPicturesAreShown(t *testing.T) {
	var p, g bytes.Buffer
	clear := image.NewRGBA(image.Rect(0, 0, 60, 60)) // what can be seen through stands on white
	if err := png.Encode(&p, clear); err != nil {
		t.Fatal(err)
	}
	if err := gif.Encode(&g, photograph(), nil); err != nil {
		t.Fatal(err)
	}
	if img := drawn(t, p.Bytes(), Order{Page: 1}); !near(img.At(30, 30), 255, 255, 255) {
		t.Errorf("PNG: %v", img.At(30, 30))
	}
	if img := drawn(t, g.Bytes(), Order{Page: 1}); !near(img.At(3, 3), 255, 0, 0) {
		t.Errorf("GIF: %v", img.At(3, 3))
	}
	if _, err := made(t, p.Bytes(), Order{Page: 2}); !errors.Is(err, ErrNoPage) {
		t.Errorf("a second page: %v", err)
	}
}

// bombPNG promises w×h pixels in a few bytes.
func bombPNG(w, h uint32) []byte {
	b := []byte("\x89PNG\r\n\x1a\n")
	chunk := func(kind string, body []byte) {
		b = binary.BigEndian.AppendUint32(b, uint32(len(body)))
		both := append([]byte(kind), body...)
		b = binary.BigEndian.AppendUint32(append(b, both...), crc32.ChecksumIEEE(both))
	}
	head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, w), h)
	chunk("IHDR", append(head, 8, 2, 0, 0, 0))
	var z bytes.Buffer
	w2 := zlib.NewWriter(&z)
	w2.Write(make([]byte, 1<<16))
	w2.Close()
	chunk("IDAT", z.Bytes())
	chunk("IEND", nil)
	return b
}

func TestWhatCannotBeShownSaysWhy(t *testing.T) {
	locked := twoPages("/Encrypt<</Filter/Standard/V 1/R 2/P -4/O<" + strings.Repeat("ab", 32) + ">/U<" + strings.Repeat("cd", 32) + ">>>/ID[<00><00>]")
	for name, c := range map[string]struct {
		document []byte
		want     error
	}{
		"a picture of gigabytes": {bombPNG(60_000, 60_000), ErrLarge},
		"a promise not kept":     {bombPNG(3000, 3000), ErrDamaged},
		"a broken picture":       {[]byte("\xff\xd8\xff\xe0broken"), ErrDamaged},
		"a broken PDF":           {[]byte("%PDF-1.7\n%broken"), ErrDamaged},
		"a locked PDF":           {locked, ErrEncrypted},
		"an archive":             {[]byte("PK\x03\x04\x00\x00\x00\x00" + strings.Repeat("\x01\x00\x02", 100)), ErrKind},
		"noise":                  {bytes.Repeat([]byte{0xfe, 0x01, 0x80, 0x1b, 0x02}, 100), ErrKind},
		"nothing":                {nil, ErrKind},
	} {
		if p, err := made(t, c.document, Order{Page: 1}); !errors.Is(err, c.want) {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
	if _, err := press(t, "page").Page(context.Background(), Order{Page: 1}, nil, MaxBytes+1); !errors.Is(err, ErrLarge) {
		t.Errorf("too large: %v", err)
	}
}

func TestTextsAreDecodedAndCutIntoPages(t *testing.T) {
	sjis, err := japanese.ShiftJIS.NewEncoder().Bytes([]byte("氏名,住所\r\n佐藤花子,東京都千代田区\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := made(t, sjis, Order{Page: 1})
	if err != nil || p.Text != "氏名,住所\n佐藤花子,東京都千代田区\n" || p.Of != 1 || p.Cut {
		t.Errorf("%+v, %v", p, err)
	}
	p, err = made(t, []byte("<script>alert(1)</script>"), Order{Page: 1})
	if err != nil || p.Text != "<script>alert(1)</script>" || p.Picture != nil {
		t.Errorf("%+v, %v", p, err)
	}
	long := strings.Repeat("同じ行が続きます。\n", 9000) + strings.Repeat("切れ目のない行", 5000)
	whole := ""
	for n := 1; ; n++ {
		p, err := made(t, []byte(long), Order{Page: n})
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Text) > textPage {
			t.Errorf("page %d has %d bytes", n, len(p.Text))
		}
		if whole += p.Text; n == p.Of {
			break
		}
	}
	if whole != long {
		t.Errorf("%d bytes of %d came out", len(whole), len(long))
	}
}

// Dark ink on white paper and light ink in the night: wherever one cuts, some of the mark is in the piece.
func TestTheMarkStandsEverywhereOnThePage(t *testing.T) {
	for name, ground := range map[string]color.RGBA{"white": {255, 255, 255, 255}, "black": {0, 0, 0, 255}} {
		img := image.NewRGBA(image.Rect(0, 0, 1200, 1600))
		for i := range 1200 * 1600 {
			img.SetRGBA(i%1200, i/1200, ground)
		}
		var b bytes.Buffer
		if err := png.Encode(&b, img); err != nil {
			t.Fatal(err)
		}
		if got := drawn(t, b.Bytes(), Order{Page: 1}); unmarked(got, ground) != 16*12 {
			t.Errorf("%s: a page without a mark is marked", name)
		}
		got := drawn(t, b.Bytes(), Order{Page: 1, Mark: []string{"partner@other.example", "2026-11-26 10:03"}})
		if n := unmarked(got, ground); n > 16*12/5 {
			t.Errorf("%s: %d of %d squares are clean", name, n, 16*12)
		}
	}
}

// unmarked counts squares of 100 pixels that show nothing but their ground.
func unmarked(img image.Image, ground color.RGBA) (n int) {
	for y := 0; y < 1600; y += 100 {
	square:
		for x := 0; x < 1200; x += 100 {
			for i := range 10_000 {
				if !near(img.At(x+i%100, y+i/100), ground.R, ground.G, ground.B) {
					continue square
				}
			}
			n++
		}
	}
	return n
}

func TestAMarkIsWrittenInTheLettersOfItsFont(t *testing.T) {
	for in, want := range map[string]string{`a"b@x.example`: `a"b@x.example`, "佐藤@x.example": `\u4f50\u85e4@x.example`, "a\u202eb": `a\u202eb`} {
		if got := writable(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestAChildIsNotBelieved(t *testing.T) {
	for _, answer := range []string{"{}", "no JSON", `{"page":{"number":2,"of":1,"text":"x"}}`, `{"page":{"number":1,"of":1,"picture":"PHN2Zz4="}}`,
		`{"page":{"number":1,"of":1,"picture":"/9j/4A==","width":0,"height":1}}`, `{"page":{"number":1,"of":1},"error":"new"}`, "die", "flood"} {
		if p, err := press(t, answer).Page(context.Background(), Order{Page: 1}, bytes.NewReader([]byte("x")), 1); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %+v, %v", answer, p, err)
		}
	}
}

func TestAChildThatHangsIsEndedAndItsPlaceIsFree(t *testing.T) {
	p := New(Options{Command: []string{os.Args[0], "hang"}, Time: 300 * time.Millisecond, Slots: 1})
	for range 2 {
		if _, err := p.Page(context.Background(), Order{Page: 1}, bytes.NewReader([]byte("x")), 1); !errors.Is(err, ErrTime) {
			t.Fatal(err)
		}
	}
	if len(p.slots) != 0 {
		t.Error("its place is taken for ever")
	}
}

// What is wrong with the store is not said of the document.
func TestAStoreThatFailsIsNotTheDocumentsFault(t *testing.T) {
	broken := errors.New("the store broke")
	_, err := press(t, "page").Page(context.Background(), Order{Page: 1}, &failing{broken}, 10)
	if !errors.Is(err, broken) || errors.Is(err, ErrDamaged) {
		t.Error(err)
	}
}

type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }

func TestNamesPromiseWhatCanBeShown(t *testing.T) {
	for name, want := range map[string]bool{"見積書.PDF": true, "写真.jpeg": true, "a.csv": true, "a.xlsx": false, "pdf": false, "a.": false, "a.svg": false, "x.pdf.exe": false} {
		if Shows(name, 10) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
	if Shows("a.pdf", 0) || Shows("a.pdf", MaxBytes+1) {
		t.Error("an empty or huge file is offered")
	}
}
