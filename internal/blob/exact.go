package blob

import (
	"context"
	"fmt"
	"io"
)

// exactReader yields exactly the promised number of bytes or an error, and the error comes before the
// last bytes do: an upload that declared its length would otherwise be complete, and visible, already.
type exactReader struct {
	ctx  context.Context
	r    io.Reader
	size int64
	left int64
}

func exactly(ctx context.Context, r io.Reader, size int64) *exactReader {
	return &exactReader{ctx: ctx, r: r, size: size, left: size}
}

func (e *exactReader) Read(p []byte) (int, error) {
	if err := e.ctx.Err(); err != nil {
		return 0, err
	}
	if e.left == 0 {
		return 0, e.end()
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := e.r.Read(p[:min(int64(len(p)), e.left)])
	e.left -= int64(n)
	if e.left == 0 {
		if err := e.end(); err != io.EOF {
			return 0, err
		}
		return n, nil
	}
	if err == io.EOF {
		return n, fmt.Errorf("%w: %d of %d bytes", io.ErrUnexpectedEOF, e.size-e.left, e.size)
	}
	return n, err
}

// end is io.EOF if the source ends where it was promised to.
func (e *exactReader) end() error {
	var one [1]byte
	n, err := io.ReadFull(e.r, one[:])
	if n > 0 {
		return fmt.Errorf("source is longer than the %d bytes promised", e.size)
	}
	return err
}
