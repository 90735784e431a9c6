package linkify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db"
)

// The transitions of a link, pure: activate, revoke, expire, extend. Whoever comes second is told what stands.

func (r *row) activate(now time.Time) bool {
	if r.state != Inactive {
		return false // active already, or revoked before it left: that stands
	}
	r.state, r.activated = Active, now
	return true
}

func (r *row) revoke(now time.Time, why Cause, by Actor) bool {
	if r.state == Revoked || r.state == Expired {
		return false
	}
	r.state, r.ended, r.endedBy, r.cause = Revoked, now, by, why
	return true
}

func (r *row) expire(now time.Time) bool {
	if r.state == Expired || r.stateAt(now) != Expired {
		return false
	}
	r.state, r.ended, r.endedBy = Expired, now, System
	return true
}

func (r *row) extend(until, now time.Time) error {
	if r.state == Revoked {
		return ErrRevoked
	}
	if !until.After(now) || until.After(now.Add(maxLife+24*time.Hour)) {
		return ErrTooLong
	}
	if r.state == Expired {
		r.state, r.ended, r.endedBy = Active, time.Time{}, ""
		if r.activated.IsZero() {
			r.state = Inactive
		}
	}
	r.expires = until
	return nil
}

// save writes what a transition changed, unless another one came first.
func save(tx *db.Tx, r row) error {
	n, err := tx.Exec(`UPDATE link SET state = $1, expires_at = $2, activated_at = $3, ended_at = $4, ended_by = $5, cause = $6,
		version = version + 1 WHERE id = $7 AND version = $8`,
		r.state, db.Micros(r.expires), db.Micros(r.activated), db.Micros(r.ended), r.endedBy, r.cause, r.id, r.version)
	return lost(n, err)
}

// lost turns a compare-and-set that changed nothing into the error that runs the transaction again.
func lost(changed int64, err error) error {
	if err == nil && changed == 0 {
		return db.ErrConflict
	}
	return err
}

// Activate makes the links of those recipients answer. It belongs in the transaction of dot_sent; a
// recipient without a link is no error, a revoked link stays revoked.
func (l *Links) Activate(tx *db.Tx, recipients []string) error {
	for _, id := range recipients {
		if err := leave(tx, id); err != nil {
			return err
		}
	}
	return l.each(tx, recipients, func(r row) error {
		if !r.activate(tx.Now()) {
			return nil
		}
		if err := save(tx, r); err != nil {
			return err
		}
		if err := l.scheduleReminder(tx, r); err != nil {
			return err
		}
		if r.access == AccessPassword {
			who, err := l.about(r)
			if err == nil {
				err = l.o.Post(tx, l.passwordLetter(r, who))
			}
			if err != nil {
				return err
			}
		}
		return record(tx, System, "link.activate", r.message, r.recipient, r.id, nil)
	})
}

// End revokes the links of recipients whose mail failed for good, was cancelled, rejected or returned. Do
// not call it for a delivery that is uncertain: that mail may have arrived.
func (l *Links) End(tx *db.Tx, recipients []string, why Cause, by Actor) error {
	return l.each(tx, recipients, func(r row) error {
		_, err := l.revoke(tx, r, why, by)
		return err
	})
}

// each runs fn on the link of each recipient that has one.
func (l *Links) each(tx *db.Tx, recipients []string, fn func(row) error) error {
	for _, id := range recipients {
		r, err := rowOf(tx, id)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err == nil {
			err = fn(r)
		}
		if err != nil {
			return fmt.Errorf("link of recipient %s: %w", id, err)
		}
	}
	return nil
}

// Revoke ends links of one mail, at any time: ids of links, nil for all. Who may do so is the caller's
// question. The outcome names every link asked for.
func (l *Links) Revoke(ctx context.Context, message string, ids []string, why Cause, by Actor) (out []Outcome, err error) {
	err = l.o.DB.Write(ctx, func(tx *db.Tx) (err error) {
		out, err = l.RevokeIn(tx, message, ids, why, by)
		return err
	})
	return out, err
}

// RevokeIn is Revoke inside the caller's transaction.
func (l *Links) RevokeIn(tx *db.Tx, message string, ids []string, why Cause, by Actor) ([]Outcome, error) {
	rows, err := chosen(tx, message, ids)
	if err != nil {
		return nil, fmt.Errorf("revoke links of %s: %w", message, err)
	}
	var out []Outcome
	for _, r := range rows {
		done, err := l.revoke(tx, r, why, by)
		if err != nil {
			return nil, fmt.Errorf("revoke link %s: %w", r.id, err)
		}
		o := Outcome{Link: r.id, Done: done, State: Revoked}
		if !done {
			o.State = r.state
			o.Why = r.usable(tx.Now())
		}
		if o.Address, err = l.addressOf(r); err != nil {
			return nil, err
		}
		out = append(out, o)
	}
	return out, nil
}

