package pdf

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"github.com/sekisho-mail/sekisho/internal/pdfium"
	"github.com/sekisho-mail/sekisho/submission/dlp/internal/carrier"
)

// Options of the child.
type Options struct {
	Command []string // program and arguments that call Child
	Cache   string
	Memory  int64
	Time    time.Duration
	// PictureTime is what OCR may take for a page, which the child waits for.
	PictureTime time.Duration
	Bytes       int64 // text and files of one document together
}

// Bounds of one document.
const (
	maxPages      = 5000
	defaultMemory = 512 << 20
	maxLine       = 64 << 10
)

// Reader gives a document to a fresh child and hands on its parts.
func Reader(o Options) carrier.PDF {
	o.Memory = o.memory()
	return func(ctx context.Context, body []byte, pictures int, each func(carrier.PDFPart) error) error {
		ctx, cancel := context.WithTimeout(ctx, o.Time+time.Duration(pictures)*(carrier.DrawTime+o.PictureTime))
		defer cancel()
		err := o.run(ctx, body, pictures, each)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return err
	}
}

func (o Options) run(ctx context.Context, body []byte, pictures int, each func(carrier.PDFPart) error) error {
	w := order{Memory: o.Memory, Pages: maxPages, Pictures: pictures}
	if pdfium.Warm(o.Cache) {
		w.Cache = o.Cache
	}
	return o.child(ctx, w, body, each)
}

// child runs one process over one document.
func (o Options) child(ctx context.Context, w order, body []byte, each func(carrier.PDFPart) error) error {
	first, err := json.Marshal(w)
	if err != nil {
		return fmt.Errorf("write order: %w", err)
	}
	cmd := exec.CommandContext(ctx, o.Command[0], o.Command[1:]...)
	cmd.Stdin = io.MultiReader(bytes.NewReader(append(first, '\n')), bytes.NewReader(body))
	cmd.WaitDelay = time.Second
	cmd.Env = []string{"GOMAXPROCS=1", "GODEBUG=madvdontneed=1"}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("start reader: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start reader: %w", err)
	}
	err = o.frames(bufio.NewReaderSize(out, maxLine), each)
	if err != nil {
		cmd.Cancel() // nothing more is wanted of it; it may be stuck
	}
	if wait := cmd.Wait(); err == nil {
		err = wait
	}
	return err
}

// frames reads what the child writes. An answer without end is a reader that
// died.
func (o Options) frames(r *bufio.Reader, each func(carrier.PDFPart) error) error {
	var total int64
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return fmt.Errorf("reader ended early: %w", err)
		}
		var f frame
		if err := json.Unmarshal(line, &f); err != nil {
			return fmt.Errorf("read answer: %w", err)
		}
		if f.Kind == "end" {
			return ended(f.Error)
		}
		if total += int64(f.Size); f.Size < 0 || total > o.Bytes {
			return carrier.ErrLarge
		}
		body := make([]byte, f.Size)
		if _, err := io.ReadFull(r, body); err != nil {
			return fmt.Errorf("reader ended early: %w", err)
		}
		part := carrier.PDFPart{Page: f.Page, Blank: f.Blank, Hidden: f.Hidden, Script: f.Script, Author: f.Author}
		switch f.Kind {
		case "form":
			part.Form = body
		case "file":
			part.Name, part.Body = f.Name, body
		case "picture":
			part.Picture = body
		default:
			part.Text = string(body)
		}
		if err := each(part); err != nil {
			return err
		}
	}
}

func ended(reason string) error {
	switch reason {
	case "":
		return nil
	case "encrypted":
		return carrier.ErrEncrypted
	case "pages":
		return carrier.ErrMany
	}
	return errors.New("damaged document")
}

func (o Options) memory() int64 {
	if o.Memory <= 0 {
		return defaultMemory
	}
	return o.Memory
}

// Warm compiles PDFium into the cache, once per version. Until it is done,
// documents are read by the interpreter.
func Warm(ctx context.Context, o Options) error {
	if o.Cache == "" || pdfium.Warm(o.Cache) {
		return nil
	}
	if err := os.MkdirAll(o.Cache, 0o700); err != nil {
		return fmt.Errorf("make PDF cache: %w", err)
	}
	nothing := func(carrier.PDFPart) error { return nil }
	if err := o.child(ctx, order{Cache: o.Cache, Memory: o.memory(), Warm: true}, nil, nothing); err != nil {
		return fmt.Errorf("compile PDF reader: %w", err)
	}
	return pdfium.Warmed(o.Cache)
}
