package policy

import (
	"fmt"
	"slices"
	"time"
)

// Policy is one parsed rule file. It does not change after Parse.
type Policy struct {
	Version int
	Comment string
	Lists   map[string][]string
	// Keywords are lists of words, found as keyword.NAME; Patterns are RE2
	// expressions over folded text, found as pattern.NAME.
	Keywords map[string][]Word
	Patterns map[string]Pattern
	// Data and Documents are the files of indexes, found as data.NAME and
	// document.NAME; URLs are what url.listed finds, files of them included.
	Data      map[string]string
	Documents map[string]string
	URLs      []string
	Rules     []Rule
	Expect    []Expectation
}

// AsksFor reports whether any rule names the detector, alone or by a wildcard.
func (p *Policy) AsksFor(detector string) bool {
	named := func(c *Conditions) bool {
		return c != nil && slices.ContainsFunc(c.Content, func(t ContentTest) bool { return t.names(detector) })
	}
	return slices.ContainsFunc(p.Rules, func(r Rule) bool { return named(r.When) || named(r.Unless) })
}

// People are all that the rule asks or tells, as they are written.
func (r *Rule) People() []string {
	who := slices.Clone(r.Then.Notify)
	if r.Then.Hold != nil {
		who = append(who, approvers(r.Then.Hold.Stages)...)
	}
	if r.Then.Link != nil {
		who = append(who, r.Then.Link.Approvers...)
	}
	slices.Sort(who)
	return slices.Compact(who)
}

// Mode says what a matching rule does: nothing but a note (audit), a note and
// a message (notify), or what it says (enforce).
type Mode string

// The modes.
const (
	Audit   Mode = "audit"
	Notify  Mode = "notify"
	Enforce Mode = "enforce"
)

// Layer says who may replace a rule: a forced rule nobody, a default rule the
// department or the person by a rule of the same name.
type Layer string

// The layers, strongest first.
const (
	Forced     Layer = "forced"
	Default    Layer = "default"
	Department Layer = "department"
	Personal   Layer = "personal"
)

// Rule is one entry under `rules`.
type Rule struct {
	Name    string
	Comment string
	Mode    Mode
	Layer   Layer
	// From and Until limit the dates the rule is active, both inclusive; a
	// zero date is no limit.
	From, Until Date
	When        *Conditions
	Unless      *Conditions
	Then        Consequences
	Line        int
	// Safeguard: not in the file; the factory's rule for a detector that the
	// file does not speak of.
	Safeguard bool

	when, unless []check
}

// Consequences are what a rule does.
type Consequences struct {
	Hold   *HoldOrder
	Delay  time.Duration
	Link   *LinkOrder
	Refuse bool
	Notify []string
	Reason Text
}

// HoldOrder asks people.
type HoldOrder struct {
	Stages []Stage
	Expire Period
}

// LinkOrder turns attachments into links.
type LinkOrder struct {
	Files  FileChoice
	Exempt Targets // recipients who get the files themselves
	// MailOver: a mail of more than this many bytes leaves with links alone, whatever Files, Exempt and
	// UnlessTLS say, because providers refuse large mail; 0 is no such limit.
	MailOver int64
	// UnlessTLS leaves the files in the mail where it can only travel over TLS that is proved.
	UnlessTLS bool
	Paperclip bool
	// Preview lets recipients look at pictures, PDF and text before they take them; with ViewOnly that is all they can do.
	Preview, ViewOnly bool
	Access            Access
	Expire            time.Duration
	// Otherwise says what to do when an attachment may not be touched.
	Otherwise Otherwise
	Approvers []string // who is asked then
}

// Otherwise is what happens to a mail that a link rule covers but that may not
// be rewritten: hold it for a person (default), or send it as it is.
type Otherwise string

// The two ways.
const (
	OtherwiseHold Otherwise = "hold"
	OtherwiseSend Otherwise = "send"
)

// Text is a sentence in both languages.
type Text struct {
	JA string `yaml:"ja"`
	EN string `yaml:"en"`
}

// Problem is one mistake in a policy file.
type Problem struct {
	Line int // 1 is the first line; 0 when it belongs to none
	Text string
}

func (p Problem) String() string {
	if p.Line == 0 {
		return p.Text
	}
	return fmt.Sprintf("line %d: %s", p.Line, p.Text)
}

// Date is a day in the organization's time zone; the zero Date is none.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// IsZero reports whether no date was given.
func (d Date) IsZero() bool { return d == Date{} }

func (d Date) after(other Date) bool {
	if d.Year != other.Year {
		return d.Year > other.Year
	}
	if d.Month != other.Month {
		return d.Month > other.Month
	}
	return d.Day > other.Day
}

func dateOf(t time.Time) Date {
	y, m, d := t.Date()
	return Date{y, m, d}
}

// Period is a length of time that may count business time only: "3bd" is
// three business days, "4bh" four business hours; "36h" and "7d" run through.
type Period struct {
	BusinessDays  int
	BusinessHours int
	Duration      time.Duration
}

// IsZero reports whether no period was given.
func (p Period) IsZero() bool { return p == Period{} }

func (p Period) String() string {
	switch {
	case p.BusinessDays > 0:
		return fmt.Sprintf("%dbd", p.BusinessDays)
	case p.BusinessHours > 0:
		return fmt.Sprintf("%dbh", p.BusinessHours)
	default:
		return p.Duration.String()
	}
}

// MarshalText writes the period as a policy file has it.
func (p Period) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// rough orders periods: a business day is taken for eight business hours, and
// a business hour for three hours of the clock (so that a day is a day).
func (p Period) rough() time.Duration {
	return time.Duration(p.BusinessDays)*24*time.Hour + time.Duration(p.BusinessHours)*3*time.Hour + p.Duration
}
