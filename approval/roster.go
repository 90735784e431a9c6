package approval

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sekisho-mail/sekisho/internal/yamlfile"
)

// maxPeopleFile bounds a people file: twenty thousand people fit in, with all
// their groups.
const maxPeopleFile = yamlfile.MaxBytes

// PeopleError is every mistake of one people file.
type PeopleError struct {
	Path     string
	Problems []Problem
}

func (e *PeopleError) Error() string {
	texts := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		texts[i] = e.Path + ": " + p.String()
	}
	return strings.Join(texts, "\n")
}

// ParsePeople reads a people file: CSV when the name ends in .csv, else YAML.
func ParsePeople(name string, text []byte) (*Book, []Problem) {
	read := readYAML
	if strings.EqualFold(filepath.Ext(name), ".csv") {
		read = readCSV
	}
	people, shared, problems := read(text)
	book, more := bind(people, shared)
	if problems = append(problems, more...); len(problems) > 0 {
		slices.SortStableFunc(problems, func(x, y Problem) int { return cmp.Compare(x.Line, y.Line) })
		return nil, problems
	}
	return book, nil
}

// Roster keeps the Book of a file that changes.
type Roster struct {
	path string
	log  *slog.Logger
	book atomic.Pointer[Book]
	// read is the stamp of the file as last read, whether it was good or not.
	read stamp
}

type stamp struct {
	modified time.Time
	size     int64
}

// OpenRoster reads the file for the first time; every mistake in it comes back
// in one *PeopleError.
func OpenRoster(path string, log *slog.Logger) (*Roster, error) {
	r := &Roster{path: path, log: log}
	s, err := r.look()
	if err != nil {
		return nil, fmt.Errorf("open people file: %w", err)
	}
	if err := r.reread(s); err != nil {
		return nil, err
	}
	return r, nil
}

// FixedRoster is a roster that never changes.
func FixedRoster(b *Book) *Roster {
	r := &Roster{}
	r.book.Store(b)
	return r
}

// Book is the last good reading.
func (r *Roster) Book() *Book { return r.book.Load() }

// Run rereads the file when it changes, until ctx ends. A file with mistakes
// changes nothing: yesterday's managers are better than none. bad is told
// about it, so that administrators hear of it.
func (r *Roster) Run(ctx context.Context, bad func(context.Context, error)) error {
	if r.path == "" {
		<-ctx.Done()
		return nil
	}
	return r.run(ctx, 2*time.Second, bad)
}

func (r *Roster) run(ctx context.Context, every time.Duration, bad func(context.Context, error)) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	last := r.read
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		s, err := r.look()
		if err != nil {
			s = stamp{}
		}
		// Two looks must agree: half a file that is still being written can
		// be a valid one with half the people.
		if s != last || s == r.read {
			last = s
			continue
		}
		if err == nil {
			err = r.reread(s)
		}
		r.read = s
		if err != nil {
			r.log.ErrorContext(ctx, "people file not taken over", "path", r.path)
			bad(ctx, err)
			continue
		}
		r.log.InfoContext(ctx, "people file reread", "people", len(r.Book().people))
	}
}

func (r *Roster) look() (stamp, error) {
	fi, err := os.Stat(r.path)
	if err != nil {
		return stamp{}, err
	}
	return stamp{modified: fi.ModTime(), size: fi.Size()}, nil
}

func (r *Roster) reread(s stamp) error {
	f, err := os.Open(r.path)
	if err != nil {
		return fmt.Errorf("open people file: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxPeopleFile+1))
	if err != nil {
		return fmt.Errorf("read people file: %w", err)
	}
	if len(text) > maxPeopleFile {
		return &PeopleError{Path: r.path, Problems: []Problem{{Text: fmt.Sprintf("larger than %d bytes", maxPeopleFile)}}}
	}
	book, problems := ParsePeople(r.path, text)
	if len(problems) > 0 {
		return &PeopleError{Path: r.path, Problems: problems}
	}
	r.book.Store(book)
	r.read = s
	return nil
}
