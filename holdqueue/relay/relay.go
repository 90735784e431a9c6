// Package relay hands released mail to the next hop: smart hosts of the company, or the recipients' own servers.
//
// It owns outbound SMTP: routes, connections, TLS policy (MTA-STS and DANE), authentication, DKIM, and one result for
// each recipient. It knows no rules, and it changes no byte of what it is given; it only prepends. What the next hop
// cannot carry unchanged is refused with the code of RFC 6152 or 6531, never converted.
package relay

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
	"github.com/sekisho-mail/sekisho/internal/metric"
)

// TLS says how much a connection must be protected.
type TLS string

const (
	TLSRequired      TLS = "required"      // STARTTLS (or implicit TLS), certificate verified
	TLSOpportunistic TLS = "opportunistic" // STARTTLS if offered, any certificate, else in clear
	TLSNone          TLS = "none"          // in clear; for a next hop on the same machine
)

// Options describe the ways out.
type Options struct {
	Hostname string // our name, for EHLO
	// Routes are asked in their order; mail that none takes waits, so the last one should take everything.
	Routes []Route
	// Groups names the groups of a person, for routes; nil for none.
	Groups func(person mailaddr.Address) []string
	// Loop gives the header line, CRLF included, by which we recognise our own mail when it comes back.
	Loop func(m *holdqueue.Message) string
	// DKIM signs what leaves; nil signs nothing.
	DKIM *Signer
	// Paces are what destinations are given at a time, before the ones that are built in.
	Paces    []Pace
	Timeouts Timeouts

	// What delivery by MX needs. DB keeps MTA-STS policies and TLS counts; without it they last as long as the process.
	DNS *Resolver
	DB  *db.DB
	// Roots verify recipients' servers and MTA-STS policy hosts; nil means the system's.
	Roots *x509.CertPool
	// Ours says whether an address is our own listener for mail, which an MX record may point to.
	Ours func(netip.Addr) bool
	// AllowPrivate are networks that mail may go to by MX although nobody outside can have such an address.
	AllowPrivate []netip.Prefix

	Metrics *metric.Registry
	Logger  *slog.Logger
}

// Timeouts of the phases of a transaction; a zero one is that of RFC 5321 section 4.5.3.2.
type Timeouts struct {
	Connect time.Duration // TCP and TLS handshake, each
	Command time.Duration // greeting and every command
	Data    time.Duration // one write of the body
	// Slowest is how many octets of the body a second a next hop has to take at least, when it has had Data besides: one
	// that reads a byte now and then would keep a worker for days. 0 is 4 KB: 25 MB may take an hour and three quarters.
	Slowest int64
	Dot     time.Duration // from the final dot to the answer
	Idle    time.Duration // how long a connection is kept for the next mail
}

func (t Timeouts) orDefaults() Timeouts {
	orDefault := func(d *time.Duration, standard time.Duration) {
		if *d <= 0 {
			*d = standard
		}
	}
	orDefault(&t.Connect, 30*time.Second)
	orDefault(&t.Command, 5*time.Minute)
	orDefault(&t.Data, 3*time.Minute)
	orDefault(&t.Dot, 10*time.Minute)
	orDefault(&t.Idle, 20*time.Second)
	t.Slowest = cmp.Or(t.Slowest, 4<<10)
	return t
}

// Relay is the way out. It is safe for concurrent use.
type Relay struct {
	o      Options
	routes []*route
	paces  []Pace
	sts    *policies
	tls    *tlsCounts
	sent   *metric.Counter

	mu    sync.Mutex
	found map[string]*host // recipients' servers with which we have to do at present
	lanes map[string]*lane // to their domains
}

