package story

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/internal/testkit"
	"github.com/sekisho-mail/sekisho/web/dextest"
)

// patience is how long a story waits for what must happen. It is long because machines that test are busy.
const patience = 90 * time.Second

// settings are what a story may have otherwise in the configuration.
type settings struct {
	delay    string            // of the factory policy's five minutes; fifteen become three times this
	policy   string            // a policy of its own
	people   string            // a people file of its own
	lines    map[string]string // configuration lines by their first key, instead of the usual ones
	dex      *dextest.Dex      // another provider than the shared one
	hop      nextHop
	beside   *house   // the company whose further node this one is
	names    []string // further names in the certificate
	ip       string   // addresses that were taken before, with portal
	portal   string
	dataDir  string
	database string
	files    string
	fails    bool // the program with failpoints
}

// nextHop is the company's mail server beyond Sekisho: one that records and misbehaves on command, or Postfix.
type nextHop interface {
	address() string
	caFile() string
	// deliveries are all mails that have been taken, in the order of their arrival.
	deliveries(t testing.TB) []delivery
}

// delivery is one mail as the next hop got it.
type delivery struct {
	from string
	to   []string
	raw  []byte
}

// house is one company with its own running service.
type house struct {
	t          *testing.T
	dir, ip    string
	dataDir    string
	config     string
	cert       testkit.Certificate
	hop        nextHop
	dex        *dextest.Dex
	binary     string
	points     string          // directory of orders to failpoints
	local      map[bool]string // addresses on 127.0.0.1, for programs: with TLS from the start or not
	child      *child
	client     *http.Client // of nobody
	signedIn   map[string]*browser
	secrets    []string // what the log must never show
	portalHost string
}

// child is the running service.
type child struct {
	cmd   *exec.Cmd
	ended chan struct{}
	err   error
}

func (c *child) over() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

const defaultPeople = `people:
  - {address: alice@corp.example, aliases: [a.sato@corp.example], name: 佐藤 花子, department: 営業部, manager: manager@corp.example, groups: [sales]}
  - {address: bob@corp.example, name: 高橋 健, manager: manager@corp.example}
  - {address: manager@corp.example, name: 田中 部長, manager: admin@corp.example}
  - {address: deputy@corp.example, name: 代理 役子, manager: admin@corp.example}
  - {address: admin@corp.example, name: 管理 者子}
  - {address: auditor@corp.example, name: 監査 人志, language: en}
shared_addresses:
  - {address: sales@corp.example, members: [alice@corp.example, bob@corp.example]}
`

// found makes a company and opens it for business.
func found(t *testing.T, s settings) *house {
	t.Helper()
	h := prepare(t, s)
	h.start()
	return h
}

// twoAddresses are for a house and its portal, which has a host of its own.
func twoAddresses(t *testing.T) (ip, portal string) {
	n := int(shared.taken.Add(2))
	if n >= houses {
		t.Fatal("too many companies in one run")
	}
	return shared.address(n - 1), shared.address(n)
}

// prepare writes everything that a company has before its service starts.
func prepare(t *testing.T, s settings) *house {
	t.Helper()
	if err := shared.looked(); err != nil {
		t.Fatal(err)
	}
	ip, portal := s.ip, s.portal
	if ip == "" {
		ip, portal = twoAddresses(t)
	}
	h := &house{t: t, dir: t.TempDir(), ip: ip, portalHost: portal, signedIn: map[string]*browser{}, hop: s.hop, dex: s.dex}
	if h.dex == nil {
		h.dex = shared.dex
	}
	h.local = map[bool]string{false: testkit.FreeAddress(t), true: testkit.FreeAddress(t)}
	h.binary = shared.binary
	if s.fails {
		h.breakable()
	}
	if s.beside != nil {
		h.cert = s.beside.cert
	} else {
		h.cert = testkit.NewCertificate(t, append([]string{h.ip, h.portalHost, "mail.corp.example", "localhost"}, s.names...)...)
	}
	if h.hop == nil {
		h.hop = newRecorder(t)
	}
	h.client = h.newClient(nil)
	h.secrets = append(h.secrets, password)
	policy := s.policy
	if policy == "" {
		policy = quickened(shared.policy, s.delay)
	}
	people := s.people
	if people == "" {
		people = defaultPeople
	}
	if h.dataDir = s.dataDir; h.dataDir == "" {
		h.dataDir = filepath.Join(h.dir, "data")
	}
	h.readPDF()
	h.config = h.write("sekisho.yaml", h.configuration(s))
	h.write("policy.yaml", policy)
	h.write("people.yaml", people)
	h.write("users.yaml", string(shared.users))
	h.write("oidc.secret", h.dex.ClientSecret+"\n")
	t.Cleanup(func() {
		h.kill()
		if t.Failed() {
			t.Logf("log of the service:\n%s", h.log())
		}
	})
	return h
}

