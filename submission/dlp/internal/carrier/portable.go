package carrier

import (
	"bytes"
	"errors"
	"slices"
	"time"

	"github.com/sekisho-mail/sekisho/submission/dlp/internal/detect"
)

// DrawTime is what drawing a page for OCR may take.
const DrawTime = 5 * time.Second

// portable reads a PDF in the child process: pages, properties, notes, form
// fields and embedded files. A page that shows a picture and has no text was not
// read, unless OCR finds text in it.
func (w *Walk) portable(f file) error {
	if w.readers.PDF == nil {
		w.strings(f)
		return errUnsupported
	}
	pictures := 0
	if w.readers.OCR != nil {
		pictures = max(0, w.limits.Pictures-w.pictures)
		w.deadline = w.deadline.Add(time.Duration(pictures) * DrawTime)
	}
	w.packets(f)
	blank := map[int]bool{} // pages that nobody has read
	var inner error
	err := w.readers.PDF(w.ctx, f.body, pictures, func(p PDFPart) error {
		if p.Name != "" || p.Body != nil {
			w.expanded += int64(len(p.Body))
			w.file(f.in(p.Name, p.Body))
			return nil
		}
		path := f.path
		if p.Page > 0 {
			path += "#" + itoa(p.Page)
		}
		w.portableForm(f, path, p)
		if p.Picture != nil {
			if read, _ := w.readPicture(path, f.name, p.Picture); read {
				delete(blank, p.Page)
			}
			return w.over()
		}
		if p.Blank {
			blank[p.Page] = true
		}
		if garbled(p.Text) {
			inner = errUnreadable
		}
		w.text(Text{Text: detect.Text{Body: p.Text, Title: f.name}, Where: Attachment, Path: path, First: true})
		return w.over()
	})
	if len(blank) > 0 {
		inner = errUnreadable
	}
	return errors.Join(err, inner)
}

// portableForm reports what a page or document is beside its text.
func (w *Walk) portableForm(f file, path string, p PDFPart) {
	for _, how := range p.Hidden {
		if slices.Contains(HiddenDetails(), how) {
			w.out.Form(FormHidden, Attachment, path, how)
		}
	}
	if p.Script {
		w.out.Form(FormMacro, Attachment, f.path, "script")
	}
	if person(p.Author) {
		w.out.Form(FormHidden, Attachment, f.path+"#properties", namedPerson)
	}
	if len(p.Form) > 0 {
		w.text(Text{Text: detect.Text{Body: xmlText(string(p.Form)), Title: f.name}, Where: Attachment, Path: f.path + "#form", First: true})
	}
}

// maxPackets bounds the properties in XML that one document may have.
const maxPackets = 20

// packets searches the properties in XML (XMP), which stand unpacked so that any
// program can find them.
func (w *Walk) packets(f file) {
	rest := f.body
	for range maxPackets {
		from := bytes.Index(rest, []byte("<x:xmpmeta"))
		if from < 0 {
			return
		}
		rest = rest[from:]
		end := bytes.Index(rest, []byte("</x:xmpmeta>"))
		if end < 0 {
			return
		}
		w.text(Text{Text: detect.Text{Body: xmlText(string(rest[:end])), Title: f.name}, Where: Attachment, Path: f.path + "#properties", First: true})
		rest = rest[end:]
	}
}
