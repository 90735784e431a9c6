package approval

import (
	"context"
	"errors"
)

// Desk is where questions lie until somebody answers them.
type Desk struct{}

var errUnwired = errors.New("approval: the desk is not wired")

// Questions lists what the reader is asked now, the newest first, with the
// cursor of the next page; empty after the last.
func (d *Desk) Questions(ctx context.Context, reader Actor, page Page) ([]Row, string, error) {
	return nil, "", errUnwired
}

// Waiting counts the reader's open questions, at most up to limit.
func (d *Desk) Waiting(ctx context.Context, reader Actor, limit int) (int, error) {
	return 0, errUnwired
}

// History lists requests the reader had a voice in, the newest first.
func (d *Desk) History(ctx context.Context, reader Actor, page Page) ([]Row, string, error) {
	return nil, "", errUnwired
}

// Request gives one request as the reader may see it: approvers it was put
// to, the sender, and administrators. Anybody else gets ErrNotFound.
func (d *Desk) Request(ctx context.Context, id RequestID, reader Actor) (*Request, error) {
	return nil, errUnwired
}

// OfMessage lists the requests of one message, the oldest first.
func (d *Desk) OfMessage(ctx context.Context, id MessageID, reader Actor) ([]*Request, error) {
	return nil, errUnwired
}

// Holders says with whom each of the messages lies. A message nobody is asked
// about is missing from the result.
func (d *Desk) Holders(ctx context.Context, ids []MessageID) (map[MessageID][]Holder, error) {
	return nil, errUnwired
}

// Decide takes one decision, or says truthfully why not: ErrDecided with who
// and when, ErrStale with the revision that stands, ErrNotApprover, ErrSelf.
func (d *Desk) Decide(ctx context.Context, decision Decision) (Outcome, error) {
	return Outcome{}, errUnwired
}

// AskManager passes a question that was put to the sender first on to the
// sender's manager.
func (d *Desk) AskManager(ctx context.Context, id RequestID, revision Revision, by Actor) (Outcome, error) {
	return Outcome{}, errUnwired
}

// CancelToken is the secret of the sender's notice link. It opens the cancel
// page of one message and nothing else, without login.
func (d *Desk) CancelToken(id MessageID) string { return "" }

// ByCancelToken gives the message a token was made for, or ErrBadToken. The
// token is no promise that there is still something to cancel.
func (d *Desk) ByCancelToken(token string) (MessageID, error) { return "", errUnwired }
