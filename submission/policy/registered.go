package policy

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Word is one entry of a keyword list. Weight is how much it counts; a word
// written alone counts 1.
type Word struct {
	Word   string `yaml:"word"`
	Weight int    `yaml:"weight"`
}

// UnmarshalText reads a word written alone.
func (w *Word) UnmarshalText(text []byte) error {
	w.Word = string(text)
	return nil
}

// Pattern is an expression of the company.
type Pattern struct {
	Expr   string `yaml:"expr"`
	Weight int    `yaml:"weight"`
}

// UnmarshalText reads an expression written alone.
func (p *Pattern) UnmarshalText(text []byte) error {
	p.Expr = string(text)
	return nil
}

// maxWeight keeps sums small enough to stay readable in reasons.
const maxWeight = 1000

var detectorName = regexp.MustCompile(`^[\p{L}\p{N}][\p{L}\p{N}_-]{0,63}$`)

// checkDetectors checks what the company defines itself: keywords, patterns,
// registered data and documents, and addresses.
func (r *resolver) checkDetectors(raw *rawPolicy) {
	for _, name := range slices.Sorted(maps.Keys(raw.Keywords)) {
		r.define("keywords", "keyword", name)
		r.checkWords("keywords."+name, name, raw.Keywords[name])
	}
	for _, name := range slices.Sorted(maps.Keys(raw.Patterns)) {
		r.define("patterns", "pattern", name)
		r.checkPattern("patterns."+name, raw.Patterns[name])
	}
	for _, name := range slices.Sorted(maps.Keys(raw.Data)) {
		r.define("data", "data", name)
		r.checkIndex("data."+name, raw.Data[name])
	}
	for _, name := range slices.Sorted(maps.Keys(raw.Documents)) {
		r.define("documents", "document", name)
		r.checkIndex("documents."+name, raw.Documents[name])
	}
	for i, e := range raw.URLs {
		if err := checkURL(e); err != nil {
			r.problem(fmt.Sprintf("urls[%d]", i), "%v", err)
		}
	}
}

// define notes the detector family.name.
func (r *resolver) define(key, family, name string) {
	if !detectorName.MatchString(name) {
		r.problem(key+"."+name, "a name under %s has letters, digits, dash and underscore (at most 64)", key)
	}
	r.named[family+"."+name] = true
}

func (r *resolver) checkWords(path, name string, words []Word) {
	if len(words) == 0 {
		r.problem(path, "the keyword list %q is empty", name)
	}
	for i, w := range words {
		at := fmt.Sprintf("%s[%d]", path, i)
		if fold(strings.TrimSpace(w.Word)) == "" {
			r.problem(at, "an empty word would be found everywhere")
		}
		r.checkWeight(at, w.Weight)
	}
}

func (r *resolver) checkPattern(path string, p Pattern) {
	re, err := regexp.Compile(p.Expr)
	switch {
	case err != nil:
		r.problem(path, "not an RE2 expression: %v", err)
	case re.MatchString(""):
		r.problem(path, "the pattern matches empty text and would be found everywhere")
	}
	r.checkWeight(path, p.Weight)
}

func (r *resolver) checkWeight(path string, weight int) {
	if weight < 0 || weight > maxWeight {
		r.problem(path+".weight", "a weight is 1 to %d", maxWeight)
	}
}

func (r *resolver) checkIndex(path, file string) {
	if strings.TrimSpace(file) == "" {
		r.problem(path, "name the index that `sekisho policy index` made")
	}
}

// FilePrefix marks an entry of urls that names a file of entries.
const FilePrefix = "file:"

func checkURL(e string) error {
	rest, isFile := strings.CutPrefix(e, FilePrefix)
	switch {
	case strings.TrimSpace(rest) == "":
		return errors.New("an empty entry")
	case isFile:
		return nil
	case strings.ContainsAny(e, " \t") || !strings.Contains(e, "."):
		return fmt.Errorf("%q is no host, domain or address; write bad.example, .bad.example, https://files.example/share/ or file:NAME", e)
	}
	return nil
}

// detector checks a name that a rule uses.
func (r *resolver) detector(path, name string) {
	family, own, _ := strings.Cut(name, ".")
	where, defined := map[string]string{"keyword": "keywords", "pattern": "patterns", "data": "data", "document": "documents"}[family]
	switch {
	case !knownDetector(name):
		r.problem(path, "there is no detector %q", name)
	case defined && !strings.HasSuffix(own, "*") && !r.named[name]:
		r.problem(path, "there is no %s %q; write it under %s", family, own, where)
	}
}
