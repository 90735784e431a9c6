// Package web owns what people and programs see over HTTP: the staff pages, the
// JSON API and the download portal. It is the only place with HTTP codes and,
// in adapter.go, the only one that knows echo.
//
// It owns no table (package signin below it keeps logins) and takes no
// decision: every verb is one call into holdqueue, approval or linkify, which
// are told who acts. Who may see and do what stands in access.go alone.
package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/sekisho-mail/sekisho/approval"
	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/audit"
	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/facsimile"
	"github.com/sekisho-mail/sekisho/internal/seal"
	"github.com/sekisho-mail/sekisho/linkify"
	"github.com/sekisho-mail/sekisho/web/signin"
	"github.com/sekisho-mail/sekisho/web/words"
)

// Company is how the organization names itself to its people and to the
// recipients of its files.
type Company struct {
	Name     string
	Domains  []string   // whose addresses are inside
	Language words.Lang // of readers whose own is not known
	Zone     *time.Location
}

// Deps are what the pages stand on. Portal needs Links, Company, PortalURL,
// Ready and Log only; Staff needs all but PortalURL.
type Deps struct {
	DB        *db.DB
	Queue     *holdqueue.Queue
	Approval  *approval.Desk
	People    func() *approval.Book
	Links     *linkify.Links
	Audit     *audit.Log
	Gate      *signin.Gate
	Keys      *seal.Keys
	Company   Company
	BaseURL   *url.URL
	PortalURL *url.URL
	Proxies   []netip.Prefix // reverse proxies whose X-Forwarded-For counts
	// Ready joins one error for each part that is down: "database: ...", "files:
	// ...", "disk: ...", "relay: ...".
	Ready func(context.Context) error
	// Accounts are providers whose word about an address opens links that ask for an account.
	Accounts []*signin.Account
	// Invite hands a person's own mail to the queue, like any that they submit.
	Invite func(context.Context, Invitation) error
	// Resend does so with a mail that gives somebody a link anew.
	Resend func(context.Context, linkify.Anew) error
	// Facsimile makes pages of files that may be looked at. Optional: without it nothing can be.
	Facsimile *facsimile.Press
	Version   string
	Log       *slog.Logger
}

// Staff is the handler for the people of the company.
func Staff(d Deps) (http.Handler, error) {
	if d.BaseURL == nil || d.Gate == nil {
		return nil, errors.New("web: the staff pages need a base URL and a gate")
	}
	s, err := newSite(d)
	if err != nil {
		return nil, err
	}
	st := &staff{site: s}
	return s.serve(st.routes(), st), nil
}

// Portal is the handler for people outside: /d/ for what they get, /u/ for what they are asked for, its style
// sheet, health, and nothing else. It never reads a staff cookie and knows no session.
func Portal(d Deps) (http.Handler, error) {
	if d.PortalURL == nil || d.Links == nil {
		return nil, errors.New("web: the portal needs its URL and the links")
	}
	s, err := newSite(d)
	if err != nil {
		return nil, err
	}
	p := &portal{site: s}
	if p.tus, err = newTus(d.Links); err != nil {
		return nil, err
	}
	return s.serve(p.routes(), nil), nil
}

// NewServer is an http.Server with the time limits these handlers expect: a
// client that trickles its request is dropped; answers set their own deadline.
func NewServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// site is what staff pages and portal share.
type site struct {
	Deps
	words   *words.Catalogue
	looks   *looks
	sending atomic.Int64 // downloads under way
}

func newSite(d Deps) (*site, error) {
	if d.Log == nil {
		d.Log = slog.Default()
	}
	if d.Company.Zone == nil {
		d.Company.Zone = time.Local
	}
	if _, known := words.Parse(string(d.Company.Language)); !known {
		d.Company.Language = words.Japanese
	}
	c, err := words.Load()
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	l, err := newLooks(c, d.Company.Zone)
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	return &site{Deps: d, words: c, looks: l}, nil
}

// now is the clock that due times are kept by.
func (s *site) now(ctx context.Context) (time.Time, error) {
	if s.DB == nil { // a portal on a machine of its own
		return time.Now().In(s.Company.Zone), nil
	}
	at, err := s.DB.Now(ctx)
	return at.In(s.Company.Zone), err
}
