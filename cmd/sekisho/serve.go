package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/sekisho-mail/sekisho/approval"
	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
	"github.com/sekisho-mail/sekisho/internal/metric"
	"github.com/sekisho-mail/sekisho/internal/node"
	"github.com/sekisho-mail/sekisho/submission"
	"github.com/sekisho-mail/sekisho/web"
	"github.com/sekisho-mail/sekisho/web/signin"
	"github.com/sekisho-mail/sekisho/web/words"
	"golang.org/x/sync/errgroup"
)

// ServeCmd is the service.
type ServeCmd struct {
	Config string `short:"c" required:"" placeholder:"FILE" help:"Configuration file."`
}

// Help is shown below the flags.
func (ServeCmd) Help() string {
	return `Runs the service until SIGTERM: takes mail, inspects, delays, asks and relays, and
serves the pages. Mail that is being accepted or sent when the signal comes is
finished first. Run "sekisho check" before.`
}

// Run serves.
func (s *ServeCmd) Run(ctx context.Context, out *Streams) error {
	c, err := LoadConfig(s.Config)
	if err != nil {
		return err
	}
	log := newLog(c.Log, out)
	slog.SetDefault(log) // what libraries say goes where our log goes
	if c.portalOnly() {
		return servePortal(ctx, c, out.Program, log, nil)
	}
	h, err := openHouse(ctx, c, out.Program, log)
	if err != nil {
		return err
	}
	defer h.close()
	h.warm = c.does(roleQueue) || c.does(rolePortal)
	return h.serve(ctx, nil)
}

func newLog(c LogConf, out *Streams) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		level = slog.LevelInfo
	}
	o := &slog.HandlerOptions{Level: level}
	if c.Format == "text" {
		return slog.New(slog.NewTextHandler(out.Err, o))
	}
	return slog.New(slog.NewJSONHandler(out.Err, o))
}

// serve starts every loop and listener of this node's roles. ready, when given, is told the addresses once all of them
// answer.
func (h *house) serve(ctx context.Context, ready func(*reached)) error {
	unlock, err := h.alone()
	if err != nil {
		return err
	}
	defer unlock()
	if err := h.queue.SweepSpool(); err != nil {
		return err
	}
	if err := h.loadInspector(); err != nil {
		return err
	}
	tuneMemory()
	d, err := h.openDoors(ctx)
	if err != nil {
		return err
	}
	loops := []func(context.Context) error{h.watchPolicy, h.watchReadiness, h.tidyDaily,
		func(ctx context.Context) error { return h.roster.Run(ctx, h.desk.PeopleFileBad) }}
	if h.config.does(roleQueue) {
		sender, err := h.newSender()
		if err != nil {
			return err
		}
		h.queue.Sender, h.queue.Retry = sender, retry
		if err := h.scheduleSweeps(ctx); err != nil {
			return err
		}
		loops = append(loops, h.queue.Run, h.audit.Run, h.warmUp, h.relay.Run, h.keepBallast)
	}
	if _, err := h.links.Prove(ctx); err != nil {
		return err
	}
	if heart := h.config.heart(h.db, h.keys.CurrentID(), &node.Heart{Log: h.log}); heart != nil {
		loops = append(loops, heart.Run)
	}
	h.log.Info("serving", "version", version(), "roles", h.config.Roles, "submission", fmt.Sprint(d.at.mail), "web", d.at.Web, "portal", d.at.Portal)
	if ready != nil {
		ready(d.at)
	}
	return runAll(ctx, append(loops, d.loops()...))
}

// runAll runs the loops until ctx ends or one of them fails.
func runAll(ctx context.Context, loops []func(context.Context) error) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, loop := range loops {
		g.Go(func() error { return loop(ctx) })
	}
	return g.Wait()
}

// alone makes sure that no other service works in this data_dir: each would sweep away what the other is writing.
func (h *house) alone() (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(h.config.DataDir, "serve.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock data_dir: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("another sekisho serves from %s: every node needs a data_dir of its own", h.config.DataDir)
	}
	return func() { f.Close() }, nil
}

// reached is where the doors are, with the ports that were free.
type reached struct {
	Submission, SubmissionTLS, Gateway string
	Web, Portal                        string
	mail                               submission.Addresses
}

// doors are the listeners, bound and not yet answering.
type doors struct {
	smtp   *submission.Server
	ledger *submission.Ledger // of several nodes
	gate   *signin.Gate
	pages  []*pages
	at     *reached
}

// loops are what runs behind the doors.
func (d *doors) loops() (all []func(context.Context) error) {
	if d.smtp != nil {
		all = append(all, d.smtp.Run, d.smtp.Share)
	}
	if d.ledger != nil {
		all = append(all, d.ledger.Run)
	}
	if d.gate != nil {
		all = append(all, d.gate.Run)
	}
	for _, p := range d.pages {
		all = append(all, p.run)
	}
	return all
}

