package testkit

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// NextHop is a running Postfix that takes mail for every domain into one mailbox, but refuses recipients
// whose local part begins with "unknown".
type NextHop struct {
	Address    string // HOST:PORT, STARTTLS offered
	AddressTLS string // HOST:PORT, TLS from the start
	// Doors are further listeners, each with settings of its own.
	Doors map[string]string
	Certificate
	dir    string
	killed bool
}

// Postfix starts Debian's Postfix with a configuration and queue of its own. settings are added to main.cf,
// "name = value"; one of the form "@door {name = value} {name = value}" opens a further listener to which these apply.
// It needs root, because Postfix does.
func Postfix(t testing.TB, settings ...string) *NextHop {
	t.Helper()
	return PostfixBehind(t, nil, settings...)
}

// PostfixBehind is Postfix started by another program that watches or disturbs it.
func PostfixBehind(t testing.TB, shim []string, settings ...string) *NextHop {
	t.Helper()
	postfix := Need(t, "postfix", "postfix")
	if os.Getuid() != 0 {
		t.Fatal("Postfix starts as root only: run the tests as root")
	}
	stopOrphans()
	dir, err := os.MkdirTemp("", fmt.Sprintf("%s%d-", postfixPrefix, os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	p := &NextHop{Address: FreeAddress(t), AddressTLS: FreeAddress(t), Certificate: NewCertificate(t, "127.0.0.1", "localhost"), dir: dir}
	p.configure(t, settings)
	etc := filepath.Join(dir, "etc")
	if len(shim) > 0 {
		command := append(slices.Clone(shim), postfix, "-c", etc, "start-fg")
		cmd := exec.Command(command[0], command[1:]...)
		if err := cmd.Start(); err != nil {
			t.Fatalf("start Postfix behind %s: %v", shim[0], err)
		}
		t.Cleanup(func() { _ = cmd.Wait() })
	} else if out, err := exec.Command(postfix, "-c", etc, "start").CombinedOutput(); err != nil {
		t.Fatalf("start Postfix: %v\n%s%s", err, out, p.Log())
	}
	t.Cleanup(func() {
		if p.killed {
			return
		}
		if out, err := exec.Command(postfix, "-c", etc, "stop").CombinedOutput(); err != nil {
			t.Errorf("stop Postfix: %v\n%s", err, out)
		}
	})
	for _, address := range slices.Concat([]string{p.Address, p.AddressTLS}, slices.Collect(maps.Values(p.Doors))) {
		p.await(t, "a listener at "+address, func() bool { return listens(t.Context(), address) })
	}
	return p
}

// Kill ends the server with everything that it has under way.
func (p *NextHop) Kill(t testing.TB) {
	t.Helper()
	if out, err := exec.Command("postfix", "-c", filepath.Join(p.dir, "etc"), "abort").CombinedOutput(); err != nil {
		t.Fatalf("abort Postfix: %v\n%s", err, out)
	}
	p.killed = true
}

const postfixPrefix = "sekisho-postfix-"

// stopOrphans ends what test binaries that were killed left running.
func stopOrphans() {
	old, _ := filepath.Glob(filepath.Join(os.TempDir(), postfixPrefix+"*"))
	for _, dir := range old {
		pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), postfixPrefix), "-")
		if _, err := os.Stat("/proc/" + pid); !os.IsNotExist(err) {
			continue
		}
		killBelow(dir)
		os.RemoveAll(dir)
	}
}

