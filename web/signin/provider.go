package signin

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// ErrProviderDown says that the identity provider does not answer. Who is
// signed in stays signed in; nobody new gets in until it does.
var ErrProviderDown = errors.New("identity provider does not answer")

// provider is what discovery told us.
type provider struct {
	found      *oidc.Provider
	verifier   *oidc.IDTokenVerifier
	oauth      oauth2.Config
	tenants    *manyTenants // where tokens of many issuers are taken
	issAlways  bool         // RFC 9207: the answer always carries iss
	endSession string
}

// Bounds of the pause after a failed discovery: short enough that nobody
// notices a restart of the provider, long enough not to hammer it.
const (
	firstPause = time.Second
	lastPause  = 30 * time.Second
)

// reach finds the provider at first use, so that the product starts while the
// provider is down, and tries again after a growing pause.
func (k *client) reach(ctx context.Context) (*provider, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.provider != nil {
		return k.provider, nil
	}
	if time.Now().Before(k.retryAt) {
		return nil, fmt.Errorf("%w: %w", ErrProviderDown, k.failed)
	}
	p, err := k.discover(ctx)
	if err != nil {
		k.backoff = min(max(2*k.backoff, firstPause), lastPause)
		k.retryAt, k.failed = time.Now().Add(k.backoff), err
		return nil, fmt.Errorf("%w: %w", ErrProviderDown, err)
	}
	k.provider, k.backoff = p, 0
	return p, nil
}

func (k *client) discover(ctx context.Context) (*provider, error) {
	// The person who happened to come first may close the window: discovery serves everybody.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	at, tenants := tenantsOf(k.oidc.Issuer)
	ctx = oidc.ClientContext(ctx, k.oidc.Client)
	if tenants != nil {
		ctx = oidc.InsecureIssuerURLContext(ctx, tenants.issuer) // verify compares issuer and tenant of each token
	}
	found, err := oidc.NewProvider(ctx, at)
	if err != nil {
		return nil, fmt.Errorf("discover %s: %w", k.oidc.Issuer, err)
	}
	var more struct {
		Scopes     []string `json:"scopes_supported"`
		IssAlways  bool     `json:"authorization_response_iss_parameter_supported"`
		EndSession string   `json:"end_session_endpoint"`
	}
	if err := found.Claims(&more); err != nil {
		return nil, fmt.Errorf("read what %s offers: %w", k.oidc.Issuer, err)
	}
	return &provider{
		found:      found,
		verifier:   found.Verifier(&oidc.Config{ClientID: k.oidc.ClientID, SkipIssuerCheck: tenants != nil}),
		tenants:    tenants,
		issAlways:  more.IssAlways,
		endSession: more.EndSession,
		oauth: oauth2.Config{
			ClientID: k.oidc.ClientID, ClientSecret: k.oidc.ClientSecret,
			Endpoint:    found.Endpoint(),
			RedirectURL: k.base.JoinPath(k.callback).String(),
			Scopes:      k.oidc.scopes(more.Scopes),
		},
	}, nil
}

// scopes asks for what the provider offers and we can use. A scope it does not
// know is an error with Keycloak and Google, so "groups" goes only to those
// that list it (dex, Okta).
func (c OIDC) scopes(offered []string) []string {
	if len(c.Scopes) > 0 {
		return append([]string{oidc.ScopeOpenID}, c.Scopes...)
	}
	out := []string{oidc.ScopeOpenID, "profile", "email"}
	if slices.Contains(offered, "groups") {
		out = append(out, "groups")
	}
	return out
}

// CallbackPath is where the provider sends people back to, below the base URL.
const CallbackPath = "/login/callback"

// SignOutURL is where the provider ends its own session, "" where it offers no
// such place or was never reached.
func (k *client) SignOutURL() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.provider == nil || k.provider.endSession == "" {
		return ""
	}
	u, err := url.Parse(k.provider.endSession)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") {
		return ""
	}
	q := u.Query()
	q.Set("client_id", k.oidc.ClientID)
	u.RawQuery = q.Encode()
	return u.String()
}

// Ready says whether the provider answers, for `check`. Serving mail does not
// depend on it.
func (k *client) Ready(ctx context.Context) error {
	_, err := k.reach(ctx)
	return err
}
