package dlp

import (
	"cmp"
	"crypto/sha256"
	"slices"
	"sort"

	"github.com/sekisho-mail/sekisho/submission/dlp/internal/carrier"
	"github.com/sekisho-mail/sekisho/submission/dlp/internal/detect"
)

// collector turns what a walk finds into a report. A value counts once, at its
// highest level, wherever it stands.
type collector struct {
	s         *Scanner
	detectors map[string]*tally
	failed    []Uninspectable
	seen      []Carrier
	failures  map[Uninspectable]bool
	copied    map[string]*copied // by set and document
}

// tally holds the values of one detector. Values are kept as digests: a report
// must not become a second copy of the data.
type tally struct {
	values map[[16]byte]*value
	order  []*value
	over   [High + 1]int // values beyond the limit
}

type value struct {
	level  Level
	weight int
	match  Match
	shown  bool // match is kept
	rank   int
}

func newCollector(s *Scanner) *collector {
	return &collector{s: s, detectors: map[string]*tally{}, failures: map[Uninspectable]bool{}, copied: map[string]*copied{}}
}

// Text searches one text.
func (c *collector) Text(t carrier.Text) {
	page := c.s.set.Find(t.Text)
	for _, h := range page.Hits {
		c.hit(t, page, h)
	}
	c.copies(t, page.Copies)
}

func (c *collector) hit(t carrier.Text, page *detect.Page, h detect.Hit) {
	v, fresh := c.value(h.Detector, h.Value)
	if v == nil {
		c.detectors[h.Detector].over[Level(h.Level)]++
		return
	}
	if !fresh && v.level >= Level(h.Level) {
		return
	}
	v.level = Level(h.Level)
	v.weight = max(v.weight, h.Weight)
	if !v.shown && !c.room(h.Detector, v.level) {
		return
	}
	v.shown = true
	v.match = Match{Where: Where(t.Where), Path: placeOf(t, h), Excerpt: page.Excerpt(h), Start: h.Start, End: h.End}
	if !t.First || len(t.Cells) > 0 && t.Where == carrier.Body {
		v.match.Start, v.match.End = 0, 0 // offsets in a reading nobody is shown
	}
}

// room says whether another match may be shown at that level.
func (c *collector) room(detector string, level Level) bool {
	n := 0
	t := c.detectors[detector]
	if len(t.order) <= c.s.options.Limits.Matches {
		return true
	}
	for _, v := range t.order {
		if v.shown && v.level == level {
			if n++; n >= c.s.options.Limits.Matches {
				return false
			}
		}
	}
	return true
}

// value finds or makes the entry of a value; nil beyond the limit.
func (c *collector) value(detector, text string) (v *value, fresh bool) {
	t := c.detectors[detector]
	if t == nil {
		t = &tally{values: map[[16]byte]*value{}}
		c.detectors[detector] = t
	}
	key := [16]byte(sumOf(text))
	if v := t.values[key]; v != nil {
		return v, false
	}
	if len(t.order) >= c.s.options.Limits.Values {
		return nil, false
	}
	v = &value{rank: len(t.order)}
	t.values[key] = v
	t.order = append(t.order, v)
	return v, true
}

func sumOf(s string) []byte {
	sum := sha256.Sum256([]byte(s))
	return sum[:16]
}

// placeOf names the place of a hit: the cell where there is one.
func placeOf(t carrier.Text, h detect.Hit) string {
	if !t.Grid || len(t.Cells) == 0 {
		return t.Path
	}
	i := sort.Search(len(t.Cells), func(i int) bool { return t.Cells[i].End > h.Start })
	if i == len(t.Cells) {
		return t.Path
	}
	cell := carrier.CellName(t.Cells[i].Row, t.Cells[i].Col)
	if t.Sheet == "" {
		return t.Path + "#" + cell
	}
	return t.Path + "#" + t.Sheet + "!" + cell
}

// Form notes a fact about a file. Each path counts once.
func (c *collector) Form(f carrier.Form, where carrier.Where, path, detail string) {
	c.form(string(f), Where(where), path, detail)
}

func (c *collector) form(detector string, where Where, path, detail string) {
	if c.s.off(detector) {
		return
	}
	v, fresh := c.value(detector, path+"\x00"+detail)
	if v == nil || !fresh {
		return
	}
	v.level = High
	v.shown = c.room(detector, High)
	v.match = Match{Where: where, Path: path, Excerpt: detail}
}

func (s *Scanner) off(detector string) bool { return slices.Contains(s.options.Disabled, detector) }

// Label notes a sensitivity label: by its id, and by its name where that is
// known, so that a rule may use either.
func (c *collector) Label(where carrier.Where, path string, l carrier.Label) {
	c.form(LabelPrefix+l.ID, Where(where), path, l.Name)
	if l.Name != "" && l.Name != l.ID {
		c.form(LabelPrefix+l.Name, Where(where), path, l.Name)
	}
}

// Failed notes what could not be read.
func (c *collector) Failed(path string, r carrier.Reason) {
	u := Uninspectable{Path: path, Reason: Reason(r)}
	if c.failures[u] {
		return
	}
	c.failures[u] = true
	c.failed = append(c.failed, u)
	if u.Reason != Encrypted {
		c.form(DetectorUninspectable, InAttachment, path, string(r))
	}
}

// Seen notes a carrier.
func (c *collector) Seen(path, kind string, size int64) {
	c.seen = append(c.seen, Carrier{Path: path, Type: kind, Size: size})
}

// Skipped notes why a carrier was seen and not read.
func (c *collector) Skipped(path, why string) {
	for i := len(c.seen) - 1; i >= 0; i-- {
		if c.seen[i].Path == path {
			c.seen[i].Skipped = why
			return
		}
	}
}

// report brings everything into a fixed order: by detector, surest first.
func (c *collector) report() *Report {
	r := &Report{Findings: []Finding{}, Uninspectable: []Uninspectable{}, Carriers: c.seen}
	r.Uninspectable = append(r.Uninspectable, c.failed...)
	c.findCopies()
	for id, t := range c.detectors {
		for level := High; level >= Low; level-- {
			f := Finding{Detector: id, Level: level, Count: t.over[level], Matches: []Match{}}
			for _, v := range t.order {
				if v.level != level {
					continue
				}
				f.Count += max(1, v.weight)
				if v.shown && len(f.Matches) < c.s.options.Limits.Matches {
					f.Matches = append(f.Matches, v.match)
				}
			}
			if f.Count > 0 {
				r.Findings = append(r.Findings, f)
			}
		}
	}
	slices.SortFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(int(b.Level)-int(a.Level), cmp.Compare(a.Detector, b.Detector))
	})
	return r
}
