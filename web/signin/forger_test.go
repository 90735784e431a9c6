package signin_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sekisho-mail/sekisho/internal/db/dbtest"
	"github.com/sekisho-mail/sekisho/web/dextest"
	"github.com/sekisho-mail/sekisho/web/signin"
)

// forger is a provider that answers what each test wants: dex is too honest to
// send a wrong nonce.
type forger struct {
	*httptest.Server
	key    *rsa.PrivateKey
	other  *rsa.PrivateKey
	nonce  string
	claims map[string]any // over what an honest token says; nil removes
	info   map[string]any // the userinfo answer; nil: none
	extra  url.Values     // on the way back
	badKey bool
}

// forgerKeys are made once: they cost a second each.
var forgerKeys = sync.OnceValues(func() (keys [2]*rsa.PrivateKey, err error) {
	for i := range keys {
		if keys[i], err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			return keys, err
		}
	}
	return keys, nil
})

func newForger(t *testing.T) *forger {
	t.Helper()
	keys, err := forgerKeys()
	if err != nil {
		t.Fatal(err)
	}
	f := &forger{key: keys[0], other: keys[1]}
	mux := http.NewServeMux()
	f.Server = httptest.NewServer(mux)
	t.Cleanup(f.Close)
	mux.HandleFunc("/.well-known/openid-configuration", f.discovery)
	mux.HandleFunc("/auth", f.auth)
	mux.HandleFunc("/token", f.token)
	mux.HandleFunc("/userinfo", func(w http.ResponseWriter, _ *http.Request) { answerJSON(w, f.info) })
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		answerJSON(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: f.key.Public(), KeyID: "1", Algorithm: "RS256", Use: "sig"}}})
	})
	return f
}

func answerJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		panic(err)
	}
}

func (f *forger) discovery(w http.ResponseWriter, _ *http.Request) {
	doc := map[string]any{"issuer": f.URL, "authorization_endpoint": f.URL + "/auth", "token_endpoint": f.URL + "/token", "jwks_uri": f.URL + "/keys",
		"id_token_signing_alg_values_supported": []string{"RS256"}}
	if f.info != nil {
		doc["userinfo_endpoint"] = f.URL + "/userinfo"
	}
	answerJSON(w, doc)
}

// auth is a login page that asks nothing.
func (f *forger) auth(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	f.nonce = q.Get("nonce")
	if q.Get("code_challenge_method") != "S256" || len(q.Get("code_challenge")) != 43 || len(q.Get("state")) != 43 || len(f.nonce) != 43 {
		http.Error(w, "a flow without PKCE, state or nonce", http.StatusBadRequest)
		return
	}
	back := url.Values{"code": {"c"}, "state": {q.Get("state")}}
	for name, values := range f.extra {
		back[name] = values
	}
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+back.Encode(), http.StatusSeeOther)
}

func (f *forger) token(w http.ResponseWriter, r *http.Request) {
	if len(r.PostFormValue("code_verifier")) < 43 {
		http.Error(w, "no verifier", http.StatusBadRequest)
		return
	}
	now := time.Now()
	said := map[string]any{"iss": f.URL, "aud": "sekisho", "sub": "s-1", "exp": now.Add(time.Hour).Unix(), "iat": now.Unix(), "nonce": f.nonce,
		"email": "alice@corp.example", "email_verified": true, "groups": []string{"managers"}}
	for name, value := range f.claims {
		if said[name] = value; value == nil {
			delete(said, name)
		}
	}
	key := f.key
	if f.badKey {
		key = f.other
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: key, KeyID: "1"}}, nil)
	if err != nil {
		panic(err)
	}
	payload, err := json.Marshal(said)
	if err != nil {
		panic(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		panic(err)
	}
	raw, err := signed.CompactSerialize()
	if err != nil {
		panic(err)
	}
	answerJSON(w, map[string]any{"access_token": "a", "token_type": "Bearer", "id_token": raw})
}

// knock signs in through the forger and gives the page at the end.
func (f *forger) knock(t *testing.T, change func(*signin.OIDC)) string {
	t.Helper()
	dr := openDoor(t, dbtest.SQLite(t), func(string) signin.Options {
		o := signin.OIDC{Issuer: f.URL, ClientID: "sekisho", ClientSecret: "x", Roles: adminRoles()}
		if change != nil {
			change(&o)
		}
		return signin.Options{People: book(t), OIDC: o}
	})
	return fetch(t, dextest.Browser(t), dr.URL+"/login")
}

