package message

import (
	"bytes"
	"strconv"
)

// decodeUU reads uuencoded lines, with or without "begin" and "end": as a
// transfer encoding both are found.
func decodeUU(body []byte) []byte {
	if blocks := uuBlocks(body, 1); len(blocks) > 0 {
		return blocks[0].Data
	}
	data, _ := uuLines(body)
	return data
}

// maxBegins bounds the lines that look like the beginning of a file and are none.
const maxBegins = 1000

// uuBlocks finds the files that stand uuencoded in a text, at most limit. Old
// mail programs show them as attachments.
func uuBlocks(body []byte, limit int) []Reading {
	var out []Reading
	for at, tries := 0, 0; at < len(body) && len(out) < limit && tries < maxBegins; tries++ {
		if !bytes.HasPrefix(body[at:], []byte("begin ")) && !bytes.HasPrefix(body[at:], []byte("begin-base64 ")) {
			i := bytes.Index(body[at:], []byte("\nbegin"))
			if i < 0 {
				break
			}
			at += i + 1
		}
		end, next := line(body, at)
		kind, name, ok := uuBegin(body[at:end])
		at = next
		if !ok {
			continue
		}
		r := Reading{How: "uuencode", Name: name}
		var used int
		if kind == "begin" {
			r.Data, used = uuLines(body[at:])
		} else {
			used = len(body) - at
			if i := bytes.Index(body[at:], []byte("\n====")); i >= 0 {
				used = i
			}
			r.Data = decodeBase64(body[at : at+used])
		}
		at += used
		if len(r.Data) > 0 {
			out = append(out, r)
		}
	}
	return out
}

// uuBegin reads "begin 644 name".
func uuBegin(l []byte) (kind, name string, ok bool) {
	f := bytes.SplitN(l, []byte(" "), 3)
	if len(f) < 3 || string(f[0]) != "begin" && string(f[0]) != "begin-base64" {
		return "", "", false
	}
	if _, err := strconv.ParseUint(string(f[1]), 8, 32); err != nil {
		return "", "", false
	}
	return string(f[0]), first(DecodeText(bytes.TrimSpace(f[2]), "")), true
}

// uuLines decodes lines until one that is none; used is how many bytes it read.
func uuLines(body []byte) (out []byte, used int) {
	for used < len(body) {
		end, next := line(body, used)
		l := body[used:end]
		if len(l) == 0 || string(l) == "end" {
			if string(l) == "end" {
				used = next
			}
			break
		}
		if l[0] < ' ' || l[0] > '`' {
			break
		}
		n := int(l[0]-' ') & 63
		if n == 0 {
			used = next
			if end, after := line(body, next); string(body[next:end]) == "end" {
				used = after
			}
			break
		}
		out = uuLine(out, l[1:], n)
		used = next
	}
	return out, used
}

// uuLength is the number of bytes a line holds if it has the shape of a
// uuencoded one, else 0.
func uuLength(l []byte) int {
	if len(l) < 5 || l[0] <= ' ' || l[0] > '`' {
		return 0
	}
	n := int(l[0]-' ') & 63
	want := (n + 2) / 3 * 4
	if got := len(l) - 1; got < want-3 || got > want+1 {
		return 0
	}
	return n
}

// uuLine decodes n bytes; characters cut off at the end of the line count as
// spaces, which some mail programs trim.
func uuLine(out, l []byte, n int) []byte {
	at := func(i int) byte {
		if i < len(l) {
			return (l[i] - ' ') & 63
		}
		return 0
	}
	start := len(out)
	for i := 0; len(out)-start < n; i += 4 {
		out = append(out, at(i)<<2|at(i+1)>>4, at(i+1)<<4|at(i+2)>>2, at(i+2)<<6|at(i+3))
	}
	return out[:start+n]
}

// yencBlocks finds yEnc files in a text, at most limit.
func yencBlocks(body []byte, limit int) []Reading {
	var out []Reading
	for at := 0; len(out) < limit; {
		i := bytes.Index(body[at:], []byte("=ybegin "))
		if i < 0 {
			break
		}
		end, next := line(body, at+i)
		r := Reading{How: "yenc"}
		if _, name, ok := bytes.Cut(body[at+i:end], []byte(" name=")); ok {
			r.Name = first(DecodeText(name, ""))
		}
		at = next
		for at < len(body) {
			end, next := line(body, at)
			l := body[at:end]
			at = next
			if bytes.HasPrefix(l, []byte("=yend")) {
				break
			}
			if !bytes.HasPrefix(l, []byte("=ypart")) {
				r.Data = yencLine(r.Data, l)
			}
		}
		out = append(out, r)
	}
	return out
}

func yencLine(out, l []byte) []byte {
	for i := 0; i < len(l); i++ {
		c := l[i]
		if c == '=' && i+1 < len(l) {
			i++
			c = l[i] - 64
		}
		out = append(out, c-42)
	}
	return out
}
