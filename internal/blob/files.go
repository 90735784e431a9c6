package blob

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/sekisho-mail/sekisho/internal/failpoint"
)

// incoming holds unfinished files. No key can name it, because no segment begins with a dot.
const incoming = ".incoming"

// files keeps each object as one file: DIR/<directories of the key>/+<shard>/<last segment>.
// The plus cannot occur in a key, so an object and a directory never claim the same name.
type files struct {
	root string
}

func openFiles(root string) (*files, error) {
	f := &files{root: root}
	if err := mkdirSynced(filepath.Join(root, incoming)); err != nil {
		return nil, fmt.Errorf("open file store: %w", err)
	}
	return f, nil
}

// path shards by a hash of the key: ids are ordered in time, so their own digits would fill one
// directory after the other instead of all evenly.
func (f *files) path(key string) string {
	sum := sha256.Sum256([]byte(key))
	dir, name := path.Split(key)
	return filepath.Join(f.root, filepath.FromSlash(dir), "+"+hex.EncodeToString(sum[:1]), name)
}

func (f *files) Put(ctx context.Context, key string, r io.Reader, size int64) error {
	if err := checkKey(key); err != nil {
		return err
	}
	tmp, err := f.receive(ctx, r, size)
	if err != nil {
		return fmt.Errorf("put blob %s: %w", key, err)
	}
	if err := f.place(tmp, key); err != nil {
		os.Remove(tmp)
		return fmt.Errorf("put blob %s: %w", key, err)
	}
	return nil
}

// receive writes r to a synced temporary file and returns its name. On error it leaves none.
func (f *files) receive(ctx context.Context, r io.Reader, size int64) (string, error) {
	name := filepath.Join(f.root, incoming, rand.Text())
	tmp, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	_, err = io.Copy(tmp, exactly(ctx, r, size))
	if err == nil {
		err = tmp.Sync()
	}
	// Close can be the call that reports a failed write (NFS), so its error counts.
	if err = errors.Join(err, tmp.Close()); err != nil {
		os.Remove(name)
		return "", err
	}
	return name, nil
}

// place gives a synced file its final name and makes the name durable. The file's bytes are safe
// already; without the directory's fsync a power cut forgets the name (15 of 8,959 when measured).
func (f *files) place(tmp, key string) error {
	final := f.path(key)
	if err := mkdirSynced(filepath.Dir(final)); err != nil {
		return err
	}
	failpoint.At("blob.directory_made")
	if err := os.Rename(tmp, final); err != nil {
		return err
	}
	failpoint.At("blob.renamed")
	if err := syncDir(filepath.Dir(final)); err != nil {
		// The name may or may not be on the disk. Take it back, so that failure means absence.
		os.Remove(final)
		return err
	}
	return nil
}

func (f *files) Adopt(ctx context.Context, key, local string) error {
	if err := checkKey(key); err != nil {
		return err
	}
	// The same file by a second name first: if anything fails, the caller's name is still there.
	tmp := filepath.Join(f.root, incoming, rand.Text())
	err := os.Link(local, tmp)
	if errors.Is(err, syscall.EXDEV) || errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EMLINK) {
		return f.adoptCopy(ctx, key, local)
	}
	if err != nil {
		return fmt.Errorf("adopt blob %s: %w", key, err)
	}
	failpoint.At("blob.linked")
	if err := f.place(tmp, key); err != nil {
		os.Remove(tmp)
		return fmt.Errorf("adopt blob %s: %w", key, err)
	}
	failpoint.At("blob.placed")
	return removeAdopted(key, local)
}

// adoptCopy serves spools on another file system, or on one without hard links.
func (f *files) adoptCopy(ctx context.Context, key, local string) error {
	src, size, err := openLocal(local)
	if err != nil {
		return fmt.Errorf("adopt blob %s: %w", key, err)
	}
	defer src.Close()
	if err := f.Put(ctx, key, src, size); err != nil {
		return err
	}
	return removeAdopted(key, local)
}

func (f *files) Open(_ context.Context, key string) (File, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	file, size, err := openLocal(f.path(key))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open blob %s: %w", key, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("open blob %s: %w", key, err)
	}
	return &localFile{file, size}, nil
}

func (f *files) Delete(_ context.Context, key string) error {
	if err := checkKey(key); err != nil {
		return err
	}
	name := f.path(key)
	err := os.Remove(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		// A purge that a power cut undoes would bring back what nobody has a row for any more.
		err = syncDir(filepath.Dir(name))
	}
	if err != nil {
		return fmt.Errorf("delete blob %s: %w", key, err)
	}
	return nil
}

func (f *files) Walk(ctx context.Context, prefix string, fn func(string, int64, time.Time) error) error {
	if err := checkPrefix(prefix); err != nil {
		return err
	}
	dir, _ := path.Split(prefix)
	start := filepath.Join(f.root, filepath.FromSlash(dir))
	return filepath.WalkDir(start, func(name string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("walk blobs: %w", err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if entry.IsDir() {
			if entry.Name() == incoming {
				return fs.SkipDir
			}
			return nil
		}
		return f.show(name, entry, prefix, fn)
	})
}

// show turns one file found by Walk back into its key. Files that this store did not name
// (an administrator's notes, lost+found) are passed over.
func (f *files) show(name string, entry fs.DirEntry, prefix string, fn func(string, int64, time.Time) error) error {
	relative, err := filepath.Rel(f.root, name)
	if err != nil {
		return fmt.Errorf("walk blobs: %w", err)
	}
	dir, base := path.Split(filepath.ToSlash(relative))
	key := path.Join(path.Dir(strings.TrimSuffix(dir, "/")), base)
	if checkKey(key) != nil || f.path(key) != name || !strings.HasPrefix(key, prefix) {
		return nil
	}
	info, err := entry.Info()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("walk blobs: %w", err)
	}
	return fn(key, info.Size(), info.ModTime())
}

func (f *files) Sweep(ctx context.Context, before time.Time) error {
	dir := filepath.Join(f.root, incoming)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("sweep blobs: %w", err)
	}
	for _, entry := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil || !info.ModTime().Before(before) {
			continue
		}
		if err := os.Remove(filepath.Join(dir, entry.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("sweep blobs: %w", err)
		}
	}
	return nil
}

func (f *files) Ready(ctx context.Context) error {
	name, err := f.receive(ctx, strings.NewReader("ready\n"), 6)
	if err != nil {
		return fmt.Errorf("file store: %w", err)
	}
	return os.Remove(name)
}

type localFile struct {
	*os.File
	size int64
}

func (f *localFile) Size() int64 { return f.size }

func openLocal(name string) (*os.File, int64, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, 0, err
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		file.Close()
		return nil, 0, errors.New("not a regular file")
	}
	return file, info.Size(), nil
}

func removeAdopted(key, local string) error {
	if err := os.Remove(local); err != nil {
		return fmt.Errorf("adopt blob %s: stored, but its spool stays: %w", key, err)
	}
	return nil
}

// mkdirSynced is MkdirAll that survives a power cut: a directory's name lives in its parent.
func mkdirSynced(dir string) error {
	info, err := os.Stat(dir)
	if err == nil {
		if info.IsDir() {
			return nil
		}
		return &fs.PathError{Op: "mkdir", Path: dir, Err: syscall.ENOTDIR}
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := mkdirSynced(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(parent)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
