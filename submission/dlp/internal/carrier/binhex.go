package carrier

import (
	"bytes"
	"encoding/binary"
	"io"
	"strings"

	"github.com/sekisho-mail/sekisho/internal/message"
)

// binhex undoes BinHex 4.0, in which old Macs sent files: six bits a character,
// runs shortened, a header with the name before the two forks.
func (w *Walk) binhex(f file) error {
	raw := binhexBytes(f.body, w.limits.Part)
	if len(raw) < 1 || len(raw) < int(raw[0])+22 {
		return errHeader
	}
	n := int(raw[0])
	name := message.DecodeText(raw[1:1+n], "shift_jis")[0]
	data := int64(binary.BigEndian.Uint32(raw[n+12:]))
	resource := int64(binary.BigEndian.Uint32(raw[n+16:]))
	rest := raw[n+22:]
	if data > int64(len(rest)) {
		w.file(f.outOf(name, rest))
		return io.ErrUnexpectedEOF
	}
	w.expanded += data
	w.file(f.outOf(name, rest[:data]))
	rest = rest[data:]
	if resource > 0 && int64(len(rest)) >= 2+resource {
		w.strings(file{path: f.path, body: rest[2 : 2+resource]}) // icons and dialogs of the program
	}
	return nil
}

const binhexAlphabet = "!\"#$%&'()*+,-012345689@ABCDEFGHIJKLMNPQRSTUVXYZ[`abcdefhijklmpqr"

// binhexBytes decodes what stands between the colons, up to limit.
func binhexBytes(b []byte, limit int64) []byte {
	_, b, _ = bytes.Cut(b, []byte("BinHex"))
	_, b, _ = bytes.Cut(b, []byte(":"))
	var packed []byte
	bits, have := uint32(0), 0
	for _, c := range b {
		if c == ':' {
			break
		}
		v := strings.IndexByte(binhexAlphabet, c)
		if v < 0 {
			continue // line ends
		}
		bits = bits<<6 | uint32(v)
		if have += 6; have >= 8 {
			have -= 8
			packed = append(packed, byte(bits>>have))
		}
	}
	out := make([]byte, 0, len(packed))
	for i := 0; i < len(packed) && int64(len(out)) < limit; i++ {
		c := packed[i]
		if c != 0x90 || i+1 == len(packed) {
			out = append(out, c)
			continue
		}
		i++
		switch n := packed[i]; {
		case n == 0:
			out = append(out, 0x90)
		case len(out) > 0:
			out = append(out, bytes.Repeat(out[len(out)-1:], int(n)-1)...)
		}
	}
	return out
}
