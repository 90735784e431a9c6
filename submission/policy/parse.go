package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sekisho-mail/sekisho/internal/yamlfile"
)

// rawPolicy and its parts are the file as it is written.
type rawPolicy struct {
	Version int                 `yaml:"version"`
	Comment string              `yaml:"comment"`
	Lists   map[string][]string `yaml:"lists"`
	// Keywords and Patterns make the detectors keyword.NAME and pattern.NAME.
	Keywords map[string][]Word  `yaml:"keywords"`
	Patterns map[string]Pattern `yaml:"patterns"`
	// Data and Documents name index files; they make data.NAME and document.NAME.
	Data      map[string]string `yaml:"data"`
	Documents map[string]string `yaml:"documents"`
	URLs      []string          `yaml:"urls"`
	Rules     []rawRule         `yaml:"rules"`
	Expect    []Expectation     `yaml:"expect"`
}

type rawRule struct {
	Name    string      `yaml:"name"`
	Comment string      `yaml:"comment"`
	Mode    Mode        `yaml:"mode"`
	Layer   Layer       `yaml:"layer"`
	From    Date        `yaml:"from"`
	Until   Date        `yaml:"until"`
	When    *Conditions `yaml:"when"`
	Unless  *Conditions `yaml:"unless"`
	Then    rawThen     `yaml:"then"`
}

type rawThen struct {
	Hold   *rawHold           `yaml:"hold"`
	Delay  *yamlfile.Duration `yaml:"delay"`
	Link   *rawLink           `yaml:"link"`
	Refuse bool               `yaml:"refuse"`
	Notify []string           `yaml:"notify"`
	Reason Text               `yaml:"reason"`
}

type rawHold struct {
	Approvers []string   `yaml:"approvers"`
	Quorum    *int       `yaml:"quorum"`
	Stages    []rawStage `yaml:"stages"`
	Expire    *Period    `yaml:"expire"`
}

type rawStage struct {
	Approvers []string `yaml:"approvers"`
	Quorum    *int     `yaml:"quorum"`
}

type rawLink struct {
	Over      yamlfile.Size      `yaml:"over"`
	Types     []string           `yaml:"types"`
	Names     []string           `yaml:"names"`
	MailOver  *yamlfile.Size     `yaml:"when_mail_over"`
	UnlessTLS bool               `yaml:"unless_tls"`
	Paperclip bool               `yaml:"paperclip"`
	Preview   bool               `yaml:"preview"`
	ViewOnly  bool               `yaml:"view_only"`
	Exempt    []string           `yaml:"exempt"`
	Access    Access             `yaml:"access"`
	Expire    *yamlfile.Duration `yaml:"expire"`
	Otherwise Otherwise          `yaml:"otherwise"`
	Approvers []string           `yaml:"approvers"`
}

// resolver checks names and resolves lists while the file is compiled.
type resolver struct {
	file  *yamlfile.File
	lists map[string][]string
	named map[string]bool // keyword.NAME, pattern.NAME, data.NAME, document.NAME
}

func (r *resolver) problem(path, format string, args ...any) { r.file.Add(path, format, args...) }

// Parse reads a policy file and returns every mistake at once. With problems
// the policy is nil.
func Parse(source []byte) (*Policy, []Problem) {
	return parse(source, safeguards())
}

// parse reads a file; guards are the rules that complete it.
func parse(source []byte, guards []Rule) (*Policy, []Problem) {
	var raw rawPolicy
	file := yamlfile.Read(source, &raw)
	r := &resolver{file: file, lists: raw.Lists, named: map[string]bool{}}
	if raw.Version != 1 {
		r.problem("version", "version must be 1: the form of the file that this program reads")
	}
	r.checkLists()
	r.checkDetectors(&raw)
	p := &Policy{Version: raw.Version, Comment: raw.Comment, Lists: raw.Lists, Keywords: raw.Keywords, Patterns: raw.Patterns,
		Data: raw.Data, Documents: raw.Documents, URLs: raw.URLs, Expect: raw.Expect}
	for i := range raw.Rules {
		path := fmt.Sprintf("rules[%d]", i)
		p.Rules = append(p.Rules, r.rule(&raw.Rules[i], path))
	}
	r.checkNames(p.Rules)
	r.expectations(p, guards)
	if found := file.Problems(); len(found) > 0 {
		problems := make([]Problem, len(found))
		for i, f := range found {
			problems[i] = Problem(f)
		}
		return nil, problems
	}
	p.addSafeguards(guards)
	return p, nil
}

