package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sekisho-mail/sekisho/internal/mailaddr"
	"github.com/sekisho-mail/sekisho/internal/message"
	"github.com/sekisho-mail/sekisho/submission/dlp"
	"github.com/sekisho-mail/sekisho/submission/policy"
)

// ScanCmd inspects without sending.
type ScanCmd struct {
	InspectFlags
	Language string   `enum:"ja,en," default:"" placeholder:"ja|en" help:"Language of names and reasons; default: the configuration's, else ja."`
	JSON     bool     `name:"json" help:"Print one JSON object per file and line."`
	From     string   `placeholder:"ADDRESS" help:"The sender; default: the From field. Without a configuration the sender's domain is the company's."`
	To       []string `placeholder:"ADDRESS" help:"An envelope recipient; repeat it for more. Default: To, Cc and Bcc of the mail."`
	Files    []string `arg:"" name:"file" help:"Mails (.eml) and documents of any kind; - reads one mail from standard input."`
}

// Help is shown below the flags.
func (ScanCmd) Help() string {
	return `Inspects mails and documents as the service would, and prints what was found
and, for mails, what would happen to each recipient and why. Nothing is sent,
stored or asked of anybody.

Exit status: 0 also with findings, 2 when a file could not be read.`
}

// maxScanned bounds what is read into memory.
const maxScanned = 1 << 30

// Run scans one file after the other; one that cannot be read does not stop
// the others.
func (s *ScanCmd) Run(ctx context.Context, out *Streams) error {
	b, err := s.load(out.Program)
	if err != nil {
		fmt.Fprintln(out.Err, err)
		return exitCode(2)
	}
	envelope, err := s.envelope()
	if err != nil {
		fmt.Fprintln(out.Err, err)
		return exitCode(2)
	}
	status := exitCode(0)
	for _, name := range s.Files {
		raw, err := readInput(name, out.In)
		if err != nil {
			fmt.Fprintf(out.Err, "sekisho scan: %s: %s\n", printable(name), plainError(err))
			status = 2
			continue
		}
		scan := b.scan(ctx, name, raw, envelope)
		scan.language = cmp.Or(s.Language, scan.language)
		if s.JSON {
			err = scan.writeJSON(out.Out)
		} else {
			err = scan.write(out.Out)
		}
		if err != nil {
			return fmt.Errorf("write the result: %w", err)
		}
	}
	if status != 0 {
		return status
	}
	return nil
}

// given is what the command line says about a mail.
type given struct {
	from mailaddr.Address
	to   []mailaddr.Address
}

func (s *ScanCmd) envelope() (given, error) { return parseGiven(s.From, s.To) }

func parseGiven(from string, to []string) (given, error) {
	var g given
	var wrong []error
	parse := func(flag, value string) mailaddr.Address {
		a, err := mailaddr.Parse(value, true)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("--%s %s: %w", flag, printable(value), err))
		}
		return a
	}
	if from != "" {
		g.from = parse("from", from)
	}
	for _, t := range to {
		g.to = append(g.to, parse("to", t))
	}
	return g, errors.Join(wrong...)
}

func readInput(name string, stdin io.Reader) ([]byte, error) {
	r := stdin
	var b bytes.Buffer
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		r = f
		i, err := f.Stat()
		if err == nil && i.IsDir() {
			return nil, errors.New("is a directory; name the files in it, as in: find DIR -type f -exec sekisho scan {} +")
		}
		if err == nil && i.Mode().IsRegular() && i.Size() < maxScanned {
			b.Grow(int(i.Size()) + bytes.MinRead) // no copies while it grows
		}
	}
	if _, err := b.ReadFrom(io.LimitReader(r, maxScanned+1)); err != nil {
		return nil, err
	}
	if b.Len() > maxScanned {
		return nil, errors.New("larger than 1 GiB")
	}
	return b.Bytes(), nil
}

func isMail(name string) bool { return name == "-" || strings.EqualFold(filepath.Ext(name), ".eml") }

// scanned is one file's result. The verdict is nil for a bare document.
type scanned struct {
	file     string
	report   *dlp.Report
	verdict  *policy.Verdict
	took     time.Duration
	language string
}

