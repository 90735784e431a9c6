package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sekisho-mail/sekisho/internal/yamlfile"
)

// Expectation is one entry under `expect`: a mail from a file, or its findings
// told outright, and what must come of it.
type Expectation struct {
	Name string `yaml:"name"`
	// Mail is a file beside the policy file; without it the mail has just the
	// findings and attachments listed here.
	Mail        string               `yaml:"mail"`
	From        string               `yaml:"from"`
	To          []string             `yaml:"to"`
	Cc          []string             `yaml:"cc"`
	Bcc         []string             `yaml:"bcc"`
	Subject     string               `yaml:"subject"`
	Groups      []string             `yaml:"sender_groups"`
	Automatic   bool                 `yaml:"automatic"`
	Reopens     bool                 `yaml:"reopens_link"`
	Findings    []ContentTest        `yaml:"findings"`
	Attachments []ExpectedAttachment `yaml:"attachments"`

	Action     Action             `yaml:"action"`
	Rules      []string           `yaml:"rules"`
	Delay      *yamlfile.Duration `yaml:"delay"`
	Approvers  []string           `yaml:"approvers"`
	Transforms *[]string          `yaml:"transforms"`
	Access     Access             `yaml:"access"`
	// Linked are the names of the listed attachments that become links.
	Linked    *[]string `yaml:"linked"`
	UnlessTLS *bool     `yaml:"unless_tls"`
	ViewOnly  *bool     `yaml:"view_only"`

	Line int
}

// ExpectedAttachment is an attachment of a mail that is told outright.
type ExpectedAttachment struct {
	Name  string        `yaml:"name"`
	Type  string        `yaml:"type"`
	Size  yamlfile.Size `yaml:"size"`
	Fixed bool          `yaml:"fixed"`
}

// UnmarshalText reads the short form: a name alone.
func (a *ExpectedAttachment) UnmarshalText(text []byte) error {
	*a = ExpectedAttachment{Name: string(text), Size: 1024}
	return nil
}

func (r *resolver) expectations(p *Policy, guards []Rule) {
	for i := range p.Expect {
		e, path := &p.Expect[i], fmt.Sprintf("expect[%d]", i)
		e.Line = r.file.Line(path)
		if len(e.To)+len(e.Cc)+len(e.Bcc) == 0 {
			r.problem(path, "an expectation needs at least one recipient in to, cc or bcc")
		}
		if e.Action == "" {
			r.problem(path, "an expectation needs an action: send, delay, hold or refuse")
		}
		if e.Mail != "" && len(e.Findings)+len(e.Attachments) > 0 {
			r.problem(path, "give a mail, or its findings and attachments; not both")
		}
		if e.Linked != nil && len(e.Attachments) == 0 {
			r.problem(path+".linked", "linked speaks of attachments that are listed here")
		}
		for j := range e.Findings {
			f := &e.Findings[j]
			f.Count = max(f.Count, 1)
			if f.Level == "" {
				f.Level = High
			}
			at := fmt.Sprintf("%s.findings[%d]", path, j)
			r.detector(at, f.Detector)
			if strings.HasSuffix(f.Detector, "*") {
				r.problem(at, "a finding has one detector, not %q", f.Detector)
			}
		}
		for _, name := range e.Rules {
			if !slices.ContainsFunc(slices.Concat(p.Rules, guards), func(rule Rule) bool { return rule.Name == name }) {
				r.problem(path+".rules", "there is no rule %q", name)
			}
		}
	}
}

// Facts of a mail that is told outright; external says who is outside.
func (e *Expectation) Facts(external func(address string) bool, now time.Time) Facts {
	f := Facts{
		Sender: Sender{Address: e.From, Groups: e.Groups}, Automatic: e.Automatic, Reopens: e.Reopens, Subject: e.Subject,
		Now: now, Business: true,
	}
	for _, a := range slices.Concat(e.To, e.Cc) {
		f.Recipients = append(f.Recipients, Recipient{Address: a, External: external(a)})
	}
	for _, a := range e.Bcc {
		f.Recipients = append(f.Recipients, Recipient{Address: a, External: external(a), Bcc: true})
	}
	for _, t := range e.Findings {
		f.Findings = append(f.Findings, Finding{Detector: t.Detector, Level: t.Level, Count: t.Count, InAttachment: len(e.Attachments) > 0})
	}
	for _, a := range e.Attachments {
		f.Attachments = append(f.Attachments, Attachment{Name: a.Name, Type: a.Type, Size: int64(a.Size), Fixed: a.Fixed})
		f.Size += int64(a.Size)
	}
	return f
}

// Check compares a verdict with what was expected of it, for every recipient;
// an empty result is success. Rules must be among those that fired.
func (e *Expectation) Check(v Verdict) []string {
	var wrong []string
	for _, r := range v.Recipients {
		for _, w := range e.differences(r) {
			wrong = append(wrong, r.Address+": "+w)
		}
	}
	if len(v.Recipients) == 0 {
		wrong = append(wrong, "no recipient got a verdict")
	}
	return wrong
}

func (e *Expectation) differences(r RecipientVerdict) []string {
	var wrong []string
	expect := func(what string, got, want any, ok bool) {
		if !ok {
			wrong = append(wrong, fmt.Sprintf("%s is %v, expected %v", what, got, want))
		}
	}
	expect("action", r.Action, e.Action, r.Action == e.Action)
	fired := slices.Concat(r.Rules, r.OtherRules)
	for _, name := range e.Rules {
		expect("rules", fired, name, slices.Contains(fired, name))
	}
	if e.Delay != nil {
		expect("delay", yamlfile.Duration(r.Delay), *e.Delay, r.Delay == time.Duration(*e.Delay))
	}
	if e.Approvers != nil {
		expect("approvers", r.Approvers, e.Approvers, sameSet(r.Approvers, e.Approvers))
	}
	if e.Transforms != nil {
		expect("transforms", r.Transforms, *e.Transforms, sameSet(r.Transforms, *e.Transforms))
	}
	if e.Linked != nil {
		got := e.linked(r.Link)
		expect("linked", got, *e.Linked, sameSet(got, *e.Linked))
	}
	if e.UnlessTLS != nil {
		got := r.Link != nil && r.Link.UnlessTLS
		expect("unless_tls", got, *e.UnlessTLS, got == *e.UnlessTLS)
	}
	if e.ViewOnly != nil {
		got := r.Link != nil && r.Link.ViewOnly
		expect("view_only", got, *e.ViewOnly, got == *e.ViewOnly)
	}
	if e.Access != "" {
		got := Access("no link")
		if r.Link != nil {
			got = r.Link.Access
		}
		expect("access", got, e.Access, got == e.Access)
	}
	return wrong
}

// linked are the names of the attachments told outright that become links.
func (e *Expectation) linked(l *Link) (names []string) {
	for _, a := range e.Attachments {
		if l != nil && !a.Fixed && l.Wants(Attachment{Name: a.Name, Type: a.Type, Size: int64(a.Size)}) {
			names = append(names, a.Name)
		}
	}
	return names
}

func sameSet(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}
