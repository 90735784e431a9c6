package web

import (
	"context"
	"errors"
	"time"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// cancel takes a mail back, or the recipients that were ticked.
func (st *staff) cancel(ctx context.Context, r *Request) (Response, error) {
	outcomes, err := st.Queue.Cancel(ctx, r.Mail.ID, chosen(r), cancelReason(r.Mail), queueActor(r))
	return st.tell(ctx, r, "cancel", outcomes, err)
}

// cancelReason says in the log and in the notice who took a mail back.
func cancelReason(m *mailAccess) holdqueue.Reason {
	if m.own {
		return holdqueue.ReasonSender
	}
	return holdqueue.ReasonAdmin
}

// sendNow ends the delay. It decides nothing: what is held stays held.
func (st *staff) sendNow(ctx context.Context, r *Request) (Response, error) {
	outcomes, err := st.Queue.SendNow(ctx, r.Mail.ID, chosen(r), queueActor(r))
	return st.tell(ctx, r, "release", outcomes, err)
}

// stop stops the clock.
func (st *staff) stop(ctx context.Context, r *Request) (Response, error) {
	outcomes, err := st.Queue.Stop(ctx, r.Mail.ID, chosen(r), queueActor(r))
	return st.tell(ctx, r, "stop", outcomes, err)
}

// chosen are the recipients that were ticked; nil, for all, when the form has
// no boxes.
func chosen(r *Request) []holdqueue.ID {
	if r.Form("subset") == "" {
		return nil
	}
	ids := r.FormAll("recipient")
	if ids == nil {
		return []holdqueue.ID{} // boxes, and none ticked: nobody, not everybody
	}
	return ids
}

// tell shows the mail again with what was done and what was not. When all was
// done it is a redirect, so that reloading the page does nothing.
func (st *staff) tell(ctx context.Context, r *Request, verb string, outcomes []holdqueue.Outcome, err error) (Response, error) {
	if err != nil {
		return nil, err
	}
	t := tellOf(verb, outcomes)
	if len(t.Late) == 0 && len(t.Done) > 0 {
		return doneAt("/messages/"+r.Mail.ID, verb), nil
	}
	if r.Mail.Message, err = st.Queue.Whole(ctx, r.Mail.ID); err != nil {
		return nil, err
	}
	p, err := st.messageTelling(ctx, r, t)
	if err != nil {
		return nil, err
	}
	if len(t.Done) == 0 {
		p.code = codeConflict
	}
	return p, nil
}

func tellOf(verb string, outcomes []holdqueue.Outcome) *tellView {
	t := &tellView{Verb: verb}
	for _, o := range outcomes {
		a := mailaddr.Address(o.Address)
		var late *holdqueue.StateError
		switch {
		case o.Err == nil:
			t.Done = append(t.Done, a)
		case errors.As(o.Err, &late):
			t.Late = append(t.Late, lateView{Address: a, State: stateView{Key: string(late.State)}, Since: late.Since})
		default:
			t.Late = append(t.Late, lateView{Address: a, State: stateView{Key: string(o.State)}, Since: time.Time{}})
		}
	}
	return t
}
