package approval

import (
	"encoding/json"
	"fmt"

	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// Purposes of sealing.
const (
	sealDetail  = "request"
	sealComment = "voice"
)

const requestColumns = `id, message, family, sender, state, revision, stage, detail, opened_at, remind_at,
	escalate_at, expires_at, closed_at, closed_by, version`

type scanner interface{ Scan(...any) error }

// load reads a request with all its rows; ErrNotFound when there is none.
func (d *Desk) load(tx *db.Tx, id RequestID) (*record, error) {
	r, err := d.scan(tx.QueryRow(`SELECT `+requestColumns+` FROM request WHERE id = $1`, string(id)))
	if db.IsNoRows(err) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("load request %s: %w", id, err)
	}
	for _, part := range []func(*db.Tx, *record) error{loadRecipients, loadQuestions, d.loadVoices} {
		if err := part(tx, r); err != nil {
			return nil, fmt.Errorf("load request %s: %w", id, err)
		}
	}
	return r, nil
}

func (d *Desk) scan(row scanner) (*record, error) {
	var r record
	var id, sender, state, revision, closedBy string
	var sealed []byte
	var opened, remind, escalate, expires, closed int64
	err := row.Scan(&id, &r.message, &r.family, &sender, &state, &revision, &r.stage, &sealed, &opened, &remind,
		&escalate, &expires, &closed, &closedBy, &r.version)
	if err != nil {
		return nil, err
	}
	r.id, r.sender, r.state, r.revision = RequestID(id), mailaddr.Address(sender), State(state), Revision(revision)
	r.openedAt, r.remindAt, r.escalateAt = db.Time(opened), db.Time(remind), db.Time(escalate)
	r.expiresAt, r.closedAt, r.closedBy = db.Time(expires), db.Time(closed), mailaddr.Address(closedBy)
	r.detail, err = d.unseal(r.id, sealed)
	return &r, err
}

func (d *Desk) unseal(id RequestID, sealed []byte) (kept detail, err error) {
	plain, err := d.keys.Open(sealDetail, string(id), sealed)
	if err != nil {
		return detail{}, err
	}
	return kept, json.Unmarshal(plain, &kept)
}

func loadRecipients(tx *db.Tx, r *record) error {
	rows, err := tx.Query(`SELECT recipient, message, address, bcc, answer, answered_by, answered_at, likeness
		FROM request_recipient WHERE request = $1 ORDER BY position`, string(r.id))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var x recipient
		var address, answer, by string
		var bcc, at int64
		if err := rows.Scan(&x.id, &x.message, &address, &bcc, &answer, &by, &at, &x.likeness); err != nil {
			return err
		}
		x.address, x.bcc, x.answer = mailaddr.Address(address), bcc == 1, Answer(answer)
		x.answeredBy, x.answeredAt, x.stored = mailaddr.Address(by), db.Time(at), x.answer
		r.recipients = append(r.recipients, &x)
	}
	return rows.Err()
}

func loadQuestions(tx *db.Tx, r *record) error {
	rows, err := tx.Query(`SELECT approver, stage, capacity, asked_at, open FROM question WHERE request = $1
		ORDER BY asked_at, approver`, string(r.id))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var q question
		var approver, as string
		var at, open int64
		if err := rows.Scan(&approver, &q.stage, &as, &at, &open); err != nil {
			return err
		}
		q.approver, q.as, q.askedAt, q.open = mailaddr.Address(approver), Capacity(as), db.Time(at), open == 1
		r.questions = append(r.questions, &q)
	}
	return rows.Err()
}

func (d *Desk) loadVoices(tx *db.Tx, r *record) error {
	rows, err := tx.Query(`SELECT id, person, stage, capacity, verb, recipients, comment, spoken_at FROM voice
		WHERE request = $1 ORDER BY spoken_at, id`, string(r.id))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var v Voice
		var person, verb, recipients string
		var comment []byte
		var at int64
		if err := rows.Scan(&v.id, &person, &v.Stage, &v.As, &verb, &recipients, &comment, &at); err != nil {
			return err
		}
		v.By, v.Verb, v.At = mailaddr.Address(person), Verb(verb), db.Time(at)
		if err := json.Unmarshal([]byte(recipients), &v.Recipients); err != nil {
			return err
		}
		if len(comment) > 0 {
			plain, err := d.keys.Open(sealComment, v.id, comment)
			if err != nil {
				return err
			}
			v.Comment = string(plain)
		}
		r.voices = append(r.voices, &v)
	}
	return rows.Err()
}

// insert writes a new request; its questions follow by save.
func (d *Desk) insert(tx *db.Tx, r *record) error {
	sealed, err := d.sealed(r)
	if err != nil {
		return err
	}
	r.version = 1
	_, err = tx.Exec(`INSERT INTO request (`+requestColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`,
		string(r.id), r.message, r.family, string(r.sender), string(r.state), string(r.revision), r.stage, sealed,
		db.Micros(r.openedAt), db.Micros(r.remindAt), db.Micros(r.escalateAt), db.Micros(r.expiresAt),
		db.Micros(r.closedAt), string(r.closedBy), r.version)
	if err != nil {
		return fmt.Errorf("open request: %w", err)
	}
	if err := saveRecipients(tx, r); err != nil {
		return err
	}
	return d.saveQuestions(tx, r)
}

// saveRecipients writes those that are new or answered since they were read.
func saveRecipients(tx *db.Tx, r *record) error {
	for i, x := range r.recipients {
		var err error
		switch x.stored {
		case x.answer:
			continue
		case "":
			_, err = tx.Exec(`INSERT INTO request_recipient (request, recipient, message, position, address, bcc, answer,
				answered_by, answered_at, likeness) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
				string(r.id), x.id, x.message, i, string(x.address), db.Bool(x.bcc), string(x.answer), string(x.answeredBy),
				db.Micros(x.answeredAt), x.likeness)
		default:
			_, err = tx.Exec(`UPDATE request_recipient SET answer = $1, answered_by = $2, answered_at = $3
				WHERE request = $4 AND recipient = $5`, string(x.answer), string(x.answeredBy), db.Micros(x.answeredAt), string(r.id), x.id)
		}
		if err != nil {
			return fmt.Errorf("save recipients of request %s: %w", r.id, err)
		}
		x.stored = x.answer
	}
	return nil
}

