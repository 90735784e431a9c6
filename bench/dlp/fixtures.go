package main

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/sekisho-mail/sekisho/bench/dlp/corpus"
	"github.com/sekisho-mail/sekisho/bench/dlp/score"
	"github.com/sekisho-mail/sekisho/bench/dlp/system"
	"github.com/sekisho-mail/sekisho/submission/dlp"
)

// printFixtures runs over labelled data of others, where it lies.
func (o order) printFixtures(out io.Writer, ours *system.Sekisho) error {
	for _, one := range []struct {
		file string
		run  func(io.Writer, *system.Sekisho, string) error
	}{
		{"presidio/synth_dataset_v2.json", printPresidio},
		{"jp/stockmark_ner_wikipedia.json", printSentences},
		{"enron/text_shared.jsonl.gz", printEnron},
	} {
		err := one.run(out, ours, filepath.Join(o.fixtures, one.file))
		if errors.Is(err, fs.ErrNotExist) {
			fmt.Fprintf(out, "\nnot there: %s\n", one.file)
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", one.file, err)
		}
	}
	return nil
}

func readJSON(file string, into any) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read labelled data: %w", err)
	}
	return json.Unmarshal(b, into)
}

// labelled makes a document of a text and spans counted in characters.
func labelled(id, text string) (*corpus.Document, []int) {
	bytes := make([]int, 0, len(text)+1)
	for i := range text {
		bytes = append(bytes, i)
	}
	return &corpus.Document{ID: id, Family: id, Text: text}, append(bytes, len(text))
}

// sharedTypes are presidio's types that we have, too. Its telephone numbers are
// those of many countries; ours are Japanese.
func sharedTypes() map[string]string {
	return map[string]string{"CREDIT_CARD": "payment_card", "EMAIL_ADDRESS": "email_address", "IBAN_CODE": "iban", "US_SSN": "us.ssn"}
}

func printPresidio(out io.Writer, ours *system.Sekisho, file string) error {
	var sentences []struct {
		Text  string `json:"full_text"`
		Spans []struct {
			Type  string `json:"entity_type"`
			Value string `json:"entity_value"`
			Start int    `json:"start_position"`
			End   int    `json:"end_position"`
		} `json:"spans"`
	}
	if err := readJSON(file, &sentences); err != nil {
		return err
	}
	types := sharedTypes()
	var docs []*corpus.Document
	for i, s := range sentences {
		d, at := labelled(fmt.Sprintf("presidio/%d", i), s.Text)
		for _, span := range s.Spans {
			if id := types[span.Type]; id != "" && span.End < len(at) {
				d.Labels = append(d.Labels, corpus.Label{Detector: id, Value: span.Value, Level: dlp.High, Spans: []corpus.Span{{Start: at[span.Start], End: at[span.End]}}})
			}
		}
		docs = append(docs, d)
	}
	shared := func(id string) bool { return slices.Contains(slices.Collect(maps.Values(types)), id) }
	fmt.Fprintf(out, "\n== presidio: %d English sentences, the types we share\n", len(docs))
	for _, s := range []system.System{ours, system.NewPatterns()} {
		results, err := measure(s, docs)
		if err != nil {
			return err
		}
		for _, level := range []dlp.Level{dlp.Medium, dlp.Low} {
			r := results[level]
			if s.Name() == "patterns" && level == dlp.Low {
				continue
			}
			for _, id := range slices.Sorted(maps.Values(types)) {
				if c := r.Detectors[id]; c != nil {
					fmt.Fprintf(out, "%-9s %-7s %-14s %s F2 %.3f\n", s.Name(), level, id, c.Short(), c.F2())
				}
			}
			sum := r.Sum(shared)
			fmt.Fprintf(out, "%-9s %-7s %-14s %s F2 %.3f\n", s.Name(), level, "together", sum.Short(), sum.F2())
			others := r.Sum(func(id string) bool { return !shared(id) })
			fmt.Fprintf(out, "%-9s %-7s other detectors said something %d times\n", s.Name(), level, others.Alarm)
		}
	}
	fmt.Fprintln(out, "presidio, as published over all of its types: P .685 R .603 F2 .618 as it comes, P .870 R .839 F2 .845 tuned")
	return nil
}

// printSentences: encyclopaedia sentences hold names of people and no numbers
// to protect.
func printSentences(out io.Writer, ours *system.Sekisho, file string) error {
	var sentences []struct {
		Text     string `json:"text"`
		Entities []struct {
			Name string `json:"name"`
			Span [2]int `json:"span"`
			Type string `json:"type"`
		} `json:"entities"`
	}
	if err := readJSON(file, &sentences); err != nil {
		return err
	}
	var docs []*corpus.Document
	for i, s := range sentences {
		d, at := labelled(fmt.Sprintf("clean/%d", i), s.Text)
		for _, e := range s.Entities {
			if e.Type == "人名" && e.Span[1] < len(at) {
				d.Labels = append(d.Labels, corpus.Label{Detector: "jp.person_name", Value: e.Name, Level: dlp.Low, Spans: []corpus.Span{{Start: at[e.Span[0]], End: at[e.Span[1]]}}})
			}
		}
		docs = append(docs, d)
	}
	results, err := measure(ours, docs)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\n== stockmark NER: %d Japanese sentences of an encyclopaedia\n", len(docs))
	for _, level := range levels() {
		r := results[level]
		if level == dlp.Low {
			fmt.Fprintf(out, "jp.person_name at low, every kind of name labelled: %s\n", r.Detectors["jp.person_name"].Short())
		}
		delete(r.Alarms, "jp.person_name")
		fmt.Fprintf(out, "%-7s other false alarms in %d sentences: %v\n", level, r.Clean, r.Alarms)
	}
	return nil
}

// printEnron counts what is found in real mail; nothing of it is labelled, and
// nothing of it is shown.
func printEnron(out io.Writer, ours *system.Sekisho, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("read mails: %w", err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return fmt.Errorf("read mails: %w", err)
	}
	results := byLevel{}
	for _, l := range levels() {
		results[l] = score.New("sekisho", l)
	}
	for lines := json.NewDecoder(bufio.NewReader(z)); ; {
		var m struct{ Subject, Body string }
		if err := lines.Decode(&m); err == io.EOF {
			break
		} else if err != nil {
			return fmt.Errorf("read mails: %w", err)
		}
		d := &corpus.Document{ID: "clean/enron", Family: "clean/enron", Subject: m.Subject, Text: m.Body}
		found, err := ours.Search(d)
		if err != nil {
			return err
		}
		for _, r := range results {
			r.Add(d, found, ours.Covers)
		}
	}
	fmt.Fprintf(out, "\n== Enron: %d real English mails, not labelled; mails in which something is found, per 1,000\n", results[dlp.Low].Clean)
	for _, id := range slices.Sorted(maps.Keys(results[dlp.Low].Alarms)) {
		fmt.Fprintf(out, "%-24s", id)
		for _, level := range levels() {
			fmt.Fprintf(out, "  %s %6.1f", level, results[level].Per1000(results[level].Alarms[id]))
		}
		fmt.Fprintln(out)
	}
	return nil
}
