// Package dlp says what is in a mail or a document: bytes in, findings out.
//
// It owns the extraction of text from everything people send (mails, Office,
// archives, PDF), the detectors, and their levels. It is pure: it knows no
// rules, no people, no database and no network; scanners such as ClamAV are
// given to it as functions. Every input is taken for hostile: depth, entries,
// expanded bytes and time are bounded, and what could not be read is reported
// as uninspectable, never as clean.
package dlp

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/sekisho-mail/sekisho/internal/message"
	"github.com/sekisho-mail/sekisho/submission/dlp/internal/carrier"
	"github.com/sekisho-mail/sekisho/submission/dlp/internal/kind"
)

// Level says how sure a finding is.
type Level int

// Low: a check digit or a shape without anything that names it. Medium: a
// keyword or column header with the right shape, or a shape that is evidence by
// itself. High: the check digit (or a structure that proves itself) and a
// keyword or column header.
const (
	Low Level = iota + 1
	Medium
	High
)

// String is the name used in JSON and in policies.
func (l Level) String() string {
	switch l {
	case Low:
		return "low"
	case Medium:
		return "medium"
	case High:
		return "high"
	}
	return "none"
}

// ParseLevel reads the name of a level.
func ParseLevel(s string) (Level, error) {
	for _, l := range []Level{Low, Medium, High} {
		if l.String() == s {
			return l, nil
		}
	}
	return 0, fmt.Errorf("unknown level %q: use low, medium or high", s)
}

// MarshalText makes a level readable in JSON.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (l *Level) UnmarshalText(b []byte) (err error) {
	*l, err = ParseLevel(string(b))
	return err
}

// Where a match was found.
type Where string

// Places of a mail. A bare document is an attachment.
const (
	InHeader     Where = "header"
	InBody       Where = "body"
	InAttachment Where = "attachment"
)

// Report is what was found in one mail or file. The order of everything in it
// is the same for the same input and options.
type Report struct {
	Findings      []Finding       `json:"findings"`
	Uninspectable []Uninspectable `json:"uninspectable"`
	Carriers      []Carrier       `json:"carriers,omitempty"`
}

// Finding is one kind of content at one level. A value counts once, at the
// highest level it was found at: values at medium or above are the sum of
// Count over the findings with Level >= Medium.
type Finding struct {
	Detector string  `json:"detector"`
	Level    Level   `json:"level"`
	Count    int     `json:"count"` // distinct values, each by its weight
	Matches  []Match `json:"matches"`
}

// Match is one place of a finding. The first matches are kept, see
// Limits.Matches.
type Match struct {
	Where Where `json:"where"`
	// Path names the place: "Subject" for a header, the part number ("1.2") for
	// body text, "data.zip!/名簿.xlsx#Sheet2!B7" for attachments.
	Path string `json:"path"`
	// Excerpt is the masked value with a little context.
	Excerpt string `json:"excerpt"`
	// Start and End are byte offsets in the first of the part's Texts (body), in
	// the decoded value (header), or in the extracted text (attachment). Both
	// are 0 for findings about form.
	Start int `json:"start,omitempty"`
	End   int `json:"end,omitempty"`
}

// Reason says why something could not be inspected.
type Reason string

// Reasons. A carrier may have several.
const (
	Encrypted      Reason = "encrypted"
	Corrupt        Reason = "corrupt"
	TooDeep        Reason = "too_deep"
	TooManyEntries Reason = "too_many_entries"
	TooLarge       Reason = "too_large" // expanded bytes, ratio included
	TimedOut       Reason = "time"
	Unsupported    Reason = "unsupported" // a format we know and cannot read
	Unreadable     Reason = "unreadable"  // opened, but what came out is no text
	ScannerFailed  Reason = "scanner"
)

// Uninspectable is a carrier that was not, or not wholly, read.
type Uninspectable struct {
	Path   string `json:"path"`
	Reason Reason `json:"reason"`
}

// Carrier is one file that was looked into, nested ones included.
type Carrier struct {
	Path string `json:"path"`
	Type string `json:"type"` // by content, see ContentType
	Size int64  `json:"size"`
	// Skipped says why its content was not read though nothing is wrong with it;
	// see Skips.
	Skipped string `json:"skipped,omitempty"`
}

// Skips are the reasons of Carrier.Skipped.
func Skips() []string { return carrier.Skips() }

