package web

import (
	"context"

	"github.com/sekisho-mail/sekisho/linkify"
	"github.com/sekisho-mail/sekisho/web/signin"
)

// apiLinks lists the caller's links; with all=1 everybody's, for
// administrators.
func (st *staff) apiLinks(ctx context.Context, r *Request) (Response, error) {
	f := linkify.Filter{Person: r.Who.Person.Address.Key(), State: linkify.State(r.Query("state"))}
	if r.Query("all") == "1" {
		if !r.Who.Has(signin.Admin) {
			return nil, errForbidden
		}
		f.Person = ""
	}
	found, err := st.Links.List(ctx, f, linkify.Page{After: r.Query("after"), Limit: apiOnAPage})
	if err != nil {
		return nil, err
	}
	out := apiList[apiLink]{Items: []apiLink{}}
	for _, l := range found {
		out.Items = append(out.Items, apiLinkOf(l, r.Who.Person.Is(l.Person)))
	}
	if len(found) == apiOnAPage {
		out.Next = found[len(found)-1].ID
	}
	return &document{body: out}, nil
}

// apiLink shows one link.
func (st *staff) apiLink(ctx context.Context, r *Request) (Response, error) {
	l, err := st.Links.Get(ctx, r.Mail.Link)
	if err != nil {
		return nil, err
	}
	return &document{body: apiLinkOf(l, r.Mail.reads())}, nil
}

// apiRevoke ends one link.
func (st *staff) apiRevoke(ctx context.Context, r *Request) (Response, error) {
	if err := readJSON(r, &struct{}{}); err != nil {
		return nil, err
	}
	out, err := st.Links.Revoke(ctx, r.Mail.ID, []string{r.Mail.Link}, linkify.ByPerson, linkActor(r))
	if err != nil {
		return nil, err
	}
	if len(out) != 1 {
		return nil, linkify.ErrNotFound
	}
	d := &document{body: map[string]any{"id": out[0].Link, "address": out[0].Address, "done": out[0].Done, "state": out[0].State}}
	if !out[0].Done {
		d.code = codeConflict
	}
	return d, nil
}
