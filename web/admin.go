package web

import (
	"context"
	"html/template"
	"slices"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
	"github.com/sekisho-mail/sekisho/web/signin"
)

// adminPage is every mail as administrators see it: envelope, state, reason.
// Subjects are content and stay closed.
type adminPage struct {
	Rows    []mailRow
	Next    template.URL
	Person  string
	State   string
	Choices []string
	Paused  *holdqueue.Pause
	Acts    bool // administrators act, auditors look
	Results []bulkResult
	Verb    string
	Capped  bool // more was waiting than one press takes
	Nodes   *nodesView
}

// bulkResult says what became of one mail of a bulk action.
type bulkResult struct {
	ID   string
	Done int
	Late []lateView
	Err  string // key of what went wrong with the whole mail
}

// filterOpen shows what has not ended, whatever its state.
const filterOpen = "open"

const adminOnAPage = 50

// allMails lists the mail of everybody.
func (st *staff) allMails(ctx context.Context, r *Request) (Response, error) {
	return st.adminTelling(ctx, r, func(*adminPage) {})
}

func (st *staff) adminTelling(ctx context.Context, r *Request, more func(*adminPage)) (*page, error) {
	body := adminPage{Person: r.Query("person"), State: r.Query("state"), Acts: r.Who.Has(signin.Admin), Choices: []string{filterOpen,
		"held", "delayed", "deferred", "received", "sent", "failed", "refused", "rejected", "expired", "cancelled"}}
	f := holdqueue.Filter{Before: cursorFrom(r), Limit: adminOnAPage}
	switch {
	case body.State == filterOpen:
		f.Open = true
	case slices.Contains(body.Choices, body.State):
		f.States = []holdqueue.State{holdqueue.State(body.State)}
	}
	if body.Person != "" {
		f.Person = st.personNamed(body.Person)
	}
	found, next, err := st.Queue.List(ctx, f)
	if err != nil {
		return nil, err
	}
	if body.Rows, err = st.rows(ctx, found); err != nil {
		return nil, err
	}
	for i, m := range found {
		body.Rows[i].Hidden, body.Rows[i].Subject = true, ""
		w, err := st.why(m, r.Lang, false)
		if err != nil {
			return nil, err
		}
		body.Rows[i].Reasons = w.Ahead
		if body.Rows[i].Over, err = st.endings(ctx, m); err != nil {
			return nil, err
		}
	}
	body.Next = older(r, cursorText(next), "person", "state")
	if body.Paused, err = st.Queue.Paused(ctx); err != nil {
		return nil, err
	}
	if body.Nodes, err = st.nodes(ctx); err != nil {
		return nil, err
	}
	more(&body)
	return st.show(ctx, r, "admin", "/admin", body)
}

// personNamed finds whose mail an address means: an alias is the person.
func (st *staff) personNamed(text string) mailaddr.Address {
	a := mailaddr.Address(text)
	if p, ok := st.People().ByAddress(a); ok {
		a = p.Address
	}
	return a.Key()
}
