package policy

// Parse reads a policy file and returns every mistake at once. With problems
// the policy is nil.
func Parse(source []byte) (*Policy, []Problem) { return &Policy{}, nil }

// Factory is the policy of a company that wrote none, in the file format.
func Factory() []byte { return []byte("version: 1\n") }

// Evaluate runs all rules over the facts.
func (p *Policy) Evaluate(f Facts) Verdict {
	return Uninspected(f, Reason{Rule: "uninspected", Code: "uninspected"})
}

// Uninspected is the verdict for a mail whose inspection failed: every
// recipient is held for the administrators.
func Uninspected(f Facts, why Reason) Verdict {
	var v Verdict
	for _, r := range f.Recipients {
		v.Recipients = append(v.Recipients, RecipientVerdict{Address: r.Address, Action: Hold,
			Approvers: []string{"admin"}, Stages: []Stage{{Approvers: []string{"admin"}, Quorum: 1}},
			Rules: []string{why.Rule}, Reasons: []Reason{why}})
	}
	return v
}

// Observes reports whether this sender's mail is only observed: with mode
// observe everybody's, with pilots named everybody's but theirs. A pilot is
// an address, or a group by its name.
func Observes(observe bool, pilot []string, s Sender) bool { return observe }
