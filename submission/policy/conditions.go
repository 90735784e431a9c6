package policy

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sekisho-mail/sekisho/internal/yamlfile"
)

// Conditions is `when` or `unless`. In `when` all given conditions must hold;
// in `unless` any one of them is an exception. The values of one condition
// are alternatives.
//
// Recipients, RecipientDomains, RecipientAddresses and Bcc select recipients:
// the rule acts on those alone. Everything else speaks of the whole mail.
type Conditions struct {
	Recipients         Side     `yaml:"recipients"`
	RecipientDomains   []string `yaml:"recipient_domains"`
	RecipientAddresses []string `yaml:"recipient_addresses"`
	Bcc                *bool    `yaml:"bcc"`

	AnyRecipient *RecipientTest `yaml:"any_recipient"`

	SenderAddresses   []string `yaml:"sender_addresses"`
	SenderGroups      []string `yaml:"sender_groups"`
	SenderDepartments []string `yaml:"sender_departments"`
	Sources           []string `yaml:"sources"`

	Content    []ContentTest   `yaml:"content"`
	Attachment *AttachmentTest `yaml:"attachment"`
	Subject    []string        `yaml:"subject"`
	SizeOver   *yamlfile.Size  `yaml:"size_over"`

	RecipientsOver         *int `yaml:"recipients_over"`
	ExternalRecipientsOver *int `yaml:"external_recipients_over"`
	ExternalDomainsOver    *int `yaml:"external_domains_over"`
	BccOver                *int `yaml:"bcc_over"`

	Automatic *bool     `yaml:"automatic"`
	Reopens   *bool     `yaml:"reopens_link"`
	Time      *TimeTest `yaml:"time"`
}

// Side is a recipient's place: in the company, outside, or either.
type Side string

// The sides; an absent one is Any.
const (
	External Side = "external"
	Internal Side = "internal"
	Any      Side = "any"
)

// UnmarshalText reads a side.
func (s *Side) UnmarshalText(text []byte) error {
	return oneOf(s, text, External, Internal, Any)
}

func (s Side) has(external bool) bool {
	return s == "" || s == Any || (s == External) == external
}

// RecipientTest asks of one recipient everything that it names.
type RecipientTest struct {
	Recipients         Side     `yaml:"recipients"`
	RecipientDomains   []string `yaml:"recipient_domains"`
	RecipientAddresses []string `yaml:"recipient_addresses"`
	Bcc                *bool    `yaml:"bcc"`
}

// ContentTest asks for Count distinct values of a detector at Level or surer.
// Detector may end in * (secret.*): then all that begin so count together.
type ContentTest struct {
	Detector string `yaml:"detector"`
	Level    Level  `yaml:"level"`
	Count    int    `yaml:"count"`
}

// UnmarshalText reads a level.
func (l *Level) UnmarshalText(text []byte) error { return oneOf(l, text, High, Medium, Low) }

// AttachmentTest asks for one attachment that has everything it names.
// Types are media types (application/pdf, image/*) or extensions (pdf);
// names are patterns with * and ?.
type AttachmentTest struct {
	Types []string       `yaml:"types"`
	Names []string       `yaml:"names"`
	Over  *yamlfile.Size `yaml:"over"`
}

// UnmarshalText reads the short form `attachment: any`.
func (*AttachmentTest) UnmarshalText(text []byte) error {
	if string(text) != "any" {
		return errors.New("write any, or a mapping of types, names and over")
	}
	return nil
}

// TimeTest asks when the mail was handed in.
type TimeTest struct {
	Days     []Weekday `yaml:"days"`
	Hours    *Hours    `yaml:"hours"`
	Business *bool     `yaml:"business"`
}

// Weekday is written mon, tue, wed, thu, fri, sat or sun.
type Weekday time.Weekday

// UnmarshalText reads a day's short English name.
func (d *Weekday) UnmarshalText(text []byte) error {
	for day := time.Sunday; day <= time.Saturday; day++ {
		if strings.EqualFold(day.String()[:3], string(text)) {
			*d = Weekday(day)
			return nil
		}
	}
	return fmt.Errorf("%q is no day; write mon, tue, wed, thu, fri, sat or sun", text)
}

// Hours is a span of the day, written 18:00-08:30; it may run past midnight.
// The end itself is outside.
type Hours struct{ From, To time.Duration }

// UnmarshalText reads hours.
func (h *Hours) UnmarshalText(text []byte) error {
	from, to, _ := strings.Cut(string(text), "-")
	var errFrom, errTo error
	h.From, errFrom = clock(from)
	h.To, errTo = clock(to)
	if errFrom != nil || errTo != nil || h.From == h.To {
		return fmt.Errorf("%q are no hours; write for example 18:00-08:30", text)
	}
	return nil
}

func clock(s string) (time.Duration, error) {
	s = strings.TrimSpace(s)
	if s == "24:00" {
		return 24 * time.Hour, nil
	}
	t, err := time.Parse("15:04", s)
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute, err
}

func (h Hours) has(t time.Time) bool {
	at := time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute
	if h.From < h.To {
		return h.From <= at && at < h.To
	}
	return h.From <= at || at < h.To
}

// oneOf sets a word to one of the allowed ones.
func oneOf[T ~string](into *T, text []byte, allowed ...T) error {
	var words []string
	for _, a := range allowed {
		if string(a) == string(text) {
			*into = a
			return nil
		}
		words = append(words, string(a))
	}
	return fmt.Errorf("%q is not one of %s", text, strings.Join(words, ", "))
}
