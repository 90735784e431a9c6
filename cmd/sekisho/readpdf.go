package main

import (
	"github.com/sekisho-mail/sekisho/submission/dlp"
)

// ReadPDFCmd is the child process that reads one PDF from standard input. It
// runs apart because hostile documents make their readers hang or swallow
// memory; the parent kills it then.
type ReadPDFCmd struct{}

// Run reads In and writes the text to Out.
func (ReadPDFCmd) Run(out *Streams) error { return dlp.PDFChild(out.In, out.Out) }
