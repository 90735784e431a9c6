package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/sekisho-mail/sekisho/approval"
	"github.com/sekisho-mail/sekisho/internal/clamd"
	"github.com/sekisho-mail/sekisho/submission/dlp"
	"github.com/sekisho-mail/sekisho/submission/policy"
)

// pdfCommand is the hidden command that reads one PDF and may be killed.
const pdfCommand = "read-pdf"

// NewInspector builds what inspects, from a configuration whose people and
// policy it is given. program is this binary, see Streams.Program.
func NewInspector(c *Config, p *policy.Policy, book *approval.Book, program string) (*Inspector, error) {
	calendar, err := c.Calendar()
	if err != nil {
		return nil, err
	}
	o, err := dlpOptions(c)
	if err != nil {
		return nil, err
	}
	reader, err := findOCR(c.Scanners.OCR)
	if err != nil && !errors.Is(err, errNoOCR) {
		return nil, fmt.Errorf("scanners.ocr: %w", err)
	}
	o.OCRCommand = reader.command(program)
	scanner, err := newScanner(c, p, o, program)
	if err != nil {
		return nil, err
	}
	return &Inspector{
		Scanner: scanner, Policy: p, Domains: c.Organization.Domains, Calendar: calendar, Book: book,
		Observe: c.Policy.Mode == "observe", Pilot: c.Policy.Pilot,
	}, nil
}

// dlpOptions are what the configuration says about detection.
func dlpOptions(c *Config) (dlp.Options, error) {
	virus, err := virusScanner(c.Scanners.Clamd)
	if err != nil {
		return dlp.Options{}, err
	}
	own := c.Organization.Own
	return dlp.Options{
		Own:      dlp.Own{Phones: own.Phones, Accounts: own.Accounts, Addresses: own.Addresses},
		Virus:    virus,
		CacheDir: filepath.Join(c.DataDir, "cache"),
	}, nil
}

// virusScanner gives detection ClamAV; nil when none is configured.
func virusScanner(setting string) (func(context.Context, string, io.Reader) (string, error), error) {
	if setting == "" {
		return nil, nil
	}
	client, err := clamd.New(setting)
	if err != nil {
		return nil, fmt.Errorf("scanners.clamd: %w", err)
	}
	return client.Scan, nil
}

// newScanner completes the options by what the policy defines.
func newScanner(c *Config, p *policy.Policy, o dlp.Options, program string) (*dlp.Scanner, error) {
	for _, name := range slices.Sorted(maps.Keys(p.Keywords)) {
		l := dlp.KeywordList{Name: name}
		for _, w := range p.Keywords[name] {
			l.Words, l.Weights = append(l.Words, w.Word), append(l.Weights, w.Weight)
		}
		o.Keywords = append(o.Keywords, l)
	}
	for _, name := range slices.Sorted(maps.Keys(p.Patterns)) {
		o.Patterns = append(o.Patterns, dlp.Pattern{Name: name, Expr: p.Patterns[name].Expr, Weight: p.Patterns[name].Weight})
	}
	if err := registered(c, p, &o); err != nil {
		return nil, err
	}
	if p.AsksFor("jp.corporate_number") {
		o.Enabled = append(o.Enabled, "jp.corporate_number") // public data: only where a rule wants it
	}
	if program != "" {
		o.PDFCommand = []string{program, pdfCommand}
	}
	s, err := dlp.New(o)
	if err != nil {
		return nil, fmt.Errorf("detectors: %w", err)
	}
	return s, nil
}

// readPolicy parses a policy file; the factory's when path is empty.
func readPolicy(path string) (*policy.Policy, []byte, []Mistake) {
	source := policy.Factory()
	if path != "" {
		var err error
		if source, err = os.ReadFile(path); err != nil {
			return nil, nil, []Mistake{{File: path, Text: "cannot read the policy: " + plainError(err)}}
		}
	}
	p, problems := policy.Parse(source)
	var out []Mistake
	for _, x := range problems {
		out = append(out, Mistake{File: cmp.Or(path, "factory policy"), Line: x.Line, Text: x.Text})
	}
	if p != nil {
		besidePolicy(p, path)
	}
	return p, source, out
}

// readPeople parses a people file; nobody when path is empty.
func readPeople(path string) (*approval.Book, []Mistake) {
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, []Mistake{{File: path, Text: "cannot read the people: " + plainError(err)}}
	}
	book, problems := approval.ParsePeople(path, text)
	var out []Mistake
	for _, x := range problems {
		out = append(out, Mistake{File: path, Line: x.Line, Text: x.Text})
	}
	return book, out
}

// InspectFlags say with which eyes a command looks at a mail.
type InspectFlags struct {
	Config string `short:"c" placeholder:"FILE" help:"Configuration file: the company's domains, people, policy and detectors."`
	Policy string `short:"p" placeholder:"FILE" help:"Policy file to judge by, instead of the configured one or the factory policy."`
}

// bench is an inspector with the configuration it comes from; config is nil
// when the command was given none.
type bench struct {
	*Inspector
	config *Config
}

// load reads configuration, policy and people; the error is a MistakesError
// with everything wrong in any of them.
func (f InspectFlags) load(program string) (*bench, error) {
	var wrong []Mistake
	c := &Config{}
	c.Organization.TimeZone = "Asia/Tokyo"
	c.Organization.Holidays = "jp"
	c.Organization.Language = "ja"
	given := f.Config != ""
	if given {
		c, wrong = readConfig(f.Config)
		if c == nil {
			return nil, MistakesError(wrong)
		}
	}
	p, _, more := readPolicy(cmp.Or(f.Policy, c.Policy.File))
	book, alsoMore := readPeople(c.People.File)
	if wrong = slices.Concat(wrong, more, alsoMore); len(wrong) > 0 {
		return nil, MistakesError(wrong)
	}
	if !given {
		c.DataDir = userCache()
	}
	i, err := NewInspector(c, p, book, program)
	if err != nil {
		return nil, err
	}
	i.Observe, i.Pilot = false, nil // a look asks what would happen, not whether anybody acts on it yet
	b := &bench{Inspector: i}
	if given {
		b.config = c
	}
	return b, nil
}

// language of reasons, names and notices.
func (b *bench) language() string {
	if b.config == nil {
		return "ja"
	}
	return b.config.Organization.Language
}

// userCache keeps the compiled PDF reader between two scans of a person.
func userCache() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return os.TempDir()
	}
	return filepath.Join(dir, "sekisho")
}

// missing says whether the error is about a file that is not there.
func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
