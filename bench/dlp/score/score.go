// Package score compares what a system found with the labels of a document.
package score

import (
	"fmt"
	"maps"
	"slices"

	"github.com/sekisho-mail/sekisho/bench/dlp/corpus"
	"github.com/sekisho-mail/sekisho/bench/dlp/system"
	"github.com/sekisho-mail/sekisho/submission/dlp"
)

// Count is a cell of a confusion table; there are no true negatives in text.
type Count struct {
	Hit   int `json:"hit"`
	Miss  int `json:"miss"`
	Alarm int `json:"alarm"` // false ones
}

// Precision is 1 where nothing was found.
func (c Count) Precision() float64 { return share(c.Hit, c.Hit+c.Alarm) }

// Recall is 1 where nothing was to be found.
func (c Count) Recall() float64 { return share(c.Hit, c.Hit+c.Miss) }

// F1 is their harmonic mean.
func (c Count) F1() float64 {
	p, r := c.Precision(), c.Recall()
	if p+r == 0 {
		return 0
	}
	return 2 * p * r / (p + r)
}

// F2 weighs recall more, as presidio publishes it.
func (c Count) F2() float64 {
	p, r := c.Precision(), c.Recall()
	if p+r == 0 {
		return 0
	}
	return 5 * p * r / (4*p + r)
}

func (c *Count) add(o Count) {
	c.Hit, c.Miss, c.Alarm = c.Hit+o.Hit, c.Miss+o.Miss, c.Alarm+o.Alarm
}

func share(a, b int) float64 {
	if b == 0 {
		return 1
	}
	return float64(a) / float64(b)
}

// Key is a row of a breakdown.
type Key struct {
	Detector string
	Of       string // family, surface form or carrier
}

// Wrong is one mistake, for whoever mends the detectors.
type Wrong struct {
	Document *corpus.Document
	Detector string
	Missed   bool // else a false alarm
	Text     string
}

// Result is one system over many documents, at one level.
type Result struct {
	System    string
	Level     dlp.Level
	Detectors map[string]*Count
	Families  map[Key]*Count
	Forms     map[Key]*Count
	Clean     int // clean mails
	Alarmed   int // of them, with a false alarm
	Alarms    map[string]int
	Wrong     []Wrong
}

// New makes an empty result.
func New(system string, level dlp.Level) *Result {
	return &Result{System: system, Level: level, Detectors: map[string]*Count{}, Families: map[Key]*Count{}, Forms: map[Key]*Count{}, Alarms: map[string]int{}}
}

func at[K comparable](m map[K]*Count, k K) *Count {
	c := m[k]
	if c == nil {
		c = &Count{}
		m[k] = c
	}
	return c
}

// Add compares one document. A label is hit when something its detector found
// at the level or surer overlaps one of its spans; what overlaps no label of
// its detector is a false alarm.
func (r *Result) Add(d *corpus.Document, found []system.Found, covers func(string) bool) {
	used := make([]bool, len(found))
	for _, l := range d.Labels {
		if !covers(l.Detector) {
			continue
		}
		hit := false
		for i, f := range found {
			if f.Detector == l.Detector && overlaps(l, f) && !(l.Bare && f.Level > l.Level && r.Level > l.Level) {
				used[i] = true
				hit = hit || f.Level >= r.Level
			}
		}
		if !l.Optional && l.Level >= r.Level {
			r.label(d, l, hit)
		}
	}
	alarmed := map[string]bool{}
	for i, f := range found {
		if !used[i] && f.Level >= r.Level && personal(f.Detector) {
			r.Wrong = append(r.Wrong, Wrong{d, f.Detector, false, place(d, f)})
			at(r.Detectors, f.Detector).Alarm++
			at(r.Families, Key{f.Detector, d.Family}).Alarm++
			alarmed[f.Detector] = true
		}
	}
	if d.Ordinary() {
		r.Clean++
		if len(alarmed) > 0 {
			r.Alarmed++
		}
		for id := range alarmed {
			r.Alarms[id]++
		}
	}
}

func (r *Result) label(d *corpus.Document, l corpus.Label, hit bool) {
	c := Count{Miss: 1}
	if hit {
		c = Count{Hit: 1}
	} else {
		r.Wrong = append(r.Wrong, Wrong{d, l.Detector, true, d.Text[l.Spans[0].Start:l.Spans[0].End]})
	}
	at(r.Detectors, l.Detector).add(c)
	at(r.Families, Key{l.Detector, d.Family}).add(c)
	at(r.Forms, Key{l.Detector, l.Form}).add(c)
}

func overlaps(l corpus.Label, f system.Found) bool {
	for _, s := range l.Spans {
		if f.Start < s.End && s.Start < f.End {
			return true
		}
	}
	return false
}

func place(d *corpus.Document, f system.Found) string {
	if f.Start < 0 || f.End > len(d.Text) || f.Start > f.End {
		return "(outside the body)"
	}
	return d.Text[f.Start:f.End]
}

// personal leaves out what is said about the form of a mail.
func personal(detector string) bool {
	switch detector {
	case dlp.DetectorEncrypted, dlp.DetectorExecutable, dlp.DetectorMacro, dlp.DetectorMismatched, dlp.DetectorAmbiguous,
		dlp.DetectorUninspectable, dlp.DetectorHidden, dlp.DetectorTNEF, dlp.DetectorMalware:
		return false
	}
	return true
}

// Japanese says whether an id is among those that the targets speak of.
func Japanese(detector string) bool {
	return len(detector) > 3 && detector[:3] == "jp." || detector == "date_of_birth" || detector == "payment_card"
}

// Sum adds the detectors that which selects.
func (r *Result) Sum(which func(string) bool) Count {
	var all Count
	for id, c := range r.Detectors {
		if which(id) {
			all.add(*c)
		}
	}
	return all
}

// IDs of the detectors, sorted.
func (r *Result) IDs() []string { return slices.Sorted(maps.Keys(r.Detectors)) }

// Per1000 is n of the clean mails, per thousand.
func (r *Result) Per1000(n int) float64 {
	if r.Clean == 0 {
		return 0
	}
	return 1000 * float64(n) / float64(r.Clean)
}

// Short is one line about a count.
func (c Count) Short() string {
	return fmt.Sprintf("P %.3f R %.3f F1 %.3f (%d hit, %d missed, %d false)", c.Precision(), c.Recall(), c.F1(), c.Hit, c.Miss, c.Alarm)
}

// AddCounts compares how many distinct values were found, for carriers in
// which places cannot be compared with the text. extra optional contacts were
// added by the carrier itself; in a quotation contacts are optional.
func (r *Result) AddCounts(d *corpus.Document, counts map[string]int, extra int, quoted bool) {
	wanted, allowed := map[string]int{}, map[string]int{}
	for _, l := range d.Labels {
		if !l.Optional && l.Level >= r.Level && !(quoted && corpus.Contact(l.Detector)) {
			wanted[l.Detector]++
		} else if !l.Bare || l.Level >= r.Level {
			allowed[l.Detector]++
		}
		counts[l.Detector] += 0
	}
	for id, n := range counts {
		if !personal(id) {
			continue
		}
		hit := min(n, wanted[id])
		c := Count{Hit: hit, Miss: wanted[id] - hit}
		if over := n - wanted[id] - allowed[id]; over > 0 && (extra == 0 || over > extra || !corpus.Contact(id)) {
			c.Alarm = over
		}
		if c != (Count{}) {
			at(r.Detectors, id).add(c)
		}
	}
}
