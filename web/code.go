package web

import (
	"context"
	"errors"

	"github.com/sekisho-mail/sekisho/linkify"
)

// requestCode sends a one-time code to the recipient, or to a colleague at the
// same company.
func (p *portal) requestCode(ctx context.Context, r *Request) (Response, error) {
	who, cookies := p.known(r)
	_, err := p.Links.RequestCode(ctx, r.Param("token"), who, r.Form("address"))
	if err != nil {
		return p.again(ctx, r, err)
	}
	return &seeOther{to: p.step(r, "enter"), cookies: cookies}, nil
}

// enterCode opens the files to this browser.
func (p *portal) enterCode(ctx context.Context, r *Request) (Response, error) {
	who, cookies := p.known(r)
	if err := p.Links.EnterCode(ctx, r.Param("token"), who, r.Form("code")); err != nil {
		return p.again(ctx, r, err)
	}
	return &seeOther{to: p.step(r, ""), cookies: cookies}, nil
}

// askAgain asks the sender to open an expired link again.
func (p *portal) askAgain(ctx context.Context, r *Request) (Response, error) {
	err := p.Links.AskAgain(ctx, r.Param("token"), p.who(r))
	if errors.Is(err, linkify.ErrTooMany) || err == nil { // who asks twice a day has asked
		return &seeOther{to: p.step(r, "asked")}, nil
	}
	return p.again(ctx, r, err)
}

// again shows the landing page with what was wrong, where the visitor can do
// something about it there.
func (p *portal) again(ctx context.Context, r *Request, err error) (Response, error) {
	problem, enter := "", true
	var wrong *linkify.WrongCodeError
	switch {
	case errors.As(err, &wrong):
		problem = "wrong_code"
	case errors.Is(err, linkify.ErrWrongCode):
		problem, enter = "wrong_password", false
	case errors.Is(err, linkify.ErrCodeSpent):
		problem, enter = "code_spent", false
	case errors.Is(err, linkify.ErrStranger):
		problem, enter = "stranger", false
	case errors.Is(err, linkify.ErrTooMany):
		problem = "too_many"
	case errors.Is(err, linkify.ErrNeedCode):
		problem, enter = "need_code", false
	case errors.Is(err, linkify.ErrMalware):
		problem, enter = "malware", false
	case errors.Is(err, linkify.ErrViewOnly):
		problem, enter = "view_only", false
	case errors.Is(err, linkify.ErrNoCode):
		return &seeOther{to: p.step(r, "")}, nil
	case errors.Is(err, linkify.ErrExpired), errors.Is(err, linkify.ErrRevoked), errors.Is(err, linkify.ErrInactive):
		return p.landingTelling(ctx, r, func(*landingPage) {}) // the page itself says so
	default:
		return nil, err
	}
	pg, failed := p.landingTelling(ctx, r, func(l *landingPage) {
		l.Problem, l.Enter = problem, enter
		var wait *linkify.WaitError
		if errors.As(err, &wait) {
			l.Until = wait.Until
		}
		if wrong != nil {
			l.Left = wrong.Left
		}
	})
	if failed != nil {
		return nil, failed
	}
	if pg.code == 0 {
		pg.code = codeForbidden
		var wait *linkify.WaitError
		if errors.As(err, &wait) {
			pg.code, pg.retry = codeTooMany, retryAfter(wait.Until, r.Now)
		}
	}
	return pg, nil
}
