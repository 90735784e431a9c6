package carrier

import (
	"encoding/binary"
	"strings"
)

// sstReader reads the shared strings across CONTINUE records. Where a string is
// cut, the next record begins with new flags for its characters.
type sstReader struct {
	parts [][]byte
	part  int
	at    int
}

func (r *sstReader) left() int {
	if r.part >= len(r.parts) {
		return 0
	}
	return len(r.parts[r.part]) - r.at
}

// advance moves to the next record when this one is used up.
func (r *sstReader) advance() bool {
	for r.left() == 0 {
		if r.part++; r.part >= len(r.parts) {
			return false
		}
		r.at = 0
	}
	return true
}

func (r *sstReader) bytes(n int) []byte {
	out := make([]byte, 0, min(n, 64))
	for n > 0 && r.advance() {
		take := min(n, r.left())
		out = append(out, r.parts[r.part][r.at:r.at+take]...)
		r.at += take
		n -= take
	}
	return out
}

func (r *sstReader) skip(n int) {
	for n > 0 && r.advance() {
		take := min(n, r.left())
		r.at += take
		n -= take
	}
}

// chars reads n characters of a string whose flags are known.
func (r *sstReader) chars(n int, wide bool) string {
	var b strings.Builder
	for first := true; n > 0; first = false {
		before := r.part
		if !r.advance() {
			break
		}
		if !first || r.part != before {
			flags := r.bytes(1)
			if len(flags) == 0 {
				break
			}
			wide = flags[0]&1 != 0
		}
		unit := 1
		if wide {
			unit = 2
		}
		take := min(n, r.left()/unit)
		if take == 0 {
			r.at = len(r.parts[r.part])
			continue
		}
		raw := r.parts[r.part][r.at : r.at+take*unit]
		r.at += take * unit
		n -= take
		if wide {
			b.WriteString(utf16LE(raw))
		} else {
			b.WriteString(latin1(raw))
		}
	}
	return b.String()
}

// sharedStrings reads the whole table. The declared count is not believed.
func sharedStrings(parts [][]byte) []string {
	r := &sstReader{parts: parts}
	if len(r.bytes(8)) < 8 {
		return nil
	}
	var out []string
	for r.advance() {
		head := r.bytes(3)
		if len(head) < 3 {
			break
		}
		n, flags := int(binary.LittleEndian.Uint16(head)), head[2]
		runs, extra := 0, 0
		if flags&8 != 0 {
			if b := r.bytes(2); len(b) == 2 {
				runs = int(binary.LittleEndian.Uint16(b))
			}
		}
		if flags&4 != 0 {
			if b := r.bytes(4); len(b) == 4 {
				extra = int(min(binary.LittleEndian.Uint32(b), 1<<24))
			}
		}
		out = append(out, r.chars(n, flags&1 != 0))
		r.skip(runs*4 + extra)
	}
	return out
}
