// Command sekisho is a checkpoint for outgoing mail: it accepts, inspects,
// delays, asks and only then relays.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// commands is the whole command line.
type commands struct {
	Serve    ServeCmd    `cmd:"" help:"Run the service."`
	Demo     DemoCmd     `cmd:"" help:"Run the whole product in a throw-away directory, with sample people and mails."`
	Check    CheckCmd    `cmd:"" help:"Look for every mistake in configuration, policy and environment."`
	Queue    QueueCmd    `cmd:"" help:"See and steer waiting mail, also without the identity provider."`
	User     UserCmd     `cmd:"" help:"Who may submit: the built-in user file."`
	Audit    AuditCmd    `cmd:"" help:"Prove the audit log untouched, or export it."`
	Scan     ScanCmd     `cmd:"" help:"Inspect mails and documents without sending them."`
	Rewrite  RewriteCmd  `cmd:"" help:"Print a mail as one recipient would get it."`
	Policy   PolicyCmd   `cmd:"" help:"Validate, test and show policies."`
	Backup   BackupCmd   `cmd:"" help:"Make a consistent copy, while running."`
	Restore  RestoreCmd  `cmd:"" help:"Bring a backup back into an empty installation."`
	Migrate  MigrateCmd  `cmd:"" help:"Move to PostgreSQL or S3, held mail and all."`
	Relay    RelayCmd    `cmd:"" help:"Which way mail takes, and how TLS went."`
	Portal   PortalCmd   `cmd:"" help:"Prepare a node that is only a download portal: its keys, its database user."`
	Bench    BenchCmd    `cmd:"" help:"Measure what this machine can do, in a throw-away directory."`
	Version  VersionCmd  `cmd:"" help:"Print version, commit, Go and SQLite."`
	ReadPDF  ReadPDFCmd  `cmd:"" name:"read-pdf" hidden:""`
	ShowPage ShowPageCmd `cmd:"" name:"show-page" hidden:""`

	ReadPicture ReadPictureCmd `cmd:"" name:"read-picture" hidden:""`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	program, err := os.Executable()
	if err != nil {
		program = "" // only PDF needs it
	}
	os.Exit(run(ctx, os.Args[1:], &Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Program: program}))
}

// run carries out one command line and gives the exit status.
func run(ctx context.Context, args []string, out *Streams) int {
	var c commands
	done := -1
	parser, err := kong.New(&c, kong.Name("sekisho"),
		kong.Description("A checkpoint for outgoing mail."),
		kong.Writers(out.Out, out.Err),
		kong.Exit(func(code int) { done = code }),
		kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(out),
	)
	if err != nil {
		fmt.Fprintln(out.Err, "sekisho:", err)
		return 2
	}
	command, err := parser.Parse(args)
	if done >= 0 {
		return done // --help
	}
	if err != nil {
		fmt.Fprintln(out.Err, "sekisho:", err)
		return 2
	}
	return status(command.Run(), out.Err)
}

func status(err error, w io.Writer) int {
	var code exitCode
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return int(code)
	default:
		fmt.Fprintln(w, "sekisho:", err)
		return 1
	}
}
