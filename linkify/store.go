package linkify

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/sekisho-mail/sekisho/internal/blob"
	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/failpoint"
)

// objectPrefix is where our objects lie in the store.
const objectPrefix = "file/"

// States of a stored file. The row is there before the object and after it, so that a crash in between leaves
// something that the sweep finds.
const (
	blobStoring  = "storing"
	blobStored   = "stored"
	blobDeleting = "deleting"
	blobDeleted  = "deleted"
)

// bindingLen is what stands before a file inside its encrypted object: a MAC over the object's key and size.
// age proves that an object is whole and ours; this proves that it is the one this row speaks of, at any
// offset, so that exchanging two objects in the store serves neither.
const bindingLen = sha256.Size

// stored is one line of table link_blob.
type stored struct {
	message, digest, object, keyID, state string
	size                                  int64
	at, scanned                           time.Time
	malware                               string // found after it was stored
}

// digest names a content within one mail. It is keyed: whoever reads the database or lists the store cannot
// ask whether a file they know was sent.
func (l *Links) digest(message, sum string) string {
	return hex.EncodeToString(l.o.Keys.MAC("linkify.content", message, sum))[:40]
}

func (l *Links) binding(s stored) ([]byte, error) {
	return l.keys.MACWith(s.keyID, "linkify.object", s.object, strconv.FormatInt(s.size, 10))
}

func blobRow(tx *db.Tx, message, digest string) (stored, error) {
	s := stored{message: message, digest: digest}
	var at, scanned int64
	err := tx.QueryRow(`SELECT object, size, key_id, state, stored_at, scanned_at, malware FROM link_blob WHERE message = $1 AND digest = $2`,
		message, digest).Scan(&s.object, &s.size, &s.keyID, &s.state, &at, &scanned, &s.malware)
	s.at, s.scanned = db.Time(at), db.Time(scanned)
	if db.IsNoRows(err) {
		return s, ErrNotFound
	}
	return s, err
}

// announce writes the rows of the contents that a mail is about to store, and the date at which the sweep
// looks after them. Those that are stored already come back as such.
func (l *Links) announce(tx *db.Tx, message string, want []stored, sweep time.Time) (rows []stored, err error) {
	now := db.Micros(tx.Now())
	if _, err := tx.Exec(`INSERT INTO link_mail (message, legal_hold, touched_at, swept_at) VALUES ($1, 0, $2, 0)
		ON CONFLICT (message) DO UPDATE SET touched_at = excluded.touched_at`, message, now); err != nil {
		return nil, err
	}
	for _, s := range want {
		has, err := blobRow(tx, message, s.digest)
		switch {
		case errors.Is(err, ErrNotFound):
			has = s
			var n int64
			n, err = tx.Exec(`INSERT INTO link_blob (message, digest, object, size, key_id, state, stored_at, deleted_at)
				VALUES ($1, $2, $3, $4, $5, $6, $7, 0) ON CONFLICT (message, digest) DO NOTHING`,
				message, s.digest, s.object, s.size, s.keyID, blobStoring, now)
			err = lost(n, err)
		case err == nil && has.state == blobDeleting:
			err = fmt.Errorf("store files of %s: their deletion is not finished; try again", message)
		case err == nil && has.state == blobDeleted:
			has.state = blobStoring
			_, err = tx.Exec(`UPDATE link_blob SET state = $1 WHERE message = $2 AND digest = $3`, blobStoring, message, s.digest)
		}
		if err != nil {
			return nil, err
		}
		rows = append(rows, has)
	}
	return rows, l.o.Schedule(tx, WorkSweep, message, sweep)
}

// put encrypts one content, of that SHA-256, into the store. Doing it twice leaves one object: the key depends on the
// content.
func (l *Links) put(ctx context.Context, s stored, content io.Reader, sum string) error {
	path, err := l.encrypt(s, content, sum)
	if err != nil {
		return fmt.Errorf("encrypt file of %s: %w", s.message, err)
	}
	failpoint.At("prepare.encrypted", s.message)
	if err := l.o.Blobs.Adopt(ctx, s.object, path); err != nil {
		os.Remove(path)
		return fmt.Errorf("store file of %s: %w", s.message, err)
	}
	return nil
}