// killBelow kills what works in a directory. "postfix stop" would be kinder, but it waits for ever for the log daemon of
// an instance whose master is gone.
func killBelow(dir string) {
	works, _ := filepath.Glob("/proc/[0-9]*/cwd")
	for _, link := range works {
		at, err := os.Readlink(link)
		if err != nil || at != dir && !strings.HasPrefix(at, dir+"/") {
			continue // it has ended, or works elsewhere
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(link))); err == nil {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

func (p *NextHop) configure(t testing.TB, settings []string) {
	t.Helper()
	owner, err := user.Lookup("postfix")
	if err != nil {
		t.Fatal(err)
	}
	var uid, gid int
	fmt.Sscan(owner.Uid, &uid)
	fmt.Sscan(owner.Gid, &gid)
	if err := os.Chmod(p.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"etc", "queue", "data", "mail"} {
		if err := os.Mkdir(filepath.Join(p.dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"data", "mail"} {
		if err := os.Chown(filepath.Join(p.dir, name), uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	main := fmt.Sprintf(postfixMain, p.dir, p.CertFile, p.KeyFile, uid, gid)
	master := fmt.Sprintf(postfixMaster, p.Address, p.AddressTLS)
	p.Doors = map[string]string{}
	for _, setting := range settings {
		name, own, ok := strings.Cut(strings.TrimPrefix(setting, "@"), " ")
		if !ok || !strings.HasPrefix(setting, "@") {
			main += setting + "\n"
			continue
		}
		p.Doors[name] = FreeAddress(t)
		master += p.Doors[name] + " inet n - n - - smtpd" + strings.ReplaceAll(own, "{", " -o {") + "\n"
	}
	write(t, filepath.Join(p.dir, "etc/main.cf"), main)
	write(t, filepath.Join(p.dir, "etc/master.cf"), master)
	write(t, filepath.Join(p.dir, "etc/mailboxes"), "!/^unknown/ all/\n")
	for _, name := range []string{"main.cf", "master.cf", "mailboxes"} {
		if err := os.Chmod(filepath.Join(p.dir, "etc", name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

const postfixMain = `compatibility_level = 3.6
queue_directory = %[1]s/queue
data_directory = %[1]s/data
maillog_file = %[1]s/maillog
maillog_file_prefixes = %[1]s
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = nexthop.example
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
local_recipient_maps =
virtual_mailbox_domains = regexp:{{/./ all}}
virtual_mailbox_base = %[1]s/mail
virtual_mailbox_maps = regexp:%[1]s/etc/mailboxes
virtual_uid_maps = static:%[4]d
virtual_gid_maps = static:%[5]d
smtpd_recipient_restrictions = reject_unlisted_recipient, permit_mynetworks, reject
smtpd_client_connection_rate_limit = 0
smtpd_tls_cert_file = %[2]s
smtpd_tls_key_file = %[3]s
smtpd_tls_security_level = may
smtputf8_enable = yes
message_size_limit = 60000000
virtual_mailbox_limit = 0
disable_dns_lookups = yes
`

const postfixMaster = `%s inet n - n - - smtpd
%s inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
`

// Queue is Postfix's queue directory, where its sockets lie too.
func (p *NextHop) Queue() string { return filepath.Join(p.dir, "queue") }

// Log is what Postfix wrote about itself.
func (p *NextHop) Log() string {
	text, err := os.ReadFile(filepath.Join(p.dir, "maillog"))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Delivered waits for n mails and returns them, lines ending in CRLF, as Postfix left them in the mailbox:
// below its own Return-Path, Delivered-To and Received.
func (p *NextHop) Delivered(t testing.TB, n int) [][]byte {
	t.Helper()
	var names []string
	p.await(t, fmt.Sprint(n, " mails"), func() bool {
		names, _ = filepath.Glob(filepath.Join(p.dir, "mail/all/new/*"))
		return len(names) >= n
	})
	slices.Sort(names)
	var mails [][]byte
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		mails = append(mails, bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n")))
	}
	return mails
}

// Await waits until what has been delivered is enough.
func (p *NextHop) Await(t testing.TB, what string, enough func(mails [][]byte) bool) {
	t.Helper()
	p.await(t, what, func() bool { return enough(p.Delivered(t, 0)) })
}

func (p *NextHop) await(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no %s\n%s", what, p.Log())
		}
	}
}