// AboutForm says that a detector tells of the form of a file or mail; the
// excerpts of its matches are codes, names or types and no text of the mail.
func AboutForm(detector string) bool {
	switch detector {
	case DetectorEncrypted, DetectorExecutable, DetectorMacro, DetectorMismatched, DetectorAmbiguous, DetectorUninspectable, DetectorHidden,
		DetectorTNEF, DetectorMalware:
		return true
	}
	return false
}

// Details are the excerpts of findings about the form that are codes; pages have
// words for them.
func Details() []string {
	return slices.Concat(carrier.HiddenDetails(), kind.Deceptions(), message.AmbiguousCodes())
}

// HiddenDetails are the excerpts of hidden_content findings: what was hidden, and
// how.
func HiddenDetails() []string { return carrier.HiddenDetails() }

// Detectors about the form of a mail. All are High. A carrier that is
// encrypted is reported as DetectorEncrypted only; DetectorUninspectable counts
// the carriers that could not be read for any other reason.
const (
	DetectorEncrypted     = "encrypted"
	DetectorExecutable    = "executable"
	DetectorMacro         = "macro"
	DetectorMismatched    = "mismatched_type"
	DetectorAmbiguous     = "ambiguous_mime"
	DetectorUninspectable = "uninspectable"
	DetectorHidden        = "hidden_content"
	DetectorTNEF          = "tnef"
	DetectorMalware       = "malware"
)

// LabelPrefix and the id or name of a Microsoft Purview sensitivity label is the
// detector of that label.
const LabelPrefix = "label."

// Options make a Scanner. The zero value searches for every built-in detector
// with the default limits and cannot read PDF.
type Options struct {
	Keywords []KeywordList
	Patterns []Pattern
	// Data and Documents are what the company registered, see IndexRows and
	// IndexDocuments.
	Data      []DataList
	Documents []DocumentSet
	// URLs are hosts (bad.example), everything below a domain (.bad.example) and
	// beginnings of addresses (https://files.example/share/); links there are
	// reported as url.listed.
	URLs   []string
	Own    Own
	Limits Limits

	// Disabled detectors are never reported. jp.corporate_number is public data
	// and stays off unless Enabled names it.
	Disabled []string
	Enabled  []string

	// Virus looks for malware; virus is "" for a clean file. An error makes the
	// file uninspectable.
	Virus func(ctx context.Context, name string, r io.Reader) (virus string, err error)

	// PDFCommand is the program and arguments that run PDFChild. Without it a
	// PDF is uninspectable.
	PDFCommand []string
	// PDFMemory is the memory the PDF reader may take, in bytes; 0 means 512 MiB.
	PDFMemory int64
	// OCRCommand is a program that takes a picture on standard input and writes
	// its text. Without it pictures are not read, and a scanned PDF is unreadable.
	OCRCommand []string
	// CacheDir keeps the compiled PDF reader between children; see Warm. Without
	// it PDF is read by an interpreter, about five times slower.
	CacheDir string
}

// KeywordList is reported as keyword.NAME. Words match after folding (width,
// case, invisible characters); words of Latin letters match whole words only,
// CJK words also with spaces or line ends between their characters.
//
// Weights, by the index of the word, say how much a word counts; 0 means 1.
type KeywordList struct {
	Name    string
	Words   []string
	Weights []int
}

// Pattern is reported as pattern.NAME. Expr is an RE2 expression over folded text.
type Pattern struct {
	Name   string
	Expr   string
	Weight int // how much a value counts; 0 means 1
}

// Own are the company's own values, which never count.
type Own struct {
	Phones    []string
	Accounts  []string
	Addresses []string // postal or e-mail
}

// Limits bound one scan. A zero field has its default.
type Limits struct {
	Depth    int           // carriers inside carriers (16)
	Entries  int           // files in all archives together (20,000)
	Part     int64         // bytes of one carrier after expansion (256 MiB)
	Expanded int64         // bytes of all carriers together (1 GiB)
	Ratio    int64         // expanded to packed, from 1 MiB on (200)
	PartTime time.Duration // one carrier (10 s)
	Time     time.Duration // the whole scan (60 s)
	Pictures int           // read by OCR in one scan (20)
	// PictureTime is the time of one of them (10 s), PicturesTime that of all
	// (20 s): pictures must not use up the time of what else is in the mail.
	PictureTime  time.Duration
	PicturesTime time.Duration
	Matches      int // kept per finding (20)
	Values       int // distinct values kept per detector (100,000)
}