// encrypt writes the object to a synced temporary file, piece by piece, and proves that it is what was named.
func (l *Links) encrypt(s stored, content io.Reader, sum string) (path string, err error) {
	bind, err := l.binding(s)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(l.o.TempDir, 0o700); err != nil {
		return "", err
	}
	f, err := os.CreateTemp(l.o.TempDir, tempPattern)
	if err != nil {
		return "", err
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			os.Remove(f.Name())
		}
	}()
	w, err := l.keys.EncryptTo(f)
	if err != nil {
		return "", err
	}
	if _, err := w.Write(bind); err != nil {
		return "", err
	}
	n, got, err := copyHashed(w, content, s.size)
	if err != nil {
		return "", err
	}
	if n != s.size || got != sum {
		return "", ErrChanged
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	return f.Name(), f.Sync()
}

const tempPattern = "link-*.age"

// hashedPiece is how much is hashed while the next as much is read.
const hashedPiece = 128 << 10

// copyHashed copies src, of about that size, to w and gives its length and its SHA-256 in hex. Hashing goes on beside
// reading and writing: it costs as much as either.
func copyHashed(w io.Writer, src io.Reader, size int64) (n int64, digest string, err error) {
	sum := sha256.New()
	var hashing sync.WaitGroup
	var buf [2][]byte
	for i := 0; err == nil; i++ {
		b := &buf[i%2]
		if *b == nil {
			*b = make([]byte, min(hashedPiece, size+1))
		}
		var got int
		got, err = io.ReadFull(src, *b)
		hashing.Wait() // for the piece before this one
		piece := (*b)[:got]
		hashing.Go(func() { sum.Write(piece) })
		n += int64(got)
		if _, failed := w.Write(piece); failed != nil {
			err = failed
		}
	}
	hashing.Wait()
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return n, hexSum(sum), err
}

// object is an opened stored file: plain bytes at any offset.
type object struct {
	plain io.ReaderAt
	file  *witness
}

// ReadAt gives bytes that are proved, ErrDamaged, or an error of the store.
func (o *object) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("negative offset")
	}
	n, err := o.plain.ReadAt(p, off+bindingLen)
	if err != nil && err != io.EOF {
		err = o.file.fault(err)
	}
	return n, err
}

// open finds the object of a row and proves that it is that row's.
func (l *Links) open(ctx context.Context, s stored) (*object, error) {
	if s.state != blobStored {
		return nil, ErrGone
	}
	if s.malware != "" {
		return nil, ErrMalware
	}
	f, err := l.o.Blobs.Open(ctx, s.object)
	if errors.Is(err, blob.ErrNotFound) {
		return nil, fmt.Errorf("%w: object %s is missing from the store", ErrDamaged, s.object)
	}
	if err != nil {
		return nil, fmt.Errorf("open stored file: %w", err)
	}
	seen := &witness{File: f}
	plain, err := l.proved(seen, s)
	if err != nil {
		f.Close()
		return nil, err
	}
	return &object{plain: plain, file: seen}, nil
}

func (l *Links) proved(f *witness, s stored) (io.ReaderAt, error) {
	plain, size, err := l.keys.DecryptAt(f, f.Size())
	if err != nil {
		return nil, f.fault(err)
	}
	want, err := l.binding(s)
	if err != nil {
		return nil, fmt.Errorf("open stored file: %w", err)
	}
	var got [bindingLen]byte
	if _, err := plain.ReadAt(got[:], 0); err != nil && !(errors.Is(err, io.EOF) && size == bindingLen) {
		return nil, f.fault(err)
	}
	if size != s.size+bindingLen || !hmac.Equal(got[:], want) {
		return nil, fmt.Errorf("%w: object %s is another file's", ErrDamaged, s.object)
	}
	return plain, nil
}
