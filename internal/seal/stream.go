package seal

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
	"golang.org/x/crypto/chacha20poly1305"
)

// Large values are age files (age-encryption.org/v1): chunks of 64 KiB that can be opened at any offset, which
// is what HTTP Range needs. The file key is wrapped under ours by a recipient of our own, because an age
// identity file would be a second kind of key to guard and rotate.

const stanzaType = "sekisho"

// EncryptTo gives a writer that encrypts to w. Nothing can be read back before it is closed.
func (k *Keys) EncryptTo(w io.Writer) (io.WriteCloser, error) {
	return age.Encrypt(w, wrapper{k})
}

// DecryptAt gives random access to what EncryptTo wrote, and the size of the plain bytes. Reads are
// authenticated chunk by chunk; a damaged chunk is an error at its read.
func (k *Keys) DecryptAt(r io.ReaderAt, size int64) (io.ReaderAt, int64, error) {
	c, err := k.openChunks(r, size)
	if err != nil {
		return nil, 0, openError(err)
	}
	return c, c.size, nil
}

// Decrypt reads what EncryptTo wrote from its beginning.
func (k *Keys) Decrypt(r io.Reader) (io.Reader, error) {
	plain, err := age.Decrypt(r, wrapper{k})
	if err != nil {
		return nil, openError(err)
	}
	return plain, nil
}

func openError(err error) error {
	if errors.Is(err, ErrUnknownKey) {
		return ErrUnknownKey
	}
	return fmt.Errorf("open encrypted file: %w", err)
}

// wrapper is both sides of an age recipient: it wraps with the current key, and unwraps with the one named.
type wrapper struct{ keys *Keys }

func (w wrapper) Wrap(fileKey []byte) ([]*age.Stanza, error) {
	// A salt of 128 random bits makes each wrapping key new, so the zero nonce is used once with it.
	salt := rand.Text()
	aead, err := chacha20poly1305.New(w.keys.current.derive("age", salt))
	if err != nil {
		return nil, err
	}
	body := aead.Seal(nil, make([]byte, aead.NonceSize()), fileKey, []byte(stanzaType))
	return []*age.Stanza{{Type: stanzaType, Args: []string{w.keys.current.id, salt}, Body: body}}, nil
}

func (w wrapper) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	for _, s := range stanzas {
		if s.Type != stanzaType || len(s.Args) != 2 {
			continue
		}
		key, ok := w.keys.byID[s.Args[0]]
		if !ok {
			return nil, ErrUnknownKey
		}
		aead, err := chacha20poly1305.New(key.derive("age", s.Args[1]))
		if err != nil {
			return nil, err
		}
		plain, err := aead.Open(nil, make([]byte, aead.NonceSize()), s.Body, []byte(stanzaType))
		if err != nil {
			return nil, ErrTampered
		}
		return plain, nil
	}
	return nil, age.ErrIncorrectIdentity
}
