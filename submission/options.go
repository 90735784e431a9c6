package submission

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
	"github.com/sekisho-mail/sekisho/internal/metric"
	"github.com/sekisho-mail/sekisho/internal/seal"
)

// Options is everything a Server is given.
type Options struct {
	// Hostname stands in the greeting, in Received and in Message-ID.
	Hostname string
	// Listen are addresses where TLS begins with STARTTLS (587), ListenTLS where it begins at once (465),
	// Gateway where other mail servers and devices submit without AUTH (25).
	Listen, ListenTLS, Gateway []string
	// TLS is required for Listen and ListenTLS and optional for Gateway. See ReloadingTLS.
	TLS *tls.Config

	// Verify says whose user name and password these are. See Users.Verify.
	Verify func(ctx context.Context, user, password string) (mailaddr.Address, error)
	People People
	// Sources are those who may submit on Gateway.
	Sources []Source
	// Keys recognise our own loop header; see LoopField.
	Keys *seal.Keys

	// Begin opens the place one mail is written to.
	Begin func(context.Context) (Draft, error)
	// RefuseRecipient gives a sentence for the sender, in ASCII, when mail to the recipient is refused outright,
	// else "". On the gateway port it is asked with an empty person and source first, and again when the header has
	// shown whose mail it is. nil refuses nobody.
	RefuseRecipient func(person mailaddr.Address, source string, recipient mailaddr.Address) string
	// Room says why no mail can be stored now (free disk space below the floor, database away); nil when it
	// can. It is asked at MAIL and must be quick.
	Room func() error

	Limits Limits
	// Behind wraps every listener: balancer.Listen, where load balancers say whose connection it is. Optional.
	Behind func(net.Listener) net.Listener
	// Ledger shares counts with other nodes of the same database; nil counts alone.
	Ledger *Ledger
	// ClientInReceived puts the client's address and EHLO name into Received.
	ClientInReceived bool
	// Zone is the time zone of Received and Date; nil is the machine's.
	Zone *time.Location
	Log  *slog.Logger
	// Metrics gets the server's figures; nil counts nothing.
	Metrics *metric.Registry
}

// People answers whose an address is.
type People interface {
	// Whose is the person an address or alias belongs to; a shared address belongs to nobody.
	Whose(a mailaddr.Address) (person mailaddr.Address, ok bool)
	// MaySend says whether the address is the person's own, an alias, a shared one or granted by send_as. The
	// empty address asks whether the person may send as anybody at all.
	MaySend(person, from mailaddr.Address) bool
}

// Limits bound what one client can take from the others. Zero fields get the factory value of DefaultLimits.
type Limits struct {
	MessageBytes int64 // of the message as the client sends it
	Recipients   int   // of one message

	Connections           int // in all
	ConnectionsPerAddress int // of one IPv4 address or IPv6 /64; an office of three hundred people shares one

	// Recipients one person may write to, over ten minutes (then 450) and a day (then 550).
	RecipientsPer10Minutes, RecipientsPerDay int

	Idle   time.Duration // silence between two reads, in commands as in a body
	SignIn time.Duration // until AUTH has succeeded
	Grace  time.Duration // for a body under way when the server is told to stop
	Commit time.Duration // for making a mail durable; then 451
}

// DefaultLimits are the factory values.
func DefaultLimits() Limits {
	return Limits{
		MessageBytes: 150 << 20,
		Recipients:   1000,

		Connections:           2000,
		ConnectionsPerAddress: 400,

		RecipientsPer10Minutes: 600,
		RecipientsPerDay:       10_000,

		Idle:   5 * time.Minute, // RFC 5321 section 4.5.3.2.7
		SignIn: 2 * time.Minute,
		Grace:  20 * time.Second,
		Commit: 45 * time.Second, // Outlook hangs up after a minute and silently sends again
	}
}

// Draft is one mail on its way to disk: a *holdqueue.Draft, or in benchmarks one that throws everything away.
type Draft interface {
	io.Writer
	// ID is the name the mail will have; the 250 and the Received field show it.
	ID() string
	// Commit makes the mail durable. After an error the mail must never be delivered: the client keeps it. The
	// id may be that of an earlier mail of which this one is a resend.
	Commit(context.Context, holdqueue.Envelope) (id string, err error)
	// Answered says that the client has been heard since it got the 250 for this mail.
	Answered()
	// Abort forgets what was written. It does nothing after Commit.
	Abort()
}
