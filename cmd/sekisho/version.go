package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"

	sqlite3 "github.com/mattn/go-sqlite3"
)

// stamp is set by the Makefile (-ldflags -X): the version and the commit it was built from.
var stampVersion, stampCommit string

func version() string {
	if stampVersion != "" {
		return stampVersion
	}
	if b, ok := debug.ReadBuildInfo(); ok && b.Main.Version != "" && b.Main.Version != "(devel)" {
		return b.Main.Version
	}
	return "devel"
}

// VersionCmd says what this is.
type VersionCmd struct{}

// Run prints version, commit, Go and SQLite.
func (VersionCmd) Run(_ context.Context, out *Streams) error {
	commit := stampCommit
	if commit == "" {
		commit = "unknown"
	}
	lite, _, _ := sqlite3.Version()
	_, err := fmt.Fprintf(out.Out, "sekisho %s\ncommit  %s\ngo      %s\nsqlite  %s\n", version(), commit, runtime.Version(), lite)
	return err
}
