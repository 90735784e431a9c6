package holdqueue

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/sekisho-mail/sekisho/internal/seal"
)

// inRow is how large a body may be to lie in its row, and in memory. Above, a file with two fsyncs is quicker
// than the log of the database (the crossover is at 300 to 500 KB).
const inRow = 256 << 10

// Spool takes bytes of unknown number: into memory while they are few, then into an encrypted file, so that fifty
// uploads of 25 MB need neither memory nor trust in the disk. It is used by one goroutine.
type Spool struct {
	dir  string
	keys *seal.Keys
	size int64

	buf   bytes.Buffer // while small
	file  *os.File     // once large
	enc   io.WriteCloser
	ended bool
}

// Spool starts an empty one.
func (q *Queue) Spool() *Spool { return &Spool{dir: q.o.Spool, keys: q.o.Keys} }

// Write takes the next bytes.
func (s *Spool) Write(p []byte) (int, error) {
	if s.ended {
		return 0, errors.New("spool: has ended")
	}
	s.size += int64(len(p))
	if s.enc == nil {
		if s.buf.Len()+len(p) <= inRow {
			return s.buf.Write(p)
		}
		if err := s.spill(); err != nil {
			return 0, fmt.Errorf("spool: %w", err)
		}
	}
	return s.enc.Write(p)
}

func (s *Spool) spill() (err error) {
	if s.file, err = os.CreateTemp(s.dir, spoolPrefix+"*"); err != nil {
		return err
	}
	if s.enc, err = s.keys.EncryptTo(s.file); err != nil {
		return err
	}
	_, err = s.enc.Write(s.buf.Bytes())
	s.buf = bytes.Buffer{}
	return err
}

// finish closes the file, on disk when synced is asked for, and gives its path.
func (s *Spool) finish(synced bool) (string, error) {
	err := s.enc.Close()
	if err == nil && synced {
		err = s.file.Sync()
	}
	return s.file.Name(), errors.Join(err, s.file.Close())
}

// Body gives what was written; closing it discards the spool.
func (s *Spool) Body() (Body, error) {
	if s.ended {
		return nil, errors.New("spool: has ended")
	}
	if s.file == nil {
		s.ended = true
		return Bytes(s.buf.Bytes()), nil
	}
	if err := s.enc.Close(); err != nil {
		s.Discard()
		return nil, fmt.Errorf("spool: %w", err)
	}
	info, err := s.file.Stat()
	if err != nil {
		s.Discard()
		return nil, fmt.Errorf("spool: %w", err)
	}
	plain, size, err := s.keys.DecryptAt(s.file, info.Size())
	if err != nil {
		s.Discard()
		return nil, fmt.Errorf("spool: %w", err)
	}
	return &body{ReaderAt: plain, size: size, closers: []io.Closer{closer(s.Discard)}}, nil
}

type closer func()

func (c closer) Close() error { c(); return nil }

// Discard forgets everything. A file that a store has adopted is not there any more, and stays where it is.
func (s *Spool) Discard() {
	if s.ended {
		return
	}
	s.ended = true
	s.buf = bytes.Buffer{}
	if s.file != nil {
		s.file.Close()
		os.Remove(s.file.Name())
	}
}

const spoolPrefix = "spool-"

// SweepSpool removes what a process that died left behind. Call it before anything is accepted.
func (q *Queue) SweepSpool() error {
	entries, err := os.ReadDir(q.o.Spool)
	if err != nil {
		return fmt.Errorf("sweep spool: %w", err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), spoolPrefix) {
			if err := os.Remove(filepath.Join(q.o.Spool, e.Name())); err != nil {
				return fmt.Errorf("sweep spool: %w", err)
			}
		}
	}
	return nil
}

// bodies is where the large bodies lie in the store, each under the id of its mail.
const bodies = "mail/"