func (h *house) openDoors(ctx context.Context) (*doors, error) {
	d := &doors{at: &reached{}}
	c := h.config
	if c.does(roleSubmission) {
		if err := h.openSubmission(ctx, d); err != nil {
			return nil, err
		}
	}
	if c.does(roleWeb) || c.does(rolePortal) {
		if err := h.openPages(d); err != nil {
			return nil, err
		}
	}
	h.register(h.counts)
	h.registerNodes(h.counts)
	if err := d.openMetrics(c, h.counts, h.log); err != nil {
		return nil, err
	}
	return d, nil
}

func (h *house) openSubmission(ctx context.Context, d *doors) (err error) {
	if h.db.Engine() == db.PostgreSQL {
		d.ledger = submission.NewLedger(h.db, h.keys, h.log.With("part", "submission"))
	}
	if d.smtp, err = h.newSubmission(d.ledger); err != nil {
		return err
	}
	if err := d.smtp.Bind(ctx); err != nil {
		return err
	}
	at := d.smtp.Addresses()
	d.at.mail = at
	d.at.Submission, d.at.SubmissionTLS, d.at.Gateway = first(at.Submission), first(at.SubmissionTLS), first(at.Gateway)
	return nil
}

// openPages opens the listeners of staff pages and portal, which may be one.
func (h *house) openPages(d *doors) (err error) {
	c := h.config
	if c.does(roleWeb) {
		if d.gate, err = h.newGate(); err != nil {
			return err
		}
	}
	deps, err := h.webDeps(d.gate)
	if err != nil {
		return err
	}
	var staff, portal http.Handler
	if c.does(rolePortal) {
		if portal, err = web.Portal(deps); err != nil {
			return err
		}
	}
	if c.does(roleWeb) {
		if staff, err = web.Staff(deps); err != nil {
			return err
		}
	}
	if portal != nil && c.Portal.Listen != "" {
		if err := d.open(c.Portal.Listen, c.Portal.TLS, portal, &d.at.Portal, h.log, h.behind); err != nil {
			return fmt.Errorf("portal.listen: %w", err)
		}
		portal = nil
	}
	if staff == nil {
		return nil
	}
	if portal != nil {
		staff = beside(staff, portal)
	}
	if err := d.open(c.Web.Listen, c.Web.TLS, staff, &d.at.Web, h.log, h.behind); err != nil {
		return fmt.Errorf("web.listen: %w", err)
	}
	if portal != nil {
		d.at.Portal = d.at.Web
	}
	return nil
}

// behind lets load balancers say whose connection it is.
func (h *house) behind(l net.Listener) net.Listener {
	return h.config.behind(l, h.log.With("part", "balancer"))
}

func (d *doors) openMetrics(c *Config, counts *metric.Registry, log *slog.Logger) error {
	if c.Metrics.Listen == "" {
		return nil
	}
	var at string
	if err := d.open(c.Metrics.Listen, TLSFiles{}, counts.Handler(), &at, log, nil); err != nil {
		return fmt.Errorf("metrics.listen: %w", err)
	}
	return nil
}

// beside lets the portal answer on the staff listener, for companies with one address.
func beside(staff, portal http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if web.OnPortal(r.URL.Path) {
			portal.ServeHTTP(w, r)
			return
		}
		staff.ServeHTTP(w, r)
	})
}

func first(addresses []net.Addr) string {
	if len(addresses) == 0 {
		return ""
	}
	return addresses[0].String()
}

// pages is one HTTP server on its listener.
type pages struct {
	server   *http.Server
	listener net.Listener
}

func (d *doors) open(listen string, files TLSFiles, handler http.Handler, at *string, log *slog.Logger, behind func(net.Listener) net.Listener) error {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	*at = l.Addr().String()
	if behind != nil {
		l = behind(l)
	}
	if files.Given() {
		conf, err := submission.ReloadingTLS(files.CertFile, files.KeyFile)
		if err != nil {
			l.Close()
			return err
		}
		conf.NextProtos = []string{"h2", "http/1.1"}
		l = tls.NewListener(l, conf)
	}
	d.pages = append(d.pages, &pages{server: web.NewServer(handler, log.With("part", "web")), listener: l})
	return nil
}

func (p *pages) run(ctx context.Context) error {
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		// Downloads under way get a moment; their readers resume where they stopped.
		last, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		err := p.server.Shutdown(last)
		if errors.Is(err, context.DeadlineExceeded) {
			err = p.server.Close()
		}
		stopped <- err
	})
	err := p.server.Serve(p.listener)
	if errors.Is(err, http.ErrServerClosed) && !stop() {
		return <-stopped
	}
	return err
}

