package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/sekisho-mail/sekisho/internal/audit"
)

// AuditCmd is the log of everything that changed.
type AuditCmd struct {
	Verify AuditVerifyCmd `cmd:"" help:"Recompute the whole log and say whether anything was changed, removed or slipped in."`
	Export AuditExportCmd `cmd:"" help:"Write the log as JSON lines, with what is needed to verify it elsewhere."`
}

// AuditVerifyCmd verifies.
type AuditVerifyCmd struct {
	QueueFlags
	Known []string `placeholder:"FILE" help:"A signed checkpoint that was kept elsewhere; the log must contain it."`
}

// Run verifies; exit 1 when something is wrong.
func (c *AuditVerifyCmd) Run(ctx context.Context, out *Streams) error {
	var known []string
	for _, file := range c.Known {
		note, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		known = append(known, string(note))
	}
	return c.open(ctx, out, func(h *house) error {
		r, err := h.audit.Verify(ctx, known...)
		if err != nil {
			return err
		}
		if c.JSON {
			err = printJSON(out.Out, r)
		} else {
			err = printReport(out.Out, r)
		}
		if err == nil && !r.Untouched() {
			return exitCode(1)
		}
		return err
	})
}

func printReport(w io.Writer, r *audit.Report) error {
	fmt.Fprintf(w, "entries      %d, root %s\ncheckpoints  %d\n", r.Size, r.Root, r.Checkpoints)
	if r.Purged > 0 {
		fmt.Fprintf(w, "purged       %d entries without their personal data\n", r.Purged)
	}
	if r.Pending > 0 {
		fmt.Fprintf(w, "no number    %d entries yet, the oldest since %s\n", r.Pending, r.OldestPending.Local().Format(time.DateTime))
	}
	for _, p := range r.Problems {
		fmt.Fprintf(w, "PROBLEM      entry %d %s: %s\n", p.Number, p.ID, p.Text)
	}
	verdict := "The log is as it was written."
	if !r.Untouched() {
		verdict = "The log is NOT as it was written."
	}
	_, err := fmt.Fprintln(w, verdict)
	return err
}

// AuditExportCmd exports.
type AuditExportCmd struct{ QueueFlags }

// Run writes JSON lines to standard output.
func (c *AuditExportCmd) Run(ctx context.Context, out *Streams) error {
	return c.open(ctx, out, func(h *house) error { return h.audit.Export(ctx, out.Out) })
}
