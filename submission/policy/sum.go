package policy

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// sum gathers the outcomes of all rules for one recipient.
type sum struct {
	outcomes []outcome
	action   Action
	delay    time.Duration
	link     *Link
}

func (s *sum) add(o outcome) {
	s.outcomes = append(s.outcomes, o)
	if s.action == "" || o.action.StricterThan(s.action) {
		s.action = o.action
	}
	s.delay = max(s.delay, o.delay)
	s.link = strictestLink(s.link, o.link)
}

// strictestLink: more files, a code rather than none, a shorter life.
func strictestLink(a, b *Link) *Link {
	if a == nil || b == nil {
		return cmp.Or(a, b)
	}
	rank := map[Access]int{Open: 0, Auto: 1, Code: 2, Password: 3, Account: 4}
	l := Link{Expire: min(a.Expire, b.Expire), Access: a.Access, AsIs: a.AsIs && b.AsIs,
		UnlessTLS: a.UnlessTLS && b.UnlessTLS, Paperclip: a.Paperclip || b.Paperclip,
		Preview: a.Preview || b.Preview, ViewOnly: a.ViewOnly || b.ViewOnly}
	l.choose(slices.Concat(a.choices(), b.choices()))
	if rank[b.Access] > rank[a.Access] {
		l.Access = b.Access
	}
	return &l
}

// verdict states the strictest result and who asked for it.
func (s *sum) verdict(f *Facts, to Recipient) RecipientVerdict {
	v := RecipientVerdict{Address: to.Address, Action: cmp.Or(s.action, Send)}
	var stages, fallback [][]Stage
	for _, o := range s.sorted() {
		if o.action != v.Action || o.action == Delay && o.delay < s.delay {
			v.OtherRules = append(v.OtherRules, o.rule)
			continue
		}
		v.Rules = append(v.Rules, o.rule)
		v.Reasons = append(v.Reasons, o.reasons...)
		stages, fallback = append(stages, o.stages), append(fallback, o.fallback)
		v.Expire = shorter(v.Expire, o.expire)
	}
	if v.Action == Refuse {
		return v // nothing of it will ever leave
	}
	v.Delay = s.delay
	if v.Stages = mergeStages(stages); len(v.Stages) == 0 {
		v.Stages = mergeStages(fallback)
	}
	v.Approvers = approvers(v.Stages)
	if s.link != nil {
		v.Transforms = []string{TransformLink}
		v.Link = s.resolve(f, v.Action)
	}
	return v
}

// resolve settles what Auto means for this mail.
func (s *sum) resolve(f *Facts, action Action) *Link {
	l := *s.link
	if l.Access == Auto {
		l.Access = Open
		if action == Hold || slices.ContainsFunc(f.Findings, sensitive) {
			l.Access = Code
		}
	}
	return &l
}

// sorted makes the verdict the same whatever the order of the rules.
func (s *sum) sorted() []outcome {
	return slices.SortedStableFunc(slices.Values(s.outcomes), func(a, b outcome) int {
		return strings.Compare(a.rule, b.rule)
	})
}

func shorter(a, b Period) Period {
	if a.IsZero() || !b.IsZero() && b.rough() < a.rough() {
		return b
	}
	return a
}

// mergeStages puts the stages of several rules into one order in which every
// rule gets what it asked for: the same people are asked once, and a stage
// that a narrower one already answers is left out.
func mergeStages(of [][]Stage) []Stage {
	type placed struct {
		Stage
		at int // the latest place any rule gives it
	}
	var all []placed
	for _, stages := range of {
		for at, s := range stages {
			i := slices.IndexFunc(all, func(p placed) bool { return slices.Equal(p.Approvers, s.Approvers) })
			if i < 0 {
				all = append(all, placed{s, at})
				continue
			}
			all[i].at = max(all[i].at, at)
			all[i].Quorum = max(all[i].Quorum, s.Quorum)
		}
	}
	var kept []placed
	for i, p := range all {
		if !slices.ContainsFunc(all, func(q placed) bool { return !slices.Equal(all[i].Approvers, q.Approvers) && q.answers(p.Stage) }) {
			kept = append(kept, p)
		}
	}
	slices.SortFunc(kept, func(a, b placed) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.seat(), b.seat()),
			slices.Compare(a.Approvers, b.Approvers))
	})
	var stages []Stage
	for _, p := range kept {
		stages = append(stages, p.Stage)
	}
	return stages
}

// answers: whoever passes q has passed s too.
func (q Stage) answers(s Stage) bool {
	if q.asksSender() || q.Quorum < s.Quorum {
		return false
	}
	return !slices.ContainsFunc(q.Approvers, func(a string) bool { return !slices.Contains(s.Approvers, a) })
}

func (q Stage) asksSender() bool { return slices.Contains(q.Approvers, "sender") }

// seat orders stages of the same place: the sender, then the manager, then
// others, then the administrators.
func (q Stage) seat() int {
	switch {
	case q.asksSender():
		return 0
	case slices.Contains(q.Approvers, "manager"):
		return 1
	case slices.Contains(q.Approvers, "admin"):
		return 3
	default:
		return 2
	}
}

func approvers(stages []Stage) []string {
	var who []string
	for _, s := range stages {
		for _, a := range s.Approvers {
			if !slices.Contains(who, a) {
				who = append(who, a)
			}
		}
	}
	return who
}
