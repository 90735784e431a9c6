package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sekisho-mail/sekisho/internal/yamlfile"
	"github.com/sekisho-mail/sekisho/submission/dlp"
	"github.com/sekisho-mail/sekisho/submission/policy"
)

// shownMatches is how many places of one finding a person is shown.
const shownMatches = 5

// write prints a result for people: what was found and where, what could not
// be looked into, then what would happen to whom and why.
func (s scanned) write(w io.Writer) error {
	var b bytes.Buffer
	p := newPaint(w)
	fmt.Fprintf(&b, "%s  %s\n", p.bold(printable(s.file)), p.faint(fmt.Sprintf("%d ms", s.took.Milliseconds())))
	if len(s.report.Findings)+len(s.report.Uninspectable) == 0 {
		b.WriteString("  " + p.green("nothing found") + "\n")
	}
	for _, f := range s.report.Findings {
		if !s.listedBelow(f) {
			s.finding(&b, p, f)
		}
	}
	for _, u := range s.report.Uninspectable {
		path := u.Path
		if path == "" {
			path = "the mail"
		}
		fmt.Fprintf(&b, "  %s  %s: %s\n", p.yellow("not inspected"), printable(path), u.Reason)
	}
	if s.verdict != nil {
		s.recipients(&b, p)
	}
	_, err := w.Write(b.Bytes())
	return err
}

// listedBelow: what could not be read has lines of its own.
func (s scanned) listedBelow(f dlp.Finding) bool {
	return len(s.report.Uninspectable) > 0 && (f.Detector == dlp.DetectorUninspectable || f.Detector == dlp.DetectorEncrypted)
}

func (s scanned) finding(b *bytes.Buffer, p paint, f dlp.Finding) {
	level := fmt.Sprintf("%-6s", f.Level)
	switch f.Level {
	case dlp.High:
		level = p.red(level)
	case dlp.Medium:
		level = p.yellow(level)
	default:
		level = p.faint(level)
	}
	fmt.Fprintf(b, "  %s  %s × %d  %s\n", level, policy.DetectorName(f.Detector, s.language), f.Count, p.faint(f.Detector))
	for i, m := range f.Matches {
		if i == shownMatches {
			fmt.Fprintf(b, "          %s\n", p.faint(fmt.Sprintf("and %d more places", len(f.Matches)-i)))
			break
		}
		fmt.Fprintf(b, "          %s  %s\n", p.faint(place(m)), printable(m.Excerpt))
	}
}

func place(m dlp.Match) string {
	if m.Where == dlp.InAttachment {
		return printable(m.Path)
	}
	return string(m.Where) + " " + printable(m.Path)
}

func (s scanned) recipients(b *bytes.Buffer, p paint) {
	if len(s.verdict.Recipients) == 0 {
		b.WriteString("  " + p.yellow("no recipients: name one with --to for a verdict") + "\n")
	}
	for _, r := range s.verdict.Recipients {
		fmt.Fprintf(b, "  → %s  %s\n", printable(r.Address), summary(p, r))
		for _, reason := range r.Reasons {
			fmt.Fprintf(b, "      %s  %s\n", reason.In(s.language), p.faint(reason.Rule))
		}
	}
	if watched := watchedRules(*s.verdict); len(watched) > 0 {
		fmt.Fprintf(b, "  %s\n", p.faint("only watched: "+strings.Join(watched, ", ")))
	}
}

// summary is one line: HOLD (asks manager), after 5m, attachments as links.
func summary(p paint, r policy.RecipientVerdict) string {
	parts := []string{action(p, r)}
	if r.Delay > 0 && r.Action != policy.Refuse {
		parts = append(parts, "after "+yamlfile.Duration(r.Delay).String())
	}
	if r.Link != nil {
		link := "attachments as links"
		if r.Link.Access == policy.Code {
			link += " with a one-time code"
		}
		parts = append(parts, link)
	}
	return strings.Join(parts, ", ")
}

func action(p paint, r policy.RecipientVerdict) string {
	switch r.Action {
	case policy.Refuse:
		return p.red("REFUSE")
	case policy.Hold:
		return p.red("HOLD") + " (asks " + stages(r.Stages) + ")"
	case policy.Delay:
		return p.yellow("SEND")
	default:
		return p.green("SEND") + atOnce(r.Delay)
	}
}

func atOnce(delay time.Duration) string {
	if delay == 0 {
		return " at once"
	}
	return ""
}

// stages: "sender, then 2 of manager or group:legal".
func stages(all []policy.Stage) string {
	var parts []string
	for _, s := range all {
		who := strings.Join(s.Approvers, " or ")
		if s.Quorum > 1 {
			who = fmt.Sprintf("%d of %s", s.Quorum, who)
		}
		parts = append(parts, who)
	}
	return strings.Join(parts, ", then ")
}
