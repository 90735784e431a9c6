package policy_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/submission/policy"
)

// only gives the verdict on the first recipient.
func only(t *testing.T, rules string, f policy.Facts) policy.RecipientVerdict {
	t.Helper()
	return parse(t, "version: 1\nlists: {partners: [partner.example]}\nrules:\n"+rules).Evaluate(f).Recipients[0]
}

func outside(change func(*policy.Facts)) policy.Facts {
	f := policy.Facts{
		Sender: policy.Sender{Address: "alice@corp.example"}, Now: noon,
		Recipients: []policy.Recipient{{Address: other, External: true}},
	}
	if change != nil {
		change(&f)
	}
	return f
}

func TestTheStrictestResultWins(t *testing.T) {
	rules := map[policy.Action]string{
		policy.Send:   "  - {name: send, then: {link: {}}}\n",
		policy.Delay:  "  - {name: delay, then: {delay: 5m}}\n",
		policy.Hold:   "  - {name: hold, then: {hold: {approvers: [manager]}}}\n",
		policy.Refuse: "  - {name: refuse, then: {refuse: true}}\n",
	}
	order := []policy.Action{policy.Send, policy.Delay, policy.Hold, policy.Refuse}
	for i, strict := range order {
		for _, mild := range order[:i+1] {
			source := rules[strict]
			if mild != strict {
				source += rules[mild]
			}
			v := only(t, source, outside(withFile))
			if v.Action != strict || !slices.Equal(v.Rules, []string{string(strict)}) {
				t.Errorf("%s beside %s gives %s by %v", strict, mild, v.Action, v.Rules)
			}
			if mild != strict && !slices.Equal(v.OtherRules, []string{string(mild)}) {
				t.Errorf("%s beside %s: other rules are %v", strict, mild, v.OtherRules)
			}
		}
	}
}

func TestTheLongestDelayWinsAndStandsBesideAHold(t *testing.T) {
	v := only(t, `
  - {name: short, then: {delay: 5m}}
  - {name: long, then: {delay: 15m}}
`, outside(nil))
	if v.Action != policy.Delay || v.Delay != 15*time.Minute || !slices.Equal(v.Rules, []string{"long"}) || len(v.Reasons) != 1 {
		t.Errorf("delay: %+v", v)
	}
	v = only(t, `
  - {name: short, then: {delay: 5m}}
  - {name: hold, then: {hold: {approvers: [admin]}}}
`, outside(nil))
	if v.Action != policy.Hold || v.Delay != 5*time.Minute || v.Reasons[0].Rule != "hold" {
		t.Errorf("hold: %+v", v)
	}
}

func TestARefusedRecipientGetsNothingAtAll(t *testing.T) {
	v := only(t, `
  - {name: no, then: {refuse: true}}
  - {name: later, then: {delay: 5m, link: {}}}
`, outside(withFile))
	if v.Delay != 0 || v.Link != nil || v.Transforms != nil || v.Stages != nil {
		t.Errorf("a refusal carries more than itself: %+v", v)
	}
}

func withFile(f *policy.Facts) {
	f.Attachments = []policy.Attachment{{Name: "a.pdf", Type: "application/pdf", Size: 1000}}
}

