package policy_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/sekisho-mail/sekisho/submission/policy"
	"pgregory.net/rapid"
)

// knocking is what is known of a mail at the door.
func knocking(change func(*policy.Facts)) policy.Facts {
	f := policy.Facts{
		Sender: policy.Sender{Address: "alice@corp.example", Aliases: []string{"a.sato@corp.example"}, Department: "営業部", Groups: []string{"sales"}},
		Now:    noon, Business: true,
	}
	if change != nil {
		change(&f)
	}
	return f
}

func TestWhatIsRefusedAtTheDoor(t *testing.T) {
	rival := policy.Recipient{Address: "x@rival.example", External: true}
	for name, c := range map[string]struct {
		rule string
		want bool
	}{
		"a domain":                   {"when: {recipient_domains: [rival.example]}", true},
		"another domain":             {"when: {recipient_domains: [other.example]}", false},
		"an address":                 {"when: {recipient_addresses: [X@rival.example]}", true},
		"everybody outside":          {"when: {recipients: external}", true},
		"everybody":                  {"comment: c", true},
		"colleagues only":            {"when: {recipients: internal}", false},
		"an exception":               {"when: {recipients: external}, unless: {recipient_domains: [rival.example]}", false},
		"a sender's group":           {"when: {recipients: external, sender_groups: [sales]}", true},
		"another group":              {"when: {recipients: external, sender_groups: [legal]}", false},
		"a sender's alias":           {"when: {recipients: external, sender_addresses: [a.sato@corp.example]}", true},
		"a group that is excepted":   {"when: {recipients: external}, unless: {sender_groups: [sales]}", false},
		"a department":               {"when: {sender_departments: [営業部]}", true},
		"a gateway source":           {"when: {sources: [exo]}", false},
		"office hours":               {"when: {recipients: external, time: {business: true}}", true},
		"the night":                  {"when: {recipients: external, time: {hours: 22:00-05:00}}", false},
		"a rule that begins later":   {"from: 2099-01-01, when: {recipients: external}", false},
		"a rule that is only noted":  {"mode: audit, when: {recipients: external}", false},
		"a rule that is only told":   {"mode: notify, when: {recipients: external}", false},
		"content":                    {"when: {recipients: external, content: [{detector: jp.phone}]}", false},
		"an exception in content":    {"when: {recipients: external}, unless: {content: [{detector: jp.phone}]}", false},
		"attachments":                {"when: {recipients: external, attachment: any}", false},
		"the subject":                {"when: {recipients: external, subject: [x]}", false},
		"size":                       {"when: {recipients: external, size_over: 1kB}", false},
		"a count":                    {"when: {recipients: external, recipients_over: 0}", false},
		"another recipient":          {"when: {any_recipient: {recipients: external}}", false},
		"Bcc":                        {"when: {bcc: false}", false},
		"automatic mail is excepted": {"when: {recipients: external}, unless: {automatic: true}", false},
	} {
		p := parse(t, "version: 1\nrules: [{name: r, "+c.rule+", then: {refuse: true}}]\n")
		why, refused := p.Refuses(knocking(nil), rival)
		if refused != c.want || refused && (why.Rule != "r" || why.EN == "" || why.JA == "") {
			t.Errorf("%s: refused %v, %+v", name, refused, why)
		}
	}
}

func TestNothingIsRefusedAtTheDoorOfASenderNotKnownYet(t *testing.T) {
	p := parse(t, `version: 1
rules:
  - {name: not from sales, when: {sender_groups: [sales], recipient_domains: [a.example]}, then: {refuse: true}}
  - {name: only legal, when: {recipient_domains: [b.example]}, unless: {sender_groups: [legal]}, then: {refuse: true}}
  - {name: printers, when: {recipient_domains: [c.example]}, unless: {sources: [exo]}, then: {refuse: true}}
  - {name: nobody, when: {recipient_domains: [d.example]}, then: {refuse: true}}
`)
	for domain, want := range map[string]bool{"a.example": false, "b.example": false, "c.example": false, "d.example": true} {
		to := policy.Recipient{Address: "x@" + domain, External: true}
		if _, refused := p.Refuses(policy.Facts{Now: noon}, to); refused != want {
			t.Errorf("%s: %v", domain, refused)
		}
		if _, refused := p.Refuses(knocking(nil), to); !refused {
			t.Errorf("%s is not refused to somebody from sales", domain)
		}
	}
	exo := knocking(func(f *policy.Facts) { f.Source = "exo" })
	if _, refused := p.Refuses(exo, policy.Recipient{Address: "x@c.example", External: true}); refused {
		t.Error("the excepted source is refused")
	}
}

func TestWhoIsOnlyObservedIsNotRefusedAtTheDoor(t *testing.T) {
	p := parse(t, "version: 1\nrules: [{name: r, then: {refuse: true}}]\n")
	to := policy.Recipient{Address: "x@rival.example", External: true}
	f := knocking(func(f *policy.Facts) { f.Observe = policy.Observes(false, []string{"legal"}, f.Sender) })
	if _, refused := p.Refuses(f, to); refused {
		t.Error("somebody who is no pilot is refused")
	}
	// Whoever is not known yet may be no pilot.
	unknown := policy.Facts{Now: noon, Observe: policy.Observes(false, []string{"legal"}, policy.Sender{})}
	if _, refused := p.Refuses(unknown, to); refused {
		t.Error("somebody not known yet is refused while there are pilots")
	}
}

func TestTheReasonAtTheDoorStandsInASCII(t *testing.T) {
	for reason, want := range map[string]string{
		"reason: {ja: 取引がありません, en: we do not write to them}": "we do not write to them",
		"reason: 取引がありません":                                    "a company rule forbids sending it",
		"reason: \"two\\nlines\"":                             "a company rule forbids sending it",
		"comment: \"\"":                                       "a company rule forbids sending it",
	} {
		member := ", " + reason
		if strings.HasPrefix(reason, "comment") {
			member = ""
		}
		p := parse(t, "version: 1\nrules: [{name: r, then: {refuse: true"+member+"}}, {name: z, then: {refuse: true}}]\n")
		why, _ := p.Refuses(knocking(nil), policy.Recipient{Address: "x@rival.example", External: true})
		if why.Rule != "r" || why.EN != want {
			t.Errorf("%s: %+v", reason, why)
		}
	}
}

// The door must never refuse what inspection would let pass: nobody could appeal.
func TestTheDoorRefusesOnlyWhatInspectionWouldRefuse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, f := mustParse(t, drawRules(t)), drawFacts(t)
		v := p.Evaluate(f)
		door := policy.Facts{Sender: f.Sender, Now: f.Now}
		for i, to := range f.Recipients {
			known := policy.Recipient{Address: to.Address, External: to.External}
			why, refused := p.Refuses(door, known)
			if !refused {
				continue
			}
			if got := v.Recipients[i]; got.Action != policy.Refuse || !slices.Contains(got.Rules, why.Rule) {
				t.Fatalf("%s is refused at the door by %s; inspection says %s by %v", to.Address, why.Rule, got.Action, got.Rules)
			}
		}
	})
}
