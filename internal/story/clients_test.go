package story

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sekisho-mail/sekisho/internal/testkit"
)

// program is a real mail program: how it is called, and what it adds to the end of a mail by itself.
type program struct {
	name, debian string
	adds         string
	command      func(job) *exec.Cmd
}

// job is one mail for a program to send.
type job struct {
	port      string
	implicit  bool // TLS from the start, else STARTTLS
	mechanism string
	file, ca  string
	to        []string
}

const user = "alice@corp.example"

func programs() []program {
	return []program{
		{name: "swaks", debian: "swaks", adds: "\r\n", command: swaks}, {name: "msmtp", debian: "msmtp", command: msmtp},
		{name: "curl", debian: "curl", command: curl}, {name: "python3", debian: "python3", command: python},
	}
}

func swaks(j job) *exec.Cmd {
	begin := "--tls"
	if j.implicit {
		begin = "--tls-on-connect"
	}
	return exec.Command("swaks", "--silent", "2", "--server", "localhost", "--port", j.port, begin, "--tls-verify", "--tls-ca-path", j.ca, "--timeout", "120",
		"--auth", j.mechanism, "--auth-user", user, "--auth-password", password, "--from", user, "--to", strings.Join(j.to, ","), "--data", "@"+j.file)
}

func msmtp(j job) *exec.Cmd {
	start := "on"
	if j.implicit {
		start = "off"
	}
	cmd := exec.Command("sh", append([]string{"-c", `exec msmtp "$@" <"$MAIL"`, "msmtp", "--file=/dev/null", "--host=localhost", "--port=" + j.port, "--tls=on",
		"--tls-starttls=" + start, "--tls-trust-file=" + j.ca, "--auth=" + strings.ToLower(j.mechanism), "--user=" + user,
		"--passwordeval=echo '" + password + "'", "--from=" + user, "--timeout=120", "--"}, j.to...)...)
	cmd.Env = append(os.Environ(), "MAIL="+j.file)
	return cmd
}

func curl(j job) *exec.Cmd {
	scheme := "smtp"
	if j.implicit {
		scheme = "smtps"
	}
	args := []string{"-sS", "--max-time", "180", "--url", scheme + "://localhost:" + j.port + "/client.example", "--ssl-reqd", "--cacert", j.ca,
		"--login-options", "AUTH=" + j.mechanism, "-u", user + ":" + password, "--mail-from", user, "-T", j.file}
	for _, to := range j.to {
		args = append(args, "--mail-rcpt", to)
	}
	return exec.Command("curl", args...)
}

const pythonClient = `
import smtplib, ssl, sys
port, implicit, mechanism, user, word, ca, file, *to = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
if implicit == "true":
    server = smtplib.SMTP_SSL("localhost", int(port), context=context, timeout=120)
else:
    server = smtplib.SMTP("localhost", int(port), timeout=120)
    server.starttls(context=context)
server.ehlo()
server.user, server.password = user, word
server.auth(mechanism, getattr(server, "auth_" + mechanism.lower()))
raw = open(file, "rb").read()
eight = ["BODY=8BITMIME"] if any(c > 127 for c in raw) else []
sys.exit(len(server.sendmail(user, to, raw, mail_options=eight)))
`

func python(j job) *exec.Cmd {
	return exec.Command("python3", append([]string{"-c", pythonClient, j.port, fmt.Sprint(j.implicit), j.mechanism, user, password, j.ca, j.file}, j.to...)...)
}

// parcel is a mail on its way through the whole product: who gets it, and how it should arrive.
type parcel struct {
	to  []string
	raw []byte
}

// TestRealClientsToMailboxes: real programs hand mail in, a real Postfix beyond delivers it to mailboxes, and what
// lies there is what was sent.
func TestRealClientsToMailboxes(t *testing.T) {
	t.Parallel()
	hop := startPostfix(t)
	h := found(t, settings{hop: hop, policy: atOnce, lines: map[string]string{
		// Programs greet the server they know as localhost, and check its certificate by that name.
		"submission": `{hostname: mail.corp.example, listen: ["{local_starttls}", "{ip}:587"], listen_tls: ["{local_tls}"], tls: {cert_file: {cert}, key_file: {key}}, auth: {users_file: users.yaml}}`,
	}})
	var all []parcel
	for _, p := range programs() {
		testkit.Need(t, p.name, p.debian)
		all = append(all, h.sendAll(p)...)
	}
	h.arrive(hop, all)
}

