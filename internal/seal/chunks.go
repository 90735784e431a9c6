package seal

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"filippo.io/age"
	"golang.org/x/crypto/chacha20poly1305"
)

// age's own reader allocates 64 KiB at each read: as much waste as content, and hundreds of downloads side by side are
// then bound by the collector. What follows reads the chunks of a file that age has opened (header, its MAC and the last
// chunk are proved by then) into memory that is used again, as age-encryption.org/v1 says: ChaCha20-Poly1305 under a key
// made from the file's, the chunk's number and a mark of the last one as nonce.

const (
	chunkSize  = 64 << 10
	chunkTag   = chacha20poly1305.Overhead
	payloadKey = 16 // octets of the nonce that stands before the first chunk
)

// chunks reads a file's plain bytes at any offset. It is safe for concurrent use.
type chunks struct {
	aead    cipher.AEAD
	src     io.ReaderAt
	offset  int64 // of the first chunk in src
	size    int64 // plain
	scratch atomic.Pointer[scratch]
}

// scratch holds one chunk: the one that was read last in part, which is where the next read begins.
type scratch struct {
	index int64 // -1 for none
	plain []byte
	buf   [chunkSize + chunkTag]byte
	nonce [chacha20poly1305.NonceSize]byte
}

// witness lets age unwrap a file key and keeps it.
type witness struct {
	wrapper
	key []byte
}

func (w *witness) Unwrap(stanzas []*age.Stanza) (key []byte, err error) {
	w.key, err = w.wrapper.Unwrap(stanzas)
	return w.key, err
}

// openChunks opens src, of that size, and proves header and end.
func (k *Keys) openChunks(src io.ReaderAt, size int64) (*chunks, error) {
	w := &witness{wrapper: wrapper{k}}
	_, plain, err := age.DecryptReaderAt(src, size, w)
	if err != nil {
		return nil, err
	}
	count := max(1, (plain+chunkSize-1)/chunkSize)
	c := &chunks{src: src, size: plain, offset: size - plain - count*chunkTag}
	nonce := make([]byte, payloadKey)
	if _, err := src.ReadAt(nonce, c.offset-payloadKey); err != nil {
		return nil, fmt.Errorf("read nonce: %w", err)
	}
	key, err := hkdf.Key(sha256.New, w.key, nonce, "payload", chacha20poly1305.KeySize)
	if err != nil {
		return nil, err
	}
	c.aead, err = chacha20poly1305.New(key)
	return c, err
}

func (c *chunks) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, errors.New("negative offset")
	}
	s := c.scratch.Swap(nil)
	if s == nil {
		s = &scratch{index: -1}
	}
	defer c.scratch.Store(s)
	for n < len(p) && off+int64(n) < c.size {
		at := off + int64(n)
		index, from := at/chunkSize, int(at%chunkSize)
		if whole := c.sealed(index); from == 0 && s.index != index && len(p)-n >= whole {
			// There is room for the chunk as it lies in the file: no other memory is needed.
			plain, err := c.open(s, p[n:n+whole], index)
			if err != nil {
				return n, err
			}
			n += len(plain)
			continue
		}
		if s.index != index {
			s.index = -1
			if s.plain, err = c.open(s, s.buf[:c.sealed(index)], index); err != nil {
				return n, err
			}
			s.index = index
		}
		n += copy(p[n:], s.plain[from:])
	}
	if off+int64(n) >= c.size {
		return n, io.EOF
	}
	return n, nil
}

// sealed is the length of a chunk in the file.
func (c *chunks) sealed(index int64) int {
	return int(min(chunkSize, c.size-index*chunkSize)) + chunkTag
}

// open reads a chunk into buf, which is as long as it, and decrypts it there.
func (c *chunks) open(s *scratch, buf []byte, index int64) ([]byte, error) {
	n, err := c.src.ReadAt(buf, c.offset+index*(chunkSize+chunkTag))
	if n < len(buf) {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("read chunk %d: %w", index, err)
	}
	binary.BigEndian.PutUint64(s.nonce[3:11], uint64(index))
	s.nonce[11] = 0
	if (index+1)*chunkSize >= c.size {
		s.nonce[11] = 1
	}
	plain, err := c.aead.Open(buf[:0], s.nonce[:], buf, nil)
	if err != nil {
		clear(buf) // nothing that is not proved stays where a caller could use it
		return nil, fmt.Errorf("chunk %d: %w", index, ErrTampered)
	}
	return plain, nil
}
