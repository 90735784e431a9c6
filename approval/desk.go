package approval

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
	"github.com/sekisho-mail/sekisho/internal/seal"
)

// Where notices lead. The rest of the path is the id or the token.
const (
	PathRequest = "/requests/"
	PathMessage = "/messages/"
	PathCancel  = "/c/"
)

// Kinds of work this package owns.
const (
	kindAsk      = "request.ask"      // ref: request, ".", stage
	kindRemind   = "request.remind"   // ref: request, ".", stage
	kindEscalate = "request.escalate" // ref: request, ".", stage
	kindExpire   = "request.expire"   // ref: request
	kindForget   = "request.forget"   // ref: request
	kindTell     = "family.tell"      // ref: family, ".", kind of notice, ".", message
	kindAlarm    = "alarm.tell"       // ref: cause
)

// How long those who were asked may keep silent, in working time.
const (
	remindAfter   = time.Hour
	escalateAfter = 4 * time.Hour
)

// Options are what a desk is made of. Everything but Log, Name, Admins,
// AdminGroups, Approvers and the retentions is required.
type Options struct {
	DB       *db.DB
	Keys     *seal.Keys
	Queue    *holdqueue.Queue
	People   *Roster
	Calendar *Calendar
	// Domains are the organization's: recipients elsewhere are outside.
	Domains  []string
	Name     string           // of the organization, shown as the sender of notices
	Language string           // of readers who name none
	From     mailaddr.Address // of notices; answers to it come back through our own submission port
	BaseURL  string           // of the staff pages
	// Administrators are asked by mail when they are known here. Whoever signs
	// in as administrator may answer as well.
	Admins      []mailaddr.Address
	AdminGroups []string
	// Approvers are who the role approver is given to: groups and addresses of
	// the people file. Whoever signs in with the role may answer as well.
	Approvers []string
	// Verdict reads what inspection decided about a recipient.
	Verdict func(*holdqueue.Message, *holdqueue.Recipient) (Verdict, error)
	// Retain is how long subject and comments of a closed request are kept
	// (factory 30 days), RetainFacts how long the rest of it is (400 days).
	Retain, RetainFacts time.Duration
	Log                 *slog.Logger
}

// Desk is where questions lie until somebody answers them.
type Desk struct {
	Options
	db    *db.DB
	keys  *seal.Keys
	texts *texts
}

// New makes a desk. The caller gives OnHeld, OnWaiting, OnEnded and OnNoticeFailed to
// the queue's hooks and Handlers to its handlers.
func New(o Options) (*Desk, error) {
	switch {
	case o.DB == nil || o.Keys == nil || o.Queue == nil || o.People == nil || o.Calendar == nil || o.Verdict == nil:
		return nil, errors.New("approval: database, keys, queue, people, calendar and verdict are required")
	case o.From == "":
		return nil, errors.New("approval: notices need a sender address")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Retain == 0 {
		o.Retain = 30 * 24 * time.Hour
	}
	if o.RetainFacts == 0 {
		o.RetainFacts = 400 * 24 * time.Hour
	}
	if o.Language != langEN {
		o.Language = langJA
	}
	o.BaseURL = strings.TrimRight(o.BaseURL, "/")
	t, err := loadTexts(o.Calendar.Zone())
	if err != nil {
		return nil, fmt.Errorf("approval: %w", err)
	}
	return &Desk{Options: o, db: o.DB, keys: o.Keys, texts: t}, nil
}

// Handlers are the work of this package by kind.
func (d *Desk) Handlers() map[string]holdqueue.Handler {
	return map[string]holdqueue.Handler{
		kindAsk:      d.askWork,
		kindRemind:   d.remindWork,
		kindEscalate: d.escalateWork,
		kindExpire:   d.expireWork,
		kindForget:   d.forgetWork,
		kindTell:     d.tellWork,
		kindAlarm:    d.alarmWork,
	}
}

// router resolves routes by today's book.
func (d *Desk) router(now time.Time) router {
	book := d.People.Book()
	return router{book: book, admins: d.admins(book), pool: d.pool(book), now: now.In(d.Calendar.Zone())}
}

// admins are the administrators the people file knows.
func (d *Desk) admins(book *Book) []*Person {
	var out []*Person
	add := func(p *Person) {
		if !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	for _, a := range d.Admins {
		if p, ok := book.ByAddress(a); ok {
			add(p)
		}
	}
	for _, g := range d.AdminGroups {
		for _, p := range book.Group(g) {
			add(p)
		}
	}
	return out
}

// pool are the people of role:approver the people file knows. A value of the
// provider's claim often is the name of a group here too.
func (d *Desk) pool(book *Book) []*Person {
	var out []*Person
	for _, name := range d.Approvers {
		found := book.Group(name)
		if p, ok := book.ByAddress(mailaddr.Address(name)); ok {
			found = append(found, p)
		}
		for _, p := range found {
			out = appendNew(out, p)
		}
	}
	return out
}

func (d *Desk) outside(a mailaddr.Address) bool { return !mailaddr.InDomains(a, d.Domains) }

// called is the name to show for a person; administrators as a body have one
// of their own.
func (d *Desk) called(book *Book, a mailaddr.Address, language string) string {
	if a == adminRole {
		if language == langEN {
			return "the administrators"
		}
		return "管理者"
	}
	p, ok := book.ByAddress(a)
	if !ok || p.Name == "" {
		return a.String()
	}
	if language == langEN {
		return oneLine(p.Name)
	}
	return oneLine(p.Name) + "さん"
}
