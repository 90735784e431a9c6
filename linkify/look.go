package linkify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// Looking at a file is not taking it. What a page shows is made from the stored bytes by whoever calls Look; the bytes
// themselves go no further. Where a link is for looking only, no ticket hands them out.

// Refusals of the portal about looking.
var (
	ErrViewOnly  = errors.New("the file may be looked at, not taken")
	ErrNoPreview = errors.New("the file cannot be looked at by this link")
)

// errand is what a browser wants of a file. A permission for one is none for another.
type errand string

const (
	taking  errand = "linkify.ticket"
	looking errand = "linkify.look"
)

// allowed says why a link does not serve the errand.
func (p plan) allowed(e errand) error {
	switch {
	case e == taking && p.ViewOnly:
		return ErrViewOnly
	case e == looking && !p.Preview && !p.ViewOnly:
		return ErrNoPreview
	}
	return nil
}

// version of a plan. One for looking only must not be read by a program that knows of no such thing and would hand
// out the files.
func (p plan) version() int {
	if p.ViewOnly {
		return viewOnlyVersion
	}
	return planVersion
}

// Look is one file, opened to be shown. It is not safe for use by several goroutines.
type Look struct {
	File
	ViewOnly bool
	// Reader is who looks, as far as that is known: who showed a code or an account, else whose link it is.
	Reader mailaddr.Address
	At     time.Time // by the clock that expiry is kept by, in the company's zone

	links   *Links
	object  *object
	row     row
	session session
	visitor Visitor
}

// LookTicket permits this browser to look at one file for a short while. It is what the POST of the button asks for.
func (l *Links) LookTicket(ctx context.Context, token string, v Visitor, file string) (string, error) {
	return one(l.permit(ctx, token, v, looking, file))
}

// Look opens a file for a browser that has a ticket for looking. The caller shows it, then calls Seen and Close.
func (l *Links) Look(ctx context.Context, token string, v Visitor, file, ticket string) (*Look, error) {
	out := &Look{links: l, visitor: v}
	var b stored
	err := l.o.DB.Read(ctx, func(tx *db.Tx) (err error) {
		if out.row, out.session, err = l.mayHave(tx, token, v, looking, file); err != nil {
			return err
		}
		if !l.checkTicket(looking, ticket, out.row.id, out.session.id, file, tx.Now()) {
			return ErrTicket
		}
		out.At = tx.Now().In(l.o.Zone)
		out.File, b, err = l.fileByID(tx, file)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look: %w", err)
	}
	who, err := l.about(out.row)
	if err != nil {
		return nil, fmt.Errorf("look: %w", err)
	}
	p, err := l.plan(out.row)
	if err != nil {
		return nil, fmt.Errorf("look: %w", err)
	}
	out.ViewOnly = p.ViewOnly
	if out.Reader = out.session.as; out.Reader == "" {
		out.Reader = who.Address
	}
	if out.object, err = l.open(ctx, b); err != nil {
		return nil, fmt.Errorf("look: %w", err)
	}
	return out, nil
}

// Content is the whole file, read once from its beginning.
func (k *Look) Content() io.Reader { return io.NewSectionReader(k.object, 0, k.Size) }

// Close gives back the store's resources.
func (k *Look) Close() error { return k.object.file.Close() }

// Seen records that this browser was shown the file, once; turning pages leaves no trace.
func (k *Look) Seen(ctx context.Context) error {
	err := k.links.o.DB.Write(context.WithoutCancel(ctx), func(tx *db.Tx) error {
		first, err := tx.Exec(`INSERT INTO link_view (session, file, viewed_at) VALUES ($1, $2, $3) ON CONFLICT (session, file) DO NOTHING`,
			k.session.id, k.ID, db.Micros(tx.Now()))
		if err != nil || first == 0 {
			return err
		}
		return k.record(tx)
	})
	if err != nil {
		return fmt.Errorf("record look: %w", err)
	}
	return nil
}

func (k *Look) record(tx *db.Tx) error {
	l, now := k.links, db.Micros(tx.Now())
	id := db.NewID()
	as, err := l.sealJSON(sealTaken, id, k.session.as)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(`INSERT INTO link_download (id, message, link, file, session, at, bytes, complete, sealed, address_hash, address, agent, viewed)
		VALUES ($1, $2, $3, $4, $5, $6, 0, 0, $7, $8, $9, $10, 1)`,
		id, k.row.message, k.row.id, k.ID, k.session.id, now, as,
		l.addressHash(k.visitor.Address), plainIP(k.visitor.Address), cut(cleanLine(k.visitor.Agent), 200)); err != nil {
		return err
	}
	if err := l.told(tx, k.row); err != nil {
		return err
	}
	if _, err := tx.Exec(`UPDATE link SET viewed = viewed + 1, last_viewed = $1 WHERE id = $2`, now, k.row.id); err != nil {
		return err
	}
	if _, err := tx.Exec(`UPDATE link_content SET viewed = viewed + 1 WHERE link = $1 AND file = $2`, k.row.id, k.ID); err != nil {
		return err
	}
	detail := map[string]string{"file": k.ID, "ip": plainIP(k.visitor.Address)}
	if k.session.as != "" {
		detail["address"] = string(k.session.as)
	}
	return record(tx, visitor, "link.viewed", k.row.message, k.row.recipient, k.row.id, detail)
}
