package policy

import (
	"cmp"
	"slices"
)

// FileChoice is a choice among the files of a mail: one of Types and one of Names, where those are given, and
// larger than Over bytes. Types and Names are written as in conditions.
type FileChoice struct {
	Types []string `json:"types,omitempty"`
	Names []string `json:"names,omitempty"`
	Over  int64    `json:"over,omitempty"`
}

// wide: it asks for no type and no name.
func (c FileChoice) wide() bool { return len(c.Types)+len(c.Names) == 0 }

func (c FileChoice) has(a Attachment) bool {
	t := AttachmentTest{Types: c.Types, Names: c.Names}
	return (a.Size > c.Over || c.Over == 0) && t.fits(a)
}

// Wants says whether the link is meant for a file of that name, type and size.
func (l *Link) Wants(a Attachment) bool {
	return slices.ContainsFunc(l.choices(), func(c FileChoice) bool { return c.has(a) })
}

func (l *Link) choices() []FileChoice {
	if len(l.Only) > 0 {
		return l.Only
	}
	return []FileChoice{{Over: l.Over}}
}

// choose sets what the link is meant for: whatever any of the choices has, in one form whatever their order.
func (l *Link) choose(of []FileChoice) {
	l.Over, l.Only = 0, nil
	var narrow []FileChoice
	wide := FileChoice{Over: -1}
	for _, c := range of {
		switch {
		case !c.wide():
			narrow = append(narrow, c)
		case wide.Over < 0 || c.Over < wide.Over:
			wide.Over = c.Over
		}
	}
	// Every narrow choice may have something below the limit of the wide one; below no limit there is nothing.
	if len(narrow) == 0 || wide.Over == 0 {
		l.Over = max(wide.Over, 0)
		return
	}
	if wide.Over > 0 {
		narrow = append(narrow, wide)
	}
	order := func(a, b FileChoice) int {
		return cmp.Or(slices.Compare(a.Types, b.Types), slices.Compare(a.Names, b.Names), cmp.Compare(a.Over, b.Over))
	}
	slices.SortFunc(narrow, order)
	l.Only = slices.CompactFunc(narrow, func(a, b FileChoice) bool { return order(a, b) == 0 })
}
