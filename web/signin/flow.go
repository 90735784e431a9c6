package signin

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/sekisho-mail/sekisho/internal/db"
)

// flow is one login under way. It travels sealed in a cookie of its own, named
// after its state: two tabs do not disturb each other, and a stranger who only
// opens the login page writes nothing into the database.
type flow struct {
	Nonce    string `json:"n"`
	Verifier string `json:"v"`
	To       string `json:"t"`
	At       int64  `json:"a"`
}

const (
	flowPurpose  = "web login"
	flowLifetime = 10 * time.Minute
	stateLength  = 43 // 32 random bytes in base64url
)

// Refusals of a login that the person can do something about.
var (
	ErrLostFlow = errors.New("this login was not begun in this browser, or too long ago")
	ErrBadToken = errors.New("the provider's answer cannot be trusted")
)

// DeclinedError says that the provider itself said no.
type DeclinedError struct{ Code string }

func (e *DeclinedError) Error() string { return "the identity provider declined: " + e.Code }

// Begin starts a login that ends at the page to. It gives the provider's
// address to send the browser to and the cookie that must go with it.
func (k *client) Begin(ctx context.Context, to string) (string, *http.Cookie, error) {
	p, err := k.reach(ctx)
	if err != nil {
		return "", nil, err
	}
	now, err := k.db.Now(ctx)
	if err != nil {
		return "", nil, err
	}
	state := random()
	f := flow{Nonce: random(), Verifier: oauth2.GenerateVerifier(), To: to, At: db.Micros(now)}
	plain, err := json.Marshal(f)
	if err != nil {
		return "", nil, err
	}
	opts := []oauth2.AuthCodeOption{oidc.Nonce(f.Nonce), oauth2.S256ChallengeOption(f.Verifier)}
	if k.oidc.MaxAge > 0 {
		opts = append(opts, oauth2.SetAuthURLParam("max_age", fmt.Sprint(int(k.oidc.MaxAge.Seconds()))))
	}
	sealed := base64.RawURLEncoding.EncodeToString(k.keys.Seal(flowPurpose, state, plain))
	return p.oauth.AuthCodeURL(state, opts...), k.flowCookie(state, sealed, int(flowLifetime.Seconds())), nil
}

// flowCookie is SameSite=Lax: the provider's redirect back is a navigation from
// another site and must carry it.
func (k *client) flowCookie(state, value string, maxAge int) *http.Cookie {
	return &http.Cookie{
		Name: k.cookieName("login-" + state[:8]), Value: value, Path: "/", MaxAge: maxAge,
		Secure: k.secure(), HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}

func random() string {
	var b [32]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// resume opens the flow that the answer belongs to, and gives the cookie that
// removes it: an answer is taken once.
func (k *client) resume(ctx context.Context, r *http.Request) (*flow, *http.Cookie, error) {
	state := r.URL.Query().Get("state")
	if len(state) != stateLength {
		return nil, nil, ErrLostFlow
	}
	done := k.flowCookie(state, "", -1)
	cookie, err := r.Cookie(done.Name)
	if err != nil {
		return nil, nil, ErrLostFlow
	}
	sealed, err := base64.RawURLEncoding.DecodeString(cookie.Value)
	if err != nil {
		return nil, done, ErrLostFlow
	}
	plain, err := k.keys.Open(flowPurpose, state, sealed) // the whole state is the id: eight equal characters open nothing
	if err != nil {
		return nil, done, ErrLostFlow
	}
	var f flow
	if err := json.Unmarshal(plain, &f); err != nil {
		return nil, done, ErrLostFlow
	}
	now, err := k.db.Now(ctx)
	if err != nil {
		return nil, done, err
	}
	if age := now.Sub(db.Time(f.At)); age < -time.Minute || age > flowLifetime {
		return nil, done, ErrLostFlow
	}
	return &f, done, nil
}

// Finish takes the provider's answer, signs the person in, and gives the page
// the login was begun for. The cookie, when not nil, is to be set in any case.
func (g *Gate) Finish(r *http.Request) (to string, done *http.Cookie, err error) {
	ctx := r.Context()
	f, done, err := g.resume(ctx, r)
	if err != nil {
		return "", done, err
	}
	arrival, err := g.answer(ctx, r.URL.Query(), f)
	if err != nil {
		return f.To, done, err
	}
	id, err := g.admit(ctx, arrival)
	if err != nil {
		return f.To, done, err
	}
	return f.To, done, g.open(ctx, id)
}

// answer turns the query of the callback into the claims of a person.
func (k *client) answer(ctx context.Context, q url.Values, f *flow) (*arrival, error) {
	said, err := k.said(ctx, q, f)
	if err != nil {
		return nil, err
	}
	return k.arrivalOf(said)
}

// said turns the query of the callback into what the provider signed.
func (k *client) said(ctx context.Context, q url.Values, f *flow) (claims, error) {
	p, err := k.reach(ctx)
	if err != nil {
		return nil, err
	}
	// RFC 9207: an answer that says another issuer belongs to another provider's login (mix-up).
	if iss := q.Get("iss"); (iss != "" && iss != k.oidc.Issuer && p.tenants == nil) || (iss == "" && p.issAlways) {
		return nil, fmt.Errorf("%w: iss parameter", ErrBadToken)
	}
	if code := q.Get("error"); code != "" {
		return nil, &DeclinedError{Code: plainCode(code)}
	}
	ctx = oidc.ClientContext(ctx, k.oidc.Client)
	token, err := p.oauth.Exchange(ctx, q.Get("code"), oauth2.VerifierOption(f.Verifier))
	if err != nil {
		return nil, exchangeError(err)
	}
	said, err := k.verify(ctx, p, token, f.Nonce)
	if err != nil {
		return nil, err
	}
	return said, k.ask(ctx, p, token, said)
}

// exchangeError tells a provider that is down from one that refuses the code.
// Its text is not passed on: it may quote the code.
func exchangeError(err error) error {
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) {
		return fmt.Errorf("%w: token endpoint said %s", ErrBadToken, plainCode(refused.ErrorCode))
	}
	return fmt.Errorf("%w: token endpoint", ErrProviderDown)
}

// plainCode keeps what may stand in an OAuth error code and nothing else: the
// value comes from the browser.
func plainCode(code string) string {
	keep := func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_' || r == '-' {
			return r
		}
		return -1
	}
	code = strings.Map(keep, strings.ToLower(code))
	return code[:min(len(code), 40)]
}

