package submission

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// The tests of this file hold for what go-smtp alone would do wrong, in the order of the list we keep.

// 1. A timeout inside DATA must end the connection: the rest of the body would be executed as commands.
func TestTimeoutInsideDataEndsTheConnection(t *testing.T) {
	r := serve(t, func(o *Options) { o.Limits.Idle = 300 * time.Millisecond })
	c := r.signed("alice@corp.example")
	c.begin("b@other.example")
	c.do("DATA", "354")
	c.send("From: alice@corp.example\r\n\r\nfirst\r\n")
	c.want("421 4.4.2")
	c.conn.Write([]byte("RSET\r\nMAIL FROM:<alice@corp.example>\r\nRCPT TO:<evil@other.example>\r\nDATA\r\n"))
	if got, err := c.reply(); err == nil {
		t.Errorf("after the timeout the server still answers: %q", got)
	}
	if n := len(r.shelf.all()); n != 0 {
		t.Errorf("%d mails stored", n)
	}
}

// 1. And the connection itself is dead for good, whatever stands above it.
func TestConnectionThatTimedOutIsNeverReadAgain(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	c := &timed{Conn: ours, idle: 20 * time.Millisecond}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, errIdle) {
		t.Fatalf("silence: %v", err)
	}
	go theirs.Write([]byte("too late"))
	if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, errIdle) {
		t.Errorf("after the timeout: %d octets, %v", n, err)
	}
	ours.Close()
}

// 1. The time belongs to each Read: an upload that is slow but steady goes through, however long it takes.
func TestSlowSteadyUploadOutlivesTheIdleTime(t *testing.T) {
	r := serve(t, func(o *Options) { o.Limits.Idle = 400 * time.Millisecond })
	c := r.signed("alice@corp.example")
	c.begin("b@other.example")
	c.do("DATA", "354")
	c.send("From: alice@corp.example\r\n\r\n")
	for i := range 10 {
		time.Sleep(100 * time.Millisecond)
		c.send(fmt.Sprintf("line %d\r\n", i))
	}
	c.do(".", "250 2.0.0")
}

// 2. Bare CR, bare LF and NUL are refused wherever they stand, and none of the smuggling variants ends a message.
func TestBareLineEndsAndNULAreRefused(t *testing.T) {
	const head = "From: alice@corp.example\r\nTo: b@other.example\r\n"
	for name, body := range map[string]string{
		"bare LF in body":             head + "\r\none\ntwo\r\n",
		"bare CR in body":             head + "\r\none\rtwo\r\n",
		"bare CR at end of line":      head + "\r\none\r\r\ntwo\r\n",
		"bare CR at end of message":   head + "\r\none\r\r\n",
		"bare LF in header":           "From: alice@corp.example\nTo: b@other.example\r\n\r\none\r\n",
		"bare CR in header":           "From: alice@corp.example\rX: y\r\n\r\none\r\n",
		"NUL in body":                 head + "\r\none\x00two\r\n",
		"NUL in header":               head + "X: \x00\r\n\r\none\r\n",
		"dot CR in the middle":        head + "\r\none\r\n.\rtwo\r\n",
		"dot CR that go-smtp loses":   head + "\r\n.\rRCPT\r\n",
		"bare LF after a stuffed dot": head + "\r\n..x\ny\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			r := serve(t)
			c := r.signed("alice@corp.example")
			c.begin("b@other.example")
			c.do("DATA", "354")
			c.do(body+".", "554 5.6.0")
			// The framing was never in doubt, so the connection lives and the next mail goes.
			c.mail(someMail)
			if n := len(r.shelf.all()); n != 1 {
				t.Errorf("%d mails stored, want the second one only", n)
			}
		})
	}
}

func TestSmuggledEndOfDataEndsTheConnectionWithOneRefusal(t *testing.T) {
	for _, end := range []string{"\n.\n", "\n.\r\n", "\r\n.\n"} {
		t.Run(fmt.Sprintf("%q", end), func(t *testing.T) {
			r := serve(t)
			c := r.signed("alice@corp.example")
			c.begin("b@other.example")
			c.do("DATA", "354")
			c.send("From: alice@corp.example\r\n\r\none" + end +
				"MAIL FROM:<alice@corp.example>\r\nRCPT TO:<evil@other.example>\r\nDATA\r\nFrom: alice@corp.example\r\n\r\nevil\r\n.\r\n")
			c.want("554 5.6.0")
			if got, err := c.reply(); err == nil {
				t.Errorf("a second answer: %q", got)
			}
			if n := len(r.shelf.all()); n != 0 {
				t.Errorf("%d mails stored", n)
			}
		})
	}
}

