//go:build bench

package bench

import (
	"crypto/tls"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/internal/gauge"
	"github.com/sekisho-mail/sekisho/internal/testkit"
)

const secret = "correct horse battery staple"

// TestSigned is what a mail program does: STARTTLS, a full handshake for each message, AUTH PLAIN. Postfix asks
// Dovecot, which remembers right passwords as we do.
func TestSigned(t *testing.T) {
	cert := testkit.NewCertificate(t, "127.0.0.1", "localhost")
	users := filepath.Join(t.TempDir(), "users.yaml")
	add := exec.Command(*binary, "user", "add", "app@corp.example", "--file", users)
	add.Stdin = strings.NewReader(secret + "\n")
	if out, err := add.CombinedOutput(); err != nil {
		t.Fatalf("user add: %v\n%s", err, out)
	}
	us := sekisho(t, setup{tls: &cert, users: users})
	await(t, "sekisho", us.submission)
	them := holding(t, "smtpd_tls_security_level = may", "smtpd_sasl_auth_enable = yes", "smtpd_sasl_type = dovecot",
		"smtpd_sasl_path = private/auth", "smtpd_sasl_security_options = noanonymous",
		"smtpd_recipient_restrictions = permit_sasl_authenticated, reject")
	dovecot(t, filepath.Join(them.Queue(), "private", "auth"))
	one := func(address string, c testkit.Certificate) *gauge.Client {
		return &gauge.Client{Address: address, User: "app@corp.example", Password: secret,
			TLS: &tls.Config{RootCAs: c.Roots, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS13}}
	}
	a, b := one(us.submission, cert), one(them.Address, them.Certificate)
	title("durable accept with STARTTLS (1.3, a full handshake each) and AUTH PLAIN, 4096 octets, our own client (messages per second)")
	fmt.Printf("%9s %10s %10s %9s\n", "sessions", "sekisho", "postfix", "/postfix")
	for _, sessions := range []int{1, 10, 50} {
		l := load{size: 4096, sessions: sessions, messages: messages(300 + 30*sessions)}
		measure := func(c *gauge.Client) func() float64 {
			return func() float64 { return run(t, c, l).Rate }
		}
		figures := inTurns(t, measure(a), measure(b))
		r := ratio(figures[0], figures[1])
		fmt.Printf("%9d %10.0f %10.0f %8.2fx %s\n", sessions, median(figures[0]), median(figures[1]), r, reach(t, "STARTTLS and AUTH, "+l.String()+", against Postfix with Dovecot", r, 1))
	}
}

// dovecot answers Postfix's questions about passwords at a socket.
func dovecot(t *testing.T, socket string) {
	t.Helper()
	program := testkit.Need(t, "dovecot", "dovecot-core")
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	hash, err := exec.Command("doveadm", "pw", "-s", "SHA512-CRYPT", "-p", secret).Output()
	if err != nil {
		t.Fatalf("doveadm pw: %v", err)
	}
	write(t, filepath.Join(dir, "passwd"), "app@corp.example:"+strings.TrimSpace(string(hash))+"\n", 0o644)
	conf := filepath.Join(dir, "dovecot.conf")
	write(t, conf, fmt.Sprintf(dovecotConf, dir, socket), 0o644)
	cmd := exec.Command(program, "-c", conf, "-F")
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		cmd.Wait()
	})
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if _, err := os.Stat(socket); err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("dovecot does not answer\n%s", said.String())
		}
	}
}

const dovecotConf = `protocols =
base_dir = %[1]s/run
state_dir = %[1]s/state
log_path = %[1]s/log
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain
auth_cache_size = 10M
passdb {
  driver = passwd-file
  args = %[1]s/passwd
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=/nonexistent
}
service auth {
  user = root
  unix_listener %[2]s {
    mode = 0666
  }
}
`
