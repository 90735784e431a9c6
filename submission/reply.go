package submission

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"syscall"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// Every SMTP reply that a client can get from us stands in this file. A text is for the person whose mail
// program shows it: what is wrong, and what to do. It never repeats content of the mail.
//
// Only an unwrapped *smtp.SMTPError keeps its code inside go-smtp; anything else would become a permanent 554
// that shows the error's text. Session methods therefore return *smtp.SMTPError or nil, see answer.

func reply(code int, class, subject, detail int, format string, args ...any) *smtp.SMTPError {
	text := format
	if len(args) > 0 {
		text = fmt.Sprintf(format, args...)
	}
	return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{class, subject, detail}, Message: text}
}

// line is the reply as it goes over the wire.
func line(r *smtp.SMTPError) string {
	e := r.EnhancedCode
	return fmt.Sprintf("%d %d.%d.%d %s\r\n", r.Code, e[0], e[1], e[2], r.Message)
}

// Connections.
func tooManyConnections() *smtp.SMTPError {
	return reply(421, 4, 7, 0, "Too many connections; try again in a minute")
}
func tooManyConnectionsFromYou() *smtp.SMTPError {
	return reply(421, 4, 7, 0, "Too many connections from your address; try again in a minute")
}
func shuttingDown() *smtp.SMTPError {
	return reply(421, 4, 3, 2, "This server is being stopped; try again in a minute")
}
func idleTooLong() *smtp.SMTPError {
	return reply(421, 4, 4, 2, "Nothing was heard for too long; closing")
}
func signInTooLate() *smtp.SMTPError {
	return reply(421, 4, 7, 0, "No sign-in within the time allowed; closing")
}
func tooManyErrors() *smtp.SMTPError { return reply(421, 4, 7, 0, "Too many errors; closing") }
func broken() *smtp.SMTPError        { return reply(421, 4, 3, 0, "Internal error; try again later") }

// Commands.
func lineTooLong() *smtp.SMTPError { return reply(500, 5, 5, 2, "The command line is too long") }
func badLineEnd() *smtp.SMTPError {
	return reply(500, 5, 5, 2, "Command lines must end in CR LF and hold no other control character; closing")
}
func notText() *smtp.SMTPError        { return reply(500, 5, 5, 2, "The command is not valid UTF-8") }
func unknownCommand() *smtp.SMTPError { return reply(500, 5, 5, 1, "Unknown command") }
func notImplemented() *smtp.SMTPError {
	return reply(502, 5, 5, 1, "This command is not supported here")
}
func badSyntax(want string) *smtp.SMTPError {
	return reply(501, 5, 5, 2, "The syntax is: %s", want)
}
func repeatedParameter() *smtp.SMTPError { return reply(501, 5, 5, 4, "A parameter is given twice") }
func unknownParameter() *smtp.SMTPError {
	return reply(555, 5, 5, 4, "A parameter is not known or not supported here")
}
func greetFirst() *smtp.SMTPError { return reply(503, 5, 5, 1, "Send EHLO first") }
func nestedMail() *smtp.SMTPError {
	return reply(503, 5, 5, 1, "A message is already under way; send RSET first")
}
func mailFirst() *smtp.SMTPError { return reply(503, 5, 5, 1, "Send MAIL FROM first") }
func noRecipients() *smtp.SMTPError {
	return reply(503, 5, 5, 1, "No recipient has been accepted; send RCPT TO first")
}
func chunkExpected() *smtp.SMTPError {
	return reply(503, 5, 5, 1, "A message is being transferred; send BDAT or RSET")
}
func authInMail() *smtp.SMTPError {
	return reply(503, 5, 5, 1, "AUTH is not allowed while a message is under way")
}
func authTwice() *smtp.SMTPError { return reply(503, 5, 5, 1, "Already signed in") }
func authNotHere() *smtp.SMTPError {
	return reply(503, 5, 7, 0, "There is no sign-in on this port; use port 587 or 465")
}
func pipelinedTLS() *smtp.SMTPError {
	return reply(503, 5, 5, 1, "Commands were sent after STARTTLS without waiting for the answer; closing")
}
func tlsTwice() *smtp.SMTPError    { return reply(503, 5, 5, 1, "TLS is already on") }
func tlsNotHere() *smtp.SMTPError  { return reply(502, 5, 5, 1, "TLS is not available here") }
func readyForTLS() *smtp.SMTPError { return reply(220, 2, 0, 0, "Ready to start TLS") }
func senderTaken() *smtp.SMTPError { return reply(250, 2, 1, 0, "Sender accepted") }
func recipientTaken() *smtp.SMTPError {
	return reply(250, 2, 1, 5, "Recipient accepted")
}
func chunkTaken(n int64) *smtp.SMTPError { return reply(250, 2, 0, 0, "%d octets received", n) }
func reset() *smtp.SMTPError             { return reply(250, 2, 0, 0, "Message forgotten") }
func goodbye() *smtp.SMTPError           { return reply(221, 2, 0, 0, "Bye") }
func nothingDone() *smtp.SMTPError       { return reply(250, 2, 0, 0, "Ok") }