func TestEveryHoldingRuleGetsWhoItAskedFor(t *testing.T) {
	for name, c := range map[string]struct {
		rules string
		want  []policy.Stage
	}{
		"the same people once": {`
  - {name: a, then: {hold: {approvers: [manager]}}}
  - {name: b, then: {hold: {approvers: [manager]}}}`, []policy.Stage{{[]string{"manager"}, 1}}},
		"both must agree": {`
  - {name: a, then: {hold: {approvers: [admin]}}}
  - {name: b, then: {hold: {approvers: [manager]}}}`, []policy.Stage{{[]string{"manager"}, 1}, {[]string{"admin"}, 1}}},
		"a narrower stage answers a wider one": {`
  - {name: a, then: {hold: {approvers: [manager, 'group:legal']}}}
  - {name: b, then: {hold: {approvers: [manager]}}}`, []policy.Stage{{[]string{"manager"}, 1}}},
		"but not with fewer voices": {`
  - {name: a, then: {hold: {approvers: [manager, 'group:legal'], quorum: 2}}}
  - {name: b, then: {hold: {approvers: [manager]}}}`, []policy.Stage{{[]string{"group:legal", "manager"}, 2}, {[]string{"manager"}, 1}}},
		"the sender first, and never alone": {`
  - {name: a, then: {hold: {approvers: [sender]}}}
  - {name: b, then: {hold: {approvers: [manager]}}}`, []policy.Stage{{[]string{"sender"}, 1}, {[]string{"manager"}, 1}}},
		"stages keep their order": {`
  - {name: a, then: {hold: {stages: [{approvers: ['group:legal']}, {approvers: [manager]}]}}}`,
			[]policy.Stage{{[]string{"group:legal"}, 1}, {[]string{"manager"}, 1}}},
		"a shared stage takes its latest place": {`
  - {name: a, then: {hold: {stages: [{approvers: [sender]}, {approvers: [manager]}]}}}
  - {name: b, then: {hold: {approvers: [manager]}}}
  - {name: c, then: {hold: {approvers: [admin], quorum: 2}}}`,
			[]policy.Stage{{[]string{"sender"}, 1}, {[]string{"admin"}, 2}, {[]string{"manager"}, 1}}},
	} {
		v := only(t, c.rules, outside(nil))
		if !reflect.DeepEqual(v.Stages, c.want) {
			t.Errorf("%s: stages %v, want %v", name, v.Stages, c.want)
		}
	}
}

func TestTheShortestWaitWins(t *testing.T) {
	for _, c := range []struct{ a, b, want string }{
		{"3bd", "7d", "3bd"}, {"3bd", "2d", "48h0m0s"}, {"1bd", "9bh", "1bd"}, {"4bh", "1bd", "4bh"}, {"", "7d", "3bd"}, {"", "", "3bd"},
	} {
		expire := func(s string) string {
			if s == "" {
				return ""
			}
			return ", expire: " + s
		}
		v := only(t, "  - {name: a, then: {hold: {approvers: [manager]"+expire(c.a)+"}}}\n  - {name: b, then: {hold: {approvers: [manager]"+expire(c.b)+"}}}\n", outside(nil))
		if v.Expire.String() != c.want {
			t.Errorf("%q beside %q waits %s, want %s", c.a, c.b, v.Expire, c.want)
		}
	}
}

func TestLinksByAttachmentAndRecipient(t *testing.T) {
	file := policy.Attachment{Name: "a.pdf", Size: 2000}
	fixed := policy.Attachment{Name: "b.pdf", Size: 2000, Fixed: true}
	exempt := policy.Attachment{Name: "smime.p7s", Size: 2000, Exempt: true}
	partner := policy.Recipient{Address: "p@partner.example", External: true}
	for name, c := range map[string]struct {
		link   string
		files  []policy.Attachment
		to     *policy.Recipient
		linked bool
		action policy.Action
	}{
		"a file becomes a link":             {"{}", []policy.Attachment{file}, nil, true, policy.Send},
		"without files nothing happens":     {"{}", nil, nil, false, policy.Send},
		"a partner gets the file":           {"{exempt: [partners]}", []policy.Attachment{file}, &partner, false, policy.Send},
		"nor is what cannot be linked held": {"{exempt: [partners]}", []policy.Attachment{fixed}, &partner, false, policy.Send},
		"small files stay":                  {"{over: 2kB}", []policy.Attachment{file}, nil, false, policy.Send},
		"larger ones do not":                {"{over: 1999}", []policy.Attachment{file}, nil, true, policy.Send},
		"exempt parts stay":                 {"{}", []policy.Attachment{exempt}, nil, false, policy.Send},
		"what cannot be linked is held":     {"{}", []policy.Attachment{fixed}, nil, false, policy.Hold},
		"and the rest still linked":         {"{}", []policy.Attachment{fixed, file}, nil, true, policy.Hold},
		"unless it is small":                {"{over: 2kB}", []policy.Attachment{fixed}, nil, false, policy.Send},
		"or the rule lets it go":            {"{otherwise: send}", []policy.Attachment{fixed, file}, nil, true, policy.Send},
	} {
		f := outside(func(f *policy.Facts) { f.Attachments = c.files })
		if c.to != nil {
			f.Recipients = []policy.Recipient{*c.to}
		}
		v := only(t, "  - {name: l, then: {link: "+c.link+"}}\n", f)
		if (v.Link != nil) != c.linked || v.Action != c.action || slices.Contains(v.Transforms, policy.TransformLink) != c.linked {
			t.Errorf("%s: %+v", name, v)
		}
		if c.action == policy.Hold && (v.Reasons[0].Code != "cannot_link" || !slices.Equal(v.Approvers, []string{"admin"}) || v.Expire.IsZero()) {
			t.Errorf("%s: held without its reason: %+v", name, v)
		}
	}
}

