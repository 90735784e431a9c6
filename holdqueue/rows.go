package holdqueue

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

const messageColumns = `id, family, origin, source, person, mail_from, automatic, size, sha256, blob, meta,
	accepted_at, began_at, inspected_at, ended_at, purged_at, version`

const recipientColumns = `id, message, position, address, domain, notify, orcpt, state, bundle, verdict, delay, stopped,
	release_at, decided_at, next_try_at, attempt, claimed_at, dot_sent_at, uncertain, tries, first_try_at, warned_at,
	remote, reply, reason, ended_at`

// load reads a message with its recipients and, when asked, the report.
func (q *Queue) load(tx *db.Tx, id ID, withReport bool) (*Message, error) {
	m, err := q.scanMessage(tx.QueryRow(`SELECT `+messageColumns+` FROM message WHERE id = $1`, id))
	if db.IsNoRows(err) {
		return nil, fmt.Errorf("message %s: %w", id, db.ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("load message %s: %w", id, err)
	}
	if withReport {
		if err := q.loadReport(tx, m); err != nil {
			return nil, err
		}
	}
	if m.Recipients, err = q.recipients(tx, `message = $1 ORDER BY position`, id); err != nil {
		return nil, fmt.Errorf("load recipients of %s: %w", id, err)
	}
	return m, nil
}

// recipients reads those that a condition with one parameter chooses.
func (q *Queue) recipients(tx *db.Tx, where string, arg ID) (found []*Recipient, err error) {
	rows, err := tx.Query(`SELECT `+recipientColumns+` FROM recipient WHERE `+where, arg)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		r, err := q.scanRecipient(rows)
		if err != nil {
			return nil, err
		}
		found = append(found, r)
	}
	return found, rows.Err()
}

func (q *Queue) loadReport(tx *db.Tx, m *Message) error {
	var sealed []byte
	if err := tx.QueryRow(`SELECT report FROM message WHERE id = $1`, m.ID).Scan(&sealed); err != nil {
		return fmt.Errorf("load report of %s: %w", m.ID, err)
	}
	if len(sealed) == 0 {
		return nil
	}
	var err error
	if m.Report, err = q.o.Keys.Open("report", m.ID, sealed); err != nil {
		return fmt.Errorf("load report of %s: %w", m.ID, err)
	}
	return nil
}

type scanner interface{ Scan(...any) error }

func (q *Queue) scanMessage(row scanner) (*Message, error) {
	var m Message
	var sha, meta []byte
	var automatic, accepted, began, inspected, ended, purged int64
	var origin, person, from string
	err := row.Scan(&m.ID, &m.Family, &origin, &m.Source, &person, &from, &automatic, &m.Size, &sha, &m.blob, &meta,
		&accepted, &began, &inspected, &ended, &purged, &m.version)
	if err != nil {
		return nil, err
	}
	m.Origin, m.Person, m.MailFrom = Origin(origin), mailaddr.Address(person), mailaddr.Address(from)
	m.Automatic = automatic == 1
	m.AcceptedAt, m.InspectedAt, m.EndedAt, m.PurgedAt = db.Time(accepted), db.Time(inspected), db.Time(ended), db.Time(purged)
	if m.BeganAt = m.AcceptedAt; began != 0 {
		m.BeganAt = db.Time(began)
	}
	copy(m.SHA256[:], sha)
	if len(meta) == 0 {
		return &m, nil // purged
	}
	plain, err := q.o.Keys.Open("meta", m.ID, meta)
	if err != nil {
		return nil, err
	}
	return &m, json.Unmarshal(plain, &m.Meta)
}

func (q *Queue) scanRecipient(rows *sql.Rows) (*Recipient, error) {
	var r Recipient
	var verdict []byte
	var address, state, reason string
	var delay, stopped, release, decided, next, claimed, dot, uncertain, first, warned, ended int64
	err := rows.Scan(&r.ID, &r.Message, &r.position, &address, &r.Domain, &r.Notify, &r.ORcpt, &state, &r.Bundle, &verdict,
		&delay, &stopped, &release, &decided, &next, &r.Attempt, &claimed, &dot, &uncertain, &r.Tries, &first, &warned,
		&r.Remote, &r.Reply, &reason, &ended)
	if err != nil {
		return nil, err
	}
	r.Address, r.State, r.Reason = mailaddr.Address(address), State(state), Reason(reason)
	r.Delay, r.Stopped, r.Uncertain = time.Duration(delay)*time.Microsecond, stopped == 1, uncertain == 1
	r.ReleaseAt, r.DecidedAt, r.NextTryAt = db.Time(release), db.Time(decided), db.Time(next)
	r.ClaimedAt, r.DotSentAt, r.FirstTryAt = db.Time(claimed), db.Time(dot), db.Time(first)
	r.WarnedAt, r.EndedAt = db.Time(warned), db.Time(ended)
	if len(verdict) > 0 {
		r.Verdict, err = q.o.Keys.Open("verdict", r.ID, verdict)
	}
	return &r, err
}

// save writes a changed recipient. The caller has won the compare-and-set on the message.
func (q *Queue) save(tx *db.Tx, r *Recipient, verdictChanged bool) error {
	values := []any{string(r.State), r.Bundle, r.Delay.Microseconds(), db.Bool(r.Stopped), db.Micros(r.ReleaseAt),
		db.Micros(r.DecidedAt), db.Micros(r.NextTryAt), r.Attempt, db.Micros(r.ClaimedAt), db.Micros(r.DotSentAt),
		db.Bool(r.Uncertain), r.Tries, db.Micros(r.FirstTryAt), db.Micros(r.WarnedAt), r.Remote, r.Reply,
		string(r.Reason), db.Micros(r.EndedAt)}
	const set = `UPDATE recipient SET state = $1, bundle = $2, delay = $3, stopped = $4, release_at = $5,
		decided_at = $6, next_try_at = $7, attempt = $8, claimed_at = $9, dot_sent_at = $10, uncertain = $11, tries = $12,
		first_try_at = $13, warned_at = $14, remote = $15, reply = $16, reason = $17, ended_at = $18`
	var err error
	if verdictChanged {
		_, err = tx.Exec(set+`, verdict = $19 WHERE id = $20`, append(values, q.o.Keys.Seal("verdict", r.ID, r.Verdict), r.ID)...)
	} else {
		_, err = tx.Exec(set+` WHERE id = $19`, append(values, r.ID)...)
	}
	return err
}
