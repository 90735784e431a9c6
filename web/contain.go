package web

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/audit"
	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
	"github.com/sekisho-mail/sekisho/linkify"
)

// A mail went to the wrong person. One press stops what can still be stopped; the page and the report say truthfully
// what could not.

// mishap is all that is known about one mail after it left.
type mishap struct {
	Mail       *holdqueue.Message
	Recipients []recipientView
	Links      []linkify.Link
	Log        []linkify.Download
	MoreLog    bool // the log is longer than what is shown
	Reads      bool // may see subject and file names
	Contained  *containment
}

// containment is when somebody pressed the button.
type containment struct {
	At time.Time
	By string
}

// logInReport bounds how many downloads a page and a report list.
const logInReport = 500

func (st *staff) mishapOf(ctx context.Context, r *Request) (*mishap, error) {
	m := r.Mail.Message
	x := &mishap{Mail: m, Reads: r.Mail.reads()}
	var err error
	if x.Recipients, err = st.recipientViews(m); err != nil {
		return nil, err
	}
	if x.Links, err = st.linksOf(ctx, m); err != nil {
		return nil, err
	}
	if x.Log, err = st.linkLog(ctx, m, linkify.Page{Limit: logInReport}); err != nil {
		return nil, err
	}
	x.MoreLog = len(x.Log) == logInReport
	slices.SortFunc(x.Log, func(a, b linkify.Download) int { return a.At.Compare(b.At) })
	x.Contained, err = st.containedAt(ctx, r.Mail.ID)
	return x, err
}

// containedAt asks the log, which is where the press of the button is kept.
func (st *staff) containedAt(ctx context.Context, message string) (*containment, error) {
	found, _, err := st.Audit.List(ctx, audit.Filter{Message: message, Action: actionContain}, audit.Page{Limit: 1})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &containment{At: found[0].At, By: found[0].Actor}, nil
}

const actionContain = "contain"

// Out are the recipients who have the mail, or may have it.
func (x *mishap) Out() []recipientView {
	return x.with(func(v recipientView) bool { return left(v) })
}

// Waiting are those who can still be kept from getting it.
func (x *mishap) Waiting() []recipientView {
	return x.with(func(v recipientView) bool {
		return !left(v) && !slices.Contains([]string{"cancelled", "rejected", "expired", "refused", "failed"}, v.State.Key)
	})
}

// Back are those who did not get it and will not.
func (x *mishap) Back() []recipientView {
	return x.with(func(v recipientView) bool {
		return !left(v) && slices.Contains([]string{"cancelled", "rejected", "expired", "refused", "failed"}, v.State.Key)
	})
}

func left(v recipientView) bool {
	return v.State.Key == "sent" || v.State.Key == "sending" || v.Uncertain
}

func (x *mishap) with(is func(recipientView) bool) (out []recipientView) {
	for _, v := range x.Recipients {
		if is(v) {
			out = append(out, v)
		}
	}
	return out
}

// Live are the links that still answer, or will.
func (x *mishap) Live() (n int) {
	for _, l := range x.Links {
		if l.State == linkify.Active || l.State == linkify.Inactive {
			n++
		}
	}
	return n
}

// Taken says how many files somebody has whole.
func (x *mishap) Taken() (n int64) {
	for _, l := range x.Links {
		n += l.Taken
	}
	return n
}

// Viewed says how many files somebody looked at without taking them.
func (x *mishap) Viewed() (n int64) {
	for _, l := range x.Links {
		n += l.Viewed
	}
	return n
}

// Attached says whether files went out that no link can take back: the mail had them in it.
func (x *mishap) Attached() bool { return len(x.Out()) > linked(x.Links) }

func linked(links []linkify.Link) (n int) {
	seen := map[mailaddr.Address]bool{}
	for _, l := range links {
		if !l.ActivatedAt.IsZero() && !seen[l.Address.Key()] {
			seen[l.Address.Key()] = true
			n++
		}
	}
	return n
}

// containPage shows what can be done, or what was.
type containPage struct {
	*mishap
	ID      string
	Subject string
	Tell    *tellView
	Revoked []linkOutcome
}

func (st *staff) containing(ctx context.Context, r *Request) (Response, error) {
	return st.containTelling(ctx, r, nil, nil)
}

func (st *staff) containTelling(ctx context.Context, r *Request, tell *tellView, revoked []linkify.Outcome) (*page, error) {
	x, err := st.mishapOf(ctx, r)
	if err != nil {
		return nil, err
	}
	body := containPage{mishap: x, ID: r.Mail.ID, Tell: tell}
	if x.Reads {
		body.Subject = r.Mail.Meta.Subject
	}
	for _, o := range revoked {
		body.Revoked = append(body.Revoked, linkOutcome{Outcome: o, Why: linkWhy(o)})
	}
	return st.show(ctx, r, "contain", pageOf(r.Mail), body)
}

// contain does all of it, the links first: they are what answers this very second. Each step is safe to repeat.
func (st *staff) contain(ctx context.Context, r *Request) (Response, error) {
	revoked, err := st.eachLinked(ctx, r.Mail.Message, nil, func(id holdqueue.ID, _ []string) ([]linkify.Outcome, error) {
		return st.Links.Revoke(ctx, id, nil, linkify.Contained, linkActor(r))
	})
	if err != nil {
		return nil, err
	}
	stopped, err := st.Queue.Cancel(ctx, r.Mail.ID, nil, cancelReason(r.Mail), queueActor(r))
	if err != nil {
		return nil, err
	}
	for _, id := range copiesOf(r.Mail.Message) {
		// What went out may have to be shown later: the files stay until somebody says otherwise.
		if err := st.Links.LegalHold(ctx, id, true, linkActor(r)); err != nil && !errors.Is(err, linkify.ErrNotFound) {
			return nil, err
		}
	}
	err = st.DB.Write(ctx, func(tx *db.Tx) error {
		return audit.Append(tx, audit.Entry{Actor: r.Who.Actor(), Action: actionContain, Message: r.Mail.ID})
	})
	if err != nil {
		return nil, err
	}
	if r.Mail.Message, err = st.Queue.Whole(ctx, r.Mail.ID); err != nil {
		return nil, err
	}
	return st.containTelling(ctx, r, tellOf("cancel", unfinished(stopped)), revoked)
}

// unfinished leaves out what had ended before: the page itself says who has the mail and who has not.
func unfinished(outcomes []holdqueue.Outcome) []holdqueue.Outcome {
	return slices.DeleteFunc(outcomes, func(o holdqueue.Outcome) bool {
		var late *holdqueue.StateError
		return errors.As(o.Err, &late) && late.State.Ended()
	})
}

// incidentReport gives the draft of the report as a Word document, to go on writing in.
func (st *staff) incidentReport(ctx context.Context, r *Request) (Response, error) {
	x, err := st.mishapOf(ctx, r)
	if err != nil {
		return nil, err
	}
	d, err := st.draftReport(r, x)
	if err != nil {
		return nil, err
	}
	return &wordFile{name: cmp.Or(st.words.Text(r.Lang, "incident.file"), "incident") + "-" + r.Now.Format("20060102-1504") + ".docx", document: d}, nil
}