// Sign-in.
func tlsFirst() *smtp.SMTPError { return reply(530, 5, 7, 0, "Must issue a STARTTLS command first") }
func tlsBeforeAuth() *smtp.SMTPError {
	return reply(538, 5, 7, 11, "Encryption is required before signing in: issue STARTTLS first")
}
func signInFirst() *smtp.SMTPError {
	return reply(530, 5, 7, 0, "Authentication required: switch on sign-in (SMTP AUTH) in your mail program")
}
func unknownMechanism() *smtp.SMTPError {
	return reply(504, 5, 5, 4, "This sign-in method is not supported; use PLAIN or LOGIN")
}
func signedIn() *smtp.SMTPError  { return reply(235, 2, 7, 0, "Signed in") }
func badBase64() *smtp.SMTPError { return reply(501, 5, 5, 2, "The sign-in data is not valid base64") }
func badSignIn() *smtp.SMTPError { return reply(501, 5, 5, 2, "The sign-in data is malformed") }
func cancelled() *smtp.SMTPError { return reply(501, 5, 7, 0, "Sign-in cancelled") }
func wrongAuthz() *smtp.SMTPError {
	return reply(535, 5, 7, 8, "Nobody may sign in for another person")
}
func badCredentials() *smtp.SMTPError {
	return reply(535, 5, 7, 8, "User name or password is wrong")
}
func signInBusy() *smtp.SMTPError {
	return reply(454, 4, 7, 0, "Too many people are signing in at this moment; try again")
}
func signInUnavailable() *smtp.SMTPError {
	return reply(454, 4, 7, 0, "Sign-ins cannot be checked at this moment; try again later")
}
func signInBlocked(until time.Duration) *smtp.SMTPError {
	return reply(454, 4, 7, 0, "Too many wrong passwords from your address; try again in %d minutes", minutes(until))
}

// Addresses and limits.
func badMailbox() *smtp.SMTPError {
	return reply(553, 5, 1, 3, "This is not a valid mail address")
}
func badSenderMailbox() *smtp.SMTPError {
	return reply(553, 5, 1, 7, "This is not a valid sender address")
}
func sourceRoute() *smtp.SMTPError {
	return reply(553, 5, 1, 3, "Source routes (@host:address) are not accepted")
}
func needsUTF8() *smtp.SMTPError {
	return reply(553, 5, 6, 7, "An address with letters outside ASCII needs the SMTPUTF8 parameter on MAIL FROM")
}
func tooLarge(limit int64) *smtp.SMTPError {
	return reply(552, 5, 3, 4, "The message is larger than the %d MB allowed here", max(limit>>20, 1))
}
func tooManyRecipients(limit int) *smtp.SMTPError {
	return reply(452, 4, 5, 3, "More than %d recipients in one message; send the rest separately", limit)
}
func recipientRefused(a mailaddr.Address, why string) *smtp.SMTPError {
	return reply(550, 5, 7, 1, "Mail to %s is not allowed: %s", a, oneLine(why))
}
func tooFast(limit int, wait time.Duration) *smtp.SMTPError {
	return reply(450, 4, 7, 1, "More than %d recipients within ten minutes; try again in %d minutes", limit, minutes(wait))
}
func tooManyToday(limit int) *smtp.SMTPError {
	return reply(550, 5, 7, 1, "More than %d recipients within a day; ask your administrator", limit)
}
func noRoom() *smtp.SMTPError {
	return reply(452, 4, 3, 1, "No room to store mail at this moment; keep it and try again later")
}

