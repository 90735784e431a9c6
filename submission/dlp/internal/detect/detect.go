// Package detect finds personal data, secrets and keywords in text. It knows
// nothing of mails, files or rules: text and table cells in, hits out.
package detect

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sekisho-mail/sekisho/submission/dlp/internal/fold"
)

// Text is one stretch of extracted text.
type Text struct {
	Body  string
	Cells []Cell // in order of Start; none for prose
	Title string // names around it: file, sheet
	Mail  bool   // written as a mail: has signatures and quotations
}

// Cell is a table cell: a range of Body and its place.
type Cell struct {
	Start, End      int
	Table, Row, Col int
}

// Level is how sure a hit is; see the package dlp.
type Level uint8

// Levels.
const (
	Low Level = iota + 1
	Medium
	High
)

// Hit is one found value. Start and End are offsets in Text.Body.
type Hit struct {
	Detector   string
	Level      Level
	Value      string // normalised: equal for equal values
	Start, End int
	Weight     int // how much the value counts; 0 means 1

	from, to int // in folded text
	order    int
	mask     mask
}

// Own are values of the company itself, which never count.
type Own struct{ Phones, Accounts, Addresses []string }

// List is a named keyword list, Pattern a named expression.
type (
	List struct {
		Name    string
		Words   []string
		Weights []int // of the words; nil or 0 means 1
	}
	Pattern struct {
		Name, Expr string
		Weight     int
	}
)

// Options of a Set.
type Options struct {
	Lists     []List
	Patterns  []Pattern
	Data      []Data
	Documents []Documents
	URLs      []string // hosts, .domains and addresses of the list
	Own       Own
	Off       func(detector string) bool // never looked for
}

// Set is a compiled set of detectors, safe for many goroutines.
type Set struct {
	dictionary *dictionary
	lists      []string
	secrets    []secret
	patterns   *patternSet
	names      *nameBook
	data       []Data
	documents  []Documents
	links      *linkBook
	own        owned
	off        func(string) bool
}

// New compiles a set. The error names everything that is wrong.
func New(o Options) (*Set, error) {
	s := &Set{off: o.Off, own: newOwned(o.Own), secrets: secretRules(), names: newNameBook(), data: o.Data, documents: o.Documents, links: newLinkBook(o.URLs)}
	if s.off == nil {
		s.off = func(string) bool { return false }
	}
	b := newDictionaryBuilder()
	for k, list := range labelWords() {
		for _, w := range words(list) {
			for _, v := range variants(k, w) {
				b.add(v, entry{kind: k})
			}
		}
	}
	for _, w := range prefectures {
		b.add(w, entry{kind: kPrefecture})
	}
	for _, w := range cities {
		b.add(w, entry{kind: kCity})
	}
	for _, w := range []string{"-ku", "-shi", "-gun"} {
		b.add(w, entry{kind: kRoman})
	}
	var problems []error
	for i, l := range o.Lists {
		s.lists = append(s.lists, l.Name)
		if l.Name == "" || len(l.Words) == 0 {
			problems = append(problems, fmt.Errorf("keyword list %q: a name and words are needed", l.Name))
		}
		for k, w := range l.Words {
			e := entry{list: i + 1}
			if k < len(l.Weights) {
				e.weight = int32(l.Weights[k])
			}
			b.add(w, e)
		}
	}
	for i, r := range s.secrets {
		for _, a := range r.anchors {
			b.add(a, entry{secret: i + 1})
		}
	}
	s.dictionary = b.build()
	var err error
	if s.patterns, err = compilePatterns(o.Patterns); err != nil {
		problems = append(problems, err)
	}
	return s, errors.Join(problems...)
}

// Page is a searched text: its hits, and excerpts of them.
type Page struct {
	Hits   []Hit  // in order of Start
	Copies []Copy // of registered documents, in order of Start for each set
	p      *page
}

// Find searches t.
func (s *Set) Find(t Text) *Page {
	folded := fold.Fold(t.Body)
	p := &page{text: t, folded: folded, s: folded.S, names: s.names}
	squeezed := folded.Squeeze()
	p.hits = ofWords(p.s, outermost(s.dictionary.search(squeezed)))
	for _, h := range p.hits {
		p.present[h.kind] = true
		if h.kind == kSample {
			p.samples = append(p.samples, h.start)
			if len(p.guides) < maxGuides {
				p.guides = append(p.guides, p.guideParagraphs(h.start, h.end)...)
			}
		}
	}
	slices.Sort(p.samples)
	if t.Title != "" {
		for _, h := range s.dictionary.search(fold.Fold(t.Title).Squeeze()) {
			p.title[h.kind] = true
		}
	}
	if t.Mail {
		p.quiet = quiet(p.s, p.personal())
	}
	p.layOut(s.names)
	p.readNumbers()
	s.run(p)
	p.settle(s.off)
	return &Page{Hits: p.found, Copies: p.copies(s.documents), p: p}
}

func (s *Set) run(p *page) {
	for i := range p.numbers {
		p.identify(&p.numbers[i], p.owners[i])
	}
	p.findInsured()
	p.findAlnum()
	p.findPhones(s.own)
	p.findAccounts(s.own)
	p.findBirthDates()
	p.findAddresses(s.own)
	p.findEmails(s.own)
	p.findNames(s.names)
	p.findSecrets(s.secrets)
	p.findKeywords(s.lists)
	p.findPatterns(s.patterns)
	p.findData(s.data)
	p.findLinks(s.links)
}

// add notes a hit at folded offsets.
func (p *page) add(detector string, level Level, value string, start, end int, m mask) {
	p.found = append(p.found, Hit{Detector: detector, Level: level, Value: value, from: start, to: end, mask: m, order: len(p.found)})
}

// settle drops hits that a surer one of another type overlaps, and brings the
// rest into the order of the text.
func (p *page) settle(off func(string) bool) {
	hits := p.found
	slices.SortStableFunc(hits, func(a, b Hit) int {
		if a.from != b.from {
			return a.from - b.from
		}
		return int(b.Level) - int(a.Level)
	})
	kept := hits[:0:0]
	for i, h := range hits {
		if !overruled(hits, i) && !off(h.Detector) {
			h.Start, h.End = p.folded.Origin(h.from, h.to)
			kept = append(kept, h)
		}
	}
	p.found = kept
}

// beside: what the company named stands beside everything.
func beside(detector string) bool {
	family, _, _ := strings.Cut(detector, ".")
	return family == "keyword" || family == "pattern" || family == "data" || family == "url"
}

// overruled says whether a hit of another type with a higher level covers hit i.
func overruled(hits []Hit, i int) bool {
	h := hits[i]
	if beside(h.Detector) {
		return false
	}
	beats := func(o Hit) bool {
		if o.from >= h.to || o.to <= h.from || beside(o.Detector) {
			return false
		}
		if o.Detector == h.Detector {
			return o.Level >= h.Level && (o.to-o.from > h.to-h.from || o.from == h.from && o.to == h.to && o.order < h.order)
		}
		return o.Level > h.Level
	}
	for j := i - 1; j >= 0 && j >= i-8; j-- {
		if beats(hits[j]) {
			return true
		}
	}
	for j := i + 1; j < len(hits) && hits[j].from < h.to; j++ {
		if beats(hits[j]) {
			return true
		}
	}
	return false
}
