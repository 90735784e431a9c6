package web

import (
	"context"
	"errors"
	"slices"

	"github.com/sekisho-mail/sekisho/approval"
	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
	"github.com/sekisho-mail/sekisho/submission/dlp"
)

// questionPage is one question, made to be answered in ten seconds: why, to
// whom, where, and two buttons. Everything else is folded.
type questionPage struct {
	*approval.Request
	Why        whyView
	Risk       []findingView // the risky ones, shown
	Rest       []findingView // the others, folded
	People     []answerView
	Domains    []domainCount // of many recipients; nil when each can be shown
	Outside    int
	HeaderOnly []mailaddr.Address
	Preview    *preview
	Reads      bool
	Size       int64
	Row        mailRow
	// Lost is why a decision just made did not count.
	Lost    *approval.DecidedError
	Stale   bool
	Comment string // kept over a lost race
	WhyNot  string // key of why the reader may not decide
}

// domainCount says how many recipients a domain has: what matters about twelve
// addresses is whose they are.
type domainCount struct {
	Domain  string
	N       int
	Outside bool
}

// manyRecipients is from how many on they are folded behind their domains.
const manyRecipients = 5

// answerView is one recipient of a question.
type answerView struct {
	approval.Recipient
	Outside bool
	State   stateView
}

// request shows one question.
func (st *staff) request(ctx context.Context, r *Request) (Response, error) {
	return st.questionTelling(ctx, r, func(*questionPage) {})
}

func (st *staff) questionTelling(ctx context.Context, r *Request, more func(*questionPage)) (*page, error) {
	q, err := st.Approval.Request(ctx, approval.RequestID(r.Param("id")), actor(r))
	if err != nil {
		return nil, err
	}
	m, err := st.Queue.Get(ctx, q.Message)
	if err != nil {
		return nil, err
	}
	body := questionPage{Request: q, HeaderOnly: headerOnly(m), Size: m.Size, Row: rowOf(m), WhyNot: whyNot(q)}
	s := standing{admin: actor(r).Admin}
	if err := st.towards(ctx, r, m, &s); err != nil {
		return nil, err
	}
	if err := st.fillContent(ctx, r, m, &body, mailRead.permits(s)); err != nil {
		return nil, err
	}
	st.fillPeople(m, &body)
	more(&body)
	return st.show(ctx, r, "question", "/requests", body)
}

// fillContent adds what was found and what the mail says. An administrator who
// was not asked sees the reasons; the content asks for a reason of its own.
func (st *staff) fillContent(ctx context.Context, r *Request, m *holdqueue.Message, body *questionPage, reads bool) error {
	var err error
	if body.Why, err = st.why(m, r.Lang, reads); err != nil {
		return err
	}
	if body.Reads = reads; !reads {
		body.Subject = ""
		return nil
	}
	for _, f := range body.Why.Findings {
		if f.Risky {
			body.Risk = append(body.Risk, f)
		} else {
			body.Rest = append(body.Rest, f)
		}
	}
	body.Preview, err = st.previewOf(ctx, m)
	return err
}

func (st *staff) fillPeople(m *holdqueue.Message, body *questionPage) {
	for _, each := range body.Recipients {
		v := answerView{Recipient: each, Outside: st.outside(each.Address)}
		if i := slices.IndexFunc(m.Recipients, func(x *holdqueue.Recipient) bool { return x.ID == each.ID }); i >= 0 {
			v.State = stateOf(m.Recipients[i])
		}
		if v.Outside {
			body.Outside++
		}
		body.People = append(body.People, v)
	}
	if len(body.People) < manyRecipients {
		return
	}
	for _, v := range body.People {
		d := v.Address.Domain()
		i := slices.IndexFunc(body.Domains, func(c domainCount) bool { return c.Domain == d })
		if i < 0 {
			i, body.Domains = len(body.Domains), append(body.Domains, domainCount{Domain: d, Outside: v.Outside})
		}
		body.Domains[i].N++
	}
}

func whyNot(q *approval.Request) string {
	switch {
	case q.MayDecide || q.MayAsk || q.State != approval.Open:
		return ""
	case errors.Is(q.Why, approval.ErrSelf):
		return "own_mail"
	case errors.Is(q.Why, approval.ErrDecided):
		return "decided"
	}
	return "not_approver"
}

// Unread are the parts nobody could look into.
func (p questionPage) Unread() []dlp.Uninspectable { return p.Why.Unread }
