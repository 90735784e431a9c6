package submission

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

var errTest = errors.New("made by the test")

func loopback() []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }

func TestExtensionsOffered(t *testing.T) {
	r := serve(t)
	c := r.plain()
	got := c.do("EHLO client.example", "250")
	for _, want := range []string{"PIPELINING", "8BITMIME", "SMTPUTF8", "CHUNKING", "SIZE 157286400", "DSN", "ENHANCEDSTATUSCODES", "STARTTLS"} {
		if !strings.Contains(got, want+"\r\n") && !strings.HasSuffix(got, want) {
			t.Errorf("before TLS %s is not offered:\n%s", want, got)
		}
	}
	if strings.Contains(got, "AUTH") || strings.Contains(got, "BINARYMIME") {
		t.Errorf("offered too much before TLS:\n%s", got)
	}
	got = r.tls().do("EHLO client.example", "250")
	if !strings.Contains(got, "AUTH PLAIN LOGIN") || strings.Contains(got, "STARTTLS") || strings.Contains(got, "BINARYMIME") {
		t.Errorf("over TLS:\n%s", got)
	}
	got = r.gateway().do("EHLO client.example", "250")
	if strings.Contains(got, "AUTH") || !strings.Contains(got, "STARTTLS") {
		t.Errorf("on the gateway port:\n%s", got)
	}
}

func TestOrderOfCommands(t *testing.T) {
	r := serve(t)
	c := r.plain()
	c.do("MAIL FROM:<alice@corp.example>", "503 5.5.1")
	c.do("EHLO client.example", "250")
	c.do("MAIL FROM:<alice@corp.example>", "530 5.7.0 Must issue a STARTTLS")
	c.do("AUTH PLAIN "+plainToken("", "alice@corp.example", password), "538 5.7.11")
	c = r.tls()
	c.do("EHLO client.example", "250")
	c.do("MAIL FROM:<alice@corp.example>", "530 5.7.0 Authentication required")
	c.do("RCPT TO:<b@other.example>", "503 5.5.1")
	c.do("DATA", "503 5.5.1")
	c.send("BDAT 5\r\nNOOP\n")
	c.want("503 5.5.1")
	c.do("STARTTLS", "503 5.5.1")
	c.do("EXPN staff", "502 5.5.1")
	c.do("VRFY alice", "252")
	c.do("WIZ", "500 5.5.1")
	c.do("QUIT", "221")
	c.closed()
}

func TestTooManyMistakesEndTheConnection(t *testing.T) {
	r := serve(t)
	c := r.plain()
	for range maxMistakes {
		c.do("WIZ", "500 5.5.1")
	}
	c.want("421 4.7.0")
	c.closed()
}

func TestABrowserIsSentAway(t *testing.T) {
	r := serve(t)
	c := r.gateway()
	c.send("POST / HTTP/1.1\r\nHost: x\r\n\r\nEHLO x\r\nMAIL FROM:<>\r\n")
	c.want("500 5.5.1")
	c.closed()
}

func TestPipelinedCommandsAreAnsweredInOrder(t *testing.T) {
	r := serve(t)
	c := r.signed("alice@corp.example")
	c.send("MAIL FROM:<alice@corp.example>\r\nRCPT TO:<b@other.example>\r\nRCPT TO:<bad>\r\nRCPT TO:<c@other.example>\r\nDATA\r\n")
	for _, want := range []string{"250 2.1.0", "250 2.1.5", "553 5.1.3", "250 2.1.5", "354"} {
		c.want(want)
	}
	c.send(someMail + ".\r\nMAIL FROM:<evil@other.example>\r\nRCPT TO:<b@other.example>\r\nDATA\r\nQUIT\r\n")
	for _, want := range []string{"250 2.0.0 Ok: queued as ", "550 5.7.1", "503 5.5.1", "503 5.5.1", "221"} {
		c.want(want)
	}
}

func TestParametersAreReadStrictly(t *testing.T) {
	r := serve(t)
	c := r.signed("alice@corp.example")
	for params, want := range map[string]string{
		"SIZE=1 SIZE=2":             "501 5.5.4",
		"SIZE=99999999999999999999": "552 5.3.4",
		"SIZE=157286401":            "552 5.3.4",
		"SIZE=x":                    "501",
		"BODY=BINARYMIME":           "504",
		"FOO=BAR":                   "555 5.5.4",
		"RET=SOME":                  "501",
	} {
		c.do("MAIL FROM:<alice@corp.example> "+params, want)
	}
	c = r.signed("alice@corp.example")
	c.do("MAIL FROM:<alice@corp.example>SIZE=1", "501")
	c.do("MAIL FROM: <alice@corp.example> SIZE=157286400 BODY=8BITMIME RET=HDRS ENVID=QQ+2B1 AUTH=<>", "250")
	c.do("RCPT TO:<b@other.example> NOTIFY=NEVER,DELAY", "501")
	c.do("RCPT TO:<b@other.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;c+2Bd@third.example", "250")
	c.do("RCPT TO:e@other.example NOTIFY=NEVER", "250")
	c.data(someMail)
	m := r.shelf.only(t)
	if m.Meta.Ret != "HDRS" || m.Meta.EnvID != "QQ+1" {
		t.Errorf("RET %q ENVID %q", m.Meta.Ret, m.Meta.EnvID)
	}
	if got := m.Recipients[0]; got.Notify != "SUCCESS,DELAY" || got.ORcpt != "RFC822;c+d@third.example" {
		t.Errorf("recipient %+v", got)
	}
	if got := m.Recipients[1]; got.Address != "e@other.example" || got.Notify != "NEVER" {
		t.Errorf("recipient %+v", got)
	}
}

