package score

import (
	"testing"

	"github.com/sekisho-mail/sekisho/bench/dlp/corpus"
	"github.com/sekisho-mail/sekisho/bench/dlp/system"
	"github.com/sekisho-mail/sekisho/submission/dlp"
)

func document(labels ...corpus.Label) *corpus.Document {
	return &corpus.Document{Family: "clean/a", Text: "0123456789012345678901234567890123456789", Labels: labels}
}

func label(level dlp.Level, start, end int) corpus.Label {
	return corpus.Label{Detector: "jp.phone", Level: level, Spans: []corpus.Span{{Start: start, End: end}}}
}

func TestCountsOfOneDocument(t *testing.T) {
	optional, bare := label(dlp.Medium, 10, 20), label(dlp.Low, 10, 20)
	optional.Optional, bare.Bare = true, true
	found := func(level dlp.Level, start, end int) system.Found {
		return system.Found{Detector: "jp.phone", Level: level, Start: start, End: end}
	}
	for _, c := range []struct {
		name  string
		label corpus.Label
		found []system.Found
		level dlp.Level
		want  Count
	}{
		{"found", label(dlp.Medium, 10, 20), []system.Found{found(dlp.Medium, 12, 14)}, dlp.Medium, Count{Hit: 1}},
		{"found twice", label(dlp.Medium, 10, 20), []system.Found{found(dlp.Medium, 12, 14), found(dlp.High, 16, 18)}, dlp.Medium, Count{Hit: 1}},
		{"missed", label(dlp.Medium, 10, 20), nil, dlp.Medium, Count{Miss: 1}},
		{"beside it", label(dlp.Medium, 10, 20), []system.Found{found(dlp.Medium, 20, 25)}, dlp.Medium, Count{Miss: 1, Alarm: 1}},
		{"not sure enough", label(dlp.High, 10, 20), []system.Found{found(dlp.Medium, 10, 20)}, dlp.High, Count{Miss: 1}},
		{"nobody asked at this level", label(dlp.Medium, 10, 20), []system.Found{found(dlp.Medium, 10, 20)}, dlp.High, Count{}},
		{"surer than asked", label(dlp.Medium, 10, 20), []system.Found{found(dlp.High, 10, 20)}, dlp.High, Count{}},
		{"optional and found", optional, []system.Found{found(dlp.Medium, 10, 20)}, dlp.Medium, Count{}},
		{"optional and not found", optional, nil, dlp.Medium, Count{}},
		{"bare at low", bare, []system.Found{found(dlp.Low, 10, 20)}, dlp.Low, Count{Hit: 1}},
		{"bare called medium", bare, []system.Found{found(dlp.Medium, 10, 20)}, dlp.Medium, Count{Alarm: 1}},
		{"outside the body", label(dlp.Medium, 10, 20), []system.Found{found(dlp.Medium, -1, -1)}, dlp.Medium, Count{Miss: 1, Alarm: 1}},
	} {
		r := New("x", c.level)
		r.Add(document(c.label), c.found, func(string) bool { return true })
		if got := r.Sum(Japanese); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
		if alarmed := c.want.Alarm > 0; (r.Alarmed == 1) != alarmed || r.Clean != 1 {
			t.Errorf("%s: %d of %d clean mails alarmed", c.name, r.Alarmed, r.Clean)
		}
	}
}

func TestCountsInACarrier(t *testing.T) {
	optional := label(dlp.Medium, 20, 30)
	optional.Optional = true
	for _, c := range []struct {
		n, extra int
		quoted   bool
		want     Count
	}{
		{0, 0, false, Count{Miss: 1}},
		{1, 0, false, Count{Hit: 1}},
		{2, 0, false, Count{Hit: 1}},
		{4, 0, false, Count{Hit: 1, Alarm: 2}},
		{4, 2, false, Count{Hit: 1}},
		{0, 0, true, Count{}},
	} {
		r := New("x", dlp.Medium)
		r.AddCounts(document(label(dlp.Medium, 10, 20), optional), map[string]int{"jp.phone": c.n}, c.extra, c.quoted)
		if got := r.Sum(Japanese); got != c.want {
			t.Errorf("%+v: %+v", c, got)
		}
	}
}

func TestRates(t *testing.T) {
	c := Count{Hit: 3, Miss: 1, Alarm: 2}
	if c.Precision() != 0.6 || c.Recall() != 0.75 || c.F1() < 0.666 || c.F1() > 0.667 || c.F2() < 0.714 || c.F2() > 0.715 {
		t.Errorf("%v %v %v %v", c.Precision(), c.Recall(), c.F1(), c.F2())
	}
}
