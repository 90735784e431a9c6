package policy

import (
	"strings"
	"time"
)

// Level says how sure a detector is.
type Level string

// The three levels, from the surest down.
const (
	High   Level = "high"
	Medium Level = "medium"
	Low    Level = "low"
)

// rank orders levels; an unknown level counts as the surest, so that a
// detector this version does not know can hold a mail but never pass one.
func (l Level) rank() int {
	switch l {
	case Low:
		return 1
	case Medium:
		return 2
	default:
		return 3
	}
}

// AtLeast reports whether l is as sure as other, or surer.
func (l Level) AtLeast(other Level) bool { return l.rank() >= other.rank() }

// Facts is everything the rules may ask about one mail.
type Facts struct {
	Sender Sender
	// Source is the gateway source that handed the mail in, empty for a
	// person who signed in.
	Source string
	// Automatic: auto-replies, receipts, DSNs, calendar replies.
	Automatic bool
	// Reopens: the mail gives somebody a link to files of an earlier mail anew.
	Reopens bool
	// Recipients are the envelope recipients; each gets a verdict.
	Recipients []Recipient
	// HeaderOnly are To and Cc addresses that are not in the envelope: the
	// other halves of a mail that a gateway split. They count, and
	// any_recipient sees them; they get no verdict.
	HeaderOnly  []Recipient
	Subject     string
	Findings    []Finding
	Attachments []Attachment
	// Size is the whole message in bytes.
	Size int64
	// Now is the time of acceptance in the organization's time zone.
	Now time.Time
	// Business says whether Now lies in business hours (holidays known).
	Business bool
	// Observe: nothing is done to this mail, see Observes. The verdict then
	// says "send" and keeps what would have happened in Observed.
	Observe bool
}

// Sender is the person (never the From field) with all that rules ask of them.
type Sender struct {
	Address    string
	Aliases    []string
	Department string
	Groups     []string
}

// Recipient is one address. Bcc means: in the envelope, in no To or Cc.
type Recipient struct {
	Address  string
	External bool
	Bcc      bool
}

// Domain is the part after the last @, in lower case.
func (r Recipient) Domain() string { return domainOf(r.Address) }

func domainOf(address string) string {
	return strings.ToLower(address[strings.LastIndexByte(address, '@')+1:])
}

// Finding is one detector's result over the whole mail. InAttachment says
// that at least one match lies in an attached file.
type Finding struct {
	Detector     string
	Level        Level
	Count        int
	InAttachment bool
}

// Attachment is one file of the mail as the reader sees it.
type Attachment struct {
	Name string
	Type string // media type, lower case
	Size int64  // decoded bytes
	// Exempt: never turned into a link (an inline image, a signature, a
	// calendar entry, a card).
	Exempt bool
	// Fixed: may not be rewritten (inside signed or encrypted mail); a link
	// rule that covers it holds the mail instead.
	Fixed bool
}
