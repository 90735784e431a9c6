package policy

import (
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// check is one compiled condition. Exactly one of mail and recipient is set.
type check struct {
	key       string
	mail      func(*Facts) bool
	recipient func(Recipient) bool
	// explain tells what a matching mail check saw; nil when it says nothing
	// worth reading.
	explain func(*Facts) []Reason
	// door says when the answer is known, see Refuses.
	door door
}

// door is when a condition can be asked: with the mail in hand, already at the
// door, or there only once the sender is known.
type door int

const (
	inside door = iota
	atDoor
	atDoorOf
)

// fired is a rule whose date and conditions on the whole mail hold for one
// mail; which recipients it acts on is still open. It is made once per mail, so
// that a thousand recipients do not count a thousand recipients each.
type fired struct {
	*Rule
	reasons []Reason
}

// fire finds the rules that this mail is about.
func (p *Policy) fire(f *Facts) []fired {
	var out []fired
	for i := range p.Rules {
		r := &p.Rules[i]
		if r.active(f.Now) && r.speaksOf(f) {
			out = append(out, fired{r, r.reasons(f)})
		}
	}
	return out
}

// speaksOf: every condition of `when` on the mail, and no exception.
func (r *Rule) speaksOf(f *Facts) bool {
	for _, c := range r.when {
		if c.mail != nil && !c.mail(f) {
			return false
		}
	}
	for _, c := range r.unless {
		if c.mail != nil && c.mail(f) {
			return false
		}
	}
	return true
}

// actsOn: every condition of `when` on the recipient, and no exception.
func (r *Rule) actsOn(to Recipient) bool {
	for _, c := range r.when {
		if c.recipient != nil && !c.recipient(to) {
			return false
		}
	}
	for _, c := range r.unless {
		if c.recipient != nil && c.recipient(to) {
			return false
		}
	}
	return true
}

// active reports whether the date lies within the rule's.
func (r *Rule) active(now time.Time) bool {
	today := dateOf(now)
	return (r.From.IsZero() || !r.From.after(today)) && (r.Until.IsZero() || !today.after(r.Until))
}

// everyone is the union of envelope and header that counts refer to, because a
// gateway may have split the mail.
func (f *Facts) everyone() []Recipient {
	return slices.Concat(f.Recipients, f.HeaderOnly)
}

func (f *Facts) count(is func(Recipient) bool) int {
	seen := map[string]bool{}
	for _, r := range f.everyone() {
		if is(r) {
			seen[strings.ToLower(r.Address)] = true
		}
	}
	return len(seen)
}

func (f *Facts) externalDomains() int {
	domains := map[string]bool{}
	for _, r := range f.everyone() {
		if r.External {
			domains[r.Domain()] = true
		}
	}
	return len(domains)
}

func anyone(Recipient) bool           { return true }
func inBcc(r Recipient) bool          { return r.Bcc }
func outsideToCc(r Recipient) bool    { return r.External && !r.Bcc }
func (s Sender) is(t Targets) bool    { return t.Has(s.Address) || slices.ContainsFunc(s.Aliases, t.Has) }
func (s Sender) in(group string) bool { return slices.Contains(s.Groups, group) }
func (t ContentTest) names(d string) bool {
	if prefix, wild := strings.CutSuffix(t.Detector, "*"); wild {
		return strings.HasPrefix(d, prefix)
	}
	return t.Detector == d
}

// found counts the values that the test speaks of and gives the findings they
// lie in. A value stands at one level only, so the levels add up.
func (t ContentTest) found(f *Facts) (int, []Finding) {
	total := 0
	var in []Finding
	for _, x := range f.Findings {
		if x.Count > 0 && t.names(x.Detector) && x.Level.AtLeast(t.Level) {
			total += x.Count
			in = append(in, x)
		}
	}
	return total, in
}

func (t ContentTest) matches(f *Facts) bool {
	total, _ := t.found(f)
	return total >= t.Count
}

func (t *AttachmentTest) matches(f *Facts) bool {
	return slices.ContainsFunc(f.Attachments, t.fits)
}

func (t *AttachmentTest) fits(a Attachment) bool {
	return (len(t.Types) == 0 || slices.ContainsFunc(t.Types, a.isType)) &&
		(len(t.Names) == 0 || slices.ContainsFunc(t.Names, a.isNamed)) &&
		(t.Over == nil || a.Size > int64(*t.Over))
}

func (a Attachment) isType(pattern string) bool {
	if strings.Contains(pattern, "/") {
		return glob(strings.ToLower(pattern), strings.ToLower(a.Type))
	}
	return strings.HasSuffix(fold(a.Name), "."+strings.TrimPrefix(fold(pattern), "."))
}

func (a Attachment) isNamed(pattern string) bool { return glob(fold(pattern), fold(a.Name)) }

// fold makes texts comparable: width, case, and no invisible characters.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, strings.ToLower(norm.NFKC.String(s)))
}

// glob matches * and ? over the whole of s, in linear steps per star.
func glob(pattern, s string) bool {
	p, t := []rune(pattern), []rune(s)
	i, j, star, mark := 0, 0, -1, 0
	for j < len(t) {
		switch {
		case i < len(p) && p[i] == '*':
			star, mark, i = i, j, i+1
		case i < len(p) && (p[i] == '?' || p[i] == t[j]):
			i, j = i+1, j+1
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '*' {
		i++
	}
	return i == len(p)
}

func (t *TimeTest) matches(f *Facts) bool {
	if t.Business != nil && *t.Business != f.Business {
		return false
	}
	if len(t.Days) > 0 && !slices.Contains(t.Days, Weekday(f.Now.Weekday())) {
		return false
	}
	return t.Hours == nil || t.Hours.has(f.Now)
}
