package story

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/internal/testkit"
)

// announced is the line that `sekisho demo --json` prints when everything answers.
type announced struct {
	Submission, Web, Portal, Issuer, Outbox, Delay string
	SubmissionTLS                                  string `json:"submission_tls"`
	CAFile                                         string `json:"ca_file"`
	People                                         []struct {
		Email, Password string
		Roles           []string
	}
}

// TestDemoTakesAMailAndShowsItInTheOutbox runs the demo as a newcomer's program does: it reads one line, sends a mail
// with what stands there, and finds it in the outbox.
func TestDemoTakesAMailAndShowsItInTheOutbox(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var log bytes.Buffer
	demo := exec.Command(shared.binary, "demo", "--json", "--dir", dir, "--delay", "3s")
	demo.Stderr = &log
	out, err := demo.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := shared.start(demo); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { demo.Process.Kill() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("it printed %q: %v\n%s", line, err, log.String())
	}
	var a announced
	if err := json.Unmarshal([]byte(line), &a); err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	if len(a.People) != 5 || a.People[0].Email != user || a.Delay != "3s" || a.Outbox != filepath.Join(dir, "outbox") {
		t.Fatalf("it announces %s", line)
	}
	a.answers(t)
	a.send(t, dir)
	// The line that the demo prints for people to copy, with the mail it brings along.
	curl := exec.Command("curl", "--silent", "--show-error", "--ssl-reqd", "--cacert", a.CAFile, "smtp://"+a.Submission, "--user", user+":"+a.People[0].Password,
		"--mail-from", user, "--mail-rcpt", "you@outside.example", "--upload-file", filepath.Join(dir, "mail.eml"))
	if said, err := curl.CombinedOutput(); err != nil {
		t.Errorf("curl: %v\n%s", err, said)
	}
	if err := demo.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := demo.Wait(); err != nil {
		t.Fatalf("it does not end well: %v\n%s", err, log.String())
	}
}

// answers opens every address that was announced.
func (a announced) answers(t *testing.T) {
	t.Helper()
	for _, url := range []string{a.Web + "/healthz", a.Portal + "/healthz", a.Issuer + "/.well-known/openid-configuration"} {
		res, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Errorf("%s answers %s", url, res.Status)
		}
	}
}

// send hands a mail in with curl and waits for it in the outbox.
func (a announced) send(t *testing.T, dir string) {
	t.Helper()
	mail := filepath.Join(dir, "mail.eml")
	raw := crlf([]byte(mustRead(t, "testdata/mails/plain.eml")))
	if err := os.WriteFile(mail, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	send := exec.Command(testkit.Need(t, "curl", "curl"), "-sS", "--ssl-reqd", "--cacert", a.CAFile, "--url", "smtp://"+a.Submission+"/client.example",
		"-u", a.People[0].Email+":"+a.People[0].Password, "--mail-from", user, "--mail-rcpt", "you@outside.example", "-T", mail)
	if out, err := send.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	head := fmt.Sprintf("X-Envelope-From: <%s>\r\nX-Envelope-To: <you@outside.example>\r\n", user)
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		names, err := filepath.Glob(filepath.Join(a.Outbox, "*.eml"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			got := mustRead(t, name)
			if rest, ours := strings.CutPrefix(got, head); ours {
				if err := identical(raw, []byte(rest)); err != nil {
					t.Error(err)
				}
				return
			}
		}
	}
	t.Fatal("the mail does not come to the outbox")
}
