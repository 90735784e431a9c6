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
	Actions            []string // codes that have words, for the field
}

// auditRow is one entry.
type auditRow struct {
	audit.Recorded
	Details []detailView
}

// detailView is one named value of an entry. Name is the key of its label, Key
// the text that stands for the value where that is a code of ours, and At the
// time where it is one.
type detailView struct {
	Name  string
	Value string
	Key   string
	At    time.Time
}

const auditOnAPage = 50

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
		body.Rows = append(body.Rows, st.auditRow(e))
	}
	if body.Actions = st.words.Below("action."); body.Action != "" && !slices.Contains(body.Actions, body.Action) {
		body.Actions = append(body.Actions, body.Action)
	}
	body.Next = older(r, next, "actor", "action", "message", "from", "to")
	return st.show(ctx, r, "audit", "/audit", body)
}

func (st *staff) auditRow(e audit.Recorded) auditRow {
	row := auditRow{Recorded: e}
	for _, name := range slices.Sorted(maps.Keys(e.Detail)) {
		if d := st.detailOf(name, e.Detail[name]); d.Value != "" {
			row.Details = append(row.Details, d)
		}
	}
	return row
}

// detailOf puts one detail into words, as far as it is a code of ours.
func (st *staff) detailOf(name, value string) detailView {
	d := detailView{Name: name, Value: value}
	words := map[string]string{"from": "state.", "reason": "ended.", "capacity": "as.", "scope": "scope."}[name]
	for _, key := range []string{words + value, "value." + name + "." + value} {
		if st.words.Has(key) {
			d.Key = key
		}
	}
	switch name {
	case "from": // of a change of state, what it was before; of an accepted mail, its MAIL FROM
		if d.Key != "" {
			d.Name = "was"
		}
	case "roles":
		d.Value = strings.Trim(value, "[]")
	case "release_at", "until":
		d.At, _ = time.Parse(time.RFC3339, value) // shown as it stands when it is no time
	}
	return d
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
