package linkify

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// Access says what a recipient must show before files are handed out.
type Access string

// What policy may ask for (DESIGN 7.3).
const (
	AccessOpen Access = "open" // whoever holds the link
	AccessCode Access = "code" // a one-time code sent to the recipient's own address
	// AccessPassword is a password that the sender passes on by another channel.
	AccessPassword Access = "password"
	// AccessAccount is an account, at a provider the company trusts, of the recipient's own address.
	AccessAccount Access = "account"
)

// State is where a link stands.
type State string

// Inactive and Unknown never reach the log of a sender; the others do.
const (
	Inactive State = "inactive" // the mail has not left: the portal says "not yet"
	Active   State = "active"
	Revoked  State = "revoked"
	Expired  State = "expired"
	Unknown  State = "unknown" // never made, or not even of the form: one answer for both
)

// Kinds of due work. The reference of WorkExpire is a link, that of WorkSweep a message or SweepAll.
const (
	WorkExpire = "link.expire"
	WorkSweep  = "file.sweep"
	WorkLetter = "link.letter" // a code that a portal has left; the reference is that of its row
	SweepAll   = "all"         // look for stored files that nothing refers to, and report them
)

// Terms are what policy decided about the files of one recipient.
type Terms struct {
	Access Access
	Over   int64 // files of at most this many bytes stay attached; 0 links all
	// Only, where it is set, says which files the rules want linked; Over is not looked at then.
	Only func(Attachment) bool
	// UnlessTLS leaves the files in the mail where Options.TLSProved says yes for the recipient's domain.
	UnlessTLS bool
	// Paperclip attaches a small note, so that mail programs show that there is something.
	Paperclip bool
	// Preview lets the recipient look at files before taking them; with ViewOnly nothing is handed out.
	Preview, ViewOnly bool
	Life              time.Duration // how long the link answers; 0 is Options.Life
	// Messages also links message/rfc822 parts, as a unit. Never by default (DESIGN 7.10).
	Messages bool
}

// Mail is what linkify must know of the mail.
type Mail struct {
	ID         string
	Person     mailaddr.Address // who sent it in truth; owns the links
	From       mailaddr.Address // who the recipient sees
	FromName   string           // display name of From, "" where absent
	Subject    string
	AcceptedAt time.Time
	Raw        []byte // the stored bytes; only read
}

// Recipient is one recipient whose verdict asks for links.
type Recipient struct {
	ID      string
	Address mailaddr.Address
	Terms   Terms
	Shared  bool // known to be read by several people; otherwise its name decides
	// AsIs says that policy or a person lets go what cannot be linked. Without it Prepare refuses such a
	// mail: inspection must have held it.
	AsIs bool
}

// Actor is who did something, in the audit log's form: "person:a@b", "system", "os:root".
type Actor string

// System is the actor of what nobody asked for.
const System Actor = "system"

// Cause says why a link was revoked.
type Cause string

// Causes, for pages and the audit log.
const (
	ByPerson    Cause = "person"    // sender, approver or administrator revoked it
	MailFailed  Cause = "failed"    // the mail never reached this recipient
	MailStopped Cause = "stopped"   // cancelled, rejected or returned before it left
	Contained   Cause = "contained" // a mis-send is being contained
)

// Refusals that the portal and the staff pages tell apart.
var (
	ErrNotFound   = errors.New("no such link or file")
	ErrInactive   = errors.New("the mail of this link has not left yet")
	ErrExpired    = errors.New("the link has expired")
	ErrRevoked    = errors.New("the link was revoked")
	ErrNeedCode   = errors.New("a one-time code is needed first")
	ErrNoCode     = errors.New("this link asks for no code")
	ErrStranger   = errors.New("a code goes only to the recipient or to a colleague at the same company")
	ErrTooMany    = errors.New("too many requests; wait a while")
	ErrWrongCode  = errors.New("the code is not right")
	ErrCodeSpent  = errors.New("the code is used up or too old; ask for a new one")
	ErrTicket     = errors.New("the permission to download is not valid in this browser any more")
	ErrGone       = errors.New("the stored file has been deleted")
	ErrTooLong    = errors.New("a link may be open until a day within the next 93 days")
	ErrDamaged    = errors.New("the stored file is not what was stored")
	ErrCannotLink = errors.New("a part that must be linked cannot be")
	ErrChanged    = errors.New("the mail would not be the same bytes as at the first attempt")
)

// WrongCodeError says how many tries are left; it matches ErrWrongCode.
type WrongCodeError struct{ Left int }

func (e *WrongCodeError) Error() string {
	return fmt.Sprintf("%v; %d tries left", ErrWrongCode, e.Left)
}

