package blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
)

// partSize is the smallest that S3 allows. Every upload holds one part in memory so that a part can
// be sent again; 10,000 parts make 50 GB, far above any mail.
const partSize = 5 << 20

// bucket keeps objects in an S3-compatible bucket, below a prefix.
type bucket struct {
	client *minio.Client
	name   string
	prefix string // "" or "some/prefix/"
}

func openS3(u *url.URL, base string) (*bucket, error) {
	prefix := strings.Trim(u.Path, "/")
	if prefix != "" {
		if err := checkKey(prefix); err != nil {
			return nil, fmt.Errorf("files url: prefix: %w", err)
		}
		prefix += "/"
	}
	if u.Host == "" {
		return nil, errors.New("files url: want s3://BUCKET")
	}
	place, options, err := s3Options(u, base)
	if err != nil {
		return nil, fmt.Errorf("files url: %w", err)
	}
	client, err := minio.New(place, options)
	if err != nil {
		return nil, fmt.Errorf("files url: %w", err)
	}
	return &bucket{client, u.Host, prefix}, nil
}

func (b *bucket) Put(ctx context.Context, key string, r io.Reader, size int64) error {
	if err := checkKey(key); err != nil {
		return err
	}
	if size < 0 {
		// minio-go would read without bound: 530 MB of memory for one upload.
		return fmt.Errorf("put blob %s: size %d", key, size)
	}
	var source io.Reader = exactly(ctx, r, size)
	if size <= partSize {
		held, err := io.ReadAll(source)
		if err != nil {
			return fmt.Errorf("put blob %s: %w", key, err)
		}
		// A request can be repeated only from the beginning of its body.
		source = bytes.NewReader(held)
	}
	return b.upload(ctx, key, source, size)
}

func (b *bucket) Adopt(ctx context.Context, key, local string) error {
	if err := checkKey(key); err != nil {
		return err
	}
	file, size, err := openLocal(local)
	if err != nil {
		return fmt.Errorf("adopt blob %s: %w", key, err)
	}
	defer file.Close()
	if err := b.upload(ctx, key, file, size); err != nil {
		return err
	}
	return removeAdopted(key, local)
}

// upload leaves nothing behind when it fails: a single request is all or nothing, and minio-go aborts
// a multipart upload with a context of its own. What a crash leaves, Sweep finds.
func (b *bucket) upload(ctx context.Context, key string, r io.Reader, size int64) error {
	done, err := b.client.PutObject(ctx, b.name, b.prefix+key, r, size, minio.PutObjectOptions{
		ContentType: "application/octet-stream",
		PartSize:    partSize,
		NumThreads:  2,
	})
	if err == nil && done.Size != size {
		err = fmt.Errorf("stored %d of %d bytes", done.Size, size)
	}
	if err != nil {
		return fmt.Errorf("put blob %s: %w", key, err)
	}
	return nil
}

func (b *bucket) Open(ctx context.Context, key string) (File, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	// GetObject alone asks nothing until the first Read, and would show a missing object as a short file.
	stat, err := b.client.StatObject(ctx, b.name, b.prefix+key, minio.StatObjectOptions{})
	if isAbsent(err) {
		return nil, fmt.Errorf("open blob %s: %w", key, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("open blob %s: %w", key, err)
	}
	return &object{
		ctx: ctx, core: minio.Core{Client: b.client}, bucket: b.name, name: b.prefix + key,
		etag: stat.ETag, size: stat.Size,
	}, nil
}

func (b *bucket) Delete(ctx context.Context, key string) error {
	if err := checkKey(key); err != nil {
		return err
	}
	err := b.client.RemoveObject(ctx, b.name, b.prefix+key, minio.RemoveObjectOptions{})
	if err != nil && !isAbsent(err) {
		return fmt.Errorf("delete blob %s: %w", key, err)
	}
	return nil
}

func (b *bucket) Walk(ctx context.Context, prefix string, fn func(string, int64, time.Time) error) error {
	if err := checkPrefix(prefix); err != nil {
		return err
	}
	// minio-go feeds the channel from a goroutine that only the context ends.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	options := minio.ListObjectsOptions{Prefix: b.prefix + prefix, Recursive: true}
	for info := range b.client.ListObjects(ctx, b.name, options) {
		if info.Err != nil {
			return fmt.Errorf("walk blobs: %w", info.Err)
		}
		key := strings.TrimPrefix(info.Key, b.prefix)
		if checkKey(key) != nil {
			continue
		}
		if err := fn(key, info.Size, info.LastModified); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (b *bucket) Sweep(ctx context.Context, before time.Time) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	core := minio.Core{Client: b.client}
	for upload := range b.client.ListIncompleteUploads(ctx, b.name, b.prefix, true) {
		if upload.Err != nil {
			return fmt.Errorf("sweep blobs: %w", upload.Err)
		}
		if !upload.Initiated.Before(before) {
			continue
		}
		err := core.AbortMultipartUpload(ctx, b.name, upload.Key, upload.UploadID)
		if err != nil && !isAbsent(err) {
			return fmt.Errorf("sweep blobs: %w", err)
		}
	}
	return ctx.Err()
}

// Ready writes and removes a small object: a key that may read and list but not write is not ready.
func (b *bucket) Ready(ctx context.Context) error {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	// One name per machine, so that nodes do not delete each other's probe. The dot keeps it out of Walk.
	name := path.Join(b.prefix, ".ready-"+host)
	_, err = b.client.PutObject(ctx, b.name, name, strings.NewReader("ready\n"), 6, minio.PutObjectOptions{})
	if err == nil {
		err = b.client.RemoveObject(ctx, b.name, name, minio.RemoveObjectOptions{})
	}
	if err != nil {
		return fmt.Errorf("bucket %s: %w", b.name, err)
	}
	return nil
}

func isAbsent(err error) bool {
	var answer minio.ErrorResponse
	if !errors.As(err, &answer) {
		return false
	}
	switch answer.Code {
	case minio.NoSuchKey, minio.NoSuchUpload:
		return true
	case "": // an answer to HEAD has no body that could carry a code
		return answer.StatusCode == http.StatusNotFound
	}
	return false
}
