package main

import (
	"fmt"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/sekisho-mail/sekisho/bench/dlp/carrier"
	"github.com/sekisho-mail/sekisho/bench/dlp/corpus"
	"github.com/sekisho-mail/sekisho/bench/dlp/score"
	"github.com/sekisho-mail/sekisho/bench/dlp/system"
	"github.com/sekisho-mail/sekisho/submission/dlp"
)

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == readPDF {
		main()
		return
	}
	os.Exit(m.Run())
}

// small is enough to see a regression, in seconds.
var small = order{seed: 7, each: 10, clean: 50}

func documents(t *testing.T, set string) []*corpus.Document {
	t.Helper()
	docs, err := small.documents(set)
	if err != nil {
		t.Fatal(err)
	}
	return docs
}

func TestTheSameSeedWritesTheSameDocuments(t *testing.T) {
	for _, set := range sets() {
		one, two := documents(t, set), documents(t, set)
		other := small
		other.seed++
		three, err := other.documents(set)
		if err != nil {
			t.Fatal(err)
		}
		same := 0
		for i := range one {
			if one[i].Text != two[i].Text || fmt.Sprint(one[i].Labels) != fmt.Sprint(two[i].Labels) {
				t.Fatalf("%s differs from itself", one[i].ID)
			}
			if one[i].Text == three[i].Text {
				same++
			}
		}
		if same > len(one)/20 {
			t.Errorf("%s: another seed leaves %d of %d as they are", set, same, len(one))
		}
	}
}

// TestLabelsStandWhereTheySay reads every value back from its span.
func TestLabelsStandWhereTheySay(t *testing.T) {
	for _, set := range sets() {
		for _, d := range documents(t, set) {
			for _, l := range d.Labels {
				if len(l.Spans) == 0 {
					t.Fatalf("%s: %s %s stands nowhere", d.ID, l.Detector, l.Value)
				}
				for _, s := range l.Spans {
					if got := read(d.Text[s.Start:s.End]); spelled(l.Detector) && !strings.HasSuffix(got, read(strings.TrimPrefix(l.Value, "0"))) && !halfName(l, got) {
						t.Errorf("%s: %s %s reads %q", d.ID, l.Detector, l.Value, d.Text[s.Start:s.End])
					}
				}
			}
		}
	}
}

// halfName: surname and given name have columns of their own.
func halfName(l corpus.Label, got string) bool {
	return l.Detector == "jp.person_name" && got != "" && strings.Contains(l.Value, got)
}

// spelled detectors have values that forms only separate, never rewrite.
func spelled(id string) bool {
	return !slices.Contains([]string{"date_of_birth", "jp.postal_address", "jp.phone"}, id)
}

// read undoes every surface form: letters and digits are left.
func read(s string) string {
	kanji := strings.NewReplacer("〇", "0", "一", "1", "二", "2", "三", "3", "四", "4", "五", "5", "六", "6", "七", "7", "八", "8", "九", "9")
	if strings.Trim(s, "〇一二三四五六七八九") == "" {
		s = kanji.Replace(s)
	}
	for _, word := range []string{"第", "号", "記号", "番号", "記", "番", "No.", "ー", "の"} {
		s = strings.ReplaceAll(s, word, "")
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || r == '@' {
			return unicode.ToLower(r)
		}
		return -1
	}, norm.NFKC.String(s))
}

var holes = regexp.MustCompile(`\{\{[^}]*\}\}`)

// TestSetsAreApart: nothing that a detector could learn by heart in one set
// helps it in another.
func TestSetsAreApart(t *testing.T) {
	seen := map[string]string{}
	for _, set := range sets() {
		files, err := templates.ReadDir(set)
		if err != nil {
			t.Fatal(err)
		}
		here := map[string]bool{}
		for _, f := range files {
			b, err := templates.ReadFile(path.Join(set, f.Name()))
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(string(b)) {
				line = strings.TrimSpace(line)
				field := strings.HasPrefix(line, ": ") || strings.HasPrefix(line, "== ") // which read the same everywhere
				if field || strings.HasPrefix(line, "#") || len([]rune(holes.ReplaceAllString(line, ""))) < 12 || f.Name() == "forms.txt" {
					continue
				}
				if in := seen[line]; in != "" && in != set {
					t.Errorf("%s and %s both have %q", in, set, line)
				}
				here[line] = true
			}
		}
		for line := range here {
			seen[line] = set
		}
	}
}

