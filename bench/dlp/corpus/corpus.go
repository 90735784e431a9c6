// Package corpus writes the documents of the benchmark: templates of a set,
// filled with values and shown in the set's surface forms, with a label for
// every value. The same set, seed and number give the same documents on every
// machine. It knows no detector.
package corpus

import (
	"fmt"
	"hash/fnv"
	"io/fs"
	"math/rand/v2"
	"path"
	"sort"
	"strings"

	"github.com/sekisho-mail/sekisho/submission/dlp"
)

// Label is a value that stands in a document.
type Label struct {
	Detector string    `json:"detector"`
	Value    string    `json:"value"` // canonical: the same value has the same one however it is written
	Level    dlp.Level `json:"level"` // expected at least
	Form     string    `json:"form"`  // the surface form it is written in
	// Optional labels may be found or not: names in prose, the contacts of a
	// signature.
	Optional bool `json:"optional,omitempty"`
	// Bare labels have nothing that names them; finding them above their level
	// is a false alarm.
	Bare  bool   `json:"bare,omitempty"`
	Spans []Span `json:"spans"` // in Text
}

// Span is a place in bytes.
type Span struct {
	Start int `json:"start"`
	End   int `json:"end"`
}

// Document is one mail or file.
type Document struct {
	ID      string  `json:"id"`     // family/number
	Family  string  `json:"family"` // file/template
	Subject string  `json:"subject"`
	Text    string  `json:"text"`
	Labels  []Label `json:"labels"`
	Blocks  []Block `json:"-"` // the same, for carriers that have paragraphs and tables
}

// Clean says that nothing in the document has to be found.
func (d *Document) Clean() bool {
	for _, l := range d.Labels {
		if !l.Optional {
			return false
		}
	}
	return true
}

// Ordinary says that this is a mail of everyday business with nothing to find;
// near misses, which are not ordinary, count in precision only.
func (d *Document) Ordinary() bool { return strings.HasPrefix(d.Family, "clean") }

// Block is a run of lines or a table.
type Block struct {
	Lines []string
	Table [][]string
}

// Set is a collection of templates with the word lists and surface forms they
// are filled from.
type Set struct {
	Name       string
	templates  []template
	words      map[string][]string
	forms      map[string][]form
	signatures []template
}

// Load reads every file of the directory name: forms.txt, words.txt, and
// templates in all others.
func Load(in fs.FS, name string) (*Set, error) {
	s := &Set{Name: name}
	files, err := fs.Glob(in, name+"/*.txt")
	if err != nil {
		return nil, fmt.Errorf("list templates: %w", err)
	}
	sort.Strings(files)
	for _, f := range files {
		b, err := fs.ReadFile(in, f)
		if err != nil {
			return nil, fmt.Errorf("read templates: %w", err)
		}
		switch base := strings.TrimSuffix(path.Base(f), ".txt"); base {
		case "forms":
			s.forms, err = parseForms(string(b))
		case "words":
			s.words = parseWords(string(b))
		case "signatures":
			s.signatures, err = parseTemplates(base, string(b))
		default:
			var t []template
			t, err = parseTemplates(base, string(b))
			s.templates = append(s.templates, t...)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f, err)
		}
	}
	if len(s.templates) == 0 {
		return nil, fmt.Errorf("no templates in %s", name)
	}
	return s, nil
}

// Documents fills every template: each times, clean ones cleanEach times.
func (s *Set) Documents(seed uint64, each, cleanEach int) ([]*Document, error) {
	var out []*Document
	for _, t := range s.templates {
		n := each
		if t.clean() {
			n = cleanEach
		}
		for i := range n {
			d, err := s.write(t, seed, i)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", t.family, err)
			}
			out = append(out, d)
		}
	}
	return out, nil
}

// chance is the source of everything random in one document.
func chance(seed uint64, of string, i int) *rand.Rand {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s\x00%d", of, i)
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}
