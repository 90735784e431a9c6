package carrier

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"

	"github.com/sekisho-mail/sekisho/internal/message"
)

// lzh opens an LHA archive, which Japanese offices still send: headers of level
// 0 to 2, names in Shift_JIS or UTF-16.
func (w *Walk) lzh(f file) error {
	rest := f.body
	for len(rest) > 0 && rest[0] != 0 {
		e, next, err := lzhEntry(rest)
		if err != nil {
			return err
		}
		if err := w.over(); err != nil {
			return err
		}
		if e.method == "-lhd-" {
			w.name(f.outOf(e.name, nil))
		} else if err := w.lzhFile(f, e); err != nil {
			return err
		}
		rest = rest[next:]
	}
	return nil
}

// lzhFile unpacks one entry; an error ends the archive.
func (w *Walk) lzhFile(f file, e lzhHeader) error {
	r, err := e.open()
	if err != nil {
		w.closed(f.outOf(e.name, nil), err)
		return nil
	}
	b, err := w.expand(io.LimitReader(r, e.size), int64(len(e.packed)))
	if err == nil && crc16(b) != e.crc {
		err = errors.New("checksum differs")
	}
	if err != nil && len(b) == 0 {
		w.closed(f.outOf(e.name, nil), err)
		return nil
	}
	w.file(f.outOf(e.name, b))
	if err != nil {
		w.failed(f.outOf(e.name, nil), err)
	}
	if errors.Is(err, ErrLarge) {
		return ErrLarge
	}
	return nil
}

// lzhHeader is what stands before each entry.
type lzhHeader struct {
	method string
	name   string
	packed []byte
	size   int64
	crc    uint16
}

var errHeader = errors.New("damaged header")

// lzhEntry reads the entry at the start of b; next is where the one after it
// begins.
func lzhEntry(b []byte) (e lzhHeader, next int, err error) {
	if len(b) < 26 || b[2] != '-' || b[6] != '-' {
		return e, 0, errHeader
	}
	e.method = string(b[2:7])
	packed, size := int64(binary.LittleEndian.Uint32(b[7:])), int64(binary.LittleEndian.Uint32(b[11:]))
	e.size = size
	level := b[20]
	head, at := 0, 0 // length of the header, first extension
	switch level {
	case 0, 1:
		head = int(b[0]) + 2
		n := int(b[21])
		if head > len(b) || 24+n > head {
			return e, 0, errHeader
		}
		e.name = lzhName(b[22 : 22+n])
		e.crc = binary.LittleEndian.Uint16(b[22+n:])
		at = head - 2
	case 2:
		head = int(binary.LittleEndian.Uint16(b))
		e.crc = binary.LittleEndian.Uint16(b[21:])
		at = 24
	default:
		return e, 0, errUnsupported
	}
	if head < 26 || head > len(b) {
		return e, 0, errHeader
	}
	if level > 0 {
		end, err := e.extensions(b, at)
		if err != nil {
			return e, 0, err
		}
		if level == 1 {
			packed -= int64(end - head)
			head = end
		}
	}
	if packed < 0 || int64(head)+packed > int64(len(b)) {
		return e, 0, errHeader
	}
	e.packed = b[head : head+int(packed)]
	return e, head + int(packed), nil
}

// extensions reads the chain that begins with a length at b[at:]: names too long
// or too foreign for the header proper. It returns where the chain ends.
func (e *lzhHeader) extensions(b []byte, at int) (int, error) {
	dir := ""
	for at+2 <= len(b) {
		n := int(binary.LittleEndian.Uint16(b[at:]))
		at += 2
		if n == 0 {
			e.name = dir + e.name
			return at, nil
		}
		if n < 3 || at+n > len(b) {
			return 0, errHeader
		}
		body := b[at+1 : at+n-2]
		switch b[at] {
		case 0x01:
			e.name = lzhName(body)
		case 0x02:
			dir = lzhName(body)
		case 0x44:
			e.name = utf16LE(body)
		case 0x45:
			dir = strings.ReplaceAll(utf16LE(body), "\uffff", "/")
		}
		at += n - 2
	}
	return 0, errHeader
}

// lzhName decodes a name in which 0xff or \ separates directories.
func lzhName(b []byte) string {
	b = bytes.ReplaceAll(b, []byte{0xff}, []byte{'/'})
	return strings.ReplaceAll(message.DecodeText(bytes.TrimRight(b, "\x00"), "")[0], `\`, "/")
}

// open undoes the method of the entry.
func (e lzhHeader) open() (io.Reader, error) {
	switch e.method {
	case "-lh0-", "-lz4-":
		return bytes.NewReader(e.packed), nil
	case "-lh4-":
		return newLHReader(e.packed, 12, 14, 4), nil
	case "-lh5-":
		return newLHReader(e.packed, 13, 14, 4), nil
	case "-lh6-":
		return newLHReader(e.packed, 15, 16, 5), nil
	case "-lh7-":
		return newLHReader(e.packed, 16, 17, 5), nil
	}
	return nil, errUnsupported // -lh1- and older, from before 1990
}

// crc16 is CRC-16/ARC.
func crc16(b []byte) uint16 {
	var crc uint16
	for _, c := range b {
		crc ^= uint16(c)
		for range 8 {
			if crc&1 != 0 {
				crc = crc>>1 ^ 0xa001
			} else {
				crc >>= 1
			}
		}
	}
	return crc
}
