package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"

	"github.com/mattn/go-isatty"
)

// Streams are a command's input and output, given to every Run so that tests
// read what a person would.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
	// Program is this binary's own path: documents that may hang their reader
	// are read in a child of it. Empty: they are reported as uninspectable.
	Program string
}

// exitCode ends the program with that status and without another word: the
// command has already said what there is to say.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit status %d", int(c)) }

// paint colours words for a terminal; the zero value leaves them as they are.
type paint struct{ on bool }

// newPaint: colours only where a person looks (https://no-color.org).
func newPaint(w io.Writer) paint {
	f, ok := w.(*os.File)
	return paint{ok && isatty.IsTerminal(f.Fd()) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

func (p paint) with(code, s string) string {
	if !p.on {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (p paint) bold(s string) string   { return p.with("1", s) }
func (p paint) faint(s string) string  { return p.with("2", s) }
func (p paint) red(s string) string    { return p.with("1;31", s) }
func (p paint) green(s string) string  { return p.with("32", s) }
func (p paint) yellow(s string) string { return p.with("33", s) }

// printable takes out of a stranger's text what would move the cursor, turn
// the reading direction or hide (terminal escapes, bidi overrides).
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r) {
			return '·'
		}
		return r
	}, s)
}
