package main

import (
	"context"
	"fmt"

	"github.com/sekisho-mail/sekisho/bench/dlp/carrier"
	"github.com/sekisho-mail/sekisho/bench/dlp/corpus"
	"github.com/sekisho-mail/sekisho/bench/dlp/score"
	"github.com/sekisho-mail/sekisho/bench/dlp/system"
	"github.com/sekisho-mail/sekisho/internal/message"
	"github.com/sekisho-mail/sekisho/submission/dlp"
)

// byLevel are the results of one system.
type byLevel map[dlp.Level]*score.Result

func levels() []dlp.Level { return []dlp.Level{dlp.Low, dlp.Medium, dlp.High} }

// measure runs a system over documents.
func measure(s system.System, docs []*corpus.Document) (byLevel, error) {
	results := byLevel{}
	for _, l := range levels() {
		results[l] = score.New(s.Name(), l)
	}
	for _, d := range docs {
		found, err := s.Search(d)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", d.ID, err)
		}
		for _, r := range results {
			r.Add(d, found, s.Covers)
		}
	}
	return results, nil
}

// carried is one line of the table of carriers.
type carried struct {
	name      string
	documents int
	result    *score.Result
	unread    int // documents that were not, or not wholly, inspected
}

// carry puts every step-th document into a carrier, and fewer into a slow one.
func carry(s *system.Sekisho, c carrier.Carrier, docs []*corpus.Document, step int) (carried, error) {
	if c.Slow {
		step *= 6
	}
	out := carried{name: c.Name, result: score.New(c.Name, dlp.Medium)}
	for i := 0; i < len(docs); i += step {
		raw, ok := c.Mail(docs[i])
		if !ok {
			continue
		}
		m, err := message.Parse(raw)
		if err != nil {
			return out, fmt.Errorf("%s in %s: %w", docs[i].ID, c.Name, err)
		}
		report := s.Scanner.Message(context.Background(), m)
		counts := map[string]int{}
		for _, f := range report.Findings {
			if f.Level >= dlp.Medium {
				counts[f.Detector] += f.Count
			}
		}
		if len(report.Uninspectable) > 0 {
			out.unread++
		}
		out.documents++
		out.result.AddCounts(docs[i], counts, c.Extra, c.Quoted)
	}
	return out, nil
}
