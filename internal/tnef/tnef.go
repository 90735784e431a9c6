// Package tnef reads winmail.dat, the form in which Outlook wraps texts and files for other Outlooks (MS-OXTNEF). It
// knows nothing of mail around it. What it gives shares the memory of what it read; work is linear in that.
package tnef

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"strings"
	"unicode/utf16"

	"github.com/sekisho-mail/sekisho/internal/message"
	"github.com/sekisho-mail/sekisho/internal/rtf"
)

// Attributes (MS-OXTNEF 2.1.3.2).
const (
	attrBody       = 0x800c
	attrSubject    = 0x8004
	attrAttachData = 0x800f
	attrTitle      = 0x8010
	attrRend       = 0x9002
	attrProps      = 0x9003
	attrAttachment = 0x9005
	attrCodePage   = 0x9007
)

// maxFiles bounds the files of one container.
const maxFiles = 10_000

// File is one file in a container.
type File struct {
	Name string // as Outlook had it; "" where it had none
	Data []byte
	// Object: not a file but a message or another object of Outlook's, which no other program opens.
	Object bool

	short string
}

// Contents is what a container holds.
type Contents struct {
	Subject string
	Texts   []string // plain bodies, most have none or one
	HTML    []byte
	RTF     []byte // compressed, for ExpandRTF
	Page    string // label of the charset of HTML that does not say its own
	Files   []File
}

// Is says whether b begins as a container does.
func Is(b []byte) bool { return bytes.HasPrefix(b, []byte("\x78\x9f\x3e\x22")) }

// Decode reads a container. With an error the contents are those before the damage.
func Decode(b []byte) (Contents, error) {
	d := decoder{out: Contents{Page: "shift_jis"}}
	if len(b) < 6 || !Is(b) {
		return d.out, errors.New("not a container of Outlook's")
	}
	at := 6
	for at+9 <= len(b) {
		id := binary.LittleEndian.Uint32(b[at+1:]) & 0xffff
		size := int64(binary.LittleEndian.Uint32(b[at+5:]))
		if int64(at)+9+size+2 > int64(len(b)) {
			d.finish()
			return d.out, errors.New("attribute outside the file")
		}
		value := b[at+9 : at+9+int(size)]
		at += 9 + int(size) + 2
		d.attribute(id, value)
		if len(d.out.Files) > maxFiles {
			return d.out, errors.New("too many files")
		}
	}
	d.finish()
	if at != len(b) {
		return d.out, errors.New("attribute cut off")
	}
	return d.out, nil
}

// decoder collects the attributes of one file until the next begins.
type decoder struct {
	out  Contents
	file *File
}

func (d *decoder) attribute(id uint32, value []byte) {
	switch id {
	case attrCodePage:
		if len(value) >= 4 {
			d.out.Page = rtf.CodePage(int(binary.LittleEndian.Uint32(value) & 0xffff))
		}
	case attrSubject:
		d.out.Subject = d.text(value)
	case attrBody:
		d.out.Texts = append(d.out.Texts, d.text(value))
	case attrProps:
		d.properties(value, &File{})
	case attrRend:
		d.finish()
		d.file = &File{}
	case attrTitle, attrAttachData, attrAttachment:
		if d.file == nil {
			d.file = &File{}
		}
		switch id {
		case attrTitle:
			d.file.short = d.text(value)
		case attrAttachData:
			d.file.Data = value
		default:
			d.properties(value, d.file)
		}
	}
}

func (d *decoder) text(b []byte) string {
	return strings.TrimRight(message.DecodeText(bytes.TrimRight(b, "\x00"), d.out.Page)[0], "\x00")
}

func (d *decoder) finish() {
	if f := d.file; f != nil && len(f.Data) > 0 {
		f.Name = cmp.Or(f.Name, f.short)
		d.out.Files = append(d.out.Files, *f)
	}
	d.file = nil
}

// Properties of messages and attachments that are read (MS-OXPROPS).
const (
	propSubject    = 0x0037
	propBody       = 0x1000
	propRTF        = 0x1009
	propHTML       = 0x1013
	propData       = 0x3701
	propShortName  = 0x3704
	propLongName   = 0x3707
	typeObject     = 0x0d
	typeWideString = 0x1f
)

// properties reads a list of MAPI properties (MS-OXTNEF 2.1.3.4).
func (d *decoder) properties(b []byte, f *File) {
	r := &properties{b: b}
	count := r.uint32()
	for i := uint32(0); i < count && !r.bad && i < 10_000; i++ {
		kind, id := r.uint16(), r.uint16()
		if id >= 0x8000 {
			r.named()
		}
		value := r.value(kind)
		if value == nil {
			continue
		}
		text := func() string {
			if kind&0xfff == typeWideString {
				return wideText(value)
			}
			return d.text(value)
		}
		switch id {
		case propSubject:
			d.out.Subject = text()
		case propBody:
			d.out.Texts = append(d.out.Texts, text())
		case propRTF:
			d.out.RTF = value
		case propHTML:
			d.out.HTML = value
		case propLongName:
			f.Name = text()
		case propShortName:
			f.short = cmp.Or(f.short, text())
		case propData:
			if len(value) > 16 && kind == typeObject { // its class id comes first
				value, f.Object = value[16:], true
			}
			f.Data = value
		}
	}
}

func wideText(b []byte) string {
	var units []uint16
	for ; len(b) >= 2; b = b[2:] {
		u := binary.LittleEndian.Uint16(b)
		if u == 0 {
			break
		}
		units = append(units, u)
	}
	return string(utf16.Decode(units))
}
