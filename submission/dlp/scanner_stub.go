package dlp

import (
	"context"
	"io"

	"github.com/sekisho-mail/sekisho/internal/message"
)

// Scanner searches mails and files. It is safe for use by many goroutines.
type Scanner struct{ options Options }

// New checks the options and compiles dictionaries and patterns once. The error
// names every bad pattern.
func New(o Options) (*Scanner, error) { return &Scanner{options: o}, nil }

// Message inspects a parsed mail: headers, bodies and everything attached. It
// always returns a report; when ctx ends, what was not read is uninspectable.
func (s *Scanner) Message(ctx context.Context, m *message.Message) *Report { return &Report{} }

// File inspects a bare document; .eml files are inspected as mails.
func (s *Scanner) File(ctx context.Context, name string, b []byte) *Report { return &Report{} }

// ContentType names the type of b by its content; name only decides between
// types that look alike (text formats). "application/octet-stream" when unknown.
func ContentType(name string, b []byte) string { return "application/octet-stream" }

// PDFChild is the main function of the process that reads PDF: one document
// from r, its text to w. It runs apart because it may hang or exhaust memory.
func PDFChild(r io.Reader, w io.Writer) error { return nil }
