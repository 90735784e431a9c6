package carrier

import (
	"encoding/binary"
	"strings"

	"github.com/sekisho-mail/sekisho/internal/message"
	"github.com/sekisho-mail/sekisho/submission/dlp/internal/detect"
)

// Records of PowerPoint (MS-PPT 2.13.24) and the mark of an encrypted file.
const (
	pptChars     = 0x0fa0
	pptBytes     = 0x0fa8
	pptString    = 0x0fba
	pptNotes     = 0x03f0
	pptEncrypted = 0xf3d1c4df
)

// pptBinary reads the text atoms of a .ppt, notes and comments included.
func (w *Walk) pptBinary(f file, c *compound, dir string) error {
	if user := c.stream(dir, "Current User"); len(user) >= 16 && binary.LittleEndian.Uint32(user[12:]) == pptEncrypted {
		return ErrEncrypted
	}
	if c.stream(dir, "EncryptedSummary") != nil {
		return ErrEncrypted
	}
	b := c.stream(dir, "PowerPoint Document")
	var text strings.Builder
	for at, n := 0, 0; at+8 <= len(b); n++ {
		if n%4096 == 0 {
			if err := w.over(); err != nil {
				return err
			}
		}
		version, kind := binary.LittleEndian.Uint16(b[at:]), binary.LittleEndian.Uint16(b[at+2:])
		size := int64(binary.LittleEndian.Uint32(b[at+4:]))
		at += 8
		if version&0xf == 0xf {
			continue // a container: its records follow
		}
		end := int(min(int64(at)+size, int64(len(b))))
		switch kind {
		case pptChars, pptString:
			text.WriteString(utf16LE(b[at:end]) + "\n")
		case pptBytes:
			text.WriteString(message.DecodeText(b[at:end], "windows-1252")[0] + "\n")
		}
		at = end
	}
	w.text(Text{Text: detect.Text{Body: wordMarks(text.String()), Title: f.name}, Where: Attachment, Path: f.path, First: true})
	return nil
}
