package web

import (
	"context"
	"net/http"

	"github.com/sekisho-mail/sekisho/web/words"
)

// login sends the browser to the identity provider.
func (st *staff) login(ctx context.Context, r *Request) (Response, error) {
	to := safeReturn(r.Query("to"))
	if r.Who != nil {
		return &seeOther{to: to}, nil
	}
	provider, cookie, err := st.Gate.Begin(ctx, to)
	if err != nil {
		return nil, err
	}
	return &seeOther{to: provider, cookies: []*http.Cookie{cookie}}, nil
}

// callback takes the provider's answer.
func (st *staff) callback(ctx context.Context, r *Request) (Response, error) {
	to, done, err := st.Gate.Finish(r.WithContext(ctx))
	if err != nil {
		return nil, &loginError{err: err, spent: done, to: safeReturn(to)}
	}
	return &seeOther{to: safeReturn(to), cookies: []*http.Cookie{done}}, nil
}

// loginError is a login that failed: the page says why and how to go on, and
// the cookie of the flow, which is spent, goes away.
type loginError struct {
	err   error
	spent *http.Cookie
	to    string
}

func (e *loginError) Error() string { return e.err.Error() }
func (e *loginError) Unwrap() error { return e.err }

// logout ends the session here. The provider's own session goes on; the page
// after it offers to end that one, too.
func (st *staff) logout(ctx context.Context, r *Request) (Response, error) {
	if err := st.Gate.SignOut(ctx, r.Who); err != nil {
		return nil, err
	}
	return &seeOther{to: "/signed-out"}, nil
}

// signedOutPage offers the way back in.
type signedOutPage struct{ Provider string }

func (st *staff) signedOut(ctx context.Context, r *Request) (Response, error) {
	p, err := st.show(ctx, r, "signedout", "", signedOutPage{Provider: st.Gate.SignOutURL()})
	if err != nil {
		return nil, err
	}
	p.frame.Narrow = true
	return p, nil
}

// switchLanguage remembers the other language in a cookie for a year.
func (st *staff) switchLanguage(_ context.Context, r *Request) (Response, error) {
	lang, ok := words.Parse(r.Form("to"))
	if !ok {
		return nil, errBadForm
	}
	return &seeOther{to: safeReturn(r.Form("back")), cookies: []*http.Cookie{{
		Name: languageCookie, Value: string(lang), Path: "/", MaxAge: 365 * 24 * 3600,
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: st.BaseURL.Scheme == "https",
	}}}, nil
}
