package web

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/sekisho-mail/sekisho/linkify"
	"github.com/sekisho-mail/sekisho/web/signin"
	"github.com/sekisho-mail/sekisho/web/words"
)

// handle is the shape of every handler: parse, one verb, render.
type handle func(ctx context.Context, r *Request) (Response, error)

// route is one line of the page of routes.
type route struct {
	method, path string
	need         need
	do           handle
	streams      bool // sends more than a page: no time limit as a whole
	bare         bool // must answer without the database
	uploads      bool // takes more than a form: whoever reads the body bounds it
}

// pattern names the route in logs; the path itself may hold a secret.
func (rt route) pattern() string { return rt.method + " " + rt.path }

// call is what the router found out about a request.
type call struct {
	route route
	ip    netip.Addr
	param func(name string) string
}

// Request is one request as handlers see it.
type Request struct {
	*http.Request
	IP     netip.Addr
	Lang   words.Lang
	Now    time.Time
	Who    *signin.Visitor // nil when nobody is signed in
	Mail   *mailAccess     // set where the route's need is about a mail
	Folder *linkify.Folder // set where it is about a folder
	route  route
	param  func(string) string
}

// Param is a part of the path.
func (r *Request) Param(name string) string {
	if r.param == nil { // refused before there was a route
		return ""
	}
	return r.param(name)
}

// Query is a value of the address line.
func (r *Request) Query(name string) string { return r.URL.Query().Get(name) }

// Form is a field of a posted form, without space around it. The body only:
// what stands in a link never counts as posted.
func (r *Request) Form(name string) string { return strings.TrimSpace(r.PostFormValue(name)) }

// FormAll are all values of a field of a posted form.
func (r *Request) FormAll(name string) []string {
	r.PostFormValue("") // parses once
	return r.PostForm[name]
}

// unsafe says whether the method may change something (RFC 9110 section 9.2.1).
func unsafe(r *http.Request) bool {
	return r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodOptions
}

// isAPI says whether the answer is for a program: problem documents, no cookies set.
func isAPI(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/api/") }

// bearer is the token of a program, "" where none is shown.
func bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// safeReturn keeps a page to come back to on our own host: "//evil.example"
// and "/\evil.example" are other hosts to a browser.
func safeReturn(to string) string {
	if !strings.HasPrefix(to, "/") || len(to) > 2000 || strings.ContainsAny(to, "\\\r\n\t\x00") || strings.HasPrefix(to, "//") {
		return "/"
	}
	if strings.HasPrefix(to, "/login") || strings.HasPrefix(to, "/logout") {
		return "/"
	}
	return to
}
