package signin

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
	"github.com/sekisho-mail/sekisho/internal/seal"
)

// Account lets a provider vouch for the address of somebody outside. It knows no person of the company, opens no
// session, and keeps nothing.
type Account struct {
	*client
	Name  string // as the button has it, and the path
	entra bool
}

// AccountOptions are what an Account is built from.
type AccountOptions struct {
	Name    string // of the form of a path element
	OIDC    OIDC   // issuer, client and secret count
	DB      *db.DB
	Keys    *seal.Keys
	BaseURL *url.URL // of the portal
}

// AccountPath is where a provider sends visitors back to, below the portal's URL.
func AccountPath(name string) string { return "/account/" + name + "/callback" }

// ErrNotVouched says that the provider knows no address of the visitor for which it vouches.
var ErrNotVouched = errors.New("the provider does not vouch for an e-mail address")

// NewAccount does not speak to the provider, which may be down.
func NewAccount(o AccountOptions) (*Account, error) {
	o.OIDC.PersonClaim = "email"
	entra := anyEntra(o.OIDC.Issuer)
	if problems := o.OIDC.Check(); len(problems) > 0 && !entra {
		return nil, fmt.Errorf("account %s: %w", o.Name, errors.Join(problems...))
	}
	return &Account{Name: o.Name, entra: entra, client: &client{oidc: o.OIDC.filled(), db: o.DB, keys: o.Keys, base: o.BaseURL, callback: AccountPath(o.Name), signedOnly: entra}}, nil
}

// anyEntra excuses Microsoft's issuers from the rule for staff: there an address stands for a person of the company,
// whose tenant is known; here vouches asks for proof of the address itself.
func anyEntra(issuer string) bool {
	u, err := url.Parse(issuer)
	return err == nil && u.Scheme == "https" && isEntra(u)
}

// Vouched takes the provider's answer and gives the address it vouches for, with the page the login was begun for. The
// cookie, when not nil, is to be set in any case.
func (a *Account) Vouched(r *http.Request) (address mailaddr.Address, to string, done *http.Cookie, err error) {
	ctx := r.Context()
	f, done, err := a.resume(ctx, r)
	if err != nil {
		return "", "", done, err
	}
	said, err := a.said(ctx, r.URL.Query(), f)
	if err != nil {
		return "", f.To, done, err
	}
	address, err = mailaddr.Parse(said.text("email"), true)
	if !a.vouches(said) || err != nil {
		return "", f.To, done, ErrNotVouched
	}
	return address, f.To, done, nil
}

// vouches says whether the provider answers for the address it named. Microsoft never says email_verified, and the
// owner of any tenant may write any address into the account of anybody, or a claim of that name (nOAuth): there only
// xms_edov counts, by which Microsoft itself says that the domain belongs to that tenant. A user name proves nothing.
func (a *Account) vouches(said claims) bool {
	if a.entra {
		return said.domainProved()
	}
	return said.verified()
}
