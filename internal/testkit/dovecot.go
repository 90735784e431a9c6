package testkit

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// DovecotTokens starts Debian's Dovecot as the sign-in of a mail server: it takes the access tokens (XOAUTH2, OAUTHBEARER)
// that the introspection endpoint (RFC 7662) calls active. The settings are for Postfix.
func DovecotTokens(t testing.TB, introspection string) (settings []string) {
	t.Helper()
	dovecot := Need(t, "dovecot", "dovecot-core")
	// Postfix runs as another user, and a socket's path is short.
	dir, err := os.MkdirTemp("", "dovecot-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	socket, conf := filepath.Join(dir, "sasl"), filepath.Join(dir, "dovecot.conf")
	write(t, filepath.Join(dir, "oauth2.conf"), fmt.Sprintf("introspection_mode = post\nintrospection_url = %s\nusername_attribute = username\nactive_attribute = active\nactive_value = true\n", introspection))
	write(t, conf, fmt.Sprintf(dovecotConf, dir, socket))
	cmd := exec.Command(dovecot, "-F", "-c", conf)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		<-ended
	})
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat(socket); err == nil {
			break
		}
		if time.Now().After(deadline) {
			log, _ := os.ReadFile(filepath.Join(dir, "log"))
			t.Fatalf("Dovecot opens no socket\n%s", log)
		}
	}
	return []string{"smtpd_sasl_auth_enable = yes", "smtpd_sasl_type = dovecot", "smtpd_sasl_path = " + socket, "smtpd_tls_auth_only = yes",
		"smtpd_recipient_restrictions = permit_sasl_authenticated, reject"}
}

const dovecotConf = `base_dir = %[1]s/run
state_dir = %[1]s/state
log_path = %[1]s/log
protocols =
ssl = no
auth_mechanisms = xoauth2 oauthbearer
passdb {
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = %[1]s/oauth2.conf
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=/nonexistent
}
service auth {
  unix_listener %[2]s {
    mode = 0666
  }
}
service stats {
  unix_listener stats-writer {
    mode = 0666
  }
}
`