func TestInternationalAddressesNeedSMTPUTF8(t *testing.T) {
	r := serve(t)
	c := r.signed("alice@corp.example")
	c.do("MAIL FROM:<鈴木@corp.example>", "553 5.6.7")
	c.do("MAIL FROM:<alice@corp.example>", "250")
	c.do("RCPT TO:<鈴木@other.example>", "553 5.6.7")
	c.do("RSET", "250")
	c.do("MAIL FROM:<alice@corp.example> SMTPUTF8", "250")
	c.do("RCPT TO:<b@other.example>", "250")
	c.data(someMail)
	c.do("MAIL FROM:<alice@corp.example> SMTPUTF8 BODY=8BITMIME", "250")
	c.do("RCPT TO:<鈴木@会社.example>", "250")
	c.data(someMail)
	all := r.shelf.all()
	if all[0].Meta.SMTPUTF8 {
		t.Error("an ASCII mail needs SMTPUTF8 only because the client said the word")
	}
	if !all[1].Meta.SMTPUTF8 || all[1].Recipients[0].Address != "鈴木@会社.example" {
		t.Errorf("%+v", all[1].Envelope)
	}
}

func TestStartTLSBeginsAnew(t *testing.T) {
	r := serve(t)
	c := r.plain()
	c.do("EHLO client.example", "250")
	c.do("STARTTLS now", "501")
	c.do("STARTTLS", "220 2.0.0")
	s := upgrade(c)
	s.do("AUTH PLAIN "+plainToken("", "alice@corp.example", password), "503 5.5.1") // the EHLO in the clear does not count
	s.do("EHLO client.example", "250")
	s.do("AUTH PLAIN "+plainToken("", "alice@corp.example", password), "235")
	s.mail(someMail)
	if got := string(r.shelf.only(t).bytes); !strings.Contains(got, "with ESMTPSA id") {
		t.Errorf("Received does not say ESMTPSA:\n%s", got)
	}
}

func TestCommandsBehindStartTLSAreNotExecuted(t *testing.T) {
	r := serve(t)
	c := r.gateway()
	c.do("EHLO client.example", "250")
	c.send("STARTTLS\r\nMAIL FROM:<alice@corp.example>\r\n")
	c.want("503 5.5.1")
	c.closed()
}

func TestChunksMakeOneMessage(t *testing.T) {
	r := serve(t)
	c := r.signed("alice@corp.example")
	text := someMail + ".a line with a dot\r\n.\r\nnot the end\r\n"
	c.begin("b@other.example")
	c.send("BDAT 10\r\n" + text[:10])
	c.want("250 2.0.0")
	c.do("NOOP", "250")
	c.do("MAIL FROM:<alice@corp.example>", "503 5.5.1")
	c.send("BDAT 0\r\n")
	c.want("250 2.0.0")
	rest := text[40:] + strings.Repeat("0123456789abcde\r\n", 60_000) + "end"
	c.send(fmt.Sprintf("BDAT 30\r\n%sBDAT %d\r\n%s", text[10:40], len(rest), rest))
	c.want("250")
	c.want("250")
	c.send("BDAT 2 LAST\r\n\r\n")
	c.want("250 2.0.0 Ok: queued as ")
	m := r.shelf.only(t)
	if !strings.Contains(string(m.bytes), text) || len(m.bytes) < 1000000 {
		t.Error("the chunks are not all there")
	}
	c.mail(someMail)
}

func TestBadChunksAreRefused(t *testing.T) {
	for _, bad := range []string{"BDAT", "BDAT -1", "BDAT x LAST", "BDAT 5 FIRST", "BDAT 5 LAST LAST", "BDAT 99999999999"} {
		r := serve(t)
		c := r.signed("alice@corp.example")
		c.begin("b@other.example")
		c.do(bad, "501 5.5.2")
		c.closed()
	}
	r := serve(t)
	c := r.signed("alice@corp.example")
	c.begin("b@other.example")
	bare := "From: alice@corp.example\r\n\r\na\nb\r\n"
	c.send("BDAT 4\r\nFrom")
	c.want("250")
	c.send("BDAT 29 LAST\r\n" + bare[4:])
	c.want("554 5.6.0")
	c.mail(someMail)
}
