package carrier

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"

	"github.com/ulikunitz/xz/lzma"
)

// The libraries for 7z and xz take at once the memory that a file says its
// dictionary needs, up to four gigabytes for a file of a hundred bytes. What is
// said is looked up first.

// maxDictionary is the largest that packers take at their highest setting.
const maxDictionary = 256 << 20

// maxSevenHeader bounds the list of files of a 7z archive, unpacked.
const maxSevenHeader = 16 << 20

var errSeven = errors.New("damaged 7z header")

// sevenClaims says whether a 7z archive asks for more memory than is given.
func sevenClaims(b []byte) error {
	if len(b) < 32 {
		return errSeven
	}
	offset, size := binary.LittleEndian.Uint64(b[12:]), binary.LittleEndian.Uint64(b[20:])
	if size == 0 {
		return nil // an empty archive
	}
	if offset > uint64(len(b)-32) || size > uint64(len(b)-32)-offset {
		return errSeven
	}
	header := b[32+offset : 32+offset+size]
	if err := coderClaims(header); err != nil || header[0] != 0x17 {
		return err
	}
	inner, err := sevenHeader(b, header)
	if err != nil {
		return err
	}
	return coderClaims(inner)
}

// coderClaims looks for the coders with a memory of their own: LZMA, LZMA2, PPMd.
func coderClaims(header []byte) error {
	for _, c := range []struct {
		mark string
		need func(props []byte) uint64
		size int
	}{
		{"\x23\x03\x01\x01\x05", func(p []byte) uint64 { return uint64(binary.LittleEndian.Uint32(p[1:])) }, 5},
		{"\x23\x03\x04\x01\x05", func(p []byte) uint64 { return uint64(binary.LittleEndian.Uint32(p[1:])) }, 5},
		{"\x21\x21\x01", func(p []byte) uint64 { return lzma2Dictionary(p[0]) }, 1},
	} {
		for rest := header; ; {
			i := bytes.Index(rest, []byte(c.mark))
			if i < 0 || i+len(c.mark)+c.size > len(rest) {
				break
			}
			rest = rest[i+len(c.mark):]
			if c.need(rest) > maxDictionary {
				return ErrLarge
			}
		}
	}
	return nil
}

// lzma2Dictionary is the size that the one byte of LZMA2 stands for.
func lzma2Dictionary(p byte) uint64 {
	if p > 40 {
		return 1 << 40
	}
	return uint64(2|p&1) << (p/2 + 11)
}

// sevenHeader unpacks a packed header: one stream, one coder, LZMA. Encrypted
// headers have more coders; the library says so.
func sevenHeader(b, header []byte) ([]byte, error) {
	r := &sevenReader{b: header[1:]}
	if !r.is(0x06) {
		return nil, errSeven
	}
	at, streams := r.number(), r.number()
	if !r.is(0x09) || streams != 1 {
		return nil, errSeven
	}
	size := r.number()
	i := bytes.Index(r.b, []byte("\x23\x03\x01\x01\x05"))
	if i < 1 || r.b[i-1] != 1 {
		return nil, nil // stored, encrypted, or by coders without a memory of their own
	}
	if i+10 > len(r.b) {
		return nil, errSeven
	}
	props := r.b[i+5 : i+10]
	r.b = r.b[i+10:]
	if !r.is(0x0c) {
		return nil, errSeven
	}
	unpacked := r.number()
	if unpacked > maxSevenHeader {
		return nil, ErrLarge
	}
	if at > uint64(len(b)-32) || size > uint64(len(b)-32)-at {
		return nil, errSeven
	}
	head := binary.LittleEndian.AppendUint64(bytes.Clone(props), unpacked)
	z, err := lzma.NewReader(io.MultiReader(bytes.NewReader(head), bytes.NewReader(b[32+at:32+at+size])))
	if err != nil {
		return nil, errSeven
	}
	out, err := io.ReadAll(io.LimitReader(z, maxSevenHeader))
	if err != nil {
		return nil, errSeven
	}
	return out, nil
}

// sevenReader reads the numbers of 7z: the first byte says by its high bits how
// many follow.
type sevenReader struct{ b []byte }

func (r *sevenReader) take() byte {
	if len(r.b) == 0 {
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *sevenReader) is(id byte) bool { return r.take() == id }

func (r *sevenReader) number() uint64 {
	first := r.take()
	v := uint64(0)
	for i := range 8 {
		mask := byte(0x80 >> i)
		if first&mask == 0 {
			return v | uint64(first&(mask-1))<<(8*i)
		}
		v |= uint64(r.take()) << (8 * i)
	}
	return v
}

// xzClaims says whether one block of an xz file asks for more memory than is
// given. Blocks are found by the index at the end; a file of several streams,
// which nobody mails, is not read.
func xzClaims(b []byte) error {
	b = bytes.TrimRight(b, "\x00") // padding
	b = b[:len(b):len(b)]
	if len(b) < 32 || string(b[len(b)-2:]) != "YZ" {
		return errors.New("no end of stream")
	}
	back := (int64(binary.LittleEndian.Uint32(b[len(b)-8:])) + 1) * 4
	index := int64(len(b)) - 12 - back
	if index < 12 || b[index] != 0 {
		return errors.New("damaged index")
	}
	list := b[index+1 : int64(len(b))-12]
	count, list := xzNumber(list)
	at := int64(12)
	for range count {
		var unpadded uint64
		unpadded, list = xzNumber(list)
		_, list = xzNumber(list)
		if len(list) == 0 || unpadded > uint64(index) {
			return errors.New("damaged index")
		}
		if err := xzBlock(b[at:index]); err != nil {
			return err
		}
		at += int64(unpadded+3) &^ 3
		if at > index {
			return errors.New("damaged index")
		}
	}
	if at != index {
		return errUnsupported
	}
	return nil
}

// xzBlock looks at the filters of the block at the start of b.
func xzBlock(b []byte) error {
	size := (int(b[0]) + 1) * 4
	if b[0] == 0 || size > len(b) || crc32.ChecksumIEEE(b[:size-4]) != binary.LittleEndian.Uint32(b[size-4:]) {
		return errors.New("damaged block")
	}
	flags, rest := b[1], b[2:size-4]
	for _, flag := range []byte{0x40, 0x80} {
		if flags&flag != 0 {
			_, rest = xzNumber(rest)
		}
	}
	for range flags&3 + 1 {
		var id, n uint64
		id, rest = xzNumber(rest)
		n, rest = xzNumber(rest)
		if n > uint64(len(rest)) {
			return errors.New("damaged block")
		}
		if id == 0x21 && n == 1 && lzma2Dictionary(rest[0]) > maxDictionary {
			return ErrLarge
		}
		rest = rest[n:]
	}
	return nil
}

// xzNumber reads seven bits a byte, the lowest first.
func xzNumber(b []byte) (uint64, []byte) {
	v := uint64(0)
	for i, c := range b[:min(len(b), 9)] {
		v |= uint64(c&0x7f) << (7 * i)
		if c&0x80 == 0 {
			return v, b[i+1:]
		}
	}
	return v, nil
}