// Content and header.
func bareLineEnd() *smtp.SMTPError {
	return reply(554, 5, 6, 0, "The message holds a CR or LF that is not part of CR LF; it was not accepted")
}
func nulByte() *smtp.SMTPError {
	return reply(554, 5, 6, 0, "The message holds a NUL character; it was not accepted")
}
func contentLineTooLong() *smtp.SMTPError {
	return reply(554, 5, 6, 0, "The message holds a line of more than 1 MiB; it was not accepted")
}
func headerTooLarge() *smtp.SMTPError {
	return reply(552, 5, 3, 4, "The header of the message is larger than 1 MiB")
}
func noHeader() *smtp.SMTPError {
	return reply(554, 5, 6, 0, "The message has no header")
}
func headerBeginsFolded() *smtp.SMTPError {
	return reply(554, 5, 6, 0, "The header begins with a blank, which only a continued line may do")
}
func headerUnclear() *smtp.SMTPError {
	return reply(554, 5, 6, 0, "The header names a sender or a blind copy in a line that not every mail program reads as a field")
}
func fromMissing() *smtp.SMTPError {
	return reply(554, 5, 6, 0, "The message has no From field")
}
func fromRepeated() *smtp.SMTPError {
	return reply(554, 5, 6, 0, "The message has more than one From field")
}
func senderRepeated() *smtp.SMTPError {
	return reply(554, 5, 6, 0, "The message has more than one Sender field")
}
func fieldUnreadable(name string) *smtp.SMTPError {
	return reply(550, 5, 7, 1, "The %s field is not a list of valid mail addresses", name)
}
func notYours(where string, a mailaddr.Address) *smtp.SMTPError {
	return reply(550, 5, 7, 1, "You may not send as %s (%s); use an address of your own or ask your administrator", a, where)
}
func loopFound() *smtp.SMTPError {
	return reply(554, 5, 4, 6, "This message has passed here before: mail is going round in a circle")
}
func tooManyHops() *smtp.SMTPError {
	return reply(554, 5, 4, 6, "Too many hops: the message has more than %d Received fields", maxHops)
}

// Gateway.
func unknownSource() *smtp.SMTPError {
	return reply(550, 5, 7, 1, "Your server is not known here; only configured sources may submit on this port")
}
func notThatSource() *smtp.SMTPError {
	return reply(550, 5, 7, 1, "This message does not show that it comes from a source that may submit here")
}
func notOfSource(where string, a mailaddr.Address) *smtp.SMTPError {
	return reply(550, 5, 7, 1, "%s (%s) is not a sender of this source", a, where)
}

// queued is the 250 of an accepted mail. go-smtp takes its text from the error.
func queued(id string) *smtp.SMTPError { return reply(250, 2, 0, 0, "Ok: queued as %s", id) }

// answer makes any error into a reply. What is not a reply already is our own trouble: the client keeps the
// mail, and gets a reference for the administrator instead of the error's text.
func answer(ctx context.Context, log *slog.Logger, doing string, err error) *smtp.SMTPError {
	var r *smtp.SMTPError
	if errors.As(err, &r) {
		return r
	}
	ref := newReference()
	log.ErrorContext(ctx, "mail not accepted", "doing", doing, "reference", ref, "error", err)
	// 452, not 554: the client must keep the mail when our disk is full.
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return noRoom()
	}
	return reply(451, 4, 3, 0, "The message could not be stored; it was not accepted, try again later (reference %s)", ref)
}

func minutes(d time.Duration) int { return int((d + time.Minute - 1) / time.Minute) }

// longestWhy bounds a text that came from configuration: a reply line has at most 512 octets (RFC 5321 section
// 4.5.3.1.5), and the recipient's address may take half of them.
const longestWhy = 200

// oneLine keeps a text that came from configuration from breaking the reply.
func oneLine(s string) string {
	if len(s) > longestWhy {
		s = strings.ToValidUTF8(s[:longestWhy-3], "") + "..."
	}
	b := []byte(s)
	for i, c := range b {
		if c < 0x20 || c == 0x7f {
			b[i] = ' '
		}
	}
	return string(b)
}

// newReference is a short name by which a person and an administrator can speak of one event.
func newReference() string {
	var raw [5]byte
	rand.Read(raw[:])
	return hex.EncodeToString(raw[:])
}
