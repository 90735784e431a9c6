package web

import (
	"context"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// noticePage is what the link in a sender's notice opens, without login: to
// whom the mail goes and one button. No subject, no body, no file names: the
// notice may have been forwarded.
type noticePage struct {
	To     []mailaddr.Address
	States []stateView
	Leaves mailRow
	Over   bool // nothing can be cancelled any more
	Tell   *tellView
}

// cancelPage shows what would be cancelled. It changes nothing, however often
// a scanner opens it.
func (st *staff) cancelPage(ctx context.Context, r *Request) (Response, error) {
	m, err := st.mailOfToken(ctx, r)
	if err != nil {
		return nil, err
	}
	return st.noticeFor(ctx, r, m, nil)
}

// cancelByToken cancels what has not left, in the name of the mail's sender.
func (st *staff) cancelByToken(ctx context.Context, r *Request) (Response, error) {
	m, err := st.mailOfToken(ctx, r)
	if err != nil {
		return nil, err
	}
	out, err := st.Queue.Cancel(ctx, m.ID, nil, holdqueue.ReasonSender, holdqueue.Actor("notice:"+m.Person.Key().String()))
	if err != nil {
		return nil, err
	}
	if m, err = st.Queue.Whole(ctx, m.ID); err != nil {
		return nil, err
	}
	return st.noticeFor(ctx, r, m, tellOf("cancel", out))
}

func (st *staff) mailOfToken(ctx context.Context, r *Request) (*holdqueue.Message, error) {
	id, err := st.Approval.ByCancelToken(r.Param("token"))
	if err != nil {
		return nil, err
	}
	return st.Queue.Whole(ctx, id)
}

func (st *staff) noticeFor(ctx context.Context, r *Request, m *holdqueue.Message, tell *tellView) (Response, error) {
	row := rowOf(m)
	row.Subject = ""
	body := noticePage{States: row.States, Leaves: row, Over: !row.May.Cancel, Tell: tell}
	for _, each := range m.Recipients {
		body.To = append(body.To, each.Address)
	}
	p, err := st.show(ctx, r, "notice", "", body)
	if err != nil {
		return nil, err
	}
	p.frame.Narrow = true
	if tell != nil && len(tell.Done) == 0 {
		p.code = codeConflict
	}
	return p, nil
}
