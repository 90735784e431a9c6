package holdqueue

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// Action is what inspection decided about one recipient.
type Action string

const (
	ActionSend   Action = "send" // after Delay from acceptance, which may be 0
	ActionHold   Action = "hold"
	ActionRefuse Action = "refuse"
)

// Decision is the verdict on one recipient.
type Decision struct {
	Action  Action
	Delay   time.Duration
	Bundle  string // recipients with the same bundle get the same bytes; "" is a bundle too
	Verdict []byte // kept sealed, given back as Recipient.Verdict
}

// Inspection is what became known about a mail.
type Inspection struct {
	// Content stands for what the mail says, equal for copies that upstream split; "" is nobody's copy.
	Content   string
	Report    []byte     // kept sealed, given back as Message.Report
	Decisions []Decision // one per recipient, in the order of Message.Recipients
}

// Body is the stored message.
type Body interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// Inspect looks into a mail. An error is tried again; after the third the mail is held by Poison.
type Inspect func(ctx context.Context, m *Message, body Body) (Inspection, error)

// Poison gives the decisions for a mail whose inspection crashed or failed three times.
type Poison func(m *Message, cause error) Inspection

// Prepare gives the bytes that these recipients (one bundle) get. It is called at every attempt and gives the
// same bytes each time. The caller closes what it gets.
type Prepare func(ctx context.Context, m *Message, to []*Recipient, body Body) (Body, error)

// Sender hands a message to the next hop. It gives one result for each recipient, in their order.
type Sender interface {
	Send(ctx context.Context, out *Outgoing) []Result
}

// Outgoing is one mail on its way to some of its recipients, over as many transactions as that takes.
type Outgoing struct {
	Attempt    string
	Message    *Message
	From       mailaddr.Address // "" is the null reverse path
	Recipients []*Recipient
	Body       io.ReaderAt
	Size       int64
	// BeforeDot is called when all the body is written for these recipients and only the final dot is not. When it
	// fails, another worker owns the mail: the connection is dropped without the dot.
	BeforeDot func(ctx context.Context, to []*Recipient) error
	// Answered may be called, from any goroutine, as soon as a transaction of several is over, with its results: what
	// is written down by then is not in doubt when the process dies during the others. Send returns them once more.
	Answered func(to []*Recipient, results []Result)
}

// Result is what the next hop said about one recipient.
type Result struct {
	Remote string // name or address of the next hop
	Reply  string // its text, with its queue id
	// DSNPassed says that the next hop took over the duty to report success (RFC 3461).
	DSNPassed bool
	Err       *SendError
	// Postponed says that nothing was tried, because we send no more to this next hop at present: the recipient is due
	// again after this time, and the attempt does not count. Zero otherwise.
	Postponed time.Duration
}

// SendError is a delivery that did not succeed.
type SendError struct {
	Code      int    // SMTP reply code, 0 when there was no answer
	Enhanced  string // RFC 3463, "" when there was none
	Text      string // for the sender and the log; no content of the mail
	Temporary bool
	Uncertain bool // the connection was lost after the final dot
}

func (e *SendError) Error() string {
	switch {
	case e.Code == 0:
		return e.Text
	case e.Enhanced == "":
		return fmt.Sprintf("%d %s", e.Code, e.Text)
	}
	return fmt.Sprintf("%d %s %s", e.Code, e.Enhanced, e.Text)
}

// GiveUp is how long a mail is tried, counted from its first attempt after release (RFC 5321 section 4.5.4.1).
const GiveUp = 5 * 24 * time.Hour

// Retry says when to try again a delivery first tried at first and tried so many times; the zero time gives up.
type Retry func(first, now time.Time, tries int) time.Time

// Hook is called inside the transaction that changed the recipients. Where somebody acted on a mail of several copies,
// m is the whole mail, and the changed recipients may be of any of them.
type Hook func(tx *db.Tx, m *Message, changed []*Recipient, by Actor) error

// Hooks are called when recipients of a mail that is not our own have come into a state. A hook that fails fails
// the change.
type Hooks struct {
	Held         Hook // waits for a person now
	Freed        Hook // held no more: it leaves at its time. Whoever asked about it asks no longer.
	Waiting      Hook // inspected and delayed, nobody need be asked
	Leaving      Hook // the final dot is about to be written: links become active
	Ended        Hook // sent, failed, refused, cancelled, rejected, expired
	NoticeFailed Hook // one of our own mails failed: somebody else must be told
}

// Handler does work of a kind that another package owns. It runs outside any transaction, under a lease that is
// renewed; it returns when the work is due again, or the zero time when it is done. An error is tried again
// with growing pauses.
type Handler func(ctx context.Context, ref string) (again time.Time, err error)
