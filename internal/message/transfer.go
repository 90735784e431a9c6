package message

import (
	"bytes"
	"encoding/base64"
	"errors"
)

// ErrTooLarge: a part decodes to more bytes than the caller's limit.
var ErrTooLarge = errors.New("decoded part is larger than the limit")

// ErrFragment: a message/partial, whose content lies in several mails.
var ErrFragment = errors.New("fragment of a larger message")

// Decode undoes the transfer encoding, leniently. The result may share memory
// with the message. More than limit bytes give ErrTooLarge and the first limit
// bytes; limit <= 0 means no limit. A fragment (message/partial) is returned with
// ErrFragment: nobody can inspect it.
func (p *Part) Decode(limit int64) ([]byte, error) {
	body := p.Body.Of(p.source)
	var out []byte
	switch p.Encoding {
	case "base64":
		out = decodeBase64(body)
	case "quoted-printable":
		out = decodeQP(body, false)
	case "x-uuencode":
		out = decodeUU(body)
	default:
		out = body
	}
	if limit > 0 && int64(len(out)) > limit {
		return out[:limit:limit], ErrTooLarge
	}
	if p.MediaType == "message/partial" {
		return out, ErrFragment
	}
	return out, nil
}

// DecodedSize is the length Decode would give.
func (p *Part) DecodedSize() int64 {
	if identity(p.Encoding) {
		return int64(p.Body.Len())
	}
	if p.Encoding == "base64" {
		if s := scanBase64(p.Body.Of(p.source)); s.after == 0 {
			return int64(s.letters/4*3 + []int{0, 0, 1, 2}[s.letters%4])
		}
	}
	b, _ := p.Decode(0)
	return int64(len(b))
}

// Texts is the decoded part in every plausible charset, best first, as valid
// UTF-8 and without duplicates. At least one is returned.
func (p *Part) Texts(limit int64) []string {
	b, _ := p.Decode(limit) // cut at limit is what the caller asked for
	return DecodeText(b, p.Charset)
}

// decodeBase64 skips what is not of the alphabet and begins a new group after
// padding, as joined base64 texts need it.
func decodeBase64(body []byte) []byte {
	out := make([]byte, base64.StdEncoding.DecodedLen(len(body)))
	if n, err := base64.StdEncoding.Decode(out, body); err == nil {
		return out[:n]
	}
	var d groupDecoder
	d.out = out[:0]
	d.take(body)
	d.flush()
	return d.out
}

// groupDecoder collects sextets into bytes.
type groupDecoder struct {
	out  []byte
	bits uint32
	have int
}

// take collects a text, or the next piece of one.
func (d *groupDecoder) take(body []byte) {
	for _, c := range body {
		switch v := sextetOf[c]; {
		case v < 64:
			d.put(v)
		case c == '=':
			d.flush()
		}
	}
}

func (d *groupDecoder) put(v byte) {
	d.bits = d.bits<<6 | uint32(v)
	if d.have++; d.have == 4 {
		d.out = append(d.out, byte(d.bits>>16), byte(d.bits>>8), byte(d.bits))
		d.bits, d.have = 0, 0
	}
}

// flush ends a group early: two sextets are one byte, three are two.
func (d *groupDecoder) flush() {
	switch d.have {
	case 2:
		d.out = append(d.out, byte(d.bits>>4))
	case 3:
		d.out = append(d.out, byte(d.bits>>10), byte(d.bits>>2))
	}
	d.bits, d.have = 0, 0
}

// classes of bytes in a base64 text, other than the sextets 0-63.
const (
	isSpace = 64 + iota
	isNewline
	isPadding
	isGarbage
)

var sextetOf = func() (t [256]byte) {
	for i := range t {
		t[i] = isGarbage
	}
	for i, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/" {
		t[c] = byte(i)
	}
	t[' '], t['\t'], t['\r'] = isSpace, isSpace, isSpace
	t['\n'] = isNewline
	t['='] = isPadding
	return t
}()

// base64Shape is what a base64 text looks like from outside.
type base64Shape struct {
	letters int  // of the alphabet
	garbage int  // neither alphabet nor space nor padding
	mixed   int  // letters after garbage
	after   int  // letters after padding
	gap     bool // a blank line inside a group of four
	uneven  int  // lines, before the last, that end inside a group
}

// minHidden is the number of letters below which nothing can hide in what a
// reader leaves out: a list's footer, a dot.
const minHidden = 16

// clean says whether every reader decodes the text to the same bytes, but for a
// few at the end.
func (s base64Shape) clean() bool {
	return s.mixed < minHidden && s.after < minHidden && !s.gap
}

func scanBase64(body []byte) base64Shape {
	var s base64Shape
	padded, fresh, gap := false, true, false
	for i := 0; i < len(body); i++ {
		start := i
		for i < len(body) && sextetOf[body[i]] < 64 {
			i++
		}
		if run := i - start; run > 0 {
			if fresh && s.letters%4 != 0 && !padded {
				s.uneven++ // the line before ended inside a group
			}
			s.gap = s.gap || gap
			if padded {
				s.after += run
			}
			if s.garbage > 0 {
				s.mixed += run
			}
			s.letters += run
			fresh = false
		}
		if i == len(body) {
			break
		}
		switch sextetOf[body[i]] {
		case isNewline:
			gap = gap || fresh && s.letters%4 != 0 && !padded
			fresh = true
		case isPadding:
			padded, fresh = true, false
		case isGarbage:
			s.garbage++
		}
	}
	return s
}

// decodeQP reads quoted-printable. What is no escape stays as it is, or with
// skip its equals sign is left out, as some readers do.
func decodeQP(body []byte, skip bool) []byte {
	out := make([]byte, 0, len(body))
	for len(body) > 0 {
		end, next := line(body, 0)
		text := bytes.TrimRight(body[:end], " \t")
		soft := len(text) > 0 && text[len(text)-1] == '='
		if soft {
			text = text[:len(text)-1]
		}
		for i := 0; i < len(text); {
			n := bytes.IndexByte(text[i:], '=')
			if n < 0 {
				out = append(out, text[i:]...)
				break
			}
			out = append(out, text[i:i+n]...)
			i += n
			if hi, lo, ok := escapeAt(text, i); ok {
				out = append(out, hi<<4|lo)
				i += 3
				continue
			}
			if !skip {
				out = append(out, '=')
			}
			i++
		}
		if !soft {
			out = append(out, body[end:next]...)
		}
		body = body[next:]
	}
	return out
}

func escapeAt(text []byte, i int) (hi, lo byte, ok bool) {
	if i+2 >= len(text) {
		return 0, 0, false
	}
	h, l := unhex(text[i+1]), unhex(text[i+2])
	if h < 0 || l < 0 {
		return 0, 0, false
	}
	return byte(h), byte(l), true
}

// brokenQP counts equals signs that are neither an escape nor a soft line end.
func brokenQP(body []byte) int {
	broken := 0
	for i := 0; i < len(body); {
		n := bytes.IndexByte(body[i:], '=')
		if n < 0 {
			break
		}
		i += n
		if _, _, ok := escapeAt(body, i); ok {
			i += 3
			continue
		}
		i++
		for n := 0; n < 76 && i < len(body) && (body[i] == ' ' || body[i] == '\t' || body[i] == '\r'); n++ {
			i++
		}
		if i < len(body) && body[i] != '\n' {
			broken++
		}
	}
	return broken
}
