package policy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/submission/policy"
)

func parse(t *testing.T, source string) *policy.Policy {
	t.Helper()
	p, problems := policy.Parse([]byte(source))
	if len(problems) > 0 {
		t.Fatalf("policy has problems: %v", problems)
	}
	return p
}

func outsideCorp(address string) bool { return !strings.HasSuffix(address, "@corp.example") }

var noon = time.Date(2025, 11, 26, 12, 0, 0, 0, time.FixedZone("JST", 9*3600))

func TestTheFactoryPolicyMeetsItsOwnExpectations(t *testing.T) {
	p := parse(t, string(policy.Factory()))
	if len(p.Expect) < 20 {
		t.Fatalf("only %d expectations were read", len(p.Expect))
	}
	for _, e := range p.Expect {
		t.Run(e.Name, func(t *testing.T) {
			for _, wrong := range e.Check(p.Evaluate(e.Facts(outsideCorp, noon))) {
				t.Error(wrong)
			}
		})
	}
}
