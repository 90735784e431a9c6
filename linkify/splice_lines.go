package linkify

import (
	"bytes"
	"encoding/base64"
)

// base64Lines encodes b in lines of 76, the last one ended too.
func base64Lines(b []byte, eol string) []byte {
	text := make([]byte, base64.StdEncoding.EncodedLen(len(b)))
	base64.StdEncoding.Encode(text, b)
	out := make([]byte, 0, len(text)+(len(text)/76+1)*len(eol))
	for len(text) > 0 {
		n := min(76, len(text))
		out = append(append(out, text[:n]...), eol...)
		text = text[n:]
	}
	return out
}

const hexDigits = "0123456789ABCDEF"

// qpLines encodes text as quoted-printable. Its line ends stay line ends.
func qpLines(text []byte, eol string) []byte {
	var out []byte
	for len(text) > 0 {
		l, rest, ended := bytes.Cut(text, []byte("\n"))
		if ended {
			l = bytes.TrimSuffix(l, []byte("\r"))
		}
		out = qpLine(out, l, eol)
		if ended {
			out = append(out, eol...)
		}
		text = rest
	}
	return out
}

// qpLine encodes one line with soft line ends.
func qpLine(out, l []byte, eol string) []byte {
	width := 0
	for i, c := range l {
		plain := c >= ' ' && c < 0x7f && c != '=' || c == '\t'
		if (c == ' ' || c == '\t') && i == len(l)-1 || c == '.' && i == 0 || c == 'F' && i == 0 {
			plain = false // trailing space is lost, a lone dot ends DATA, "From " gets a ">"
		}
		size := 3
		if plain {
			size = 1
		}
		if width+size > 75 {
			out = append(append(out, '='), eol...)
			width = 0
		}
		if plain {
			out = append(out, c)
		} else {
			out = append(out, '=', hexDigits[c>>4], hexDigits[c&15])
		}
		width += size
	}
	return out
}

// qpInside encodes text that goes into the middle of a line. It begins and ends
// with a line end, which HTML takes for a space.
func qpInside(text []byte, eol string) []byte { return qpLines(text, eol) }

// qpOffset finds where, in a quoted-printable body, the decoded byte of that
// offset is written.
func qpOffset(body []byte, decoded int) int {
	at, n := 0, 0
	for at < len(body) && n < decoded {
		end, next := lineOf(body, at)
		text := bytes.TrimRight(body[at:end], " \t")
		soft := len(text) > 0 && text[len(text)-1] == '='
		if soft {
			text = text[:len(text)-1]
		}
		for i := 0; i < len(text); {
			if n >= decoded {
				return at + i
			}
			if text[i] == '=' && i+2 < len(text) && isHex(text[i+1]) && isHex(text[i+2]) {
				i += 3
			} else {
				i++
			}
			n++
		}
		if n >= decoded {
			return at + len(text)
		}
		if !soft {
			n += next - end
		}
		at = next
	}
	return at
}

func lineOf(b []byte, at int) (end, next int) {
	i := bytes.IndexByte(b[at:], '\n')
	if i < 0 {
		return len(b), len(b)
	}
	end, next = at+i, at+i+1
	if end > at && b[end-1] == '\r' {
		end--
	}
	return end, next
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'F' || c >= 'a' && c <= 'f'
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}
