package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/sekisho-mail/sekisho/bench/dlp/score"
	"github.com/sekisho-mail/sekisho/bench/dlp/system"
)

// exportAll writes SET/FAMILY-N.eml and labels.jsonl, one document to a line.
func (o order) exportAll(out io.Writer) error {
	if err := os.MkdirAll(o.export, 0o755); err != nil {
		return fmt.Errorf("make the directory: %w", err)
	}
	labels, err := os.Create(filepath.Join(o.export, "labels.jsonl"))
	if err != nil {
		return fmt.Errorf("write labels: %w", err)
	}
	defer labels.Close()
	w := bufio.NewWriter(labels)
	lines := json.NewEncoder(w)
	lines.SetEscapeHTML(false)
	n := 0
	for _, set := range o.sets() {
		docs, err := o.documents(set)
		if err != nil {
			return err
		}
		for _, d := range docs {
			name := filepath.Join(o.export, strings.ReplaceAll(d.ID, "/", "-")+".eml")
			if err := os.WriteFile(name, []byte(system.PlainMail(d)), 0o644); err != nil {
				return fmt.Errorf("write a document: %w", err)
			}
			if err := lines.Encode(d); err != nil {
				return fmt.Errorf("write labels: %w", err)
			}
			n++
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("write labels: %w", err)
	}
	fmt.Fprintf(out, "%d documents in %s\n", n, o.export)
	return labels.Close()
}

// answer is one line of another system's findings.
type answer struct {
	ID       string         `json:"id"`
	Findings []system.Found `json:"findings"`
}

// scoreFile prints the table of a system that ran elsewhere.
func (o order) scoreFile(out io.Writer) error {
	f, err := os.Open(o.findings)
	if err != nil {
		return fmt.Errorf("open findings: %w", err)
	}
	defer f.Close()
	answers, covers := map[string][]system.Found{}, map[string]bool{}
	for lines := json.NewDecoder(f); ; {
		var a answer
		if err := lines.Decode(&a); err == io.EOF {
			break
		} else if err != nil {
			return fmt.Errorf("read findings: %w", err)
		}
		answers[a.ID] = a.Findings
		for _, found := range a.Findings {
			covers[found.Detector] = true
		}
	}
	for _, set := range o.sets() {
		docs, err := o.documents(set)
		if err != nil {
			return err
		}
		results := byLevel{}
		for _, l := range levels() {
			results[l] = score.New(filepath.Base(o.findings), l)
		}
		for _, d := range docs {
			for _, r := range results {
				r.Add(d, answers[d.ID], func(id string) bool { return covers[id] })
			}
		}
		printSet(out, set, docs, []byLevel{results})
	}
	return nil
}
