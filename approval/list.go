package approval

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// Bounds of a page.
const (
	pageRows    = 50
	maxPageRows = 200
)

func (p Page) limit() int {
	if p.Limit <= 0 {
		return pageRows
	}
	return min(p.Limit, maxPageRows)
}

// cursor is the place after a row: its time and its id. A cursor that cannot
// be read is the beginning.
type cursor struct {
	at int64
	id string
}

func (c cursor) String() string { return strconv.FormatInt(c.at, 36) + "." + c.id }

func (p Page) cursor() cursor {
	at, id, ok := strings.Cut(p.After, ".")
	us, err := strconv.ParseInt(at, 36, 64)
	if !ok || err != nil || !db.ValidID(id) {
		return cursor{at: 1<<63 - 1}
	}
	return cursor{us, id}
}

// whoIs gives the look-up forms a reader may have been asked by: the address
// of the people file first, then aliases (which may have been the address when
// the question was put), then the role.
func (d *Desk) whoIs(reader Actor) []mailaddr.Address {
	who := []mailaddr.Address{reader.Address.Key()}
	if p, ok := d.People.Book().ByAddress(reader.Address); ok {
		who[0] = p.Address.Key()
		for _, a := range p.Aliases {
			who = append(who, a.Key())
		}
	}
	if reader.Admin {
		who = append(who, adminRole)
	}
	if reader.Approver {
		who = append(who, approverRole)
	}
	return who
}

// Questions lists what the reader is asked now, the newest first, with the
// cursor of the next page; empty after the last.
func (d *Desk) Questions(ctx context.Context, reader Actor, page Page) ([]Row, string, error) {
	var lines []line
	err := d.db.Read(ctx, func(tx *db.Tx) error {
		lines = nil
		for _, who := range d.whoIs(reader) {
			some, err := d.lines(tx, page, `SELECT question.asked_at, question.request, question.capacity, `+rowColumns+`
				FROM question JOIN request ON request.id = question.request
				WHERE question.approver = $1 AND question.open = 1 AND (question.asked_at, question.request) < ($2, $3)
				ORDER BY question.asked_at DESC, question.request DESC LIMIT $4`, who)
			if err != nil {
				return fmt.Errorf("list questions: %w", err)
			}
			lines = append(lines, some...)
		}
		return nil
	})
	rows, next := pageOf(lines, page.limit())
	return rows, next, err
}

// History lists requests the reader had a voice in, the newest voice first.
func (d *Desk) History(ctx context.Context, reader Actor, page Page) ([]Row, string, error) {
	var lines []line
	err := d.db.Read(ctx, func(tx *db.Tx) (err error) {
		lines, err = d.lines(tx, page, `SELECT voice.spoken_at, voice.id, voice.capacity, `+rowColumns+`
			FROM voice JOIN request ON request.id = voice.request
			WHERE voice.person = $1 AND (voice.spoken_at, voice.id) < ($2, $3)
			ORDER BY voice.spoken_at DESC, voice.id DESC LIMIT $4`, d.whoIs(reader)[0])
		return err
	})
	if err != nil {
		return nil, "", fmt.Errorf("list decisions: %w", err)
	}
	rows, next := pageOf(lines, page.limit())
	return rows, next, nil
}

// line is a row with its place in the list.
type line struct {
	cursor
	row Row
}

const rowColumns = `(SELECT COUNT(*) FROM request_recipient WHERE request_recipient.request = request.id),
	request.id, request.message, request.sender, request.state, request.detail, request.expires_at, request.closed_at,
	request.closed_by`

func (d *Desk) lines(tx *db.Tx, page Page, query string, who mailaddr.Address) ([]line, error) {
	from := page.cursor()
	rows, err := tx.Query(query, string(who), from.at, from.id, page.limit()+1)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []line
	for rows.Next() {
		l, err := d.scanLine(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, l)
	}
	return out, rows.Err()
}

