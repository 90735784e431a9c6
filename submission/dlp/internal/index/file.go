package index

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/dchest/siphash"
)

// The file: magic, what it holds, the id of the key it was made with, a salt,
// the description as JSON, the arrays, and a MAC over all of it.
const (
	magic   = "sekisho-index-2\n"
	older   = "sekisho-index-1\n"
	keyLen  = 8
	saltLen = 16
	headLen = len(magic) + 1 + keyLen + saltLen + 4
	maxMeta = 16 << 20
)

// Kinds of an index.
const (
	kindRows      = 'r'
	kindDocuments = 'd'
)

// ErrDamaged: the file was cut, changed, or made with another key.
var ErrDamaged = errors.New("the index is damaged or was made with another key; make it again")

// Seal says with which key and salt an index was made. Without the key nobody
// can try telephone numbers against the digests.
type Seal struct {
	KeyID string
	Salt  [saltLen]byte
}

// NewSeal makes a fresh salt for a key.
func NewSeal(keyID string) Seal {
	s := Seal{KeyID: keyID}
	rand.Read(s.Salt[:])
	return s
}

// SealOf reads the seal of an index.
func SealOf(b []byte) (Seal, error) {
	var s Seal
	if bytes.HasPrefix(b, []byte(older)) {
		return s, errors.New("the index was made by an older version; make it again with sekisho policy index")
	}
	if len(b) < headLen+sha256.Size || !bytes.HasPrefix(b, []byte(magic)) {
		return s, errors.New("this is no index of ours")
	}
	b = b[len(magic)+1:]
	s.KeyID = string(bytes.TrimRight(b[:keyLen], "\x00"))
	copy(s.Salt[:], b[keyLen:])
	return s, nil
}

// hasher makes the digests of one index.
type hasher struct{ k0, k1 uint64 }

func newHasher(key []byte) hasher {
	sum := sha256.Sum256(key)
	return hasher{binary.LittleEndian.Uint64(sum[:]), binary.LittleEndian.Uint64(sum[8:])}
}

func (h hasher) sum(b []byte) uint64 { return siphash.Hash(h.k0, h.k1, b) }

// assemble puts a file together.
func assemble(kind byte, seal Seal, key []byte, meta any, arrays []byte) ([]byte, error) {
	description, err := json.Marshal(meta)
	if err != nil {
		return nil, fmt.Errorf("describe the index: %w", err)
	}
	b := make([]byte, 0, headLen+len(description)+len(arrays)+sha256.Size)
	b = append(append(b, magic...), kind)
	id := make([]byte, keyLen)
	copy(id, seal.KeyID)
	b = append(append(b, id...), seal.Salt[:]...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(description)))
	b = append(append(b, description...), arrays...)
	mac := hmac.New(sha256.New, key)
	mac.Write(b)
	return mac.Sum(b), nil
}

// open checks a file and gives its arrays.
func open(b []byte, kind byte, key []byte, meta any) ([]byte, error) {
	if _, err := SealOf(b); err != nil {
		return nil, err
	}
	body, sum := b[:len(b)-sha256.Size], b[len(b)-sha256.Size:]
	mac := hmac.New(sha256.New, key)
	mac.Write(body)
	if !hmac.Equal(mac.Sum(nil), sum) {
		return nil, ErrDamaged
	}
	if body[len(magic)] != kind {
		return nil, errors.New("the index holds the other kind: lists of data and documents have indexes of their own")
	}
	n := int(binary.LittleEndian.Uint32(body[headLen-4:]))
	if n > maxMeta || headLen+n > len(body) {
		return nil, ErrDamaged
	}
	if err := json.Unmarshal(body[headLen:headLen+n], meta); err != nil {
		return nil, fmt.Errorf("read the description of the index: %w", err)
	}
	return body[headLen+n:], nil
}
