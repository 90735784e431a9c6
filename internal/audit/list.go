package audit

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db"
)

// Recorded is an entry as the log has it. After a purge Actor is its kind alone and Detail is empty.
type Recorded struct {
	Entry
	ID     string
	Number int64 // place in the log from 0; -1 for the second before it has one
	Purged bool
}

// Filter narrows a list; zero members do not.
type Filter struct {
	Actor   string // exactly, "person:a@b"
	Action  string
	Message string
	From    time.Time // inclusive
	To      time.Time // exclusive
}

// Page is a place in a list, newest first.
type Page struct {
	After string // Next of the page before, "" for the first
	Limit int    // 0 means 50; at most 500
}

// ErrCursor says that a page's After was not made by List.
var ErrCursor = errors.New("malformed place in the audit log")

// List returns entries, newest first, and the place where the next page begins ("" after the last).
func (l *Log) List(ctx context.Context, f Filter, p Page) (entries []Recorded, next string, err error) {
	limit := p.Limit
	if limit <= 0 {
		limit = 50
	}
	limit = min(limit, 500)
	query, err := f.query(p.After)
	if err != nil {
		return nil, "", err
	}
	var rows []*row
	err = l.db.Read(ctx, func(tx *db.Tx) (err error) {
		rows, err = query.newest(tx, limit+1)
		return err
	})
	if err != nil {
		return nil, "", fmt.Errorf("list audit log: %w", err)
	}
	if len(rows) > limit {
		rows = rows[:limit]
		last := rows[limit-1]
		next = strconv.FormatInt(last.at, 10) + "." + last.id
	}
	for _, r := range rows {
		entries = append(entries, r.recorded())
	}
	return entries, next, nil
}

// where collects conditions and numbers their parameters in the order of their use.
type where struct {
	conditions []string
	args       []any
}

func (w *where) and(condition string, args ...any) {
	for _, arg := range args {
		w.args = append(w.args, arg)
		condition = strings.Replace(condition, "?", "$"+strconv.Itoa(len(w.args)), 1)
	}
	w.conditions = append(w.conditions, condition)
}

// newest gives the first entries that fit, newest first. Those of the last second have no number yet and are found
// through an index of their own; what they are searched by is indexed when they get one.
func (w *where) newest(tx *db.Tx, limit int) ([]*row, error) {
	var rows []*row
	for _, part := range []string{`number < 0`, `number >= 0`} {
		some, err := scanRows(tx, selectRow+` WHERE `+strings.Join(append([]string{part}, w.conditions...), ` AND `)+
			` ORDER BY at DESC, id DESC LIMIT `+strconv.Itoa(limit), w.args...)
		if err != nil {
			return nil, err
		}
		rows = append(rows, some...)
	}
	slices.SortFunc(rows, func(a, b *row) int { return cmp.Or(cmp.Compare(b.at, a.at), cmp.Compare(b.id, a.id)) })
	return rows[:min(len(rows), limit)], nil
}

func (f *Filter) query(after string) (*where, error) {
	w := &where{}
	if f.Actor != "" {
		w.and(`actor = ?`, f.Actor)
	}
	if f.Action != "" {
		w.and(`action = ?`, f.Action)
	}
	if f.Message != "" {
		// The second condition lets both engines use the partial index.
		w.and(`message = ? AND message <> ''`, f.Message)
	}
	if !f.From.IsZero() {
		w.and(`at >= ?`, db.Micros(f.From))
	}
	if !f.To.IsZero() {
		w.and(`at < ?`, db.Micros(f.To))
	}
	if after != "" {
		at, id, ok := strings.Cut(after, ".")
		micros, err := strconv.ParseInt(at, 10, 64)
		if !ok || err != nil || !db.ValidID(id) {
			return nil, ErrCursor
		}
		w.and(`(at, id) < (?, ?)`, micros, id)
	}
	return w, nil
}

const selectRow = `SELECT id, at, actor, action, message, recipient, object, detail, salt, purge, leaf, number FROM audit_entry`

func scanRows(tx *db.Tx, query string, args ...any) ([]*row, error) {
	rows, err := tx.Query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []*row
	for rows.Next() {
		r := &row{}
		err := rows.Scan(&r.id, &r.at, &r.actor, &r.action, &r.message, &r.recipient, &r.object, &r.detail,
			&r.salt, &r.purge, &r.leaf, &r.number)
		if err != nil {
			return nil, err
		}
		found = append(found, r)
	}
	return found, rows.Err()
}

func (r *row) recorded() Recorded {
	e := Recorded{
		Entry: Entry{
			Actor: r.actor, Action: r.action, Message: r.message, Recipient: r.recipient, Object: r.object,
			At: db.Time(r.at),
		},
		ID: r.id, Number: r.number, Purged: r.purge != "",
	}
	// A detail that is no JSON any more was tampered with: Verify says so, a page shows the rest.
	if r.detail != "" {
		_ = json.Unmarshal([]byte(r.detail), &e.Detail)
	}
	return e
}
