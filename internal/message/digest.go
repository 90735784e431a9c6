package message

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"strings"
)

// Digest is the hex SHA-256 of what readers see: the decoded leaves with their
// names and places in the structure, Subject and From. It is equal for the
// copies of one mail that were split per recipient, whatever their boundaries,
// transfer encodings and order of fields.
//
// It is empty for a mail that two programs can read differently: a copy of such
// a mail may show its reader something else, so it is nobody's copy.
func Digest(m *Message) string {
	if m.Ambiguous() {
		return ""
	}
	h := sha256.New()
	h.Write([]byte("mail family 2\n"))
	digestText(h, m.Root.Text("Subject"))
	digestText(h, m.Root.Text("From"))
	for p := range m.Parts() {
		digestText(h, p.Path()+" "+p.MediaType)
		if p.Nested {
			// Whose forwarded mail it is and what it is about are content of the mail around it.
			for _, name := range []string{"From", "To", "Cc", "Subject", "Date"} {
				digestText(h, p.Text(name))
			}
		}
		if len(p.Children) == 0 && !digestLeaf(h, p) {
			return ""
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// digestLeaf hashes one leaf and says whether it can be read in one way only.
func digestLeaf(h hash.Hash, p *Part) bool {
	b, err := p.Decode(0)
	if err != nil || p.unclean || p.Encoding == "base64" && !scanBase64(p.Body.Of(p.source)).plain() {
		return false
	}
	digestText(h, p.Filename)
	digestText(h, p.Disposition)
	if strings.HasPrefix(p.MediaType, "text/") {
		digestText(h, cmp.Or(p.Charset, "us-ascii"))
		// Relays change line ends and the line end before a boundary.
		b = bytes.TrimRight(bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")), "\n")
	}
	digestBytes(h, b)
	return true
}

// plain says that there is nothing but one run of base64: no octet of it is left
// to what a reader makes of it.
func (s base64Shape) plain() bool {
	return s.garbage == 0 && s.after == 0 && s.uneven == 0 && !s.gap
}

func digestText(h hash.Hash, s string) { digestBytes(h, []byte(s)) }

// digestBytes hashes b with its length, so that two texts never run together.
func digestBytes(h hash.Hash, b []byte) {
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(len(b)))
	h.Write(n[:])
	h.Write(b)
}
