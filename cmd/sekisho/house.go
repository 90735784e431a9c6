package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sekisho-mail/sekisho/approval"
	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/holdqueue/relay"
	"github.com/sekisho-mail/sekisho/internal/audit"
	"github.com/sekisho-mail/sekisho/internal/blob"
	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/failpoint"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
	"github.com/sekisho-mail/sekisho/internal/metric"
	"github.com/sekisho-mail/sekisho/internal/seal"
	"github.com/sekisho-mail/sekisho/linkify"
)

// house is everything behind the doors: the stores, the queue with what it is given, and the desks around it.
// Nothing runs in it by itself; `serve` starts its loops, and the commands over the data directory use it as it
// stands, so that their cancels and releases have the same hooks.
type house struct {
	config  *Config
	log     *slog.Logger
	program string
	warm    bool // spend some seconds after the start on reading PDF faster from then on

	db     *db.DB
	keys   *seal.Keys
	blobs  blob.Store
	queue  *holdqueue.Queue
	roster *approval.Roster
	desk   *approval.Desk
	links  *linkify.Links
	audit  *audit.Log
	relay  *relay.Relay

	inspector atomic.Pointer[Inspector]
	counts    *metric.Registry
	preparing chan struct{} // bounds how many mails are rewritten at once, each of them in memory
}

// openHouse opens and connects everything. The error names what could not be opened.
func openHouse(ctx context.Context, c *Config, program string, log *slog.Logger) (*house, error) {
	return openHouseWith(ctx, c, program, log, (*house).openPeople)
}

func openHouseWith(ctx context.Context, c *Config, program string, log *slog.Logger, people func(*house, context.Context) error) (*house, error) {
	h := &house{config: c, log: log, program: program, preparing: make(chan struct{}, 2), counts: metric.New(version())}
	if err := os.MkdirAll(c.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("make data_dir: %w", err)
	}
	for _, open := range []func(context.Context) error{h.openStores, h.openQueue,
		func(ctx context.Context) error { return people(h, ctx) }, h.openLinks, h.openDesk} {
		if err := open(ctx); err != nil {
			h.close()
			return nil, err
		}
	}
	h.connect()
	return h, nil
}

func (h *house) openStores(ctx context.Context) (err error) {
	if h.keys, err = seal.Load(h.config.Keys.File); err != nil {
		return err
	}
	address, err := h.config.DatabaseURL()
	if err != nil {
		return err
	}
	var o []db.Option
	if failpoint.On {
		o = append(o, db.WithClock(failpoint.Now))
	}
	if h.db, err = db.Open(ctx, address, o...); err != nil {
		return err
	}
	if h.blobs, err = blob.OpenStore(ctx, h.config.Files.URL, h.config.DataDir); err != nil {
		return fmt.Errorf("open file store: %w", err)
	}
	h.audit = audit.New(h.db, h.keys)
	return nil
}

func (h *house) openQueue(ctx context.Context) (err error) {
	r := h.config.Retention
	zone, err := time.LoadLocation(h.config.Organization.TimeZone)
	if err != nil {
		return fmt.Errorf("time zone: %w", err)
	}
	h.queue, err = holdqueue.New(ctx, holdqueue.Options{
		DB: h.db, Keys: h.keys, Blobs: h.blobs, Spool: h.spool(), Hostname: h.config.Submission.Hostname,
		Postmaster: h.noticeSender(), Zone: zone, Log: h.log.With("part", "queue"),
		Retain:  holdqueue.Retention{Sent: time.Duration(r.Sent), Returned: time.Duration(r.Returned), Facts: time.Duration(r.Facts)},
		Workers: holdqueue.Workers{Send: h.config.Relay.workers()},
	})
	return err
}

// spool lies beside the files of a file store, so that taking one over is a rename.
func (h *house) spool() string { return filepath.Join(h.config.DataDir, "spool") }

func (h *house) openPeople(ctx context.Context) (err error) {
	if h.config.People.File != "" {
		h.roster, err = approval.OpenRoster(h.config.People.File, h.log.With("part", "people"))
		return err
	}
	return h.knowNobody()
}

// knowNobody makes the roster of a company that has no people file, or none that can be read.
func (h *house) knowNobody() error {
	book, problems := approval.ParsePeople("people.yaml", []byte("people: []\n"))
	if len(problems) > 0 {
		return errors.New("an empty people file is refused")
	}
	h.roster = approval.FixedRoster(book)
	return nil
}

func (h *house) openLinks(context.Context) (err error) {
	zone, err := time.LoadLocation(h.config.Organization.TimeZone)
	if err != nil {
		return fmt.Errorf("time zone: %w", err)
	}
	scan, err := linkScanner(h.config)
	if err != nil {
		return err
	}
	h.links, err = linkify.New(linkify.Options{
		DB: h.db, Keys: h.keys, Blobs: h.blobs, Portal: h.config.Portal.URL, Company: h.config.Organization.Name, Zone: zone,
		TempDir: filepath.Join(h.config.DataDir, "spool-links"), Post: h.postLetter, Schedule: h.queue.Schedule,
		Remind: time.Duration(h.config.Portal.Remind), Receipts: linkify.Receipts(h.config.Portal.Receipts),
		Staff: h.config.BaseURL, Check: h.checkUpload, Scan: scan, TLSProved: h.tlsProved,
		Alarm:       func(tx *db.Tx, line string) error { return h.desk.Alarm(tx, approval.CauseMalware, line) },
		DamageAlarm: func(tx *db.Tx, line string) error { return h.desk.Alarm(tx, approval.CauseDamaged, line) },
		Folders:     h.config.folderLimits(), FolderTypes: h.config.Folders.Types,
		Report: func(o linkify.Orphan) {
			h.log.Warn("stored object does not fit its rows", "key", o.Key, "size", o.Size, "missing", o.Missing)
		},
	})
	return err
}

