package message

import (
	"bytes"
	"encoding/base64"
	"strings"
	"unicode/utf16"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
)

// set is the character set that an escape sequence of ISO 2022 called.
type set int

const (
	setASCII   set = iota
	setKana        // JIS X 0201 katakana
	setKanji       // JIS X 0208, also plane 1 of JIS X 0213, which contains it
	setKanji2      // JIS X 0212
	setChinese     // GB 2312
	setKorean      // KS C 5601
)

// escapes of ISO-2022-JP, -1, -2, -3 and of the Microsoft variants.
var escapes = []struct {
	seq string
	set set
}{
	{"$@", setKanji}, {"$B", setKanji}, {"$(@", setKanji}, {"$(B", setKanji},
	{"$(O", setKanji}, {"$(Q", setKanji}, {"$(D", setKanji2}, {"$(P", setKanji2},
	{"$A", setChinese}, {"$(A", setChinese}, {"$(C", setKorean},
	{"(B", setASCII}, {"(J", setASCII}, {"(H", setASCII}, {"(I", setKana},
}

// decodeJIS reads ISO-2022-JP in all its kinds leniently: half-width kana by
// escape, by shift or as 8-bit bytes, the NEC and IBM characters (①㈱髙), words
// cut inside a character. x/text has the tables; its own decoder stops reading
// at the first of these liberties.
func decodeJIS(b []byte) string {
	var out strings.Builder
	out.Grow(len(b) * 3 / 2)
	current, before := setASCII, setASCII
	for len(b) > 0 {
		n := bytes.IndexAny(b, "\x1b\x0e\x0f\r\n")
		if n < 0 {
			n = len(b)
		}
		decodeSet(&out, b[:n], current)
		if b = b[n:]; len(b) == 0 {
			break
		}
		switch b[0] {
		case 0x1b:
			var size int
			if current, size = escape(b, current, &out); size > 0 {
				b = b[size:]
				continue
			}
		case 0x0e:
			before, current = current, setKana
		case 0x0f:
			current = before
		default:
			out.WriteByte(b[0])
			current = setASCII // RFC 1468: lines end in ASCII
		}
		b = b[1:]
	}
	return out.String()
}

// escape reads the sequence at the start of b; size 0 means it is none.
func escape(b []byte, current set, out *strings.Builder) (set, int) {
	for _, e := range escapes {
		if len(b) > len(e.seq) && string(b[1:1+len(e.seq)]) == e.seq {
			return e.set, 1 + len(e.seq)
		}
	}
	if len(b) >= 3 && b[1] == '.' || len(b) >= 3 && b[1] == '&' {
		return current, 3 // G2 of ISO-2022-JP-2; revision of JIS X 0208-1990
	}
	out.WriteString(replacement)
	return current, 0
}

func decodeSet(out *strings.Builder, b []byte, s set) {
	if len(b) == 0 {
		return
	}
	switch s {
	case setASCII:
		decodeRoman(out, b)
	case setKana:
		for _, c := range b {
			writeKana(out, c|0x80)
		}
	case setKanji:
		pairs(out, b, nil, japanese.EUCJP)
	case setKanji2:
		pairs(out, b, []byte{0x8f}, japanese.EUCJP)
	case setChinese:
		pairs(out, b, nil, simplifiedchinese.GBK)
	case setKorean:
		pairs(out, b, nil, korean.EUCKR)
	}
}

// decodeRoman reads ASCII in which 8-bit bytes are half-width kana (cp50221).
func decodeRoman(out *strings.Builder, b []byte) {
	for _, c := range b {
		if c < 0x80 {
			out.WriteByte(c)
			continue
		}
		writeKana(out, c)
	}
}

func writeKana(out *strings.Builder, c byte) {
	switch {
	case c >= 0xa1 && c <= 0xdf:
		out.WriteRune(rune(c) - 0xa1 + 0xff61)
	case c&0x7f <= ' ':
		out.WriteByte(c & 0x7f)
	default:
		out.WriteString(replacement)
	}
}

// pairs decodes two-byte characters by setting their high bits, as EUC does.
// Bytes outside the grid (spaces, mostly) stay single.
func pairs(out *strings.Builder, b, prefix []byte, e encoding.Encoding) {
	high := make([]byte, 0, len(b)+len(prefix)*len(b)/2)
	for i := 0; i < len(b); i++ {
		c := b[i] & 0x7f
		switch {
		case c <= ' ' || c == 0x7f:
			high = append(high, c)
		case i+1 < len(b):
			high = append(append(high, prefix...), c|0x80, b[i+1]|0x80)
			i++
		default:
			high = append(high, 0xff)
		}
	}
	text, err := e.NewDecoder().Bytes(high)
	out.Write(text)
	if err != nil {
		out.WriteString(replacement)
	}
}

// decodeUTF7 reads RFC 2152. The libraries stop at the first broken sequence,
// and would hide what follows it.
func decodeUTF7(b []byte) string {
	var out strings.Builder
	for len(b) > 0 {
		n := bytes.IndexByte(b, '+')
		if n < 0 {
			out.WriteString(decodeUTF8(b))
			break
		}
		out.WriteString(decodeUTF8(b[:n]))
		b = b[n+1:]
		end := 0
		for end < len(b) && sextet(b[end]) {
			end++
		}
		if end == 0 {
			out.WriteByte('+')
		} else {
			out.WriteString(utf7Run(b[:end]))
		}
		b = b[end:]
		if len(b) > 0 && b[0] == '-' {
			b = b[1:]
		}
	}
	return out.String()
}

func sextet(c byte) bool {
	return c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '+' || c == '/'
}

func utf7Run(b []byte) string {
	if len(b)%4 == 1 {
		b = b[:len(b)-1]
	}
	raw := make([]byte, base64.RawStdEncoding.DecodedLen(len(b)))
	n, err := base64.RawStdEncoding.Decode(raw, b)
	if err != nil {
		return replacement
	}
	units := make([]uint16, 0, n/2)
	for i := 0; i+1 < n; i += 2 {
		units = append(units, uint16(raw[i])<<8|uint16(raw[i+1]))
	}
	return string(utf16.Decode(units))
}
