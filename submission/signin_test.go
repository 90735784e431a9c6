package submission

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

func (r *running) greeted() *client {
	r.t.Helper()
	c := r.tls()
	c.do("EHLO client.example", "250")
	return c
}

func TestSignInForms(t *testing.T) {
	token := plainToken("", "alice@corp.example", password)
	for name, steps := range map[string][][2]string{
		"PLAIN with initial response":    {{"AUTH PLAIN " + token, "235 2.7.0"}},
		"plain in lower case":            {{"auth plain " + token, "235 2.7.0"}},
		"PLAIN without initial response": {{"AUTH PLAIN", "334 "}, {token, "235 2.7.0"}},
		"PLAIN with equal authzid":       {{"AUTH PLAIN " + plainToken("alice@corp.example", "alice@corp.example", password), "235"}},
		"address in other case":          {{"AUTH PLAIN " + plainToken("", "Alice@CORP.example", password), "235"}},
		"LOGIN": {{"AUTH LOGIN", "334 " + b64("Username:")}, {b64("alice@corp.example"), "334 " + b64("Password:")},
			{b64(password), "235 2.7.0"}},
		"LOGIN with initial response": {{"AUTH LOGIN " + b64("alice@corp.example"), "334 " + b64("Password:")}, {b64(password), "235"}},
		"second sign-in":              {{"AUTH PLAIN " + token, "235"}, {"AUTH PLAIN " + token, "503 5.5.1"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := serve(t).greeted()
			for _, s := range steps {
				c.do(s[0], s[1])
			}
		})
	}
}

func TestSignInsThatAreRefused(t *testing.T) {
	for name, steps := range map[string][][2]string{
		"wrong password":       {{"AUTH PLAIN " + plainToken("", "alice@corp.example", "wrong"), "535 5.7.8"}},
		"unknown user":         {{"AUTH PLAIN " + plainToken("", "nobody@corp.example", password), "535 5.7.8"}},
		"user is no address":   {{"AUTH PLAIN " + plainToken("", "alice", password), "535 5.7.8"}},
		"another's identity":   {{"AUTH PLAIN " + plainToken("bob@corp.example", "alice@corp.example", password), "535 5.7.8"}},
		"empty password":       {{"AUTH PLAIN " + plainToken("", "alice@corp.example", ""), "535 5.7.8"}},
		"empty response":       {{"AUTH PLAIN =", "501 5.5.2"}},
		"two NULs too many":    {{"AUTH PLAIN " + b64("a\x00b\x00c\x00d"), "501 5.5.2"}},
		"no NUL":               {{"AUTH PLAIN " + b64("alice"), "501 5.5.2"}},
		"bad base64 at once":   {{"AUTH PLAIN !!!", "501 5.5.2"}},
		"bad base64 later":     {{"AUTH PLAIN", "334 "}, {"!!!", "501 5.5.2"}, {"NOOP", "250"}},
		"cancelled":            {{"AUTH LOGIN", "334 "}, {"*", "501 5.7.0"}, {"NOOP", "250"}},
		"LOGIN empty password": {{"AUTH LOGIN", "334 "}, {b64("alice@corp.example"), "334 "}, {"", "535 5.7.8"}},
		"LOGIN wrong password": {{"AUTH LOGIN " + b64("alice@corp.example"), "334 "}, {b64("x"), "535 5.7.8"}},
		"unknown mechanism":    {{"AUTH CRAM-MD5", "504 5.5.4"}},
		"no mechanism":         {{"AUTH", "501 5.5.2"}},
		"long password":        {{"AUTH PLAIN " + plainToken("", "alice@corp.example", strings.Repeat("x", 2000)), "535 5.7.8"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := serve(t).greeted()
			for _, s := range steps {
				c.do(s[0], s[1])
			}
			c.do("MAIL FROM:<alice@corp.example>", "530 5.7.0")
		})
	}
}

func TestThreeWrongPasswordsEndTheConnection(t *testing.T) {
	c := serve(t).greeted()
	for i := range maxWrong {
		c.do("AUTH PLAIN "+plainToken("", "alice@corp.example", fmt.Sprint("wrong", i)), "535 5.7.8")
	}
	c.want("421 4.7.0")
	c.closed()
}

func TestTimeToSignInIsLimited(t *testing.T) {
	r := serve(t, func(o *Options) { o.Limits.SignIn = 300 * time.Millisecond })
	lazy, prompt := r.greeted(), r.signed("alice@corp.example")
	for range 4 { // it keeps talking and signs in never
		time.Sleep(100 * time.Millisecond)
		lazy.conn.Write([]byte("NOOP\r\n"))
	}
	lazy.closed()
	prompt.mail(someMail)
}

func TestSignInBackendInTroubleIs454(t *testing.T) {
	for err, want := range map[error]string{ErrBusy: "454 4.7.0 Too many people", errTest: "454 4.7.0 Sign-ins cannot"} {
		r := serve(t, func(o *Options) {
			o.Verify = func(context.Context, string, string) (mailaddr.Address, error) { return "", err }
		})
		r.greeted().do("AUTH PLAIN "+plainToken("", "alice@corp.example", password), want)
	}
}

// over is a sign-in over the wire on a connection of its own.
func (r *running) over(user, word string) string {
	r.t.Helper()
	c := r.greeted()
	defer c.conn.Close()
	return c.do("AUTH PLAIN "+plainToken("", user, word), "")[:3]
}