// scan inspects one file.
func (b *bench) scan(ctx context.Context, name string, raw []byte, g given) scanned {
	began := time.Now()
	s := scanned{file: name, language: b.language()}
	if isMail(name) {
		inspection := b.inspect(ctx, raw, g)
		s.report, s.verdict = inspection.Report, &inspection.Verdict
	} else {
		s.report = b.Scanner.File(ctx, filepath.Base(name), raw)
	}
	s.took = time.Since(began)
	return s
}

// inspect fills in from the mail what the command line leaves open.
func (b *bench) inspect(ctx context.Context, raw []byte, g given) Inspection {
	e := Envelope{Person: g.from, Recipients: g.to, At: time.Now()}
	header := message.Header(raw)
	if e.Person == "" {
		if from := addresses(header.Get("From")); len(from) > 0 {
			e.Person = from[0]
		}
	}
	if len(e.Recipients) == 0 {
		e.Recipients = recipients(header)
	}
	inspector := *b.Inspector
	if b.config == nil {
		inspector.Domains = nil
		if d := e.Person.Domain(); d != "" {
			inspector.Domains = []string{d}
		}
	}
	return inspector.Inspect(ctx, e, raw)
}

// recipients of a mail that nobody has handed in yet: all it names, once each.
func recipients(header *message.Block) []mailaddr.Address {
	var out []mailaddr.Address
	seen := map[mailaddr.Address]bool{}
	for _, field := range []string{"To", "Cc", "Bcc"} {
		for _, value := range header.All(field) {
			for _, a := range addresses(value) {
				if !seen[a.Key()] {
					seen[a.Key()] = true
					out = append(out, a)
				}
			}
		}
	}
	return out
}

// scanJSON is the object of the contract; members are added, never renamed.
type scanJSON struct {
	File          string              `json:"file"`
	Findings      []dlp.Finding       `json:"findings"`
	Uninspectable []dlp.Uninspectable `json:"uninspectable"`
	Carriers      []dlp.Carrier       `json:"carriers,omitempty"` // what was looked into, and what of it was left unread
	Verdict       *verdictJSON        `json:"verdict,omitempty"`
	Millis        int64               `json:"millis"`
}

type verdictJSON struct {
	Recipients []recipientJSON `json:"recipients"`
	Watched    []string        `json:"watched"` // rules in mode audit or notify that matched
}

type recipientJSON struct {
	Address    string   `json:"address"`
	Action     string   `json:"action"`
	Delay      string   `json:"delay"`
	Approvers  []string `json:"approvers"`
	Transforms []string `json:"transforms"`
	Rules      []string `json:"rules"`
	OtherRules []string `json:"other_rules"`
	Reasons    []string `json:"reasons"`
	Access     string   `json:"access,omitempty"` // of the link
}

func (s scanned) writeJSON(w io.Writer) error {
	o := scanJSON{
		File: s.file, Findings: list(s.report.Findings), Uninspectable: list(s.report.Uninspectable),
		Carriers: s.report.Carriers, Millis: s.took.Milliseconds(),
	}
	for i := range o.Findings {
		o.Findings[i].Matches = list(o.Findings[i].Matches)
	}
	if s.verdict != nil {
		o.Verdict = jsonVerdict(*s.verdict, s.language)
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(o)
}

func jsonVerdict(v policy.Verdict, language string) *verdictJSON {
	o := &verdictJSON{Recipients: []recipientJSON{}, Watched: watchedRules(v)}
	for _, r := range v.Recipients {
		j := recipientJSON{
			Address: r.Address, Action: string(r.Action), Delay: r.Delay.String(), Approvers: list(r.Approvers),
			Transforms: list(r.Transforms), Rules: list(r.Rules), OtherRules: list(r.OtherRules), Reasons: []string{},
		}
		for _, reason := range r.Reasons {
			j.Reasons = append(j.Reasons, reason.In(language))
		}
		if r.Link != nil {
			j.Access = string(r.Link.Access)
		}
		o.Recipients = append(o.Recipients, j)
	}
	return o
}

// watchedRules names the rules that are only watched, once each.
func watchedRules(v policy.Verdict) []string {
	names := []string{}
	for _, r := range v.Recipients {
		for _, h := range r.Watched {
			if !slices.Contains(names, h.Rule) {
				names = append(names, h.Rule)
			}
		}
	}
	return names
}

// list is never null in JSON.
func list[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
