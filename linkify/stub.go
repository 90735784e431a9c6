package linkify

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/message"
)

var errUnfinished = errors.New("linkify: not built yet")

type transfer struct{}

// ReadAt reads plain bytes; a byte that is not what was stored is ErrDamaged, never content.
func (c *Content) ReadAt(p []byte, off int64) (int, error) { return 0, errUnfinished }

// Finish records what was read. delivered is false when writing to the browser failed, so that what was
// read last does not count. A transfer that read nothing (HEAD) leaves no trace.
func (c *Content) Finish(ctx context.Context, delivered bool) error { return errUnfinished }

// Close gives back the store's resources. Call it after Finish.
func (c *Content) Close() error { return nil }

// Links is the whole of the package: stored files, links and their log.
type Links struct{ o Options }

// New makes it; it starts nothing.
func New(o Options) (*Links, error) { return &Links{o: o}, nil }

// CanLink says, at inspection, which parts would become links under t and which parts a rule wants linked
// but nothing may touch; the latter hold the mail with reason cannot_link (DESIGN 7.10).
func CanLink(m *message.Message, t Terms) ([]Attachment, []CannotLink, error) {
	return nil, nil, errUnfinished
}

// Prepare writes the mail as r gets it to w: the same bytes at every call for that mail and recipient. The
// first call stores the files and fixes notice, dates and link; the link stays inactive.
func (l *Links) Prepare(ctx context.Context, w io.Writer, m Mail, r Recipient) error {
	return errUnfinished
}

// Preview writes what r would get, with an invalid token, and stores nothing (the command rewrite).
func (l *Links) Preview(w io.Writer, m Mail, r Recipient) error { return errUnfinished }

// Activate makes the links of those recipients answer. It belongs in the transaction of dot_sent; a
// recipient without a link is no error, a revoked link stays revoked.
func (l *Links) Activate(tx *db.Tx, message string, recipients []string) error { return errUnfinished }

// End revokes the links of recipients whose mail failed for good, was cancelled, rejected or returned. Do
// not call it for a delivery that is uncertain: that mail may have arrived.
func (l *Links) End(tx *db.Tx, message string, recipients []string, why Cause, by Actor) error {
	return errUnfinished
}

// Revoke ends links of one mail, at any time: ids of links, nil for all. Who may do so is the caller's
// question. The outcome names every link asked for.
func (l *Links) Revoke(ctx context.Context, message string, ids []string, why Cause, by Actor) ([]Outcome, error) {
	return nil, errUnfinished
}

// RevokeIn is Revoke inside the caller's transaction.
func (l *Links) RevokeIn(tx *db.Tx, message string, ids []string, why Cause, by Actor) ([]Outcome, error) {
	return nil, errUnfinished
}

// Extend moves the expiry of links to the end of the day of until, in the company's zone, and opens expired ones again while
// their files are still stored. A revoked link stays revoked.
func (l *Links) Extend(ctx context.Context, message string, ids []string, until time.Time, by Actor) ([]Outcome, error) {
	return nil, errUnfinished
}

// LegalHold keeps (or no longer keeps) the files of a mail from being deleted. Links expire all the same.
func (l *Links) LegalHold(ctx context.Context, message string, on bool, by Actor) error {
	return errUnfinished
}

// Get is one link for staff.
func (l *Links) Get(ctx context.Context, id string) (Link, error) { return Link{}, errUnfinished }

// OfMessage lists the links of one mail.
func (l *Links) OfMessage(ctx context.Context, message string) ([]Link, error) {
	return nil, errUnfinished
}

// List gives links, newest first; After is the id of the last one seen.
func (l *Links) List(ctx context.Context, f Filter, p Page) ([]Link, error) {
	return nil, errUnfinished
}

// Log gives the downloads of one mail (link = "") or of one link of it, newest first; After is the id of the
// last one seen.
func (l *Links) Log(ctx context.Context, message, link string, p Page) ([]Download, error) {
	return nil, errUnfinished
}

// NewBrowser makes the secret for a browser's cookie (43 characters).
func NewBrowser() string { return "" }

// Open answers the page of a link. It writes nothing: any scanner may call it as often as it likes.
func (l *Links) Open(ctx context.Context, token string, v Visitor) (Landing, error) {
	return Landing{}, errUnfinished
}

// RequestCode sends a one-time code for this link and browser. address is "" for the recipient, or that of
// a colleague at the same company. Call it from POST only.
func (l *Links) RequestCode(ctx context.Context, token string, v Visitor, address string) (Sent, error) {
	return Sent{}, errUnfinished
}

// EnterCode opens all files of the link to this browser. Call it from POST only.
func (l *Links) EnterCode(ctx context.Context, token string, v Visitor, code string) error {
	return errUnfinished
}

// Ticket permits this browser to fetch one file of the link for a short while. It is what the POST of the
// download button asks for; the GET that follows shows the ticket together with the browser's cookie.
func (l *Links) Ticket(ctx context.Context, token string, v Visitor, file string) (string, error) {
	return "", errUnfinished
}

// Download opens a file for a browser that has a ticket. The caller reads, then calls Finish and Close.
func (l *Links) Download(ctx context.Context, token string, v Visitor, file, ticket string) (*Content, error) {
	return nil, errUnfinished
}

// Expire handles due work of kind WorkExpire.
func (l *Links) Expire(ctx context.Context, link string) error { return errUnfinished }

// Sweep handles due work of kind WorkSweep: deletes the files of a mail whose links are over.
func (l *Links) Sweep(ctx context.Context, ref string) error { return errUnfinished }

// Orphans compares the store with the rows and reports what does not match; it deletes nothing.
func (l *Links) Orphans(ctx context.Context, fn func(Orphan) error) error { return errUnfinished }

// Purge removes addresses and user agents from log lines older than before (retention.downloads).
func (l *Links) Purge(ctx context.Context, before time.Time) error { return errUnfinished }
