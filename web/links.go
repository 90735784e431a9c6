package web

import (
	"context"
	"errors"
	"html/template"
	"slices"
	"time"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/linkify"
	"github.com/sekisho-mail/sekisho/web/signin"
)

// linksPage lists links over mails.
type linksPage struct {
	Rows    []linkView
	Next    template.URL
	All     bool // everybody's, for administrators
	MayAll  bool
	State   string
	Choices []string
}

// linkView is one link with what may still be done.
type linkView struct {
	linkify.Link
	Class     string
	Size      int64
	MayRevoke bool
	MayExtend bool
	MayResend bool
	Hidden    bool // subject and file names are content
}

func linkViewOf(l linkify.Link, reads bool) linkView {
	v := linkView{Link: l, Hidden: !reads}
	for _, f := range l.Files {
		v.Size += f.Size
	}
	v.Password = linkify.ShownPassword(l.Password)
	if v.Hidden {
		v.Password = ""
	}
	switch l.State {
	case linkify.Active:
		v.Class, v.MayRevoke, v.MayExtend, v.MayResend = "sent", true, true, true
	case linkify.Inactive:
		v.Class, v.MayRevoke = "waiting", true
	case linkify.Expired:
		v.MayExtend, v.MayResend = true, true
	case linkify.Revoked:
		v.Class, v.MayResend = "ill", l.Cause == linkify.ByPerson && !l.ActivatedAt.IsZero()
	}
	return v
}

const linksOnAPage = 30

// links lists the reader's own links; administrators may look at everybody's.
func (st *staff) links(ctx context.Context, r *Request) (Response, error) {
	body := linksPage{MayAll: r.Who.Has(signin.Admin), State: r.Query("state"),
		Choices: []string{string(linkify.Active), string(linkify.Inactive), string(linkify.Expired), string(linkify.Revoked)}}
	body.All = body.MayAll && r.Query("all") == "1"
	f := linkify.Filter{Person: r.Who.Person.Address.Key()}
	if body.All {
		f.Person = ""
	}
	if slices.Contains(body.Choices, body.State) {
		f.State = linkify.State(body.State)
	}
	found, err := st.Links.List(ctx, f, linkify.Page{After: r.Query("after"), Limit: linksOnAPage})
	if err != nil {
		return nil, err
	}
	for _, l := range found {
		body.Rows = append(body.Rows, linkViewOf(l, r.Who.Person.Is(l.Person)))
	}
	if len(found) == linksOnAPage {
		body.Next = older(r, found[len(found)-1].ID, "all", "state")
	}
	return st.show(ctx, r, "links", "/links", body)
}

// mailLinksPage is the links of one mail, with who took what.
type mailLinksPage struct {
	ID       string
	Subject  string
	Reads    bool // may see file names
	Rows     []linkView
	Log      []linkify.Download
	Next     template.URL
	Outcomes []linkOutcome
	Verb     string
	Soonest  time.Time // bounds of the date field
	Latest   time.Time
}

// linkOutcome says what became of one link.
type linkOutcome struct {
	linkify.Outcome
	Why string // key, "" when done
}

// longestExtension is how far ahead a link may be extended (FIELD: up to 93 days).
const longestExtension = 93 * 24 * time.Hour

// mailLinks shows the links of one mail.
func (st *staff) mailLinks(ctx context.Context, r *Request) (Response, error) {
	return st.mailLinksTelling(ctx, r, "", nil)
}

