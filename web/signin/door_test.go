package signin_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/sekisho-mail/sekisho/approval"
	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/seal"
	"github.com/sekisho-mail/sekisho/web/signin"
)

// door is the smallest site around a gate: it signs people in and says who is
// there. The pages of the product are tested in package web.
type door struct {
	*httptest.Server
	gate *signin.Gate
}

// openDoor starts the site; fill completes the options once its address is known.
func openDoor(t *testing.T, d *db.DB, fill func(base string) signin.Options) *door {
	t.Helper()
	dr := &door{}
	var inside http.Handler
	dr.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { inside.ServeHTTP(w, r) }))
	t.Cleanup(dr.Close)
	o := fill(dr.URL)
	o.DB, o.Keys = d, seal.NewTest()
	var err error
	if o.BaseURL, err = url.Parse(dr.URL); err != nil {
		t.Fatal(err)
	}
	if dr.gate, err = signin.New(o); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", dr.whoIsThere)
	mux.HandleFunc("GET /login", dr.login)
	mux.HandleFunc("GET "+signin.CallbackPath, dr.callback)
	mux.HandleFunc("POST /logout", dr.logout)
	inside = dr.gate.Wrap(mux, func(w http.ResponseWriter, _ *http.Request, err error) { http.Error(w, err.Error(), 500) })
	return dr
}

func (d *door) whoIsThere(w http.ResponseWriter, r *http.Request) {
	v, err := d.gate.Visitor(r.Context())
	switch {
	case err != nil:
		http.Error(w, err.Error(), 500)
	case v == nil:
		fmt.Fprint(w, "nobody")
	default:
		fmt.Fprintf(w, "%s %v overage=%v", v.Person.Address, v.Identity.Roles, v.Identity.Overage)
	}
}

func (d *door) login(w http.ResponseWriter, r *http.Request) {
	to, cookie, err := d.gate.Begin(r.Context(), "/")
	if err != nil {
		http.Error(w, told(err), http.StatusForbidden)
		return
	}
	http.SetCookie(w, cookie)
	http.Redirect(w, r, to, http.StatusSeeOther)
}

func (d *door) callback(w http.ResponseWriter, r *http.Request) {
	to, done, err := d.gate.Finish(r)
	if done != nil {
		http.SetCookie(w, done)
	}
	if err != nil {
		http.Error(w, told(err), http.StatusForbidden)
		return
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// told names an error by what pages tell apart.
func told(err error) string {
	var refusal *signin.Refusal
	var declined *signin.DeclinedError
	switch {
	case errors.As(err, &refusal):
		return string(refusal.Why)
	case errors.As(err, &declined):
		return "declined " + declined.Code
	case errors.Is(err, signin.ErrProviderDown):
		return "provider down"
	case errors.Is(err, signin.ErrLostFlow):
		return "lost flow"
	case errors.Is(err, signin.ErrBadToken):
		return "bad token: " + err.Error()
	}
	return "unexpected: " + err.Error()
}

func (d *door) logout(w http.ResponseWriter, r *http.Request) {
	v, err := d.gate.Visitor(r.Context())
	if err == nil {
		err = d.gate.SignOut(r.Context(), v)
	}
	if err != nil {
		http.Error(w, err.Error(), 500)
	}
}

// book is a people file with alice (alias a.sato), bob and the boss.
func book(t *testing.T) func() *approval.Book {
	t.Helper()
	b, problems := approval.ParsePeople("people.yaml", []byte(`people:
  - {address: alice@corp.example, aliases: [a.sato@corp.example], name: 佐藤 花子, manager: boss@corp.example}
  - {address: bob@corp.example, name: 鈴木 一郎, manager: boss@corp.example}
  - {address: boss@corp.example, name: 田中 部長}
`))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return func() *approval.Book { return b }
}

func adminRoles() map[signin.Role][]string {
	return map[signin.Role][]string{signin.Admin: {"sekisho-admins"}, signin.Approver: {"managers"}, signin.Auditor: {"auditor@corp.example"}}
}
