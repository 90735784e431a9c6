package main

import (
	"fmt"
	"time"

	"github.com/sekisho-mail/sekisho/bench/dlp/corpus"
	"github.com/sekisho-mail/sekisho/bench/dlp/system"
	"github.com/sekisho-mail/sekisho/submission/policy"
)

// held counts the clean mails that the factory policy would not let go: values
// that are no mistake, such as the contacts of many signatures, may still add
// up to what looks like a list.
func held(s system.System, docs []*corpus.Document) (of int, n int, err error) {
	rules, problems := policy.Parse(policy.Factory())
	if len(problems) > 0 {
		return 0, 0, fmt.Errorf("read the factory policy: %v", problems)
	}
	for _, d := range docs {
		if !d.Ordinary() {
			continue
		}
		found, err := s.Search(d)
		if err != nil {
			return 0, 0, fmt.Errorf("%s: %w", d.ID, err)
		}
		counts := map[policy.Finding]int{}
		for _, f := range found {
			counts[policy.Finding{Detector: f.Detector, Level: policy.Level(f.Level.String())}]++
		}
		facts := policy.Facts{Sender: policy.Sender{Address: "sender@corp.example"}, Now: time.Date(2025, 12, 3, 10, 0, 0, 0, time.UTC), Business: true,
			Recipients: []policy.Recipient{{Address: "someone@other.example", External: true}}}
		for f, count := range counts {
			f.Count = count
			facts.Findings = append(facts.Findings, f)
		}
		of++
		if rules.Evaluate(facts).Strictest().StricterThan(policy.Delay) {
			n++
		}
	}
	return of, n, nil
}