func TestTokensThatProveNothingAreRefused(t *testing.T) {
	type m = map[string]any
	for name, c := range map[string]struct {
		claims m
		extra  url.Values
		badKey bool
		want   string
	}{
		"honest":                     {want: "alice@corp.example [approver]"},
		"nonce of another login":     {claims: m{"nonce": strings.Repeat("x", 43)}, want: "bad token: "},
		"no nonce":                   {claims: m{"nonce": nil}, want: "bad token: "},
		"empty subject":              {claims: m{"sub": ""}, want: "bad token: "},
		"another audience":           {claims: m{"aud": "other"}, want: "bad token: "},
		"several audiences, no azp":  {claims: m{"aud": []string{"sekisho", "other"}}, want: "bad token: "},
		"azp is another":             {claims: m{"aud": []string{"sekisho", "other"}, "azp": "other"}, want: "bad token: "},
		"azp is us":                  {claims: m{"aud": []string{"sekisho", "other"}, "azp": "sekisho"}, want: "alice@corp.example"},
		"azp is no string":           {claims: m{"azp": []string{"sekisho"}}, want: "bad token: "},
		"issuer in the token":        {claims: m{"iss": "https://evil.example"}, want: "bad token: "},
		"issuer on the way back":     {extra: url.Values{"iss": {"https://evil.example"}}, want: "bad token: "},
		"expired":                    {claims: m{"exp": 1}, want: "bad token: "},
		"signed by somebody else":    {badKey: true, want: "bad token: "},
		"at_hash of another token":   {claims: m{"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}, want: "bad token: "},
		"mail not verified":          {claims: m{"email_verified": false}, want: "not_verified"},
		"mail verified in words":     {claims: m{"email_verified": "true"}, want: "alice@corp.example"},
		"nothing about verification": {claims: m{"email_verified": nil}, want: "not_verified"},
		"verification is a number":   {claims: m{"email_verified": 1}, want: "not_verified"},
		"no mail":                    {claims: m{"email": nil}, want: "no_claim"},
		"mail is a list":             {claims: m{"email": []string{"alice@corp.example"}}, want: "no_claim"},
		"mail with a trick":          {claims: m{"email": "alice@corp.example\r\nx"}, want: "not_a_person"},
		"a display name":             {claims: m{"email": "Alice <alice@corp.example>"}, want: "not_a_person"},
		"the person pressed cancel":  {extra: url.Values{"error": {"access_denied"}, "code": nil}, want: "declined access_denied"},
		"an error that injects":      {extra: url.Values{"error": {"<script>alert(1)</script>"}}, want: "declined scriptalert1script"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newForger(t)
			f.claims, f.extra, f.badKey = c.claims, c.extra, c.badKey
			if got := f.knock(t, nil); !strings.HasPrefix(got, c.want) {
				t.Errorf("page says %q, want %q", got, c.want)
			}
		})
	}
}

func TestAgeOfTheProvidersLoginIsCheckedWhereAsked(t *testing.T) {
	limit := func(o *signin.OIDC) { o.MaxAge = time.Hour }
	for name, c := range map[string]struct {
		at   any
		want string
	}{
		"fresh":      {time.Now().Add(-time.Minute).Unix(), "alice@corp.example"},
		"too old":    {time.Now().Add(-2 * time.Hour).Unix(), "bad token: "},
		"not stated": {nil, "bad token: "},
		"tomorrow":   {time.Now().Add(24 * time.Hour).Unix(), "bad token: "},
	} {
		f := newForger(t)
		f.claims = map[string]any{"auth_time": c.at}
		if got := f.knock(t, limit); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestClaimsMayStandInUserinfo(t *testing.T) {
	f := newForger(t)
	f.claims = map[string]any{"email": nil, "email_verified": nil, "groups": nil}
	f.info = map[string]any{"sub": "s-1", "email": "alice@corp.example", "email_verified": true, "groups": []string{"sekisho-admins"}}
	if got := f.knock(t, nil); got != "alice@corp.example [admin] overage=false" {
		t.Errorf("page says %q", got)
	}
	f = newForger(t)
	f.claims = map[string]any{"email": nil}
	f.info = map[string]any{"sub": "somebody else", "email": "boss@corp.example", "email_verified": true}
	if got := f.knock(t, nil); !strings.HasPrefix(got, "bad token: ") {
		t.Errorf("userinfo of another subject: %q", got)
	}
	f = newForger(t) // what was signed wins over what was not
	f.claims = map[string]any{"groups": nil}
	f.info = map[string]any{"sub": "s-1", "email": "boss@corp.example", "email_verified": true}
	if got := f.knock(t, nil); got != "alice@corp.example [] overage=false" {
		t.Errorf("page says %q", got)
	}
}

func TestPinnedSubjectMayBeRenamedButNotBecomeSomebodyElse(t *testing.T) {
	f := newForger(t)
	dr := openDoor(t, dbtest.SQLite(t), func(string) signin.Options {
		return signin.Options{People: book(t), OIDC: signin.OIDC{Issuer: f.URL, ClientID: "sekisho", Roles: adminRoles()}}
	})
	login := func() string { return fetch(t, dextest.Browser(t), dr.URL+"/login") }
	wantPage(t, login(), "alice@corp.example [approver] overage=false")
	f.claims = map[string]any{"email": "hanako.new@corp.example"} // married, and the people file does not know yet
	wantPage(t, login(), "alice@corp.example [approver] overage=false")
	f.claims = map[string]any{"email": "a.sato@corp.example"}
	wantPage(t, login(), "alice@corp.example [approver] overage=false")
	f.claims = map[string]any{"email": "boss@corp.example"}
	wantPage(t, login(), "other_person")
	f.claims = map[string]any{"sub": "s-2", "email": "boss@corp.example"}
	wantPage(t, login(), "boss@corp.example [approver] overage=false")
}

func TestRolesInEveryShapeProvidersSend(t *testing.T) {
	type m = map[string]any
	for name, c := range map[string]struct {
		path   string
		claims m
		want   string
	}{
		"a list":                 {"groups", m{"groups": []string{"x", "sekisho-admins"}}, "[admin] overage=false"},
		"one string":             {"groups", m{"groups": "sekisho-admins"}, "[admin] overage=false"},
		"a string with a comma":  {"groups", m{"groups": "x,sekisho-admins"}, "[] overage=false"},
		"objects with names":     {"groups", m{"groups": []m{{"id": "1", "name": "sekisho-admins"}}}, "[admin] overage=false"},
		"an object of roles":     {"urn:zitadel:iam:org:project:roles", m{"urn:zitadel:iam:org:project:roles": m{"managers": m{"1": "corp"}}}, "[approver] overage=false"},
		"nested by dots":         {"resource_access.sekisho.roles", m{"resource_access": m{"sekisho": m{"roles": []string{"managers"}}}}, "[approver] overage=false"},
		"a name with dots":       {"https://corp.example/roles", m{"https://corp.example/roles": []string{"managers"}}, "[approver] overage=false"},
		"dots inside and around": {"a.b.c.d", m{"a.b": m{"c.d": "managers"}}, "[approver] overage=false"},
		"missing":                {"roles", m{"groups": nil}, "[] overage=false"},
		"a number":               {"groups", m{"groups": 7}, "[] overage=false"},
		"case matters":           {"groups", m{"groups": "Sekisho-Admins"}, "[] overage=false"},
		"Entra: too many":        {"groups", m{"groups": nil, "_claim_names": m{"groups": "src1"}, "_claim_sources": m{"src1": m{"endpoint": "https://graph.example"}}}, "[] overage=true"},
		"Entra: implicit flow":   {"groups", m{"groups": nil, "hasgroups": true}, "[] overage=true"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newForger(t)
			f.claims = c.claims
			if _, set := c.claims["groups"]; !set {
				f.claims["groups"] = nil
			}
			if got := f.knock(t, func(o *signin.OIDC) { o.RolesClaim = c.path }); got != "alice@corp.example "+c.want {
				t.Errorf("page says %q, want %q", got, c.want)
			}
		})
	}
}

func TestAnAddressInTheTableServesProvidersWithoutGroups(t *testing.T) {
	f := newForger(t)
	f.claims = map[string]any{"groups": nil}
	got := f.knock(t, func(o *signin.OIDC) { o.Roles = map[signin.Role][]string{signin.Auditor: {"Alice@corp.example"}} })
	if got != "alice@corp.example [auditor] overage=false" {
		t.Errorf("page says %q", got)
	}
}

func TestIssuersThatLetInOtherCompaniesAreRefused(t *testing.T) {
	const tenant = "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0"
	for _, c := range []struct {
		issuer, claim string
		wrong         int
	}{
		{tenant, "preferred_username", 0}, {tenant, "email", 1}, {tenant, "", 1},
		{"https://login.microsoftonline.com/common/v2.0", "preferred_username", 1},
		{"https://login.microsoftonline.com/organizations/v2.0", "preferred_username", 1},
		{"https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0", "preferred_username", 1},
		{"https://accounts.google.com", "", 0}, {"https://idp.corp.example/realms/corp", "email", 0},
		{"idp.corp.example", "", 1}, {"", "", 1},
	} {
		if got := (signin.OIDC{Issuer: c.issuer, PersonClaim: c.claim, ClientID: "x"}).Check(); len(got) != c.wrong {
			t.Errorf("%s with %q: %v", c.issuer, c.claim, got)
		}
	}
	if got := (signin.OIDC{Issuer: tenant, PersonClaim: "upn", Roles: map[signin.Role][]string{"root": {"x"}}}).Check(); len(got) != 2 {
		t.Errorf("no client and an unknown role: %v", got)
	}
}
