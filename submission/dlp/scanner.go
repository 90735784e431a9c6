package dlp

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sekisho-mail/sekisho/internal/message"
	"github.com/sekisho-mail/sekisho/submission/dlp/internal/carrier"
	"github.com/sekisho-mail/sekisho/submission/dlp/internal/detect"
	"github.com/sekisho-mail/sekisho/submission/dlp/internal/kind"
	"github.com/sekisho-mail/sekisho/submission/dlp/internal/ocr"
)

// Scanner searches mails and files. It is safe for use by many goroutines.
type Scanner struct {
	options Options
	set     *detect.Set
	readers carrier.Readers
}

// textPiece is how much text is searched at once; longer texts are cut.
const textPiece = 1 << 20

// offByDefault: 法人番号 is public and stands on every invoice.
var offByDefault = []string{"jp.corporate_number"}

// New checks the options and compiles dictionaries and patterns once. The error
// names every bad pattern.
func New(o Options) (*Scanner, error) {
	o.Limits = o.Limits.filled()
	d := detect.Options{Own: detect.Own(o.Own)}
	for _, l := range o.Keywords {
		d.Lists = append(d.Lists, detect.List(l))
	}
	for _, p := range o.Patterns {
		d.Patterns = append(d.Patterns, detect.Pattern(p))
	}
	register(o, &d)
	d.Off = func(id string) bool {
		return slices.Contains(o.Disabled, id) || slices.Contains(offByDefault, id) && !slices.Contains(o.Enabled, id)
	}
	set, err := detect.New(d)
	if err != nil {
		return nil, fmt.Errorf("compile detectors: %w", err)
	}
	s := &Scanner{options: o, set: set}
	s.readers.Virus = o.Virus
	if len(o.PDFCommand) > 0 {
		s.readers.PDF = pdfReader(o)
	}
	if len(o.OCRCommand) > 0 {
		s.readers.OCR = ocr.Reader(ocr.Options{Command: o.OCRCommand, Time: o.Limits.PictureTime})
	}
	return s, nil
}

// filled replaces zeros by the defaults.
func (l Limits) filled() Limits {
	l.Depth = orDefault(l.Depth, 16)
	l.Entries = orDefault(l.Entries, 20_000)
	l.Part = orDefault(l.Part, 256<<20)
	l.Expanded = orDefault(l.Expanded, 1<<30)
	l.Ratio = orDefault(l.Ratio, 200)
	l.PartTime = orDefault(l.PartTime, 10*time.Second)
	l.Time = orDefault(l.Time, 60*time.Second)
	l.Pictures = orDefault(l.Pictures, 20)
	l.PictureTime = orDefault(l.PictureTime, 10*time.Second)
	l.PicturesTime = orDefault(l.PicturesTime, 20*time.Second)
	l.Matches = orDefault(l.Matches, 20)
	l.Values = orDefault(l.Values, 100_000)
	return l
}

func orDefault[T int | int64 | time.Duration](v, d T) T {
	if v <= 0 {
		return d
	}
	return v
}

// Message inspects a parsed mail: headers, bodies and everything attached. It
// always returns a report; when ctx ends, what was not read is uninspectable.
func (s *Scanner) Message(ctx context.Context, m *message.Message) *Report {
	return s.walk(ctx, func(w *carrier.Walk) { w.Message(m) })
}

// File inspects a bare document; .eml files are inspected as mails.
func (s *Scanner) File(ctx context.Context, name string, b []byte) *Report {
	return s.walk(ctx, func(w *carrier.Walk) { w.File(name, b) })
}

func (s *Scanner) walk(ctx context.Context, run func(*carrier.Walk)) *Report {
	c := newCollector(s)
	s.walkTo(ctx, c, run)
	return c.report()
}

// walkTo walks a mail or file within the limits.
func (s *Scanner) walkTo(ctx context.Context, out carrier.Output, run func(*carrier.Walk)) {
	ctx, cancel := context.WithTimeout(ctx, s.options.Limits.Time)
	defer cancel()
	l := s.options.Limits
	run(carrier.New(ctx, carrier.Limits{Depth: l.Depth, Entries: l.Entries, Part: l.Part, Expanded: l.Expanded, Ratio: l.Ratio,
		PartTime: l.PartTime, Text: textPiece, ReadingsPerPart: 6, Pictures: l.Pictures, PictureTime: l.PicturesTime}, out, s.readers))
}

// ContentType names the type of b by its content; name only decides between
// types that look alike (text formats). "application/octet-stream" when unknown.
func ContentType(name string, b []byte) string { return kind.Of(name, b) }

// Builtin lists the detectors that need no configuration, secrets aside (their
// ids begin with "secret.").
func Builtin() []string {
	return strings.Fields(`jp.my_number jp.corporate_number jp.drivers_license jp.passport jp.residence_card jp.health_insurance
		jp.pension_number jp.employment_insurance jp.resident_code jp.bank_account jp.phone jp.postal_address jp.person_name
		payment_card iban email_address date_of_birth us.ssn uk.nino encrypted executable macro mismatched_type ambiguous_mime
		uninspectable hidden_content tnef malware url.listed`)
}
