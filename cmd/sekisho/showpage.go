package main

import (
	"path/filepath"

	"github.com/sekisho-mail/sekisho/internal/facsimile"
)

// pageCommand is the hidden command that makes one page of a document.
const pageCommand = "show-page"

// ShowPageCmd is the child process that makes one page of a document to be looked at. It runs apart because hostile
// documents make their readers hang or swallow memory; the parent kills it then.
type ShowPageCmd struct{}

// Run reads In and writes the page to Out.
func (ShowPageCmd) Run(out *Streams) error { return facsimile.Child(out.In, out.Out) }

// press makes pages of files that recipients may look at; nil where this program cannot start itself again.
func (c *Config) press(program string) *facsimile.Press {
	if program == "" {
		return nil
	}
	return facsimile.New(facsimile.Options{Command: []string{program, pageCommand}, Cache: filepath.Join(c.DataDir, "cache")})
}