// rule resolves one rule; its mistakes are noted with their lines.
func (r *resolver) rule(raw *rawRule, path string) Rule {
	rule := Rule{
		Name: raw.Name, Comment: raw.Comment, Mode: raw.Mode, Layer: raw.Layer, From: raw.From, Until: raw.Until,
		When: raw.When, Unless: raw.Unless, Line: r.file.Line(path),
	}
	if rule.Mode == "" {
		rule.Mode = Enforce
	}
	if rule.Layer == "" {
		rule.Layer = Forced
	}
	if !rule.From.IsZero() && !rule.Until.IsZero() && rule.From.after(rule.Until) {
		r.problem(path+".until", "until lies before from: the rule would never be active")
	}
	r.conditions(raw.When, path+".when")
	r.conditions(raw.Unless, path+".unless")
	rule.when = raw.When.compile(r, path+".when")
	rule.unless = raw.Unless.compile(r, path+".unless")
	rule.Then = r.then(&raw.Then, path+".then")
	return rule
}

func (r *resolver) then(raw *rawThen, path string) Consequences {
	t := Consequences{Refuse: raw.Refuse, Notify: raw.Notify, Reason: raw.Reason}
	if t.Reason.JA == "" {
		t.Reason.JA = t.Reason.EN
	}
	if t.Reason.EN == "" {
		t.Reason.EN = t.Reason.JA
	}
	if raw.Delay != nil {
		t.Delay = time.Duration(*raw.Delay)
	}
	if raw.Hold == nil && raw.Delay == nil && raw.Link == nil && !raw.Refuse && len(raw.Notify) == 0 {
		r.problem(path, "then says nothing to do: give hold, delay, link, refuse or notify")
	}
	r.people(path+".notify", raw.Notify, true)
	if raw.Hold != nil {
		t.Hold = r.hold(raw.Hold, path+".hold")
	}
	if raw.Link != nil {
		t.Link = r.link(raw.Link, path+".link")
	}
	return t
}

func (r *resolver) hold(raw *rawHold, path string) *HoldOrder {
	h := &HoldOrder{Expire: Period{BusinessDays: HoldDays}}
	if raw.Expire != nil {
		if h.Expire = *raw.Expire; h.Expire.IsZero() {
			r.problem(path+".expire", "a hold must wait for some time; write for example 3bd (business days)")
		}
	}
	switch {
	case len(raw.Approvers) > 0 && len(raw.Stages) > 0:
		r.problem(path, "give approvers or stages, not both")
	case len(raw.Approvers) > 0:
		h.Stages = []Stage{r.stage(rawStage{raw.Approvers, raw.Quorum}, path)}
	case len(raw.Stages) > 0:
		if raw.Quorum != nil {
			r.problem(path+".quorum", "with stages, each stage has a quorum of its own")
		}
		for i, s := range raw.Stages {
			h.Stages = append(h.Stages, r.stage(s, fmt.Sprintf("%s.stages[%d]", path, i)))
		}
	default:
		r.problem(path, "hold needs approvers, for example [manager]")
	}
	return h
}

