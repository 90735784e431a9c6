package pdf

import (
	"bytes"
	"image/png"

	"github.com/klippa-app/go-pdfium/requests"
)

// How pages are drawn for OCR.
const (
	dpi     = 200  // enough for the small print of a form, and what OCR was trained on
	maxPage = 1684 // points; A2 is the largest
)

// draw hands on a page as a grey picture. A page that cannot be drawn stays
// unread, which the parent says.
func (d *document) draw(number int, page requests.Page) {
	size, err := d.p.GetPageSize(&requests.GetPageSize{Page: page})
	if err != nil || size.Width > maxPage || size.Height > maxPage {
		return
	}
	drawn, err := d.p.RenderPageInDPI(&requests.RenderPageInDPI{Page: page, DPI: dpi, ImageFormat: requests.RenderImageFormatGrayscale})
	if err != nil {
		return
	}
	defer drawn.Cleanup()
	var b bytes.Buffer
	e := png.Encoder{CompressionLevel: png.BestSpeed}
	if err := e.Encode(&b, drawn.Result.RenderedImage); err == nil {
		d.out.frame(frame{Kind: "picture", Page: number}, b.Bytes())
	}
}
