package carrier

import (
	"github.com/sekisho-mail/sekisho/internal/tnef"
	"github.com/sekisho-mail/sekisho/submission/dlp/internal/detect"
)

// tnef searches winmail.dat: the bodies and files Outlook wraps for other Outlooks. Of a damaged one it searches
// what can be read, and the rest as it stands.
func (w *Walk) tnef(f file) error {
	c, err := tnef.Decode(f.body)
	for _, s := range append([]string{c.Subject}, c.Texts...) {
		if s != "" {
			w.text(Text{Text: detect.Text{Body: s, Mail: true}, Where: Attachment, Path: f.path, First: true})
		}
	}
	w.mapiBodies(f, c.HTML, c.Page, c.RTF)
	for _, a := range c.Files {
		w.file(f.in(firstNonEmpty(a.Name, "attachment"), a.Data))
	}
	if err != nil {
		w.strings(f)
	}
	return err
}
