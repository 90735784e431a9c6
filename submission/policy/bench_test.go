package policy_test

import (
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
