package web

import (
	"context"
	"html/template"
	"slices"
	"strconv"
	"strings"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/db"
)

// mailsPage is one's own mail: what still waits stands above what has ended,
// however old it is. Pages go through what has ended, or, where Open, through
// what waits.
type mailsPage struct {
	Open     bool // only what waits
	First    bool // the first page
	Waiting  []mailRow
	MoreWait bool // more waits than the first page shows
	Ended    []mailRow
	Next     template.URL
}

const mailsOnAPage = 30

// mails lists the reader's own mail, the newest first.
func (st *staff) mails(ctx context.Context, r *Request) (Response, error) {
	me, from := r.Who.Person.Address.Key(), cursorFrom(r)
	body := mailsPage{Open: r.Query("show") == "open", First: from.At.IsZero()}
	var waiting, ended []*holdqueue.Message
	var next holdqueue.Cursor
	var err error
	if body.Open || body.First {
		f := holdqueue.Filter{Person: me, Open: true, Before: from, Limit: mailsOnAPage}
		if waiting, next, err = st.Queue.List(ctx, f); err != nil {
			return nil, err
		}
		body.MoreWait = !body.Open && !next.At.IsZero()
	}
	if !body.Open {
		f := holdqueue.Filter{Person: me, Ended: true, Before: from, Limit: mailsOnAPage}
		if ended, next, err = st.Queue.List(ctx, f); err != nil {
			return nil, err
		}
	}
	rows, err := st.rows(ctx, slices.Concat(waiting, ended))
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		if row.ended() {
			body.Ended = append(body.Ended, row)
		} else {
			body.Waiting = append(body.Waiting, row)
		}
	}
	body.Next = older(r, cursorText(next), "show")
	return st.show(ctx, r, "mails", "/", body)
}

// rows turns messages into lines of a list that say with whom each lies.
func (st *staff) rows(ctx context.Context, found []*holdqueue.Message) ([]mailRow, error) {
	holders, err := st.Approval.Holders(ctx, heldIDs(found))
	if err != nil {
		return nil, err
	}
	rows := make([]mailRow, 0, len(found))
	for _, m := range found {
		row := rowOf(m)
		row.Holders = holders[m.Family]
		if p, ok := st.People().ByAddress(m.Person); ok {
			row.FromName = p.Name
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// cursorText and cursorFrom carry the place in a list through the address line.
func cursorText(c holdqueue.Cursor) string {
	if c.At.IsZero() {
		return ""
	}
	return strconv.FormatInt(db.Micros(c.At), 10) + "." + c.ID
}

func cursorFrom(r *Request) holdqueue.Cursor {
	at, id, ok := strings.Cut(r.Query("after"), ".")
	us, err := strconv.ParseInt(at, 10, 64)
	if !ok || err != nil || !db.ValidID(id) {
		return holdqueue.Cursor{} // a cursor nobody made is the first page
	}
	return holdqueue.Cursor{At: db.Time(us), ID: id}
}
