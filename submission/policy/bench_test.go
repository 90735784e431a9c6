package policy_test

import (
	"fmt"
	"testing"

	"github.com/sekisho-mail/sekisho/submission/policy"
)

func BenchmarkEvaluateFactoryPolicy(b *testing.B) {
	p, _ := policy.Parse(policy.Factory())
	f := facts(nil)
	for b.Loop() {
		p.Evaluate(f)
	}
}

func BenchmarkParseFactoryPolicy(b *testing.B) {
	source := policy.Factory()
	for b.Loop() {
		policy.Parse(source)
	}
}

func BenchmarkEvaluateForAThousandRecipients(b *testing.B) {
	p, _ := policy.Parse(policy.Factory())
	f := facts(nil)
	for i := range 1000 {
		f.Recipients = append(f.Recipients, policy.Recipient{Address: fmt.Sprintf("r%d@d%d.example", i, i%50), External: true})
	}
	for b.Loop() {
		p.Evaluate(f)
	}
}