// readPDF spares the service compiling its PDF reader, which would cost more than most stories do: all companies of this
// machine share the compiled one.
func (h *house) readPDF() {
	h.t.Helper()
	if err := os.MkdirAll(h.dataDir, 0o700); err != nil {
		h.t.Fatal(err)
	}
	err := os.Symlink(shared.pdf, filepath.Join(h.dataDir, "cache"))
	if err != nil && !errors.Is(err, os.ErrExist) { // nodes of one company may share the directory
		h.t.Fatal(err)
	}
}

var factoryDelay = regexp.MustCompile(`then: \{delay: (5m|15m)\}`)

// quickened is the factory policy with short delays.
func quickened(policy, delay string) string {
	if delay == "" {
		delay = "2s"
	}
	d, err := time.ParseDuration(delay)
	if err != nil {
		panic(err)
	}
	return factoryDelay.ReplaceAllStringFunc(policy, func(m string) string {
		if strings.Contains(m, "15m") {
			return "then: {delay: " + (3 * d).String() + "}"
		}
		return "then: {delay: " + d.String() + "}"
	})
}

func (h *house) write(name, text string) string {
	path := filepath.Join(h.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
	return path
}

func (h *house) at(port string) string { return net.JoinHostPort(h.ip, port) }
func (h *house) staffURL() string      { return baseURL(h.ip) }
func (h *house) portalURL() string     { return baseURL(h.portalHost) }

// configuration is one as a company would write it; lines of a story take the place of ours with the same key.
func (h *house) configuration(s settings) string {
	pair := fmt.Sprintf("{cert_file: %s, key_file: %s}", h.cert.CertFile, h.cert.KeyFile)
	lines := [][2]string{
		{"data_dir", h.dataDir},
		{"base_url", h.staffURL()},
		{"administrators", "[admin@corp.example]"},
		{"organization", "{name: 株式会社コープ, domains: [corp.example], language: ja, time_zone: Asia/Tokyo, holidays: none}"},
		{"submission", fmt.Sprintf(`{hostname: mail.corp.example, listen: ["%s"], listen_tls: ["%s"], tls: %s, auth: {users_file: users.yaml}}`, h.at("587"), h.at("465"), pair)},
		{"relay", fmt.Sprintf(`{host: "%s", tls: required, ca_file: %s}`, h.hop.address(), h.hop.caFile())},
		{"oidc", fmt.Sprintf(`{issuer: "%s", client_id: sekisho, client_secret_file: oidc.secret, person_claim: email, roles_claim: groups,
  roles: {admin: [admins], approver: [managers], auditor: [auditors]}}`, h.dex.Issuer)},
		{"web", fmt.Sprintf(`{listen: "%s", tls: %s}`, h.at("8443"), pair)},
		{"portal", fmt.Sprintf(`{listen: "%s", url: "%s"}`, net.JoinHostPort(h.portalHost, "8443"), h.portalURL())},
		{"people", "{file: people.yaml}"},
		{"policy", "{file: policy.yaml}"},
		{"metrics", fmt.Sprintf(`{listen: "%s"}`, h.at("9587"))},
		{"log", "{format: json, level: debug}"},
	}
	for key, value := range map[string]string{"database": s.database, "files": s.files} {
		if value != "" {
			lines = append(lines, [2]string{key, fmt.Sprintf("{url: %q}", value)})
		}
	}
	var text strings.Builder
	for _, l := range lines {
		if own, ok := s.lines[l[0]]; ok {
			l[1] = h.fill(own)
		}
		fmt.Fprintf(&text, "%s: %s\n", l[0], l[1])
	}
	for _, key := range []string{"dkim", "retention", "keys", "roles", "balancers"} {
		if own, ok := s.lines[key]; ok {
			fmt.Fprintf(&text, "%s: %s\n", key, h.fill(own))
		}
	}
	return text.String()
}

// fill puts what only the house knows into a text of a story.
func (h *house) fill(text string) string {
	return strings.NewReplacer("{ip}", h.ip, "{dir}", h.dir, "{cert}", h.cert.CertFile, "{key}", h.cert.KeyFile, "{staff}", h.staffURL(), "{portal}", h.portalURL(),
		"{hop}", h.hop.address(), "{local_starttls}", h.local[false], "{local_tls}", h.local[true], "{hop_ca}", h.hop.caFile()).Replace(text)
}

// start runs the service and waits until its doors are open.
func (h *house) start() {
	h.t.Helper()
	h.launch()
	h.eventually("the service answers", func() error {
		res, err := h.client.Get(h.staffURL() + "/healthz")
		if err != nil {
			return err
		}
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("healthz answers %s", res.Status)
		}
		conn, err := net.Dial("tcp", h.at("587"))
		if err == nil {
			conn.Close()
		}
		return err
	})
}

