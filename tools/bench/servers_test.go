//go:build bench

package bench

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/internal/testkit"
)

// ours is a running product.
type ours struct {
	gateway, submission  string
	metrics, config, web string
	pid                  int
	cmd                  *exec.Cmd
}

// setup is what differs between measurements.
type setup struct {
	relay string // the next hop; nobody when empty
	shim  []string
	tls   *testkit.Certificate
	users string
	web   string // where the staff pages listen; anywhere when empty
	oidc  string // the line of the identity provider; nobody signs in when empty
	more  string // further lines of the configuration
}

// config takes mail from applications at any rate and inspects it by the factory policy while more comes in, as it does
// in life. Mail to outside waits its five minutes; mail to corp.example leaves at once.
const config = `data_dir: %[1]s/data
base_url: http://%[3]s
organization: {name: bench, domains: [corp.example]}
submission:
  hostname: bench.corp.example
  listen: [%[5]s]
  listen_tls: []
%[6]s  limits: {connections: 5000, connections_per_address: 5000, recipients_per_10_minutes: 10000000, recipients_per_day: 10000000}
  gateway:
    listen: ["%[2]s"]
    sources: [{name: app, networks: [127.0.0.0/8], senders: [corp.example], owner: it@corp.example}]
relay: {host: "%[4]s", tls: none, connections: 20}
%[8]s
web: {listen: "%[3]s"}
metrics: {listen: "%[7]s"}
log: {level: error}
%[9]s`

func sekisho(t *testing.T, s setup) *ours {
	t.Helper()
	home := t.TempDir()
	o := &ours{gateway: testkit.FreeAddress(t), submission: testkit.FreeAddress(t), metrics: testkit.FreeAddress(t), web: testkit.FreeAddress(t)}
	relay, submission, extra, oidc := "127.0.0.1:9", "", "", `oidc: {issuer: "http://127.0.0.1:9", client_id: x}`
	if s.relay != "" {
		relay = s.relay
	}
	if s.tls != nil {
		submission = `"` + o.submission + `"`
		extra = fmt.Sprintf("  tls: {cert_file: %s, key_file: %s}\n  auth: {users_file: %s}\n", s.tls.CertFile, s.tls.KeyFile, s.users)
	}
	if s.web != "" {
		o.web = s.web
	}
	if s.oidc != "" {
		oidc = s.oidc
	}
	o.config = filepath.Join(home, "sekisho.yaml")
	write(t, o.config, fmt.Sprintf(config, home, o.gateway, o.web, relay, submission, extra, o.metrics, oidc, s.more), 0o600)
	o.serve(t, s.shim)
	return o
}

// serve starts the service on what its directory holds.
func (o *ours) serve(t *testing.T, shim []string) {
	t.Helper()
	o.cmd = start(t, shim, *binary, "serve", "--config", o.config)
	o.pid = o.cmd.Process.Pid
	await(t, "sekisho", o.gateway)
}

// again stops the service and starts it anew.
func (o *ours) again(t *testing.T) {
	t.Helper()
	o.cmd.Process.Signal(os.Interrupt)
	o.cmd.Wait()
	o.serve(t, nil)
}

// start runs a server until the test ends, behind a shim when there is one.
func start(t *testing.T, shim []string, command ...string) *exec.Cmd {
	t.Helper()
	all := append(append([]string{}, shim...), command...)
	cmd := exec.Command(all[0], all[1:]...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		cmd.Wait()
	})
	return cmd
}

func await(t *testing.T, who, address string) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not listen", who)
		}
	}
}

// bare is go-smtp with SQLite and group commit and nothing else: what the machine gives at most.
func bare(t *testing.T, shim ...string) string {
	t.Helper()
	program := buildBeside(t, "bare")
	address := testkit.FreeAddress(t)
	start(t, shim, program, address, t.TempDir())
	await(t, "bare", address)
	return address
}

// buildBeside builds one of the small programs that ours is measured beside.
func buildBeside(t *testing.T, name string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), name)
	build := exec.Command("go", "build", "-tags", "sqlite_omit_load_extension netgo osusergo", "-o", program, "./"+name)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", name, err, out)
	}
	return program
}

// holding is Postfix that keeps every mail in its hold queue.
func holding(t *testing.T, settings ...string) *testkit.NextHop {
	t.Helper()
	return testkit.Postfix(t, append([]string{"smtpd_end_of_data_restrictions = check_client_access static:HOLD"}, open(settings)...)...)
}

// open takes away Postfix's limits for strangers.
func open(settings []string) []string {
	limits := []string{"default_process_limit = 200", "smtpd_client_connection_count_limit = 0"}
	if !strings.Contains(strings.Join(settings, "\n"), "smtpd_tls_security_level") {
		limits = append(limits, "smtpd_tls_security_level = none")
	}
	return append(limits, settings...)
}
