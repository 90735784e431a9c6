package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// inspecting are the commands that look and change nothing.
type inspecting struct {
	Scan    ScanCmd    `cmd:""`
	Rewrite RewriteCmd `cmd:""`
	Check   CheckCmd   `cmd:""`
	Relay   RelayCmd   `cmd:""`
	Policy  PolicyCmd  `cmd:""`
	Bench   BenchCmd   `cmd:""`
}

// result is what a person at a shell sees.
type result struct {
	out, err string
	code     int
}

// command runs a command line as the program would.
func command(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	var out, errs bytes.Buffer
	s := &Streams{In: strings.NewReader(stdin), Out: &out, Err: &errs}
	parser, err := kong.New(&inspecting{}, kong.BindTo(t.Context(), (*context.Context)(nil)), kong.Bind(s))
	if err != nil {
		t.Fatal(err)
	}
	line, err := parser.Parse(args)
	if err != nil {
		t.Fatalf("%v: %v", args, err)
	}
	err = line.Run()
	code := exitCode(0)
	if err != nil && !errors.As(err, &code) {
		t.Fatalf("%v: %v", args, err)
	}
	return result{out.String(), errs.String(), int(code)}
}

// golden compares with a file of testdata; SEKISHO_GOLDEN=write makes it anew.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("SEKISHO_GOLDEN") == "write" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; got:\n%s", path, got)
	}
}

// write puts a file into a directory of the test and gives its path.
func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
