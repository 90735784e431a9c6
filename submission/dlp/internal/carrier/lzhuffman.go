package carrier

import (
	"errors"
	"io"
)

// lhReader expands the static Huffman methods of LHA, lh4 to lh7: blocks of
// symbols, each block with three code tables of its own.
type lhReader struct {
	bits   bitReader
	ring   []byte
	at     int // next place in ring
	copies int // bytes still to copy
	from   int
	left   int // symbols left in the block
	places int // codes of the distance table
	width  int // bits of their number
	chars  prefixCode
	dist   prefixCode
	err    error
}

func newLHReader(b []byte, window, places, width int) *lhReader {
	r := &lhReader{bits: bitReader{b: b}, ring: make([]byte, 1<<window), places: places, width: width}
	for i := range r.ring {
		r.ring[i] = ' '
	}
	return r
}

// Sizes of the code tables.
const (
	lhChars    = 510 // 256 bytes, and lengths from 3 on
	lhLengths  = 19  // lengths of codes, themselves coded
	lhMinMatch = 3
)

var errCode = errors.New("damaged code table")

// Read expands into p.
func (r *lhReader) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) && r.err == nil {
		if r.copies > 0 {
			r.copies--
			p[n] = r.put(r.ring[r.from])
			r.from = (r.from + 1) % len(r.ring)
			n++
			continue
		}
		c := r.symbol()
		switch {
		case r.err != nil:
		case c < 256:
			p[n] = r.put(byte(c))
			n++
		default:
			r.copies = c - 256 + lhMinMatch
			r.from = (r.at - r.distance() - 1 + 2*len(r.ring)) % len(r.ring)
		}
	}
	if n > 0 {
		return n, nil
	}
	return 0, r.err
}

func (r *lhReader) put(c byte) byte {
	r.ring[r.at] = c
	r.at = (r.at + 1) % len(r.ring)
	return c
}

func (r *lhReader) symbol() int {
	if r.left == 0 {
		if r.bits.ended() {
			r.err = io.EOF
			return 0
		}
		if r.left = r.bits.take(16); r.left == 0 {
			r.err = io.EOF
			return 0
		}
		lengths := r.table(lhLengths, 5, 3)
		r.chars = r.charTable(lengths)
		r.dist = r.table(r.places, r.width, -1)
		if r.err != nil {
			return 0
		}
	}
	r.left--
	c := r.chars.decode(&r.bits)
	if c < 0 || r.bits.over() {
		r.err = errCode
		return 0
	}
	return c
}

func (r *lhReader) distance() int {
	n := r.dist.decode(&r.bits)
	if n < 0 {
		r.err = errCode
		return 0
	}
	if n <= 1 {
		return n
	}
	return 1<<(n-1) + r.bits.take(n-1)
}

// table reads a short code: lengths in three bits, longer ones in ones. After
// the symbol gap comes a count of symbols without code.
func (r *lhReader) table(symbols, width, gap int) prefixCode {
	n := r.bits.take(width)
	if n == 0 {
		return singleCode(r.bits.take(width))
	}
	if n > symbols {
		r.err = errCode
		return prefixCode{}
	}
	lengths := make([]byte, symbols)
	for i := 0; i < n; {
		l := r.bits.take(3)
		if l == 7 {
			for r.bits.take(1) == 1 && l < maxCode+1 {
				l++
			}
		}
		lengths[i] = byte(l)
		if i++; i == gap {
			i += r.bits.take(2)
		}
	}
	return r.code(lengths)
}

// charTable reads the code of bytes and lengths, whose code lengths are coded by
// the first table.
func (r *lhReader) charTable(lengths prefixCode) prefixCode {
	n := r.bits.take(9)
	if n == 0 {
		return singleCode(r.bits.take(9))
	}
	if n > lhChars {
		r.err = errCode
		return prefixCode{}
	}
	out := make([]byte, lhChars)
	for i := 0; i < n && !r.bits.over(); {
		c := lengths.decode(&r.bits)
		switch {
		case c < 0:
			r.err = errCode
			return prefixCode{}
		case c == 0:
			i++
		case c == 1:
			i += r.bits.take(4) + 3
		case c == 2:
			i += r.bits.take(9) + 20
		default:
			out[i] = byte(c - 2)
			i++
		}
	}
	return r.code(out)
}

func (r *lhReader) code(lengths []byte) prefixCode {
	c, ok := newPrefixCode(lengths)
	if !ok {
		r.err = errCode
	}
	return c
}

// bitReader reads from the highest bit on; behind the end it gives zeros.
type bitReader struct {
	b   []byte
	pos int // in bits
}

func (r *bitReader) take(n int) int {
	v := 0
	for range n {
		v <<= 1
		if i := r.pos >> 3; i < len(r.b) {
			v |= int(r.b[i]>>(7-r.pos&7)) & 1
		}
		r.pos++
	}
	return v
}

// ended says that nothing is left but the padding of the last byte.
func (r *bitReader) ended() bool { return r.pos+8 > 8*len(r.b) }

// over says that more was read than there is.
func (r *bitReader) over() bool { return r.pos > 8*len(r.b)+32 }

// maxCode is the length of the longest code.
const maxCode = 16

// prefixCode is a canonical Huffman code: codes of one length are consecutive,
// in the order of their symbols.
type prefixCode struct {
	count   [maxCode + 1]int
	symbols []int
	single  bool // one symbol that takes no bits
}

func singleCode(symbol int) prefixCode { return prefixCode{single: true, symbols: []int{symbol}} }

// newPrefixCode makes a code from the lengths of its symbols, 0 for none.
func newPrefixCode(lengths []byte) (c prefixCode, ok bool) {
	for _, l := range lengths {
		if l > maxCode {
			return prefixCode{}, false
		}
		if l > 0 {
			c.count[l]++
		}
	}
	var at [maxCode + 2]int
	room := 1
	for l := 1; l <= maxCode; l++ {
		at[l+1] = at[l] + c.count[l]
		if room = room*2 - c.count[l]; room < 0 {
			return prefixCode{}, false
		}
	}
	c.symbols = make([]int, at[maxCode+1])
	for s, l := range lengths {
		if l > 0 {
			c.symbols[at[l]] = s
			at[l]++
		}
	}
	return c, true
}

// decode reads one symbol, -1 for a code that is none.
func (c *prefixCode) decode(r *bitReader) int {
	if c.single {
		return c.symbols[0]
	}
	code, first, index := 0, 0, 0
	for l := 1; l <= maxCode; l++ {
		code |= r.take(1)
		n := c.count[l]
		if code-first < n {
			return c.symbols[index+code-first]
		}
		index += n
		first = (first + n) << 1
		code <<= 1
	}
	return -1
}