// stage keeps approvers sorted, so that equal stages of two rules are one.
func (r *resolver) stage(raw rawStage, path string) Stage {
	s := Stage{Approvers: slices.Compact(slices.Sorted(slices.Values(lowered(raw.Approvers)))), Quorum: 1}
	r.people(path+".approvers", raw.Approvers, true)
	if raw.Quorum != nil {
		s.Quorum = *raw.Quorum
	}
	switch {
	case len(s.Approvers) == 0:
		r.problem(path, "a stage needs approvers")
	case s.Quorum < 1:
		r.problem(path+".quorum", "quorum must be at least 1")
	case len(s.Approvers) > 1 && s.asksSender():
		r.problem(path+".approvers", "sender must stand alone: the senders' own check is a stage of its own")
	case s.Quorum > 1 && (s.asksSender() || slices.Equal(s.Approvers, []string{"manager"})):
		r.problem(path+".quorum", "quorum is more than there are approvers")
	}
	return s
}

// lowered folds addresses, never the names of groups.
func lowered(who []string) []string {
	out := make([]string, len(who))
	for i, w := range who {
		if out[i] = w; strings.Contains(w, "@") {
			out[i] = strings.ToLower(w)
		}
	}
	return out
}

func (r *resolver) link(raw *rawLink, path string) *LinkOrder {
	l := &LinkOrder{
		Files:     FileChoice{Types: raw.Types, Names: raw.Names, Over: int64(raw.Over)},
		UnlessTLS: raw.UnlessTLS, Paperclip: raw.Paperclip, Preview: raw.Preview || raw.ViewOnly, ViewOnly: raw.ViewOnly,
		Access: raw.Access, Expire: LinkLife, Otherwise: raw.Otherwise, Approvers: raw.Approvers,
		Exempt: r.targets(path+".exempt", raw.Exempt),
	}
	if raw.MailOver != nil {
		if l.MailOver = int64(*raw.MailOver); l.MailOver <= 0 {
			r.problem(path+".when_mail_over", "give a size above zero, for example 20MB")
		}
	}
	if l.ViewOnly && l.UnlessTLS {
		r.problem(path+".view_only", "unless_tls would hand out the file; leave one of the two out")
	}
	if l.ViewOnly && l.Otherwise == OtherwiseSend {
		r.problem(path+".view_only", "otherwise: send would hand out what cannot become a link; leave one of the two out")
	}
	if l.Access == "" {
		l.Access = Auto
	}
	if l.Otherwise == "" {
		l.Otherwise = OtherwiseHold
	}
	if len(l.Approvers) == 0 {
		l.Approvers = []string{"admin"}
	}
	l.Approvers = r.stage(rawStage{Approvers: l.Approvers}, path).Approvers
	if raw.Expire != nil {
		l.Expire = time.Duration(*raw.Expire)
		if day := 24 * time.Hour; l.Expire < day || l.Expire > 93*day {
			r.problem(path+".expire", "a link lives from 1d to 93d")
		}
	}
	return l
}

var groupName = regexp.MustCompile(`^group:[^\s,]+$`)

// people checks who is named to approve or to be told.
func (r *resolver) people(path string, who []string, sender bool) {
	for i, w := range who {
		var t Targets
		switch {
		case w == "manager", w == "admin", w == "sender" && sender, w == "role:approver", groupName.MatchString(w):
		case strings.Contains(w, "@") && t.add(w) && !strings.HasPrefix(w, "@"):
		default:
			r.problem(fmt.Sprintf("%s[%d]", path, i), "%q is nobody to ask: write manager, admin, sender, group:NAME, role:approver or an address", w)
		}
	}
}

var ruleName = regexp.MustCompile(`^[\p{L}\p{N}][\p{L}\p{N} ._-]{0,63}$`)

func (r *resolver) checkNames(rules []Rule) {
	first := map[string]int{}
	for i, rule := range rules {
		path := fmt.Sprintf("rules[%d].name", i)
		if !ruleName.MatchString(rule.Name) {
			r.problem(path, "a rule needs a name of letters, digits, space, dot, dash or underscore (at most 64)")
			continue
		}
		if line, again := first[rule.Name]; again {
			r.problem(path, "the rule %q stands twice; first in line %d", rule.Name, line)
			continue
		}
		first[rule.Name] = rule.Line
	}
}
