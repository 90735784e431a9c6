package policy_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/sekisho-mail/sekisho/submission/policy"
	"pgregory.net/rapid"
)

// drawRule writes one rule with conditions that often hold for drawn facts.
func drawRule(t *rapid.T, name string) string {
	pick := func(label string, values ...string) string { return rapid.SampledFrom(values).Draw(t, label) }
	when := pick("when", "{}", "{recipients: external}", "{recipients: internal}", "{content: [{detector: jp.phone, count: 2}]}",
		"{external_domains_over: 1}", "{attachment: any}", "{automatic: true}", "{recipient_domains: [one.example]}",
		"{recipients: external, content: [{detector: 'secret.*', level: low}]}")
	unless := pick("unless", "{}", "{automatic: true}", "{recipient_domains: [two.example]}", "{bcc: true}")
	then := pick("then", "{refuse: true}", "{delay: 5m}", "{delay: 15m, link: {access: code}}", "{link: {over: 10kB}}", "{link: {exempt: [one.example]}}",
		"{hold: {approvers: [manager]}}", "{hold: {approvers: [admin, manager]}}", "{hold: {approvers: [sender]}}", "{notify: [admin]}",
		"{hold: {stages: [{approvers: [sender]}, {approvers: ['group:g'], quorum: 2}], expire: 1bd}}")
	mode := pick("mode", "enforce", "enforce", "enforce", "audit", "notify")
	return fmt.Sprintf("  - {name: %s, mode: %s, when: %s, unless: %s, then: %s}\n", name, mode, when, unless, then)
}

func drawFacts(t *rapid.T) policy.Facts {
	f := policy.Facts{Sender: policy.Sender{Address: "alice@corp.example"}, Now: noon, Automatic: rapid.Bool().Draw(t, "automatic")}
	for i := range rapid.IntRange(1, 5).Draw(t, "recipients") {
		domain := rapid.SampledFrom([]string{"corp.example", "one.example", "two.example", "three.example"}).Draw(t, "domain")
		f.Recipients = append(f.Recipients, policy.Recipient{
			Address: fmt.Sprintf("r%d@%s", i, domain), External: domain != "corp.example", Bcc: rapid.Bool().Draw(t, "bcc"),
		})
	}
	for range rapid.IntRange(0, 3).Draw(t, "findings") {
		f.Findings = append(f.Findings, policy.Finding{
			Detector: rapid.SampledFrom([]string{"jp.phone", "secret.a", "encrypted", "uninspectable"}).Draw(t, "detector"),
			Level:    rapid.SampledFrom([]policy.Level{policy.Low, policy.Medium, policy.High}).Draw(t, "level"),
			Count:    rapid.IntRange(0, 3).Draw(t, "count"),
		})
	}
	for range rapid.IntRange(0, 3).Draw(t, "attachments") {
		f.Attachments = append(f.Attachments, policy.Attachment{
			Name: "a.pdf", Size: int64(rapid.IntRange(0, 20_000).Draw(t, "size")),
			Exempt: rapid.Bool().Draw(t, "exempt"), Fixed: rapid.Bool().Draw(t, "fixed"),
		})
	}
	return f
}

func mustParse(t *rapid.T, rules []string) *policy.Policy {
	p, problems := policy.Parse([]byte("version: 1\nrules:\n" + strings.Join(rules, "")))
	if len(problems) > 0 {
		t.Fatalf("%v", problems)
	}
	return p
}

func drawRules(t *rapid.T) []string {
	var rules []string
	for i := range rapid.IntRange(1, 6).Draw(t, "rules") {
		rules = append(rules, drawRule(t, fmt.Sprintf("r%d", i)))
	}
	return rules
}

func TestTheOrderOfRulesNeverMatters(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules, f := drawRules(t), drawFacts(t)
		want := mustParse(t, rules).Evaluate(f)
		shuffled := slices.Clone(rules)
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if got := mustParse(t, shuffled).Evaluate(f); !reflect.DeepEqual(got, want) {
			t.Fatalf("another order gives another verdict:\n%+v\n%+v", got, want)
		}
	})
}

func TestOneMoreRuleNeverMakesAMailMilder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules, f := drawRules(t), drawFacts(t)
		before := mustParse(t, rules).Evaluate(f)
		after := mustParse(t, append(rules, drawRule(t, "more"))).Evaluate(f)
		for i, b := range before.Recipients {
			a := after.Recipients[i]
			if b.Action.StricterThan(a.Action) || a.Action != policy.Refuse && a.Delay < b.Delay {
				t.Fatalf("%s: %s after %s became %s after %s", b.Address, b.Action, b.Delay, a.Action, a.Delay)
			}
			if a.Action != policy.Refuse && b.Link != nil && (a.Link == nil || a.Link.Over > b.Link.Over || b.Link.Access == policy.Code && a.Link.Access != policy.Code) {
				t.Fatalf("%s: link %+v became %+v", b.Address, b.Link, a.Link)
			}
		}
	})
}

func TestEveryVerdictIsComplete(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules, f := drawRules(t), drawFacts(t)
		v := mustParse(t, rules).Evaluate(f)
		if len(v.Recipients) != len(f.Recipients) {
			t.Fatalf("%d verdicts for %d recipients", len(v.Recipients), len(f.Recipients))
		}
		for i, r := range v.Recipients {
			switch {
			case r.Address != f.Recipients[i].Address:
				t.Fatalf("verdict %d is about %s, not %s", i, r.Address, f.Recipients[i].Address)
			case (r.Action == policy.Hold) != (len(r.Stages) > 0):
				t.Fatalf("%s with stages %v", r.Action, r.Stages)
			case r.Action == policy.Delay && r.Delay == 0, r.Action == policy.Send && r.Delay != 0:
				t.Fatalf("%s after %s", r.Action, r.Delay)
			case r.Action != policy.Send && (len(r.Reasons) == 0 || len(r.Rules) == 0):
				t.Fatalf("%s for no reason: %+v", r.Action, r)
			case (r.Link != nil) != slices.Contains(r.Transforms, policy.TransformLink):
				t.Fatalf("transforms %v with link %v", r.Transforms, r.Link)
			case r.Link != nil && r.Link.Access != policy.Open && r.Link.Access != policy.Code:
				t.Fatalf("link opened by %q", r.Link.Access)
			}
			for n, s := range r.Stages {
				if n > 0 && slices.Contains(s.Approvers, "sender") {
					t.Fatalf("the sender is asked after others: %v", r.Stages)
				}
			}
		}
	})
}
