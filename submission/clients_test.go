package submission

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// The clients of this file are real programs, each with its own idea of SMTP. `make test` installs them.

// mua is a program that sends a file.
type mua struct {
	name, pkg string
	noUTF8    bool   // it knows no SMTPUTF8
	adds      string // what it puts at the end of a mail by itself
	command   func(j job) *exec.Cmd
}

// job is one mail to send.
type job struct {
	implicit   bool // TLS from the start, else STARTTLS
	mechanism  string
	user, word string
	file, ca   string
	port       string
	from       string
	to         []string
}

func muas() []mua {
	return []mua{
		{name: "swaks", pkg: "swaks libnet-ssleay-perl libio-socket-ssl-perl libauthen-sasl-perl", noUTF8: true, adds: "\r\n", command: swaks},
		{name: "msmtp", pkg: "msmtp", noUTF8: true, command: msmtp},
		{name: "curl", pkg: "curl", command: curl},
		{name: "python3", pkg: "python3", command: smtplib},
	}
}

func swaks(j job) *exec.Cmd {
	begin := "--tls"
	if j.implicit {
		begin = "--tls-on-connect"
	}
	return exec.Command("swaks", "--silent", "2", "--server", "localhost", "--port", j.port, begin, "--tls-verify", "--tls-ca-path", j.ca,
		"--auth", strings.ToUpper(j.mechanism), "--auth-user", j.user, "--auth-password", j.word,
		"--from", j.from, "--to", strings.Join(j.to, ","), "--data", "@"+j.file, "--timeout", "30")
}

func msmtp(j job) *exec.Cmd {
	start := "--tls-starttls=on"
	if j.implicit {
		start = "--tls-starttls=off"
	}
	args := []string{"--file=/dev/null", "--host=localhost", "--port=" + j.port, "--tls=on", start, "--tls-trust-file=" + j.ca,
		"--auth=" + j.mechanism, "--user=" + j.user, "--passwordeval=printf %s '" + j.word + "'", "--from=" + j.from, "--timeout=30", "--"}
	cmd := exec.Command("msmtp", append(args, j.to...)...)
	cmd.Stdin = open(j.file)
	return cmd
}

func curl(j job) *exec.Cmd {
	args := []string{"-sS", "--max-time", "60", "--url", "smtp://localhost:" + j.port + "/client.example", "--ssl-reqd"}
	if j.implicit {
		args = []string{"-sS", "--max-time", "60", "--url", "smtps://localhost:" + j.port + "/client.example"}
	}
	args = append(args, "--cacert", j.ca, "--login-options", "AUTH="+strings.ToUpper(j.mechanism), "-u", j.user+":"+j.word,
		"--mail-from", j.from, "-T", j.file)
	for _, to := range j.to {
		args = append(args, "--mail-rcpt", to)
	}
	return exec.Command("curl", args...)
}

const smtplibScript = `
import smtplib, ssl, sys
implicit, mechanism, user, word, file, ca, port, sender, *to = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
if implicit == "true":
    s = smtplib.SMTP_SSL("localhost", int(port), context=context, timeout=30)
else:
    s = smtplib.SMTP("localhost", int(port), timeout=30)
    s.starttls(context=context)
s.ehlo()
s.user, s.password = user, word
s.auth(mechanism.upper(), getattr(s, "auth_" + mechanism))
data = open(file, "rb").read()
options = ["BODY=8BITMIME"] if any(c > 127 for c in data) else []
if not all(a.isascii() for a in to + [sender]):
    options.append("SMTPUTF8")
    s.command_encoding = "utf-8"
refused = s.sendmail(sender, to, data, mail_options=options)
s.quit()
sys.exit(bool(refused))
`

func smtplib(j job) *exec.Cmd {
	args := []string{"-c", smtplibScript, fmt.Sprint(j.implicit), j.mechanism, j.user, j.word, j.file, j.ca, j.port, j.from}
	return exec.Command("python3", append(args, j.to...)...)
}

