package carrier

import "github.com/sekisho-mail/sekisho/submission/dlp/internal/detect"

func (w *Walk) tnef(f file) error { w.strings(f); return errUnsupported }

func (w *Walk) ole(f file) error { w.strings(f); return errUnsupported }

// portable reads a PDF page by page in the child process.
func (w *Walk) portable(f file) error {
	if w.pdf == nil {
		return errUnsupported
	}
	return w.pdf(w.ctx, f.body, func(n int, text string) error {
		w.text(Text{Text: detect.Text{Body: text, Title: f.name}, Where: Attachment, Path: f.path + "#" + itoa(n), First: true})
		return nil
	})
}
