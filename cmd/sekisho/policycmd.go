package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sekisho-mail/sekisho/internal/mailaddr"
	"github.com/sekisho-mail/sekisho/submission/policy"
)

// PolicyCmd is everything about policy files that needs no running service.
type PolicyCmd struct {
	Check  PolicyCheckCmd  `cmd:"" help:"Report every mistake in a policy file, with its line."`
	Test   PolicyTestCmd   `cmd:"" help:"Run the policy's own tests (expect)."`
	Index  PolicyIndexCmd  `cmd:"" help:"Register customer lists and confidential documents to be found again."`
	Show   PolicyShowCmd   `cmd:"" help:"Print the policy in force; without a file the factory policy."`
	Replay PolicyReplayCmd `cmd:"" help:"Replay a draft policy over past mail (not available yet)."`
}

// PolicyFlags name the policy; the positional file wins.
type PolicyFlags struct {
	Config string `short:"c" placeholder:"FILE" help:"Configuration file that names the policy."`
	File   string `arg:"" optional:"" help:"Policy file; default: the configured one, else the factory policy."`
}

// path of the policy file, "" for the factory policy.
func (f PolicyFlags) path() (string, error) {
	if f.File != "" || f.Config == "" {
		return f.File, nil
	}
	c, err := LoadConfig(f.Config)
	if err != nil {
		return "", err
	}
	return c.Policy.File, nil
}

// read gives the policy with its source, or every mistake.
func (f PolicyFlags) read() (*policy.Policy, []byte, error) {
	path, err := f.path()
	if err != nil {
		return nil, nil, err
	}
	p, source, wrong := readPolicy(path)
	if len(wrong) > 0 {
		return nil, nil, MistakesError(wrong)
	}
	return p, source, nil
}

// PolicyCheckCmd validates.
type PolicyCheckCmd struct {
	PolicyFlags
	JSON bool `name:"json" help:"Print the mistakes as JSON lines."`
}

// Run lists every mistake; exit 1 when there is one.
func (c *PolicyCheckCmd) Run(_ context.Context, out *Streams) error {
	p, _, err := c.read()
	if wrong, ok := err.(MistakesError); ok && c.JSON {
		if err := jsonLines(out.Out, wrong); err != nil {
			return err
		}
		return exitCode(1)
	}
	if err != nil {
		fmt.Fprintln(out.Out, err)
		return exitCode(1)
	}
	if !c.JSON {
		fmt.Fprintf(out.Out, "ok: %d rules, %d tests\n", ownRules(p), len(p.Expect))
	}
	return nil
}

func jsonLines(w io.Writer, wrong []Mistake) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	for _, m := range wrong {
		if err := e.Encode(m); err != nil {
			return fmt.Errorf("write the result: %w", err)
		}
	}
	return nil
}

func ownRules(p *policy.Policy) int {
	n := 0
	for _, r := range p.Rules {
		if !r.Safeguard {
			n++
		}
	}
	return n
}

// PolicyShowCmd prints the effective policy.
type PolicyShowCmd struct{ PolicyFlags }

// Run prints the file as it is, and below it, as comments, what the program
// adds: the rules that guard detectors the file does not speak of.
func (c *PolicyShowCmd) Run(_ context.Context, out *Streams) error {
	p, source, err := c.read()
	if err != nil {
		fmt.Fprintln(out.Err, err)
		return exitCode(1)
	}
	var b bytes.Buffer
	b.Write(source)
	if len(source) > 0 && source[len(source)-1] != '\n' {
		b.WriteByte('\n')
	}
	english, err := speechOf("en")
	if err != nil {
		return err
	}
	first := true
	for _, r := range p.Rules {
		if !r.Safeguard {
			continue
		}
		if first {
			b.WriteString("\n# In force beside these, because no rule above speaks of what they guard\n# (see `sekisho policy show` without a file for the rules themselves):\n")
			first = false
		}
		fmt.Fprintf(&b, "#   %s: hold, asks %s\n", r.Name, english.stages(r.Then.Hold.Stages))
	}
	_, err = out.Out.Write(b.Bytes())
	return err
}

// PolicyReplayCmd is announced, not built.
type PolicyReplayCmd struct {
	PolicyFlags
	Days int `default:"30" help:"How far to look back."`
}