func (st *staff) mailLinksTelling(ctx context.Context, r *Request, verb string, outcomes []linkify.Outcome) (*page, error) {
	found, err := st.linksOf(ctx, r.Mail.Message)
	if err != nil {
		return nil, err
	}
	body := mailLinksPage{ID: r.Mail.ID, Verb: verb, Soonest: r.Now.AddDate(0, 0, 1), Latest: r.Now.Add(longestExtension)}
	if body.Reads = r.Mail.reads(); body.Reads {
		body.Subject = r.Mail.Meta.Subject
	}
	for _, l := range found {
		body.Rows = append(body.Rows, linkViewOf(l, r.Mail.reads()))
	}
	if body.Log, err = st.linkLog(ctx, r.Mail.Message, linkify.Page{After: r.Query("after"), Limit: linksOnAPage}); err != nil {
		return nil, err
	}
	if len(body.Log) == linksOnAPage {
		body.Next = older(r, body.Log[len(body.Log)-1].ID)
	}
	for _, o := range outcomes {
		body.Outcomes = append(body.Outcomes, linkOutcome{Outcome: o, Why: linkWhy(o)})
	}
	return st.show(ctx, r, "maillinks", "/links", body)
}

func linkWhy(o linkify.Outcome) string {
	switch {
	case o.Done:
		return ""
	case errors.Is(o.Why, linkify.ErrRevoked):
		return "link_revoked"
	case errors.Is(o.Why, linkify.ErrExpired):
		return "link_expired"
	case errors.Is(o.Why, linkify.ErrGone):
		return "file_gone"
	case errors.Is(o.Why, linkify.ErrTooMany):
		return "too_many"
	case errors.Is(o.Why, linkify.ErrNotYours):
		return "link_stays"
	}
	return "broken"
}

// revokeLinks ends the ticked links, or all of the mail.
func (st *staff) revokeLinks(ctx context.Context, r *Request) (Response, error) {
	out, err := st.eachLinked(ctx, r.Mail.Message, chosenLinks(r), func(id holdqueue.ID, ids []string) ([]linkify.Outcome, error) {
		return st.Links.Revoke(ctx, id, ids, linkify.ByPerson, linkActor(r))
	})
	if err != nil {
		return nil, err
	}
	return st.mailLinksTelling(ctx, r, "revoke", out)
}

// extendLinks moves the expiry of the ticked links, or of all of the mail.
func (st *staff) extendLinks(ctx context.Context, r *Request) (Response, error) {
	until, err := time.ParseInLocation(time.DateOnly, r.Form("until"), st.Company.Zone)
	if err != nil || until.Before(r.Now.AddDate(0, 0, -1)) || until.After(r.Now.Add(longestExtension)) {
		return nil, errBadForm
	}
	out, err := st.eachLinked(ctx, r.Mail.Message, chosenLinks(r), func(id holdqueue.ID, ids []string) ([]linkify.Outcome, error) {
		return st.Links.Extend(ctx, id, ids, until, linkActor(r))
	})
	if err != nil {
		return nil, err
	}
	return st.mailLinksTelling(ctx, r, "extend", out)
}

// resendLinks has a mail of the owner's bring the ticked links anew, or all of the mail. It waits and is inspected like
// any other, so that a rule can ask somebody first.
func (st *staff) resendLinks(ctx context.Context, r *Request) (Response, error) {
	ids := chosenLinks(r)
	found, err := st.linksOf(ctx, r.Mail.Message) // a gateway's mail may lie here as several copies
	if err != nil {
		return nil, err
	}
	var out []linkify.Outcome
	for _, l := range found {
		if ids != nil && !slices.Contains(ids, l.ID) {
			continue
		}
		o := linkify.Outcome{Link: l.ID, Address: l.Address, State: l.State}
		anew, err := st.Links.Anew(ctx, l.Message, l.ID, linkActor(r))
		switch {
		case errors.Is(err, linkify.ErrGone), errors.Is(err, linkify.ErrNotYours), errors.Is(err, linkify.ErrTooMany):
			o.Why = err
		case err != nil:
			return nil, err
		default:
			if err := st.Resend(ctx, anew); err != nil {
				return nil, err
			}
			o.Done = true
		}
		out = append(out, o)
	}
	return st.mailLinksTelling(ctx, r, "resend", out)
}

func chosenLinks(r *Request) []string {
	if r.Form("all") != "" {
		return nil
	}
	if ids := r.FormAll("link"); ids != nil {
		return ids
	}
	return []string{} // none ticked is none, never all
}