func TestLoneCRNeverEndsData(t *testing.T) {
	for _, end := range []string{"\r.\r", "\r.\r\n", "\r\n.\r", "\r\r\n.\r\r\n"} {
		t.Run(fmt.Sprintf("%q", end), func(t *testing.T) {
			r := serve(t)
			c := r.signed("alice@corp.example")
			c.begin("b@other.example")
			c.do("DATA", "354")
			c.send("From: alice@corp.example\r\n\r\none" + end + "NOOP\r\nNOOP\r\n.\r\n")
			c.want("554 5.6.0")
			c.do("RSET", "250")
			if n := len(r.shelf.all()); n != 0 {
				t.Errorf("%d mails stored", n)
			}
		})
	}
}

func TestCommandLinesMustEndInCRLF(t *testing.T) {
	for _, l := range []string{"NOOP\n", "NOOP\r\rNOOP\r\n", "NO\x00OP\r\n", "NOOP\x08\r\n"} {
		r := serve(t)
		c := r.plain()
		c.send(l)
		c.want("500 5.5.2")
		c.closed()
	}
}

// 3. A second MAIL would replace the sender and keep the recipients; AUTH would change the person in mid-mail.
func TestSecondMailIs503AndChangesNothing(t *testing.T) {
	r := serve(t)
	c := r.signed("alice@corp.example")
	c.begin("b@other.example")
	c.do("MAIL FROM:<sales@corp.example>", "503 5.5.1")
	c.data(someMail)
	if got := r.shelf.only(t).MailFrom; got != alice {
		t.Errorf("sender %q", got)
	}
}

func TestAuthInsideAMailIs503(t *testing.T) {
	r := serve(t, func(o *Options) {
		o.Sources = []Source{{Name: "local", Networks: loopback(), Senders: []string{"corp.example"}, Owner: alice}}
	})
	c := r.signed("alice@corp.example")
	c.do("MAIL FROM:<alice@corp.example>", "250")
	c.do("AUTH PLAIN "+plainToken("", "bob@corp.example", password), "503 5.5.1 AUTH is not allowed while a message")
	c.do("RCPT TO:<b@other.example>", "250")
	c.data(someMail)
	if got := r.shelf.only(t).Person; got != alice {
		t.Errorf("person %q", got)
	}
}

// 4. The mailbox is judged as it stands on the wire.
func TestStrictMailboxGrammar(t *testing.T) {
	r := serve(t)
	c := r.signed("alice@corp.example")
	for _, bad := range []string{
		`"alice@corp.example> NOTIFY=NEVER"@corp.example`, "alice@corp.example@evil.example", "alice corp@corp.example",
		"@evil.example:alice@corp.example", "alice@corp..example", "alice@-corp.example", "alice", "alice@",
		"alice@[300.1.1.1]", "a\\@corp.example", "alice@corp.example,bob@corp.example",
	} {
		c.do("MAIL FROM:<"+bad+">", "553 5.1.")
		c.do("NOOP", "250")
		if bad == "alice@corp..example" { // before the tenth mistake ends the connection
			c = r.signed("alice@corp.example")
		}
	}
	c = r.signed("alice@corp.example")
	c.do("MAIL FROM:<alice@corp.example>", "250")
	for _, bad := range []string{
		`"victim@evil> NOTIFY=NEVER"@inside.example`, `"a<b"@inside.example`, "@relay.example:b@other.example",
		"b@@other.example", "b other@x.example",
	} {
		c.do("RCPT TO:<"+bad+">", "5")
	}
	c.do("RCPT TO:<>", "501 5.5.2")
	c.do("RCPT TO:<b@other.example>", "250")
	c.data(someMail)
	if got := r.shelf.only(t).Recipients; len(got) != 1 || got[0].Address != "b@other.example" {
		t.Errorf("recipients %v", got)
	}
}

func TestQuotedAndMobileMailboxesArriveAsWritten(t *testing.T) {
	r := serve(t)
	c := r.signed("alice@corp.example")
	want := []string{`"a b"@other.example`, "a..b.@keitai.example", `"with@sign"@other.example`}
	c.begin(want...)
	c.data(someMail)
	for i, got := range r.shelf.only(t).Recipients {
		if string(got.Address) != want[i] {
			t.Errorf("recipient %q, want %q", got.Address, want[i])
		}
	}
}

