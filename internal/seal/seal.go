// Package seal owns the key file and everything that is done with a key of ours: sealing small values,
// encrypting large ones as streams, and making tokens that nobody else can make. It knows nothing of what it
// seals.
//
// The key file is YAML-free on purpose: one line a key, newest last, so that a person can read which keys there
// are and a rotation is one appended line.
//
//	sekisho-keys-v1
//	k1a2b3c4 2026-11-21T10:00:00Z <64 hex digits>
//
// The last line is used for new things; all of them open old ones.
package seal

import (
	"bufio"
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const header = "sekisho-keys-v1"

// Errors that callers test for.
var (
	ErrUnknownKey = errors.New("sealed with a key that is not in the key file")
	ErrTampered   = errors.New("sealed value is damaged or was sealed for something else")
)

// Keys is a loaded key file. It never changes after Load and is safe for concurrent use.
type Keys struct {
	current *key
	order   []*key // as in the file, the current one last
	byID    map[string]*key
}

type key struct {
	id     string // 8 characters
	made   time.Time
	secret [32]byte

	once sync.Once
	prk  []byte // extracted from secret, the same for every use
}

const idLen = 8

// Load reads the key file, making it with one key where there is none. A file that others may read is refused:
// whoever has it can read every held mail.
func Load(path string) (*Keys, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return create(path)
	}
	if err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	if err := private(path); err != nil {
		return nil, err
	}
	k, err := parse(raw, header)
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", path, err)
	}
	return k, nil
}

// private refuses a file that others may read.
func private(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("read keys: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("key file %s may be read by others (mode %04o): chmod 600 it", path, info.Mode().Perm())
	}
	return nil
}

// NewTest makes keys that live as long as the test.
func NewTest() *Keys {
	return only(newKey(time.Now()))
}

func only(k *key) *Keys {
	return &Keys{current: k, order: []*key{k}, byID: map[string]*key{k.id: k}}
}

func newKey(at time.Time) *key {
	k := &key{made: at.UTC().Truncate(time.Second)}
	rand.Read(k.secret[:])
	var id [4]byte
	rand.Read(id[:])
	k.id = hex.EncodeToString(id[:])
	return k
}

func create(path string) (*Keys, error) {
	k := newKey(time.Now())
	text := fmt.Sprintf("%s\n%s\n", header, k.line())
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make keys: %w", err)
	}
	if err := writeSynced(path, text); err != nil {
		return nil, fmt.Errorf("make keys: %w", err)
	}
	return only(k), nil
}

// writeSynced writes a file that is there whole or not at all: mail sealed with a key that a power cut took
// back would be lost.
func writeSynced(path, text string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".keys-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if _, err = f.WriteString(text); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	// Link, not rename: of two processes that start at once only one may make the keys.
	if err := os.Link(f.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

func (k *key) line() string {
	return fmt.Sprintf("%s %s %s", k.id, k.made.Format(time.RFC3339), hex.EncodeToString(k.secret[:]))
}

// parse reads a file whose first line must be want: a key file of the other sort would open nothing of what it is
// meant for, and must not be called damaged.
func parse(raw []byte, want string) (*Keys, error) {
	keys := &Keys{byID: map[string]*key{}}
	lines := bufio.NewScanner(bytes.NewReader(raw))
	if !lines.Scan() || lines.Text() != want {
		if sort := otherSort(lines.Text()); sort != nil {
			return nil, sort
		}
		return nil, fmt.Errorf("line 1 is not %q", want)
	}
	for n := 2; lines.Scan(); n++ {
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		k, err := parseLine(lines.Text())
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if _, twice := keys.byID[k.id]; twice {
			return nil, fmt.Errorf("line %d: key %s stands twice", n, k.id)
		}
		keys.byID[k.id], keys.current = k, k
		keys.order = append(keys.order, k)
	}
	if keys.current == nil {
		return nil, errors.New("holds no key")
	}
	return keys, lines.Err()
}

func parseLine(line string) (*key, error) {
	f := strings.Fields(line)
	if len(f) != 3 || len(f[0]) != idLen {
		return nil, errors.New(`is not "id time secret"`)
	}
	made, err := time.Parse(time.RFC3339, f[1])
	if err != nil {
		return nil, errors.New("time is not RFC 3339")
	}
	secret, err := hex.DecodeString(f[2])
	if err != nil || len(secret) != 32 {
		return nil, errors.New("secret is not 64 hex digits") // the line itself is never repeated
	}
	return &key{id: f[0], made: made, secret: [32]byte(secret)}, nil
}

// CurrentID names the key that new things are made with, to be kept beside what MAC gives.
func (k *Keys) CurrentID() string { return k.current.id }

// MAC is HMAC-SHA-256 over the parts, each with its length before it, under a key of its own for each purpose.
func (k *Keys) MAC(purpose string, parts ...string) []byte {
	return k.current.mac(purpose, parts)
}

// MACWith is MAC by a key made earlier.
func (k *Keys) MACWith(keyID, purpose string, parts ...string) ([]byte, error) {
	old, ok := k.byID[keyID]
	if !ok {
		return nil, ErrUnknownKey
	}
	return old.mac(purpose, parts), nil
}

// VerifyMAC says, in constant time for each key, whether sum is the MAC of the parts under any key.
func (k *Keys) VerifyMAC(sum []byte, purpose string, parts ...string) bool {
	for _, each := range k.byID {
		if hmac.Equal(sum, each.mac(purpose, parts)) {
			return true
		}
	}
	return false
}

func (k *key) mac(purpose string, parts []string) []byte {
	h := hmac.New(sha256.New, k.derive("mac", purpose))
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return h.Sum(nil)
}

// derive gives the 32-byte key of one use (HKDF-SHA-256, RFC 5869).
func (k *key) derive(use, info string) []byte {
	k.once.Do(func() { k.prk = must(hkdf.Extract(sha256.New, k.secret[:], nil)) })
	return must(hkdf.Expand(sha256.New, k.prk, "sekisho/v1/"+use+"/"+info, 32))
}

// must is for what fails only at lengths over 255 blocks.
func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

// Seal encrypts a small value (AES-256-GCM) for one purpose and one id; Open gives it back for the same two
// only, so that a value moved to another row is refused. Layout: key id, 12-byte nonce, ciphertext and tag.
func (k *Keys) Seal(purpose, id string, plain []byte) []byte {
	aead := k.current.aead(purpose, id)
	out := make([]byte, idLen+aead.NonceSize(), idLen+aead.NonceSize()+len(plain)+aead.Overhead())
	copy(out, k.current.id)
	rand.Read(out[idLen:])
	return aead.Seal(out, out[idLen:], plain, []byte(purpose+"\x00"+id))
}

// Open is the inverse of Seal. Errors: ErrUnknownKey, ErrTampered.
func (k *Keys) Open(purpose, id string, sealed []byte) ([]byte, error) {
	if len(sealed) < idLen+12 {
		return nil, ErrTampered
	}
	old, ok := k.byID[string(sealed[:idLen])]
	if !ok {
		return nil, ErrUnknownKey
	}
	aead := old.aead(purpose, id)
	nonce, rest := sealed[idLen:idLen+aead.NonceSize()], sealed[idLen+aead.NonceSize():]
	plain, err := aead.Open(nil, nonce, rest, []byte(purpose+"\x00"+id))
	if err != nil {
		return nil, ErrTampered
	}
	return plain, nil
}

func (k *key) aead(purpose, id string) cipher.AEAD {
	block, err := aes.NewCipher(k.derive("seal", purpose+"\x00"+id))
	if err != nil {
		panic(err) // the key is always 32 bytes
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return aead
}
