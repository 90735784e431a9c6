package approval

import (
	"errors"
	"fmt"
	"time"

	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// MessageID and RecipientID name rows of package holdqueue.
type (
	MessageID   = string
	RecipientID = string
)

// RequestID names one request: one question about one mail, however many
// people it is put to.
type RequestID string

// Revision is the hexadecimal SHA-256 over what was shown: the message, the
// recipients of the request, the findings and the transform plan. A decision
// that names another revision was made about something else.
type Revision string

// Actor is the person who acts. Address may be any of the person's aliases.
// Admin and Approver are roles of the present login, never of the people file.
type Actor struct {
	Address  mailaddr.Address
	Admin    bool
	Approver bool // in the pool role:approver
}

// State of a request.
type State string

// A request is Open until every recipient it covers has an end or a release.
const (
	Open      State = "open"
	Approved  State = "approved"  // every recipient that was left is released
	Rejected  State = "rejected"  // every recipient that was left is returned
	Divided   State = "divided"   // some released, some returned
	Expired   State = "expired"   // nobody answered in time: returned
	Cancelled State = "cancelled" // the sender took the mail back
)

// Answer of one recipient inside a request.
type Answer string

const (
	Unanswered      Answer = "open"
	AnswerApproved  Answer = "approved"
	AnswerRejected  Answer = "rejected"
	AnswerExpired   Answer = "expired"
	AnswerCancelled Answer = "cancelled"
)

// Reasons why a decision was not taken. DecidedError and StaleError carry
// the truth about it and match ErrDecided and ErrStale.
var (
	ErrDecided     = errors.New("already decided")
	ErrStale       = errors.New("the mail has changed since it was shown")
	ErrNotApprover = errors.New("not asked to decide this mail")
	ErrSelf        = errors.New("nobody may approve his own mail")
	ErrNotFound    = errors.New("no such request")
	ErrNoRecipient = errors.New("no recipient of this request was named")
	ErrBadToken    = errors.New("this link is not valid")
)

// DecidedError tells the loser who was first, and when.
type DecidedError struct {
	State State
	By    mailaddr.Address // empty when time decided
	Name  string           // as the people file has it, else the address
	At    time.Time
}

func (e *DecidedError) Error() string {
	return fmt.Sprintf("already %s by %s at %s", e.State, e.Name, e.At.UTC().Format(time.RFC3339))
}

// Is makes errors.Is(err, ErrDecided) true.
func (e *DecidedError) Is(target error) bool { return target == ErrDecided }

// StaleError carries the revision that stands now.
type StaleError struct{ Revision Revision }

func (e *StaleError) Error() string { return ErrStale.Error() }

// Is makes errors.Is(err, ErrStale) true.
func (e *StaleError) Is(target error) bool { return target == ErrStale }

// Verb is what an approver says.
type Verb string

const (
	Approve Verb = "approve"
	Reject  Verb = "reject"
)

// Decision is one answer. Recipients are those the verb is about; nil means
// all that are still unanswered. The Others of them are treated by the second
// verb when it is set ("send to A and B, drop C, in one decision"), and stay
// unanswered when it is empty.
type Decision struct {
	Request    RequestID
	Revision   Revision
	Verb       Verb
	Recipients []RecipientID
	Others     Verb
	Comment    string
	By         Actor
}

// Outcome says what a decision did.
type Outcome struct {
	Request   RequestID
	State     State // Open when more answers are needed
	Approved  []mailaddr.Address
	Rejected  []mailaddr.Address
	Waiting   []mailaddr.Address // unanswered, or approved and waiting for the next stage or a second voice
	Stage     int                // the stage that is asked now, from 0
	ReleaseAt time.Time          // the earliest time an approved recipient leaves; zero when none does
}

// Row is one line in an approver's list.
type Row struct {
	Request    RequestID
	Message    MessageID
	Sender     mailaddr.Address
	SenderName string
	Subject    string
	Reasons    []Reason
	Recipients int
	AskedAt    time.Time
	ExpiresAt  time.Time
	// As says in which capacity the reader is asked: approver, deputy,
	// escalation, admin, sender.
	As string
	// State, DecidedBy and DecidedAt are filled in History.
	State     State
	DecidedBy string
	DecidedAt time.Time
}

// Page asks for at most Limit rows after the cursor of the page before.
type Page struct {
	After string
	Limit int
}

// Holder is somebody a mail lies with.
type Holder struct {
	Address mailaddr.Address // empty for "the administrators"
	Name    string
	As      string
	Since   time.Time
}

// Recipient is one recipient of a request with its answer.
type Recipient struct {
	ID        RecipientID
	Address   mailaddr.Address
	Bcc       bool // not in the header the others see
	Answer    Answer
	DecidedBy string
	DecidedAt time.Time
}

// Voice is one answer that was given.
type Voice struct {
	By         mailaddr.Address
	Name       string
	Verb       Verb
	Stage      int
	Recipients []RecipientID
	Comment    string
	As         string // approver, deputy, escalation, admin, sender
	At         time.Time

	id string // empty until it is in the database
}

// Request is everything a page about one question shows.
type Request struct {
	ID         RequestID
	Message    MessageID
	Family     string
	Revision   Revision
	State      State
	Sender     mailaddr.Address
	SenderName string
	Subject    string
	Reasons    []Reason
	Rules      []string
	Transforms []string
	Notes      []Note // why administrators are asked in place of others
	Recipients []Recipient
	Holders    []Holder
	Voices     []Voice
	Stage      int
	Stages     int
	Quorum     int // voices the present stage needs
	OpenedAt   time.Time
	RemindAt   time.Time
	EscalateAt time.Time
	ExpiresAt  time.Time
	ClosedAt   time.Time
	ClosedBy   string // name; empty when time closed it
	// What the reader may do: MayDecide for approvers, MayAsk for a
	// sender who is asked first and may pass the question to the manager.
	// Why is the refusal for a reader who may do neither.
	MayDecide bool
	MayAsk    bool
	Why       error
}
