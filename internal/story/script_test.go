package story

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// script is one story: steps, one on each line, and below them the files it needs:
//
//	# what it shows
//	submit alice mail.eml to=bob@other.example
//	delivered bob@other.example links=1
//	-- mail.eml --
//	From: alice@corp.example
//	...
//
// Words with spaces stand in quotes. A mail that is not in the story is taken from testdata/mails.
type script struct {
	steps []step
	files map[string][]byte
}

// step is one line: a verb, words, and name=value.
type step struct {
	line  int
	text  string
	verb  string
	words []string
	named map[string]string
}

func readScript(path string) (*script, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	s := &script{files: map[string][]byte{}}
	file := ""
	for n, line := range strings.Split(string(raw), "\n") {
		if name, ok := marker(line); ok {
			file = name
			s.files[file] = nil
			continue
		}
		if file != "" {
			s.files[file] = append(s.files[file], line+"\n"...)
			continue
		}
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		st, err := readStep(line)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, n+1, err)
		}
		st.line = n + 1
		s.steps = append(s.steps, st)
	}
	if file != "" { // the last line's end is the file's, not a line more
		s.files[file] = s.files[file][:len(s.files[file])-1]
	}
	return s, nil
}

func marker(line string) (name string, ok bool) {
	name, ok = strings.CutPrefix(line, "-- ")
	if !ok {
		return "", false
	}
	return strings.CutSuffix(name, " --")
}

func readStep(line string) (step, error) {
	st := step{text: line, named: map[string]string{}}
	all, err := split(line)
	if err != nil {
		return st, err
	}
	st.verb = all[0]
	for _, w := range all[1:] {
		name, value, ok := strings.Cut(w, "=")
		if ok && name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz_") == "" {
			st.named[name] = value
		} else {
			st.words = append(st.words, w)
		}
	}
	return st, nil
}

// split cuts a line at spaces outside quotes.
func split(line string) (all []string, err error) {
	var word strings.Builder
	quoted, begun := false, false
	for _, r := range line {
		switch {
		case r == '"':
			quoted, begun = !quoted, true
		case r == ' ' && !quoted:
			if begun {
				all = append(all, word.String())
				word.Reset()
				begun = false
			}
		default:
			word.WriteRune(r)
			begun = true
		}
	}
	if quoted {
		return nil, fmt.Errorf("a quote is not closed: %s", line)
	}
	if begun {
		all = append(all, word.String())
	}
	return all, nil
}

// word is the i-th word, or the story is badly written.
func (st step) word(i int) string {
	if i >= len(st.words) {
		panic(fmt.Sprintf("line %d: %q lacks a word", st.line, st.text))
	}
	return st.words[i]
}

func (st step) list(name string) []string {
	if st.named[name] == "" {
		return nil
	}
	return strings.Split(st.named[name], ",")
}

// mail is a file of the story, or of the common ones, with the line ends of mail.
func (s *script) mail(t testing.TB, name string) []byte {
	t.Helper()
	if raw, ok := s.files[name]; ok {
		return crlf(raw)
	}
	raw, err := os.ReadFile(filepath.Join("testdata", "mails", name))
	if err != nil {
		t.Fatal(err)
	}
	return crlf(raw)
}
