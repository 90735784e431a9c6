package carrier

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"

	"github.com/sekisho-mail/sekisho/internal/message"
	"github.com/sekisho-mail/sekisho/submission/dlp/internal/detect"
)

// Attributes of TNEF (MS-OXTNEF 2.1.3.2).
const (
	tnefBody       = 0x800c
	tnefSubject    = 0x8004
	tnefAttachData = 0x800f
	tnefTitle      = 0x8010
	tnefRend       = 0x9002
	tnefProps      = 0x9003
	tnefAttachment = 0x9005
	tnefCodePage   = 0x9007
)

// tnefFile is an attachment as its attributes come in.
type tnefFile struct {
	name, long string
	data       []byte
}

// tnef reads winmail.dat: the bodies and files Outlook wraps for other Outlooks.
func (w *Walk) tnef(f file) error {
	b := f.body
	if len(b) < 6 {
		return errors.New("short")
	}
	page := "shift_jis"
	var current *tnefFile
	finish := func() {
		if current != nil && len(current.data) > 0 {
			w.file(f.in(firstNonEmpty(current.long, current.name, "attachment"), current.data))
		}
		current = nil
	}
	at := 6
	for at+9 <= len(b) {
		id := binary.LittleEndian.Uint32(b[at+1:]) & 0xffff
		size := int64(binary.LittleEndian.Uint32(b[at+5:]))
		if int64(at)+9+size+2 > int64(len(b)) {
			finish()
			w.strings(f)
			return errors.New("attribute outside the file")
		}
		value := b[at+9 : at+9+int(size)]
		at += 9 + int(size) + 2
		switch id {
		case tnefCodePage:
			if len(value) >= 4 {
				page = codePage(int(binary.LittleEndian.Uint32(value) & 0xffff))
			}
		case tnefSubject, tnefBody:
			w.text(Text{Text: detect.Text{Body: message.DecodeText(bytes.TrimRight(value, "\x00"), page)[0], Mail: true}, Where: Attachment, Path: f.path, First: true})
		case tnefProps:
			w.mapiProps(f, value, page, &tnefFile{})
		case tnefRend:
			finish()
			current = &tnefFile{}
		case tnefTitle, tnefAttachData, tnefAttachment:
			if current == nil {
				current = &tnefFile{}
			}
			w.tnefAttribute(f, current, id, value, page)
		}
	}
	finish()
	return nil
}

func (w *Walk) tnefAttribute(f file, a *tnefFile, id uint32, value []byte, page string) {
	switch id {
	case tnefTitle:
		a.name = strings.TrimRight(message.DecodeText(value, page)[0], "\x00")
	case tnefAttachData:
		a.data = value
	case tnefAttachment:
		w.mapiProps(f, value, page, a)
	}
}

// mapiProps reads a list of MAPI properties (MS-OXTNEF 2.1.3.4).
func (w *Walk) mapiProps(f file, b []byte, page string, a *tnefFile) {
	r := &mapiReader{b: b}
	count := r.uint32()
	var html, rtf []byte
	for i := uint32(0); i < count && !r.bad && i < 10_000; i++ {
		kind, id := r.uint16(), r.uint16()
		if id >= 0x8000 {
			r.named()
		}
		value := r.value(kind)
		s := func() string {
			if kind&0xfff == 0x1f {
				return wideText(value)
			}
			return strings.TrimRight(message.DecodeText(value, page)[0], "\x00")
		}
		switch id {
		case 0x0037, 0x1000:
			w.text(Text{Text: detect.Text{Body: s(), Mail: true}, Where: Attachment, Path: f.path, First: true})
		case 0x1009:
			rtf = value
		case 0x1013:
			html = value
		case 0x3707:
			a.long = s()
		case 0x3704:
			a.name = firstNonEmpty(a.name, s())
		case 0x3701:
			if len(value) > 16 && kind == 0x0d { // an object: its class id comes first
				value = value[16:]
			}
			a.data = value
		}
	}
	w.mapiBodies(f, html, page, rtf)
}

// mapiReader reads values that are padded to four bytes.
type mapiReader struct {
	b   []byte
	at  int
	bad bool
}

func (r *mapiReader) take(n int64) []byte {
	if n < 0 || int64(r.at)+n > int64(len(r.b)) {
		r.bad = true
		r.at = len(r.b)
		return nil
	}
	v := r.b[r.at : r.at+int(n)]
	r.at += int(n)
	return v
}

func (r *mapiReader) uint16() uint16 {
	if v := r.take(2); v != nil {
		return binary.LittleEndian.Uint16(v)
	}
	return 0
}

func (r *mapiReader) uint32() uint32 {
	if v := r.take(4); v != nil {
		return binary.LittleEndian.Uint32(v)
	}
	return 0
}

// named passes over the name of a named property.
func (r *mapiReader) named() {
	r.take(16)
	if r.uint32() == 0 {
		r.take(4)
		return
	}
	r.padded(int64(r.uint32()))
}

func (r *mapiReader) padded(n int64) []byte {
	v := r.take(n)
	r.take(-n & 3)
	return v
}

// value reads one value; of several, the first.
func (r *mapiReader) value(kind uint16) []byte {
	count, many := uint32(1), kind&0x1000 != 0
	base := kind &^ 0x1000
	variable := base == 0x1e || base == 0x1f || base == 0x102 || base == 0x0d
	if many || variable {
		count = r.uint32()
	}
	var first []byte
	for i := uint32(0); i < count && !r.bad; i++ {
		var v []byte
		switch {
		case variable:
			v = r.padded(int64(r.uint32()))
		case base == 0x05 || base == 0x06 || base == 0x07 || base == 0x14 || base == 0x40:
			v = r.take(8)
		case base == 0x48:
			v = r.take(16)
		default:
			v = r.take(4)
		}
		if i == 0 {
			first = v
		}
	}
	return first
}
