package main

import (
	"context"
	"fmt"
)

// CheckCmd looks for mistakes.
type CheckCmd struct {
	Config string `short:"c" required:"" placeholder:"FILE" help:"Configuration file."`
	JSON   bool   `name:"json" help:"Print one JSON object per line."`
}

// Run reports.
func (c *CheckCmd) Run(ctx context.Context, out *Streams) error {
	if _, err := LoadConfig(c.Config); err != nil {
		fmt.Fprintln(out.Out, err)
		return exitCode(1)
	}
	return nil
}