func TestWhatCannotBeLinkedAsksNobodyBesideWhoIsAskedAnyway(t *testing.T) {
	f := outside(func(f *policy.Facts) {
		f.Attachments = []policy.Attachment{{Name: "smime.p7m", Size: 2000, Fixed: true}}
		f.Findings = []policy.Finding{{Detector: "encrypted", Level: policy.High, Count: 1}}
	})
	v := parse(t, string(policy.Factory())).Evaluate(f).Recipients[0]
	if !slices.Equal(v.Approvers, []string{"sender", "manager"}) || len(v.Reasons) != 2 {
		t.Errorf("asks %v because of %v", v.Approvers, v.Reasons)
	}
}

func TestTheStrictestLinkWins(t *testing.T) {
	v := only(t, `
  - {name: a, then: {link: {over: 100, access: open, expire: 30d}}}
  - {name: b, then: {link: {over: 10, access: code, expire: 14d}}}
  - {name: c, then: {link: {over: 0, access: auto, expire: 20d, exempt: [other.example]}}}
`, outside(withFile))
	want := policy.Link{Over: 10, Access: policy.Code, Expire: 14 * 24 * time.Hour}
	if v.Link == nil || !reflect.DeepEqual(*v.Link, want) {
		t.Errorf("link %+v, want %+v", v.Link, want)
	}
}

func TestACodeWhereTheFileIsSensitive(t *testing.T) {
	finding := func(detector string, level policy.Level, attached bool) func(*policy.Facts) {
		return func(f *policy.Facts) {
			withFile(f)
			f.Findings = []policy.Finding{{Detector: detector, Level: level, Count: 1, InAttachment: attached}}
		}
	}
	for _, c := range []struct {
		detector string
		level    policy.Level
		attached bool
		want     policy.Access
	}{
		{"jp.bank_account", policy.Medium, false, policy.Code},
		{"jp.bank_account", policy.Low, true, policy.Open},
		{"jp.phone", policy.Medium, false, policy.Open}, // every signature has one
		{"jp.phone", policy.Medium, true, policy.Code},
		{"email_address", policy.Medium, true, policy.Open},
		{"jp.corporate_number", policy.High, true, policy.Open},
		{"keyword.falcon", policy.Medium, false, policy.Code},
		{"macro", policy.High, true, policy.Open},
	} {
		v := only(t, "  - {name: l, then: {link: {}}}\n", outside(finding(c.detector, c.level, c.attached)))
		if v.Link.Access != c.want {
			t.Errorf("%s %s attached=%v opens by %s, want %s", c.detector, c.level, c.attached, v.Link.Access, c.want)
		}
	}
	v := only(t, "  - {name: l, then: {link: {}}}\n  - {name: h, then: {hold: {approvers: [manager]}}}\n", outside(withFile))
	if v.Link.Access != policy.Code {
		t.Error("a mail that a person had to approve needs no code")
	}
	v = only(t, "  - {name: l, then: {link: {access: open}}}\n  - {name: h, then: {hold: {approvers: [manager]}}}\n", outside(withFile))
	if v.Link.Access != policy.Open {
		t.Error("a rule that says open is not heard")
	}
}

