package dlp

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/sekisho-mail/sekisho/submission/dlp/internal/carrier"
	"github.com/sekisho-mail/sekisho/submission/dlp/internal/detect"
)

// copied is how much of one registered document was found in a mail, all its
// texts together.
type copied struct {
	set, name string
	document  uint32
	of        int
	prints    map[uint64]bool
	place     Match // of the text that holds most of it
	most      int
}

// From how much on a document counts as found. A fingerprint stands for about
// twenty kanji that are the same; three are a paragraph.
const (
	mediumPrints = 3
	highPrints   = 30
	highShare    = 30 // percent
)

// copies notes the fingerprints found in one text.
func (c *collector) copies(t carrier.Text, found []detect.Copy) {
	type key struct {
		set      string
		document uint32
	}
	here := map[key]int{}
	span := map[key]*Match{}
	for _, f := range found {
		k := key{f.Set, f.Document}
		if c.s.off("document." + f.Set) {
			continue
		}
		d := c.copied[fmt.Sprintf("%s\x00%d", f.Set, f.Document)]
		if d == nil {
			d = &copied{set: f.Set, name: f.Name, document: f.Document, of: f.Of, prints: map[uint64]bool{}}
			c.copied[fmt.Sprintf("%s\x00%d", f.Set, f.Document)] = d
		}
		d.prints[f.Sum] = true
		here[k]++
		if m := span[k]; m == nil {
			span[k] = &Match{Where: Where(t.Where), Path: placeOf(t, detect.Hit{Start: f.Start}), Start: f.Start, End: f.End}
		} else if f.Start <= m.End+400 {
			m.End = max(m.End, f.End)
		}
		if here[k] > d.most {
			d.most, d.place = here[k], *span[k]
			if !t.First || len(t.Cells) > 0 && t.Where == carrier.Body {
				d.place.Start, d.place.End = 0, 0
			}
		}
	}
}

// findCopies turns what was found of the documents into findings.
func (c *collector) findCopies() {
	all := make([]*copied, 0, len(c.copied))
	for _, d := range c.copied {
		all = append(all, d)
	}
	slices.SortFunc(all, func(a, b *copied) int {
		return cmp.Or(cmp.Compare(a.set, b.set), len(b.prints)-len(a.prints), cmp.Compare(a.document, b.document))
	})
	for _, d := range all {
		v, _ := c.value("document."+d.set, fmt.Sprint(d.document))
		if v == nil {
			continue
		}
		v.level = d.level()
		v.shown = c.room("document."+d.set, v.level)
		v.match = d.place
		v.match.Excerpt = fmt.Sprintf("%s: %d %% (%d/%d)", d.name, d.share(), len(d.prints), d.of)
	}
}

func (d *copied) share() int { return min(100, len(d.prints)*100/max(1, d.of)) }

func (d *copied) level() Level {
	n := len(d.prints)
	switch {
	case n >= highPrints, n >= mediumPrints && d.share() >= highShare:
		return High
	case n >= mediumPrints, d.share() >= 50:
		return Medium
	}
	return Low
}
