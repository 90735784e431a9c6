package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/minio/minio-go/v7"
)

// object reads an S3 object by offset. Reads that follow one another share one request: the readers of
// sealed files ask for 64 KiB at a time, and a round trip for each would take minutes over a large file.
type object struct {
	ctx    context.Context
	core   minio.Core
	bucket string
	name   string
	etag   string
	size   int64

	mu     sync.Mutex
	body   io.ReadCloser // positioned at next; nil when no request is open
	next   int64
	closed bool
}

func (o *object) Size() int64 { return o.size }

func (o *object) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("read blob: negative offset")
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return 0, errors.New("read blob: already closed")
	}
	if off >= o.size {
		return 0, io.EOF
	}
	want := min(int64(len(p)), o.size-off)
	n, err := o.read(p[:want], off)
	if err == nil && want < int64(len(p)) {
		err = io.EOF
	}
	return n, err
}

// read fills p, and tries once more from where the connection broke: an idle one may be long dead.
func (o *object) read(p []byte, off int64) (n int, err error) {
	for range 2 {
		if err = o.seek(off + int64(n)); err != nil {
			break
		}
		var got int
		got, err = io.ReadFull(o.body, p[n:])
		n += got
		o.next += int64(got)
		if err == nil {
			return n, nil
		}
		o.drop()
	}
	return n, fmt.Errorf("read blob: %w", err)
}

func (o *object) seek(off int64) error {
	if o.body != nil && o.next == off {
		return nil
	}
	o.drop()
	var options minio.GetObjectOptions
	// The same object as at Open, or an error: never the beginning of one and the end of another.
	if err := options.SetMatchETag(o.etag); err != nil {
		return err
	}
	if off > 0 {
		if err := options.SetRange(off, 0); err != nil {
			return err
		}
	}
	body, _, _, err := o.core.GetObject(o.ctx, o.bucket, o.name, options)
	if isAbsent(err) {
		return ErrNotFound
	}
	if err != nil {
		return err
	}
	o.body, o.next = body, off
	return nil
}

func (o *object) drop() {
	if o.body != nil {
		o.body.Close()
		o.body = nil
	}
}

func (o *object) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	o.drop()
	return nil
}
