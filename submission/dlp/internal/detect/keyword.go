package detect

import (
	"errors"
	"fmt"
	"regexp/syntax"
	"unicode/utf8"

	"github.com/sekisho-mail/sekisho/submission/dlp/internal/fold"
	"github.com/wasilibs/go-re2"
	"github.com/wasilibs/go-re2/experimental"
)

// findKeywords reports the words of the configured lists. The value is the word.
func (p *page) findKeywords(lists []string) {
	for _, h := range p.hits {
		if h.list > 0 {
			p.add("keyword."+lists[h.list-1], Medium, keywordValue(p.s[h.start:h.end]), h.start, h.end, maskNone)
			p.found[len(p.found)-1].Weight = int(h.weight)
		}
	}
}

// keywordValue makes the ways to write a word one value, so that it counts once.
func keywordValue(s string) string { return string(fold.Fold(s).Squeeze().B) }

// patternSet searches all custom patterns at once and then runs those that
// fired. It is the only place that knows the experimental set of go-re2.
type patternSet struct {
	set   *experimental.Set
	each  []*re2.Regexp
	names []string
	weigh []int
}

// Bounds of what custom patterns may cost and report.
const (
	maxPatternHits = 10_000
	maxPatternText = 512 // bytes of one value
)

func compilePatterns(patterns []Pattern) (*patternSet, error) {
	s := &patternSet{}
	var problems []error
	var exprs []string
	for _, p := range patterns {
		// RE2 writes bad expressions to stderr; the parser of the standard library,
		// which accepts the same syntax, only returns them.
		_, err := syntax.Parse(p.Expr, syntax.Perl)
		var re *re2.Regexp
		if err == nil {
			re, err = re2.Compile(p.Expr)
		}
		if err != nil || p.Name == "" {
			problems = append(problems, fmt.Errorf("pattern %q: %v", p.Name, cause(err)))
			continue
		}
		s.each, s.names, exprs = append(s.each, re), append(s.names, p.Name), append(exprs, p.Expr)
		s.weigh = append(s.weigh, p.Weight)
	}
	if len(problems) > 0 || len(exprs) == 0 {
		return s, errors.Join(problems...)
	}
	set, err := experimental.CompileSet(exprs)
	if err != nil {
		return s, fmt.Errorf("patterns together: %w", err)
	}
	s.set = set
	return s, nil
}

func cause(err error) error {
	if err == nil {
		return errors.New("a name is needed")
	}
	return err
}

// fired are the indices of the patterns that occur in s.
func (ps *patternSet) fired(s string) []int {
	if ps.set == nil {
		return nil
	}
	found, err := ps.set.FindAllStringWithError(s, len(ps.each))
	if err != nil {
		// The engine gave up on this text: each pattern is tried by itself, so that none is taken for absent.
		found = make([]int, len(ps.each))
		for i := range found {
			found[i] = i
		}
	}
	return found
}

func (p *page) findPatterns(ps *patternSet) {
	for _, i := range ps.fired(p.s) {
		for _, m := range ps.each[i].FindAllStringIndex(p.s, maxPatternHits) {
			if m[0] == m[1] {
				continue
			}
			value := p.s[m[0]:m[1]]
			for len(value) > maxPatternText || !utf8.ValidString(value) {
				value = value[:min(len(value)-1, maxPatternText)]
			}
			p.add("pattern."+ps.names[i], Medium, value, m[0], m[1], maskText)
			p.found[len(p.found)-1].Weight = ps.weigh[i]
		}
	}
}
