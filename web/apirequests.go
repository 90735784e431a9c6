package web

import (
	"context"
	"time"

	"github.com/sekisho-mail/sekisho/approval"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// apiQuestion is one line of the list of questions.
type apiQuestion struct {
	ID         string     `json:"id"`
	Message    string     `json:"message"`
	Sender     string     `json:"sender"`
	Subject    string     `json:"subject"`
	Reasons    []string   `json:"reasons"`
	Recipients int        `json:"recipients"`
	As         string     `json:"as"`
	State      string     `json:"state"`
	AskedAt    *time.Time `json:"asked_at"`
	ExpiresAt  *time.Time `json:"expires_at"`
}

// apiRequests lists what the caller is asked; with past=1 what they answered.
func (st *staff) apiRequests(ctx context.Context, r *Request) (Response, error) {
	list := st.Approval.Questions
	if r.Query("past") == "1" {
		list = st.Approval.History
	}
	rows, next, err := list(ctx, actor(r), approval.Page{After: r.Query("after"), Limit: apiOnAPage})
	if err != nil {
		return nil, err
	}
	out := apiList[apiQuestion]{Items: []apiQuestion{}, Next: next}
	for _, row := range rows {
		state := row.State
		if state == "" {
			state = approval.Open
		}
		out.Items = append(out.Items, apiQuestion{ID: string(row.Request), Message: row.Message, Sender: row.Sender.String(),
			Subject: row.Subject, Reasons: reasonTexts(row.Reasons, "en"), Recipients: row.Recipients, As: string(row.As),
			State: string(state), AskedAt: apiTime(row.AskedAt), ExpiresAt: apiTime(row.ExpiresAt)})
	}
	return &document{body: out}, nil
}

// apiRequestDetail is one question with what a decision must name.
type apiRequestDetail struct {
	ID         string      `json:"id"`
	Message    string      `json:"message"`
	Revision   string      `json:"revision"`
	State      string      `json:"state"`
	Sender     string      `json:"sender"`
	Subject    string      `json:"subject,omitempty"`
	Reasons    []string    `json:"reasons"`
	Recipients []apiAnswer `json:"recipients"`
	Holders    []apiHolder `json:"holders"`
	MayDecide  bool        `json:"may_decide"`
	OpenedAt   *time.Time  `json:"opened_at"`
	ExpiresAt  *time.Time  `json:"expires_at"`
}

// apiAnswer is one recipient of a question.
type apiAnswer struct {
	ID      string `json:"id"`
	Address string `json:"address"`
	Bcc     bool   `json:"bcc"`
	Answer  string `json:"answer"`
}

// apiRequest shows one question.
func (st *staff) apiRequest(ctx context.Context, r *Request) (Response, error) {
	q, err := st.Approval.Request(ctx, approval.RequestID(r.Param("id")), actor(r))
	if err != nil {
		return nil, err
	}
	m, err := st.Queue.Whole(ctx, q.Message)
	if err != nil {
		return nil, err
	}
	s := standing{admin: actor(r).Admin}
	if err := st.towards(ctx, r, m, &s); err != nil {
		return nil, err
	}
	out := apiRequestDetail{ID: string(q.ID), Message: q.Message, Revision: string(q.Revision), State: string(q.State),
		Sender: q.Sender.String(), Reasons: reasonTexts(q.Reasons, "en"), MayDecide: q.MayDecide, Recipients: []apiAnswer{},
		Holders: []apiHolder{}, OpenedAt: apiTime(q.OpenedAt), ExpiresAt: apiTime(q.ExpiresAt)}
	if mailRead.permits(s) {
		out.Subject = q.Subject
	}
	for _, each := range q.Recipients {
		out.Recipients = append(out.Recipients, apiAnswer{ID: each.ID, Address: each.Address.String(), Bcc: each.Bcc, Answer: string(each.Answer)})
	}
	for _, h := range q.Holders {
		out.Holders = append(out.Holders, apiHolder{Address: h.Address.String(), Name: h.Name, As: string(h.As), Since: h.Since.UTC()})
	}
	return &document{body: out}, nil
}

// apiDecision is the body of a decision.
type apiDecision struct {
	Revision   string   `json:"revision"`
	Verb       string   `json:"verb"`
	Recipients []string `json:"recipients"`
	Others     string   `json:"others"`
	Comment    string   `json:"comment"`
}

// apiDecided is what a decision did.
type apiDecided struct {
	State     string     `json:"state"`
	Approved  []string   `json:"approved"`
	Rejected  []string   `json:"rejected"`
	Waiting   []string   `json:"waiting"`
	ReleaseAt *time.Time `json:"release_at"`
}

// apiDecide takes an answer in the name of the token's owner.
func (st *staff) apiDecide(ctx context.Context, r *Request) (Response, error) {
	var in apiDecision
	if err := readJSON(r, &in); err != nil {
		return nil, err
	}
	d := approval.Decision{Request: approval.RequestID(r.Param("id")), Revision: approval.Revision(in.Revision), Verb: approval.Verb(in.Verb),
		Recipients: in.Recipients, Others: approval.Verb(in.Others), Comment: in.Comment, By: actor(r)}
	if err := checkVerbs(d); err != nil {
		return nil, err
	}
	out, err := st.Approval.Decide(ctx, d)
	if err != nil {
		return nil, err
	}
	return &document{body: apiDecided{State: string(out.State), Approved: texts(out.Approved), Rejected: texts(out.Rejected),
		Waiting: texts(out.Waiting), ReleaseAt: apiTime(out.ReleaseAt)}}, nil
}

func texts(list []mailaddr.Address) []string {
	out := []string{}
	for _, a := range list {
		out = append(out, a.String())
	}
	return out
}

func reasonTexts(reasons []approval.Reason, lang string) []string {
	out := []string{}
	for _, r := range reasons {
		out = append(out, r.In(lang))
	}
	return out
}
