package web

import (
	"context"
	"errors"

	"github.com/sekisho-mail/sekisho/approval"
)

// decide takes an answer. Who comes too late, or saw something that has
// changed since, is told so on the question as it stands now.
func (st *staff) decide(ctx context.Context, r *Request) (Response, error) {
	d, err := decisionFrom(r)
	if err != nil {
		return nil, err
	}
	out, err := st.Approval.Decide(ctx, d)
	if err != nil {
		return st.lost(ctx, r, err)
	}
	done := string(d.Verb)
	if out.State == approval.Open {
		done = "partly"
	}
	return doneAt("/requests/"+r.Param("id"), done), nil
}

func decisionFrom(r *Request) (approval.Decision, error) {
	d := approval.Decision{
		Request: approval.RequestID(r.Param("id")), Revision: approval.Revision(r.Form("revision")),
		Verb: approval.Verb(r.Form("verb")), Others: approval.Verb(r.Form("others")),
		Comment: r.Form("comment"), By: actor(r),
	}
	if err := checkVerbs(d); err != nil {
		return d, err
	}
	if r.Form("subset") != "" {
		if d.Recipients = r.FormAll("recipient"); len(d.Recipients) == 0 {
			return d, approval.ErrNoRecipient
		}
	}
	return d, nil
}

// maxComment bounds what an approver may write, in bytes.
const maxComment = 8000

// checkVerbs refuses what no button of ours can have sent.
func checkVerbs(d approval.Decision) error {
	others := d.Others == "" || d.Others == approval.Approve || d.Others == approval.Reject
	if d.Verb != approval.Approve && d.Verb != approval.Reject || !others || len(d.Comment) > maxComment {
		return errBadForm
	}
	return nil
}

// askManager passes a question that was put to the sender first on to the
// sender's manager.
func (st *staff) askManager(ctx context.Context, r *Request) (Response, error) {
	id := approval.RequestID(r.Param("id"))
	if _, err := st.Approval.AskManager(ctx, id, approval.Revision(r.Form("revision")), actor(r)); err != nil {
		return st.lost(ctx, r, err)
	}
	return doneAt("/requests/"+r.Param("id"), "asked"), nil
}

// lost shows the question as it stands now to somebody whose answer did not
// count. Other errors stay errors.
func (st *staff) lost(ctx context.Context, r *Request, err error) (Response, error) {
	var decided *approval.DecidedError
	isStale := errors.Is(err, approval.ErrStale)
	if !errors.As(err, &decided) && !isStale {
		return nil, err
	}
	p, again := st.questionTelling(ctx, r, func(q *questionPage) {
		q.Lost, q.Stale, q.Comment = decided, isStale, r.Form("comment")
	})
	if again != nil {
		return nil, errors.Join(err, again)
	}
	p.code = codeConflict
	return p, nil
}
