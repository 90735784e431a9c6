package carrier

import (
	"encoding/binary"
	"errors"
	"strings"
	"unicode/utf16"

	"github.com/sekisho-mail/sekisho/internal/message"
	"github.com/sekisho-mail/sekisho/submission/dlp/internal/detect"
)

// Offsets in the file information block of Word (MS-DOC 2.5).
const (
	fibFlags   = 0x0a
	fibMin     = 0x18 // first and last byte of text before Word 97
	fibMac     = 0x1c
	fibClx     = 0x1a2
	fibSize    = 0x1aa
	word97     = 0xc1
	flagLocked = 0x0100
	flagTable1 = 0x0200
)

// wordBinary reads a .doc: the text lies in pieces, in the order of the piece
// table, footnotes, headers, comments and text boxes behind the body.
func (w *Walk) wordBinary(f file, c *compound, dir string) error {
	doc := c.stream(dir, "WordDocument")
	if len(doc) < 0x20 {
		return errors.New("no file information block")
	}
	flags := binary.LittleEndian.Uint16(doc[fibFlags:])
	if flags&flagLocked != 0 {
		return ErrEncrypted
	}
	var text string
	var err error
	if binary.LittleEndian.Uint16(doc[2:]) < word97 || len(doc) < fibSize {
		text, err = wordOld(doc)
	} else {
		table := c.stream(dir, "0Table")
		if flags&flagTable1 != 0 {
			table = c.stream(dir, "1Table")
		}
		text, err = wordPieces(doc, table)
		for _, how := range wordHidden(doc, table) {
			w.out.Form(FormHidden, Attachment, f.path, how)
		}
	}
	w.text(Text{Text: detect.Text{Body: wordMarks(text), Title: f.name}, Where: Attachment, Path: f.path, First: true})
	return err
}

// wordOld reads the text of Word 6 and 95: bytes in the code page of the system.
func wordOld(doc []byte) (string, error) {
	if len(doc) < fibMac+4 {
		return "", errors.New("short file information block")
	}
	from, to := binary.LittleEndian.Uint32(doc[fibMin:]), binary.LittleEndian.Uint32(doc[fibMac:])
	if from > to || int64(to) > int64(len(doc)) {
		return "", errors.New("text outside the file")
	}
	return message.DecodeText(doc[from:to], "")[0], nil
}

// wordPieces follows the piece table (MS-DOC 2.4.1).
func wordPieces(doc, table []byte) (string, error) {
	at, n := binary.LittleEndian.Uint32(doc[fibClx:]), binary.LittleEndian.Uint32(doc[fibClx+4:])
	if int64(at)+int64(n) > int64(len(table)) {
		return "", errors.New("piece table outside the file")
	}
	clx := table[at : at+n]
	for len(clx) > 3 && clx[0] == 1 { // formatting before the table
		skip := 3 + int(binary.LittleEndian.Uint16(clx[1:]))
		if skip > len(clx) {
			return "", errors.New("damaged piece table")
		}
		clx = clx[skip:]
	}
	if len(clx) < 5 || clx[0] != 2 {
		return "", errors.New("no piece table")
	}
	plc := clx[5:]
	if size := int(binary.LittleEndian.Uint32(clx[1:])); size >= 0 && size < len(plc) {
		plc = plc[:size]
	}
	count := (len(plc) - 4) / 12
	var b strings.Builder
	var bad error
	for i := range count {
		from, to := binary.LittleEndian.Uint32(plc[i*4:]), binary.LittleEndian.Uint32(plc[i*4+4:])
		fc := binary.LittleEndian.Uint32(plc[(count+1)*4+i*8+2:])
		if err := wordPiece(&b, doc, fc, int64(to)-int64(from)); err != nil {
			bad = err
		}
		if b.Len() > 4*len(doc)+1024 {
			return b.String(), ErrLarge // pieces that all show the same bytes
		}
	}
	return b.String(), bad
}

// wordPiece decodes chars characters at fc, whose bit 30 says one byte each.
func wordPiece(b *strings.Builder, doc []byte, fc uint32, chars int64) error {
	narrow := fc&(1<<30) != 0
	at, size := int64(fc&^(1<<30)), chars*2
	if narrow {
		at, size = at/2, chars
	}
	if chars < 0 || at < 0 || at+size > int64(len(doc)) {
		return errors.New("piece outside the file")
	}
	if narrow {
		b.WriteString(message.DecodeText(doc[at:at+size], "windows-1252")[0])
	} else {
		b.WriteString(utf16LE(doc[at : at+size]))
	}
	return nil
}

// wordMarks turns the control characters of Word into white space. Two cell
// marks are the end of a row.
func wordMarks(s string) string {
	s = strings.NewReplacer("\x07\x07", "\t\n", "\x07", "\t", "\r", "\n", "\x0b", "\n", "\x0c", "\n", "\x1e", "-", "\x1f", "", "\xa0", " ").Replace(s)
	return strings.Map(func(r rune) rune {
		if r < 0x20 && r != '\n' && r != '\t' {
			return ' '
		}
		return r
	}, s)
}

// utf16LE decodes without looking for a mark or an end.
func utf16LE(b []byte) string {
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(b[i*2:])
	}
	return string(utf16.Decode(units))
}
