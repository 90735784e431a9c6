package relay

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/sekisho-mail/sekisho/internal/testkit"
)

// endpoint is a token endpoint over HTTPS, and the list of the tokens that a mail server takes.
type endpoint struct {
	*httptest.Server
	key *rsa.PublicKey // of a service account

	mu     sync.Mutex
	secret string
	life   int
	given  int
	valid  map[string]bool
	asked  []map[string]string
}

func newEndpoint(t *testing.T) *endpoint {
	t.Helper()
	e := &endpoint{secret: "first secret", life: 3600, valid: map[string]bool{}}
	e.Server = httptest.NewTLSServer(e)
	t.Cleanup(e.Close)
	return e
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	form := map[string]string{}
	_ = r.ParseForm() // an empty form is refused below
	for k := range r.PostForm {
		form[k] = r.PostForm.Get(k)
	}
	e.asked = append(e.asked, form)
	w.Header().Set("Content-Type", "application/json")
	if !e.proved(form) {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided."}`)
		return
	}
	e.given++
	token := fmt.Sprint("token-", e.given)
	e.valid[token] = true
	fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":%d}`, token, e.life)
}

func (e *endpoint) proved(form map[string]string) bool {
	switch form["grant_type"] {
	case "client_credentials":
		return form["client_id"] == "the-client" && form["client_secret"] == e.secret && form["scope"] == "https://outlook.office365.com/.default"
	case "urn:ietf:params:oauth:grant-type:jwt-bearer":
		parts := strings.Split(form["assertion"], ".")
		if len(parts) != 3 {
			return false
		}
		signature, _ := base64.RawURLEncoding.DecodeString(parts[2])
		sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
		if rsa.VerifyPKCS1v15(e.key, crypto.SHA256, sum[:], signature) != nil {
			return false
		}
		raw, _ := base64.RawURLEncoding.DecodeString(parts[1])
		var claims struct{ Iss, Sub, Scope, Aud string }
		return json.Unmarshal(raw, &claims) == nil && claims.Iss == "robot@project.iam.example" && claims.Sub == "relay@corp.example" &&
			claims.Scope == "https://mail.google.com/" && claims.Aud == e.URL
	}
	return false
}

func (e *endpoint) takes(token string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.valid[token]
}

func (e *endpoint) requests() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.asked)
}

// xoauth2Server is the server's side of XOAUTH2 as Exchange Online and Gmail have it: a refusal comes as a challenge.
type xoauth2Server struct {
	check  func(user, token string) bool
	failed bool
}

func (x *xoauth2Server) Next(response []byte) ([]byte, bool, error) {
	if x.failed {
		return nil, true, &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 3}, Message: "Authentication unsuccessful"}
	}
	var user, token string
	for part := range strings.SplitSeq(string(response), "\x01") {
		if u, ok := strings.CutPrefix(part, "user="); ok {
			user = u
		}
		if b, ok := strings.CutPrefix(part, "auth=Bearer "); ok {
			token = b
		}
	}
	if strings.HasSuffix(string(response), "\x01\x01") && x.check(user, token) {
		return nil, true, nil
	}
	x.failed = true
	return []byte(`{"status":"401"}`), false, nil
}

// tokenUpstream is a mail server that takes tokens of the endpoint.
func tokenUpstream(t *testing.T, certificate testkit.Certificate, e *endpoint, mechanism string) (*upstream, string) {
	u, address := newUpstream(t, certificate, false, mechanism)
	u.token = func(user, token string) bool { return user == "relay@corp.example" && e.takes(token) }
	return u, address
}