// 5. An error that is no reply becomes a temporary one and does not show its text.
func TestUnknownErrorIs451WithoutItsText(t *testing.T) {
	r := serve(t)
	c := r.signed("alice@corp.example")
	r.shelf.fail(nil, nil, fmt.Errorf("secret table name: %w", errTest))
	c.begin("b@other.example")
	c.do("DATA", "354")
	got := c.do(someMail+".", "451 4.3.0")
	if strings.Contains(got, "secret") || !strings.Contains(got, "reference ") {
		t.Errorf("reply %q", got)
	}
	_, ref, _ := strings.Cut(got, "reference ")
	if ref = strings.TrimSuffix(ref, ")"); !strings.Contains(r.log.String(), ref) {
		t.Errorf("the log does not know reference %q", ref)
	}
}

// 6. Lines of a body may be long; a refusal for one does not stick to the connection; commands may not be long.
func TestLongLines(t *testing.T) {
	r := serve(t)
	c := r.signed("alice@corp.example")
	long := "From: alice@corp.example\r\n\r\n" + strings.Repeat("x", 900<<10) + "\r\n"
	c.mail(long)
	if got := r.shelf.only(t).below(t, long); got != long {
		t.Error("a long line was changed")
	}
	c.begin("b@other.example")
	c.do("DATA", "354")
	c.do("From: alice@corp.example\r\n\r\n"+strings.Repeat("x", 1100<<10)+"\r\n.", "554 5.6.0")
	c.do("NOOP "+strings.Repeat("x", 5000), "500 5.5.2")
	c.mail(someMail)
	c.send("NOOP " + strings.Repeat("x", 100<<10) + "\r\n")
	c.want("500 5.5.2")
	c.closed()
}

// 7. What RSET ends between two chunks has nothing to do with the mail after it.
func TestResetBetweenChunksLeavesNothingBehind(t *testing.T) {
	r := serve(t)
	c := r.signed("alice@corp.example")
	for i := range 50 {
		c.begin("old@other.example")
		c.send(fmt.Sprintf("BDAT %d\r\n%s", len(someMail), someMail))
		c.want("250 2.0.0")
		c.do("RSET", "250 2.0.0")
		text := strings.Replace(someMail, "hello", fmt.Sprint("mail ", i), 1)
		c.begin("new@other.example")
		c.send(fmt.Sprintf("BDAT %d LAST\r\n%s", len(text), text))
		c.want("250 2.0.0 Ok: queued as ")
	}
	all := r.shelf.all()
	for i, m := range all {
		if m.Meta.Subject != fmt.Sprint("mail ", i) || m.Recipients[0].Address != "new@other.example" {
			t.Fatalf("mail %d: %q to %v", i, m.Meta.Subject, m.Recipients)
		}
	}
	if len(all) != 50 {
		t.Errorf("%d mails, want 50", len(all))
	}
}

// 8. Stopping ends idle connections at once, lets a body finish, and cuts what goes on after the grace.
func TestStopWaitsForABodyAndNotForTheIdle(t *testing.T) {
	r := serve(t, func(o *Options) { o.Limits.Grace = 5 * time.Second })
	idle, busy := r.plain(), r.signed("alice@corp.example")
	busy.begin("b@other.example")
	busy.do("DATA", "354")
	busy.send("From: alice@corp.example\r\n\r\nhalf ")
	time.Sleep(50 * time.Millisecond)
	stopped := make(chan error, 1)
	go func() { stopped <- r.stop() }()
	idle.want("421 4.3.2")
	idle.closed()
	busy.do("a mail\r\n.", "250 2.0.0 Ok: queued as ")
	busy.want("421 4.3.2")
	busy.closed()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestNothingRunsOnAfterTheStop(t *testing.T) {
	before := goleak.IgnoreCurrent()
	r := serve(t)
	open := []*client{r.plain(), r.tls(), r.gateway(), r.signed("alice@corp.example")}
	open[3].mail(someMail)
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	goleak.VerifyNone(t, before)
}

func TestStopCutsWhatOutlastsTheGrace(t *testing.T) {
	r := serve(t, func(o *Options) { o.Limits.Grace = 200 * time.Millisecond })
	c := r.signed("alice@corp.example")
	c.begin("b@other.example")
	c.do("DATA", "354")
	c.send("From: alice@corp.example\r\n\r\nhalf ")
	time.Sleep(50 * time.Millisecond)
	start := time.Now()
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("stopping took %v", took)
	}
	c.closed()
	if r.shelf.open != 0 || len(r.shelf.all()) != 0 {
		t.Error("half a mail is left")
	}
}