func (h *house) newSubmission(ledger *submission.Ledger) (*submission.Server, error) {
	c := h.config.Submission
	o := submission.Options{
		Hostname: c.Hostname, Listen: c.Listen, ListenTLS: c.ListenTLS, Gateway: c.Gateway.Listen,
		People: whose{h.roster}, Keys: h.keys, Room: h.room, ClientInReceived: c.ClientInReceived, Log: h.log.With("part", "submission"), Metrics: h.counts,
		Limits:          c.limits(),
		Ledger:          ledger,
		Behind:          h.behind,
		RefuseRecipient: h.refuseRecipient,
		Begin:           func(ctx context.Context) (submission.Draft, error) { return h.queue.Begin(ctx) },
	}
	// A service without its users file takes mail from gateways, and from people as soon as the file is there.
	users, err := submission.AwaitUsers(c.Auth.UsersFile, o.Log)
	if err != nil {
		return nil, err
	}
	o.Verify = users.Verify
	if c.TLS.Given() {
		if o.TLS, err = submission.ReloadingTLS(c.TLS.CertFile, c.TLS.KeyFile); err != nil {
			return nil, fmt.Errorf("submission.tls: %w", err)
		}
	}
	if o.Zone, err = time.LoadLocation(h.config.Organization.TimeZone); err != nil {
		return nil, err
	}
	if o.Sources, err = h.config.Sources(); err != nil {
		return nil, err
	}
	return submission.New(o)
}

func (s *SubmissionConf) limits() submission.Limits {
	return submission.Limits{
		MessageBytes: int64(s.MaxMessageBytes), Recipients: s.MaxRecipients,
		Connections: s.Limits.Connections, ConnectionsPerAddress: s.Limits.ConnectionsPerAddress,
		RecipientsPer10Minutes: s.Limits.RecipientsPer10Minutes, RecipientsPerDay: s.Limits.RecipientsPerDay,
	}
}

// whose answers the submission server from the people file of the day.
type whose struct{ roster *approval.Roster }

func (w whose) Whose(a mailaddr.Address) (mailaddr.Address, bool) {
	p, ok := w.roster.Book().ByAddress(a)
	if !ok {
		return "", false
	}
	return p.Address, true
}

// MaySend: somebody with a password who is not in the people file is at least himself.
func (w whose) MaySend(person, from mailaddr.Address) bool {
	book := w.roster.Book()
	p, ok := book.ByAddress(person)
	if !ok {
		return from != "" && person.Key() == from.Key()
	}
	if from == "" {
		for _, pattern := range p.SendAs {
			if pattern == "*" {
				return true
			}
		}
		return false
	}
	return book.MaySendAs(p, from)
}

func (h *house) newGate() (*signin.Gate, error) {
	c := h.config.OIDC
	o := signin.OIDC{
		Issuer: c.Issuer, ClientID: c.ClientID, PersonClaim: c.PersonClaim, RolesClaim: c.RolesClaim, Scopes: c.Scopes,
		MaxAge: time.Duration(c.MaxAge),
		Roles:  map[signin.Role][]string{signin.Admin: c.Roles.Admin, signin.Approver: c.Roles.Approver, signin.Auditor: c.Roles.Auditor},
	}
	var err error
	if c.ClientSecretFile != "" {
		if o.ClientSecret, err = readSecret(c.ClientSecretFile); err != nil {
			return nil, fmt.Errorf("oidc.client_secret_file: %w", err)
		}
	}
	if o.Client, err = h.config.providerClient(); err != nil {
		return nil, err
	}
	return signin.New(signin.Options{OIDC: o, DB: h.db, Keys: h.keys, People: h.roster.Book, BaseURL: mustURL(h.config.BaseURL),
		Log: h.log.With("part", "signin")})
}

func (h *house) webDeps(gate *signin.Gate) (web.Deps, error) {
	c := h.config
	zone, err := time.LoadLocation(c.Organization.TimeZone)
	if err != nil {
		return web.Deps{}, err
	}
	d := web.Deps{
		DB: h.db, Queue: h.queue, Approval: h.desk, People: h.roster.Book, Links: h.links, Audit: h.audit, Gate: gate, Keys: h.keys,
		Company: web.Company{Name: c.Organization.Name, Domains: c.Organization.Domains, Language: words.Lang(c.Organization.Language), Zone: zone},
		BaseURL: mustURL(c.BaseURL), PortalURL: mustURL(c.Portal.URL), Ready: h.ready, Invite: h.invite, Resend: h.resend, Facsimile: c.press(h.program), Version: version(), Log: h.log.With("part", "web"),
	}
	if d.Accounts, err = c.accounts(h.db, h.keys.Portal()); err != nil {
		return d, err
	}
	d.Proxies, err = c.proxies()
	return d, err
}
