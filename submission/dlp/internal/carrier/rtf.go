package carrier

import (
	"strconv"

	"github.com/sekisho-mail/sekisho/internal/rtf"
	"github.com/sekisho-mail/sekisho/submission/dlp/internal/detect"
)

// rtf searches Rich Text: its text, what in it is hidden, and the files embedded as objects.
func (w *Walk) rtf(f file) error {
	d, err := rtf.Read(f.body, w.over)
	if err != nil {
		return err
	}
	w.text(Text{Text: detect.Text{Body: d.Text, Title: f.name}, Where: Attachment, Path: f.path, First: true})
	for _, how := range d.Hidden {
		w.out.Form(FormHidden, Attachment, f.path, how)
	}
	for i, object := range d.Objects {
		if len(object) > 0 {
			w.file(f.in("object"+strconv.Itoa(i+1), object))
		}
	}
	return nil
}