// Is makes errors.Is(err, ErrWrongCode) true.
func (e *WrongCodeError) Is(target error) bool { return target == ErrWrongCode }

// WaitError says when to ask again; it matches ErrTooMany.
type WaitError struct{ Until time.Time }

func (e *WaitError) Error() string {
	return fmt.Sprintf("%v (until %s)", ErrTooMany, e.Until.UTC().Format(time.RFC3339))
}

// Is makes errors.Is(err, ErrTooMany) true.
func (e *WaitError) Is(target error) bool { return target == ErrTooMany }

// File is one file behind a link.
type File struct {
	ID     string
	Name   string // as the mail had it; for people and for Content-Disposition, never for a path
	Type   string // as the mail had it; never to be shown in the browser as such
	Size   int64
	SHA256 string // hex
	// Malware says that some was found in it since its mail was inspected: nobody gets it any more.
	Malware bool `json:"-"`
}

// Landing is what the page of a link may show. Fields beyond State are filled only where the state lets
// the holder of the link know them: an unknown link says nothing at all.
type Landing struct {
	State   State
	Access  Access
	Passed  bool // this browser may download: open access, or its code was accepted
	Company string
	// Sender and SenderName stand in the mail that carries the link, so its reader knows them.
	Sender     mailaddr.Address
	SenderName string
	Expires    time.Time
	Files      []File // only while Active and Passed
	Masked     string // the recipient's address as the page may show it: "b•••@other.example"
	Colleagues bool   // a colleague at the same domain may ask for a code at their own address
	Shared     bool
	Preview    bool // files may be looked at
	ViewOnly   bool // and not taken
}

// Content is one stored file, opened for one transfer. ReadAt may be called for any range, by one goroutine at a time;
// what was read and delivered is what Finish records.
type Content struct {
	File
	Stored   time.Time // for Last-Modified; the ETag is the SHA-256
	transfer *transfer
}

// Visitor is what the portal knows of who asks. Agent and Address are kept for the log and can be purged.
type Visitor struct {
	Browser string // the secret of this browser's cookie, made by NewBrowser; "" when it has none
	Address string // IP address as the portal's proxy rules give it
	Agent   string
}

// Link is one link as staff see it.
type Link struct {
	ID          string
	Message     string
	Recipient   string // id
	Address     mailaddr.Address
	State       State
	Access      Access
	Shared      bool
	Person      mailaddr.Address
	Subject     string
	CreatedAt   time.Time
	ActivatedAt time.Time
	ExpiresAt   time.Time
	EndedAt     time.Time
	EndedBy     Actor
	Cause       Cause
	Files       []File
	Taken       int64 // files taken whole, once per file and browser
	FirstTaken  time.Time
	LastTaken   time.Time
	Viewed      int64 // files looked at, once per file and browser
	LastViewed  time.Time
	ViewOnly    bool
	RemindedAt  time.Time
	Password    string    // what the sender has to pass on; "" where the link asks for none
	AskedAt     time.Time // somebody with the expired link wants it open again
}

// Download is one line of a link's log: one transfer, or a first look.
type Download struct {
	ID       string
	Link     string
	Of       mailaddr.Address // whose link was used: "taken with B's link", never "B took it"
	As       mailaddr.Address // who showed a code for it; empty with open access
	File     File
	At       time.Time
	Bytes    int64
	Complete bool   // with this transfer the browser had the whole file
	Viewed   bool   // it was shown, and no byte of it handed out
	Address  string // "" once purged
	Agent    string
}

// Page asks for at most Limit rows after the cursor of the page before.
type Page struct {
	After string
	Limit int
}

// Filter of List. The zero Filter is everything.
type Filter struct {
	Person mailaddr.Address
	State  State
}

// Outcome says what became of one link in Revoke or Extend.
type Outcome struct {
	Link    string
	Address mailaddr.Address
	Done    bool
	State   State // as it is now
	Why     error // when not Done: ErrRevoked, ErrExpired, ErrGone, ErrTooLong
}

// Sent is the answer to a request for a code. It is the same whether a mailbox exists or not.
type Sent struct {
	Masked  string
	Expires time.Time
}

// Letter is a mail of our own for cmd to hand to the queue in the transaction of its cause.
type Letter struct {
	To      mailaddr.Address
	Subject string
	Text    string // UTF-8, lines ended by \n
	Kind    string // "code"
	Message string // the mail it is about
}

// Orphan is a stored object that no row speaks of or, with Missing, a row whose object is not there.
type Orphan struct {
	Key     string
	Size    int64 // as stored; of the plain bytes when missing
	Since   time.Time
	Missing bool
}

var _ io.ReaderAt = (*Content)(nil)
