package signin_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/sekisho-mail/sekisho/internal/db/dbtest"
	"github.com/sekisho-mail/sekisho/internal/seal"
	"github.com/sekisho-mail/sekisho/web/dextest"
	"github.com/sekisho-mail/sekisho/web/signin"
)

const (
	microsoft = "https://login.microsoftonline.com/"
	tenantA   = "11111111-2222-3333-4444-555555555555"
	tenantB   = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
	personal  = "9188040d-6c67-4c5b-b112-36a304b66dad"
)

// entra leads requests for Microsoft's address to a server that answers as Microsoft documents it: the discovery of
// common and organizations has a mark where tokens have the company's id.
type entra struct{ *forger }

func (e entra) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host == "login.microsoftonline.com" {
		to, err := url.Parse(e.URL + r.URL.Path)
		if err != nil {
			return nil, err
		}
		r = r.Clone(r.Context())
		r.URL, r.Host = to, to.Host
	}
	return http.DefaultTransport.RoundTrip(r)
}

func newEntra(t *testing.T) entra {
	e := entra{newForger(t)}
	plain := e.Config.Handler
	mux := http.NewServeMux()
	mux.Handle("/", plain)
	mux.HandleFunc("/{tenant}/v2.0/.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
		tenant := r.PathValue("tenant")
		if tenant == "common" || tenant == "organizations" {
			tenant = "{tenantid}"
		}
		answerJSON(w, map[string]any{"issuer": microsoft + tenant + "/v2.0", "authorization_endpoint": e.URL + "/auth", "token_endpoint": e.URL + "/token",
			"jwks_uri": e.URL + "/keys", "userinfo_endpoint": e.URL + "/userinfo", "id_token_signing_alg_values_supported": []string{"RS256"}})
	})
	e.Config.Handler = mux
	return e
}

// vouched signs in at the issuer and gives the address that the account vouches for, or why it does not.
func (e entra) vouched(t *testing.T, issuer string) string {
	t.Helper()
	var a *signin.Account
	mux := http.NewServeMux()
	portal := httptest.NewServer(mux)
	defer portal.Close()
	base, err := url.Parse(portal.URL)
	if err != nil {
		t.Fatal(err)
	}
	a, err = signin.NewAccount(signin.AccountOptions{Name: "microsoft", DB: dbtest.SQLite(t), Keys: seal.NewTest(), BaseURL: base,
		OIDC: signin.OIDC{Issuer: issuer, ClientID: "sekisho", ClientSecret: "x", Client: &http.Client{Transport: e}}})
	if err != nil {
		t.Fatal(err)
	}
	mux.HandleFunc("/begin", func(w http.ResponseWriter, r *http.Request) {
		to, cookie, err := a.Begin(r.Context(), "/")
		if err != nil {
			fmt.Fprint(w, err)
			return
		}
		http.SetCookie(w, cookie)
		http.Redirect(w, r, to, http.StatusSeeOther)
	})
	mux.HandleFunc(signin.AccountPath("microsoft"), func(w http.ResponseWriter, r *http.Request) {
		address, _, _, err := a.Vouched(r)
		switch {
		case errors.Is(err, signin.ErrNotVouched):
			fmt.Fprint(w, "not vouched")
		case errors.Is(err, signin.ErrBadToken):
			fmt.Fprint(w, "bad token")
		case err != nil:
			fmt.Fprint(w, "unexpected: ", err)
		default:
			fmt.Fprint(w, address)
		}
	})
	return fetch(t, dextest.Browser(t), portal.URL+"/begin")
}

func TestMicrosoftsCommonIssuersVouchForProvedAddressesAlone(t *testing.T) {
	type m = map[string]any
	of := func(tenant string, more m) m {
		out := m{"iss": microsoft + tenant + "/v2.0", "tid": tenant, "email": "b@partner.example", "email_verified": nil, "xms_edov": true}
		for k, v := range more {
			out[k] = v
		}
		return out
	}
	for name, c := range map[string]struct {
		issuer string
		claims m
		want   string
	}{
		"any company":                    {"common", of(tenantA, nil), "b@partner.example"},
		"another company":                {"organizations", of(tenantB, nil), "b@partner.example"},
		"the mark itself":                {"{tenantid}", of(tenantB, nil), "b@partner.example"},
		"one company":                    {tenantA, of(tenantA, nil), "b@partner.example"},
		"a person":                       {"common", of(personal, m{"xms_edov": "1"}), "b@partner.example"},
		"a person at consumers":          {"consumers", of(personal, nil), "b@partner.example"},
		"an address nobody proved":       {"common", of(tenantA, m{"xms_edov": nil}), "not vouched"},
		"an address known as unproved":   {"common", of(tenantA, m{"xms_edov": false}), "not vouched"},
		"verified by the tenant's owner": {"common", of(tenantA, m{"xms_edov": nil, "email_verified": true}), "not vouched"},
		"the same in one company":        {tenantA, of(tenantA, m{"xms_edov": nil, "email_verified": true}), "not vouched"},
		"a user name alone":              {"common", of(tenantA, m{"email": nil, "preferred_username": "b@partner.example"}), "not vouched"},
		"a person where companies go":    {"organizations", of(personal, nil), "bad token"},
		"a company where persons go":     {"consumers", of(tenantA, nil), "bad token"},
		"another company's issuer":       {"common", of(tenantA, m{"iss": microsoft + tenantB + "/v2.0"}), "bad token"},
		"another company at ours":        {tenantA, of(tenantB, nil), "bad token"},
		"another provider's issuer":      {"common", of(tenantA, m{"iss": "https://evil.example/" + tenantA + "/v2.0"}), "bad token"},
		"the mark in the token":          {"common", of("{tenantid}", nil), "bad token"},
		"no tenant":                      {"common", of(tenantA, m{"tid": nil}), "bad token"},
		"a tenant that is a path":        {"common", of("../evil", nil), "bad token"},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEntra(t)
			e.claims = c.claims
			e.info = m{"sub": "s-1", "email": "b@partner.example", "email_verified": true} // unsigned: never asked
			if got := e.vouched(t, microsoft+c.issuer+"/v2.0"); !strings.HasPrefix(got, c.want) {
				t.Errorf("page says %q, want %q", got, c.want)
			}
		})
	}
}

// Other providers say email_verified, and no word of Microsoft's helps them.
func TestOtherProvidersCannotProveAnAddressByMicrosoftsWord(t *testing.T) {
	for _, c := range []struct {
		claims map[string]any
		want   string
	}{
		{map[string]any{"email_verified": true}, "alice@corp.example"},
		{map[string]any{"email_verified": false, "xms_edov": true}, "not vouched"},
	} {
		e := newEntra(t)
		e.claims = c.claims
		if got := e.vouched(t, e.URL); got != c.want {
			t.Errorf("%v: %q", c.claims, got)
		}
	}
}
