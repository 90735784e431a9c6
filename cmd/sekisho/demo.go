package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/sekisho-mail/sekisho/cmd/sekisho/internal/demo"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
	"github.com/sekisho-mail/sekisho/submission"
	"github.com/sekisho-mail/sekisho/submission/policy"
	"golang.org/x/sync/errgroup"
)

// DemoCmd is the whole product in a throw-away directory.
type DemoCmd struct {
	Dir   string        `placeholder:"DIR" help:"Where everything is kept; default: a new directory, removed at the end."`
	Delay time.Duration `default:"30s" placeholder:"D" help:"How long mail to the outside waits; default ${default} (the factory's five minutes are long for a look)."`
	Bind  string        `default:"127.0.0.1" placeholder:"ADDR" help:"Address to listen on, default ${default}: that of this machine in your network, to try it with a phone."`
	JSON  bool          `name:"json" help:"Print one line of JSON when everything answers, then keep running."`
}

// Help is shown below the flags.
func (DemoCmd) Help() string {
	return `Runs Sekisho with an embedded database and local files, an identity provider of its
own, a mail server that keeps everything that was delivered, five people and mails in
every state. Nothing leaves this machine. Ctrl-C ends it.`
}

// stage is one running demo.
type stage struct {
	cmd    *DemoCmd
	dir    string
	made   bool // dir is ours to remove
	people []demo.Person
	certs  demo.Certificates
	secret string

	host               string // by which browsers reach the demo
	idp, outbox, relay net.Listener
	web, portal        string // host:port
	smtp, smtps        string
	config             *Config
}

// Run plays.
func (c *DemoCmd) Run(ctx context.Context, out *Streams) (err error) {
	s := &stage{cmd: c}
	defer func() { err = errors.Join(err, s.clear()) }()
	if err := s.build(); err != nil {
		return err
	}
	log, err := s.log()
	if err != nil {
		return err
	}
	slog.SetDefault(log)
	h, err := openHouse(ctx, s.config, out.Program, log)
	if err != nil {
		return err
	}
	defer h.close()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return (&demo.Sink{Dir: filepath.Join(s.dir, "outbox")}).Serve(ctx, s.relay) })
	if err := s.serveSides(ctx, g); err != nil {
		return err
	}
	ready := make(chan struct{})
	g.Go(func() error { return h.serve(ctx, func(*reached) { close(ready) }) })
	g.Go(func() error {
		select {
		case <-ready:
		case <-ctx.Done():
			return nil
		}
		if err := s.submitSamples(ctx, h); err != nil && ctx.Err() == nil {
			return fmt.Errorf("sample mails: %w", err)
		}
		return s.announce(out)
	})
	return g.Wait()
}

// build makes the directory with everything a company would have.
func (s *stage) build() (err error) {
	if s.dir = s.cmd.Dir; s.dir == "" {
		if s.dir, err = os.MkdirTemp("", "sekisho-demo-"); err != nil {
			return err
		}
		s.made = true
	}
	if s.dir, err = filepath.Abs(s.dir); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(s.dir, "outbox"), 0o700); err != nil {
		return err
	}
	if s.host, err = reachable(s.cmd.Bind); err != nil {
		return err
	}
	if s.certs, err = demo.MakeCertificates(s.dir, s.host, "mail.corp.example"); err != nil {
		return err
	}
	s.secret = rand.Text()
	s.people = []demo.Person{
		{Email: "alice@corp.example", Name: "佐藤 花子", Roles: []string{}},
		{Email: "bob@corp.example", Name: "高橋 健", Roles: []string{}},
		{Email: "manager@corp.example", Name: "田中 部長", Roles: []string{"approver"}},
		{Email: "admin@corp.example", Name: "管理 者子", Roles: []string{"admin"}},
		{Email: "auditor@corp.example", Name: "監査 人志", Roles: []string{"auditor"}},
	}
	for i := range s.people {
		s.people[i].Password = strings.ToLower(rand.Text()[:10])
	}
	if err := s.findPorts(); err != nil {
		return err
	}
	return s.writeFiles()
}

