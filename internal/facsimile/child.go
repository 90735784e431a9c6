package facsimile

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"runtime/debug"
)

// Child reads work and a document from r and writes one answer to w. It is the main function of a process of its own.
func Child(r io.Reader, w io.Writer) error {
	debug.SetMemoryLimit(pdfMemory + childBytes)
	in := bufio.NewReader(r)
	line, err := in.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("read order: %w", err)
	}
	var o work
	if err := json.Unmarshal(line, &o); err != nil {
		return fmt.Errorf("read order: %w", err)
	}
	body, err := io.ReadAll(io.LimitReader(in, MaxBytes+1))
	if err != nil {
		return fmt.Errorf("read document: %w", err)
	}
	page, err := pageOf(o, body)
	return json.NewEncoder(w).Encode(answer{Page: page, Error: keyOf(err)})
}

func keyOf(err error) string {
	if err == nil {
		return ""
	}
	for key, known := range reasons() {
		if errors.Is(err, known) {
			return key
		}
	}
	return "damaged"
}

// pageOf looks at the bytes themselves to find out what they are: a name is only a promise.
func pageOf(o work, body []byte) (page *Page, err error) {
	defer func() {
		if p := recover(); p != nil {
			page, err = nil, ErrDamaged
		}
	}()
	switch {
	case o.Warm:
		return nil, warm(o.Cache)
	case len(body) > MaxBytes:
		return nil, ErrLarge
	case bytes.Contains(body[:min(len(body), 1024)], []byte("%PDF-")):
		return pdfPage(o, body)
	}
	kind, err := pictureKind(body)
	switch {
	case err != nil:
		return nil, err
	case kind != "":
		return picturePage(o, body, kind)
	}
	return textPageOf(o, body)
}

// finished is a drawn page with what stands across it, as a file that holds nothing but pixels.
func finished(o work, img *image.RGBA, of int) (*Page, error) {
	if err := mark(img, o.Mark); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 86}); err != nil {
		return nil, fmt.Errorf("write picture: %w", err)
	}
	return &Page{Number: o.Page, Of: of, Width: img.Rect.Dx(), Height: img.Rect.Dy(), Picture: b.Bytes()}, nil
}
