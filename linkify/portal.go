package linkify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// How long a browser may go on after it was let in.
const (
	openSessionLife = 12 * time.Hour
	codeSessionLife = 24 * time.Hour
)

// session is a browser that was let in to one link.
type session struct {
	id      string
	passed  Access
	as      mailaddr.Address // who showed a code, "" with open access
	expires time.Time
}

// serves says whether the session is enough for the link now.
func (s session) serves(r row, now time.Time) bool {
	return s.id != "" && now.Before(s.expires) && (r.access == AccessOpen || s.passed == r.access)
}

func (l *Links) sessionOf(tx *db.Tx, link, browser string) (s session, err error) {
	hash := browserHash(browser)
	if hash == "" {
		return s, nil
	}
	var sealed []byte
	var expires int64
	err = tx.QueryRow(`SELECT id, passed, sealed, expires_at FROM link_session WHERE link = $1 AND browser = $2`,
		link, hash).Scan(&s.id, &s.passed, &sealed, &expires)
	if db.IsNoRows(err) {
		return session{}, nil
	}
	if err != nil {
		return session{}, err
	}
	s.expires = db.Time(expires)
	return s, l.openJSON(sealSession, s.id, sealed, &s.as)
}

// admit lets a browser in, or lets it stay.
func (l *Links) admit(tx *db.Tx, link, browser string, passed Access, as mailaddr.Address, life time.Duration) (session, error) {
	old, err := l.sessionOf(tx, link, browser)
	if err != nil {
		return session{}, err
	}
	s := session{id: old.id, passed: passed, as: as, expires: tx.Now().Add(life)}
	if s.id == "" {
		s.id = db.NewID()
	}
	sealed, err := l.sealJSON(sealSession, s.id, as)
	if err != nil {
		return session{}, err
	}
	_, err = tx.Exec(`INSERT INTO link_session (id, link, browser, passed, sealed, created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (link, browser) DO UPDATE SET passed = excluded.passed, sealed = excluded.sealed, expires_at = excluded.expires_at`,
		s.id, link, browserHash(browser), passed, sealed, db.Micros(tx.Now()), db.Micros(s.expires))
	return s, err
}

// Open answers the page of a link. It writes nothing: any scanner may call it as often as it likes. An
// unknown link is an answer, not an error.
func (l *Links) Open(ctx context.Context, token string, v Visitor) (Landing, error) {
	var r row
	var s session
	var now time.Time
	var infected map[string]bool
	err := l.o.DB.Read(ctx, func(tx *db.Tx) (err error) {
		now = tx.Now()
		if r, err = rowByToken(tx, token); err != nil {
			return err
		}
		if s, err = l.sessionOf(tx, r.id, v.Browser); err != nil {
			return err
		}
		infected, err = infectedFiles(tx, r.id)
		return err
	})
	if errors.Is(err, ErrNotFound) {
		return Landing{State: Unknown}, nil
	}
	if err != nil {
		return Landing{}, fmt.Errorf("open link: %w", err)
	}
	out, err := l.landing(r, s, now)
	for i := range out.Files {
		out.Files[i].Malware = infected[out.Files[i].ID]
	}
	return out, err
}

func (l *Links) landing(r row, s session, now time.Time) (Landing, error) {
	who, err := l.about(r)
	if err != nil {
		return Landing{}, err
	}
	out := Landing{State: r.stateAt(now), Access: r.access, Company: who.Company, Sender: who.From, SenderName: who.FromName,
		Expires: r.expires.In(l.o.Zone), Shared: r.shared}
	if out.State != Active {
		return out, nil
	}
	if r.access == AccessCode || r.access == AccessAccount {
		out.Masked, out.Colleagues = mask(who.Address), l.business(who.Address.Domain())
	}
	if out.Passed = r.access == AccessOpen || s.serves(r, now); !out.Passed {
		return out, nil
	}
	p, err := l.plan(r)
	out.Files, out.Preview, out.ViewOnly = p.filesOf(), p.Preview || p.ViewOnly, p.ViewOnly
	return out, err
}

// Ticket permits this browser to fetch one file of the link for a short while. It is what the POST of the
// download button asks for; the GET that follows shows the ticket together with the browser's cookie.
func (l *Links) Ticket(ctx context.Context, token string, v Visitor, file string) (string, error) {
	return one(l.permit(ctx, token, v, taking, file))
}

func one(all []string, err error) (string, error) {
	if err != nil {
		return "", err
	}
	return all[0], nil
}

func (l *Links) permit(ctx context.Context, token string, v Visitor, e errand, files ...string) ([]string, error) {
	if browserHash(v.Browser) == "" {
		return nil, ErrTicket
	}
	var r row
	var s session
	var now time.Time
	err := l.o.DB.Read(ctx, func(tx *db.Tx) (err error) {
		now = tx.Now()
		r, s, err = l.mayHave(tx, token, v, e, files...)
		return err
	})
	// Open access needs no proof: the press of the button is what lets the browser in.
	if errors.Is(err, ErrNeedCode) && r.access == AccessOpen {
		err = l.o.DB.Write(ctx, func(tx *db.Tx) (err error) {
			now = tx.Now()
			if err = l.limit(tx, openOfLink, r.id, network(v.Address)); err != nil {
				return err
			}
			s, err = l.admit(tx, r.id, v.Browser, AccessOpen, "", openSessionLife)
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("permit download: %w", err)
	}
	var tickets []string
	for _, file := range files {
		if err := l.rescan(ctx, file); err != nil {
			return nil, fmt.Errorf("permit download: %w", err)
		}
		tickets = append(tickets, l.ticket(e, r.id, s.id, file, now.Add(ticketLife)))
	}
	return tickets, nil
}

// mayHave finds link and session and says why this browser may not have these files now.
func (l *Links) mayHave(tx *db.Tx, token string, v Visitor, e errand, files ...string) (row, session, error) {
	r, err := rowByToken(tx, token)
	if err != nil {
		return r, session{}, err
	}
	if err := r.usable(tx.Now()); err != nil {
		return r, session{}, err
	}
	p, err := l.plan(r)
	if err != nil {
		return r, session{}, err
	}
	its := map[string]bool{}
	for _, f := range p.Files {
		its[f.File.ID] = true
	}
	if slices.ContainsFunc(files, func(id string) bool { return !its[id] }) {
		return r, session{}, ErrNotFound
	}
	if err := p.allowed(e); err != nil {
		return r, session{}, err
	}
	s, err := l.sessionOf(tx, r.id, v.Browser)
	if err == nil && !s.serves(r, tx.Now()) {
		err = ErrNeedCode
	}
	return r, s, err
}
