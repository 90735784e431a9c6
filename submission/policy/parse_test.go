package policy_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sekisho-mail/sekisho/submission/policy"
)

func TestEveryMistakeIsReportedAtOnceWithItsLine(t *testing.T) {
	source, err := os.ReadFile("testdata/mistakes.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p, problems := policy.Parse(source)
	if p != nil {
		t.Error("a policy with mistakes was taken")
	}
	var got strings.Builder
	for _, x := range problems {
		got.WriteString(x.String() + "\n")
	}
	golden(t, "mistakes.txt", got.String())
}

// golden compares with a file of testdata; SEKISHO_GOLDEN=write makes it anew.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("SEKISHO_GOLDEN") == "write" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; got:\n%s", path, got)
	}
}

func TestTheContractsExampleIsAValidPolicy(t *testing.T) {
	p := parse(t, `version: 1
lists:
  partners: [partner.example]
rules:
  - name: my-number
    mode: enforce                            # audit, notify, enforce
    when: {recipients: external, content: [{detector: jp.my_number, level: medium, count: 1}]}
    unless: {recipient_domains: [tax-office.example]}
    then: {hold: {approvers: [manager]}, reason: 個人番号が含まれています}
  - name: outside-delay
    when: {recipients: external}
    then: {delay: 5m, link: {over: 0, exempt: [partners]}}
expect:                                      # the policy's own tests
  - {mail: mynumber.eml, to: b@other.example, action: hold, rules: [my-number]}
`)
	f := outside(withFile)
	f.Findings = []policy.Finding{{Detector: "jp.my_number", Level: policy.High, Count: 2}}
	v := p.Evaluate(f)
	r := v.Recipients[0]
	if r.Action != policy.Hold || r.Delay.String() != "5m0s" || strings.Join(r.Rules, ",") != "my-number" ||
		strings.Join(r.Approvers, ",") != "manager" || strings.Join(r.Transforms, ",") != "link" || r.Reasons[0].JA != "個人番号が含まれています" {
		t.Errorf("verdict: %+v", r)
	}
	if wrong := p.Expect[0].Check(v); len(wrong) > 0 {
		t.Error(wrong)
	}
}

func TestAnExpectationThatIsNotMetSaysHow(t *testing.T) {
	p := parse(t, `version: 1
rules:
  - {name: later, when: {recipients: external}, then: {delay: 5m, link: {}}}
expect:
  - {to: x@other.example, attachments: [a.pdf], action: hold, rules: [encrypted], delay: 6m, approvers: [manager], transforms: [], access: code}
  - {to: bob@corp.example, action: delay, access: open}
`)
	var got strings.Builder
	for i := range p.Expect {
		e := &p.Expect[i]
		for _, w := range e.Check(p.Evaluate(e.Facts(outsideCorp, noon))) {
			got.WriteString(w + "\n")
		}
	}
	want := `x@other.example: action is delay, expected hold
x@other.example: rules is [later], expected encrypted
x@other.example: delay is 5m, expected 6m
x@other.example: approvers is [], expected [manager]
x@other.example: transforms is [link], expected []
x@other.example: access is open, expected code
bob@corp.example: action is send, expected delay
bob@corp.example: access is no link, expected open
`
	if got.String() != want {
		t.Errorf("got\n%s", got.String())
	}
}

func FuzzParseNeverPanicsAndItsPoliciesJudge(f *testing.F) {
	f.Add(policy.Factory())
	for _, name := range []string{"testdata/mistakes.yaml"} {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte("version: 1\nrules: [{name: a, when: {attachment: {names: ['*a*b*']}, subject: [x]}, then: {refuse: true}}]"))
	f.Fuzz(func(t *testing.T, source []byte) {
		p, problems := policy.Parse(source)
		if (p == nil) != (len(problems) > 0) {
			t.Fatalf("policy %v with problems %v", p != nil, problems)
		}
		if p == nil {
			return
		}
		v := p.Evaluate(facts(nil))
		for _, r := range v.Recipients {
			if r.Action == policy.Hold && (len(r.Stages) == 0 || r.Expire.IsZero() || len(r.Reasons) == 0) {
				t.Fatalf("held by nobody, for ever or for no reason: %+v", r)
			}
		}
	})
}

// TestTheDocumentedExamplesAreTrue reads every policy in docs/policy.md.
func TestTheDocumentedExamplesAreTrue(t *testing.T) {
	text, err := os.ReadFile("../../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(text), "```yaml\n")
	if len(blocks) < 3 {
		t.Fatal("the page has no examples any more")
	}
	for _, block := range blocks[1:] {
		source, _, _ := strings.Cut(block, "```")
		p := parse(t, source)
		for i := range p.Expect {
			e := &p.Expect[i]
			for _, wrong := range e.Check(p.Evaluate(e.Facts(outsideCorp, noon))) {
				t.Error(wrong)
			}
		}
	}
}

func TestWhoARuleMayAsk(t *testing.T) {
	for who, want := range map[string]bool{
		"manager": true, "admin": true, "sender": true, "group:legal": true, "a@corp.example": true, "role:approver": true,
		"role:admin": false, "role:auditor": false, "role:": false, "approver": false, "group:a b": false, "@corp.example": false,
	} {
		_, problems := policy.Parse([]byte("version: 1\nrules: [{name: r, then: {hold: {approvers: ['" + who + "']}, notify: ['" + who + "']}}]\n"))
		if (len(problems) == 0) != want {
			t.Errorf("%s: %v", who, problems)
		}
	}
}
