// The command dlp runs the public benchmark of Japanese personal data in mail;
// README.md explains it.
package main

import (
	"context"
	"embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/sekisho-mail/sekisho/bench/dlp/corpus"
	"github.com/sekisho-mail/sekisho/bench/dlp/system"
	"github.com/sekisho-mail/sekisho/submission/dlp"
)

//go:embed train test test2 test3
var templates embed.FS

// tuned is the set that detectors are made better with. Of all others only
// figures are shown.
const tuned = "train"

// sets are the directories of templates.
func sets() []string { return []string{tuned, "test", "test2", "test3"} }

// readPDF as the only argument makes this program the child that reads PDF.
const readPDF = "read-pdf"

func main() {
	var err error
	if len(os.Args) == 2 && os.Args[1] == readPDF {
		err = dlp.PDFChild(os.Stdin, os.Stdout)
	} else {
		err = run(os.Args[1:], os.Stdout)
	}
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench/dlp:", err)
		os.Exit(1)
	}
}

// order is what the command line asks for.
type order struct {
	set      string
	seed     uint64
	each     int
	clean    int
	wrong    string
	show     string
	export   string
	findings string
	fixtures string
}

func parse(args []string) (order, error) {
	var o order
	f := flag.NewFlagSet("bench/dlp", flag.ContinueOnError)
	f.StringVar(&o.set, "set", "", "only this set: "+strings.Join(sets(), ", ")+", or none (with -fixtures)")
	f.Uint64Var(&o.seed, "seed", 1, "another seed gives other documents of the same templates")
	f.IntVar(&o.each, "each", 30, "documents of each template")
	f.IntVar(&o.clean, "clean", 50, "documents of each template of clean mail")
	f.StringVar(&o.wrong, "wrong", "", "print the mistakes of a detector (or all) on the train set at medium")
	f.StringVar(&o.show, "show", "", "print the documents of a family of the train set, with their labels")
	f.StringVar(&o.export, "export", "", "write the documents as mails, with labels.jsonl, into this directory")
	f.StringVar(&o.findings, "findings", "", "score this JSONL file of another system over the exported documents")
	f.StringVar(&o.fixtures, "fixtures", "", "also run over the labelled data in this directory (presidio, stockmark NER, Enron)")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected %q", f.Arg(0))
	}
	return o, nil
}

// documents of a set, in the amount that was ordered.
func (o order) documents(set string) ([]*corpus.Document, error) {
	s, err := corpus.Load(templates, set)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", set, err)
	}
	return s.Documents(o.seed, o.each, o.clean)
}

func (o order) sets() []string {
	if o.set != "" {
		return []string{o.set}
	}
	return sets()
}

func run(args []string, out io.Writer) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	switch {
	case o.show != "":
		return o.showFamily(out)
	case o.wrong != "":
		return o.showMistakes(out)
	case o.export != "":
		return o.exportAll(out)
	case o.findings != "":
		return o.scoreFile(out)
	}
	cache, err := cacheDir()
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	ours, err := system.NewSekisho([]string{self, readPDF}, cache)
	if err != nil {
		return err
	}
	if err := ours.Scanner.Warm(context.Background()); err != nil {
		return fmt.Errorf("prepare the PDF reader: %w", err)
	}
	return o.tables(out, ours)
}

// cacheDir keeps the compiled PDF reader between runs.
func cacheDir() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find a cache: %w", err)
	}
	dir = filepath.Join(dir, "sekisho-bench")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make a cache: %w", err)
	}
	return dir, nil
}
