package facsimile

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/draw"
	"strings"

	"github.com/klippa-app/go-pdfium/enums"
	perrors "github.com/klippa-app/go-pdfium/errors"
	"github.com/klippa-app/go-pdfium/requests"

	"github.com/sekisho-mail/sekisho/internal/pdfium"
)

// pdfMemory is what PDFium may take.
const pdfMemory = 384 << 20

func warm(cache string) error {
	pool, err := pdfium.Start(context.Background(), cache, pdfMemory)
	if err != nil {
		return err
	}
	return pool.Close()
}

// pdfPage draws one page as it would be printed, with its stamps and form fields. Scripts in documents run nowhere:
// this PDFium has no engine for them.
func pdfPage(o work, body []byte) (*Page, error) {
	pool, err := pdfium.Start(context.Background(), o.Cache, pdfMemory)
	if err != nil {
		return nil, fmt.Errorf("start PDFium: %w", err)
	}
	p, err := pool.GetInstance(0)
	if err != nil {
		return nil, fmt.Errorf("start PDFium: %w", err)
	}
	doc, err := p.OpenDocument(&requests.OpenDocument{File: &body})
	if err != nil {
		if errors.Is(err, perrors.ErrPassword) || strings.Contains(err.Error(), "invalid password") {
			return nil, ErrEncrypted
		}
		return nil, ErrDamaged
	}
	count, err := p.FPDF_GetPageCount(&requests.FPDF_GetPageCount{Document: doc.Document})
	if err != nil || count.PageCount < 1 {
		return nil, ErrDamaged
	}
	if o.Page < 1 || o.Page > count.PageCount {
		return nil, ErrNoPage
	}
	page := requests.Page{ByIndex: &requests.PageByIndex{Document: doc.Document, Index: o.Page - 1}}
	drawn, err := p.RenderPageInPixels(&requests.RenderPageInPixels{Page: page, Width: maxWidth, Height: maxHeight,
		RenderFlags: enums.FPDF_RENDER_FLAG_ANNOT, RenderForm: true, Document: &doc.Document})
	if err != nil {
		return nil, ErrDamaged
	}
	defer drawn.Cleanup()
	paper := whitePaper(drawn.Result.RenderedImage.Bounds().Size())
	draw.Draw(paper, paper.Rect, drawn.Result.RenderedImage, drawn.Result.RenderedImage.Bounds().Min, draw.Over)
	return finished(o, paper, count.PageCount)
}

func whitePaper(size image.Point) *image.RGBA {
	paper := image.NewRGBA(image.Rectangle{Max: size})
	draw.Draw(paper, paper.Rect, image.White, image.Point{}, draw.Src)
	return paper
}