func TestModesOtherThanEnforceOnlyWatch(t *testing.T) {
	p := parse(t, `version: 1
rules:
  - {name: audited, mode: audit, then: {hold: {approvers: [manager]}, notify: [admin]}}
  - {name: told, mode: notify, then: {refuse: true}}
  - {name: told-admin, mode: notify, then: {delay: 1h, notify: [admin]}}
  - {name: real, then: {delay: 5m, notify: ['group:legal']}}
`)
	v := p.Evaluate(outside(nil))
	r := v.Recipients[0]
	if r.Action != policy.Delay || r.Delay != 5*time.Minute || !slices.Equal(r.Rules, []string{"real"}) || r.OtherRules != nil {
		t.Errorf("a watched rule acted: %+v", r)
	}
	want := []policy.Hit{{"audited", policy.Audit, policy.Hold}, {"told", policy.Notify, policy.Refuse}, {"told-admin", policy.Notify, policy.Delay}}
	if !slices.Equal(r.Watched, want) {
		t.Errorf("watched %v, want %v", r.Watched, want)
	}
	if !slices.Equal(v.Notify, []string{"admin", "group:legal", "sender"}) {
		t.Errorf("told: %v", v.Notify)
	}
	noted := policy.Reason{Code: "noted", JA: "社内の規則に当たります", EN: "a company rule speaks of it"}
	because := func(rule string, why policy.Reason) []policy.Reason {
		why.Rule = rule
		return []policy.Reason{why}
	}
	told := []policy.Told{
		{"real", policy.Enforce, []string{"group:legal"}, r.Reasons},
		{"told", policy.Notify, []string{"sender"}, because("told", noted)},
		{"told-admin", policy.Notify, []string{"admin"}, because("told-admin", noted)},
	}
	if !reflect.DeepEqual(r.Told, told) {
		t.Errorf("told %+v, want %+v", r.Told, told)
	}
}

func TestARuleThatOnlyTellsSaysWhatItSaw(t *testing.T) {
	f := outside(nil)
	f.Findings = []policy.Finding{{Detector: "secret.aws", Level: policy.High, Count: 2}}
	r := only(t, `
  - {name: secrets, mode: notify, when: {recipients: external, content: [{detector: "secret.*"}]}, then: {hold: {approvers: [manager]}}}
  - {name: outside, when: {recipients: external}, then: {notify: [admin]}}
  - {name: own, when: {recipients: external}, then: {notify: [admin], reason: {ja: 社外です, en: outside}}}
`, f)
	if r.Action != policy.Send || len(r.Reasons) > 0 || len(r.Told) != 3 {
		t.Fatalf("%+v", r)
	}
	for i, want := range []string{"社外の宛先のため、社内の規則に当たります", "社外です", "秘密情報「aws」 2 件（確度 高）が社外宛てに含まれています"} {
		if got := r.Told[i].Reasons; len(got) != 1 || got[0].JA != want {
			t.Errorf("%s: %+v", r.Told[i].Rule, got)
		}
	}
}

func TestAnObservedMailIsSentAndTheVerdictKept(t *testing.T) {
	f := outside(withFile)
	f.Observe = true
	f.Findings = []policy.Finding{{Detector: "jp.my_number", Level: policy.High, Count: 1}}
	v := parse(t, string(policy.Factory())).Evaluate(f)
	r := v.Recipients[0]
	if !v.Observed || r.Action != policy.Send || r.Delay != 0 || r.Link != nil || v.Notify != nil || r.Told != nil {
		t.Errorf("an observed mail is touched: %+v", v)
	}
	if r.Observed == nil || r.Observed.Action != policy.Hold || r.Observed.Link.Access != policy.Code {
		t.Errorf("what would have happened is lost: %+v", r.Observed)
	}
}

