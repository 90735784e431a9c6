package carrier

import (
	"errors"

	"github.com/sekisho-mail/sekisho/submission/dlp/internal/detect"
)

// portable reads a PDF in the child process: pages, properties, notes, form
// fields and embedded files. A page that shows a picture and has no text was not
// read.
func (w *Walk) portable(f file) error {
	if w.pdf == nil {
		w.strings(f)
		return errUnsupported
	}
	blank := false
	var inner error
	err := w.pdf(w.ctx, f.body, func(p PDFPart) error {
		if p.Name != "" || p.Body != nil {
			w.expanded += int64(len(p.Body))
			w.file(f.in(p.Name, p.Body))
			return nil
		}
		blank = blank || p.Blank
		path := f.path
		if p.Page > 0 {
			path += "#" + itoa(p.Page)
		}
		if garbled(p.Text) {
			inner = errUnreadable
		}
		w.text(Text{Text: detect.Text{Body: p.Text, Title: f.name}, Where: Attachment, Path: path, First: true})
		return w.over()
	})
	if blank {
		inner = errUnreadable
	}
	return errors.Join(err, inner)
}
