// Package facsimile shows one page of a document to somebody who may look at it and need not have it: a picture drawn
// anew, without a byte of the document, or its decoded text.
//
// Documents come from strangers, so each page is made in a process of its own, which ends with the page, or when its
// time is over. What it writes is read as the word of a stranger, too.
package facsimile

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sekisho-mail/sekisho/internal/pdfium"
)

// Bounds of a document and of what is made of it.
const (
	MaxBytes   = 64 << 20 // of a document
	maxPixels  = 30 << 20 // of a picture, before it is made smaller
	maxWidth   = 1400     // of a page, in pixels
	maxHeight  = 2000
	maxText    = 4 << 20  // of a text, all pages together
	textPage   = 24 << 10 // of one page of text, about
	maxAnswer  = 16 << 20 // of what the child writes
	maxMark    = 200      // characters of a line across the page
	childBytes = 256 << 20
)

// Why a document is not shown.
var (
	ErrKind      = errors.New("no document of this kind is shown")
	ErrLarge     = errors.New("the document is too large to be shown")
	ErrEncrypted = errors.New("the document is encrypted")
	ErrDamaged   = errors.New("the document cannot be read")
	ErrNoPage    = errors.New("the document has no such page")
	ErrTime      = errors.New("the page took too long to make")
)

// Order says which page is wanted.
type Order struct {
	Page int      `json:"page"`           // the first is 1
	Mark []string `json:"mark,omitempty"` // lines to be drawn across the page
}

// Page is one page: a picture, or text.
type Page struct {
	Number  int    `json:"number"`
	Of      int    `json:"of"`
	Width   int    `json:"width,omitempty"`
	Height  int    `json:"height,omitempty"`
	Picture []byte `json:"picture,omitempty"` // JPEG
	Text    string `json:"text,omitempty"`
	Cut     bool   `json:"cut,omitempty"` // the text goes on behind the last page
}

// Press makes pages. It is safe for concurrent use.
type Press struct {
	command []string
	cache   string
	time    time.Duration
	slots   chan struct{}
}

// Options of a Press. Command is the program and arguments that call Child; Cache is the directory of PDFium's
// compiled code, "" for none.
type Options struct {
	Command []string
	Cache   string
	Time    time.Duration // for one page; 0 is 20 seconds
	Slots   int           // pages made at once; 0 is 2
}

// New starts nothing.
func New(o Options) *Press {
	if o.Time == 0 {
		o.Time = 20 * time.Second
	}
	if o.Slots == 0 {
		o.Slots = 2
	}
	return &Press{command: o.Command, cache: o.Cache, time: o.Time, slots: make(chan struct{}, o.Slots)}
}

// kinds are the endings of names that promise something to see. What is in a file, its own bytes say.
var kinds = " .pdf .jpg .jpeg .jpe .jfif .png .gif .webp .bmp .txt .text .csv .tsv .log .md .json .xml .yaml .yml .ini .html .htm .eml "

// Shows says whether a page of such a file can probably be made: it is asked where files are listed.
func Shows(name string, size int64) bool {
	ext := strings.ToLower(filepath.Ext(name))
	return size > 0 && size <= MaxBytes && len(ext) > 1 && strings.Contains(kinds, " "+ext+" ")
}

// Page makes one page of a document. A full press makes the caller wait.
func (p *Press) Page(ctx context.Context, o Order, document io.Reader, size int64) (*Page, error) {
	if size > MaxBytes {
		return nil, ErrLarge
	}
	ctx, cancel := context.WithTimeout(ctx, p.time)
	defer cancel()
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return nil, ErrTime
	}
	for i, line := range o.Mark {
		o.Mark[i] = firstRunes(line, maxMark)
	}
	page, err := p.run(ctx, work{Order: o}, document)
	if ctx.Err() != nil {
		return nil, ErrTime
	}
	return page, err
}

// Warm compiles PDFium into the cache, once for each version. Until then pages of PDF are made more slowly.
func (p *Press) Warm(ctx context.Context) error {
	if p.cache == "" || pdfium.Warm(p.cache) {
		return nil
	}
	if err := os.MkdirAll(p.cache, 0o700); err != nil {
		return fmt.Errorf("make PDF cache: %w", err)
	}
	if _, err := p.run(ctx, work{Warm: true, Cache: p.cache}, bytes.NewReader(nil)); err != nil {
		return fmt.Errorf("compile PDF reader: %w", err)
	}
	return pdfium.Warmed(p.cache)
}

// work is the first line that the child reads; the document follows.
type work struct {
	Order
	Cache string `json:"cache,omitempty"`
	Warm  bool   `json:"warm,omitempty"` // compile, and make nothing
}

// answer is what the child writes.
type answer struct {
	Page  *Page  `json:"page,omitempty"`
	Error string `json:"error,omitempty"` // a key of reasons
}

func reasons() map[string]error {
	return map[string]error{"kind": ErrKind, "large": ErrLarge, "encrypted": ErrEncrypted, "damaged": ErrDamaged, "no_page": ErrNoPage}
}

func (p *Press) run(ctx context.Context, w work, document io.Reader) (*Page, error) {
	if w.Cache == "" && pdfium.Warm(p.cache) {
		w.Cache = p.cache
	}
	first, err := json.Marshal(w)
	if err != nil {
		return nil, fmt.Errorf("write order: %w", err)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	read := &noted{r: document}
	out := bounded{full: stop}
	cmd := exec.CommandContext(ctx, p.command[0], p.command[1:]...)
	cmd.Stdin = io.MultiReader(bytes.NewReader(append(first, '\n')), read)
	cmd.Stdout = &out
	cmd.WaitDelay = time.Second
	cmd.Env = []string{"GOMAXPROCS=1", "GODEBUG=madvdontneed=1"}
	err = cmd.Run()
	if read.err != nil { // the store's, which says whether the file is what was stored
		return nil, fmt.Errorf("read document: %w", read.err)
	}
	var a answer
	if err != nil || json.Unmarshal(out.b.Bytes(), &a) != nil {
		return nil, fmt.Errorf("%w: its reader died", ErrDamaged)
	}
	if why, known := reasons()[a.Error]; known {
		return nil, why
	}
	if w.Warm {
		return nil, nil
	}
	return a.Page, a.check()
}

// check believes nothing of what a child says that a document may have taken over.
func (a answer) check() error {
	p := a.Page
	switch {
	case a.Error != "" || p == nil || p.Number < 1 || p.Of < p.Number || !utf8.ValidString(p.Text):
		return fmt.Errorf("%w: its reader makes no sense", ErrDamaged)
	case p.Picture != nil && (!bytes.HasPrefix(p.Picture, []byte{0xff, 0xd8, 0xff}) || p.Width < 1 || p.Height < 1):
		return fmt.Errorf("%w: its reader gave no picture", ErrDamaged)
	}
	return nil
}

// noted remembers why reading failed: exec would report it as the child's.
type noted struct {
	r   io.Reader
	err error
}

func (n *noted) Read(p []byte) (int, error) {
	k, err := n.r.Read(p)
	if err != nil && err != io.EOF {
		n.err = err
	}
	return k, err
}

// bounded takes so much and no more: a child that goes on writing is ended.
type bounded struct {
	b    bytes.Buffer // not embedded: its ReadFrom would take everything
	full func()
}

var errAnswer = errors.New("the answer is too long")

func (b *bounded) Write(p []byte) (int, error) {
	if b.b.Len()+len(p) > maxAnswer {
		b.full()
		return 0, errAnswer
	}
	return b.b.Write(p)
}

func firstRunes(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most])
	}
	return s
}
