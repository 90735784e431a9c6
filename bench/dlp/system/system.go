// Package system holds what the benchmark measures: Sekisho's detection and
// the baselines beside it, behind one small interface. Anything that can say
// what it found in a text can stand here.
package system

import (
	"context"
	"encoding/base64"
	"fmt"
	"mime"
	"strings"

	"github.com/sekisho-mail/sekisho/bench/dlp/corpus"
	"github.com/sekisho-mail/sekisho/internal/message"
	"github.com/sekisho-mail/sekisho/submission/dlp"
)

// Found is one distinct value that a system saw.
type Found struct {
	Detector string    `json:"detector"`
	Level    dlp.Level `json:"level"`
	Start    int       `json:"start"` // bytes in the text; both -1 when it stands elsewhere
	End      int       `json:"end"`
}

// System looks for personal data in a mail with a plain body.
type System interface {
	Name() string
	// Covers says whether the system looks for what a detector id names.
	Covers(detector string) bool
	Search(d *corpus.Document) ([]Found, error)
}

// Sekisho is the scanner of the product, with everything it can find switched on.
type Sekisho struct{ Scanner *dlp.Scanner }

// NewSekisho makes one that keeps every match, so that places can be compared.
func NewSekisho(pdf []string, cache string) (*Sekisho, error) {
	s, err := dlp.New(dlp.Options{Enabled: []string{"jp.corporate_number"}, Limits: dlp.Limits{Matches: 10_000}, PDFCommand: pdf, CacheDir: cache})
	if err != nil {
		return nil, fmt.Errorf("make the scanner: %w", err)
	}
	return &Sekisho{s}, nil
}

// Name is how tables call it.
func (s *Sekisho) Name() string { return "sekisho" }

// Covers everything.
func (s *Sekisho) Covers(string) bool { return true }

// Search sends the document through the scanner as a mail.
func (s *Sekisho) Search(d *corpus.Document) ([]Found, error) {
	m, err := message.Parse([]byte(PlainMail(d)))
	if err != nil {
		return nil, fmt.Errorf("parse the mail: %w", err)
	}
	var out []Found
	for _, f := range s.Scanner.Message(context.Background(), m).Findings {
		for _, match := range f.Matches {
			found := Found{f.Detector, f.Level, match.Start, match.End}
			if match.Where != dlp.InBody {
				found.Start, found.End = -1, -1
			}
			out = append(out, found)
		}
	}
	return out, nil
}

// PlainMail is the document as a mail whose decoded body is its text, byte for byte.
func PlainMail(d *corpus.Document) string {
	var b strings.Builder
	fmt.Fprintf(&b, "From: sender@corp.example\r\nTo: someone@other.example\r\nSubject: %s\r\nDate: Wed, 03 Dec 2025 10:00:00 +0900\r\n", mime.BEncoding.Encode("utf-8", d.Subject))
	b.WriteString("Message-ID: <1@corp.example>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n")
	for s := base64.StdEncoding.EncodeToString([]byte(d.Text)); s != ""; {
		n := min(76, len(s))
		b.WriteString(s[:n] + "\r\n")
		s = s[n:]
	}
	return b.String()
}
