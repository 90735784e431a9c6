package web

import (
	"slices"
	"strings"

	"github.com/sekisho-mail/sekisho/approval"
)

// causeView is one reason with the places it speaks of.
type causeView struct {
	Text    string
	Matches []matchView // at most shownMatches
	Shown   int         // how many of them are in sight
	More    int         // further places, not named
}

// InSight are the places shown at once, Folded those shown when somebody asks.
func (c causeView) InSight() []matchView { return c.Matches[:c.Shown] }

// Folded says whether there are places that are not in sight.
func (c causeView) Folded() bool { return c.Shown < len(c.Matches) }

// fold leaves so many places in sight that the reasons, the recipients and the
// buttons still fit a telephone: the more reasons, the fewer places.
func fold(all []causeView) {
	for i := range all {
		keep := shownMatches
		switch {
		case len(all) == 2:
			keep = 1
		case len(all) > 2 && i == 0:
			keep = 1
		case len(all) > 2:
			keep = 0
		}
		all[i].Shown = min(keep, len(all[i].Matches))
	}
}

// causes puts the places under the reasons that speak of them. What no reason
// speaks of is rest: it did not hold the mail. A rule with words of its own does
// not say what it saw; then what is risky stands beside it.
func causes(reasons []approval.Reason, found []findingView, lang string) (out []causeView, risk, rest []findingView) {
	used := make([]bool, len(found))
	silent := len(reasons) == 0
	for _, r := range reasons {
		c := causeView{Text: r.In(lang)}
		detector, content := strings.CutPrefix(r.Code, "content:")
		silent = silent || r.Code == "rule"
		if content {
			c.take(detector, found, used)
		}
		if !slices.ContainsFunc(out, func(o causeView) bool { return o.Text == c.Text }) {
			out = append(out, c)
		}
	}
	for i, f := range found {
		switch {
		case used[i]:
		case silent && f.Risky:
			risk = append(risk, f)
		default:
			rest = append(rest, f)
		}
	}
	fold(out)
	return out, risk, rest
}

// take gathers the places of a detector, the surest first. What rules do not
// count as a rule is left to the others, unless there is nothing else.
func (c *causeView) take(detector string, found []findingView, used []bool) {
	sure := slices.ContainsFunc(found, func(f findingView) bool { return f.Detector == detector && f.Risky })
	for i, f := range found {
		if f.Detector != detector || used[i] || sure && !f.Risky {
			continue
		}
		used[i] = true
		room := max(0, shownMatches-len(c.Matches))
		shown := f.Matches[:min(room, len(f.Matches))]
		c.Matches = append(c.Matches, shown...)
		c.More += f.More + len(f.Matches) - len(shown)
	}
}
