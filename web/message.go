package web

import (
	"context"
	"slices"
	"time"

	"github.com/sekisho-mail/sekisho/approval"
	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
	"github.com/sekisho-mail/sekisho/linkify"
)

// messagePage is one mail and where each recipient stands.
type messagePage struct {
	Row        mailRow
	Own        bool
	Reads      bool // may see the content
	Acts       bool // may cancel, send now, stop
	Admin      bool // may open the content with a reason
	Contains   bool // may stop everything after a mis-send
	Purged     bool
	Recipients []recipientView
	HeaderOnly []mailaddr.Address
	Split      bool // the mail came through a gateway, which may send it in copies
	Why        whyView
	Over       []endingView // how it ended, unless a question below says so
	Requests   []*approval.Request
	Links      []linkify.Link
	Copies     []string // ids of the messages it arrived as, where upstream split it
	Tell       *tellView
}

// recipientView is one recipient with its state and what is known about it.
type recipientView struct {
	ID         string
	Address    mailaddr.Address
	Outside    bool
	Blind      bool // Bcc
	State      stateView
	Since      time.Time
	ReleaseAt  time.Time
	GiveBackAt time.Time
	NextTryAt  time.Time
	Reason     string // key of why it ended
	Reply      string // last words of the next hop
	Uncertain  bool
	Plan       string // key of what becomes of its files, "" where they stay
}

// tellView says truthfully what became of a request to cancel, send or stop.
type tellView struct {
	Verb string
	Done []mailaddr.Address
	Late []lateView
}

// lateView is one recipient for whom it was too late, and since when.
type lateView struct {
	Address mailaddr.Address
	State   stateView
	Since   time.Time
}

// message shows one mail.
func (st *staff) message(ctx context.Context, r *Request) (Response, error) {
	return st.messageTelling(ctx, r, nil)
}

func (st *staff) messageTelling(ctx context.Context, r *Request, tell *tellView) (*page, error) {
	m := r.Mail
	body := messagePage{
		Row: rowOf(m.Message), Own: m.own, Reads: m.reads(), Acts: mailActed.permits(m.standing), Admin: mailAsked.permits(m.standing),
		Purged: !m.PurgedAt.IsZero(), HeaderOnly: headerOnly(m.Message), Split: m.Origin == holdqueue.FromGateway, Tell: tell,
	}
	rows, err := st.rows(ctx, []*holdqueue.Message{m.Message})
	if err != nil {
		return nil, err
	}
	body.Row = rows[0]
	if !body.Reads {
		body.Row.Subject, body.Row.Hidden = "", true
	}
	body.Copies = m.Copies
	if body.Recipients, err = st.recipientViews(m.Message); err != nil {
		return nil, err
	}
	if body.Why, err = st.why(m.Message, r.Lang, body.Reads); err != nil {
		return nil, err
	}
	if body.Requests, err = st.Approval.OfFamily(ctx, m.Family, actor(r)); err != nil {
		return nil, err
	}
	if body.Over, err = st.endings(ctx, m.Message); err != nil {
		return nil, err
	}
	body.Over = slices.DeleteFunc(body.Over, func(e endingView) bool { return toldBy(body.Requests, e.Reason) })
	body.Contains = linkActed.permits(m.standing) && slices.ContainsFunc(m.Recipients, func(v *holdqueue.Recipient) bool {
		return v.State == holdqueue.Sent || v.State == holdqueue.Sending || v.Uncertain
	})
	if linkActed.permits(m.standing) {
		if body.Links, err = st.linksOf(ctx, m.Message); err != nil {
			return nil, err
		}
	}
	return st.show(ctx, r, "message", pageOf(m), body)
}

// toldBy says whether the heading of a closed question tells of an end, with
// who it was and when.
func toldBy(requests []*approval.Request, why holdqueue.Reason) bool {
	states := map[holdqueue.Reason][]approval.State{
		holdqueue.ReasonReject: {approval.Rejected, approval.Divided}, holdqueue.ReasonUnasked: {approval.Expired},
		holdqueue.ReasonSender: {approval.Cancelled},
	}[why]
	return slices.ContainsFunc(requests, func(q *approval.Request) bool { return slices.Contains(states, q.State) })
}

// pageOf is where in the navigation a mail belongs for this reader.
func pageOf(m *mailAccess) string {
	switch {
	case m.own:
		return "/"
	case m.named:
		return "/requests"
	}
	return "/admin"
}

func (st *staff) recipientViews(m *holdqueue.Message) ([]recipientView, error) {
	out := make([]recipientView, 0, len(m.Recipients))
	for _, r := range m.Recipients {
		v := recipientView{
			ID: r.ID, Address: r.Address, Outside: st.outside(r.Address), Blind: blind(m, r.Address), State: stateOf(r),
			Reason: string(r.Reason), Reply: r.Reply, Uncertain: r.Uncertain, NextTryAt: r.NextTryAt, Since: since(r),
		}
		switch {
		case r.State == holdqueue.Delayed && r.Stopped:
			v.GiveBackAt = r.ReleaseAt
		case r.State == holdqueue.Delayed:
			v.ReleaseAt = r.ReleaseAt
		}
		verdict, err := verdictFor(r)
		if err != nil {
			return nil, err
		}
		v.Plan = planOf(verdict.Link)
		out = append(out, v)
	}
	return out, nil
}

// outside says whether an address belongs to another organization.
func (st *staff) outside(a mailaddr.Address) bool {
	return !mailaddr.InDomains(a, st.Company.Domains)
}

// since is when a recipient came into its state.
func since(r *holdqueue.Recipient) time.Time {
	switch {
	case r.State.Ended():
		return r.EndedAt
	case r.State == holdqueue.Sending:
		return r.ClaimedAt
	}
	return r.DecidedAt
}
