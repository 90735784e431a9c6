package web

import (
	"context"
	"slices"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/web/signin"
)

const apiOnAPage = 50

// apiMessages lists the caller's own mail, one that arrived as several copies once; with all=1 that of everybody, for
// administrators and auditors. Filters: state, open=1, person (with all).
func (st *staff) apiMessages(ctx context.Context, r *Request) (Response, error) {
	f := holdqueue.Filter{Person: r.Who.Person.Address.Key(), Open: r.Query("open") == "1", Before: cursorFrom(r), Limit: apiOnAPage}
	all := r.Query("all") == "1"
	if all {
		if !overseen.permits(standing{admin: r.Who.Has(signin.Admin), auditor: r.Who.Has(signin.Auditor)}) {
			return nil, errForbidden
		}
		f.Person = ""
		if p := r.Query("person"); p != "" {
			f.Person = st.personNamed(p)
		}
	}
	if s := r.Query("state"); s != "" {
		f.States = []holdqueue.State{holdqueue.State(s)}
	}
	found, next, err := st.Queue.List(ctx, f)
	if err != nil {
		return nil, err
	}
	holders, err := st.Approval.Holders(ctx, heldIDs(found))
	if err != nil {
		return nil, err
	}
	list := apiList[apiMail]{Items: []apiMail{}, Next: cursorText(next)}
	for _, m := range found {
		item := apiMailOf(m, holders[m.Family], r.Who.Person.Is(m.Person))
		w, err := st.why(m, "en", false)
		if err != nil {
			return nil, err
		}
		item.Reasons = append(item.Reasons, w.Reasons...)
		list.Items = append(list.Items, item)
	}
	return &document{body: list}, nil
}

// apiMessage is one mail with reasons, findings and the requests about it.
func (st *staff) apiMessage(ctx context.Context, r *Request) (Response, error) {
	holders, err := st.Approval.Holders(ctx, []string{r.Mail.Family})
	if err != nil {
		return nil, err
	}
	item := apiMailOf(r.Mail.Message, holders[r.Mail.Family], r.Mail.reads())
	w, err := st.why(r.Mail.Message, "en", false)
	if err != nil {
		return nil, err
	}
	item.Reasons = append(item.Reasons, w.Reasons...)
	if r.Mail.reads() {
		rep, err := reportOf(r.Mail.Message)
		if err != nil {
			return nil, err
		}
		item.Findings = rep.Findings
	}
	requests, err := st.Approval.OfFamily(ctx, r.Mail.Family, actor(r))
	if err != nil {
		return nil, err
	}
	for _, q := range requests {
		item.Requests = append(item.Requests, string(q.ID))
	}
	return &document{body: item}, nil
}

// apiChoice names the recipients an action is about; without it, all.
type apiChoice struct {
	Recipients []string `json:"recipients"`
}

func (c apiChoice) ids() []holdqueue.ID { return slices.Clone(c.Recipients) }

// apiCancel takes a mail back.
func (st *staff) apiCancel(ctx context.Context, r *Request) (Response, error) {
	var c apiChoice
	if err := readJSON(r, &c); err != nil {
		return nil, err
	}
	out, err := st.Queue.Cancel(ctx, r.Mail.ID, c.ids(), cancelReason(r.Mail), queueActor(r))
	return apiActed(out, err)
}

// apiRelease ends the delay of a mail. What is held stays held: that is a
// decision, and has its own address.
func (st *staff) apiRelease(ctx context.Context, r *Request) (Response, error) {
	var c apiChoice
	if err := readJSON(r, &c); err != nil {
		return nil, err
	}
	out, err := st.Queue.SendNow(ctx, r.Mail.ID, c.ids(), queueActor(r))
	return apiActed(out, err)
}

// apiActed answers with an outcome per recipient; 409 when nothing was done.
func apiActed(out []holdqueue.Outcome, err error) (Response, error) {
	if err != nil {
		return nil, err
	}
	d := &document{body: apiOutcomes(out)}
	if !slices.ContainsFunc(out, func(o holdqueue.Outcome) bool { return o.Err == nil }) {
		d.code = codeConflict
	}
	return d, nil
}
