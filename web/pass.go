package web

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/sekisho-mail/sekisho/linkify"
	"github.com/sekisho-mail/sekisho/web/signin"
)

// enterPassword opens the files to this browser by the password that the sender passed on.
func (p *portal) enterPassword(ctx context.Context, r *Request) (Response, error) {
	who, cookies := p.known(r)
	if err := p.Links.EnterPassword(ctx, r.Param("token"), who, r.Form("password")); err != nil {
		return p.again(ctx, r, err)
	}
	return &seeOther{to: p.step(r, ""), cookies: cookies}, nil
}

// account finds a provider by its name.
func (p *portal) account(name string) *signin.Account {
	for _, a := range p.Accounts {
		if a.Name == name {
			return a
		}
	}
	return nil
}

// onwardPage leads to a provider.
type onwardPage struct {
	Name string
	To   string
}

// beginAccount sends the visitor to a provider: by a page that goes on by itself, because browsers hold a redirect
// after a form to the policy for forms (form-action), wherever the provider leads on to. The browser's secret must be there when they come back: it is what the
// files are opened to.
func (p *portal) beginAccount(ctx context.Context, r *Request) (Response, error) {
	_, cookies := p.known(r)
	a := p.account(r.Form("account"))
	if a == nil {
		return nil, errNotFound
	}
	to, flow, err := a.Begin(ctx, "/d/"+r.Param("token"))
	if err != nil {
		return nil, err
	}
	return &page{name: "onward", body: onwardPage{Name: a.Name, To: to}, cookies: append(cookies, flow), onward: to, frame: frame{
		Title: p.words.Text(r.Lang, "portal.onward"), Company: p.Company.Name, Portal: true, Narrow: true, Now: r.Now, Back: "/d/" + r.Param("token"),
	}}, nil
}

// endAccount is where a provider sends the visitor back to. The GET acts, as the protocol has it: state, nonce and the
// browser's own cookie are proof that this browser began it.
func (p *portal) endAccount(ctx context.Context, r *Request) (Response, error) {
	a := p.account(r.Param("name"))
	if a == nil {
		return nil, errNotFound
	}
	address, to, done, err := a.Vouched(r.Request.WithContext(ctx))
	token, isLink := strings.CutPrefix(to, "/d/")
	if err == nil && isLink {
		err = p.Links.EnterAccount(ctx, token, p.who(r), address)
	}
	var cookies []*http.Cookie
	if done != nil {
		cookies = append(cookies, done)
	}
	problem := ""
	var declined *signin.DeclinedError
	switch {
	case err == nil:
	case !isLink:
		return nil, err
	case errors.Is(err, linkify.ErrStranger):
		problem = "other_account"
	case errors.Is(err, signin.ErrNotVouched):
		problem = "not_vouched"
	case errors.As(err, &declined):
		problem = "declined"
	default:
		return nil, err
	}
	if problem != "" {
		to += "?problem=" + problem
	}
	return &seeOther{to: to, cookies: cookies}, nil
}
