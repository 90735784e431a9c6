package relay

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
	"golang.org/x/oauth2/jwt"
)

// Tokens fetches access tokens and keeps one until shortly before it expires.
type Tokens struct {
	fetch  func(context.Context) (*oauth2.Token, error)
	client *http.Client

	mu    sync.Mutex
	token *oauth2.Token
	since time.Time
}

// Secret reads a secret at the moment it is needed, so that a renewed one needs no restart.
type Secret func() (string, error)

// ClientCredentials are an application's own rights (Exchange Online: SMTP.SendAsApp). client may be nil.
func ClientCredentials(tokenURL, clientID string, secret Secret, scopes []string, client *http.Client) *Tokens {
	return &Tokens{client: client, fetch: func(ctx context.Context) (*oauth2.Token, error) {
		s, err := secret()
		if err != nil {
			return nil, err
		}
		c := clientcredentials.Config{ClientID: clientID, ClientSecret: s, TokenURL: tokenURL, Scopes: scopes,
			AuthStyle: oauth2.AuthStyleInParams, EndpointParams: url.Values{}}
		return c.Token(ctx)
	}}
}

// ServiceAccount is a Google service account with domain-wide delegation: it signs in as user. key is the JSON file
// that Google gives out; tokenURL, if not "", is asked instead of the one in it.
func ServiceAccount(key Secret, user, tokenURL string, client *http.Client) *Tokens {
	return &Tokens{client: client, fetch: func(ctx context.Context) (*oauth2.Token, error) {
		raw, err := key()
		if err != nil {
			return nil, err
		}
		var account struct {
			Type     string `json:"type"`
			Email    string `json:"client_email"`
			KeyID    string `json:"private_key_id"`
			Key      string `json:"private_key"`
			TokenURI string `json:"token_uri"`
		}
		if err := json.Unmarshal([]byte(raw), &account); err != nil || account.Type != "service_account" || account.Key == "" {
			return nil, errors.New("the file holds no service account key (JSON, type service_account)")
		}
		c := jwt.Config{Email: account.Email, PrivateKey: []byte(account.Key), PrivateKeyID: account.KeyID, Subject: user,
			Scopes: []string{"https://mail.google.com/"}, TokenURL: cmp.Or(tokenURL, account.TokenURI)}
		return c.TokenSource(ctx).Token()
	}}
}

// early is how long before its end a token is replaced: it must outlive the transaction it begins.
const early = 5 * time.Minute

// Get gives a token that is good for some minutes. One caller fetches, the others wait for it.
func (t *Tokens) Get(ctx context.Context) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.token != nil && (t.token.Expiry.IsZero() || time.Until(t.token.Expiry) > min(early, t.token.Expiry.Sub(t.since)/2)) {
		return t.token.AccessToken, nil
	}
	client := t.client
	if client == nil {
		client = &http.Client{Timeout: 30 * time.Second}
	}
	got, err := t.fetch(context.WithValue(ctx, oauth2.HTTPClient, client))
	if err != nil {
		return "", tokenError(err)
	}
	if got.AccessToken == "" {
		return "", errors.New("the token endpoint gave none")
	}
	t.token, t.since = got, time.Now()
	return got.AccessToken, nil
}

// Forget drops the token that is kept, because a host refused it, unless it has just been fetched: then a new one
// would be refused as well, and the endpoint be asked for it at every attempt.
func (t *Tokens) Forget() (forgotten bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if time.Since(t.since) <= time.Minute {
		return false
	}
	t.token = nil
	return true
}

// tokenError says what the endpoint said, without what was sent to it.
func tokenError(err error) error {
	var said *oauth2.RetrieveError
	if !errors.As(err, &said) {
		return err
	}
	status := "no status"
	if said.Response != nil {
		status = said.Response.Status
	}
	return fmt.Errorf("the token endpoint answers %s: %s", status, printable(said.ErrorCode+" "+said.ErrorDescription))
}
