package holdqueue

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/sekisho-mail/sekisho/internal/audit"
	"github.com/sekisho-mail/sekisho/internal/db"
)

// Exchange Online and Google Workspace send one copy of a mail per recipient through a gateway, within seconds or,
// after a "try again later", minutes. People wrote one mail: its copies are a family. Each copy stays a message of its
// own, with its own recipients, bytes and attempts; what people ask for concerns them all, and the clock is one.

const (
	// familyWindow is how far apart the copies of one mail may come.
	familyWindow = 10 * time.Minute
	// cancelWindow is how long a mail that was taken back keeps its late copies: a provider tries for a day or two.
	cancelWindow = 3 * 24 * time.Hour
)

// wish is what was asked for a mail as a whole. A copy that comes later follows it.
type wish string

const (
	wishCancel wish = "cancel"
	wishSend   wish = "send"
	wishStop   wish = "stop"
)

// family is what is known about a mail while copies of it may come.
type family struct {
	id      ID
	began   time.Time
	wish    wish
	reason  Reason
	wished  time.Time
	version int64
}

// join finds the family of a copy that has been inspected, or begins one with it; nil when it has none. Only what came
// through a gateway is ever split. The key holds whose mail it is and by which source it came, so that nobody else's
// mail joins, whatever its Message-ID. Two nodes that do this at once write the same row: one of them runs again.
func (q *Queue) join(tx *db.Tx, m *Message, content string) (*family, error) {
	if m.Origin != FromGateway || m.Meta.MessageID == "" || content == "" {
		return nil, nil
	}
	key := q.digest("family", m.Meta.MessageID, string(m.Person.Key()), m.Source, content)
	f, err := loadFamily(tx, key)
	switch {
	case err != nil:
		return nil, fmt.Errorf("find family of %s: %w", m.ID, err)
	case f == nil || !f.takes(m.AcceptedAt):
		old := f
		f = &family{id: m.ID, began: m.AcceptedAt}
		err = f.begin(tx, key, old)
	default:
		err = touchFamily(tx, f.id, f.version)
	}
	if err != nil {
		return nil, fmt.Errorf("join family of %s: %w", m.ID, err)
	}
	if f.id == m.ID && m.Family == m.ID {
		return f, nil // as every mail begins
	}
	_, err = tx.Exec(`UPDATE message SET family = $1, family_key = $2, began_at = $3 WHERE id = $4`, f.id, key, db.Micros(f.began), m.ID)
	if err == nil {
		err = audit.Append(tx, audit.Entry{Actor: string(System), Action: "join", Message: m.ID, Object: f.id})
	}
	if err != nil {
		return nil, fmt.Errorf("join family of %s: %w", m.ID, err)
	}
	return f, nil
}

func loadFamily(tx *db.Tx, key []byte) (*family, error) {
	var f family
	var asked, reason string
	var began, wished int64
	err := tx.QueryRow(`SELECT id, began_at, wish, reason, wished_at, version FROM family WHERE family_key = $1`, key).
		Scan(&f.id, &began, &asked, &reason, &wished, &f.version)
	if db.IsNoRows(err) {
		return nil, nil
	}
	f.began, f.wished, f.wish, f.reason = db.Time(began), db.Time(wished), wish(asked), Reason(reason)
	return &f, err
}

// takes says whether a mail accepted at a time may be a copy of this one. Copies are not inspected in their order.
func (f *family) takes(accepted time.Time) bool {
	window := familyWindow
	if f.wish == wishCancel {
		window = cancelWindow
	}
	return accepted.Sub(f.began).Abs() <= window
}

// begin writes a family in the place of an older one with its key.
func (f *family) begin(tx *db.Tx, key []byte, old *family) error {
	var n int64
	var err error
	if old == nil {
		n, err = tx.Exec(`INSERT INTO family (family_key, id, began_at, wish, reason, wished_at, version)
			VALUES ($1, $2, $3, '', '', 0, 1) ON CONFLICT (family_key) DO NOTHING`, key, f.id, db.Micros(f.began))
	} else {
		n, err = tx.Exec(`UPDATE family SET id = $1, began_at = $2, wish = '', reason = '', wished_at = 0, version = version + 1
			WHERE family_key = $3 AND version = $4`, f.id, db.Micros(f.began), key, old.version)
	}
	return lostFamily(n, err)
}

// touchFamily is what two transactions about one family collide in.
func touchFamily(tx *db.Tx, id ID, version int64) error {
	return lostFamily(tx.Exec(`UPDATE family SET version = version + 1 WHERE id = $1 AND version = $2`, id, version))
}

func lostFamily(changed int64, err error) error {
	if err == nil && changed != 1 {
		return db.ErrConflict
	}
	return err
}

// lockFamily makes transactions about copies of one mail wait for each other, and run again where one has lost.
func lockFamily(tx *db.Tx, id ID) error {
	_, err := tx.Exec(`UPDATE family SET version = version + 1 WHERE id = (SELECT family FROM message WHERE id = $1)`, id)
	if err != nil {
		return fmt.Errorf("lock family of %s: %w", id, err)
	}
	return nil
}

// follow lets a copy's recipient follow what was asked for the mail before it came.
func (f *family) follow(r *Recipient, now time.Time) error {
	switch {
	case f == nil || r.State.Ended():
		return nil
	case f.wish == wishCancel:
		return r.Cancel(f.reason, now)
	case r.State != Delayed:
		return nil // a person is asked about it first
	case f.wish == wishSend:
		return r.SendNow(now)
	case f.wish == wishStop:
		return r.Stop(f.wished)
	}
	return nil
}

