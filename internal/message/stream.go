package message

import (
	"bytes"
	"encoding/base64"
	"io"
)

// Reader gives what Decode(0) gives, piece by piece, so that a large file never lies in memory a second time. A
// fragment (message/partial) is read like any other part: who must not take one asks Decode.
func (p *Part) Reader() io.Reader {
	body := p.Body.Of(p.source)
	switch {
	case p.Encoding == "base64":
		return &base64Reader{rest: body}
	case identity(p.Encoding):
		return bytes.NewReader(body)
	}
	b, _ := p.Decode(0) // quoted-printable and uuencode: texts, and what is old and small
	return bytes.NewReader(b)
}

// base64Piece is how much text is decoded at once.
const base64Piece = 48 << 10

type base64Reader struct {
	rest    []byte       // not decoded yet
	d       groupDecoder // between two pieces it may hold part of a group
	decoded []byte       // not read yet
	buf     []byte
}

func (r *base64Reader) Read(p []byte) (int, error) {
	for len(r.decoded) == 0 {
		if len(r.rest) == 0 && r.d.have == 0 {
			return 0, io.EOF
		}
		r.next()
	}
	n := copy(p, r.decoded)
	r.decoded = r.decoded[n:]
	return n, nil
}

// next decodes a piece that ends with a line, where there are lines: in what programs write every line is of whole
// groups, and the quick decoder of the library takes it.
func (r *base64Reader) next() {
	piece := r.rest[:min(base64Piece, len(r.rest))]
	if i := bytes.LastIndexByte(piece, '\n'); i >= 0 && len(piece) < len(r.rest) {
		piece = piece[:i+1]
	}
	r.rest = r.rest[len(piece):]
	if r.buf == nil {
		r.buf = make([]byte, base64Piece)
	}
	if r.d.have == 0 && len(piece) > 0 {
		if n, err := base64.StdEncoding.Decode(r.buf, piece); err == nil {
			r.decoded = r.buf[:n]
			return
		}
	}
	r.d.out = r.buf[:0]
	r.d.take(piece)
	if len(r.rest) == 0 {
		r.d.flush()
	}
	r.decoded = r.d.out
}
