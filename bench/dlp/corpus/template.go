package corpus

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// template is one document with holes. See README.md for the language.
type template struct {
	family  string
	subject string
	lines   []string
}

// clean templates live in files whose names begin so.
func (t template) clean() bool { return strings.HasPrefix(t.family, "clean") }

// parseTemplates reads a file: "== name" begins a template, its next line
// beginning with "subject:" is the subject, lines beginning with "# " outside
// a template are remarks.
func parseTemplates(file, text string) ([]template, error) {
	var out []template
	for n, line := range strings.Split(text, "\n") {
		switch name, begins := strings.CutPrefix(line, "== "); {
		case begins:
			out = append(out, template{family: file + "/" + name})
		case len(out) == 0:
			if line != "" && !strings.HasPrefix(line, "#") {
				return nil, fmt.Errorf("line %d: text before the first template", n+1)
			}
		default:
			t := &out[len(out)-1]
			if s, ok := strings.CutPrefix(line, "subject:"); ok && len(t.lines) == 0 {
				t.subject = strings.TrimSpace(s)
				continue
			}
			t.lines = append(t.lines, line)
		}
	}
	for i := range out {
		t := &out[i]
		for len(t.lines) > 0 && t.lines[len(t.lines)-1] == "" {
			t.lines = t.lines[:len(t.lines)-1]
		}
	}
	return out, nil
}

// parseWords reads "[list]" and the words of the list, one per line; in lists
// named with a star, many to a line, separated by blanks: "[surname*]".
func parseWords(text string) map[string][]string {
	words, list, many := map[string][]string{}, "", false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case line == "" || strings.HasPrefix(line, "# "):
		case strings.HasPrefix(line, "["):
			list, many = strings.CutSuffix(strings.Trim(line, "[]"), "*")
		case many:
			words[list] = append(words[list], strings.Fields(line)...)
		default:
			words[list] = append(words[list], line)
		}
	}
	return words
}

// repeated is the mark of a line that is written several times: "3-8x ".
var repeated = regexp.MustCompile(`^(\d+)-(\d+)x (.*)$`)

// rangeOf splits such a mark.
func rangeOf(line string) (least, most int, rest string, ok bool) {
	m := repeated.FindStringSubmatch(line)
	if m == nil {
		return 0, 0, line, false
	}
	least, _ = strconv.Atoi(m[1])
	most, _ = strconv.Atoi(m[2])
	return least, most, m[3], true
}

// slot is one hole: {{grade kind:form@name}}.
type slot struct {
	grade byte // 0, or one of + ~ ! - _
	kind  string
	form  string
	name  string
}

func parseSlot(s string) slot {
	var p slot
	if s != "" && strings.IndexByte("+~!-_", s[0]) >= 0 {
		p.grade, s = s[0], s[1:]
	}
	s, p.name, _ = strings.Cut(s, "@")
	p.kind, p.form, _ = strings.Cut(s, ":")
	return p
}