func tokenRelay(t *testing.T, address string, certificate testkit.Certificate, tokens *Tokens) *Relay {
	t.Helper()
	r, err := New(Options{Hostname: "mail.corp.example", Routes: []Route{{Hosts: []Host{{Address: address, Roots: certificate.Roots,
		Username: "relay@corp.example", Tokens: tokens}}}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.closeIdle(time.Time{}) })
	return r
}

func TestSignsInWithATokenThatIsKeptAndRenewed(t *testing.T) {
	certificate := testkit.NewCertificate(t, "127.0.0.1")
	for _, mechanism := range []string{xoauth2, sasl.OAuthBearer} {
		e := newEndpoint(t)
		secret := e.secret
		tokens := ClientCredentials(e.URL, "the-client", func() (string, error) { return secret, nil }, []string{"https://outlook.office365.com/.default"}, e.Client())
		u, address := tokenUpstream(t, certificate, e, mechanism)
		r := tokenRelay(t, address, certificate, tokens)
		send := func() string {
			t.Helper()
			r.closeIdle(time.Time{}) // the next mail signs in anew
			got := outcome(r.Send(t.Context(), outgoing(plainMail, "a@x.example"))[0])
			if got == "sent" {
				<-u.mails
			}
			return got
		}
		for range 3 {
			if got := send(); got != "sent" {
				t.Fatalf("%s: %s", mechanism, got)
			}
		}
		if n := e.requests(); n != 1 {
			t.Errorf("%s: %d tokens for three sessions", mechanism, n)
		}
		// Near its end it is replaced.
		tokens.token.Expiry = time.Now().Add(time.Minute)
		tokens.since = time.Now().Add(-time.Hour)
		if got := send(); got != "sent" || e.requests() != 2 {
			t.Errorf("%s: %s after %d requests", mechanism, got, e.requests())
		}
		// Revoked, it is replaced within the attempt.
		clear(e.valid)
		tokens.since = time.Now().Add(-time.Hour)
		if got := send(); got != "sent" || e.requests() != 3 {
			t.Errorf("%s: %s after %d requests", mechanism, got, e.requests())
		}
		// A new secret needs no restart.
		e.secret, secret = "second secret", "second secret"
		tokens.token = nil
		if got := send(); got != "sent" {
			t.Errorf("%s: %s with a new secret", mechanism, got)
		}
	}
}

// TestRefusedSecretKeepsTheMailAndItsOwn: the mail waits, and the secret stands in no error.
func TestRefusedSecretKeepsTheMailAndItsOwn(t *testing.T) {
	certificate := testkit.NewCertificate(t, "127.0.0.1")
	e := newEndpoint(t)
	tokens := ClientCredentials(e.URL, "the-client", func() (string, error) { return "wrong-secret", nil }, []string{"https://outlook.office365.com/.default"}, e.Client())
	_, address := tokenUpstream(t, certificate, e, xoauth2)
	result := tokenRelay(t, address, certificate, tokens).Send(t.Context(), outgoing(plainMail, "a@x.example"))[0]
	if result.Err == nil || !result.Err.Temporary || !strings.Contains(result.Err.Text, "AADSTS7000215") || strings.Contains(result.Err.Text, "wrong-secret") {
		t.Errorf("%v", result.Err)
	}
	plain, address := newUpstream(t, certificate, false, sasl.Plain)
	_ = plain
	result = tokenRelay(t, address, certificate, tokens).Send(t.Context(), outgoing(plainMail, "a@x.example"))[0]
	if result.Err == nil || !result.Err.Temporary || !strings.Contains(result.Err.Text, "XOAUTH2") {
		t.Errorf("%v", result.Err)
	}
}

// TestFreshTokenThatIsRefusedIsNotFetchedAgainAtOnce: a mailbox without the right to send must not hammer the endpoint.
func TestFreshTokenThatIsRefusedIsNotFetchedAgainAtOnce(t *testing.T) {
	certificate := testkit.NewCertificate(t, "127.0.0.1")
	e := newEndpoint(t)
	tokens := ClientCredentials(e.URL, "the-client", func() (string, error) { return e.secret, nil }, []string{"https://outlook.office365.com/.default"}, e.Client())
	u, address := tokenUpstream(t, certificate, e, xoauth2)
	u.token = func(string, string) bool { return false }
	r := tokenRelay(t, address, certificate, tokens)
	for range 5 {
		if got := outcome(r.Send(t.Context(), outgoing(plainMail, "a@x.example"))[0]); got != "temporary 535" {
			t.Error(got)
		}
	}
	if n := e.requests(); n != 1 {
		t.Errorf("%d tokens were fetched", n)
	}
}

func TestServiceAccountSignsForAMailbox(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certificate := testkit.NewCertificate(t, "127.0.0.1")
	e := newEndpoint(t)
	e.key = &key.PublicKey
	file, err := json.Marshal(map[string]string{"type": "service_account", "client_email": "robot@project.iam.example", "private_key_id": "k1",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})), "token_uri": e.URL})
	if err != nil {
		t.Fatal(err)
	}
	_, address := tokenUpstream(t, certificate, e, xoauth2)
	tokens := ServiceAccount(func() (string, error) { return string(file), nil }, "relay@corp.example", "", e.Client())
	wantSent(t, tokenRelay(t, address, certificate, tokens).Send(t.Context(), outgoing(plainMail, "a@x.example")))
	for _, bad := range []string{"", "{}", `{"type":"authorized_user","private_key":"x"}`, `{"type":"service_account","private_key":"no key","token_uri":"` + e.URL + `"}`} {
		tokens := ServiceAccount(func() (string, error) { return bad, nil }, "relay@corp.example", "", e.Client())
		if token, err := tokens.Get(t.Context()); err == nil {
			t.Errorf("%q gave %s", bad, token)
		}
	}
}

// TestPostfixTakesOurToken: Dovecot, whose reading of XOAUTH2 is not ours, asks the endpoint whether it is good.
func TestPostfixTakesOurToken(t *testing.T) {
	e := newEndpoint(t)
	introspection := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"active":%v,"username":"relay@corp.example"}`, e.takes(r.FormValue("token")))
	}))
	t.Cleanup(introspection.Close)
	p := testkit.Postfix(t, testkit.DovecotTokens(t, introspection.URL+"/")...)
	tokens := ClientCredentials(e.URL, "the-client", func() (string, error) { return e.secret, nil }, []string{"https://outlook.office365.com/.default"}, e.Client())
	with := func(tokens *Tokens) *Relay {
		return relayToPostfix(t, p, func(o *Options) { only(o).Username, only(o).Tokens = "relay@corp.example", tokens })
	}
	wantSent(t, with(tokens).Send(t.Context(), outgoing(plainMail, "a@x.example")))
	clear(e.valid)
	if got := outcome(with(tokens).Send(t.Context(), outgoing(plainMail, "a@x.example"))[0]); got != "temporary 535" {
		t.Errorf("%s with a revoked token\n%s", got, p.Log())
	}
	if got := outcome(relayToPostfix(t, p).Send(t.Context(), outgoing(plainMail, "a@x.example"))[0]); !strings.HasPrefix(got, "permanent 554") {
		t.Errorf("%s without a token", got)
	}
	p.Delivered(t, 1)
}
