package web

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/sekisho-mail/sekisho/approval"
	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/linkify"
	"github.com/sekisho-mail/sekisho/web/signin"
)

// failurePage says what went wrong and what happens next, in words people
// understand.
type failurePage struct {
	Key     string
	Address string // what the provider called somebody who was refused
	Retry   string // where to try again, "" where that is no use
	ID      string // of the log line, when the fault is ours
	Portal  bool
	Until   time.Time // when to ask again, where that is known
}

// failure turns an error into an answer: a page, or a problem document for
// programs. Faults of our own are logged under an id that the page shows.
func (s *site) failure(ctx context.Context, r *Request, st *staff, err error) Response {
	v := verdictOf(err)
	if v.code >= codeBroken && s.databaseDown(ctx) {
		v = verdict{codeUnavailable, "database_down"}
		if st == nil { // strangers need not know of databases
			v.key = "portal_down"
		}
	}
	body := failurePage{Key: v.key, Portal: st == nil}
	if v.code >= codeBroken && !errors.Is(err, context.Canceled) {
		body.ID = db.NewID()
		s.Log.Error("request failed", "id", body.ID, "route", r.route.pattern(), "error", err)
	}
	if isAPI(r.Request) {
		return s.problem(r, v, body.ID, err)
	}
	if v.key == "sign_in" && !unsafe(r.Request) && st != nil {
		return &seeOther{to: "/login?to=" + url.QueryEscape(r.URL.RequestURI())}
	}
	return s.failed(ctx, r, st, v, body, err)
}

// databaseDown finds out whether an error of ours is the database's: it has no
// error of one kind when it is away, and people need to know what becomes of
// their mail.
func (s *site) databaseDown(ctx context.Context) bool {
	if s.DB == nil || errors.Is(ctx.Err(), context.Canceled) {
		return false
	}
	// The request's own time may be spent: waiting for the database is how it was.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	return s.DB.Ready(ctx) != nil
}

func (s *site) failed(ctx context.Context, r *Request, st *staff, v verdict, body failurePage, err error) Response {
	var login *loginError
	var refusal *signin.Refusal
	if errors.As(err, &refusal) {
		body.Address = refusal.Address
	}
	switch {
	case errors.As(err, &login):
		body.Retry = "/login?to=" + url.QueryEscape(login.to)
	case v.key == "ticket", v.key == "need_code":
		body.Retry = "/d/" + url.PathEscape(r.Param("token"))
	case v.key == "database_down" && !unsafe(r.Request), v.key == "portal_down" && !unsafe(r.Request):
		body.Retry = r.URL.RequestURI() // a form is not sent again: what it asked for may have been done
	case v.key == "sign_in", v.key == "provider_down":
		body.Retry = "/login?to=" + url.QueryEscape(safeReturn(backTo(r)))
	}
	var wait *linkify.WaitError
	if errors.As(err, &wait) {
		body.Until = wait.Until
	}
	p := &page{code: v.code, name: "failure", body: body, retry: s.retryOf(v, r, err)}
	p.frame = frame{Company: s.Company.Name, Version: s.Version, Now: r.Now, Back: backTo(r), Portal: st == nil}
	if st == nil {
		p.frame.Back = portalBack(r)
	} else if full, again := st.show(ctx, r, "failure", "", body); again == nil {
		p.frame = full.frame // without it when the database is what failed
	}
	p.frame.Narrow = true
	p.frame.Title = s.words.Text(r.Lang, "error."+v.key+".title")
	if login != nil && login.spent != nil {
		p.cookies = append(p.cookies, login.spent)
	}
	return p
}

// portalBack is where the switch of the language leads from an error page: the
// page itself, or the link's when it was a form.
func portalBack(r *Request) string {
	if unsafe(r.Request) {
		return "/d/" + r.Param("token")
	}
	return r.URL.Path
}

// problem is an error for programs (RFC 9457).
func (s *site) problem(r *Request, v verdict, id string, err error) *document {
	body := map[string]any{
		"type": "about:blank", "status": v.code, "code": v.key,
		"title":  s.words.Text("en", "error."+v.key+".title"),
		"detail": s.words.Text("en", "error."+v.key+".text"),
	}
	if id != "" {
		body["instance"] = "urn:sekisho:" + id
	}
	var decided *approval.DecidedError
	if errors.As(err, &decided) {
		body["decided"] = map[string]any{"state": decided.State, "by": decided.By, "at": decided.At}
	}
	var stale *approval.StaleError
	if errors.As(err, &stale) {
		body["revision"] = stale.Revision
	}
	d := &document{code: v.code, kind: "application/problem+json", body: body}
	d.retry = s.retryOf(v, r, err)
	return d
}

// retryOf is after how many seconds asking again may help; 0 where nobody knows.
func (s *site) retryOf(v verdict, r *Request, err error) int {
	var wait *linkify.WaitError
	switch {
	case errors.As(err, &wait):
		return retryAfter(wait.Until, r.Now)
	case v.key == "database_down", v.key == "portal_down", v.key == "busy":
		return 30
	}
	return 0
}