// launch starts the service and does not look whether it lives.
func (h *house) launch() {
	h.t.Helper()
	log, err := os.OpenFile(filepath.Join(h.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		h.t.Fatal(err)
	}
	defer log.Close()
	c := &child{cmd: exec.Command(h.binary, "serve", "--config", h.config), ended: make(chan struct{})}
	c.cmd.Stdout, c.cmd.Stderr = log, log
	c.cmd.Env = append(os.Environ(), "SEKISHO_FAILPOINTS="+h.points)
	if err := shared.start(c.cmd); err != nil {
		h.t.Fatal(err)
	}
	h.child = c
	go func() {
		c.err = c.cmd.Wait()
		close(c.ended)
	}()
}

// stop ends the service as systemd would, and expects it to end well.
func (h *house) stop() {
	h.t.Helper()
	c := h.child
	if c == nil {
		return
	}
	h.child = nil
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		h.t.Errorf("the service had already ended: %v", err)
	}
	select {
	case <-c.ended:
	case <-time.After(patience):
		h.t.Error("the service does not end after SIGTERM")
		c.cmd.Process.Kill()
		<-c.ended
	}
	if c.err != nil {
		h.t.Errorf("the service did not end well: %v", c.err)
	}
}

// kill ends the service as a power cut would.
func (h *house) kill() {
	if h.child == nil {
		return
	}
	h.child.cmd.Process.Kill()
	<-h.child.ended
	h.child = nil
}

func (h *house) log() string {
	raw, err := os.ReadFile(filepath.Join(h.dir, "log"))
	if err != nil {
		return err.Error()
	}
	return string(bytes.TrimSpace(raw))
}

// command runs the program beside the service, with its configuration.
func (h *house) command(args ...string) (stdout, stderr string, err error) {
	return shared.runs(append(args, "--config", h.config)...)
}

// eventually waits until something is so.
func (h *house) eventually(what string, so func() error) {
	h.t.Helper()
	h.within(patience, what, so)
}

func (h *house) within(limit time.Duration, what string, so func() error) {
	h.t.Helper()
	deadline := time.Now().Add(limit)
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, 200*time.Millisecond) {
		err := so()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			h.t.Fatalf("never: %s: %v", what, err)
		}
		if c := h.child; c != nil && c.over() {
			h.t.Fatalf("the service ended (%v) before %s: %v", c.err, what, err)
		}
		time.Sleep(pause)
	}
}

func (h *house) tlsTo(name string) *tls.Config {
	return &tls.Config{ServerName: name, RootCAs: h.cert.Roots}
}
