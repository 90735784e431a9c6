// Package ocr reads the text of pictures by a program of its own, Tesseract as a
// rule, in a process that may be ended: pictures made to crash decoders are as
// common as such documents.
package ocr

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"

	"github.com/sekisho-mail/sekisho/submission/dlp/internal/carrier"
)

// Options of the child.
type Options struct {
	Command []string // takes a picture on standard input, writes its text
	Time    time.Duration
}

// maxText is more than any page holds.
const maxText = 1 << 20

// Reader gives each picture to a fresh child.
func Reader(o Options) carrier.OCR {
	return func(ctx context.Context, picture []byte) (string, error) {
		ctx, cancel := context.WithTimeout(ctx, o.Time)
		defer cancel()
		text, err := o.run(ctx, picture)
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return text, err
	}
}

func (o Options) run(ctx context.Context, picture []byte) (string, error) {
	cmd := exec.CommandContext(ctx, o.Command[0], o.Command[1:]...)
	cmd.Stdin = bytes.NewReader(picture)
	cmd.WaitDelay = time.Second
	// One thread: pictures of several mails are read beside each other.
	cmd.Env = []string{"OMP_THREAD_LIMIT=1", "LC_ALL=C.UTF-8"}
	out := &limited{left: maxText}
	cmd.Stdout = out
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("read picture: %w", err)
	}
	return string(bytes.ToValidUTF8(out.b.Bytes(), []byte("\uFFFD"))), nil
}

var errTooMuch = errors.New("more text than a page holds")

// limited keeps what is written, up to a bound; more ends the child.
type limited struct {
	b    bytes.Buffer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	if len(p) > l.left {
		return 0, errTooMuch
	}
	l.left -= len(p)
	return l.b.Write(p)
}
