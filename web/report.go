package web

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/submission/policy"
	"github.com/sekisho-mail/sekisho/web/words"
)

// reportPage says what the rules did, or would have done where they only
// observe, in the last days.
type reportPage struct {
	Days     int
	Choices  []int
	Mails    int
	Capped   bool
	Observed int // mails that left untouched because the product, or their sender, is only observed
	Actions  []actionCount
	Links    int
	Rules    []ruleCount
	Askers   []askCount
	Since    time.Time
}

// actionCount is how many mails had this action as their strictest.
type actionCount struct {
	Action     string
	Did, Would int
	Share      int // per cent of all mails, both together
}

// ruleCount is how often a rule acted or would have.
type ruleCount struct {
	Name       string
	Did, Would int
	Reason     string // one example of what it said
}

// askCount is how many questions a day somebody gets or would get.
type askCount struct {
	Who        string
	Did, Would int
	PerDay     string
}

// maxReported bounds the mails one report reads.
const maxReported = 5000

// report counts over the mails of the last days.
func (st *staff) report(ctx context.Context, r *Request) (Response, error) {
	body := reportPage{Choices: []int{1, 7, 30}, Days: 7}
	if d, err := strconv.Atoi(r.Query("days")); err == nil && slices.Contains(body.Choices, d) {
		body.Days = d
	}
	body.Since = r.Now.AddDate(0, 0, -body.Days)
	t := newTally(r.Lang)
	f := holdqueue.Filter{Limit: 200}
	for {
		found, next, err := st.Queue.List(ctx, f)
		if err != nil {
			return nil, err
		}
		for _, m := range found {
			if m.AcceptedAt.Before(body.Since) {
				next = holdqueue.Cursor{}
				break
			}
			if err := t.add(st, m); err != nil {
				return nil, err
			}
		}
		if next.At.IsZero() {
			break
		}
		if t.mails >= maxReported {
			body.Capped = true
			break
		}
		f.Before = next
	}
	t.fill(&body)
	return st.show(ctx, r, "report", "/report", body)
}

// tally counts while a report reads.
type tally struct {
	lang     words.Lang
	mails    int
	observed int
	links    int
	actions  map[policy.Action]*actionCount
	rules    map[string]*ruleCount
	asked    map[string]*askCount
}

func newTally(lang words.Lang) *tally {
	return &tally{lang: lang, actions: map[policy.Action]*actionCount{}, rules: map[string]*ruleCount{}, asked: map[string]*askCount{}}
}

func (t *tally) add(st *staff, m *holdqueue.Message) error {
	strictest, observed, linked, inspected := policy.Send, false, false, false
	rules, asked := map[string]string{}, map[string]bool{}
	for _, r := range m.Recipients {
		v, err := verdictFor(r)
		if err != nil {
			return err
		}
		if v.Action == "" {
			continue
		}
		inspected = true
		if v.Observed != nil {
			observed, v = true, *v.Observed
		}
		if v.Action.StricterThan(strictest) {
			strictest = v.Action
		}
		linked = linked || v.Link != nil
		for _, rule := range v.Rules {
			rules[rule] = cmp.Or(rules[rule], firstReason(v, rule, t.lang))
		}
		if v.Action == policy.Hold {
			for _, who := range v.Approvers {
				asked[st.askedName(who, m)] = true
			}
		}
	}
	if !inspected { // purged, or not yet looked into
		return nil
	}
	t.count(strictest, observed, linked, rules, asked)
	return nil
}

func (t *tally) count(action policy.Action, observed, linked bool, rules map[string]string, asked map[string]bool) {
	t.mails++
	if observed {
		t.observed++
	}
	if linked {
		t.links++
	}
	tick := func(did, would *int) {
		if observed {
			*would++
		} else {
			*did++
		}
	}
	a := at(t.actions, action)
	tick(&a.Did, &a.Would)
	for name, reason := range rules {
		c := at(t.rules, name)
		c.Reason = cmp.Or(c.Reason, reason)
		tick(&c.Did, &c.Would)
	}
	for who := range asked {
		c := at(t.asked, who)
		tick(&c.Did, &c.Would)
	}
}

// at gives the counter of a key, made at first use.
func at[K comparable, V any](m map[K]*V, key K) *V {
	if m[key] == nil {
		m[key] = new(V)
	}
	return m[key]
}

func firstReason(v policy.RecipientVerdict, rule string, lang words.Lang) string {
	for _, r := range v.Reasons {
		if r.Rule == rule {
			return r.In(string(lang))
		}
	}
	return ""
}

// askedName names whom a rule would ask: for "manager" the sender's own.
func (st *staff) askedName(who string, m *holdqueue.Message) string {
	if who != "manager" {
		return who
	}
	book := st.People()
	if p, ok := book.ByAddress(m.Person); ok {
		if boss, ok := book.Manager(p); ok {
			return boss.Called()
		}
	}
	return "admin" // nobody above: the question goes to the administrators
}

func (t *tally) fill(p *reportPage) {
	p.Mails, p.Observed, p.Links = t.mails, t.observed, t.links
	for _, action := range []policy.Action{policy.Send, policy.Delay, policy.Hold, policy.Refuse} {
		c := at(t.actions, action)
		c.Action = string(action)
		if t.mails > 0 {
			c.Share = ((c.Did+c.Would)*100 + t.mails/2) / t.mails
		}
		p.Actions = append(p.Actions, *c)
	}
	for _, name := range slices.Sorted(maps.Keys(t.rules)) {
		c := t.rules[name]
		c.Name = name
		p.Rules = append(p.Rules, *c)
	}
	slices.SortStableFunc(p.Rules, func(a, b ruleCount) int { return (b.Did + b.Would) - (a.Did + a.Would) })
	for _, who := range slices.Sorted(maps.Keys(t.asked)) {
		c := t.asked[who]
		c.Who = who
		c.PerDay = strconv.FormatFloat(float64(c.Did+c.Would)/float64(p.Days), 'f', 1, 64)
		p.Askers = append(p.Askers, *c)
	}
	slices.SortStableFunc(p.Askers, func(a, b askCount) int { return (b.Did + b.Would) - (a.Did + a.Would) })
}
