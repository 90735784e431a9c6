package yamlfile_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/internal/yamlfile"
)

type word string

func (w *word) UnmarshalText(b []byte) error {
	if string(b) == "bad" {
		return errors.New("not a good word")
	}
	*w = word(b)
	return nil
}

type sample struct {
	Name  string            `yaml:"name"`
	On    bool              `yaml:"on"`
	Count int               `yaml:"count"`
	Word  word              `yaml:"word"`
	Inner *inner            `yaml:"inner"`
	List  []inner           `yaml:"list"`
	Words []string          `yaml:"words"`
	Map   map[string][]int  `yaml:"map"`
	Size  yamlfile.Size     `yaml:"size"`
	Wait  yamlfile.Duration `yaml:"wait"`
	Later yamlfile.NotYet   `yaml:"later"`
}

type inner struct {
	Host string `yaml:"host"`
	Port int    `yaml:"port"`
}

func problems(f *yamlfile.File) string {
	var lines []string
	for _, p := range f.Problems() {
		lines = append(lines, fmt.Sprintf("%d: %s", p.Line, p.Text))
	}
	return strings.Join(lines, "\n")
}

func TestEveryValueIsReadAndItsLineKnown(t *testing.T) {
	var s sample
	f := yamlfile.Read([]byte(`name: a
on: true
count: 3
inner: {host: h, port: 25}
list:
  - host: x
  - {host: y, port: 2}
words: one
map: {a: [1, 2]}
size: 150MiB
wait: 7d
`), &s)
	if p := problems(f); p != "" {
		t.Fatal(p)
	}
	if s.Name != "a" || !s.On || s.Count != 3 || s.Inner.Port != 25 || s.List[1].Host != "y" ||
		len(s.Words) != 1 || s.Map["a"][1] != 2 || s.Size != 150<<20 || s.Wait != yamlfile.Duration(7*24*time.Hour) {
		t.Fatalf("read %+v", s)
	}
	for path, line := range map[string]int{"inner.port": 4, "list[1].port": 7, "list[0]": 6, "wait": 11, "inner.absent": 4, "nothing": 1} {
		if got := f.Line(path); got != line {
			t.Errorf("%s stands in line %d, reported %d", path, line, got)
		}
	}
	if f.Has("inner.absent") || !f.Has("list[1].port") {
		t.Error("Has is wrong about what the file gives")
	}
}

func TestAllMistakesAreReportedAtOnceWithTheirLines(t *testing.T) {
	var s sample
	f := yamlfile.Read([]byte(`namme: a
on: yes
count: many
word: bad
inner: [1]
list:
  - {hots: x}
  - host: {a: 1}
count: 3
size: large
wait: -5m
words: {a: b}
zzzzzzzzzz: 1
`), &s)
	want := `1: unknown key "namme"; did you mean "name"?
2: on must be true or false, not "yes"
3: count must be a whole number, not "many"
4: word: not a good word
5: inner must be a mapping (key: value), not a list
7: unknown key "hots" in list[0]; did you mean "host"?
8: list[1].host must be text, not a mapping
9: "count" stands twice; first in line 3
10: size: "large" is no size; write for example 10MB, 150MiB or 0
11: wait: "-5m" is no length of time; write for example 30s, 5m, 1h30m, 7d or 0
12: words must be a list, not a mapping
13: unknown key "zzzzzzzzzz"; known: count, inner, later, list, map, name, on, size, wait, word, words`
	if got := problems(f); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestBrokenAndHostileFilesAreRefused(t *testing.T) {
	for name, c := range map[string]struct{ source, want string }{
		"syntax":   {"a: [1\nb: 2", "not valid YAML"},
		"not yet":  {"later: {host: x}", "1: later is not available yet"},
		"alias":    {"name: &x a\nword: *x", "anchors and aliases"},
		"merge":    {"inner: {<<: {host: a}}", "a key in inner must be plain text"},
		"second":   {"name: a\n---\nname: b", "a second document"},
		"no map":   {"- a", "the file must be a mapping"},
		"too deep": {"map: {a: " + strings.Repeat("[", 40) + strings.Repeat("]", 40) + "}", "map.a[0] must be a whole number"},
		"binary":   {"\x00\x01", "not valid YAML"},
		"huge":     {strings.Repeat("#", yamlfile.MaxBytes+1), "at most"},
	} {
		t.Run(name, func(t *testing.T) {
			var s sample
			if got := problems(yamlfile.Read([]byte(c.source), &s)); !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q in it", got, c.want)
			}
		})
	}
}

func TestAnEmptyFileAndEmptyKeysAreNoMistake(t *testing.T) {
	var s sample
	if got := problems(yamlfile.Read(nil, &s)); got != "" {
		t.Error(got)
	}
	if got := problems(yamlfile.Read([]byte("name:\nlist:\nwords: ~\nmap:\nword:\nlater: false\n# end\n"), &s)); got != "" {
		t.Error(got)
	}
}

func TestSizesAndDurationsReadBackAsWritten(t *testing.T) {
	for _, text := range []string{"0", "1234", "10kB", "1KiB", "25MB", "150MiB", "2GiB", "3GB"} {
		var s yamlfile.Size
		if err := s.UnmarshalText([]byte(text)); err != nil || s.String() != text {
			t.Errorf("%s became %s (%v)", text, s, err)
		}
	}
	for _, text := range []string{"30s", "5m", "1h30m", "36h", "7d", "400d", "0s"} {
		var d yamlfile.Duration
		if err := d.UnmarshalText([]byte(text)); err != nil || d.String() != text {
			t.Errorf("%s became %s (%v)", text, d, err)
		}
	}
}

func FuzzReadNeverPanics(f *testing.F) {
	f.Add([]byte("name: a\ninner: {host: h}\nlist: [{host: x}]\n"))
	f.Add([]byte("? [a]\n: b\n"))
	f.Add([]byte("name: !!binary aGk=\nsize: 1e999\nwait: 99999999d"))
	f.Fuzz(func(t *testing.T, source []byte) {
		var s sample
		for _, p := range yamlfile.Read(source, &s).Problems() {
			if p.Line < 0 || p.Text == "" {
				t.Fatalf("problem without a line or text: %+v", p)
			}
		}
	})
}

func TestKeysOfAnEmbeddedStructAreItsOwn(t *testing.T) {
	var s struct {
		inner `yaml:",inline"`
		Name  string `yaml:"name"`
	}
	f := yamlfile.Read([]byte("name: n\nhost: h\nprot: 25\n"), &s)
	if got := problems(f); s.Host != "h" || s.Name != "n" || got != `3: unknown key "prot"; did you mean "port"?` {
		t.Errorf("%+v, %q", s, got)
	}
}
