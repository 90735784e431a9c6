package main

import (
	"fmt"
	"io"
)

// Streams are a command's input and output, given to every Run so that tests
// read what a person would.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// exitCode ends the program with that status and without another word: the
// command has already said what there is to say.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit status %d", int(c)) }