// sendAll lets a program send what is hard: Japanese in seven and eight bits, ten megabytes, sixty recipients; by
// PLAIN and LOGIN, STARTTLS and TLS.
func (h *house) sendAll(p program) (sent []parcel) {
	h.t.Helper()
	for i, c := range []struct {
		mail, size string
		to         int
		job        job
	}{
		{"plain.eml", "", 1, job{mechanism: "PLAIN"}},
		{"sjis.eml", "", 1, job{mechanism: "LOGIN", implicit: true}},
		{"quote.eml", "", 60, job{mechanism: "LOGIN"}},
		{"plain.eml", "10MB", 1, job{mechanism: "PLAIN", implicit: true}},
	} {
		j := c.job
		j.ca = h.cert.CAFile
		_, j.port, _ = net.SplitHostPort(h.local[j.implicit])
		for n := range c.to {
			j.to = append(j.to, fmt.Sprintf("%s-%d-%d@other.example", p.name, i, n))
		}
		raw := crlf([]byte(mustRead(h.t, filepath.Join("testdata/mails", c.mail))))
		raw = bytes.Replace(raw, []byte(".story@"), fmt.Appendf(nil, ".%s-%d@", p.name, i), 1)
		if c.size != "" {
			raw = append(raw, padding(10_000_000)...)
		}
		j.file = filepath.Join(h.t.TempDir(), "mail.eml")
		if err := os.WriteFile(j.file, raw, 0o600); err != nil {
			h.t.Fatal(err)
		}
		if out, err := p.command(j).CombinedOutput(); err != nil {
			h.t.Fatalf("%s %+v: %v\n%s", p.name, j, err, out)
		}
		sent = append(sent, parcel{to: j.to, raw: append(raw, p.adds...)})
	}
	return sent
}

// arrive waits until nothing is under way and compares every mailbox.
func (h *house) arrive(hop *mailboxes, all []parcel) {
	h.t.Helper()
	h.eventually("the queue is empty", func() error {
		out, errs, err := h.command("queue", "list", "--json")
		if err != nil || out != "" {
			return fmt.Errorf("%v\n%s%s", err, out, errs)
		}
		return nil
	})
	want := map[string][]byte{}
	for _, p := range all {
		for _, to := range p.to {
			want[to] = p.raw
		}
	}
	var got map[string][]delivery
	h.eventually("every mailbox has its mail", func() error {
		got = map[string][]delivery{}
		for _, d := range hop.deliveries(h.t) {
			if d.to[0] != user || d.from != "" { // not the notice of a mail that waits
				got[d.to[0]] = append(got[d.to[0]], d)
			}
		}
		for to := range want {
			if len(got[to]) == 0 {
				return fmt.Errorf("%s has none", to)
			}
		}
		return nil
	})
	for to, mails := range got {
		if len(mails) != 1 || want[to] == nil {
			h.t.Errorf("%s has %d mails; sent to it: %v", to, len(mails), want[to] != nil)
			continue
		}
		if err := identical(want[to], mails[0].raw); err != nil {
			h.t.Errorf("%s: %v", to, err)
		}
		if mails[0].from != user {
			h.t.Errorf("%s: from <%s>", to, mails[0].from)
		}
	}
	h.stop()
}

// TestPostfixNullClientToMailboxes: a Postfix without mailboxes of its own, as servers have it for their cron
// mails, hands everything to Sekisho. It splits sixty recipients into two transactions; each gets one mail.
func TestPostfixNullClientToMailboxes(t *testing.T) {
	t.Parallel()
	hop := startPostfix(t)
	h := found(t, settings{hop: hop, policy: atOnce})
	null := testkit.Postfix(t, "virtual_mailbox_domains =", "relayhost = ["+h.ip+"]:587", "smtp_sasl_auth_enable = yes",
		"smtp_sasl_password_maps = static:{"+user+":"+password+"}", "smtp_sasl_security_options = noanonymous", "smtp_sasl_mechanism_filter = plain",
		"smtp_tls_security_level = secure", "smtp_tls_CAfile = "+h.cert.CAFile, "smtp_tls_secure_cert_match = mail.corp.example",
		"smtpd_recipient_restrictions = permit_mynetworks, reject")
	var all []parcel
	for _, name := range []string{"plain.eml", "sjis.eml", "quote.eml"} {
		p := parcel{raw: crlf([]byte(mustRead(t, "testdata/mails/"+name)))}
		for n := range 60 {
			p.to = append(p.to, fmt.Sprintf("%s-%d@other.example", strings.TrimSuffix(name, ".eml"), n))
		}
		h.inject(null, p)
		all = append(all, p)
	}
	h.eventually("the null client has handed everything in", func() error {
		if n := strings.Count(null.Log(), "status=sent"); n < 180 {
			return fmt.Errorf("%d of 180 recipients", n)
		}
		return nil
	})
	h.arrive(hop, all)
}

func (h *house) inject(null *testkit.NextHop, p parcel) {
	h.t.Helper()
	conn, err := net.Dial("tcp", null.Address)
	if err != nil {
		h.t.Fatal(err)
	}
	s := greet(conn)
	defer s.close()
	for _, step := range []struct {
		code int
		line string
	}{{220, ""}, {250, "EHLO cron.corp.example"}} {
		if _, err := s.expect(step.code, step.line); err != nil {
			h.t.Fatal(err)
		}
	}
	l := letterOf{from: user, to: p.to, raw: p.raw}
	if slices.ContainsFunc(p.raw, func(b byte) bool { return b > 127 }) {
		l.parameters = "BODY=8BITMIME"
	}
	if a, err := s.send(l); err != nil || a.code != 250 {
		h.t.Fatalf("%v %s", err, a)
	}
}
