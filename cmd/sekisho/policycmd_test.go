package main

import (
	"strings"
	"testing"

	"github.com/sekisho-mail/sekisho/submission/policy"
)

func TestPolicyShowPrintsAFileOfTheSameShape(t *testing.T) {
	r := command(t, "", "policy", "show")
	if r.code != 0 || r.out != string(policy.Factory()) {
		t.Errorf("exit %d, %d bytes", r.code, len(r.out))
	}
	if _, problems := policy.Parse([]byte(r.out)); len(problems) > 0 {
		t.Error(problems)
	}
	own := write(t, t.TempDir(), "policy.yaml", "version: 1\nrules:\n  - {name: later, then: {delay: 5m}}")
	r = command(t, "", "policy", "show", own)
	for _, rule := range []string{"encrypted: hold, asks sender, then manager", "uninspectable: hold, asks admin", "ambiguous-structure", "malware"} {
		if !strings.Contains(r.out, "#   "+rule) {
			t.Errorf("the safeguard %q is in force and not shown:\n%s", rule, r.out)
		}
	}
	if _, problems := policy.Parse([]byte(r.out)); len(problems) > 0 {
		t.Error(problems)
	}
}

func TestPolicyCheckReportsEveryMistake(t *testing.T) {
	if r := command(t, "", "policy", "check"); r.code != 0 || !strings.HasPrefix(r.out, "ok: ") {
		t.Errorf("the factory policy: exit %d, %s", r.code, r.out)
	}
	wrong := write(t, t.TempDir(), "policy.yaml", "version: 1\nruels: []\nrules: [{name: a}]\n")
	r := command(t, "", "policy", "check", wrong)
	if r.code != 1 || r.out != wrong+`:2: unknown key "ruels"; did you mean "rules"?`+"\n"+wrong+":3: then says nothing to do: give hold, delay, link, refuse or notify\n" {
		t.Errorf("exit %d, %s", r.code, r.out)
	}
	r = command(t, "", "policy", "check", "--json", wrong)
	if r.code != 1 || !strings.Contains(r.out, `"line":2,"text":"unknown key \"ruels\"`) || strings.Count(r.out, "\n") != 2 {
		t.Errorf("exit %d, %s", r.code, r.out)
	}
	if r := command(t, "", "policy", "check", "testdata/none.yaml"); r.code != 1 || !strings.Contains(r.out, "no such file") {
		t.Errorf("exit %d, %s", r.code, r.out)
	}
}

func TestPolicyTestRunsTheFactorysOwnTests(t *testing.T) {
	r := command(t, "", "policy", "test")
	if r.code != 0 || !strings.HasSuffix(r.out, " passed\n") || strings.Contains(r.out, "FAIL") {
		t.Errorf("exit %d, %s%s", r.code, r.out, r.err)
	}
}

func TestPolicyTestReadsMailsBesideThePolicy(t *testing.T) {
	r := command(t, "", "policy", "test", "-v", "testdata/policy.yaml")
	golden(t, "policytest.txt", r.out)
	if r.code != 2 {
		t.Errorf("exit %d although a mail is not there", r.code)
	}
}

func TestThePolicyOfAConfigurationIsTested(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "mine.yaml", "version: 1\nrules: [{name: later, when: {recipients: external}, then: {delay: 7m}}]\nexpect: [{from: a@corp.example, to: b@other.example, action: delay, delay: 5m}]\n")
	config := write(t, dir, "sekisho.yaml", smallestConfig+"policy: {file: mine.yaml}\n")
	r := command(t, "", "policy", "test", "--config", config)
	if r.code != 1 || !strings.Contains(r.out, "mine.yaml:3") || !strings.Contains(r.out, "delay is 7m, expected 5m") || !strings.Contains(r.out, "0 of 1 passed") {
		t.Errorf("exit %d, %s%s", r.code, r.out, r.err)
	}
}

func TestPolicyReplaySaysThatItIsNotThereYet(t *testing.T) {
	if r := command(t, "", "policy", "replay"); r.code != 2 || !strings.Contains(r.err, "not available yet") {
		t.Errorf("exit %d, %s", r.code, r.err)
	}
}
