package message

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
)

// Digest is the hex SHA-256 of the decoded leaves, Subject and From: equal for
// the copies of one mail that were split per recipient, whatever their
// boundaries.
func Digest(m *Message) string {
	h := sha256.New()
	h.Write([]byte("mail family 1\n"))
	digestText(h, []byte(m.Root.Text("Subject")))
	digestText(h, []byte(m.Root.Text("From")))
	for p := range m.Leaves() {
		digestText(h, []byte(p.MediaType))
		digestText(h, []byte(p.Filename))
		b, _ := p.Decode(0)
		// Relays change line ends and the line end before a boundary.
		if len(p.MediaType) > 5 && p.MediaType[:5] == "text/" {
			b = bytes.TrimRight(bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")), "\n")
		}
		digestText(h, b)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// digestText hashes b with its length, so that two texts never run together.
func digestText(h hash.Hash, b []byte) {
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(len(b)))
	h.Write(n[:])
	h.Write(b)
}
