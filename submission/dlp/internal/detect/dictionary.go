package detect

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/sekisho-mail/sekisho/submission/dlp/internal/fold"
)

// entry is one meaning of a dictionary word.
type entry struct {
	kind   kind
	list   int // keyword list + 1
	secret int // secret rule + 1
	weight int32
}

// hit is a dictionary word in folded text.
type hit struct {
	start, end int
	entry
}

// dictionary finds every word of all lists in one pass. A regexp alternation of
// two thousand words takes 40 s per megabyte, the automaton the same as for two.
type dictionary struct {
	words   *automaton
	entries [][]entry // by pattern
	anchors []bool    // by pattern: prefix of a secret, not a word
}

// dictionaryBuilder collects words; one word may have several meanings.
type dictionaryBuilder struct {
	words   []string
	index   map[string]int
	entries [][]entry
	anchors []bool
}

func newDictionaryBuilder() *dictionaryBuilder {
	return &dictionaryBuilder{index: map[string]int{}}
}

// add folds word and gives it a meaning.
func (b *dictionaryBuilder) add(word string, e entry) {
	key := string(fold.Fold(word).Squeeze().B)
	if key == "" {
		return
	}
	i, ok := b.index[key]
	if !ok {
		i = len(b.words)
		b.index[key] = i
		b.words = append(b.words, key)
		b.entries = append(b.entries, nil)
		b.anchors = append(b.anchors, false)
	}
	if !slices.Contains(b.entries[i], e) {
		b.entries[i] = append(b.entries[i], e)
	}
	b.anchors[i] = b.anchors[i] || e.secret > 0
}

func (b *dictionaryBuilder) build() *dictionary {
	return &dictionary{
		words:   newAutomaton(b.words),
		entries: b.entries,
		anchors: b.anchors,
	}
}

// search returns all words of q in order of their ends, with offsets in the
// folded text.
func (d *dictionary) search(q *fold.Squeezed) []hit {
	var hits []hit
	d.words.walk(q.B, func(start, end, word int) {
		if !d.anchors[word] && !wholeWord(q.B, start, end) {
			return
		}
		from, to := q.Origin(start, end)
		for _, e := range d.entries[word] {
			hits = append(hits, hit{from, to, e})
		}
	})
	return hits
}

// ofWords makes labels that are only the end of another word something else:
// 発生年月日 is no 生年月日, 固定資産税番号 no 税番号. Whose it is may stand before.
func ofWords(s string, hits []hit) []hit {
	for i := range hits {
		h := &hits[i]
		if h.kind != kBirth && h.kind != kMyNumber || h.start == 0 || s[h.start] < 0xE3 {
			continue
		}
		word := s[h.start:h.end]
		before, _ := utf8.DecodeLastRuneInString(s[:h.start])
		switch {
		case strings.HasPrefix(word, "生年") || word == "生まれ" || word == "生れ":
			if strings.ContainsRune("発更再派養新学衛厚畜共民寄余実誘併萌", before) {
				h.kind = kOther
			}
		case word == "税番号" || strings.HasPrefix(word, "共通番号"):
			if ideograph(before) || before >= 0x30A1 && before <= 0x30FC {
				h.kind = kOther
			}
		}
	}
	return hits
}

// outermost leaves out labels inside longer ones, which say something else:
// 保険者番号 in 被保険者番号. Words that only support others stay.
func outermost(hits []hit) []hit {
	kept := make([]hit, 0, len(hits))
	for i, h := range hits {
		if !h.kind.names() || h.kind.supports() || !inside(hits, i) {
			kept = append(kept, h)
		}
	}
	return kept
}

// inside says whether a longer label covers hit i. Hits are in order of their
// ends, longest first, and no label is longer than 100 bytes.
func inside(hits []hit, i int) bool {
	h := hits[i]
	for j := i - 1; j >= 0 && hits[j].end > h.start; j-- {
		// 会員カード before カードの番号: the word further left says which.
		if o := hits[j]; o.kind.names() && !o.kind.supports() && o.kind != h.kind && o.start < h.start {
			return true
		}
	}
	for j := i + 1; j < len(hits) && hits[j].end <= h.end+maxLabel; j++ {
		if o := hits[j]; o.kind.names() && o.kind != h.kind && o.start <= h.start && o.end > h.end {
			return true
		}
	}
	return false
}

// maxLabel is longer than any label in bytes.
const maxLabel = 100

// supports: a bank is named by the label 銀行口座番号, too.
func (k kind) supports() bool { return k == kBank || k == kBranch || k == kDeposit }

// wholeWord refuses Latin words inside longer ones: tel in hotel. Digits may
// follow a label directly (TEL03-...), letters may not.
func wholeWord(b []byte, start, end int) bool {
	if start > 0 && letter(b[start]) && (letter(b[start-1]) || latinBefore(b[:start])) {
		return false
	}
	return end >= len(b) || !letter(b[end-1]) || !letter(b[end]) && !latinAfter(b[end:])
}

func latinBefore(b []byte) bool {
	r, n := utf8.DecodeLastRune(b)
	return n == 2 && latin(r)
}

func latinAfter(b []byte) bool {
	r, n := utf8.DecodeRune(b)
	return n == 2 && latin(r)
}

func latin(r rune) bool { return r >= 0xC0 && r < 0x250 && r != 0xD7 && r != 0xF7 }

func letter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
func digit(c byte) bool  { return c >= '0' && c <= '9' }
func alnum(c byte) bool  { return letter(c) || digit(c) }