// postLetter gives a mail of the links to the queue in the transaction of its cause.
func (h *house) postLetter(tx *db.Tx, l linkify.Letter) error {
	raw := h.desk.Compose(tx, l.To, l.Subject, l.Text)
	_, err := h.queue.Post(tx, holdqueue.Mail{To: []mailaddr.Address{l.To}, Subject: l.Subject, Kind: l.Kind, About: l.Message, Raw: raw})
	return err
}

func (h *house) noticeSender() mailaddr.Address { return mailaddr.Address(h.config.Notices.From) }

func (h *house) openDesk(context.Context) (err error) {
	calendar, err := h.config.Calendar()
	if err != nil {
		return err
	}
	var admins []mailaddr.Address
	for _, a := range h.config.Administrators {
		admins = append(admins, mailaddr.Address(a))
	}
	for _, role := range h.config.OIDC.Roles.Admin {
		if a, err := mailaddr.Parse(role, true); err == nil { // a role may be given to addresses as well as to groups
			admins = append(admins, a)
		}
	}
	h.desk, err = approval.New(approval.Options{
		DB: h.db, Keys: h.keys, Queue: h.queue, People: h.roster, Calendar: calendar, Domains: h.config.Organization.Domains,
		Name: h.config.Organization.Name, Language: h.config.Organization.Language, From: h.noticeSender(),
		BaseURL: h.config.BaseURL, Admins: admins, AdminGroups: h.config.OIDC.Roles.Admin, Approvers: h.config.OIDC.Roles.Approver, Verdict: approvalVerdict,
		Retain: time.Duration(h.config.Retention.Returned), RetainFacts: time.Duration(h.config.Retention.Facts), Log: h.log.With("part", "approval"),
	})
	return err
}

// connect gives the queue what it is given, before anything is accepted.
func (h *house) connect() {
	q := h.queue
	q.Inspect, q.Poison, q.Prepare = h.inspect, h.poison, h.prepare
	q.Hooks = holdqueue.Hooks{
		Held: h.held, Freed: h.desk.OnFreed, Waiting: h.desk.OnWaiting, Leaving: h.leaving, Ended: h.ended, NoticeFailed: h.desk.OnNoticeFailed,
	}
	for kind, handler := range h.desk.Handlers() {
		q.Handlers[kind] = handler
	}
	for kind, handler := range h.links.Handlers() {
		q.Handlers[kind] = handler
	}
	q.Handlers[workDaily] = h.daily
}

// held asks people, and tells administrators of what could not be inspected.
func (h *house) held(tx *db.Tx, m *holdqueue.Message, rs []*holdqueue.Recipient, by holdqueue.Actor) error {
	if err := h.desk.OnHeld(tx, m, rs, by); err != nil {
		return err
	}
	if !uninspected(rs) {
		return nil
	}
	return h.desk.Alarm(tx, approval.CauseUninspected, "message "+m.ID)
}

// leaving makes links work: the final dot is about to be written.
func (h *house) leaving(tx *db.Tx, m *holdqueue.Message, rs []*holdqueue.Recipient, _ holdqueue.Actor) error {
	return h.links.Activate(tx, idsOf(rs))
}

// ended closes questions, tells people, and takes back links of mail that never arrived.
func (h *house) ended(tx *db.Tx, m *holdqueue.Message, rs []*holdqueue.Recipient, by holdqueue.Actor) error {
	if err := h.desk.OnEnded(tx, m, rs, by); err != nil {
		return err
	}
	if refused := inState(rs, holdqueue.Refused); len(refused) > 0 {
		if err := h.desk.Alarm(tx, approval.CauseRefusal, "message "+m.ID); err != nil {
			return err
		}
	}
	for why, states := range map[linkify.Cause][]holdqueue.State{
		linkify.MailFailed:  {holdqueue.Failed},
		linkify.MailStopped: {holdqueue.Refused, holdqueue.Cancelled, holdqueue.Rejected, holdqueue.Expired},
	} {
		over := certain(inState(rs, states...))
		if err := h.links.End(tx, idsOf(over), why, linkify.Actor(by)); err != nil {
			return err
		}
	}
	return nil
}

// certain leaves out recipients that may have the mail after all: their links go on working.
func certain(rs []*holdqueue.Recipient) (sure []*holdqueue.Recipient) {
	for _, r := range rs {
		if !r.Uncertain {
			sure = append(sure, r)
		}
	}
	return sure
}

func inState(rs []*holdqueue.Recipient, states ...holdqueue.State) (found []*holdqueue.Recipient) {
	for _, r := range rs {
		for _, s := range states {
			if r.State == s {
				found = append(found, r)
			}
		}
	}
	return found
}

func idsOf(rs []*holdqueue.Recipient) []string {
	ids := make([]string, len(rs))
	for i, r := range rs {
		ids[i] = r.ID
	}
	return ids
}

// loadInspector reads policy and people into the eyes of the service. A policy with mistakes changes nothing.
func (h *house) loadInspector() error {
	p, _, mistakes := readPolicy(h.config.Policy.File)
	if len(mistakes) > 0 {
		return MistakesError(mistakes)
	}
	i, err := NewInspector(h.config, p, h.roster.Book(), h.program)
	if err != nil {
		return err
	}
	h.inspector.Store(i)
	return nil
}

func (h *house) close() {
	if h.db != nil {
		if err := h.db.Close(); err != nil {
			h.log.Error("database not closed", "error", err)
		}
	}
}

// mustURL reads a URL that the configuration has already been checked for.
func mustURL(s string) *url.URL {
	u, err := url.Parse(strings.TrimRight(s, "/"))
	if err != nil {
		return &url.URL{}
	}
	return u
}
