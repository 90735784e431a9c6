package web

import (
	"context"
	"errors"
	"html/template"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sekisho-mail/sekisho/internal/audit"
)

// auditPage is the log, the newest first.
type auditPage struct {
	Rows               []auditRow
	Next               template.URL
	Actor, Action, Msg string
	From, To           string
}

// auditRow is one entry.
type auditRow struct {
	audit.Recorded
	Details []detailView
}

// detailView is one named value of an entry.
type detailView struct{ Name, Value string }

const auditOnAPage = 100

// auditLog shows who did what, when.
func (st *staff) auditLog(ctx context.Context, r *Request) (Response, error) {
	body := auditPage{Actor: r.Query("actor"), Action: r.Query("action"), Msg: r.Query("message"), From: r.Query("from"), To: r.Query("to")}
	f := audit.Filter{Actor: fullActor(body.Actor), Action: body.Action, Message: body.Msg,
		From: st.dayFrom(body.From, 0), To: st.dayFrom(body.To, 1)}
	found, next, err := st.Audit.List(ctx, f, audit.Page{After: r.Query("after"), Limit: auditOnAPage})
	if errors.Is(err, audit.ErrCursor) {
		return nil, errBadForm
	}
	if err != nil {
		return nil, err
	}
	for _, e := range found {
		row := auditRow{Recorded: e}
		for _, name := range slices.Sorted(maps.Keys(e.Detail)) {
			row.Details = append(row.Details, detailView{name, e.Detail[name]})
		}
		body.Rows = append(body.Rows, row)
	}
	body.Next = older(r, next, "actor", "action", "message", "from", "to")
	return st.show(ctx, r, "audit", "/audit", body)
}

// fullActor lets people type an address where the log says "person:address".
func fullActor(typed string) string {
	if strings.Contains(typed, "@") && !strings.Contains(typed, ":") {
		return "person:" + strings.ToLower(typed)
	}
	return typed
}

// dayFrom reads a date field as the beginning of a day in the company's zone.
func (st *staff) dayFrom(text string, plusDays int) time.Time {
	day, err := time.ParseInLocation(time.DateOnly, text, st.Company.Zone)
	if err != nil {
		return time.Time{}
	}
	return day.AddDate(0, 0, plusDays)
}
