package web

import (
	"context"
	"html/template"

	"github.com/sekisho-mail/sekisho/internal/mailaddr"
	"github.com/sekisho-mail/sekisho/web/signin"
)

// peoplePage lists who signs in with which account.
type peoplePage struct {
	Rows []bindingRow
	Next template.URL
	Acts bool
}

// bindingRow is one person with the account they are pinned to.
type bindingRow struct {
	*signin.Identity
	Name string // empty: the people file does not know the person any more
}

const peopleOnAPage = 100

// people lists the accounts people sign in with.
func (st *staff) people(ctx context.Context, r *Request) (Response, error) {
	found, err := st.Gate.Identities(ctx, mailaddr.Address(r.Query("after")), peopleOnAPage)
	if err != nil {
		return nil, err
	}
	body := peoplePage{Acts: r.Who.Has(signin.Admin)}
	for _, id := range found {
		row := bindingRow{Identity: id}
		if p, ok := st.People().ByAddress(id.Person); ok {
			row.Name = p.Called()
		}
		body.Rows = append(body.Rows, row)
	}
	if len(found) == peopleOnAPage {
		body.Next = older(r, found[len(found)-1].Person.String())
	}
	return st.show(ctx, r, "people", "/people", body)
}

// unbind lets a person sign in with another account from now on.
func (st *staff) unbind(ctx context.Context, r *Request) (Response, error) {
	reason := r.Form("reason")
	if reason == "" {
		return nil, errNeedsReason
	}
	if err := st.Gate.Unbind(ctx, r.Param("id"), r.Who.Actor(), reason); err != nil {
		return nil, err
	}
	return doneAt("/people", "unbind"), nil
}
