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
	issAlways  bool // RFC 9207: the answer always carries iss
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
func (g *Gate) reach(ctx context.Context) (*provider, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.provider != nil {
		return g.provider, nil
	}
	if time.Now().Before(g.retryAt) {
		return nil, fmt.Errorf("%w: %w", ErrProviderDown, g.failed)
	}
	p, err := g.discover(ctx)
	if err != nil {
		g.backoff = min(max(2*g.backoff, firstPause), lastPause)
		g.retryAt, g.failed = time.Now().Add(g.backoff), err
		return nil, fmt.Errorf("%w: %w", ErrProviderDown, err)
	}
	g.provider, g.backoff = p, 0
	return p, nil
}

func (g *Gate) discover(ctx context.Context) (*provider, error) {
	// The person who happened to come first may close the window: discovery serves everybody.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	found, err := oidc.NewProvider(oidc.ClientContext(ctx, g.oidc.Client), g.oidc.Issuer)
	if err != nil {
		return nil, fmt.Errorf("discover %s: %w", g.oidc.Issuer, err)
	}
	var more struct {
		Scopes     []string `json:"scopes_supported"`
		IssAlways  bool     `json:"authorization_response_iss_parameter_supported"`
		EndSession string   `json:"end_session_endpoint"`
	}
	if err := found.Claims(&more); err != nil {
		return nil, fmt.Errorf("read what %s offers: %w", g.oidc.Issuer, err)
	}
	return &provider{
		found:      found,
		verifier:   found.Verifier(&oidc.Config{ClientID: g.oidc.ClientID}),
		issAlways:  more.IssAlways,
		endSession: more.EndSession,
		oauth: oauth2.Config{
			ClientID: g.oidc.ClientID, ClientSecret: g.oidc.ClientSecret,
			Endpoint:    found.Endpoint(),
			RedirectURL: g.base.JoinPath(CallbackPath).String(),
			Scopes:      g.oidc.scopes(more.Scopes),
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
func (g *Gate) SignOutURL() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.provider == nil || g.provider.endSession == "" {
		return ""
	}
	u, err := url.Parse(g.provider.endSession)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") {
		return ""
	}
	q := u.Query()
	q.Set("client_id", g.oidc.ClientID)
	u.RawQuery = q.Encode()
	return u.String()
}

// Ready says whether the provider answers, for `check`. Serving mail does not
// depend on it.
func (g *Gate) Ready(ctx context.Context) error {
	_, err := g.reach(ctx)
	return err
}
