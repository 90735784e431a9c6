package relay

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/emersion/go-sasl"
)

// login proves to a host who we are.
type login struct {
	username, password string
	tokens             *Tokens
}

func newLogin(h Host) (*login, error) {
	switch {
	case h.Username == "" && h.Tokens == nil && h.Password == "":
		return nil, nil
	case h.Username == "":
		return nil, errors.New("relay with a password or a token needs a user name")
	}
	return &login{username: h.Username, password: h.Password, tokens: h.Tokens}, nil
}

// mechanism chooses among what the host offers.
func (l *login) mechanism(ctx context.Context, offered []string) (sasl.Client, error) {
	if l.tokens != nil {
		return l.bearer(ctx, offered)
	}
	switch {
	case slices.Contains(offered, sasl.Plain):
		return sasl.NewPlainClient("", l.username, l.password), nil
	case slices.Contains(offered, sasl.Login):
		return &questions{answers: []string{l.username, l.password}}, nil
	}
	return nil, errors.New("the next hop offers neither AUTH PLAIN nor AUTH LOGIN")
}

func (l *login) bearer(ctx context.Context, offered []string) (sasl.Client, error) {
	if !slices.Contains(offered, xoauth2) && !slices.Contains(offered, sasl.OAuthBearer) {
		return nil, errors.New("the next hop offers neither AUTH XOAUTH2 nor AUTH OAUTHBEARER")
	}
	token, err := l.tokens.Get(ctx)
	if err != nil {
		return nil, fmt.Errorf("access token: %w", err)
	}
	if slices.Contains(offered, xoauth2) {
		return &xoauth2Client{username: l.username, token: token}, nil
	}
	return sasl.NewOAuthBearerClient(&sasl.OAuthBearerOptions{Username: l.username, Token: token}), nil
}

// failed makes the next attempt fetch a new token, as the old one may have been revoked, and says whether it will.
func (l *login) failed() (renewed bool) {
	return l.tokens != nil && l.tokens.Forget()
}

// questions answers the two of AUTH LOGIN, however a server words them.
type questions struct{ answers []string }

func (q *questions) Start() (mechanism string, initial []byte, err error) {
	return sasl.Login, nil, nil
}

func (q *questions) Next([]byte) ([]byte, error) {
	if len(q.answers) == 0 {
		return nil, errors.New("a third question in AUTH LOGIN")
	}
	answer := q.answers[0]
	q.answers = q.answers[1:]
	return []byte(answer), nil
}

const xoauth2 = "XOAUTH2"

// xoauth2Client is what Google and Microsoft speak.
type xoauth2Client struct{ username, token string }

func (c *xoauth2Client) Start() (mechanism string, initial []byte, err error) {
	return xoauth2, []byte("user=" + c.username + "\x01auth=Bearer " + c.token + "\x01\x01"), nil
}

// Next answers the server's explanation of a refusal with an empty line; the refusal itself follows.
func (c *xoauth2Client) Next([]byte) ([]byte, error) { return []byte{}, nil }
