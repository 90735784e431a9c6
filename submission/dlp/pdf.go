package dlp

import (
	"context"
	"io"

	"github.com/sekisho-mail/sekisho/submission/dlp/internal/carrier"
	"github.com/sekisho-mail/sekisho/submission/dlp/internal/pdf"
)

// PDFChild is the main function of the process that reads PDF: an order and one
// document from r, its text to w. It runs apart because it may hang or exhaust
// memory; the program behind Options.PDFCommand calls it with stdin and stdout.
func PDFChild(r io.Reader, w io.Writer) error { return pdf.Child(r, w) }

// Warm compiles the PDF reader into Options.CacheDir, which takes some seconds
// once per version. Until then documents are read by an interpreter, which is
// slower. It returns at once where there is nothing to do.
func (s *Scanner) Warm(ctx context.Context) error {
	if s.readers.PDF == nil {
		return nil
	}
	return pdf.Warm(ctx, pdfOptions(s.options))
}

func pdfReader(o Options) carrier.PDF { return pdf.Reader(pdfOptions(o)) }

func pdfOptions(o Options) pdf.Options {
	return pdf.Options{Command: o.PDFCommand, Cache: o.CacheDir, Memory: o.PDFMemory, Time: o.Limits.PartTime, PictureTime: o.Limits.PictureTime, Bytes: o.Limits.Part}
}
