// Package blob keeps large sealed objects: bodies that do not fit into a row and the files behind links.
//
// It owns where the bytes lie (a directory or an S3 bucket) and that they are durable before Put
// returns. It does not know what they are: callers hand in what is already encrypted, and no rule of
// the bucket (lifecycle, server-side encryption) is relied upon.
package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"strings"
	"time"
)

// ErrNotFound says that no object has this key.
var ErrNotFound = errors.New("blob not found")

// ErrKey says that a key is not of the permitted form.
var ErrKey = errors.New("malformed blob key")

// maxKey keeps a key plus shard and prefix below the limits of file systems (255 per name) and S3 (1,024).
const maxKey = 200

// Store keeps objects by key. Keys are lower-case paths such as "body/01jd.../1": segments of
// [a-z0-9_.-] between single slashes, none beginning with a dot.
type Store interface {
	// Put stores exactly size bytes of r under key, replacing what was there. When it returns nil the
	// object is durable; an error leaves no part of it visible. (A bucket whose answer was lost on the
	// way may hold the whole object all the same; storing or deleting it again is harmless.)
	Put(ctx context.Context, key string, r io.Reader, size int64) error
	// Adopt takes over a finished, synced local file: path is gone when Adopt returns nil, and
	// untouched when it does not.
	Adopt(ctx context.Context, key, path string) error
	// Open finds the object, or ErrNotFound. ctx bounds the reads as well: cancel it and they fail.
	Open(ctx context.Context, key string) (File, error)
	// Delete removes the object; one that is not there is no error, so that a retry after a crash ends.
	Delete(ctx context.Context, key string) error
	// Walk calls fn for each object whose key begins with prefix, in no promised order. Objects that
	// come or go meanwhile may or may not be shown.
	Walk(ctx context.Context, prefix string, fn func(key string, size int64, modified time.Time) error) error
	// Sweep removes what uploads that began before the given time left behind: a crash cannot clean up
	// after itself.
	Sweep(ctx context.Context, before time.Time) error
	// Ready proves that an object could be stored now.
	Ready(ctx context.Context) error
}

// File is an opened object. ReadAt may be called from several goroutines.
type File interface {
	io.ReaderAt
	io.Closer
	Size() int64 // in bytes, as stored
}

// OpenStore opens the store that a URL of the configuration names:
//
//	file:DIR
//	s3://bucket/prefix?endpoint=https://HOST:PORT&region=R&path_style=1&access_key_file=F&secret_key_file=F&ca_file=F
//
// Relative paths are taken from base. An S3 store is not contacted here, so that a service starts,
// and says what is wrong through Ready, while its bucket is away.
func OpenStore(ctx context.Context, rawURL, base string) (Store, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		// Not wrapped: url.Error repeats the whole text, in which somebody may have put a password.
		return nil, errors.New("files url: not a URL")
	}
	switch u.Scheme {
	case "file":
		dir := u.Opaque
		if dir == "" {
			dir = u.Path
		}
		if dir == "" || u.Host != "" {
			return nil, errors.New("files url: want file:DIR")
		}
		return openFiles(resolve(base, dir))
	case "s3":
		return openS3(u, base)
	}
	return nil, fmt.Errorf("files url: scheme %q is neither file nor s3", u.Scheme)
}

func resolve(base, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(base, path)
}

// checkKey lets nothing through that a file system or a bucket could read in two ways.
func checkKey(key string) error {
	if key == "" || len(key) > maxKey {
		return fmt.Errorf("%w: %d bytes", ErrKey, len(key))
	}
	for segment := range strings.SplitSeq(key, "/") {
		if segment == "" || segment[0] == '.' {
			return fmt.Errorf("%w: empty or hidden segment", ErrKey)
		}
	}
	return checkAlphabet(key)
}

// checkPrefix is checkKey for a beginning of keys, which may be empty or end anywhere.
func checkPrefix(prefix string) error {
	if len(prefix) > maxKey || strings.HasPrefix(prefix, "/") || strings.Contains(prefix, "//") ||
		strings.HasPrefix(prefix, ".") || strings.Contains(prefix, "/.") {
		return fmt.Errorf("%w: prefix", ErrKey)
	}
	return checkAlphabet(prefix)
}

func checkAlphabet(key string) error {
	for i := range len(key) {
		c := key[i]
		if 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || strings.IndexByte("/_.-", c) >= 0 {
			continue
		}
		return fmt.Errorf("%w: byte %#02x", ErrKey, c)
	}
	return nil
}