// open is for standard input; exec closes nothing, the process ends soon.
func open(path string) *os.File {
	f, err := os.Open(path)
	if err != nil {
		panic(err)
	}
	return f
}

func needs(t *testing.T, program, pkg string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Fatalf("%s is not installed, and this test is about it: apt-get install %s (make test does so)", program, pkg)
	}
}

// post lets a program send a text and returns its output.
func (r *running) post(t *testing.T, m mua, j job, text string) (string, error) {
	t.Helper()
	j.file = filepath.Join(t.TempDir(), "mail.eml")
	if err := os.WriteFile(j.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	addr := r.srv.Addresses().Submission[0]
	if j.implicit {
		addr = r.srv.Addresses().SubmissionTLS[0]
	}
	_, j.port, _ = net.SplitHostPort(addr.String())
	if j.ca == "" {
		j.ca = caFile(t)
	}
	if j.word == "" {
		j.word = password
	}
	j.user, j.from = "alice@corp.example", "alice@corp.example"
	if j.to == nil {
		j.to = []string{"b@other.example"}
	}
	out, err := m.command(j).CombinedOutput()
	return string(out), err
}

func japanese(charset, encoded, body string) string {
	return "From: =?" + charset + "?B?" + encoded + "?= <alice@corp.example>\r\nTo: b@other.example\r\nSubject: =?" + charset + "?B?" + encoded + "?=\r\n" +
		"Date: Fri, 21 Nov 2025 10:00:00 +0900\r\nMessage-ID: <j@corp.example>\r\nMIME-Version: 1.0\r\n" +
		"Content-Type: text/plain; charset=" + charset + "\r\n\r\n" + body + "\r\n..\r\n.dots\r\n"
}

func TestRealClientsDeliverByteForByte(t *testing.T) {
	big := someMail + strings.Repeat("0123456789abcdefghijklmnopqrstuvwxyz\r\n", 100_000)
	cases := []struct {
		name string
		job  job
		text string
	}{
		{"STARTTLS and PLAIN", job{mechanism: "plain"}, someMail},
		{"STARTTLS and LOGIN", job{mechanism: "login"}, someMail},
		{"TLS and PLAIN", job{mechanism: "plain", implicit: true}, someMail},
		{"TLS and LOGIN", job{mechanism: "login", implicit: true}, someMail},
		{"ISO-2022-JP", job{mechanism: "plain"}, japanese("ISO-2022-JP", "GyRCRnxLXBsoQg==", "\x1b$BF|K\\\x1b(B")},
		{"Shift_JIS in eight bits", job{mechanism: "plain"}, japanese("Shift_JIS", "k/qWew==", "\x93\xfa\x96\x7b")},
		{"UTF-8 in eight bits", job{mechanism: "plain"}, japanese("UTF-8", "5pel5pys", "日本 ①㈱髙 😀")},
		{"four megabytes", job{mechanism: "plain"}, big},
		{"sixty recipients", job{mechanism: "plain", to: many(60)}, someMail},
	}
	for _, m := range muas() {
		for _, c := range cases {
			t.Run(m.name+" "+c.name, func(t *testing.T) {
				needs(t, m.name, m.pkg)
				r := serve(t)
				if out, err := r.post(t, m, c.job, c.text); err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				r.arrived(t, c.job, c.text+m.adds)
			})
		}
	}
}

func many(n int) []string {
	to := make([]string, n)
	for i := range to {
		to[i] = fmt.Sprintf("u%d@other.example", i)
	}
	return to
}

// arrived compares what was stored with what the program was given.
func (r *running) arrived(t *testing.T, j job, text string) {
	t.Helper()
	m := r.shelf.only(t)
	want := []byte(text)
	if got := m.bytes[max(len(m.bytes)-len(want), 0):]; !bytes.Equal(got, want) {
		t.Errorf("changed on the way: %d octets (%x) sent, %d stored below our block (%x)\n%.400q",
			len(want), sha256.Sum256(want), len(got), sha256.Sum256(got), got)
	}
	var to []string
	for _, rcpt := range m.Recipients {
		to = append(to, string(rcpt.Address))
	}
	if j.to != nil && !slices.Equal(to, j.to) {
		t.Errorf("recipients %v", to)
	}
	if m.Person != alice {
		t.Errorf("person %q", m.Person)
	}
}

func TestRealClientsAndInternationalAddresses(t *testing.T) {
	for _, m := range muas() {
		if m.noUTF8 {
			continue // it has no such option; the others show that ours works
		}
		t.Run(m.name, func(t *testing.T) {
			needs(t, m.name, m.pkg)
			r := serve(t)
			j := job{mechanism: "plain", to: []string{"鈴木@other.example"}}
			text := japanese("UTF-8", "5pel5pys", "日本")
			if out, err := r.post(t, m, j, text); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			r.arrived(t, j, text)
			if !r.shelf.only(t).Meta.SMTPUTF8 {
				t.Error("the mail does not say that it needs SMTPUTF8")
			}
		})
	}
}

func TestRealClientsAreToldOfAWrongPassword(t *testing.T) {
	for _, m := range muas() {
		t.Run(m.name, func(t *testing.T) {
			needs(t, m.name, m.pkg)
			r := serve(t)
			out, err := r.post(t, m, job{mechanism: "plain", word: "wrong"}, someMail)
			if err == nil {
				t.Errorf("%s reports success:\n%s", m.name, out)
			}
			if n := len(r.shelf.all()); n != 0 {
				t.Errorf("%d stored", n)
			}
		})
	}
}

func TestRealClientsHearWhyAMailIsRefused(t *testing.T) {
	for _, m := range muas() {
		t.Run(m.name, func(t *testing.T) {
			needs(t, m.name, m.pkg)
			r := serve(t)
			text := strings.Replace(someMail, "From: alice@", "From: ceo@", 1)
			out, err := r.post(t, m, job{mechanism: "plain"}, text)
			if err == nil {
				t.Errorf("%s reports success:\n%s", m.name, out)
			}
			// curl's own words hide the server's.
			if m.name != "curl" && !strings.Contains(out, "ceo@corp.example") {
				t.Errorf("%s does not show the reason:\n%s", m.name, out)
			}
		})
	}
}

func TestSendmailModeStripsBccItselfAndStillDelivers(t *testing.T) {
	needs(t, "msmtp", "msmtp")
	r := serve(t)
	_, port, _ := net.SplitHostPort(r.srv.Addresses().Submission[0].String())
	cmd := exec.Command("msmtp", "--file=/dev/null", "--host=localhost", "--port="+port, "--tls=on", "--tls-trust-file="+caFile(t),
		"--auth=on", "--user=alice@corp.example", "--passwordeval=printf %s '"+password+"'", "--from=alice@corp.example", "-t")
	cmd.Stdin = strings.NewReader("From: alice@corp.example\nTo: b@other.example\nBcc: hidden@other.example\nSubject: x\n\nhello\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	m := r.shelf.only(t)
	if len(m.Recipients) != 2 || strings.Contains(string(m.bytes), "hidden") {
		t.Errorf("%v\n%s", m.Recipients, m.bytes)
	}
}

// Postfix's load generator speaks plain SMTP to the gateway port, many mails over few connections.
func TestPostfixClientOnTheGatewayPort(t *testing.T) {
	needs(t, "smtp-source", "postfix")
	r := serve(t, with(Source{Name: "local", Networks: loopback(), Senders: []string{"corp.example"}, Owner: it}))
	_, port, _ := net.SplitHostPort(r.srv.Addresses().Gateway[0].String())
	start := time.Now()
	cmd := exec.Command("smtp-source", "-c", "-d", "-m", "200", "-s", "10", "-l", "4096", "-M", "mx.corp.example",
		"-f", "scan@corp.example", "-t", "b@other.example", "127.0.0.1:"+port)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if n := len(r.shelf.all()); n != 200 {
		t.Errorf("%d of 200 mails after %v", n, time.Since(start))
	}
}
