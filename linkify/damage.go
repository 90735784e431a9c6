package linkify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/sekisho-mail/sekisho/internal/blob"
	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/seal"
)

// WorkDamage is due work: read a stored file through, and tell the administrators if it is not what was stored. The
// reference is a file.
const WorkDamage = "link.damage"

// witness sees which errors are the store's own. A bucket that does not answer is no damage.
type witness struct {
	blob.File
	mu   sync.Mutex
	away error
}

func (w *witness) ReadAt(p []byte, off int64) (int, error) {
	n, err := w.File.ReadAt(p, off)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, blob.ErrNotFound) {
		w.mu.Lock()
		w.away = err
		w.mu.Unlock()
	}
	return n, err
}

// fault says whose an error of reading an object is: the store's, the key file's, or the object's.
func (w *witness) fault(err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.away != nil:
		return fmt.Errorf("read stored file: %w", w.away)
	case errors.Is(err, seal.ErrUnknownKey):
		return fmt.Errorf("open stored file: %w", err)
	}
	return fmt.Errorf("%w: %w", ErrDamaged, err)
}

// suspect has a file read through when err says that it is damaged. It gives err back, and what went wrong with that.
func (l *Links) suspect(ctx context.Context, file string, err error) error {
	if !errors.Is(err, ErrDamaged) {
		return err
	}
	ctx = context.WithoutCancel(ctx) // the browser may have gone
	failed := l.o.DB.Write(ctx, func(tx *db.Tx) error { return l.o.Schedule(tx, WorkDamage, file, tx.Now()) })
	return errors.Join(err, failed)
}

// Damaged handles due work of kind WorkDamage. What a portal saw is looked at again: a portal may be in the wrong hands.
func (l *Links) Damaged(ctx context.Context, file string) (again time.Time, err error) {
	var b stored
	err = l.o.DB.Read(ctx, func(tx *db.Tx) (err error) {
		_, b, err = l.fileByID(tx, file)
		return err
	})
	if errors.Is(err, ErrNotFound) {
		return time.Time{}, nil
	}
	if err == nil {
		err = l.readThrough(ctx, b)
	}
	if err == nil || errors.Is(err, ErrGone) || errors.Is(err, ErrMalware) {
		return time.Time{}, nil
	}
	if !errors.Is(err, ErrDamaged) {
		return time.Time{}, fmt.Errorf("read file %s through: %w", file, err)
	}
	err = l.o.DB.Write(ctx, func(tx *db.Tx) error {
		var often *WaitError
		if err := l.limit(tx, damageOfFile, file); errors.As(err, &often) {
			return nil
		} else if err != nil {
			return err
		}
		if l.o.DamageAlarm != nil {
			if err := l.o.DamageAlarm(tx, "message "+b.message+", file "+file); err != nil {
				return err
			}
		}
		return record(tx, System, "link.damaged", b.message, "", file, nil)
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("tell of damage in %s: %w", file, err)
	}
	return time.Time{}, nil
}

func (l *Links) readThrough(ctx context.Context, b stored) error {
	o, err := l.open(ctx, b)
	if err != nil {
		return err
	}
	defer o.file.Close()
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, io.NewSectionReader(o, 0, b.size), make([]byte, hashedPiece))
	if err == nil && n != b.size {
		err = ErrDamaged
	}
	return err
}
