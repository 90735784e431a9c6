package dlp

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/sekisho-mail/sekisho/internal/message"
	"github.com/sekisho-mail/sekisho/submission/dlp/internal/carrier"
	"github.com/sekisho-mail/sekisho/submission/dlp/internal/detect"
	"github.com/sekisho-mail/sekisho/submission/dlp/internal/fold"
	"github.com/sekisho-mail/sekisho/submission/dlp/internal/index"
)

// What a company registers to be found again. An index holds keyed digests, none
// of the values; Seal names the key.
type (
	Rows      = index.Rows
	Documents = index.Documents
	Seal      = index.Seal
)

// DataList is reported as data.NAME, DocumentSet as document.NAME.
type (
	DataList struct {
		Name string
		Rows *Rows
	}
	DocumentSet struct {
		Name      string
		Documents *Documents
	}
)

// NewSeal, SealOf, OpenRows and OpenDocuments: see the package index. b must not
// change while an opened index is used.
func NewSeal(keyID string) Seal                       { return index.NewSeal(keyID) }
func SealOf(b []byte) (Seal, error)                   { return index.SealOf(b) }
func OpenRows(b, key []byte) (*Rows, error)           { return index.OpenRows(b, key) }
func OpenDocuments(b, key []byte) (*Documents, error) { return index.OpenDocuments(b, key) }

// register hands what the company registered to the detectors.
func register(o Options, d *detect.Options) {
	d.URLs = o.URLs
	for _, l := range o.Data {
		d.Data = append(d.Data, detect.Data(l))
	}
	for _, s := range o.Documents {
		d.Documents = append(d.Documents, detect.Documents{Name: s.Name, Set: s.Documents})
	}
}

// RowsReport is what came of a list.
type RowsReport struct {
	Columns []string
	Rows    int
	Skipped int // cells too short, or of no form that can be recognised in text
}

// IndexRows makes an index of a CSV file with a header line, in UTF-8 or
// Shift_JIS, divided by comma, tab or semicolon. Without columns all are taken.
func IndexRows(file []byte, columns []string, seal Seal, key []byte) ([]byte, RowsReport, error) {
	r := csv.NewReader(strings.NewReader(listText(file)))
	r.Comma = dividedBy(file)
	r.FieldsPerRecord = -1
	r.LazyQuotes = true
	header, err := r.Read()
	if err != nil {
		return nil, RowsReport{}, fmt.Errorf("read the header line: %w", err)
	}
	places, names, err := chosen(header, columns)
	if err != nil {
		return nil, RowsReport{}, err
	}
	b, err := index.NewRowsBuilder(seal, key, names)
	if err != nil {
		return nil, RowsReport{}, err
	}
	row := make([]string, len(places))
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, RowsReport{}, fmt.Errorf("read the list: %w", err)
		}
		for i, at := range places {
			row[i] = ""
			if at < len(record) {
				row[i] = record[at]
			}
		}
		if err := b.Add(row); err != nil {
			return nil, RowsReport{}, err
		}
	}
	out, err := b.Bytes()
	return out, RowsReport{Columns: names, Rows: b.Rows(), Skipped: b.Skipped()}, err
}

// listText is the file as text: what is no UTF-8 is the Shift_JIS that Excel writes.
func listText(file []byte) string {
	if file = bytes.TrimPrefix(file, []byte("\xef\xbb\xbf")); utf8.Valid(file) {
		return string(file)
	}
	return message.DecodeText(file, "shift_jis")[0]
}

// dividedBy guesses the separator from the header line.
func dividedBy(file []byte) rune {
	line, _, _ := bytes.Cut(file, []byte("\n"))
	best, most := ',', 0
	for _, c := range ",\t;" {
		if n := bytes.Count(line, []byte(string(c))); n > most {
			best, most = c, n
		}
	}
	return best
}

// chosen finds the wanted columns in the header.
func chosen(header, columns []string) (places []int, names []string, err error) {
	for i := range header {
		header[i] = strings.TrimSpace(header[i])
	}
	if len(columns) == 0 {
		for i := range header {
			places = append(places, i)
		}
		return places, header, nil
	}
	for _, c := range columns {
		at := slices.Index(header, strings.TrimSpace(c))
		if at < 0 {
			return nil, nil, fmt.Errorf("there is no column %q; the header line has %s", c, strings.Join(header, ", "))
		}
		places, names = append(places, at), append(names, header[at])
	}
	return places, names, nil
}

// DocumentsIndex collects documents for an index.
type DocumentsIndex struct {
	s *Scanner
	b *index.DocumentsBuilder
}

// IndexDocuments begins an index of documents, which the scanner reads.
func (s *Scanner) IndexDocuments(seal Seal, key []byte) *DocumentsIndex {
	return &DocumentsIndex{s, index.NewDocumentsBuilder(seal, key)}
}

// Add registers a document and says how many fingerprints it has: none when it
// is too short. A document that cannot be read is an error.
func (d *DocumentsIndex) Add(ctx context.Context, name string, b []byte) (int, error) {
	var texts textsOnly
	d.s.walkTo(ctx, &texts, func(w *carrier.Walk) { w.File(name, b) })
	if len(texts.failed) > 0 {
		return 0, fmt.Errorf("cannot read all of it: %s", texts.failed[0])
	}
	return d.b.Add(name, texts.texts)
}

// Bytes is the finished index.
func (d *DocumentsIndex) Bytes() ([]byte, error) { return d.b.Bytes() }

// textsOnly takes the texts of a walk, in one charset.
type textsOnly struct {
	texts  []string
	failed []carrier.Reason
}

func (t *textsOnly) Text(x carrier.Text) {
	if x.First {
		t.texts = append(t.texts, fold.Fold(x.Body).S)
	}
}
func (t *textsOnly) Form(carrier.Form, carrier.Where, string, string) {}
func (t *textsOnly) Failed(_ string, r carrier.Reason)                { t.failed = append(t.failed, r) }
func (t *textsOnly) Label(carrier.Where, string, carrier.Label)       {}
func (t *textsOnly) Seen(string, string, int64)                       {}
func (t *textsOnly) Skipped(string, string)                           {}
