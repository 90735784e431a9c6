package carrier

import (
	"encoding/binary"
	"strings"

	"github.com/sekisho-mail/sekisho/internal/message"
	"github.com/sekisho-mail/sekisho/submission/dlp/internal/detect"
)

// Records of PowerPoint (MS-PPT 2.13.24) and the mark of an encrypted file.
const (
	pptDocument  = 0x03e9
	pptSlide     = 0x03ee
	pptNotes     = 0x03f0
	pptShow      = 0x03f9 // how a slide is shown
	pptChars     = 0x0fa0
	pptBytes     = 0x0fa8
	pptString    = 0x0fba
	pptComment   = 0x2ee0
	pptShape     = 0xf004 // of OfficeArt, and where it stands
	pptAnchor    = 0xf010
	pptEncrypted = 0xf3d1c4df
	pptHidden    = 4 // flag of pptShow
)

// pptReader follows the records of a .ppt. Slides, notes and comments are
// containers; their text becomes one Text each, named as in .pptx.
type pptReader struct {
	w      *Walk
	f      file
	text   strings.Builder
	kind   uint16 // container that text belongs to, 0 for the presentation
	end    int    // of that container
	slides int
	notes  int

	width, height int32 // of a slide
	away          int   // end of a shape that stands outside
	shape         int   // end of the current shape
}

// pptBinary reads the text atoms of a .ppt, notes and comments included.
func (w *Walk) pptBinary(f file, c *compound, dir string) error {
	if user := c.stream(dir, "Current User"); len(user) >= 16 && binary.LittleEndian.Uint32(user[12:]) == pptEncrypted {
		return ErrEncrypted
	}
	if c.stream(dir, "EncryptedSummary") != nil {
		return ErrEncrypted
	}
	b := c.stream(dir, "PowerPoint Document")
	r := pptReader{w: w, f: f}
	for at, n := 0, 0; at+8 <= len(b); n++ {
		if n%4096 == 0 {
			if err := w.over(); err != nil {
				return err
			}
		}
		version, kind := binary.LittleEndian.Uint16(b[at:]), binary.LittleEndian.Uint16(b[at+2:])
		size := int64(binary.LittleEndian.Uint32(b[at+4:]))
		at += 8
		end := int(min(int64(at)+size, int64(len(b))))
		if at > r.end {
			r.flush()
		}
		if version&0xf == 0xf {
			r.open(kind, end) // its records follow
			continue
		}
		r.anchor(kind, b[at:end])
		if at < r.away && (kind == pptChars || kind == pptBytes) && r.kind == pptSlide && len(strings.TrimSpace(string(b[at:end]))) > 0 {
			r.w.out.Form(FormHidden, Attachment, r.place(), offPage)
		}
		r.atom(kind, b[at:end])
		at = end
	}
	r.flush()
	return nil
}

func (r *pptReader) open(kind uint16, end int) {
	switch kind {
	case pptSlide, pptNotes, pptComment:
	case pptShape:
		r.shape = end
		return
	default:
		return
	}
	if kind == pptComment && r.kind != 0 { // a comment lies in its slide
		r.w.out.Form(FormHidden, Attachment, r.place(), aComment)
		return
	}
	r.flush()
	r.kind, r.end = kind, end
	switch kind {
	case pptSlide:
		r.slides++
	case pptNotes:
		r.notes++
	}
}

func (r *pptReader) atom(kind uint16, body []byte) {
	switch kind {
	case pptChars, pptString:
		r.text.WriteString(utf16LE(body) + "\n")
	case pptBytes:
		r.text.WriteString(message.DecodeText(body, "windows-1252")[0] + "\n")
	case pptShow:
		if r.kind == pptSlide && len(body) >= 12 && binary.LittleEndian.Uint16(body[10:])&pptHidden != 0 {
			r.w.out.Form(FormHidden, Attachment, r.place(), hiddenSlide)
		}
	}
}

// anchor notes the size of slides, and shapes that stand outside of theirs.
func (r *pptReader) anchor(kind uint16, body []byte) {
	switch {
	case kind == pptDocument && len(body) >= 8:
		r.width, r.height = int32(binary.LittleEndian.Uint32(body)), int32(binary.LittleEndian.Uint32(body[4:]))
	case kind == pptAnchor && len(body) == 8 && r.width > 0:
		side := func(i int) int32 { return int32(int16(binary.LittleEndian.Uint16(body[i*2:]))) }
		top, left, right, bottom := side(0), side(1), side(2), side(3)
		if left >= r.width || right <= 0 || top >= r.height || bottom <= 0 {
			r.away = r.shape
		}
	}
}

func (r *pptReader) place() string {
	switch r.kind {
	case pptSlide:
		return r.f.path + "#slide" + itoa(r.slides)
	case pptNotes:
		return r.f.path + "#notesSlide" + itoa(r.notes)
	}
	return r.f.path
}

// flush hands on the text of a container that has ended.
func (r *pptReader) flush() {
	body := wordMarks(r.text.String())
	if r.kind == pptNotes && notes(body) {
		r.w.out.Form(FormHidden, Attachment, r.place(), speakerNotes)
	}
	r.w.text(Text{Text: detect.Text{Body: body, Title: r.f.name}, Where: Attachment, Path: r.place(), First: true})
	r.text.Reset()
	r.kind = 0
}
