package carrier

import (
	"fmt"
	"strings"
	"unicode/utf16"

	"github.com/sekisho-mail/sekisho/bench/dlp/corpus"
)

// printed is the text on pages of a PDF. The font is not embedded; its codes
// are glyph numbers that a ToUnicode map explains, as most writers do it.
func printed(d *corpus.Document) []byte {
	glyphs := map[rune]int{}
	var order []rune
	var pages []string
	var page strings.Builder
	lines := strings.Split(strings.TrimRight(d.Text, "\n"), "\n")
	for i, line := range lines {
		fmt.Fprintf(&page, "BT /F1 10 Tf 50 %d Td <", 800-i%50*15)
		for _, r := range strings.ReplaceAll(line, "\t", "    ") {
			if glyphs[r] == 0 {
				order = append(order, r)
				glyphs[r] = len(order)
			}
			fmt.Fprintf(&page, "%04X", glyphs[r])
		}
		page.WriteString("> Tj ET\n")
		if i%50 == 49 || i == len(lines)-1 {
			pages = append(pages, page.String())
			page.Reset()
		}
	}
	return pdfOf(pages, order)
}

func stream(s string) string {
	return fmt.Sprintf("<< /Length %d >>\nstream\n%s\nendstream", len(s), s)
}

func pdfOf(pages []string, order []rune) []byte {
	objects := []string{
		"<< /Type /Catalog /Pages 2 0 R >>", "", // the pages come when they are counted
		"<< /Type /Font /Subtype /Type0 /BaseFont /HeiseiKakuGo-W5 /Encoding /Identity-H /DescendantFonts [4 0 R] /ToUnicode 6 0 R >>",
		"<< /Type /Font /Subtype /CIDFontType0 /BaseFont /HeiseiKakuGo-W5 /CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> /FontDescriptor 5 0 R /W [" + advances(order) + "] /DW 1000 >>",
		"<< /Type /FontDescriptor /FontName /HeiseiKakuGo-W5 /Flags 4 /FontBBox [0 -200 1000 900] /ItalicAngle 0 /Ascent 880 /Descent -120 /CapHeight 700 /StemV 80 >>",
		stream(toUnicode(order)),
	}
	var kids strings.Builder
	for _, p := range pages {
		n := len(objects) + 1
		fmt.Fprintf(&kids, "%d 0 R ", n)
		objects = append(objects, fmt.Sprintf("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 1200 842] /Contents %d 0 R /Resources << /Font << /F1 3 0 R >> >> >>", n+1), stream(p))
	}
	objects[1] = fmt.Sprintf("<< /Type /Pages /Kids [%s] /Count %d >>", kids.String(), len(pages))
	var b strings.Builder
	b.WriteString("%PDF-1.7\n")
	var offsets []int
	for i, o := range objects {
		offsets = append(offsets, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	start := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(objects)+1)
	for _, at := range offsets {
		fmt.Fprintf(&b, "%010d 00000 n \n", at)
	}
	fmt.Fprintf(&b, "trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(objects)+1, start)
	return []byte(b.String())
}

// advances: ASCII is half as wide.
func advances(order []rune) string {
	var b strings.Builder
	for i, r := range order {
		if r < 0x100 {
			fmt.Fprintf(&b, "%d [500] ", i+1)
		}
	}
	return b.String()
}

func toUnicode(order []rune) string {
	var b strings.Builder
	b.WriteString("/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapType 2 def /CMapName /X def\n1 begincodespacerange <0000> <FFFF> endcodespacerange\n")
	for i := 0; i < len(order); i += 100 {
		some := order[i:min(i+100, len(order))]
		fmt.Fprintf(&b, "%d beginbfchar\n", len(some))
		for k, r := range some {
			fmt.Fprintf(&b, "<%04X> <", i+k+1)
			for _, u := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(&b, "%04X", u)
			}
			b.WriteString(">\n")
		}
		b.WriteString("endbfchar\n")
	}
	return b.String() + "endcmap CMapName currentdict /CMap defineresource pop end end"
}
