package policy

import (
	"slices"
	"strings"
	"time"
)

// Defaults for what a rule leaves out.
const (
	// LinkLife is how long a link lives.
	LinkLife = 14 * 24 * time.Hour
	// HoldDays is how many business days a hold waits.
	HoldDays = 3
)

// Evaluate runs all rules over the facts and gives every recipient the
// strictest result.
func (p *Policy) Evaluate(f Facts) Verdict {
	var v Verdict
	rules := p.fire(&f)
	for _, to := range f.Recipients {
		r := judge(rules, &f, to)
		v.Recipients = append(v.Recipients, r)
		for _, t := range r.Told {
			v.Notify = append(v.Notify, t.Who...)
		}
	}
	slices.Sort(v.Notify)
	v.Notify = slices.Compact(v.Notify)
	if f.Observe {
		v.observe()
	}
	return v
}

// judge runs the rules for one recipient.
func judge(rules []fired, f *Facts, to Recipient) RecipientVerdict {
	var s sum
	var watched []Hit
	var told []Told
	for _, r := range rules {
		if !r.actsOn(to) {
			continue
		}
		o := r.outcome(f, to)
		if o.inert() {
			continue
		}
		if r.Mode == Enforce {
			s.add(o)
		} else {
			watched = append(watched, Hit{Rule: r.Name, Mode: r.Mode, Action: o.action})
		}
		if who := r.tells(); len(who) > 0 {
			told = append(told, Told{Rule: r.Name, Mode: r.Mode, Who: who, Reasons: r.reasons})
		}
	}
	v := s.verdict(f, to)
	slices.SortFunc(watched, func(a, b Hit) int { return strings.Compare(a.Rule, b.Rule) })
	slices.SortFunc(told, func(a, b Told) int { return strings.Compare(a.Rule, b.Rule) })
	v.Watched, v.Told = watched, told
	return v
}

// tells names who is told that the rule matched. A rule in mode notify that
// names nobody tells the sender: that is the point of the mode.
func (r *Rule) tells() []string {
	if r.Mode == Notify && len(r.Then.Notify) == 0 {
		return []string{"sender"}
	}
	if r.Mode == Audit {
		return nil
	}
	return r.Then.Notify
}

// observe replaces every verdict by a plain send and keeps it beside.
func (v *Verdict) observe() {
	v.Observed = true
	v.Notify = nil // nobody hears of a mail that is only watched
	for i, r := range v.Recipients {
		v.Recipients[i] = RecipientVerdict{Address: r.Address, Action: Send, Watched: r.Watched, Observed: &r}
	}
}

// Uninspected is the verdict for a mail whose inspection failed as a whole:
// every recipient is held for the administrators (also where the policy is
// only observed by others; the caller decides that with facts.Observe).
func Uninspected(f Facts, why Reason) Verdict {
	var v Verdict
	for _, to := range f.Recipients {
		s := sum{}
		s.add(outcome{rule: why.Rule, action: Hold, stages: ask("admin"), expire: Period{BusinessDays: HoldDays}, reasons: []Reason{why}})
		v.Recipients = append(v.Recipients, s.verdict(&f, to))
	}
	if f.Observe {
		v.observe()
	}
	return v
}

func ask(who ...string) []Stage { return []Stage{{Approvers: who, Quorum: 1}} }

// Observes reports whether this sender's mail is only observed: with observe
// everybody's, and with pilots named that of everybody else. A pilot is an
// address (the person's or an alias) or the name of a group.
func Observes(observe bool, pilots []string, s Sender) bool {
	if observe {
		return true
	}
	if len(pilots) == 0 {
		return false
	}
	var addresses Targets
	for _, p := range pilots {
		if s.in(p) {
			return false
		}
		if strings.Contains(p, "@") {
			addresses.add(p)
		}
	}
	return !s.is(addresses)
}
