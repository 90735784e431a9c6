package blob

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"
)

// each runs one body against both stores: what holds for one must hold for the other.
func each(t *testing.T, body func(t *testing.T, s Store)) {
	t.Run("files", func(t *testing.T) {
		s, err := OpenStore(t.Context(), "file:objects", t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		body(t, s)
	})
	t.Run("s3", func(t *testing.T) {
		s, err := OpenStore(t.Context(), server(t).URL, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		body(t, s)
	})
}

func random(n int) []byte {
	p := make([]byte, n)
	rand.Read(p)
	return p
}

func put(t *testing.T, s Store, key string, content []byte) {
	t.Helper()
	// Neither Seek nor ReadAt, and short reads: what a network body looks like.
	source := iotest.HalfReader(bytes.NewReader(content))
	if err := s.Put(t.Context(), key, source, int64(len(content))); err != nil {
		t.Fatal(err)
	}
}

func content(t *testing.T, s Store, key string) []byte {
	t.Helper()
	f, err := s.Open(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size()))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func keys(t *testing.T, s Store, prefix string) []string {
	t.Helper()
	var found []string
	err := s.Walk(t.Context(), prefix, func(key string, _ int64, _ time.Time) error {
		found = append(found, key)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(found)
	return found
}

func TestWhatIsPutComesBack(t *testing.T) {
	each(t, func(t *testing.T, s Store) {
		for _, size := range []int{0, 1, 4096, partSize, partSize + 1, 2*partSize + 77} {
			want := random(size)
			put(t, s, "body/a.1", want)
			if got := content(t, s, "body/a.1"); !bytes.Equal(got, want) {
				t.Errorf("%d bytes came back as %d others", size, len(got))
			}
		}
	})
}

func TestReadAtServesAnyRange(t *testing.T) {
	each(t, func(t *testing.T, s Store) {
		want := random(300_000)
		put(t, s, "f/x", want)
		f, err := s.Open(t.Context(), "f/x")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for _, r := range [][2]int64{{0, 10}, {10, 100}, {110, 65_536}, {5, 5}, {299_990, 10}, {150_000, 0}, {0, 300_000}} {
			p := make([]byte, r[1])
			n, err := f.ReadAt(p, r[0])
			if n != len(p) || err != nil && err != io.EOF || !bytes.Equal(p, want[r[0]:r[0]+r[1]]) {
				t.Errorf("range %v: %d bytes, %v", r, n, err)
			}
		}
		p := make([]byte, 20)
		if n, err := f.ReadAt(p, 299_990); n != 10 || err != io.EOF || !bytes.Equal(p[:10], want[299_990:]) {
			t.Errorf("across the end: %d bytes, %v", n, err)
		}
		if n, err := f.ReadAt(p, 300_000); n != 0 || err != io.EOF {
			t.Errorf("behind the end: %d bytes, %v", n, err)
		}
		if _, err := f.ReadAt(p, -1); err == nil {
			t.Error("a negative offset was read")
		}
	})
}

func TestReadAtFromSeveralGoroutines(t *testing.T) {
	each(t, func(t *testing.T, s Store) {
		want := random(200_000)
		put(t, s, "f/x", want)
		f, err := s.Open(t.Context(), "f/x")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		var wg sync.WaitGroup
		for worker := range int64(4) {
			wg.Go(func() {
				p := make([]byte, 10_000)
				for off := worker * 50_000; off < (worker+1)*50_000; off += 10_000 {
					if _, err := f.ReadAt(p, off); err != nil && err != io.EOF || !bytes.Equal(p, want[off:off+10_000]) {
						t.Errorf("offset %d: %v", off, err)
					}
				}
			})
		}
		wg.Wait()
	})
}

func TestMissingObjectIsNotFoundAtOpen(t *testing.T) {
	each(t, func(t *testing.T, s Store) {
		if _, err := s.Open(t.Context(), "body/none"); !errors.Is(err, ErrNotFound) {
			t.Errorf("open: %v", err)
		}
		if err := s.Delete(t.Context(), "body/none"); err != nil {
			t.Errorf("delete of nothing: %v", err)
		}
		put(t, s, "body/a", random(10))
		if err := s.Delete(t.Context(), "body/a"); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Open(t.Context(), "body/a"); !errors.Is(err, ErrNotFound) {
			t.Errorf("open after delete: %v", err)
		}
	})
}

func TestPutReplacesAsAWhole(t *testing.T) {
	each(t, func(t *testing.T, s Store) {
		put(t, s, "body/a", random(5000))
		want := random(300)
		put(t, s, "body/a", want)
		if got := content(t, s, "body/a"); !bytes.Equal(got, want) {
			t.Errorf("%d bytes of another object", len(got))
		}
	})
}

func TestSourceOfAnotherLengthLeavesNothing(t *testing.T) {
	each(t, func(t *testing.T, s Store) {
		for _, size := range []int{100, 3 * partSize} {
			for _, wrong := range []int64{-1, 1} {
				promised := int64(size) + wrong
				err := s.Put(t.Context(), "body/wrong", bytes.NewReader(random(size)), promised)
				if err == nil {
					t.Errorf("%d bytes taken for %d", size, promised)
				}
				if wrong > 0 && !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("short source: %v", err)
				}
			}
		}
		nothingKept(t, s)
	})
}

func TestFailingSourceLeavesNothing(t *testing.T) {
	each(t, func(t *testing.T, s Store) {
		broken := errors.New("client went away")
		for _, size := range []int{100, 2*partSize + 100} {
			source := io.MultiReader(bytes.NewReader(random(size)), iotest.ErrReader(broken))
			if err := s.Put(t.Context(), "body/broken", source, int64(size)+10); !errors.Is(err, broken) {
				t.Errorf("put: %v", err)
			}
		}
		nothingKept(t, s)
	})
}

func TestCancelledPutLeavesNothing(t *testing.T) {
	each(t, func(t *testing.T, s Store) {
		ctx, cancel := context.WithCancel(t.Context())
		size := int64(3 * partSize)
		source := io.MultiReader(bytes.NewReader(random(2*partSize)), readerFunc(func([]byte) (int, error) {
			cancel()
			return 0, nil
		}), bytes.NewReader(random(partSize)))
		if err := s.Put(ctx, "body/cancelled", source, size); !errors.Is(err, context.Canceled) {
			t.Errorf("put: %v", err)
		}
		nothingKept(t, s)
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// nothingKept looks below the interface too: no temporary file, no part of an upload.
func nothingKept(t *testing.T, s Store) {
	t.Helper()
	if found := keys(t, s, ""); len(found) != 0 {
		t.Errorf("kept %v", found)
	}
	switch s := s.(type) {
	case *files:
		entries, err := os.ReadDir(filepath.Join(s.root, incoming))
		if err != nil || len(entries) != 0 {
			t.Errorf("%d temporary files, %v", len(entries), err)
		}
	case *bucket:
		for upload := range s.client.ListIncompleteUploads(t.Context(), s.name, "", true) {
			t.Errorf("unfinished upload: %+v", upload)
		}
	}
}

func TestAdoptTakesTheFileOver(t *testing.T) {
	each(t, func(t *testing.T, s Store) {
		for _, size := range []int{0, 1000, 2*partSize + 5} {
			local := filepath.Join(t.TempDir(), "spool")
			want := random(size)
			if err := os.WriteFile(local, want, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := s.Adopt(t.Context(), "body/adopted", local); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(local); !os.IsNotExist(err) {
				t.Error("the spool file is still there")
			}
			if got := content(t, s, "body/adopted"); !bytes.Equal(got, want) {
				t.Errorf("%d bytes came back as %d others", size, len(got))
			}
		}
	})
}

func TestFailedAdoptLeavesTheFileToItsOwner(t *testing.T) {
	each(t, func(t *testing.T, s Store) {
		local := filepath.Join(t.TempDir(), "spool")
		if err := os.WriteFile(local, []byte("mail"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := s.Adopt(t.Context(), "../escape", local); !errors.Is(err, ErrKey) {
			t.Errorf("adopt: %v", err)
		}
		if _, err := os.Stat(local); err != nil {
			t.Error("the spool file is gone")
		}
		if err := s.Adopt(t.Context(), "body/a", local+"-none"); err == nil {
			t.Error("adopted a file that does not exist")
		}
		nothingKept(t, s)
	})
}

func TestWalkFindsByPrefix(t *testing.T) {
	each(t, func(t *testing.T, s Store) {
		for _, key := range []string{"body/aa1", "body/aa2", "body/b/1", "link/aa1", "top"} {
			put(t, s, key, []byte(key))
		}
		for prefix, want := range map[string][]string{
			"":         {"body/aa1", "body/aa2", "body/b/1", "link/aa1", "top"},
			"body/":    {"body/aa1", "body/aa2", "body/b/1"},
			"body/aa":  {"body/aa1", "body/aa2"},
			"body/b/1": {"body/b/1"},
			"none/":    nil,
		} {
			if got := keys(t, s, prefix); !slices.Equal(got, want) {
				t.Errorf("prefix %q: %v, want %v", prefix, got, want)
			}
		}
		stop := errors.New("enough")
		err := s.Walk(t.Context(), "body/aa1", func(_ string, size int64, modified time.Time) error {
			if size != 8 || time.Since(modified).Abs() > time.Minute {
				t.Errorf("size %d, modified %v", size, modified)
			}
			return stop
		})
		if !errors.Is(err, stop) {
			t.Errorf("walk: %v", err)
		}
	})
}

func TestKeysCannotLeaveTheStore(t *testing.T) {
	each(t, func(t *testing.T, s Store) {
		for _, key := range []string{
			"", "/", "/etc/passwd", "../x", "a/../b", "a//b", "a/", "./a", "a/.hidden", ".incoming/x", "A", "a b",
			"a\x00b", "a\\b", "名簿", "a+b", "%2e%2e/x", strings.Repeat("a", maxKey+1),
		} {
			if err := s.Put(t.Context(), key, strings.NewReader("x"), 1); !errors.Is(err, ErrKey) {
				t.Errorf("put %q: %v", key, err)
			}
			if _, err := s.Open(t.Context(), key); !errors.Is(err, ErrKey) {
				t.Errorf("open %q: %v", key, err)
			}
			if err := s.Delete(t.Context(), key); !errors.Is(err, ErrKey) {
				t.Errorf("delete %q: %v", key, err)
			}
		}
		for _, prefix := range []string{"../", "/", "a/../", ".in", "A"} {
			err := s.Walk(t.Context(), prefix, func(string, int64, time.Time) error { return nil })
			if !errors.Is(err, ErrKey) {
				t.Errorf("walk %q: %v", prefix, err)
			}
		}
	})
}

func TestReadyLeavesNoTrace(t *testing.T) {
	each(t, func(t *testing.T, s Store) {
		if err := s.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		nothingKept(t, s)
	})
}

func TestUnknownStoresAreRefused(t *testing.T) {
	base := t.TempDir()
	if err := os.WriteFile(filepath.Join(base, "k"), []byte("key\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, u := range []string{
		"", "files", "http://x/", "file:", "file://host/dir", "s3:", "s3://", "s3://b/UPPER",
		"s3://b?typo=1", "s3://b?region=a&region=b", "s3://user:secret@b", "s3://b?path_style=maybe",
		"s3://b?access_key_file=k", "s3://b?access_key_file=k&secret_key_file=none", "s3://b?ca_file=k",
		"s3://b?endpoint=ftp://x/y",
	} {
		if _, err := OpenStore(t.Context(), u, base); err == nil {
			t.Errorf("%q was opened", u)
		} else if strings.Contains(err.Error(), "secret@") {
			t.Errorf("the error shows a password: %v", err)
		}
	}
}
