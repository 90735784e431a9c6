package approval

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/db"
)

// A mail that comes in forty copies is one mail, and its sender wants one
// notice. What inspection or time did to a copy is written down in its
// transaction, with the work that tells of it; the first of that work tells of
// all copies together.

// keepTold is how long it is remembered that a notice went out: longer than
// copies come.
const keepTold = 24 * time.Hour

// tellLater writes down what the sender is to be told about some recipients.
func (d *Desk) tellLater(tx *db.Tx, m *holdqueue.Message, k kind, about []*holdqueue.Recipient) error {
	if len(about) == 0 || m.Automatic {
		return nil
	}
	var ids []RecipientID
	for _, r := range about {
		ids = append(ids, r.ID)
	}
	text, err := json.Marshal(ids)
	if err != nil {
		return fmt.Errorf("notice of %s: %w", m.ID, err)
	}
	_, err = tx.Exec(`INSERT INTO family_notice (family, kind, message, recipients, told_at) VALUES ($1, $2, $3, $4, 0)
		ON CONFLICT (family, kind, message) DO UPDATE SET recipients = excluded.recipients, told_at = 0`,
		m.Family, string(k), m.ID, string(text))
	if err != nil {
		return fmt.Errorf("notice of %s: %w", m.ID, err)
	}
	return d.Queue.Schedule(tx, kindTell, strings.Join([]string{m.Family, string(k), m.ID}, "."), tx.Now().Add(settle))
}

// tellWork tells what is written down about a mail, and forgets its own part of
// it a day later.
func (d *Desk) tellWork(ctx context.Context, ref string) (again time.Time, err error) {
	part := strings.Split(ref, ".")
	if len(part) != 3 {
		return time.Time{}, fmt.Errorf("work reference %q is malformed", ref)
	}
	err = d.db.Write(ctx, func(tx *db.Tx) error {
		again = time.Time{}
		var told int64
		err := tx.QueryRow(`SELECT told_at FROM family_notice WHERE family = $1 AND kind = $2 AND message = $3`, part[0], part[1], part[2]).Scan(&told)
		switch {
		case db.IsNoRows(err):
			return nil
		case err != nil:
			return err
		case told != 0 && !tx.Now().Before(db.Time(told).Add(keepTold)):
			_, err = tx.Exec(`DELETE FROM family_notice WHERE family = $1 AND kind = $2 AND message = $3`, part[0], part[1], part[2])
			return err
		}
		if told == 0 {
			told = db.Micros(tx.Now())
			err = d.tellTogether(tx, part[0])
		}
		again = db.Time(told).Add(keepTold)
		return err
	})
	return again, err
}

// untold is what the sender has not been told yet, by kind of notice.
type untold map[kind][]RecipientID

func (d *Desk) tellTogether(tx *db.Tx, family string) error {
	waitingTold, due, err := readNotices(tx, family)
	if err != nil {
		return fmt.Errorf("tell of %s: %w", family, err)
	}
	_, err = tx.Exec(`UPDATE family_notice SET told_at = $1 WHERE family = $2 AND told_at = 0`, db.Micros(tx.Now()), family)
	if err != nil {
		return fmt.Errorf("tell of %s: %w", family, err)
	}
	m, err := d.Queue.WholeTx(tx, family)
	if errors.Is(err, db.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if waitingTold {
		delete(due, noteWaiting) // the page goes on counting; once is enough
	}
	for _, each := range []struct {
		k    kind
		tell func(*db.Tx, *holdqueue.Message, []*holdqueue.Recipient) error
	}{
		{noteNoted, d.tellNotedOf}, {noteHeld, d.tellHeldOf}, {noteWaiting, d.tellWaitingOf}, {noteRejected, d.tellInherited},
		{noteRefused, d.tellEndedAs(noteRefused)}, {noteCancelled, d.tellEndedAs(noteCancelled)}, {noteStopped, d.tellEndedAs(noteStopped)},
	} {
		about := among(m, due[each.k])
		if len(about) == 0 {
			continue
		}
		if err := each.tell(tx, m, about); err != nil {
			return err
		}
	}
	return nil
}

func readNotices(tx *db.Tx, family string) (waitingTold bool, due untold, err error) {
	rows, err := tx.Query(`SELECT kind, recipients, told_at FROM family_notice WHERE family = $1 ORDER BY message`, family)
	if err != nil {
		return false, nil, err
	}
	defer rows.Close()
	due = untold{}
	for rows.Next() {
		var k, text string
		var told int64
		if err := rows.Scan(&k, &text, &told); err != nil {
			return false, nil, err
		}
		if told != 0 {
			waitingTold = waitingTold || kind(k) == noteWaiting
			continue
		}
		var ids []RecipientID
		if err := json.Unmarshal([]byte(text), &ids); err != nil {
			return false, nil, err
		}
		due[kind(k)] = append(due[kind(k)], ids...)
	}
	return waitingTold, due, rows.Err()
}

func among(m *holdqueue.Message, ids []RecipientID) (out []*holdqueue.Recipient) {
	for _, r := range m.Recipients {
		if slices.Contains(ids, r.ID) {
			out = append(out, r)
		}
	}
	return out
}

// tellHeldOf tells of the questions about recipients that are still open. What
// has been decided meanwhile was told then.
func (d *Desk) tellHeldOf(tx *db.Tx, m *holdqueue.Message, about []*holdqueue.Recipient) error {
	all, err := d.ofFamily(tx, m.Family)
	if err != nil {
		return err
	}
	asked := slices.DeleteFunc(all, func(r *record) bool {
		return r.closed() || !slices.ContainsFunc(about, func(x *holdqueue.Recipient) bool { return r.find(x.ID) != nil })
	})
	return d.tellHeld(tx, m, asked)
}

// tellInherited returns late copies that inherited a rejection.
func (d *Desk) tellInherited(tx *db.Tx, m *holdqueue.Message, about []*holdqueue.Recipient) error {
	all, err := d.ofFamily(tx, m.Family)
	if err != nil {
		return err
	}
	for _, r := range all {
		var late []*recipient
		for _, x := range about {
			if mine := r.find(x.ID); mine != nil {
				late = append(late, mine)
			}
		}
		if len(late) == 0 {
			continue
		}
		t := verdictTold{kind: noteRejected, about: late, by: late[0].answeredBy}
		for _, v := range r.voices {
			t.comment = v.Comment
		}
		if err := d.tellAnswer(tx, m, r, t); err != nil {
			return err
		}
	}
	return nil
}

// tellWaitingOf tells of what still waits for its time.
func (d *Desk) tellWaitingOf(tx *db.Tx, m *holdqueue.Message, about []*holdqueue.Recipient) error {
	about = slices.DeleteFunc(about, func(r *holdqueue.Recipient) bool { return r.State != holdqueue.Delayed })
	w := d.waitingOf(m, about)
	d.addHeader(m, &w)
	return d.tellWaiting(tx, m, w)
}

func (d *Desk) tellEndedAs(k kind) func(*db.Tx, *holdqueue.Message, []*holdqueue.Recipient) error {
	return func(tx *db.Tx, m *holdqueue.Message, ended []*holdqueue.Recipient) error {
		return d.tellEnded(tx, m, k, ended, holdqueue.System)
	}
}

// tellNotedOf tells people of rules that matched.
func (d *Desk) tellNotedOf(tx *db.Tx, m *holdqueue.Message, about []*holdqueue.Recipient) error {
	n := noting{m: m}
	for _, r := range about {
		d.notedFor(&n, r)
	}
	return d.tellNoted(tx, n)
}