func (d *Desk) scanLine(rows scanner) (line, error) {
	var l line
	var id, sender, state, closedBy string
	var sealed []byte
	var expires, closed int64
	r := &l.row
	err := rows.Scan(&l.at, &l.id, &r.As, &r.Recipients, &id, &r.Message, &sender, &state, &sealed, &expires, &closed, &closedBy)
	if err != nil {
		return l, err
	}
	kept, err := d.unseal(RequestID(id), sealed)
	if err != nil {
		return l, err
	}
	book := d.People.Book()
	r.Request, r.Sender, r.State = RequestID(id), mailaddr.Address(sender), State(state)
	r.SenderName, r.Subject, r.Reasons = nameOf(book, r.Sender), kept.Subject, kept.Reasons
	r.AskedAt, r.ExpiresAt, r.DecidedAt = db.Time(l.at), db.Time(expires), db.Time(closed)
	r.DecidedBy = nameOf(book, mailaddr.Address(closedBy))
	return l, nil
}

// pageOf makes one page of lines, which may come from several lists.
func pageOf(lines []line, limit int) (rows []Row, next string) {
	slices.SortStableFunc(lines, func(a, b line) int {
		return cmp.Or(cmp.Compare(b.at, a.at), cmp.Compare(b.id, a.id))
	})
	lines = slices.CompactFunc(lines, func(a, b line) bool { return a.cursor == b.cursor })
	for i, l := range lines {
		if i == limit {
			return rows, lines[i-1].String()
		}
		rows = append(rows, l.row)
	}
	return rows, ""
}

func nameOf(book *Book, a mailaddr.Address) string {
	if p, ok := book.ByAddress(a); ok {
		return p.Called()
	}
	return a.String()
}

// Waiting counts the reader's open questions, at most up to limit.
func (d *Desk) Waiting(ctx context.Context, reader Actor, limit int) (n int, err error) {
	var args []any
	var in []string
	for _, who := range d.whoIs(reader) {
		args = append(args, string(who))
		in = append(in, "$"+strconv.Itoa(len(args)))
	}
	query := `SELECT COUNT(*) FROM (SELECT DISTINCT request FROM question WHERE approver IN (` + strings.Join(in, ", ") +
		`) AND open = 1 LIMIT $` + strconv.Itoa(len(args)+1) + `) AS mine`
	err = d.db.Read(ctx, func(tx *db.Tx) error { return tx.QueryRow(query, append(args, limit)...).Scan(&n) })
	return n, err
}

// Request gives one request as the reader may see it: approvers it was put
// to, the sender, and administrators. Anybody else gets ErrNotFound.
func (d *Desk) Request(ctx context.Context, id RequestID, reader Actor) (view *Request, err error) {
	err = d.db.Read(ctx, func(tx *db.Tx) error {
		r, err := d.load(tx, id)
		if err != nil {
			return err
		}
		if !d.maySee(r, reader) {
			return ErrNotFound
		}
		view = d.view(r, reader)
		return nil
	})
	return view, err
}

// OfFamily lists the requests about the copies of one mail that the reader may
// see, the oldest first.
func (d *Desk) OfFamily(ctx context.Context, family string, reader Actor) (views []*Request, err error) {
	err = d.db.Read(ctx, func(tx *db.Tx) error {
		views = nil
		ids, err := requestsOf(tx, family)
		if err != nil {
			return err
		}
		for _, request := range ids {
			r, err := d.load(tx, request)
			if err != nil {
				return err
			}
			if d.maySee(r, reader) {
				views = append(views, d.view(r, reader))
			}
		}
		return nil
	})
	return views, err
}

func requestsOf(tx *db.Tx, family string) ([]RequestID, error) {
	rows, err := tx.Query(`SELECT id FROM request WHERE family = $1 ORDER BY id`, family)
	if err != nil {
		return nil, fmt.Errorf("list requests: %w", err)
	}
	defer rows.Close()
	var out []RequestID
	for rows.Next() {
		var request string
		if err := rows.Scan(&request); err != nil {
			return nil, err
		}
		out = append(out, RequestID(request))
	}
	return out, rows.Err()
}

// maySee: being named gives the right to see, also after the question is
// closed, so that whoever comes late learns who decided.
func (d *Desk) maySee(r *record, reader Actor) bool {
	if reader.Admin {
		return true
	}
	p, _ := d.People.Book().ByAddress(reader.Address)
	me := d.whoIs(reader)[0]
	is := func(a mailaddr.Address) bool { return a == me || p.Is(a) }
	return is(r.sender) ||
		slices.ContainsFunc(r.questions, func(q *question) bool { return is(q.approver) || reader.Approver && q.approver == approverRole }) ||
		slices.ContainsFunc(r.voices, func(v *Voice) bool { return is(v.By) })
}