// TestEverySetIsRichEnough: every id of the contract, and a thousand clean mails.
func TestEverySetIsRichEnough(t *testing.T) {
	for _, set := range sets() {
		labels, clean := map[string]int{}, 0
		for _, d := range documents(t, set) {
			if d.Ordinary() {
				clean++
				if !d.Clean() {
					t.Errorf("%s is among the clean mails and has something to find", d.ID)
				}
			}
			for _, l := range d.Labels {
				if !l.Optional {
					labels[l.Detector]++
				}
			}
		}
		if clean < 1000 {
			t.Errorf("%s: %d clean mails", set, clean)
		}
		for _, id := range dlp.Builtin() {
			if strings.HasPrefix(id, "jp.") && labels[id] < 10 {
				t.Errorf("%s: %d values of %s", set, labels[id], id)
			}
		}
	}
}

// target is what every Japanese id has to reach at medium, in precision and in
// recall, on every set.
const target = 0.97

// notYet are the ids that are below the target. An entry goes when it is
// reached; none is added.
func notYet() map[string]string {
	return map[string]string{
		tuned:   "jp.pension_number",
		"test":  "jp.phone payment_card",
		"test3": "date_of_birth jp.corporate_number jp.health_insurance jp.my_number jp.pension_number jp.person_name",
	}
}

// heldToday are the clean mails that the factory policy may still hold: a
// quotation whose first line is none of the usual ones.
func heldToday() map[string]int { return map[string]int{tuned: 1} }

// alarmsYet are the ids that still raise false alarms at medium in clean mails.
// An id goes when it is quiet; none is added.
func alarmsYet() map[string]string {
	return map[string]string{"test3": "date_of_birth jp.person_name jp.postal_address"}
}

func checkAlarms(t *testing.T, set string, medium *score.Result) {
	t.Helper()
	open := strings.Fields(alarmsYet()[set])
	for id, n := range medium.Alarms {
		if slices.Contains(open, id) {
			t.Logf("%s: not there yet: %s alarms in %.1f of 1,000 clean mails", set, id, medium.Per1000(n))
		} else {
			t.Errorf("%s: %s alarms in %.1f of 1,000 clean mails", set, id, medium.Per1000(n))
		}
	}
	for _, id := range open {
		if medium.Alarms[id] == 0 {
			t.Logf("%s: %s is quiet in clean mails: take it out of alarmsYet", set, id)
		}
	}
}

func TestDetectionKeepsItsFigures(t *testing.T) {
	ours, err := system.NewSekisho(nil, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, set := range sets() {
		docs := documents(t, set)
		got, err := measure(ours, docs)
		if err != nil {
			t.Fatal(err)
		}
		medium, high := got[dlp.Medium], got[dlp.High]
		if high.Alarmed > 0 {
			t.Errorf("%s: %.1f high false alarms in 1,000 clean mails: %v", set, high.Per1000(high.Alarmed), high.Alarms)
		}
		checkAlarms(t, set, medium)
		if of, n, err := held(ours, docs); n > heldToday()[set] || err != nil {
			t.Errorf("%s: the factory policy would hold %d of %d clean mails (%v)", set, n, of, err)
		}
		for _, id := range medium.IDs() {
			c := medium.Detectors[id]
			below := score.Japanese(id) && min(c.Recall(), c.Precision()) < target
			open := slices.Contains(strings.Fields(notYet()[set]), id)
			switch {
			case below && open:
				t.Logf("%s: not there yet: %s %s", set, id, c.Short())
			case below:
				t.Errorf("%s: %s fell below the target: %s", set, id, c.Short())
			case open:
				t.Logf("%s: %s has reached the target: take it out of notYet", set, id)
			}
		}
		all := medium.Sum(score.Japanese)
		for _, other := range []system.System{system.NewPatterns(), system.NewPurview()} {
			theirs, err := measure(other, docs)
			if err != nil {
				t.Fatal(err)
			}
			if c := theirs[dlp.Medium].Sum(score.Japanese); c.F1() >= all.F1() {
				t.Errorf("%s: %s is no worse: %s against %s", set, other.Name(), c.Short(), all.Short())
			}
		}
	}
}

// TestEveryCarrierBringsTheText: what the plain text shows is found in every
// carrier, or the carrier is broken.
func TestEveryCarrierBringsTheText(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ours, err := system.NewSekisho([]string{self, readPDF}, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var docs []*corpus.Document
	for _, d := range documents(t, tuned) {
		if d.Family == "mynumber/prose" {
			docs = append(docs, d)
		}
	}
	for _, c := range carrier.All() {
		got, err := carry(ours, c, docs, 2)
		if err != nil {
			t.Fatal(err)
		}
		if n := got.result.Detectors["jp.my_number"]; got.documents == 0 || n == nil || n.Miss > 0 || got.unread > 0 {
			t.Errorf("%s: %d documents, %d unread, %+v", c.Name, got.documents, got.unread, n)
		}
	}
}
