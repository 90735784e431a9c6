package pdf

import (
	"math"
	"slices"

	"github.com/klippa-app/go-pdfium/enums"
	"github.com/klippa-app/go-pdfium/references"
	"github.com/klippa-app/go-pdfium/requests"

	"github.com/sekisho-mail/sekisho/submission/dlp/internal/carrier"
)

// maxObjects bounds the objects of a document that are asked how they look.
const maxObjects = 10_000

// tinyPoints is the height below which nobody reads letters.
const tinyPoints = 2

// box is a place on a page, in points.
type box struct{ left, bottom, right, top float32 }

func (b box) holds(o box) bool {
	x, y := (o.left+o.right)/2, (o.bottom+o.top)/2
	return x >= b.left && x <= b.right && y >= b.bottom && y <= b.top
}

func (b box) apart(o box) bool {
	return o.right < b.left || o.left > b.right || o.top < b.bottom || o.bottom > b.top
}

// looks finds text on a page that nobody sees. It follows the order of painting:
// white letters on something that was painted before are a heading, and letters
// that are not drawn over a picture are the words of a scan.
type looks struct {
	page    box
	painted []box // anything that is not white
	images  []box
	found   []string
}

// hides lists how text of the page is kept from the eye.
func (d *document) hides(page requests.Page) []string {
	count, err := d.p.FPDFPage_CountObjects(&requests.FPDFPage_CountObjects{Page: page})
	if err != nil {
		return nil
	}
	l := looks{page: box{-math.MaxFloat32, -math.MaxFloat32, math.MaxFloat32, math.MaxFloat32}}
	if r, err := d.p.FPDF_GetPageBoundingBox(&requests.FPDF_GetPageBoundingBox{Page: page}); err == nil && r.Rect.Right > r.Rect.Left {
		l.page = box{r.Rect.Left, r.Rect.Bottom, r.Rect.Right, r.Rect.Top}
	}
	for i := range count.Count {
		if d.objects++; d.objects > maxObjects {
			break
		}
		o, err := d.p.FPDFPage_GetObject(&requests.FPDFPage_GetObject{Page: page, Index: i})
		if err == nil {
			d.look(&l, o.PageObject)
		}
	}
	return l.found
}

func (d *document) look(l *looks, o references.FPDF_PAGEOBJECT) {
	kind, err := d.p.FPDFPageObj_GetType(&requests.FPDFPageObj_GetType{PageObject: o})
	if err != nil {
		return
	}
	bounds, err := d.p.FPDFPageObj_GetBounds(&requests.FPDFPageObj_GetBounds{PageObject: o})
	if err != nil {
		return
	}
	at := box{bounds.Left, bounds.Bottom, bounds.Right, bounds.Top}
	switch kind.Type {
	case enums.FPDF_PAGEOBJ_TEXT:
		if how := d.letters(l, o, at); how != "" && !slices.Contains(l.found, how) {
			l.found = append(l.found, how)
		}
	case enums.FPDF_PAGEOBJ_IMAGE:
		l.images = append(l.images, at)
		l.painted = append(l.painted, at)
	default:
		if !d.white(o) {
			l.painted = append(l.painted, at)
		}
	}
}

// letters says how a run of text is hidden, "" for one that is seen.
func (d *document) letters(l *looks, o references.FPDF_PAGEOBJECT, at box) string {
	over := func(boxes []box) bool { return slices.ContainsFunc(boxes, func(b box) bool { return b.holds(at) }) }
	mode, err := d.p.FPDFTextObj_GetTextRenderMode(&requests.FPDFTextObj_GetTextRenderMode{PageObject: o})
	switch {
	case l.page.apart(at):
		return carrier.OffPage
	case err == nil && mode.TextRenderMode == enums.FPDF_TEXTRENDERMODE_INVISIBLE:
		if over(l.images) {
			return ""
		}
		return carrier.HiddenText
	case at.top > at.bottom && at.top-at.bottom < tinyPoints && at.right-at.left < 20*tinyPoints:
		return carrier.TinyText
	case d.white(o) && !over(l.painted):
		return carrier.WhiteText
	}
	return ""
}

// white says that an object is painted in the colour of paper, or not at all.
func (d *document) white(o references.FPDF_PAGEOBJECT) bool {
	c, err := d.p.FPDFPageObj_GetFillColor(&requests.FPDFPageObj_GetFillColor{PageObject: o})
	if err != nil {
		return false
	}
	return c.FillColor.A == 0 || c.FillColor.R >= 0xf8 && c.FillColor.G >= 0xf8 && c.FillColor.B >= 0xf8
}
