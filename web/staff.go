package web

import (
	"context"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/sekisho-mail/sekisho/web/signin"
)

// show builds a staff page: the frame for this reader around the page's body.
// here is the entry of the navigation it belongs to.
func (st *staff) show(ctx context.Context, r *Request, name, here string, body any) (*page, error) {
	f := frame{
		Title:   st.words.Text(r.Lang, "title."+name),
		Company: st.Company.Name, Version: st.Version, Now: r.Now,
		Back: backTo(r), Done: doneKey(st, r),
	}
	if r.Who != nil {
		f.Name, f.Me = r.Who.Person.Called(), r.Who.Person.Address.Key()
		f.Overage = r.Who.Identity.Overage
		if err := st.navigate(ctx, r, &f, here); err != nil {
			return nil, err
		}
	}
	return &page{name: name, frame: f, body: body}, nil
}

// navigate fills the navigation with what this person may open.
func (st *staff) navigate(ctx context.Context, r *Request, f *frame, here string) error {
	open, err := st.Approval.Waiting(ctx, actor(r), maxCount+1)
	if err != nil {
		return err
	}
	f.Nav = []navItem{
		{Key: "nav.mails", Href: "/"},
		{Key: "nav.requests", Href: "/requests", Count: min(open, maxCount), More: open > maxCount},
		{Key: "nav.links", Href: "/links"},
		{Key: "nav.folders", Href: "/folders"},
	}
	if overseen.permits(standing{admin: r.Who.Has(signin.Admin), auditor: r.Who.Has(signin.Auditor)}) {
		f.Nav = append(f.Nav, navItem{Key: "nav.admin", Href: "/admin"})
		f.Overseer = true
	}
	f.Here = here
	for i := range f.Nav {
		f.Nav[i].Current = f.Nav[i].Href == here || f.Nav[i].Href == "/admin" && slices.Contains(overseersPages(), here)
	}
	pause, err := st.Queue.Paused(ctx)
	if err != nil {
		return err
	}
	if pause != nil {
		f.Paused = &pausedBanner{Since: pause.At, Reason: pause.Reason}
	}
	return nil
}

// maxCount caps the number of open questions shown: counting thousands costs
// every page view.
const maxCount = 99

// overseersPages are the pages below the entry for administrators and auditors.
func overseersPages() []string { return []string{"/admin", "/audit", "/report", "/people"} }

// backTo is the page to stay on when only the language changes. What was
// posted cannot be shown again by a GET, so it leads to its own start.
func backTo(r *Request) string {
	if unsafe(r.Request) {
		return "/"
	}
	return r.URL.RequestURI()
}

// doneKey names what has just been done, from the address line of the redirect
// after it. Only known keys are shown: the address line is anybody's.
func doneKey(st *staff, r *Request) string {
	key := r.Query("done")
	if r.Method == http.MethodGet && key != "" && st.words.Has("done."+key) {
		return key
	}
	return ""
}

// older is the query of the next page of a list: the same filters, and the
// place after the last row. It is empty after the last page.
func older(r *Request, after string, filters ...string) template.URL {
	if after == "" {
		return ""
	}
	q := url.Values{"after": {after}}
	for _, name := range filters {
		if v := r.Query(name); v != "" {
			q.Set(name, v)
		}
	}
	return template.URL(q.Encode()) // encoded here: pages put it behind a question mark as it is
}

// doneAt is the address of a page that says what has just been done.
func doneAt(path, key string) *seeOther {
	join := "?"
	if strings.Contains(path, "?") {
		join = "&"
	}
	return &seeOther{to: path + join + "done=" + key}
}
