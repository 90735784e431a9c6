package policy

import (
	_ "embed"
	"slices"
	"sync"
)

//go:embed factory.yaml
var factorySource string

// Factory is the policy of a company that wrote none, in the file format.
func Factory() []byte { return []byte(factorySource) }

// guarded are the detectors that mean "nobody knows what is in it". A policy
// that does not speak of one gets the factory's rule for it: leaving a rule out
// must not be the way mail goes out uninspected.
func guarded() []string {
	return []string{"encrypted", "uninspectable", "ambiguous_mime", "malware"}
}

// safeguards are the factory's rules about guarded detectors, read once.
var safeguards = sync.OnceValue(func() []Rule {
	factory, problems := parse([]byte(factorySource), nil)
	if len(problems) > 0 {
		panic("factory policy: " + problems[0].String()) // it is part of the program
	}
	var rules []Rule
	for _, r := range factory.Rules {
		if slices.ContainsFunc(guarded(), r.asksAbout) {
			r.Safeguard, r.Line = true, 0
			rules = append(rules, r)
		}
	}
	return rules
})

// asksAbout: the rule names the detector itself; a wildcard that happens to
// cover it says nothing about what the company wants.
func (r *Rule) asksAbout(detector string) bool {
	return r.When != nil && slices.ContainsFunc(r.When.Content, func(t ContentTest) bool { return t.Detector == detector })
}

// addSafeguards completes the policy. A rule of the company that has the
// safeguard's name takes its place too.
func (p *Policy) addSafeguards(rules []Rule) {
	for _, detector := range guarded() {
		if slices.ContainsFunc(p.Rules, func(r Rule) bool { return r.asksAbout(detector) }) {
			continue
		}
		for _, r := range rules {
			if r.asksAbout(detector) && !slices.ContainsFunc(p.Rules, func(o Rule) bool { return o.Name == r.Name }) {
				p.Rules = append(p.Rules, r)
			}
		}
	}
}