// remember keeps what was asked for a mail as a whole.
func remember(tx *db.Tx, id ID, w wish, why Reason) error {
	_, err := tx.Exec(`UPDATE family SET wish = $1, reason = $2, wished_at = $3, version = version + 1
		WHERE id = (SELECT family FROM message WHERE id = $4)`, string(w), string(why), db.Micros(tx.Now()), id)
	if err != nil {
		return fmt.Errorf("remember %s of %s: %w", w, id, err)
	}
	return nil
}

// takenBack is why a mail was cancelled as a whole, "" when it was not.
func (m *Message) takenBack() Reason {
	for _, r := range m.Recipients {
		if r.State != Cancelled || r.Reason != m.Recipients[0].Reason {
			return ""
		}
	}
	return m.Recipients[0].Reason
}

// followBack cancels the rest of a mail one copy of which was taken back before anybody knew that it was a copy.
func (q *Queue) followBack(tx *db.Tx, m *Message, f *family) error {
	why := m.takenBack()
	if f == nil || why == "" || f.wish == wishCancel {
		return nil
	}
	if err := remember(tx, m.ID, wishCancel, why); err != nil {
		return err
	}
	_, err := q.eachTx(tx, m.ID, nil, System, func(r *Recipient, _ *Message, now time.Time) error { return r.Cancel(why, now) })
	return err
}

// part is one copy of a mail with the recipients somebody speaks of; nil is all of them.
type part struct {
	id  ID
	ids []ID
}

// parts finds the copies that recipients belong to, in the order in which all transactions take them.
func parts(tx *db.Tx, id ID, ids []ID) ([]part, error) {
	var fam, origin string
	err := tx.QueryRow(`SELECT family, origin FROM message WHERE id = $1`, id).Scan(&fam, &origin)
	if err != nil || Origin(origin) != FromGateway {
		return []part{{id, ids}}, nil // one that is not there is found missing where it is changed
	}
	rows, err := tx.Query(`SELECT id, message FROM recipient WHERE message IN (SELECT id FROM message WHERE family = $1)
		ORDER BY message, position`, fam)
	if err != nil {
		return nil, fmt.Errorf("find copies of %s: %w", id, err)
	}
	defer rows.Close()
	var found []part
	known := 0
	for rows.Next() {
		var recipient, message ID
		if err := rows.Scan(&recipient, &message); err != nil {
			return nil, err
		}
		wanted := ids == nil || slices.Contains(ids, recipient)
		if !wanted {
			continue
		}
		if n := len(found); n == 0 || found[n-1].id != message {
			found = append(found, part{id: message})
		}
		if ids != nil {
			last := &found[len(found)-1]
			last.ids = append(last.ids, recipient)
			known++
		}
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	if known < len(ids) || len(found) == 0 {
		return []part{{id, ids}}, nil // none was named, or one that is not there, which is said where it is changed
	}
	return found, nil
}

// Whole gives the mail that a message is a copy of, as its writer knows it: the first copy with the recipients of all.
func (q *Queue) Whole(ctx context.Context, id ID) (m *Message, err error) {
	err = q.o.DB.Read(ctx, func(tx *db.Tx) error {
		m, err = q.whole(tx, id, true)
		return err
	})
	return m, err
}

// WholeTx is Whole inside a transaction.
func (q *Queue) WholeTx(tx *db.Tx, id ID) (*Message, error) { return q.whole(tx, id, true) }

func (q *Queue) whole(tx *db.Tx, id ID, withReport bool) (*Message, error) {
	var fam, origin string
	err := tx.QueryRow(`SELECT family, origin FROM message WHERE id = $1`, id).Scan(&fam, &origin)
	if err != nil || Origin(origin) != FromGateway {
		return q.load(tx, id, withReport)
	}
	copies, err := q.copies(tx, fam)
	if err != nil {
		return nil, fmt.Errorf("load copies of %s: %w", id, err)
	}
	m := joined(copies, fam)
	if m.Recipients, err = q.recipients(tx, `message IN (SELECT id FROM message WHERE family = $1) ORDER BY message, position`, fam); err != nil {
		return nil, fmt.Errorf("load recipients of %s: %w", id, err)
	}
	if withReport {
		err = q.loadReport(tx, m)
	}
	return m, err
}

// copies are the messages of a family, without their recipients. Ids are in the order of acceptance.
func (q *Queue) copies(tx *db.Tx, fam ID) (found []*Message, err error) {
	rows, err := tx.Query(`SELECT `+messageColumns+` FROM message WHERE family = $1 ORDER BY id`, fam)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		m, err := q.scanMessage(rows)
		if err != nil {
			return nil, err
		}
		found = append(found, m)
	}
	return found, rows.Err()
}

// joined makes one mail of its copies: what they share is that of the one that gave the family its name.
func joined(copies []*Message, fam ID) *Message {
	head := copies[0]
	ended := head.EndedAt
	open := false
	var ids []ID
	for _, m := range copies {
		if m.ID == fam {
			head = m
		}
		open, ended = open || m.EndedAt.IsZero(), later(ended, m.EndedAt)
		ids = append(ids, m.ID)
	}
	if len(copies) == 1 {
		return head
	}
	head.Copies, head.EndedAt = ids, ended
	if open {
		head.EndedAt = time.Time{}
	}
	return head
}