func TestGuessingIsStoppedForThatUserAtThatAddressOnly(t *testing.T) {
	r := serve(t)
	r.over("alice@corp.example", password) // her computer has been here before
	for i := range pairWrong {
		if got := r.over("alice@corp.example", fmt.Sprint("guess", i)); got != "535" {
			t.Fatalf("guess %d: %s", i, got)
		}
		if got := r.over("bob@corp.example", fmt.Sprint("guess", i)); got != "535" {
			t.Fatalf("guess %d: %s", i, got)
		}
	}
	for user, want := range map[string]string{
		"alice@corp.example": "235", // the computer whose password was right before goes on
		"robot@corp.example": "235", // nobody else in the office notices
		"bob@corp.example":   "454", // never signed in from here, and somebody guesses
	} {
		if got := r.over(user, password); got != want {
			t.Errorf("%s: %s, want %s", user, got, want)
		}
	}
	if got := r.over("alice@corp.example", "guess again"); got != "454" {
		t.Errorf("another guess: %s", got)
	}
}

func TestOldPasswordOfATelephoneBlocksNobody(t *testing.T) {
	r := serve(t)
	for range 3 * pairWrong {
		if got := r.over("alice@corp.example", "last month's"); got != "535" {
			t.Fatalf("telephone: %s", got)
		}
	}
	if got := r.over("alice@corp.example", password); got != "235" {
		t.Errorf("computer beside it: %s", got)
	}
}

var (
	office = netip.MustParseAddr("192.0.2.1")
	abroad = netip.MustParseAddr("198.51.100.7")
)

func TestNobodyLocksAnAccountFromOutside(t *testing.T) {
	f, now := newFailures(nil), time.Now()
	for i := range 1000 {
		f.failed(f.attempt("alice@corp.example", fmt.Sprint(i), abroad), now)
	}
	if f.blocked(t.Context(), f.attempt("alice@corp.example", "new", abroad), now) == 0 {
		t.Error("the guesser is not stopped")
	}
	if wait := f.blocked(t.Context(), f.attempt("alice@corp.example", password, office), now); wait != 0 {
		t.Errorf("alice in the office waits %v", wait)
	}
	if wait := f.blocked(t.Context(), f.attempt("alice@corp.example", "new", abroad), now.Add(pairWindow)); wait != 0 {
		t.Errorf("for ever: %v", wait)
	}
}

func TestSprayingOverManyUsersIsSeenAtTheAddress(t *testing.T) {
	f, now := newFailures(nil), time.Now()
	f.succeeded(f.attempt("alice@corp.example", password, office))
	for i := range placeUsers {
		a := f.attempt(fmt.Sprintf("user%d@corp.example", i), "summer2025", office)
		if f.blocked(t.Context(), a, now) != 0 {
			t.Fatalf("blocked after %d users", i)
		}
		f.failed(a, now)
	}
	if f.blocked(t.Context(), f.attempt("next@corp.example", "summer2025", office), now) == 0 {
		t.Error("the hundred-and-first user is tried")
	}
	// Alice has signed in from this address; her slip of the finger is not the sprayer's.
	if wait := f.blocked(t.Context(), f.attempt("alice@corp.example", "typo", office), now); wait != 0 {
		t.Errorf("alice waits %v", wait)
	}
	if wait := f.blocked(t.Context(), f.attempt("next@corp.example", "summer2025", abroad), now); wait != 0 {
		t.Errorf("another address waits %v", wait)
	}
}

func TestNeighbourhoodOfAddresses(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.1": "192.0.2.1/32", "::ffff:192.0.2.1": "192.0.2.1/32", "2001:db8:1:2:3::4": "2001:db8:1:2::/64",
	} {
		if got := neighbourhood(netip.MustParseAddr(in)).String(); got != want {
			t.Errorf("%s: %s", in, got)
		}
	}
}

func TestConnectionLimits(t *testing.T) {
	r := serve(t, func(o *Options) { o.Limits.ConnectionsPerAddress = 3 })
	var open []*client
	for range 3 {
		open = append(open, r.plain())
	}
	conn := r.rawPlain()
	if got, _ := conn.reply(); !strings.HasPrefix(got, "421 4.7.0 Too many connections from your address") {
		t.Errorf("fourth connection: %q", got)
	}
	open[0].do("QUIT", "221")
	open[0].closed()
	deadline := time.Now().Add(5 * time.Second)
	for {
		got, _ := r.rawPlain().reply()
		if strings.HasPrefix(got, "220") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("after one left: %q", got)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestThreeHundredPeopleBehindOneAddressSignInAtOnce(t *testing.T) {
	r := serve(t)
	var wg sync.WaitGroup
	failed := make(chan string, 300)
	for i := range 300 {
		wg.Go(func() {
			c := r.greeted()
			defer c.conn.Close()
			user := []string{"alice", "bob", "robot"}[i%3]
			if got := c.do("AUTH PLAIN "+plainToken("", user+"@corp.example", password), ""); got[:3] != "235" {
				failed <- got
			}
		})
	}
	wg.Wait()
	close(failed)
	for got := range failed {
		t.Fatalf("%s (and %d more)", got, len(failed))
	}
}