// findPorts takes the ports of the contract when they are free, else free ones.
func (s *stage) findPorts() (err error) {
	for _, p := range []struct {
		port int
		at   *string
	}{{2587, &s.smtp}, {2465, &s.smtps}, {8587, &s.web}, {8588, &s.portal}} {
		if *p.at, err = freeAddress(s.cmd.Bind, p.port); err != nil {
			return err
		}
	}
	if s.idp, err = net.Listen("tcp", net.JoinHostPort(s.cmd.Bind, "0")); err != nil {
		return err
	}
	if s.outbox, err = listenNear(s.cmd.Bind, 8589); err != nil {
		return err
	}
	// The world outside never needs to be reached by anybody but us.
	s.relay, err = net.Listen("tcp", "127.0.0.1:0")
	return err
}

func listenNear(host string, port int) (net.Listener, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(host, fmt.Sprint(port)))
	if err != nil {
		l, err = net.Listen("tcp", net.JoinHostPort(host, "0"))
	}
	return l, err
}

func freeAddress(host string, port int) (string, error) {
	l, err := listenNear(host, port)
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// reachable is the address that stands in links: the one bound to, or one of this machine's when it is all of them.
func reachable(bind string) (string, error) {
	ip := net.ParseIP(bind)
	if ip == nil {
		return "", fmt.Errorf("--bind %q is no IP address", bind)
	}
	if !ip.IsUnspecified() {
		return bind, nil
	}
	all, err := net.InterfaceAddrs()
	if err != nil {
		return "", fmt.Errorf("--bind %s: %w", bind, err)
	}
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() && n.IP.To4() != nil {
			return n.IP.String(), nil
		}
	}
	return "127.0.0.1", nil
}

// seen is a listener's address as browsers and mail programs reach it.
func (s *stage) seen(listen string) string {
	_, port, _ := net.SplitHostPort(listen) // our own listeners have one
	return net.JoinHostPort(s.host, port)
}

