package web

import (
	"context"
	"errors"

	"github.com/sekisho-mail/sekisho/approval"
	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/audit"
	"github.com/sekisho-mail/sekisho/internal/db"
)

// maxBulk is how many mails one press of a button takes on: each is a
// transaction of its own, and the page must answer.
const maxBulk = 500

// bulk cancels, sends or stops the ticked mails and says what became of each.
func (st *staff) bulk(ctx context.Context, r *Request) (Response, error) {
	verb, reason := r.Form("verb"), r.Form("reason")
	if reason == "" {
		return nil, errNeedsReason
	}
	ids := r.FormAll("message")
	if len(ids) == 0 || len(ids) > maxBulk {
		return nil, errBadForm
	}
	if err := st.noteReason(ctx, r, "bulk_"+verb, reason); err != nil {
		return nil, err
	}
	results := make([]bulkResult, 0, len(ids))
	for _, id := range ids {
		one, err := st.bulkOne(ctx, r, verb, id)
		if err != nil {
			return nil, err
		}
		results = append(results, one)
	}
	return st.adminTelling(ctx, r, func(p *adminPage) { p.Results, p.Verb = results, verb })
}

// bulkOne acts on one mail. What is wrong with one does not stop the others.
func (st *staff) bulkOne(ctx context.Context, r *Request, verb, id string) (bulkResult, error) {
	var out []holdqueue.Outcome
	var err error
	switch verb {
	case "cancel":
		out, err = st.Queue.Cancel(ctx, id, nil, holdqueue.ReasonAdmin, queueActor(r))
	case "release":
		out, err = st.Queue.SendNow(ctx, id, nil, queueActor(r))
	case "stop":
		out, err = st.Queue.Stop(ctx, id, nil, queueActor(r))
	default:
		return bulkResult{}, errBadForm
	}
	if errors.Is(err, db.ErrNotFound) || errors.Is(err, approval.ErrNotFound) {
		return bulkResult{ID: id, Err: "not_found"}, nil
	}
	if err != nil {
		st.Log.Error("bulk action failed", "message", id, "error", err)
		return bulkResult{ID: id, Err: "broken"}, nil
	}
	t := tellOf(verb, out)
	return bulkResult{ID: id, Done: len(t.Done), Late: t.Late}, nil
}

// noteReason writes why an administrator acts on mails that are not theirs.
func (st *staff) noteReason(ctx context.Context, r *Request, action, reason string) error {
	return st.DB.Write(ctx, func(tx *db.Tx) error {
		return audit.Append(tx, audit.Entry{Actor: r.Who.Actor(), Action: action, Detail: map[string]string{"reason": reason}})
	})
}

// cancelAll takes back everything of one person that has not left: an account
// in a stranger's hands.
func (st *staff) cancelAll(ctx context.Context, r *Request) (Response, error) {
	reason := r.Form("reason")
	if reason == "" {
		return nil, errNeedsReason
	}
	if r.Form("person") == "" {
		return nil, errBadForm
	}
	person := st.personNamed(r.Form("person"))
	found, next, err := st.Queue.List(ctx, holdqueue.Filter{Person: person, Open: true, Limit: maxBulk})
	if err != nil {
		return nil, err
	}
	if err := st.noteReason(ctx, r, "cancel_all", reason); err != nil {
		return nil, err
	}
	results := make([]bulkResult, 0, len(found))
	for _, m := range found {
		one, err := st.bulkOne(ctx, r, "cancel", m.ID)
		if err != nil {
			return nil, err
		}
		results = append(results, one)
	}
	return st.adminTelling(ctx, r, func(p *adminPage) {
		p.Results, p.Verb, p.Capped = results, "cancel", !next.At.IsZero()
	})
}

// pause lets nothing leave until somebody resumes.
func (st *staff) pause(ctx context.Context, r *Request) (Response, error) {
	reason := r.Form("reason")
	if reason == "" {
		return nil, errNeedsReason
	}
	if err := st.Queue.Pause(ctx, queueActor(r), reason); err != nil {
		return nil, err
	}
	return doneAt("/admin", "pause"), nil
}

// resume lets mail leave again.
func (st *staff) resume(ctx context.Context, r *Request) (Response, error) {
	if err := st.Queue.Resume(ctx, queueActor(r), r.Form("reason")); err != nil {
		return nil, err
	}
	return doneAt("/admin", "resume"), nil
}