func (l *Links) revoke(tx *db.Tx, r row, why Cause, by Actor) (bool, error) {
	if !r.revoke(tx.Now(), why, by) {
		return false, nil
	}
	if err := save(tx, r); err != nil {
		return false, err
	}
	if err := l.o.Schedule(tx, WorkSweep, r.message, tx.Now().Add(l.o.Keep)); err != nil {
		return false, err
	}
	return true, record(tx, by, "link.revoke", r.message, r.recipient, r.id, map[string]string{"cause": string(why)})
}

// chosen are the named links of one mail, or all of them. A link of another mail is not found: rights were
// checked against this one.
func chosen(tx *db.Tx, message string, ids []string) ([]row, error) {
	rows, err := rowsOfMessage(tx, message)
	if err != nil || ids == nil {
		return rows, err
	}
	for _, id := range ids {
		if !slices.ContainsFunc(rows, func(r row) bool { return r.id == id }) {
			return nil, ErrNotFound
		}
	}
	return slices.DeleteFunc(rows, func(r row) bool { return !slices.Contains(ids, r.id) }), nil
}

// Extend moves the expiry of links to the last minute of the day of until, in the company's zone, and opens
// expired ones again while their files are still stored. A revoked link stays revoked.
func (l *Links) Extend(ctx context.Context, message string, ids []string, until time.Time, by Actor) (out []Outcome, err error) {
	end := lastMinute(until, 0, l.o.Zone)
	err = l.o.DB.Write(ctx, func(tx *db.Tx) error {
		rows, err := chosen(tx, message, ids)
		if err != nil {
			return err
		}
		done := make([]Outcome, 0, len(rows))
		for _, r := range rows {
			o, err := l.extend(tx, r, end, by)
			if err != nil {
				return err
			}
			done = append(done, o)
		}
		out = done
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("extend links of %s: %w", message, err)
	}
	return out, nil
}

func (l *Links) extend(tx *db.Tx, r row, end time.Time, by Actor) (Outcome, error) {
	address, err := l.addressOf(r)
	if err != nil {
		return Outcome{}, err
	}
	o := Outcome{Link: r.id, Address: address, State: r.stateAt(tx.Now())}
	whole, err := filesStored(tx, r.id)
	if err != nil {
		return Outcome{}, err
	}
	if o.Why = r.extend(end, tx.Now()); o.Why == nil && !whole {
		o.Why = ErrGone
	}
	if o.Why != nil {
		return o, nil
	}
	o.Done, o.State = true, r.state
	if err := save(tx, r); err != nil {
		return Outcome{}, err
	}
	if err := l.o.Schedule(tx, WorkExpire, r.id, r.expires.Add(expireSlack)); err != nil {
		return Outcome{}, err
	}
	if err := l.o.Schedule(tx, WorkSweep, r.message, r.expires.Add(l.o.Keep)); err != nil {
		return Outcome{}, err
	}
	if r.state == Active {
		if err := l.scheduleReminder(tx, r); err != nil {
			return Outcome{}, err
		}
	}
	return o, record(tx, by, "link.extend", r.message, r.recipient, r.id,
		map[string]string{"until": end.UTC().Format(time.RFC3339)})
}

// filesStored says whether every file of the link can still be had.
func filesStored(tx *db.Tx, link string) (bool, error) {
	var missing int64
	err := tx.QueryRow(`SELECT COUNT(*) FROM (SELECT 1 FROM link_content c
		JOIN link_file f ON f.id = c.file JOIN link_blob b ON b.message = f.message AND b.digest = f.digest
		WHERE c.link = $1 AND b.state <> $2 LIMIT 1) AS gone`, link, blobStored).Scan(&missing)
	return missing == 0, err
}

// LegalHold keeps (or no longer keeps) the files of a mail from being deleted. Links expire all the same.
func (l *Links) LegalHold(ctx context.Context, message string, on bool, by Actor) error {
	err := l.o.DB.Write(ctx, func(tx *db.Tx) error {
		n, err := tx.Exec(`UPDATE link_mail SET legal_hold = $1 WHERE message = $2`, db.Bool(on), message)
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrNotFound
		}
		action := "link.legal_hold"
		if !on {
			action = "link.legal_release"
			if err := l.o.Schedule(tx, WorkSweep, message, tx.Now()); err != nil {
				return err
			}
		}
		return record(tx, by, action, message, "", "", nil)
	})
	if err != nil {
		return fmt.Errorf("legal hold of %s: %w", message, err)
	}
	return nil
}
