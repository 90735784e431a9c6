package main

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sekisho-mail/sekisho/internal/seal"
	"github.com/sekisho-mail/sekisho/submission/dlp"
	"github.com/sekisho-mail/sekisho/submission/policy"
)

// indexPurpose keeps the keys of indexes apart from all others.
const indexPurpose = "dlp index"

// besidePolicy finds the files that a policy names relative to it.
func besidePolicy(p *policy.Policy, path string) {
	dir := filepath.Dir(path)
	beside := func(file string) string {
		if path == "" || filepath.IsAbs(file) {
			return file
		}
		return filepath.Join(dir, file)
	}
	for name, file := range p.Data {
		p.Data[name] = beside(file)
	}
	for name, file := range p.Documents {
		p.Documents[name] = beside(file)
	}
	for i, e := range p.URLs {
		if file, ok := strings.CutPrefix(e, policy.FilePrefix); ok {
			p.URLs[i] = policy.FilePrefix + beside(file)
		}
	}
}

// registered opens what the policy says is registered.
func registered(c *Config, p *policy.Policy, o *dlp.Options) error {
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(p.Data)) {
		rows, err := openIndex(c, p.Data[name], dlp.OpenRows)
		if err != nil {
			problems = append(problems, fmt.Errorf("data.%s: %w", name, err))
		}
		o.Data = append(o.Data, dlp.DataList{Name: name, Rows: rows})
	}
	for _, name := range slices.Sorted(maps.Keys(p.Documents)) {
		documents, err := openIndex(c, p.Documents[name], dlp.OpenDocuments)
		if err != nil {
			problems = append(problems, fmt.Errorf("documents.%s: %w", name, err))
		}
		o.Documents = append(o.Documents, dlp.DocumentSet{Name: name, Documents: documents})
	}
	for _, e := range p.URLs {
		file, isFile := strings.CutPrefix(e, policy.FilePrefix)
		if !isFile {
			o.URLs = append(o.URLs, e)
			continue
		}
		entries, err := urlFile(file)
		if err != nil {
			problems = append(problems, fmt.Errorf("urls: %w", err))
		}
		o.URLs = append(o.URLs, entries...)
	}
	return errors.Join(problems...)
}

// openIndex reads an index with the key that it names.
func openIndex[T any](c *Config, file string, open func(b, key []byte) (T, error)) (opened T, err error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return opened, fmt.Errorf("cannot read the index: %s; `sekisho policy index` makes it", plainError(err))
	}
	s, err := dlp.SealOf(b)
	if err != nil {
		return opened, fmt.Errorf("%s: %w", file, err)
	}
	if c.Keys.File == "" {
		return opened, fmt.Errorf("%s: an index is read with the company's keys; give --config", file)
	}
	key, err := indexKey(c, s)
	if err != nil {
		return opened, fmt.Errorf("%s: %w", file, err)
	}
	if opened, err = open(b, key); err != nil {
		return opened, fmt.Errorf("%s: %w", file, err)
	}
	return opened, nil
}

// indexKey derives the key of one index.
func indexKey(c *Config, s dlp.Seal) ([]byte, error) {
	if _, err := os.Stat(c.Keys.File); err != nil { // Load would make one
		return nil, fmt.Errorf("keys.file: %s", plainError(err))
	}
	keys, err := seal.Load(c.Keys.File)
	if err != nil {
		return nil, err
	}
	return keys.MACWith(cmp.Or(s.KeyID, keys.CurrentID()), indexPurpose, hex.EncodeToString(s.Salt[:]))
}

// urlFile reads a list of hosts: one a line, as in a hosts file or alone, with
// remarks behind #.
func urlFile(file string) ([]string, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %s", file, plainError(err))
	}
	var out []string
	for line := range strings.Lines(string(b)) {
		line, _, _ = strings.Cut(line, "#")
		switch f := strings.Fields(line); len(f) {
		case 0:
		case 1:
			out = append(out, f[0])
		default: // 0.0.0.0 bad.example
			out = append(out, f[1:]...)
		}
	}
	return out, nil
}
