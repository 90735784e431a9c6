package submission

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
)

// Server takes mail from clients.
type Server struct {
	o        Options
	limits   Limits
	zone     *time.Location
	log      *slog.Logger
	smtp     *smtp.Server
	pace     *pace
	failures *failures
	figures  figures
	buffers  sync.Pool // of *buffers

	mu        sync.Mutex
	listeners []*listener
	ctx       context.Context // of work for clients; it outlives Run's by Limits.Grace
	wires     map[*wire]struct{}
	perPlace  map[string]int
	elsewhere map[string]int // connections at other nodes, by subject
	gateways  int            // connections to the gateway port
	stopping  bool
	empty     *sync.Cond // of mu: wires has become empty
}

// New checks the options. It opens nothing.
func New(o Options) (*Server, error) {
	s := &Server{o: o, limits: o.Limits.orDefault(), zone: o.Zone, log: o.Log, ctx: context.Background(),
		failures: newFailures(o.Ledger), wires: map[*wire]struct{}{}, perPlace: map[string]int{}, buffers: sync.Pool{New: newBuffers}}
	s.empty = sync.NewCond(&s.mu)
	s.pace = newPace(s.limits, o.Ledger)
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.zone == nil {
		s.zone = time.Local
	}
	s.smtp = s.behindWire()
	if err := o.check(); err != nil {
		return nil, err
	}
	s.figures = newFigures(o.Metrics, s)
	return s, nil
}

func (o *Options) check() error {
	var errs []error
	if o.Hostname == "" || !isDomain(o.Hostname) && o.Hostname != "localhost" {
		errs = append(errs, fmt.Errorf("submission: hostname %q is not a full host name", o.Hostname))
	}
	if o.Begin == nil || o.People == nil {
		errs = append(errs, errors.New("submission: nowhere to store mail, or nobody to store it for"))
	}
	if len(o.Listen)+len(o.ListenTLS) > 0 && (o.TLS == nil || o.Verify == nil) {
		errs = append(errs, errors.New("submission: signing in needs a certificate and a way to check passwords"))
	}
	for i := range o.Sources {
		errs = append(errs, o.Sources[i].Check())
	}
	return errors.Join(errs...)
}

func (l Limits) orDefault() Limits {
	d := DefaultLimits()
	for _, f := range []struct{ given, factory *int }{
		{&l.Recipients, &d.Recipients},
		{&l.Connections, &d.Connections},
		{&l.ConnectionsPerAddress, &d.ConnectionsPerAddress},
		{&l.RecipientsPer10Minutes, &d.RecipientsPer10Minutes},
		{&l.RecipientsPerDay, &d.RecipientsPerDay},
	} {
		if *f.given == 0 {
			*f.given = *f.factory
		}
	}
	for _, f := range []struct{ given, factory *time.Duration }{
		{&l.Idle, &d.Idle}, {&l.SignIn, &d.SignIn}, {&l.Grace, &d.Grace}, {&l.Commit, &d.Commit},
	} {
		if *f.given == 0 {
			*f.given = *f.factory
		}
	}
	if l.MessageBytes == 0 {
		l.MessageBytes = d.MessageBytes
	}
	return l
}

// behindWire sets up go-smtp as it is used here: no deadlines and no TLS of its own, and lines as long as the wire's.
func (s *Server) behindWire() *smtp.Server {
	b := smtp.NewServer(smtp.BackendFunc(s.NewSession))
	b.Domain = s.o.Hostname
	b.MaxRecipients = s.limits.Recipients
	b.MaxMessageBytes = s.limits.MessageBytes
	b.MaxLineLength = maxAuthLine
	b.AllowInsecureAuth = true // the session offers AUTH over TLS only
	b.EnableSMTPUTF8 = true
	b.EnableDSN = true
	b.ErrorLog = quiet{s.log}
	return b
}

// quiet takes go-smtp's own log lines without their arguments, in which a client's words may stand.
type quiet struct{ log *slog.Logger }

func (q quiet) Printf(format string, args ...any) {
	stack := ""
	if len(args) > 0 {
		// Of a panic the stack is what we need; it shows no content.
		if raw, ok := args[len(args)-1].([]byte); ok {
			stack = string(raw)
		}
	}
	q.log.Error("smtp library", "says", format, "stack", stack)
}
func (q quiet) Println(...any) { q.log.Error("smtp library") }

// Bind opens the listeners, so that mistakes show before anything runs and privileges can be dropped.
func (s *Server) Bind(ctx context.Context) error {
	for _, group := range []struct {
		port      port
		addresses []string
	}{{portStartTLS, s.o.Listen}, {portTLS, s.o.ListenTLS}, {portGateway, s.o.Gateway}} {
		for _, a := range group.addresses {
			var c net.ListenConfig
			l, err := c.Listen(ctx, "tcp", a)
			if err != nil {
				s.unbind()
				return fmt.Errorf("listen for mail: %w", err)
			}
			if s.o.Behind != nil {
				l = s.o.Behind(l)
			}
			s.listeners = append(s.listeners, &listener{l, s, group.port})
		}
	}
	return nil
}

func (s *Server) unbind() {
	for _, l := range s.listeners {
		l.Close()
	}
	s.listeners = nil
}

// Addresses are the listening addresses of each kind.
type Addresses struct{ Submission, SubmissionTLS, Gateway []net.Addr }

// Addresses are those bound, in the order of Options.
func (s *Server) Addresses() Addresses {
	var a Addresses
	for _, l := range s.listeners {
		switch l.port {
		case portStartTLS:
			a.Submission = append(a.Submission, l.Addr())
		case portTLS:
			a.SubmissionTLS = append(a.SubmissionTLS, l.Addr())
		case portGateway:
			a.Gateway = append(a.Gateway, l.Addr())
		}
	}
	return a
}

// Run serves until ctx ends, then lets bodies under way finish within Limits.Grace. It binds what Bind has not.
func (s *Server) Run(ctx context.Context) error {
	if len(s.listeners) == 0 {
		if err := s.Bind(ctx); err != nil {
			return err
		}
	}
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	s.mu.Lock()
	s.ctx = work
	s.mu.Unlock()
	failed := make(chan error, len(s.listeners))
	for _, l := range s.listeners {
		go func() { failed <- s.smtp.Serve(l) }()
	}
	var err error
	ended := 0
	select {
	case <-ctx.Done():
	case err = <-failed:
		ended++
		err = fmt.Errorf("accept connections: %w", err)
	}
	s.stop(stop)
	for ; ended < len(s.listeners); ended++ {
		<-failed
	}
	return err
}

// stop ends all connections: idle ones at once, those with a mail under way when it is done or the grace is over.
func (s *Server) stop(cancel context.CancelFunc) {
	ctx, done := context.WithTimeout(context.Background(), s.limits.Grace)
	defer done()
	s.unbind()
	s.mu.Lock()
	s.stopping = true
	s.mu.Unlock()
	s.each((*wire).interrupt)
	if s.smtp.Shutdown(ctx) == nil {
		return
	}
	// go-smtp's Close does nothing after Shutdown.
	cancel()
	s.each((*wire).cut)
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.wires) > 0 {
		s.empty.Wait()
	}
}

func (s *Server) each(do func(*wire)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for w := range s.wires {
		do(w)
	}
}

// base is the context of work for clients.
func (s *Server) base() context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ctx
}

// room asks whether mail can be stored; the error is a reply.
func (s *Server) room(log *slog.Logger) error {
	if s.o.Room == nil {
		return nil
	}
	if err := s.o.Room(); err != nil {
		log.Error("no mail taken: no room", "error", err)
		return noRoom()
	}
	return nil
}
