package web

import (
	"context"
	"strconv"
	"time"

	"github.com/sekisho-mail/sekisho/web/signin"
)

// tokensPage lists the reader's own tokens for programs.
type tokensPage struct {
	Rows   []*signin.Token
	Secret string // of the token just made; shown this once
	Name   string
}

// tokens lists the tokens.
func (st *staff) tokens(ctx context.Context, r *Request) (Response, error) {
	return st.tokensTelling(ctx, r, "", "")
}

func (st *staff) tokensTelling(ctx context.Context, r *Request, secret, name string) (Response, error) {
	found, err := st.Gate.Tokens(ctx, r.Who)
	if err != nil {
		return nil, err
	}
	return st.show(ctx, r, "tokens", "/tokens", tokensPage{Rows: found, Secret: secret, Name: name})
}

// createToken makes a token and shows its secret in the answer to the POST
// itself: no address that could be opened again has it.
func (st *staff) createToken(ctx context.Context, r *Request) (Response, error) {
	days, err := strconv.Atoi(r.Form("days"))
	scope := signin.Scope(r.Form("scope"))
	if err != nil || scope != signin.ReadOnly && scope != signin.MayAct {
		return nil, errBadForm
	}
	t, secret, err := st.Gate.CreateToken(ctx, r.Who, r.Form("name"), scope, time.Duration(days)*24*time.Hour)
	if err != nil {
		return nil, err
	}
	return st.tokensTelling(ctx, r, secret, t.Name)
}

// revokeToken ends a token.
func (st *staff) revokeToken(ctx context.Context, r *Request) (Response, error) {
	if err := st.Gate.RevokeToken(ctx, r.Who, r.Param("id")); err != nil {
		return nil, err
	}
	return doneAt("/tokens", "token_revoke"), nil
}
