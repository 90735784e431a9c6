package story

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/sekisho-mail/sekisho/internal/db/dbtest"
	"github.com/sekisho-mail/sekisho/internal/testkit"
	"github.com/sekisho-mail/sekisho/web/dextest"
)

// trouble is what a story has at hand to make life hard.
type trouble struct {
	recorder *recorder
	store    *valve
	disk     string // mount point
	lock     *locker
	postgres *dbtest.Server
	dkim     *signingKey
}

func troubleVerbs() map[string]verb {
	return map[string]verb{
		"relay": (*teller).relay, "provider": (*teller).idp, "store": (*teller).storeIs, "disk": (*teller).diskIs, "database": (*teller).databaseIs,
		"kill": func(k *teller, _ step) { k.kill() }, "start": func(k *teller, _ step) { k.start() }, "stop": func(k *teller, _ step) { k.stop() },
		"ready": (*teller).ready, "clock": func(k *teller, st step) { k.order("clock", st.word(0)) }, "change": (*teller).change,
	}
}

// set is one `with name=value` of a story.
func (k *teller) set(s *settings, name, value string) {
	switch name {
	case "delay":
		s.delay = value
	case "policy_mode":
		s.lines["policy"] = "{file: policy.yaml, mode: " + value + "}"
	case "pilot":
		s.lines["policy"] = "{file: policy.yaml, pilot: [" + value + "]}"
	case "relay":
		if value == "postfix" {
			s.hop = startPostfix(k.t)
			return
		}
		s.hop = startPostfix(k.t, "smtpd_discard_ehlo_keywords = "+value, "smtputf8_enable = no")
	case "database":
		if value == "own" {
			k.postgres, s.database = dbtest.OwnPostgres(k.t)
			return
		}
		s.database = dbtest.PostgresURL(k.t)
	case "clock": // that the story moves
		s.fails = true
	case "store":
		k.s3(s)
	case "disk":
		k.mount(s, value)
	case "provider":
		s.dex = ownProvider(k.t)
	case "dkim":
		k.dkim = newSigningKey(k.t, value)
		s.lines["dkim"] = "{selector: " + value + ", key_file: " + k.dkim.path + "}"
	case "gateway":
		s.lines["submission"] = `{hostname: mail.corp.example, listen: ["{ip}:587"], listen_tls: [], tls: {cert_file: {cert}, key_file: {key}}, auth: {users_file: users.yaml},
  gateway: {listen: ["{ip}:25"], sources: [` + value + `]}}`
	case "max_message_bytes":
		s.lines["submission"] = `{hostname: mail.corp.example, listen: ["{ip}:587"], listen_tls: [], tls: {cert_file: {cert}, key_file: {key}}, auth: {users_file: users.yaml}, max_message_bytes: ` + value + `}`
	default:
		k.t.Fatalf("a story cannot be told with %s", name)
	}
}

// relay: relay down|up|stalls|resumes.
func (k *teller) relay(st step) {
	k.t.Helper()
	switch st.word(0) {
	case "down":
		k.recorder.down()
	case "up":
		k.recorder.up(k.t)
	case "stalls":
		k.recorder.stall()
	case "resumes":
		k.recorder.resume()
	case "holds": // it has a mail and has not said so
		k.eventually("the next hop has a mail", func() error {
			if k.recorder.holding() == 0 {
				return fmt.Errorf("it has none")
			}
			return nil
		})
	default:
		k.t.Fatal("the next hop cannot do that")
	}
}

// ownProvider is one that the story can switch off and on.
func ownProvider(t testing.TB) *dextest.Dex {
	var redirects []string
	for n := 1; n <= houses; n++ {
		redirects = append(redirects, baseURL(shared.address(n))+"/login/callback")
	}
	return dextest.Start(t, redirects, accounts()...)
}

func (k *teller) idp(st step) {
	k.t.Helper()
	if st.word(0) == "down" {
		k.dex.Stop()
		return
	}
	k.dex.Restart(k.t, accounts()...)
}

// ready: ready yes|no [text=T].
func (k *teller) ready(st step) {
	k.t.Helper()
	b := k.stranger()
	k.eventually("ready "+st.word(0), func() error {
		p := b.get("/readyz")
		if (p.code == 200) != (st.word(0) == "yes") || !strings.Contains(p.body, st.named["text"]) {
			return fmt.Errorf("readyz answers %d %s", p.code, p.body)
		}
		return nil
	})
}

// change replaces a file of the company while the service runs: change policy.yaml other.yaml.
func (k *teller) change(st step) {
	k.t.Helper()
	raw, ok := k.script.files[st.word(1)]
	if !ok {
		k.t.Fatalf("the story has no file %s", st.word(1))
	}
	answers := func() int {
		return strings.Count(k.log(), `"policy reread"`) + strings.Count(k.log(), `"policy not taken over`)
	}
	before := answers()
	k.write(st.word(0), string(raw))
	k.eventually("the service has read the changed "+st.word(0), func() error {
		if answers() == before {
			return errors.New("not yet")
		}
		return nil
	})
}

// mount gives the company a disk of its own that is easily filled.
func (k *teller) mount(s *settings, size string) {
	k.t.Helper()
	dir := smallDisk(k.t, size)
	k.disk, s.dataDir = dir, filepath.Join(dir, "data")
}

// diskIs: disk filled SIZE, disk full, or disk free.
func (k *teller) diskIs(st step) {
	k.t.Helper()
	filler := filepath.Join(k.disk, "filler")
	if st.word(0) == "free" {
		if err := os.Remove(filler); err != nil {
			k.t.Fatal(err)
		}
		return
	}
	f, err := os.Create(filler)
	if err != nil {
		k.t.Fatal(err)
	}
	defer f.Close()
	if st.word(0) == "full" { // to the last octet, whatever the service gives up for it
		for err == nil {
			_, err = f.Write(make([]byte, 1<<20))
		}
		return
	}
	if err := syscall.Fallocate(int(f.Fd()), 0, 0, int64(k.bytes(st.word(1)))); err != nil {
		k.t.Fatal(err)
	}
}

// locker is another program that has the database to itself.
type locker struct {
	cmd   *exec.Cmd
	stdin io.Closer
}

const lockScript = `
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
db.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
db.execute("ROLLBACK")
`

// databaseIs: database locked|free|down|up.
func (k *teller) databaseIs(st step) {
	k.t.Helper()
	switch st.word(0) {
	case "down":
		k.postgres.Stop()
		return
	case "up":
		k.postgres.Start(k.t)
		return
	}
	if st.word(0) == "free" {
		k.lock.stdin.Close()
		if err := k.lock.cmd.Wait(); err != nil {
			k.t.Fatal(err)
		}
		return
	}
	cmd := exec.Command(testkit.Need(k.t, "python3", "python3"), "-c", lockScript, filepath.Join(k.dir, "data", "sekisho.db"))
	in, err := cmd.StdinPipe()
	if err != nil {
		k.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		k.t.Fatal(err)
	}
	if err := shared.start(cmd); err != nil {
		k.t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		k.t.Fatalf("the database is not locked: %q %v", line, err)
	}
	k.lock = &locker{cmd: cmd, stdin: in}
}
