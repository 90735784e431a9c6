package demo

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// Person is somebody who can sign in to the demo.
type Person struct {
	Email    string   `json:"email"`
	Password string   `json:"password"`
	Roles    []string `json:"roles"`
	Name     string   `json:"-"`
}

// Provider is an OpenID Connect provider for a handful of people: discovery, authorization code with PKCE (S256),
// RS256 ID tokens. Everything lives in memory and ends with the process.
type Provider struct {
	Issuer       string
	ClientID     string
	ClientSecret string
	Redirect     string // the one address a code is sent to
	People       []Person

	key    *rsa.PrivateKey
	signer jose.Signer

	mu    sync.Mutex
	codes map[string]grant
}

// grant is what a code stands for, once.
type grant struct {
	person    Person
	nonce     string
	challenge string
	at        time.Time
}

const codeLife = time.Minute

// Start makes the key of a provider whose exported fields are filled in.
func (p *Provider) Start() error {
	var err error
	if p.key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		return err
	}
	p.signer, err = jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: p.key, KeyID: "demo"}}, nil)
	p.codes = map[string]grant{}
	return err
}

// Handler serves the provider at the root of its issuer.
func (p *Provider) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", p.discovery)
	mux.HandleFunc("GET /keys", p.keys)
	mux.HandleFunc("GET /authorize", p.form)
	mux.HandleFunc("POST /authorize", p.login)
	mux.HandleFunc("POST /token", p.token)
	return http.NewCrossOriginProtection().Handler(mux)
}

func (p *Provider) discovery(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, map[string]any{
		"issuer": p.Issuer, "authorization_endpoint": p.Issuer + "/authorize", "token_endpoint": p.Issuer + "/token",
		"jwks_uri": p.Issuer + "/keys", "response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256"}, "code_challenge_methods_supported": []string{"S256"},
		"scopes_supported":                      []string{"openid", "email", "profile", "groups"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post"},
	})
}

func (p *Provider) keys(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: p.key.Public(), KeyID: "demo", Algorithm: "RS256", Use: "sig"}}})
}

//go:embed login.html
var loginHTML string

var loginPage = template.Must(template.New("login").Parse(loginHTML))

// form shows the sign-in page.
func (p *Provider) form(w http.ResponseWriter, r *http.Request) {
	p.show(w, r.URL.Query(), http.StatusOK, "", false)
}

func (p *Provider) show(w http.ResponseWriter, q url.Values, status int, email string, wrong bool) {
	if !p.known(q) {
		http.Error(w, "This request does not come from the demo.", http.StatusBadRequest)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	loginPage.Execute(w, map[string]any{"Query": q, "People": p.People, "Email": email, "Wrong": wrong}) // the reader has gone
}

// known says whether the request is one this provider answers at all.
func (p *Provider) known(q url.Values) bool {
	return q.Get("client_id") == p.ClientID && q.Get("redirect_uri") == p.Redirect && q.Get("response_type") == "code" &&
		q.Get("code_challenge_method") == "S256" && q.Get("code_challenge") != ""
}

func (p *Provider) login(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "The form cannot be read.", http.StatusBadRequest)
		return
	}
	who, ok := p.check(r.PostForm.Get("email"), r.PostForm.Get("password"))
	if !ok || !p.known(r.PostForm) {
		p.show(w, r.PostForm, http.StatusUnauthorized, r.PostForm.Get("email"), true)
		return
	}
	code := rand.Text()
	p.mu.Lock()
	p.codes[code] = grant{person: who, nonce: r.PostForm.Get("nonce"), challenge: r.PostForm.Get("code_challenge"), at: time.Now()}
	p.mu.Unlock()
	back := url.Values{"code": {code}, "state": {r.PostForm.Get("state")}}
	http.Redirect(w, r, p.Redirect+"?"+back.Encode(), http.StatusSeeOther)
}

func (p *Provider) check(email, password string) (who Person, ok bool) {
	for _, each := range p.People {
		same := strings.EqualFold(strings.TrimSpace(email), each.Email)
		if subtle.ConstantTimeCompare([]byte(password), []byte(each.Password)) == 1 && same {
			who, ok = each, true
		}
	}
	return who, ok
}

// token exchanges a code for an ID token, once.
func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	id, secret, basic := r.BasicAuth()
	if !basic {
		id, secret = r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	}
	if id != p.ClientID || subtle.ConstantTimeCompare([]byte(secret), []byte(p.ClientSecret)) != 1 {
		reply(w, http.StatusUnauthorized, map[string]string{"error": "invalid_client"})
		return
	}
	g, ok := p.redeem(r.PostFormValue("code"), r.PostFormValue("code_verifier"))
	if !ok || r.PostFormValue("grant_type") != "authorization_code" || r.PostFormValue("redirect_uri") != p.Redirect {
		reply(w, http.StatusBadRequest, map[string]string{"error": "invalid_grant"})
		return
	}
	signed, err := p.idToken(g)
	if err != nil {
		reply(w, http.StatusInternalServerError, map[string]string{"error": "server_error"})
		return
	}
	reply(w, http.StatusOK, map[string]any{"access_token": rand.Text(), "token_type": "Bearer", "expires_in": 300, "id_token": signed})
}

func (p *Provider) redeem(code, verifier string) (grant, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	g, ok := p.codes[code]
	delete(p.codes, code)
	for old, each := range p.codes {
		if time.Since(each.at) > codeLife {
			delete(p.codes, old)
		}
	}
	sum := sha256.Sum256([]byte(verifier))
	challenge := base64.RawURLEncoding.EncodeToString(sum[:])
	return g, ok && time.Since(g.at) <= codeLife && subtle.ConstantTimeCompare([]byte(challenge), []byte(g.challenge)) == 1
}

func (p *Provider) idToken(g grant) (string, error) {
	now := time.Now()
	return jwt.Signed(p.signer).Claims(jwt.Claims{
		Issuer: p.Issuer, Subject: "demo|" + g.person.Email, Audience: jwt.Audience{p.ClientID},
		IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(5 * time.Minute)),
	}).Claims(map[string]any{
		"nonce": g.nonce, "email": g.person.Email, "email_verified": true, "name": g.person.Name, "groups": g.person.Roles,
		"auth_time": now.Unix(),
	}).Serialize()
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v) // the reader has gone
}
