package holdqueue

import (
	"time"

	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// ID names a message or a recipient; see db.NewID.
type ID = string

// Actor is who did something, in the audit log's form: "person:a@b", "os:root", "system".
type Actor string

// System is the actor of what happens by itself.
const System Actor = "system"

// Person gives the actor that stands for a person.
func Person(a mailaddr.Address) Actor { return Actor("person:" + string(a.Key())) }

// Origin says through which door a mail came.
type Origin string

const (
	FromPerson  Origin = "submission" // a person who signed in
	FromGateway Origin = "gateway"    // a mail server or device
	FromSystem  Origin = "system"     // ourselves: notices, reports, codes. Nobody outside can set it.
)

// Message is one accepted mail with its recipients.
type Message struct {
	ID         ID
	Family     ID   // the first copy of the same mail, else ID itself
	Copies     []ID // in a whole mail of several copies, all of them in the order of their acceptance; else nil
	Origin     Origin
	Source     string           // gateway source
	Person     mailaddr.Address // whose mail it is
	MailFrom   mailaddr.Address // "" is the null reverse path
	Automatic  bool             // auto-reply, report, calendar answer
	Size       int64            // octets as stored
	SHA256     [32]byte         // as stored
	Meta       Meta
	Report     []byte // what inspection found; nil before, and in lists
	AcceptedAt time.Time
	BeganAt    time.Time // when the clock of the mail began: with the first copy
	InspectedAt,
	EndedAt,
	PurgedAt time.Time // zero: not yet
	Recipients []*Recipient

	version int64
	blob    string
}

// Meta is what is kept sealed about a message.
type Meta struct {
	Subject   string             `json:"subject,omitempty"`    // decoded
	MessageID string             `json:"message_id,omitempty"` // without its angle brackets
	From      []mailaddr.Address `json:"from,omitempty"`
	HeaderTo  []mailaddr.Address `json:"to,omitempty"`
	HeaderCc  []mailaddr.Address `json:"cc,omitempty"`
	SMTPUTF8  bool               `json:"smtputf8,omitempty"` // it cannot travel without
	EightBit  bool               `json:"eight_bit,omitempty"`
	Ret       string             `json:"ret,omitempty"`   // RFC 3461: "", FULL, HDRS
	EnvID     string             `json:"envid,omitempty"` // RFC 3461, decoded
	Client    string             `json:"client,omitempty"`
	// Anew is what Prepare is to add to a mail of a person's that our pages wrote; opaque here.
	Anew string `json:"anew,omitempty"`

	// Of our own mail (FromSystem) only.
	Kind    string `json:"kind,omitempty"`    // "held", "question", "dsn", ...
	About   ID     `json:"about,omitempty"`   // the mail it speaks of
	Enclose ID     `json:"enclose,omitempty"` // the mail whose bytes stand between the two halves of the body
	Head    int64  `json:"head,omitempty"`    // octets of the first half
}

// Recipient is one envelope recipient: the unit of state.
type Recipient struct {
	ID      ID
	Message ID
	Address mailaddr.Address
	Domain  string
	Notify  string // RFC 3461 NOTIFY: "", "NEVER", or a comma list of SUCCESS, FAILURE, DELAY
	ORcpt   string // RFC 3461 ORCPT "type;address", decoded
	State   State
	// Bundle names the recipients of a message that get the same bytes in one transaction.
	Bundle string
	// Verdict is what inspection decided about this recipient, as JSON that holdqueue does not read.
	Verdict []byte
	Delay   time.Duration // from acceptance
	// Stopped says that the sender stopped the clock: ReleaseAt is then when the mail goes back.
	Stopped   bool
	ReleaseAt time.Time
	DecidedAt time.Time
	NextTryAt time.Time // of a deferred one
	Attempt   string    // who is sending it now
	ClaimedAt time.Time // when the present or last attempt began
	DotSentAt time.Time // committed before the final dot of the present attempt
	// Uncertain says that an attempt whose end nobody saw may have delivered it (RFC 1047).
	Uncertain  bool
	Tries      int
	FirstTryAt time.Time // the retry clock starts here
	WarnedAt   time.Time // a delay report went out
	Remote     string    // next hop of the last answer
	Reply      string    // its last answer with the queue id
	Reason     Reason    // why it ended
	EndedAt    time.Time

	position int64
}

// Reason is why a recipient ended, as a code that pages and notices put into words.
type Reason string

const (
	ReasonRule      Reason = "rule"      // a rule refuses it
	ReasonSender    Reason = "sender"    // the sender took it back
	ReasonAdmin     Reason = "admin"     // an administrator took it back
	ReasonReject    Reason = "reject"    // an approver said no
	ReasonUnasked   Reason = "unasked"   // nobody answered in time
	ReasonStopped   Reason = "stopped"   // the sender stopped the clock and never came back
	ReasonUpstream  Reason = "upstream"  // the next hop refused it for good
	ReasonGaveUp    Reason = "gave_up"   // the next hop never took it
	ReasonDelivered Reason = "delivered" // the next hop has it
)
