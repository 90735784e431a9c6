package web

import (
	"context"
	"html/template"
	"strconv"
	"strings"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/db"
)

// mailsPage is the list of one's own mail.
type mailsPage struct {
	Open bool // only what has not ended
	Rows []mailRow
	Next template.URL
}

const mailsOnAPage = 30

// mails lists the reader's own mail, the newest first.
func (st *staff) mails(ctx context.Context, r *Request) (Response, error) {
	f := holdqueue.Filter{Person: r.Who.Person.Address.Key(), Open: r.Query("show") == "open", Before: cursorFrom(r), Limit: mailsOnAPage}
	found, next, err := st.Queue.List(ctx, f)
	if err != nil {
		return nil, err
	}
	rows, err := st.rows(ctx, gathered(found))
	if err != nil {
		return nil, err
	}
	return st.show(ctx, r, "mails", "/", mailsPage{Open: f.Open, Rows: rows, Next: older(r, cursorText(next), "show")})
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
		row.Holders = holders[m.ID]
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
