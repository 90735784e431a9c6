package web

import (
	"context"

	"github.com/sekisho-mail/sekisho/internal/audit"
	"github.com/sekisho-mail/sekisho/internal/db"
)

// contentPage shows what a mail says.
type contentPage struct {
	ID      string
	Subject string
	Preview *preview
	Why     whyView
	Grant   string // carried to the frame when an administrator looks
}

// content shows the content of a mail to those who may read it: its sender,
// people who are asked about it, an administrator who has given a reason.
func (st *staff) content(ctx context.Context, r *Request) (Response, error) {
	p, err := st.previewOf(ctx, r.Mail.Message)
	if err != nil {
		return nil, err
	}
	w, err := st.why(r.Mail.Message, r.Lang, true)
	if err != nil {
		return nil, err
	}
	return st.show(ctx, r, "content", pageOf(r.Mail), contentPage{ID: r.Mail.ID, Subject: r.Mail.Meta.Subject, Preview: p, Why: w, Grant: r.Query("grant")})
}

// openContent lets an administrator see a mail that is not theirs: against a
// reason, and never without an entry in the log.
func (st *staff) openContent(ctx context.Context, r *Request) (Response, error) {
	reason := r.Form("reason")
	if reason == "" {
		return nil, errNeedsReason
	}
	err := st.DB.Write(ctx, func(tx *db.Tx) error {
		return audit.Append(tx, audit.Entry{Actor: r.Who.Actor(), Action: "open_content", Message: r.Mail.ID, Detail: map[string]string{"reason": reason}})
	})
	if err != nil {
		return nil, err
	}
	return &seeOther{to: "/messages/" + r.Mail.ID + "/content?grant=" + st.grant(r, r.Mail.ID)}, nil
}
