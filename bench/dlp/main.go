// The command dlp runs the public benchmark of Japanese personal data in mail;
// README.md explains it.
package main

import (
	"embed"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/sekisho-mail/sekisho/bench/dlp/corpus"
	"github.com/sekisho-mail/sekisho/bench/dlp/score"
	"github.com/sekisho-mail/sekisho/bench/dlp/system"
	"github.com/sekisho-mail/sekisho/submission/dlp"
)

//go:embed train
var templates embed.FS

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench/dlp:", err)
		os.Exit(1)
	}
}

func run() error {
	set := flag.String("set", "train", "")
	wrong := flag.String("wrong", "", "print the mistakes of this detector, or all")
	show := flag.String("show", "", "print a family's documents")
	flag.Parse()
	s, err := corpus.Load(templates, *set)
	if err != nil {
		return err
	}
	docs, err := s.Documents(1, 30, 50)
	if err != nil {
		return err
	}
	if *show != "" {
		for _, d := range docs {
			if d.Family == *show {
				fmt.Println("-----", d.ID, d.Subject)
				fmt.Println(d.Text)
				for _, l := range d.Labels {
					fmt.Printf("   %+v\n", l)
				}
			}
		}
		return nil
	}
	sys, err := system.NewSekisho(nil, "")
	if err != nil {
		return err
	}
	res := map[dlp.Level]*score.Result{}
	for _, l := range []dlp.Level{dlp.Low, dlp.Medium, dlp.High} {
		res[l] = score.New(sys.Name(), l)
	}
	for _, d := range docs {
		f, err := sys.Search(d)
		if err != nil {
			return err
		}
		for _, r := range res {
			r.Add(d, f, sys.Covers)
		}
	}
	for _, l := range []dlp.Level{dlp.Low, dlp.Medium, dlp.High} {
		r := res[l]
		fmt.Println(l, len(docs), "documents")
		for _, id := range r.IDs() {
			fmt.Printf("  %-24s %s\n", id, r.Detectors[id].Short())
		}
		fmt.Printf("  clean %d alarmed %d %v\n", r.Clean, r.Alarmed, r.Alarms)
	}
	if *wrong != "" {
		for _, w := range res[dlp.Medium].Wrong {
			if *wrong == "all" || *wrong == w.Detector {
				fmt.Println(w.Detector, map[bool]string{true: "missed", false: "false"}[w.Missed], w.Document.ID, strings.ReplaceAll(w.Text, "\n", "⏎"))
			}
		}
	}
	return nil
}