// Run says so plainly.
func (*PolicyReplayCmd) Run(_ context.Context, out *Streams) error {
	fmt.Fprintln(out.Err, "sekisho policy replay: not available yet. Until then, give a rule mode: audit and read on the audit page what it would have done.")
	return exitCode(2)
}

// PolicyTestCmd runs `expect`.
type PolicyTestCmd struct {
	PolicyFlags
	Domain  []string `placeholder:"DOMAIN" help:"The company's own domains; default: the configured ones, else the sender's."`
	Verbose bool     `short:"v" help:"Name the tests that passed, too."`
}

// Help is shown below the flags.
func (PolicyTestCmd) Help() string {
	return `Every entry under expect is judged by the policy. Its mail is a file beside the
policy file; without one, the entry tells findings and attachments outright.

Exit status: 0 all passed, 1 one failed, 2 the policy or a mail could not be read.`
}

// Run judges every expectation.
func (c *PolicyTestCmd) Run(ctx context.Context, out *Streams) error {
	t, err := c.open(out)
	if err != nil {
		fmt.Fprintln(out.Err, err)
		return exitCode(2)
	}
	failed, unreadable := 0, false
	for i := range t.Policy.Expect {
		e := &t.Policy.Expect[i]
		verdict, err := t.judge(ctx, e)
		if err != nil {
			fmt.Fprintf(out.Out, "ERROR %s: %s\n", t.name(e), err)
			failed, unreadable = failed+1, true
			continue
		}
		wrong := e.Check(verdict)
		switch {
		case len(wrong) > 0:
			failed++
			fmt.Fprintf(out.Out, "FAIL  %s\n      %s\n", t.name(e), strings.Join(wrong, "\n      "))
		case c.Verbose:
			fmt.Fprintf(out.Out, "ok    %s\n", t.name(e))
		}
	}
	fmt.Fprintf(out.Out, "%d of %d passed\n", len(t.Policy.Expect)-failed, len(t.Policy.Expect))
	switch {
	case unreadable:
		return exitCode(2)
	case failed > 0:
		return exitCode(1)
	}
	return nil
}

// trial is a policy under test.
type trial struct {
	*bench
	path    string
	domains []string
}

func (c *PolicyTestCmd) open(out *Streams) (*trial, error) {
	path, err := c.path()
	if err != nil {
		return nil, err
	}
	b, err := InspectFlags{Config: c.Config, Policy: path}.load(out.Program)
	if err != nil {
		return nil, err
	}
	t := &trial{bench: b, path: path, domains: c.Domain}
	if len(t.domains) == 0 && b.config != nil {
		t.domains = b.config.Organization.Domains
	}
	return t, nil
}

// name says which entry it is, for a person with the file open.
func (t *trial) name(e *policy.Expectation) string {
	where := fmt.Sprintf("%s:%d", cmp.Or(t.path, "factory policy"), e.Line)
	if what := cmp.Or(e.Name, e.Mail); what != "" {
		where += " " + printable(what)
	}
	return where
}

func (t *trial) judge(ctx context.Context, e *policy.Expectation) (policy.Verdict, error) {
	if e.Mail == "" {
		domains := t.domains
		if len(domains) == 0 {
			domains = []string{mailaddr.Address(e.From).Domain()}
		}
		external := func(a string) bool { return !mailaddr.InDomains(mailaddr.Address(a), domains) }
		return t.Policy.Evaluate(e.Facts(external, time.Now().In(t.Calendar.Zone()))), nil
	}
	path := e.Mail
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(t.path), path)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return policy.Verdict{}, fmt.Errorf("%s: %s", e.Mail, plainError(err))
	}
	g, err := parseGiven(e.From, append(append(append([]string{}, e.To...), e.Cc...), e.Bcc...))
	if err != nil {
		return policy.Verdict{}, err
	}
	b := *t.bench
	if len(t.domains) > 0 {
		inspector := *t.Inspector
		inspector.Domains = t.domains
		b = bench{Inspector: &inspector, config: cmp.Or(t.config, &Config{})}
	}
	return b.inspect(ctx, raw, g).Verdict, nil
}
