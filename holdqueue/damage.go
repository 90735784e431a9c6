package holdqueue

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/sekisho-mail/sekisho/internal/seal"
)

// ErrDamaged says that the stored bytes of a mail are missing, cut short or changed. Trying again does not help, so
// people have to decide. A store that does not answer is something else.
var ErrDamaged = errors.New("the stored mail is missing or damaged")

// damaged marks an error of opening bytes that are all there. A key that we do not have is no damage.
func damaged(err error) error {
	if errors.Is(err, seal.ErrUnknownKey) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrDamaged, err)
}

// readError reads from a store and remembers whether the store failed.
type readError struct {
	from   io.ReaderAt
	failed atomic.Bool
}

func (r *readError) ReadAt(p []byte, off int64) (int, error) {
	n, err := r.from.ReadAt(p, off)
	if err != nil && err != io.EOF {
		r.failed.Store(true)
	}
	return n, err
}

// blame tells damage from a store that does not answer.
func (r *readError) blame(err error) error {
	if r.failed.Load() {
		return err
	}
	return damaged(err)
}

// proved gives bytes whose seal is looked at with each read.
type proved struct {
	plain io.ReaderAt
	raw   *readError
}

func (p *proved) ReadAt(b []byte, off int64) (int, error) {
	n, err := p.plain.ReadAt(b, off)
	if err != nil && err != io.EOF {
		err = p.raw.blame(err)
	}
	return n, err
}

// watched is a body that remembers whether damage was met while it was sent.
type watched struct {
	Body
	damage atomic.Pointer[error]
}

func (w *watched) ReadAt(b []byte, off int64) (int, error) {
	n, err := w.Body.ReadAt(b, off)
	if errors.Is(err, ErrDamaged) {
		w.damage.Store(&err)
	}
	return n, err
}

// found is the damage, if any was met before anything may have been delivered.
func (w *watched) found(results []Result) error {
	for _, r := range results {
		if r.Err == nil || !r.Err.Temporary || r.Err.Uncertain {
			return nil
		}
	}
	if err := w.damage.Load(); err != nil {
		return *err
	}
	return nil
}

// inPlaceOfLost is what is enclosed in a notice when the mail itself is lost.
func inPlaceOfLost() []byte {
	const text = "元のメールは保存先で壊れたか失われたため、添付できません。\r\nThe original mail was damaged or lost in storage and cannot be enclosed.\r\n"
	return []byte("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
		base64.StdEncoding.EncodeToString([]byte(text))[:76] + "\r\n" + base64.StdEncoding.EncodeToString([]byte(text))[76:] + "\r\n")
}
