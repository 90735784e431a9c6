package policy

import (
	"slices"
	"strings"
)

// Refuses says whether an enforced rule refuses mail from f.Sender to the
// recipient whatever the mail says, so that it can be refused at the door. Of
// the facts only Sender, Source, Now, Business and Observe are read. A sender
// without address is not known yet: then only rules speak that refuse
// everybody.
//
// A rule with a condition or an exception that needs the mail itself does not
// speak here; it does when the mail is inspected. Of several rules the first
// by name gives the reason, always in words that also stand in ASCII.
func (p *Policy) Refuses(f Facts, to Recipient) (why Reason, refused bool) {
	if f.Observe {
		return Reason{}, false
	}
	f.Recipients, f.HeaderOnly = []Recipient{to}, nil
	var first *Rule
	for i := range p.Rules {
		r := &p.Rules[i]
		if r.refusesAtDoor(&f, to) && (first == nil || r.Name < first.Name) {
			first = r
		}
	}
	if first == nil {
		return Reason{}, false
	}
	why = first.reasons(&f)[0]
	if !ascii(why.EN) {
		// A reply of SMTP is ASCII, and one sentence given for both languages is Japanese most often.
		why.EN = first.plain().EN
	}
	return why, true
}

func (r *Rule) refusesAtDoor(f *Facts, to Recipient) bool {
	unknown := func(c check) bool { return c.door == inside || c.door == atDoorOf && f.Sender.Address == "" }
	return r.Then.Refuse && r.Mode == Enforce && !slices.ContainsFunc(r.when, unknown) && !slices.ContainsFunc(r.unless, unknown) &&
		r.active(f.Now) && r.speaksOf(f) && r.actsOn(to)
}

func ascii(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return c > 0x7e || c < 0x20 })
}
