package main

import (
	"context"
	"fmt"
)

// Commands whose place on the command line is fixed and whose work is still to come. They say so, do nothing, and
// exit 2, so that no script believes it has a backup.

// BackupCmd will make a consistent copy while running.
type BackupCmd struct {
	Config string `short:"c" placeholder:"FILE" help:"Configuration file."`
	Dir    string `arg:"" optional:"" help:"Where the copy goes."`
}

// Run says what to do until then.
func (BackupCmd) Run(_ context.Context, out *Streams) error {
	return notYet(out, "backup", "Until then: stop the service, copy data_dir and keep the key file apart.")
}

// RestoreCmd will bring a backup back.
type RestoreCmd struct {
	Config string `short:"c" placeholder:"FILE" help:"Configuration file."`
	Dir    string `arg:"" optional:"" help:"Where the copy lies."`
}

// Run says what to do until then.
func (RestoreCmd) Run(_ context.Context, out *Streams) error {
	return notYet(out, "restore", "Until then: put the copied data_dir and the key file back while the service is stopped.")
}

// MigrateCmd will move a database to PostgreSQL and files to S3.
type MigrateCmd struct {
	From string `placeholder:"URL" help:"Database or store to move from."`
	To   string `placeholder:"URL" help:"Database or store to move to."`
}

// Run says what to do until then.
func (MigrateCmd) Run(_ context.Context, out *Streams) error {
	return notYet(out, "migrate", "A new installation can use PostgreSQL and S3 from its first day.")
}

// BenchCmd will measure this machine.
type BenchCmd struct{}

// Run says what to do until then.
func (BenchCmd) Run(_ context.Context, out *Streams) error {
	return notYet(out, "bench", `Until then: "make bench" in the source tree.`)
}

func notYet(out *Streams, command, instead string) error {
	fmt.Fprintf(out.Err, "sekisho %s is not available in this version. %s\n", command, instead)
	return exitCode(2)
}
