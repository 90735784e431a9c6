// Package signin lets the people of the company in: OpenID Connect login
// against any provider, the pinning of a provider's subject to one person,
// roles, sessions, and the bearer tokens of programs.
//
// It owns the tables web_identity, web_session and web_token and the checks
// that go-oidc leaves to its callers. It must not know pages, mails or rules.
package signin

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/alexedwards/scs/v2"

	"github.com/sekisho-mail/sekisho/approval"
	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/seal"
)

// Role is what a login may do beyond its own mail. It is given by the provider
// (or by the configuration naming an address) and read again at every login.
type Role string

// The roles.
const (
	Admin    Role = "admin"    // every envelope, pause, act for absent approvers
	Approver Role = "approver" // joins the pools of approvers
	Auditor  Role = "auditor"  // reads the log and the reports, changes nothing
)

// OIDC says how to reach the provider and how to read its claims.
type OIDC struct {
	Issuer       string
	ClientID     string
	ClientSecret string
	PersonClaim  string            // "email" when empty
	RolesClaim   string            // "groups" when empty; dots lead into objects
	Roles        map[Role][]string // values of the roles claim, or addresses, that give a role
	Scopes       []string          // beside openid; chosen from what the provider offers when empty
	MaxAge       time.Duration     // how old the provider's own login may be; 0 asks nothing
	Client       *http.Client      // nil: one with a timeout
}

// Options are what a Gate is built from.
type Options struct {
	OIDC     OIDC
	DB       *db.DB
	Keys     *seal.Keys
	People   func() *approval.Book // the present reading of the people file
	BaseURL  *url.URL              // of the staff pages; https makes cookies Secure and __Host-
	Idle     time.Duration         // a session unused for so long ends; 0: 4 hours
	Lifetime time.Duration         // a session ends after so long in any case; 0: 12 hours
	Log      *slog.Logger
}

// Gate is where people sign in. It starts nothing by itself; Run sweeps.
type Gate struct {
	*client
	people   func() *approval.Book
	sessions *scs.SessionManager
	idle     time.Duration
	log      *slog.Logger
}

// client speaks OpenID Connect with one provider. What becomes of whom the provider vouches for is not its business.
type client struct {
	oidc     OIDC
	db       *db.DB // its clock only
	keys     *seal.Keys
	base     *url.URL
	callback string // path below base
	// signedOnly: what the ID token does not say is not asked for elsewhere.
	signedOnly bool

	mu       sync.Mutex // guards what follows: the provider as far as it was found
	provider *provider
	failed   error
	retryAt  time.Time
	backoff  time.Duration
}

// Default lifetimes: a working day at most, and half of one left alone.
const (
	defaultIdle     = 4 * time.Hour
	defaultLifetime = 12 * time.Hour
)

// New builds a gate. It does not speak to the provider, which may be down.
func New(o Options) (*Gate, error) {
	if problems := o.OIDC.Check(); len(problems) > 0 {
		return nil, fmt.Errorf("oidc: %w", errors.Join(problems...))
	}
	g := &Gate{client: &client{oidc: o.OIDC.filled(), db: o.DB, keys: o.Keys, base: o.BaseURL, callback: CallbackPath},
		people: o.People, idle: o.Idle, log: o.Log}
	if g.idle == 0 {
		g.idle = defaultIdle
	}
	if g.log == nil {
		g.log = slog.Default()
	}
	g.sessions = g.newSessions(o.Lifetime)
	return g, nil
}

func (c OIDC) filled() OIDC {
	if c.PersonClaim == "" {
		c.PersonClaim = "email"
	}
	if c.RolesClaim == "" {
		c.RolesClaim = "groups"
	}
	if c.Client == nil {
		c.Client = &http.Client{Timeout: 10 * time.Second}
	}
	return c
}

// Check lists what is wrong with the settings themselves, without a network.
func (c OIDC) Check() []error {
	var problems []error
	issuer, err := url.Parse(c.Issuer)
	if err != nil || issuer.Host == "" || (issuer.Scheme != "https" && issuer.Scheme != "http") {
		problems = append(problems, fmt.Errorf("issuer %q is not a URL", c.Issuer))
	} else {
		problems = append(problems, checkEntra(issuer, c.PersonClaim)...)
	}
	if c.ClientID == "" {
		problems = append(problems, errors.New("client_id is missing"))
	}
	for role := range c.Roles {
		if !slices.Contains([]Role{Admin, Approver, Auditor}, role) {
			problems = append(problems, fmt.Errorf("unknown role %q: use admin, approver or auditor", role))
		}
	}
	return problems
}

// secure says whether the staff pages stand on https.
func (k *client) secure() bool { return k.base.Scheme == "https" }

// cookieName gives a cookie the __Host- prefix where browsers allow it: host
// only, Secure, path "/", so that no neighbouring host can plant one.
func (k *client) cookieName(name string) string {
	if k.secure() {
		return "__Host-sekisho-" + name
	}
	return "sekisho-" + name
}