// New checks the options. It connects to nothing.
func New(o Options) (*Relay, error) {
	if o.Hostname == "" {
		return nil, errors.New("relay needs our host name: next hops hang up on localhost")
	}
	if len(o.Routes) == 0 {
		return nil, errors.New("relay needs a route")
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	o.Timeouts = o.Timeouts.orDefaults()
	r := &Relay{o: o, paces: append(append([]Pace{}, o.Paces...), knownPaces()...), found: map[string]*host{}, lanes: map[string]*lane{}}
	for _, given := range o.Routes {
		made, err := r.newRoute(given)
		if err != nil {
			return nil, err
		}
		r.routes = append(r.routes, made)
	}
	r.sts = newPolicies(o)
	r.tls = newTLSCounts(o)
	r.sts.failed = func(domain, result string) { r.tls.note(domain, policySTS, "", result) }
	r.sent = o.Metrics.Counter("relay_recipients", "Recipients of whom the next hop said something, by what it said.", "result")
	return r, nil
}

// Send hands out to the next hops and gives one result for each recipient, in their order. It is a holdqueue.Sender.
// Recipients that go different ways, and more of them than one transaction takes, make several transactions;
// BeforeDot is called before the final dot of each.
func (r *Relay) Send(ctx context.Context, out *holdqueue.Outgoing) []holdqueue.Result {
	c := newConsignment(r, out)
	everybody := c.checkAddresses()
	if len(everybody) > 0 {
		if err := c.prepare(ctx); err != nil {
			c.failAll(everybody, err)
		} else {
			c.goAll(ctx, everybody)
		}
	}
	for _, result := range c.results {
		r.sent.Inc(resultClass(result))
	}
	return c.results
}

func resultClass(r holdqueue.Result) string {
	switch {
	case r.Postponed > 0:
		return "postponed"
	case r.Err == nil:
		return "sent"
	case r.Err.Uncertain:
		return "uncertain"
	case r.Err.Code != 0:
		return fmt.Sprintf("%dxx", r.Err.Code/100)
	case r.Err.Temporary:
		return "temporary"
	}
	return "permanent"
}

// Run closes connections that nothing was sent over for a while, forgets servers that nothing goes to, and writes down
// how TLS went. It ends with ctx, and so do all connections.
func (r *Relay) Run(ctx context.Context) error {
	tick := time.NewTicker(r.o.Timeouts.Idle / 2)
	defer tick.Stop()
	flush := time.NewTicker(time.Minute)
	defer flush.Stop()
	r.o.DKIM.look(ctx, r.o.DNS)
	for {
		select {
		case <-ctx.Done():
			r.closeIdle(time.Time{})
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			return r.tls.flush(last)
		case now := <-tick.C:
			r.closeIdle(now.Add(-r.o.Timeouts.Idle))
			r.forget(now.Add(-10 * time.Minute))
		case <-flush.C:
			if err := r.tls.flush(ctx); err != nil {
				r.o.Logger.Error("counts of TLS not kept; they are tried again", "error", err)
			}
			r.o.DKIM.look(ctx, r.o.DNS)
		}
	}
}

func (r *Relay) closeIdle(before time.Time) {
	var all sync.WaitGroup
	for _, h := range r.hosts() {
		all.Go(func() { h.closeIdle(before) }) // one that is slow to say good-bye keeps nobody waiting
	}
	all.Wait()
}

func (r *Relay) hosts() (all []*host) {
	for _, route := range r.routes {
		all = append(all, route.hosts...)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range r.found {
		all = append(all, h)
	}
	return all
}

// forget drops what was made for destinations that nothing has gone to since a time.
func (r *Relay) forget(since time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, h := range r.found {
		if h.unused(since) {
			delete(r.found, key)
		}
	}
	for key, l := range r.lanes {
		if l.used.Before(since.Add(-time.Hour)) {
			delete(r.lanes, key)
		}
	}
}

// Probe is how one way out answers.
type Probe struct {
	Route string
	Host  string // HOST:PORT; "" for the resolver of a route by MX
	Err   error
}

// Probe signs in to every smart host and leaves, and asks the resolver something.
func (r *Relay) Probe(ctx context.Context) []Probe {
	var out []Probe
	var wait sync.WaitGroup
	for _, route := range r.routes {
		if route.MX {
			out = append(out, Probe{Route: route.Name})
		}
		for _, h := range route.hosts {
			out = append(out, Probe{Route: route.Name, Host: h.address})
		}
	}
	n := 0
	for _, route := range r.routes {
		if route.MX {
			p := &out[n]
			wait.Go(func() { p.Err = r.o.DNS.Ready(ctx) })
			n++
		}
		for _, h := range route.hosts {
			p := &out[n]
			wait.Go(func() { p.Err = h.probe(ctx) })
			n++
		}
	}
	wait.Wait()
	return out
}

func (h *host) probe(ctx context.Context) error {
	s, err := h.dial(ctx)
	if err != nil {
		return err
	}
	h.works()
	s.quit()
	s.close()
	return nil
}

// Greets says whether a domain's own servers talk to us: whether port 25 is open towards the world.
func (r *Relay) Greets(ctx context.Context, domain string) error {
	ways, failed := r.waysTo(ctx, domain, TLSOpportunistic)
	if failed != nil {
		return failed
	}
	var last error = errors.New("no server")
	for _, open := range ways {
		hosts, failed := open(ctx)
		if failed != nil {
			last = failed
		}
		for _, h := range hosts {
			if last = h.probe(ctx); last == nil || ctx.Err() != nil {
				return last
			}
		}
	}
	return last
}

// Check says whether every route has somebody who answers: for readiness.
func (r *Relay) Check(ctx context.Context) error {
	answers, wrong := map[string]bool{}, map[string][]error{}
	var names []string
	for _, p := range r.Probe(ctx) {
		if _, seen := answers[p.Route]; !seen {
			names = append(names, p.Route)
		}
		answers[p.Route] = answers[p.Route] || p.Err == nil
		if p.Err != nil {
			wrong[p.Route] = append(wrong[p.Route], p.Err)
		}
	}
	var all []error
	for _, name := range names {
		if answers[name] {
			continue
		}
		err := errors.Join(wrong[name]...)
		if name != "" {
			err = fmt.Errorf("route %s: %w", name, err)
		}
		all = append(all, err)
	}
	return errors.Join(all...)
}
