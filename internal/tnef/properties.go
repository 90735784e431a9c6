package tnef

import "encoding/binary"

// properties reads values that are padded to four bytes.
type properties struct {
	b   []byte
	at  int
	bad bool
}

func (r *properties) take(n int64) []byte {
	if n < 0 || int64(r.at)+n > int64(len(r.b)) {
		r.bad = true
		r.at = len(r.b)
		return nil
	}
	v := r.b[r.at : r.at+int(n)]
	r.at += int(n)
	return v
}

func (r *properties) uint16() uint16 {
	if v := r.take(2); v != nil {
		return binary.LittleEndian.Uint16(v)
	}
	return 0
}

func (r *properties) uint32() uint32 {
	if v := r.take(4); v != nil {
		return binary.LittleEndian.Uint32(v)
	}
	return 0
}

// named passes over the name of a named property.
func (r *properties) named() {
	r.take(16)
	if r.uint32() == 0 {
		r.take(4)
		return
	}
	r.padded(int64(r.uint32()))
}

func (r *properties) padded(n int64) []byte {
	v := r.take(n)
	r.take(-n & 3)
	return v
}

// value reads one value; of several, the first.
func (r *properties) value(kind uint16) []byte {
	count, many := uint32(1), kind&0x1000 != 0
	base := kind &^ 0x1000
	variable := base == 0x1e || base == 0x1f || base == 0x102 || base == 0x0d
	if many || variable {
		count = r.uint32()
	}
	var first []byte
	for i := uint32(0); i < count && !r.bad; i++ {
		var v []byte
		switch {
		case variable:
			v = r.padded(int64(r.uint32()))
		case base == 0x05 || base == 0x06 || base == 0x07 || base == 0x14 || base == 0x40:
			v = r.take(8)
		case base == 0x48:
			v = r.take(16)
		default:
			v = r.take(4)
		}
		if i == 0 {
			first = v
		}
	}
	return first
}