func (d *Desk) sealed(r *record) ([]byte, error) {
	plain, err := json.Marshal(r.detail)
	if err != nil {
		return nil, fmt.Errorf("seal request %s: %w", r.id, err)
	}
	return d.keys.Seal(sealDetail, string(r.id), plain), nil
}

// save writes a changed request. Whoever changed it meanwhile has won: the
// transaction runs again and sees what they did.
func (d *Desk) save(tx *db.Tx, r *record) error {
	sealed, err := d.sealed(r)
	if err != nil {
		return err
	}
	n, err := tx.Exec(`UPDATE request SET state = $1, revision = $2, stage = $3, detail = $4, remind_at = $5, escalate_at = $6,
		closed_at = $7, closed_by = $8, version = $9 WHERE id = $10 AND version = $11`,
		string(r.state), string(r.revision), r.stage, sealed, db.Micros(r.remindAt), db.Micros(r.escalateAt), db.Micros(r.closedAt),
		string(r.closedBy), r.version+1, string(r.id), r.version)
	if err != nil {
		return fmt.Errorf("save request %s: %w", r.id, err)
	}
	if n != 1 {
		return fmt.Errorf("save request %s: %w", r.id, db.ErrConflict)
	}
	r.version++
	if err := saveRecipients(tx, r); err != nil {
		return err
	}
	if err := d.saveQuestions(tx, r); err != nil {
		return err
	}
	return d.saveVoices(tx, r)
}

func (d *Desk) saveQuestions(tx *db.Tx, r *record) error {
	for _, q := range r.questions {
		_, err := tx.Exec(`INSERT INTO question (request, approver, stage, capacity, asked_at, open)
			VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (request, approver) DO UPDATE SET stage = excluded.stage,
			capacity = excluded.capacity, asked_at = excluded.asked_at, open = excluded.open`,
			string(r.id), string(q.approver), q.stage, string(q.as), db.Micros(q.askedAt), db.Bool(q.open))
		if err != nil {
			return fmt.Errorf("save questions of %s: %w", r.id, err)
		}
	}
	return nil
}

func (d *Desk) saveVoices(tx *db.Tx, r *record) error {
	for _, v := range r.voices {
		if v.id != "" {
			continue
		}
		v.id = db.NewID()
		recipients, err := json.Marshal(v.Recipients)
		if err != nil {
			return fmt.Errorf("save voice: %w", err)
		}
		comment := []byte{}
		if v.Comment != "" {
			comment = d.keys.Seal(sealComment, v.id, []byte(v.Comment))
		}
		_, err = tx.Exec(`INSERT INTO voice (id, request, person, stage, capacity, verb, recipients, comment, spoken_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`, v.id, string(r.id), string(v.By), v.Stage, v.As, string(v.Verb),
			string(recipients), comment, db.Micros(v.At))
		if err != nil {
			return fmt.Errorf("save voice: %w", err)
		}
	}
	return nil
}

// openOf gives the requests about copies of a mail that have unanswered
// recipients. The queue asks at every end of a recipient, so it is one look into
// an index.
func (d *Desk) openOf(tx *db.Tx, family string) ([]*record, error) {
	rows, err := tx.Query(`SELECT id FROM request WHERE family = $1 AND closed_at = 0`, family)
	if err != nil {
		return nil, fmt.Errorf("find requests of %s: %w", family, err)
	}
	defer rows.Close()
	var found []RequestID
	for rows.Next() {
		var request string
		if err := rows.Scan(&request); err != nil {
			return nil, err
		}
		found = append(found, RequestID(request))
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	rows.Close()
	var out []*record
	for _, id := range found {
		r, err := d.load(tx, id)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

func appendNew[T comparable](list []T, x T) []T {
	for _, have := range list {
		if have == x {
			return list
		}
	}
	return append(list, x)
}

// forget takes subject and comments out of a closed request.
func (d *Desk) forget(tx *db.Tx, r *record) error {
	r.detail.Subject, r.detail.HideSubject, r.detail.Places = "", false, nil
	if _, err := tx.Exec(`UPDATE voice SET comment = $1 WHERE request = $2`, []byte{}, string(r.id)); err != nil {
		return fmt.Errorf("forget request %s: %w", r.id, err)
	}
	return d.save(tx, r)
}

// remove deletes a request when the facts about its mail are deleted too.
func remove(tx *db.Tx, id RequestID) error {
	for _, query := range []string{
		`DELETE FROM voice WHERE request = $1`, `DELETE FROM question WHERE request = $1`,
		`DELETE FROM request_recipient WHERE request = $1`, `DELETE FROM request WHERE id = $1`,
	} {
		if _, err := tx.Exec(query, string(id)); err != nil {
			return fmt.Errorf("remove request %s: %w", id, err)
		}
	}
	return nil
}
