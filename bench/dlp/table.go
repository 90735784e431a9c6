package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/sekisho-mail/sekisho/bench/dlp/carrier"
	"github.com/sekisho-mail/sekisho/bench/dlp/corpus"
	"github.com/sekisho-mail/sekisho/bench/dlp/score"
	"github.com/sekisho-mail/sekisho/bench/dlp/system"
	"github.com/sekisho-mail/sekisho/submission/dlp"
)

// tables prints everything that was ordered.
func (o order) tables(out io.Writer, ours *system.Sekisho) error {
	systems := []system.System{ours, system.NewPatterns(), system.NewPurview()}
	if o.set == "none" {
		return o.printFixtures(out, ours)
	}
	for _, set := range o.sets() {
		docs, err := o.documents(set)
		if err != nil {
			return err
		}
		var all []byLevel
		for _, s := range systems {
			r, err := measure(s, docs)
			if err != nil {
				return fmt.Errorf("%s on %s: %w", s.Name(), set, err)
			}
			all = append(all, r)
		}
		printSet(out, set, docs, all)
		of, n, err := held(ours, docs)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "\nclean mails that the factory policy would hold: %d of %d\n", n, of)
		if set == tuned {
			printForms(out, all[0][dlp.Medium])
		}
		if err := printCarriers(out, ours, docs); err != nil {
			return err
		}
	}
	if o.fixtures != "" {
		return o.printFixtures(out, ours)
	}
	return nil
}

func printSet(out io.Writer, set string, docs []*corpus.Document, all []byLevel) {
	fmt.Fprintf(out, "\n== %s: %d documents, %d of them clean mails\n", set, len(docs), all[0][dlp.Medium].Clean)
	for _, level := range []dlp.Level{dlp.Medium, dlp.High, dlp.Low} {
		ids := all[0][level].IDs()
		if level == dlp.Low {
			fmt.Fprintf(out, "\n%-24s", "low: Sekisho alone")
			fmt.Fprintf(out, " %6s   %-5s %-5s %-5s\n", "labels", "P", "R", "F1")
			printRows(out, ids, all[:1], level)
			continue
		}
		fmt.Fprintf(out, "\n%-24s %6s", level, "labels")
		for _, r := range all {
			fmt.Fprintf(out, "   %-17s", r[level].System)
		}
		fmt.Fprintf(out, "\n%-31s", "")
		for range all {
			fmt.Fprintf(out, "   %-5s %-5s %-5s", "P", "R", "F1")
		}
		fmt.Fprintln(out)
		printRows(out, ids, all, level)
		printAlarms(out, all, level)
	}
}

func printRows(out io.Writer, ids []string, all []byLevel, level dlp.Level) {
	row := func(name string, of func(*score.Result) score.Count) {
		fmt.Fprintf(out, "%-24s", name)
		for i, r := range all {
			c := of(r[level])
			if i == 0 {
				fmt.Fprintf(out, " %6d", c.Hit+c.Miss)
			}
			switch {
			case c == (score.Count{}): // not looked for
				fmt.Fprintf(out, "   %-17s", "-")
			case c.Hit+c.Alarm == 0: // nothing found, so nothing to be precise about
				fmt.Fprintf(out, "   -     0.000 0.000")
			default:
				fmt.Fprintf(out, "   %.3f %.3f %.3f", c.Precision(), c.Recall(), c.F1())
			}
		}
		fmt.Fprintln(out)
	}
	for _, id := range ids {
		row(id, func(r *score.Result) score.Count {
			if c := r.Detectors[id]; c != nil {
				return *c
			}
			return score.Count{}
		})
	}
	row("Japanese ids", func(r *score.Result) score.Count { return r.Sum(score.Japanese) })
}

func printAlarms(out io.Writer, all []byLevel, level dlp.Level) {
	fmt.Fprintf(out, "%-31s", "false alarms / 1,000 clean")
	for _, r := range all {
		fmt.Fprintf(out, "   %-17.1f", r[level].Per1000(r[level].Alarmed))
	}
	fmt.Fprintln(out)
	for _, id := range slices.Sorted(maps.Keys(all[0][level].Alarms)) {
		fmt.Fprintf(out, "    %s: %d clean mails\n", id, all[0][level].Alarms[id])
	}
}

// printForms lists the surface forms and families in which values are missed.
func printForms(out io.Writer, r *score.Result) {
	list := func(title string, of map[score.Key]*score.Count) {
		keys := slices.SortedFunc(maps.Keys(of), func(a, b score.Key) int {
			return cmp.Or(cmp.Compare(of[a].F1(), of[b].F1()), strings.Compare(a.Detector+a.Of, b.Detector+b.Of))
		})
		fmt.Fprintf(out, "\nweakest %s at medium\n", title)
		for _, k := range keys[:min(len(keys), 15)] {
			if c := of[k]; c.Miss+c.Alarm > 0 {
				fmt.Fprintf(out, "  %-24s %-32s %s\n", k.Detector, k.Of, c.Short())
			}
		}
	}
	list("surface forms", r.Forms)
	list("families", r.Families)
}

// carrierStep: every so many documents go into each carrier.
const carrierStep = 17

func printCarriers(out io.Writer, ours *system.Sekisho, docs []*corpus.Document) error {
	fmt.Fprintf(out, "\nby carrier, at medium (distinct values counted)\n%-18s %5s   %-5s %-5s %-5s  %s\n", "", "mails", "P", "R", "F1", "not wholly inspected")
	for _, c := range carrier.All() {
		got, err := carry(ours, c, docs, carrierStep)
		if err != nil {
			return err
		}
		sum := got.result.Sum(func(string) bool { return true })
		fmt.Fprintf(out, "%-18s %5d   %.3f %.3f %.3f  %d\n", got.name, got.documents, sum.Precision(), sum.Recall(), sum.F1(), got.unread)
	}
	return nil
}

// showFamily prints documents, of the set that may be looked at.
func (o order) showFamily(out io.Writer) error {
	docs, err := o.documents(tuned)
	if err != nil {
		return err
	}
	for _, d := range docs {
		if d.Family != o.show {
			continue
		}
		fmt.Fprintf(out, "----- %s  %s\n%s", d.ID, d.Subject, d.Text)
		for _, l := range d.Labels {
			fmt.Fprintf(out, "    %s %s %s optional=%t %s\n", l.Detector, l.Level, l.Value, l.Optional, l.Form)
		}
	}
	return nil
}

// showMistakes prints what is missed and what is found wrongly.
func (o order) showMistakes(out io.Writer) error {
	docs, err := o.documents(tuned)
	if err != nil {
		return err
	}
	ours, err := system.NewSekisho(nil, "")
	if err != nil {
		return err
	}
	r, err := measure(ours, docs)
	if err != nil {
		return err
	}
	for _, w := range r[dlp.Medium].Wrong {
		if o.wrong != "all" && o.wrong != w.Detector {
			continue
		}
		what := "false"
		if w.Missed {
			what = "missed"
		}
		fmt.Fprintf(out, "%s %s %s %q\n", w.Detector, what, w.Document.ID, w.Text)
	}
	return nil
}