// portalHost is another name than the staff pages have, because cookies know no ports.
func (s *stage) portalHost() string {
	_, port, _ := net.SplitHostPort(s.portal)
	host := s.host
	if host == "127.0.0.1" {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}

var factoryDelay = regexp.MustCompile(`(then: \{delay: )(5m|15m)(\})`)

// writeFiles writes what `sekisho serve` would be given, so that a reader of the directory sees how it is done.
func (s *stage) writeFiles() error {
	policyText := factoryDelay.ReplaceAllStringFunc(string(policy.Factory()), func(m string) string {
		d := s.cmd.Delay
		if strings.Contains(m, "15m") {
			d *= 3
		}
		return "then: {delay: " + d.String() + "}"
	})
	policyText, _, _ = strings.Cut(policyText, "\nexpect:")
	var people strings.Builder
	people.WriteString("people:\n")
	for _, p := range s.people {
		manager := "manager@corp.example"
		if p.Email == manager {
			manager = "admin@corp.example"
		}
		fmt.Fprintf(&people, "  - {address: %s, name: %s, department: 営業部, manager: %s, language: ja}\n", p.Email, p.Name, manager)
	}
	config := fmt.Sprintf(`data_dir: %s
base_url: http://%s
administrators: [admin@corp.example]
organization: {name: 株式会社コープ, domains: [corp.example], language: ja, time_zone: Asia/Tokyo, holidays: jp}
submission:
  hostname: mail.corp.example
  listen: ["%s"]
  listen_tls: ["%s"]
  tls: {cert_file: tls.crt, key_file: tls.key}
  auth: {users_file: users.yaml}
relay: {host: "%s", tls: none}
oidc: {issuer: "http://%s", client_id: sekisho, client_secret_file: oidc.secret, person_claim: email, roles_claim: groups,
       roles: {admin: [admin], approver: [approver], auditor: [auditor]}}
web: {listen: "%s"}
portal: {listen: "%s", url: "http://%s"}
people: {file: people.yaml}
policy: {file: policy.yaml}
metrics: {listen: ""}
log: {format: text, level: info}
`, filepath.Join(s.dir, "data"), s.seen(s.web), s.smtp, s.smtps, s.relay.Addr(), s.seen(s.idp.Addr().String()), s.web, s.portal, s.portalHost())
	for name, text := range map[string]string{
		"sekisho.yaml": config, "people.yaml": people.String(), "policy.yaml": policyText, "oidc.secret": s.secret + "\n",
		"mail.eml": "From: alice@corp.example\r\nTo: you@outside.example\r\nSubject: Hello from the demo\r\n\r\nThis is my first mail through Sekisho.\r\n",
	} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	users := filepath.Join(s.dir, "users.yaml")
	if err := os.Remove(users); err != nil && !missing(err) {
		return err
	}
	for _, p := range s.people {
		if err := submission.AddUser(users, mailaddr.Address(p.Email), p.Password); err != nil {
			return err
		}
	}
	var err error
	s.config, err = LoadConfig(filepath.Join(s.dir, "sekisho.yaml"))
	return err
}

// log goes to a file: the terminal is for what a newcomer has to know.
func (s *stage) log() (*slog.Logger, error) {
	f, err := os.OpenFile(filepath.Join(s.dir, "sekisho.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	return slog.New(slog.NewTextHandler(f, nil)), nil
}

// serveSides starts the identity provider and the page of what was delivered.
func (s *stage) serveSides(ctx context.Context, g *errgroup.Group) error {
	base := "http://" + s.seen(s.idp.Addr().String())
	provider := &demo.Provider{Issuer: base, ClientID: "sekisho", ClientSecret: s.secret, People: s.people,
		Redirect: "http://" + s.seen(s.web) + "/login/callback"}
	if err := provider.Start(); err != nil {
		return err
	}
	outbox := &demo.Outbox{Dir: filepath.Join(s.dir, "outbox"), Internal: "corp.example", Staff: "http://" + s.seen(s.web)}
	for l, handler := range map[net.Listener]http.Handler{s.idp: provider.Handler(), s.outbox: outbox.Handler()} {
		p := &pages{server: &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}, listener: l}
		g.Go(func() error { return p.run(ctx) })
	}
	return nil
}

// announce tells where everything is.
func (s *stage) announce(out *Streams) error {
	if s.cmd.JSON {
		return json.NewEncoder(out.Out).Encode(map[string]any{
			"submission": s.seen(s.smtp), "submission_tls": s.seen(s.smtps), "web": "http://" + s.seen(s.web), "portal": "http://" + s.portalHost(),
			"issuer": "http://" + s.seen(s.idp.Addr().String()), "outbox": filepath.Join(s.dir, "outbox"),
			"outbox_url": "http://" + s.seen(s.outbox.Addr().String()),
			"ca_file":    s.certs.CA, "config": s.config.Path, "delay": s.cmd.Delay.String(), "people": s.people,
		})
	}
	p := newPaint(out.Out)
	fmt.Fprintf(out.Out, "\n%s\n\n", p.bold("関所 Sekisho — demo"))
	fmt.Fprintf(out.Out, "  社員の画面      staff pages      %s\n", p.bold("http://"+s.seen(s.web)))
	fmt.Fprintf(out.Out, "  届いたメール    delivered mail   %s\n", p.bold("http://"+s.seen(s.outbox.Addr().String())))
	fmt.Fprintf(out.Out, "  送信サーバー    submission       %s (STARTTLS), %s (TLS)\n", s.seen(s.smtp), s.seen(s.smtps))
	fmt.Fprintf(out.Out, "  CA証明書        CA certificate   %s\n", s.certs.CA)
	fmt.Fprintf(out.Out, "  設定・データ    files            %s\n\n", s.dir)
	for _, who := range s.people {
		fmt.Fprintf(out.Out, "  %-22s %s  %s %s\n", who.Email, p.bold(who.Password), who.Name, strings.Join(who.Roles, " "))
	}
	fmt.Fprintf(out.Out, `
試すこと / Try:
  1. alice でログインし、待っているメールを取り消す。 Sign in as alice and take a waiting mail back.
  2. manager でログインし、保留中の名簿を承認する。   Sign in as manager and approve the list that is held.
  3. 届いたメールのリンクから、添付をダウンロードする。 Open the delivered mail and download its attachment.
     自分で送る / send your own:
     curl --ssl-reqd --cacert %s smtp://%s -u alice@corp.example:%s \
          --mail-from alice@corp.example --mail-rcpt you@outside.example -T %s

Ctrl-C で終わります / ends it.
`, s.certs.CA, s.seen(s.smtp), s.people[0].Password, filepath.Join(s.dir, "mail.eml"))
	return nil
}

func (s *stage) clear() error {
	if !s.made {
		return nil
	}
	return os.RemoveAll(s.dir)
}
