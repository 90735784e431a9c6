package linkify

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
	"github.com/sekisho-mail/sekisho/internal/message"
)

// A link is given anew by a new mail of its owner's. That mail passes the checkpoint like any other: it is inspected,
// waits, and asks whoever a rule names. Its link is made when it is prepared and becomes active when it leaves.

// Anew is what must be known to write such a mail.
type Anew struct {
	Link     string
	Message  string
	Person   mailaddr.Address
	From     mailaddr.Address
	FromName string
	To       mailaddr.Address
	Files    int64
}

// ErrNotYours says that a link cannot be given anew: it is somebody else's, or was taken back on purpose.
var ErrNotYours = errors.New("this link cannot be given anew")

// Anew notes that somebody wants a link given anew, and says what the mail that does so must say. The files must still be stored; a link that was revoked
// after a mis-send, or whose mail never left, stays as it is.
func (l *Links) Anew(ctx context.Context, message, link string, by Actor) (a Anew, err error) {
	err = l.o.DB.Write(ctx, func(tx *db.Tx) error {
		r, err := l.renewable(tx, link)
		if err == nil && r.message != message {
			err = ErrNotFound
		}
		if err != nil {
			return err
		}
		if err := l.limit(tx, anewOfLink, r.id); err != nil {
			return err
		}
		if err := record(tx, by, "link.anew", r.message, r.recipient, r.id, nil); err != nil {
			return err
		}
		who, err := l.about(r)
		a = Anew{Link: r.id, Message: r.message, Person: who.Person, From: who.From, FromName: who.FromName, To: who.Address, Files: r.files}
		return err
	})
	if err != nil {
		return Anew{}, fmt.Errorf("give link %s anew: %w", link, err)
	}
	return a, nil
}

func (l *Links) renewable(tx *db.Tx, link string) (row, error) {
	r, err := rowByID(tx, link)
	if err != nil {
		return r, err
	}
	if r.activated.IsZero() || r.state == Revoked && r.cause != ByPerson {
		return r, ErrNotYours
	}
	whole, err := filesStored(tx, r.id)
	if err == nil && !whole {
		err = ErrGone
	}
	return r, err
}

// PrepareAnew is Prepare for a mail that gives link anew: nothing leaves the mail, the notice goes in. The same bytes
// at every call.
func (l *Links) PrepareAnew(ctx context.Context, w io.Writer, m Mail, r Recipient, link string) error {
	msg, err := message.Parse(m.Raw)
	if err != nil {
		return fmt.Errorf("prepare %s: %w", m.ID, err)
	}
	var found row
	err = l.o.DB.Read(ctx, func(tx *db.Tx) (err error) {
		found, err = rowOf(tx, r.ID)
		return err
	})
	switch {
	case err == nil:
		err = l.again(ctx, w, msg, found)
	case errors.Is(err, ErrNotFound):
		err = l.firstAnew(ctx, w, msg, m, r, link)
	}
	if err != nil {
		return fmt.Errorf("prepare %s for %s: %w", m.ID, r.ID, err)
	}
	return nil
}

func (l *Links) firstAnew(ctx context.Context, w io.Writer, msg *message.Message, m Mail, r Recipient, link string) error {
	var old row
	now, err := l.o.DB.Now(ctx)
	if err != nil {
		return err
	}
	err = l.o.DB.Read(ctx, func(tx *db.Tx) (err error) {
		old, err = l.renewable(tx, link)
		return err
	})
	if err != nil {
		return err
	}
	if old.person != string(m.Person.Key()) {
		return ErrNotYours
	}
	was, err := l.plan(old)
	if err != nil {
		return err
	}
	r.Terms.Access = old.access // never less than it was
	expires := l.o.expiry(now, r.Terms)
	p := plan{Version: was.Version, Portal: l.o.Portal, Files: was.Files, Anew: true, Preview: was.Preview, ViewOnly: was.ViewOnly}
	p.Notice = letterhead{files: p.filesOf(), access: old.access, expires: expires, viewOnly: p.ViewOnly}.notice()
	n := row{id: db.NewID(), message: old.message, recipient: r.ID, generation: 1, keyID: l.o.Keys.CurrentID(), expires: expires}
	if n.body, err = l.render(w, msg, Splice{}, n, p); err != nil {
		return err
	}
	r.Shared = old.shared
	m.ID = old.message // whose files these are: one page, one log, one containment for all links of them
	return l.o.DB.Write(ctx, func(tx *db.Tx) error {
		if _, err := l.renewable(tx, link); err != nil {
			return err
		}
		if err := l.insert(tx, n, m, r, p); err != nil {
			return err
		}
		return l.o.Schedule(tx, WorkSweep, old.message, expires.Add(l.o.Keep))
	})
}
