package carrier

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"io"
)

// Sizes and flags of a cabinet (MS-CAB 2).
const (
	cabHeader   = 36
	cabFolder   = 8
	cabData     = 8
	cabFile     = 16
	cabPrevious = 1
	cabNext     = 2
	cabReserve  = 4
	cabUTF8     = 0x80
	cabWindow   = 32 << 10
)

// cabinet is an open Windows cabinet. Files lie one behind the other in folders,
// and each folder is one packed stream.
type cabinet struct {
	b       []byte
	at      int
	reserve int // bytes behind the header of each block
	folders []cabStream
	files   []cabEntry
	spanned bool // begins or goes on in another cabinet
}

type cabStream struct {
	start  int64
	blocks int
	method uint16
}

type cabEntry struct {
	name   string
	size   int64
	at     int64
	folder int
}

// cab unpacks a cabinet: what is stored, and MSZIP.
func (w *Walk) cab(f file) error {
	c, err := openCabinet(f.body)
	if err != nil {
		return err
	}
	var bad error
	for i := range c.folders {
		body, err := w.cabFolder(c, i)
		for _, e := range c.files {
			if e.folder != i {
				continue
			}
			if over := w.over(); over != nil {
				return over
			}
			inner := f.in(e.name, nil)
			if err != nil && e.at+e.size > int64(len(body)) {
				w.closed(inner, err)
				continue
			}
			if e.at+e.size > int64(len(body)) {
				w.closed(inner, errors.New("file outside its folder"))
				continue
			}
			inner.body = body[e.at : e.at+e.size]
			w.file(inner)
		}
		if err != nil {
			bad = err
		}
	}
	for _, e := range c.files {
		if e.folder >= len(c.folders) {
			w.closed(f.in(e.name, nil), errors.New("file of another cabinet"))
		}
	}
	if bad == nil && c.spanned {
		return errors.New("one of several cabinets")
	}
	return bad
}

func openCabinet(b []byte) (*cabinet, error) {
	if len(b) < cabHeader {
		return nil, errHeader
	}
	c := &cabinet{b: b, at: cabHeader}
	flags := binary.LittleEndian.Uint16(b[30:])
	folders, files := int(binary.LittleEndian.Uint16(b[26:])), int(binary.LittleEndian.Uint16(b[28:]))
	c.spanned = flags&(cabPrevious|cabNext) != 0
	more := 0 // bytes behind each folder
	if flags&cabReserve != 0 {
		if len(b) < c.at+4 {
			return nil, errHeader
		}
		more, c.reserve = int(b[c.at+2]), int(b[c.at+3])
		c.at += 4 + int(binary.LittleEndian.Uint16(b[c.at:]))
	}
	for _, flag := range []uint16{cabPrevious, cabPrevious, cabNext, cabNext} { // name and disk of either
		if flags&flag != 0 {
			c.text()
		}
	}
	for range folders {
		if c.at+cabFolder > len(b) {
			return nil, errHeader
		}
		c.folders = append(c.folders, cabStream{
			start: int64(binary.LittleEndian.Uint32(b[c.at:])), blocks: int(binary.LittleEndian.Uint16(b[c.at+4:])),
			method: binary.LittleEndian.Uint16(b[c.at+6:]) & 0xf,
		})
		c.at += cabFolder + more
	}
	c.at = int(min(int64(binary.LittleEndian.Uint32(b[16:])), int64(len(b))))
	for range files {
		if c.at+cabFile > len(b) {
			return nil, errHeader
		}
		h := b[c.at:]
		e := cabEntry{size: int64(binary.LittleEndian.Uint32(h)), at: int64(binary.LittleEndian.Uint32(h[4:])), folder: int(binary.LittleEndian.Uint16(h[8:]))}
		unicode := binary.LittleEndian.Uint16(h[14:])&cabUTF8 != 0
		c.at += cabFile
		e.name = zipName(c.text(), unicode)
		c.files = append(c.files, e)
	}
	return c, nil
}

// text reads bytes up to a NUL.
func (c *cabinet) text() string {
	rest := c.b[min(c.at, len(c.b)):]
	end := bytes.IndexByte(rest, 0)
	if end < 0 {
		c.at = len(c.b)
		return string(rest)
	}
	c.at += end + 1
	return string(rest[:end])
}

// cabFolder expands a folder. On error it returns what was read.
func (w *Walk) cabFolder(c *cabinet, i int) ([]byte, error) {
	s := c.folders[i]
	if s.method > 1 {
		return nil, errUnsupported // Quantum and LZX, which installers use
	}
	r := &cabReader{c: c, stream: s, at: s.start}
	return w.expand(r, int64(len(c.b)))
}

// cabReader expands one block after the other; MSZIP refers back across blocks.
type cabReader struct {
	c      *cabinet
	stream cabStream
	at     int64
	block  int
	window []byte
	ready  []byte
}

func (r *cabReader) Read(p []byte) (int, error) {
	for len(r.ready) == 0 {
		if r.block == r.stream.blocks {
			return 0, io.EOF
		}
		if err := r.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.ready)
	r.ready = r.ready[n:]
	return n, nil
}

func (r *cabReader) next() error {
	head := r.at + cabData + int64(r.c.reserve)
	if head > int64(len(r.c.b)) {
		return errHeader
	}
	packed, size := int64(binary.LittleEndian.Uint16(r.c.b[r.at+4:])), int(binary.LittleEndian.Uint16(r.c.b[r.at+6:]))
	if head+packed > int64(len(r.c.b)) {
		return errHeader
	}
	body := r.c.b[head : head+packed]
	r.at = head + packed
	r.block++
	if r.stream.method == 0 {
		r.ready = body
		return nil
	}
	body, ok := bytes.CutPrefix(body, []byte("CK"))
	if !ok {
		return errors.New("no MSZIP block")
	}
	out := make([]byte, size)
	n, err := io.ReadFull(flate.NewReaderDict(bytes.NewReader(body), r.window), out)
	r.ready = out[:n]
	if err != nil {
		return err
	}
	r.window = append(r.window, out...)
	r.window = r.window[max(0, len(r.window)-cabWindow):]
	return nil
}
