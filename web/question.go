package web

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/sekisho-mail/sekisho/approval"
	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
	"github.com/sekisho-mail/sekisho/submission/dlp"
)

// questionPage is one question, made to be answered in ten seconds: why, to
// whom, where, and two buttons. Everything else is folded.
type questionPage struct {
	*approval.Request
	Own        bool // the reader wrote the mail
	Why        whyView
	Causes     []causeView
	Risk       []findingView // shown besides, where a reason does not say what it saw
	Rest       []findingView // the others, folded
	People     []answerView
	Undecided  int           // of them
	Domains    []domainCount // of many recipients; nil when each can be shown
	MoreDomain int           // domains that are not shown
	Outside    int
	HeaderOnly []mailaddr.Address
	Split      bool // the mail came through a gateway, which may send it in copies
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

// manyRecipients is from how many on they are folded behind their domains, and
// shownDomains how many of those are named.
const (
	manyRecipients = 4
	shownDomains   = 4
)

// answerView is one recipient of a question.
type answerView struct {
	approval.Recipient
	Outside   bool
	State     stateView
	ReleaseAt time.Time // when it leaves, where it waits for its time
	Since     time.Time // when it came into its state
}

// request shows one question, after an approval with the time at which the
// mail leaves.
func (st *staff) request(ctx context.Context, r *Request) (Response, error) {
	p, err := st.questionTelling(ctx, r, func(*questionPage) {})
	if err != nil {
		return nil, err
	}
	if q, ok := p.body.(questionPage); ok && p.frame.Done == "approve" {
		// Where sending is paused nobody knows when; the banner says so.
		if p.frame.DoneAt = q.leaves(); p.frame.Paused != nil || !p.frame.DoneAt.After(r.Now) {
			p.frame.Done = "approve_now"
		}
	}
	return p, nil
}

// Folded says whether the places of some reason are not all in sight.
func (p questionPage) Folded() bool { return slices.ContainsFunc(p.Causes, causeView.Folded) }

// leaves is the next time at which one of the recipients leaves; zero when none
// waits for its time.
func (p questionPage) leaves() time.Time {
	var next time.Time
	for _, v := range p.People {
		if !v.ReleaseAt.IsZero() && (next.IsZero() || v.ReleaseAt.Before(next)) {
			next = v.ReleaseAt
		}
	}
	return next
}

func (st *staff) questionTelling(ctx context.Context, r *Request, more func(*questionPage)) (*page, error) {
	q, err := st.Approval.Request(ctx, approval.RequestID(r.Param("id")), actor(r))
	if err != nil {
		return nil, err
	}
	m, err := st.Queue.Whole(ctx, q.Message)
	if err != nil {
		return nil, err
	}
	body := questionPage{Request: q, HeaderOnly: headerOnly(m), Split: m.Origin == holdqueue.FromGateway, Size: m.Size, Row: rowOf(m), WhyNot: whyNot(q)}
	s := standing{admin: actor(r).Admin}
	if err := st.towards(ctx, r, m, &s); err != nil {
		return nil, err
	}
	body.Own = s.own
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
	body.Reads = reads
	body.Causes, body.Risk, body.Rest = causes(body.Reasons, body.Why.Findings, string(r.Lang))
	if !reads {
		body.Subject = ""
		return nil
	}
	body.Preview, err = st.previewOf(ctx, m)
	return err
}

func (st *staff) fillPeople(m *holdqueue.Message, body *questionPage) {
	for _, each := range body.Recipients {
		v := answerView{Recipient: each, Outside: st.outside(each.Address)}
		if i := slices.IndexFunc(m.Recipients, func(x *holdqueue.Recipient) bool { return x.ID == each.ID }); i >= 0 {
			x := m.Recipients[i]
			v.State, v.Since = stateOf(x), since(x)
			if x.State == holdqueue.Delayed && !x.Stopped {
				v.ReleaseAt = x.ReleaseAt
			}
		}
		if v.Outside {
			body.Outside++
		}
		if v.Answer == approval.Unanswered {
			body.Undecided++
		}
		body.People = append(body.People, v)
	}
	if len(body.People) >= manyRecipients {
		body.Domains, body.MoreDomain = domainsOf(body.People)
	}
}

// domainsOf counts the recipients of each domain, those outside and the largest
// first, and says how many domains it left out.
func domainsOf(people []answerView) (shown []domainCount, more int) {
	for _, v := range people {
		d := v.Address.Domain()
		i := slices.IndexFunc(shown, func(c domainCount) bool { return c.Domain == d })
		if i < 0 {
			i, shown = len(shown), append(shown, domainCount{Domain: d, Outside: v.Outside})
		}
		shown[i].N++
	}
	slices.SortStableFunc(shown, func(a, b domainCount) int {
		if a.Outside != b.Outside {
			return cmp.Compare(b.outsideRank(), a.outsideRank())
		}
		return cmp.Compare(b.N, a.N)
	})
	if len(shown) > shownDomains {
		more = len(shown) - shownDomains
		shown = shown[:shownDomains]
	}
	return shown, more
}

func (c domainCount) outsideRank() int {
	if c.Outside {
		return 1
	}
	return 0
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
