package carrier

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"unicode/utf8"
)

// reader ends when the walk's time is over, so that a library that loops over
// its input comes back.
type reader struct {
	*bytes.Reader
	w *Walk
	n int
}

func newReader(w *Walk, b []byte) *reader { return &reader{Reader: bytes.NewReader(b), w: w} }

func (r *reader) Read(p []byte) (int, error) {
	if err := r.tick(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}

func (r *reader) ReadAt(p []byte, at int64) (int, error) {
	if err := r.tick(); err != nil {
		return 0, err
	}
	return r.Reader.ReadAt(p, at)
}

func (r *reader) tick() error {
	if r.n++; r.n%256 == 0 {
		return r.w.over()
	}
	return nil
}

// ratioFrom is the size from which the ratio of expanded to packed bytes counts:
// small files may be very regular.
const ratioFrom = 1 << 20

// expand reads r to its end within the budget. packed is the size it expands
// from, 0 when unknown. On error it returns what was read.
func (w *Walk) expand(r io.Reader, packed int64) ([]byte, error) {
	var b bytes.Buffer
	err := w.pour(&b, r, packed)
	return b.Bytes(), err
}

// pot takes what is poured: bytes or a string.
type pot interface {
	io.Writer
	Len() int
}

// pour copies r to its end within the budget.
func (w *Walk) pour(to pot, r io.Reader, packed int64) error {
	if w.buffer == nil {
		w.buffer = make([]byte, 64<<10)
	}
	for {
		n, err := r.Read(w.buffer)
		to.Write(w.buffer[:n]) // memory takes everything
		w.expanded += int64(n)
		size := int64(to.Len())
		switch {
		case size > w.limits.Part, w.expanded > w.limits.Expanded:
			return ErrLarge
		case packed > 0 && size > ratioFrom && size/packed > w.limits.Ratio:
			return ErrLarge
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if err := w.over(); err != nil {
			return err
		}
	}
}

// piece is the room for the next piece of text out of so many bytes of markup.
// Half of them is text where there is much of it, and then the piece ends.
func (l Limits) piece(markup int) int { return min(max(markup, 0)/2, l.Text+l.Text/8) }

// cutPoint is the last line end before limit, or the last character.
func cutPoint(s string, limit int) int {
	if i := strings.LastIndexByte(s[limit/2:limit], '\n'); i >= 0 {
		return limit/2 + i + 1
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return max(limit, 1)
}

func runeStart(s string) int {
	for i := 0; i < len(s) && i < utf8.UTFMax; i++ {
		if utf8.RuneStart(s[i]) {
			return i
		}
	}
	return 0
}
