package tnef

import (
	"encoding/binary"
	"errors"
)

// rtfDictionary is what compressed RTF refers back to at its start (MS-OXRTFCP
// 2.1.2.1).
const rtfDictionary = `{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript \fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\colortbl\red0\green0\blue0` +
	"\r\n" + `\par \pard\plain\f0\fs20\b\i\u\tab\tx`

// Marks of the two forms of PR_RTF_COMPRESSED.
const (
	rtfPacked = 0x75465a4c
	rtfStored = 0x414c454d
	lzfuRing  = 4096
)

// ExpandRTF undoes the compression of Outlook's RTF (MS-OXRTFCP 2.2). The output
// is at most 17 times the input, so it needs no limit of its own.
func ExpandRTF(b []byte) ([]byte, error) {
	if len(b) < 16 {
		return nil, errors.New("short compressed text")
	}
	size := binary.LittleEndian.Uint32(b[4:])
	body := b[16:]
	switch binary.LittleEndian.Uint32(b[8:]) {
	case rtfStored:
		return body[:min(int64(len(body)), int64(size))], nil
	case rtfPacked:
	default:
		return nil, errors.New("unknown compressed text")
	}
	var ring [lzfuRing]byte
	write := copy(ring[:], rtfDictionary)
	var out []byte
	put := func(c byte) {
		out = append(out, c)
		ring[write] = c
		write = (write + 1) % lzfuRing
	}
	for at := 0; at < len(body); {
		control := body[at]
		at++
		for bit := 0; bit < 8 && at < len(body); bit++ {
			if control&(1<<bit) == 0 {
				put(body[at])
				at++
				continue
			}
			if at+2 > len(body) {
				return out, nil
			}
			ref := int(body[at])<<8 | int(body[at+1])
			at += 2
			from, n := ref>>4, ref&0xf+2
			if from == write {
				return out, nil // the mark of the end
			}
			for range n {
				put(ring[from])
				from = (from + 1) % lzfuRing
			}
		}
	}
	return out, nil
}