// verify checks the ID token: what go-oidc checks, and what it leaves to us.
func (k *client) verify(ctx context.Context, p *provider, token *oauth2.Token, nonce string) (claims, error) {
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return nil, fmt.Errorf("%w: no ID token", ErrBadToken)
	}
	id, err := p.verifier.Verify(ctx, raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadToken, err)
	}
	var said claims
	if err := id.Claims(&said); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadToken, err)
	}
	if p.tenants != nil {
		if err := p.tenants.check(id.Issuer, said.text("tid")); err != nil {
			return nil, err
		}
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(nonce)) != 1 {
		return nil, fmt.Errorf("%w: nonce", ErrBadToken)
	}
	if id.Subject == "" {
		return nil, fmt.Errorf("%w: empty subject", ErrBadToken)
	}
	if id.AccessTokenHash != "" {
		if err := id.VerifyAccessToken(token.AccessToken); err != nil {
			return nil, fmt.Errorf("%w: at_hash", ErrBadToken)
		}
	}
	// OpenID Connect Core 3.1.3.7: with several audiences azp must be there, and where it is it must be us.
	azp, has := said["azp"]
	if (len(id.Audience) > 1 && !has) || (has && azp != k.oidc.ClientID) {
		return nil, fmt.Errorf("%w: azp", ErrBadToken)
	}
	return said, k.checkAge(ctx, said)
}

func (k *client) checkAge(ctx context.Context, said claims) error {
	if k.oidc.MaxAge == 0 {
		return nil
	}
	at, ok := said["auth_time"].(float64)
	now, err := k.db.Now(ctx)
	if err != nil {
		return err
	}
	const leeway = time.Minute
	if age := now.Sub(time.Unix(int64(at), 0)); !ok || age > k.oidc.MaxAge+leeway || age < -leeway {
		return fmt.Errorf("%w: auth_time", ErrBadToken)
	}
	return nil
}

// ask fills claims that the ID token lacks from the userinfo endpoint, where
// some providers keep e-mail and groups.
func (k *client) ask(ctx context.Context, p *provider, token *oauth2.Token, said claims) error {
	if k.signedOnly {
		return nil
	}
	_, person := said.at(k.oidc.PersonClaim)
	if _, stated := said["email_verified"]; k.oidc.PersonClaim == "email" && !stated {
		person = false
	}
	_, roles := said.at(k.oidc.RolesClaim)
	if (person && (roles || said.overage(k.oidc.RolesClaim))) || p.found.UserInfoEndpoint() == "" {
		return nil
	}
	info, err := p.found.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil {
		if person { // the roles alone are missing: most providers simply have none
			return nil
		}
		return fmt.Errorf("%w: userinfo endpoint", ErrProviderDown)
	}
	if info.Subject != said.text("sub") {
		return fmt.Errorf("%w: userinfo of another subject", ErrBadToken)
	}
	var more claims
	if err := info.Claims(&more); err != nil {
		return fmt.Errorf("%w: userinfo", ErrBadToken)
	}
	for name, value := range more {
		if _, there := said[name]; !there { // what was signed wins
			said[name] = value
		}
	}
	return nil
}
