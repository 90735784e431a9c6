package linkify

import (
	"context"
	"fmt"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// maxPage bounds what one page of a list may ask for.
const maxPage = 500

func (p Page) limit() int64 {
	if p.Limit <= 0 || p.Limit > maxPage {
		return 50
	}
	return int64(p.Limit)
}

// lastID sorts after every id: the beginning of a list that shows the newest first.
const lastID = "~"

func (p Page) before() string {
	if p.After == "" {
		return lastID
	}
	return p.After
}

// Get is one link for staff.
func (l *Links) Get(ctx context.Context, id string) (Link, error) {
	out, err := l.links(ctx, func(tx *db.Tx) ([]row, error) {
		r, err := rowByID(tx, id)
		return []row{r}, err
	})
	if err != nil {
		return Link{}, fmt.Errorf("get link: %w", err)
	}
	return out[0], nil
}

// OfMessage lists the links of one mail.
func (l *Links) OfMessage(ctx context.Context, message string) ([]Link, error) {
	out, err := l.links(ctx, func(tx *db.Tx) ([]row, error) { return rowsOfMessage(tx, message) })
	if err != nil {
		return nil, fmt.Errorf("links of %s: %w", message, err)
	}
	return out, nil
}

// List gives links, newest first; After is the id of the last one seen.
func (l *Links) List(ctx context.Context, f Filter, p Page) ([]Link, error) {
	query, args := `SELECT `+rowColumns+` FROM link WHERE id < $1`, []any{p.before()}
	if f.Person != "" {
		args = append(args, string(f.Person.Key()))
		query += fmt.Sprintf(` AND person = $%d`, len(args))
	}
	if f.State != "" {
		args = append(args, string(f.State))
		query += fmt.Sprintf(` AND state = $%d`, len(args))
	}
	args = append(args, p.limit())
	query += fmt.Sprintf(` ORDER BY id DESC LIMIT $%d`, len(args))
	out, err := l.links(ctx, func(tx *db.Tx) ([]row, error) {
		rows, err := tx.Query(query, args...)
		if err != nil {
			return nil, err
		}
		return collect(rows)
	})
	if err != nil {
		return nil, fmt.Errorf("list links: %w", err)
	}
	return out, nil
}

// links opens what a query found, outside its transaction: decrypting takes longer than reading.
func (l *Links) links(ctx context.Context, find func(*db.Tx) ([]row, error)) ([]Link, error) {
	var rows []row
	var now time.Time
	err := l.o.DB.Read(ctx, func(tx *db.Tx) (err error) {
		now = tx.Now()
		rows, err = find(tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := make([]Link, len(rows))
	for i, r := range rows {
		if out[i], err = l.link(r, now); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (l *Links) link(r row, now time.Time) (Link, error) {
	who, err := l.about(r)
	if err != nil {
		return Link{}, err
	}
	if r.title != nil {
		title, err := l.o.Keys.Open(sealTitle, r.id, r.title)
		if err != nil {
			return Link{}, fmt.Errorf("open title of link %s: %w", r.id, err)
		}
		who.Subject = string(title)
	}
	p, err := l.plan(r)
	return Link{ID: r.id, Message: r.message, Recipient: r.recipient, Address: who.Address, State: r.stateAt(now), Access: r.access,
		Shared: r.shared, Person: who.Person, Subject: who.Subject, CreatedAt: r.created, ActivatedAt: r.activated, ExpiresAt: r.expires,
		EndedAt: r.ended, EndedBy: r.endedBy, Cause: r.cause, Files: p.filesOf(), Taken: r.taken, FirstTaken: r.firstTaken,
		LastTaken: r.lastTaken, Viewed: r.viewed, LastViewed: r.lastViewed, ViewOnly: p.ViewOnly, RemindedAt: r.reminded, Password: who.Password, AskedAt: r.asked}, err
}

func (l *Links) addressOf(r row) (mailaddr.Address, error) {
	who, err := l.about(r)
	return who.Address, err
}

// Log gives the downloads of one mail (link = "") or of one link of it, newest first; After is the id of the
// last one seen.
func (l *Links) Log(ctx context.Context, message, link string, p Page) ([]Download, error) {
	query, args := logColumns+` WHERE message = $1 AND id < $2 ORDER BY id DESC LIMIT $3`, []any{message, p.before(), p.limit()}
	if link != "" {
		query = logColumns + ` WHERE message = $1 AND link = $2 AND id < $3 ORDER BY id DESC LIMIT $4`
		args = []any{message, link, p.before(), p.limit()}
	}
	var out []Download
	err := l.o.DB.Read(ctx, func(tx *db.Tx) error {
		lines, err := l.downloads(tx, query, args)
		if err != nil {
			return err
		}
		if err := l.complete(tx, lines); err != nil {
			return err
		}
		out = lines
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("download log of %s: %w", message, err)
	}
	return out, nil
}

const logColumns = `SELECT id, link, file, at, bytes, complete, sealed, address, agent, viewed FROM link_download`

func (l *Links) downloads(tx *db.Tx, query string, args []any) (out []Download, err error) {
	rows, err := tx.Query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var d Download
		var at, complete, viewed int64
		var sealed []byte
		if err := rows.Scan(&d.ID, &d.Link, &d.File.ID, &at, &d.Bytes, &complete, &sealed, &d.Address, &d.Agent, &viewed); err != nil {
			return nil, err
		}
		d.At, d.Complete, d.Viewed = db.Time(at), complete != 0, viewed != 0
		if err := l.openJSON(sealTaken, d.ID, sealed, &d.As); err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, rows.Err()
}

// complete puts names to the ids of log lines. A page has few different links and files.
func (l *Links) complete(tx *db.Tx, lines []Download) error {
	of := map[string]mailaddr.Address{}
	files := map[string]File{}
	for i := range lines {
		d := &lines[i]
		if _, known := of[d.Link]; !known {
			r, err := rowByID(tx, d.Link)
			if err != nil {
				return err
			}
			if of[d.Link], err = l.addressOf(r); err != nil {
				return err
			}
		}
		if _, known := files[d.File.ID]; !known {
			f, _, err := l.fileByID(tx, d.File.ID)
			if err != nil {
				return err
			}
			files[d.File.ID] = f
		}
		d.Of, d.File = of[d.Link], files[d.File.ID]
	}
	return nil
}
