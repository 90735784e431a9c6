package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sekisho-mail/sekisho/bench/dlp/corpus"
	"github.com/sekisho-mail/sekisho/bench/dlp/system"
	"github.com/sekisho-mail/sekisho/internal/message"
)

func command(t *testing.T, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	if err := run(append(args, "-each", "1", "-clean", "1"), &out); err != nil {
		t.Fatalf("%v: %v", args, err)
	}
	return out.String()
}

// TestAnotherSystemIsScored: the mails that are exported hold the text that the
// labels speak of, and a system that finds exactly the labels is perfect.
func TestAnotherSystemIsScored(t *testing.T) {
	dir := t.TempDir()
	command(t, "-set", tuned, "-export", dir)
	labels, err := os.Open(filepath.Join(dir, "labels.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer labels.Close()
	findings, err := os.Create(filepath.Join(dir, "findings.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer findings.Close()
	w := json.NewEncoder(findings)
	lines := bufio.NewScanner(labels)
	lines.Buffer(nil, 1<<20)
	for n := 0; lines.Scan(); n++ {
		var d corpus.Document
		if err := json.Unmarshal(lines.Bytes(), &d); err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(filepath.Join(dir, strings.ReplaceAll(d.ID, "/", "-")+".eml"))
		if err != nil {
			t.Fatal(err)
		}
		m, err := message.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := m.Root.Decode(1 << 20); err != nil || string(body) != d.Text {
			t.Fatalf("%s: the mail says %q, %v", d.ID, body, err)
		}
		a := answer{ID: d.ID}
		for _, l := range d.Labels {
			a.Findings = append(a.Findings, system.Found{Detector: l.Detector, Level: l.Level, Start: l.Spans[0].Start, End: l.Spans[0].End})
		}
		if err := w.Encode(a); err != nil {
			t.Fatal(err)
		}
	}
	out := command(t, "-set", tuned, "-findings", findings.Name())
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "jp.") && !strings.Contains(line, "1.000 1.000 1.000") {
			t.Errorf("not perfect: %s", line)
		}
	}
	if !strings.Contains(out, "jp.my_number") {
		t.Errorf("no table: %s", out)
	}
}

// TestHeldOutDocumentsAreNotShown: neither by family nor as mistakes.
func TestHeldOutDocumentsAreNotShown(t *testing.T) {
	for _, family := range []string{"trade/lease", "people/hotel", "client/claim"} {
		if out := command(t, "-show", family); out != "" {
			t.Errorf("shows %q", out)
		}
	}
	for _, set := range sets() {
		if out := command(t, "-set", set, "-wrong", "all"); set != tuned && strings.Contains(out, " "+set+"/") {
			t.Errorf("shows %q", out)
		}
	}
	if out := command(t, "-show", "contacts/members"); !strings.Contains(out, "jp.phone") {
		t.Errorf("does not show the train set: %q", out)
	}
}