func TestWhoIsObserved(t *testing.T) {
	alice := policy.Sender{Address: "alice@corp.example", Aliases: []string{"a@corp.example"}, Groups: []string{"sales"}}
	for _, c := range []struct {
		observe bool
		pilot   []string
		want    bool
	}{
		{false, nil, false},
		{true, nil, true},
		{true, []string{"alice@corp.example"}, true},
		{false, []string{"Alice@corp.example"}, false},
		{false, []string{"a@corp.example"}, false},
		{false, []string{"sales"}, false},
		{false, []string{"hr", "bob@corp.example"}, true},
	} {
		if got := policy.Observes(c.observe, c.pilot, alice); got != c.want {
			t.Errorf("observe=%v pilot=%v: observed is %v", c.observe, c.pilot, got)
		}
	}
}

func TestAMailThatCouldNotBeInspectedIsHeldForEverybody(t *testing.T) {
	f := outside(func(f *policy.Facts) { f.Recipients = append(f.Recipients, policy.Recipient{Address: bob}) })
	v := policy.Uninspected(f, policy.Reason{Rule: "uninspected", Code: "uninspected", JA: "確認できません", EN: "not inspected"})
	for _, r := range v.Recipients {
		if r.Action != policy.Hold || !slices.Equal(r.Approvers, []string{"admin"}) || r.Expire.IsZero() || len(r.Reasons) != 1 {
			t.Errorf("%+v", r)
		}
	}
	if len(v.Recipients) != 2 {
		t.Errorf("%d verdicts for 2 recipients", len(v.Recipients))
	}
}

func TestAPolicyThatDoesNotSpeakOfItStillHoldsWhatNobodySaw(t *testing.T) {
	for _, detector := range []string{"uninspectable", "ambiguous_mime", "encrypted", "malware"} {
		f := outside(func(f *policy.Facts) {
			f.Findings = []policy.Finding{{Detector: detector, Level: policy.High, Count: 1}}
		})
		if v := only(t, "  - {name: later, then: {delay: 5m}}\n", f); v.Action != policy.Hold {
			t.Errorf("%s: %s", detector, v.Action)
		}
		named := "  - {name: mine, mode: audit, when: {content: [{detector: " + detector + "}]}, then: {hold: {approvers: [admin]}}}\n"
		if v := only(t, named, f); v.Action != policy.Send {
			t.Errorf("%s: a rule of the company's own does not take the safeguard's place", detector)
		}
		wild := "  - {name: mine, mode: audit, when: {content: [{detector: '*'}]}, then: {hold: {approvers: [admin]}}}\n"
		if v := only(t, wild, f); v.Action != policy.Hold {
			t.Errorf("%s: a wildcard switched the safeguard off", detector)
		}
	}
}

func TestALowerLayerReplacesDefaultsAndNeverWhatIsForced(t *testing.T) {
	company := parse(t, `version: 1
rules:
  - {name: delay, layer: default, then: {delay: 1h}}
  - {name: check, then: {hold: {approvers: [manager]}}}
`)
	sales := parse(t, `version: 1
rules:
  - {name: delay, then: {delay: 1m}}
  - {name: check, then: {delay: 2m}}
  - {name: own, then: {delay: 3m}}
`)
	v := company.Overlay(policy.Department, sales).Evaluate(outside(nil)).Recipients[0]
	if v.Action != policy.Hold || v.Delay != 3*time.Minute || !slices.Equal(v.OtherRules, []string{"delay", "own"}) {
		t.Errorf("department over company: %+v", v)
	}
	if v := company.Evaluate(outside(nil)).Recipients[0]; v.Delay != time.Hour {
		t.Error("the overlay changed the company's policy")
	}
}

func TestTheVerdictSurvivesStorage(t *testing.T) {
	f := outside(withFile)
	f.Findings = []policy.Finding{{Detector: "jp.my_number", Level: policy.High, Count: 1}}
	v := parse(t, string(policy.Factory())).Evaluate(f).Recipients[0]
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var back policy.RecipientVerdict
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(v, back) {
		t.Errorf("stored %+v, read back %+v", v, back)
	}
	for _, member := range []string{`"action":"hold"`, `"expire":"3bd"`, `"stages":[{"approvers":["manager"],"quorum":1}]`, `"rules":["my-number"]`} {
		if !strings.Contains(string(b), member) {
			t.Errorf("%s is not in %s", member, b)
		}
	}
}
