package main

import (
	"context"
	"fmt"
)

// Commands whose place on the command line is fixed and whose work is still to come. They say so, do nothing, and
// exit 2.

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
