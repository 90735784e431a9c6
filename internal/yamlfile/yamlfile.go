// Package yamlfile reads a YAML file that a person wrote into a struct and
// reports every mistake at once, each with its line: unknown keys (with the key
// that was probably meant), repeated keys, wrong types, and values that their
// own UnmarshalText refuses.
//
// It knows nothing of what the keys mean. Anchors, aliases, merges and custom
// tags are refused: nobody needs them in a page of settings, and an alias is
// how a short file becomes a huge one.
package yamlfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// MaxBytes bounds a file; a larger one is no page of settings.
const MaxBytes = 4 << 20

// Problem is one mistake. Line 0 means that it belongs to no line.
type Problem struct {
	Line int
	Text string
}

// File is a read file: where each value stands, and what was wrong so far.
type File struct {
	lines    map[string]int
	problems []Problem
}

// Read decodes source into the struct that into points to. Fields are named by
// their `yaml` tag; a field without one is not read. What can be decoded is,
// so that later checks can run and report their mistakes beside these.
func Read(source []byte, into any) *File {
	f := &File{lines: map[string]int{"": 1}}
	if len(source) > MaxBytes {
		f.add(0, "the file has %d bytes; at most %d are read", len(source), MaxBytes)
		return f
	}
	root, err := document(source)
	if err != nil {
		f.syntax(err)
		return f
	}
	if root != nil {
		f.value(root, "", target(into))
	}
	return f
}

// document parses exactly one YAML document; nil for an empty file.
func document(source []byte) (*yaml.Node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(source))
	var doc yaml.Node
	if err := decoder.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		return nil, err
	}
	var next yaml.Node
	if err := decoder.Decode(&next); err == nil {
		return nil, fmt.Errorf("yaml: line %d: a second document starts here; only one is read", next.Line)
	} else if !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(doc.Content) == 0 {
		return nil, nil
	}
	return doc.Content[0], nil
}

var syntaxLine = regexp.MustCompile(`^yaml: (?:unmarshal errors:\s+)?(?:line (\d+): )?`)

// syntax keeps the parser's line number apart from its words.
func (f *File) syntax(err error) {
	text := err.Error()
	m := syntaxLine.FindStringSubmatch(text)
	line := 0
	if m != nil {
		text = strings.TrimPrefix(text, m[0])
		line, _ = strconv.Atoi(m[1]) // absent: no line
	}
	f.add(line, "not valid YAML: %s", text)
}

func (f *File) add(line int, format string, args ...any) {
	f.problems = append(f.problems, Problem{line, fmt.Sprintf(format, args...)})
}

// Add records a mistake found later at a path such as "submission.tls" or
// "rules[2].when"; an absent key is reported where its parent stands.
func (f *File) Add(path, format string, args ...any) {
	f.add(f.Line(path), format, args...)
}

// Has reports whether the file gives the path.
func (f *File) Has(path string) bool {
	_, ok := f.lines[path]
	return ok
}

// Line is where the path, or its nearest parent in the file, stands.
func (f *File) Line(path string) int {
	for {
		if line, ok := f.lines[path]; ok {
			return line
		}
		cut := strings.LastIndexAny(path, ".[")
		if cut < 0 {
			return f.lines[""]
		}
		path = path[:cut]
	}
}

// Problems lists every mistake in the order of the lines.
func (f *File) Problems() []Problem {
	sorted := slices.Clone(f.problems)
	slices.SortStableFunc(sorted, func(a, b Problem) int { return a.Line - b.Line })
	return sorted
}
