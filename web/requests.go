package web

import (
	"context"
	"html/template"

	"github.com/sekisho-mail/sekisho/approval"
)

// requestsPage is the list of questions put to the reader.
type requestsPage struct {
	Past bool
	Rows []approval.Row
	Next template.URL
}

const requestsOnAPage = 30

// requests lists what the reader is asked now, or what they had a voice in.
func (st *staff) requests(ctx context.Context, r *Request) (Response, error) {
	body := requestsPage{Past: r.Query("show") == "past"}
	list := st.Approval.Questions
	if body.Past {
		list = st.Approval.History
	}
	rows, next, err := list(ctx, actor(r), approval.Page{After: r.Query("after"), Limit: requestsOnAPage})
	if err != nil {
		return nil, err
	}
	body.Rows, body.Next = rows, older(r, next, "show")
	return st.show(ctx, r, "requests", "/requests", body)
}