func (d *Desk) view(r *record, reader Actor) *Request {
	book := d.People.Book()
	v := &Request{
		ID: r.id, Message: r.message, Family: r.family, Revision: r.revision, State: r.state, Sender: r.sender,
		SenderName: nameOf(book, r.sender), Subject: r.detail.Subject, Reasons: r.detail.Reasons, Rules: r.detail.Rules,
		Transforms: r.detail.Transforms, Notes: r.detail.Notes, Stage: r.stage, Stages: len(r.detail.Stages), Quorum: r.detail.Quorum,
		OpenedAt: r.openedAt, RemindAt: r.remindAt, EscalateAt: r.escalateAt, ExpiresAt: r.expiresAt,
		ClosedAt: r.closedAt, ClosedBy: nameOf(book, r.closedBy), Holders: holders(book, r),
	}
	for _, x := range r.recipients {
		v.Recipients = append(v.Recipients, Recipient{ID: x.id, Address: x.address, Bcc: x.bcc, Answer: x.answer,
			DecidedBy: nameOf(book, x.answeredBy), DecidedAt: x.answeredAt})
	}
	for _, voice := range r.voices {
		copied := *voice
		copied.Name = nameOf(book, voice.By)
		v.Voices = append(v.Voices, copied)
	}
	p, _ := book.ByAddress(reader.Address)
	by, err := r.right(p, reader)
	switch {
	case err != nil:
		v.Why = d.withName(err)
	case r.closed():
		v.Why = d.withName(&DecidedError{State: r.state, By: r.closedBy, At: r.closedAt})
	case by.as == AsSender:
		v.MayAsk, v.MayDecide = !r.lastStage(), r.lastStage()
	default:
		_, err := r.notTwice(r.unanswered(), by, true)
		v.MayDecide, v.Why = err == nil, d.withName(err)
	}
	return v
}

func holders(book *Book, r *record) []Holder {
	if r.closed() {
		return nil
	}
	var out []Holder
	for _, q := range r.silent() {
		if q.approver == approverRole {
			continue // its known people, or the administrators, are named beside it
		}
		h := Holder{Address: q.approver, Name: nameOf(book, q.approver), As: string(q.as), Since: q.askedAt}
		if isRole(q.approver) {
			h.Address, h.Name = "", ""
		}
		out = append(out, h)
	}
	return out
}

// Holders says with whom each of the mails lies, by family. A mail nobody is
// asked about is missing from the result.
func (d *Desk) Holders(ctx context.Context, families []string) (map[string][]Holder, error) {
	out := map[string][]Holder{}
	err := d.db.Read(ctx, func(tx *db.Tx) error {
		clear(out)
		for _, id := range families {
			list, err := holdersOf(tx, d.People.Book(), id)
			if err != nil {
				return err
			}
			if len(list) > 0 {
				out[id] = list
			}
		}
		return nil
	})
	return out, err
}

func holdersOf(tx *db.Tx, book *Book, family string) ([]Holder, error) {
	rows, err := tx.Query(`SELECT question.approver, question.capacity, question.asked_at FROM question
		JOIN request ON request.id = question.request
		WHERE request.family = $1 AND request.closed_at = 0 AND question.open = 1 AND question.approver <> $2
		ORDER BY question.asked_at, question.approver`, family, string(approverRole))
	if err != nil {
		return nil, fmt.Errorf("list holders: %w", err)
	}
	defer rows.Close()
	var out []Holder
	for rows.Next() {
		var who, as string
		var at int64
		if err := rows.Scan(&who, &as, &at); err != nil {
			return nil, err
		}
		h := Holder{Address: mailaddr.Address(who), Name: nameOf(book, mailaddr.Address(who)), As: as, Since: db.Time(at)}
		if isRole(h.Address) {
			h.Address, h.Name = "", ""
		}
		out = append(out, h)
	}
	return out, rows.Err()
}
