package approval

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/audit"
	"github.com/sekisho-mail/sekisho/internal/db"
)

// onOpen runs fn on a request that is still open. A request that is closed or
// gone needs no work any more.
func (d *Desk) onOpen(ctx context.Context, id RequestID, fn func(tx *db.Tx, r *record) error) error {
	return d.db.Write(ctx, func(tx *db.Tx) error {
		r, err := d.load(tx, id)
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if r.closed() {
			return nil
		}
		if err := d.sync(tx, r); err != nil {
			return err
		}
		if !r.closed() {
			return fn(tx, r)
		}
		if err := d.save(tx, r); err != nil {
			return err
		}
		return d.closeWork(tx, r)
	})
}

func splitStageRef(ref string) (RequestID, int, error) {
	id, stage, ok := strings.Cut(ref, ".")
	n, err := strconv.Atoi(stage)
	if !ok || err != nil {
		return "", 0, fmt.Errorf("work reference %q is malformed", ref)
	}
	return RequestID(id), n, nil
}

// askWork mails the first question about a mail whose copies have had a moment
// to come together.
func (d *Desk) askWork(ctx context.Context, ref string) (time.Time, error) {
	id, stage, err := splitStageRef(ref)
	if err != nil {
		return time.Time{}, err
	}
	return time.Time{}, d.onOpen(ctx, id, func(tx *db.Tx, r *record) error {
		if r.stage != stage {
			return nil
		}
		return d.tellAsked(tx, r, r.silent(), noteQuestion)
	})
}

// remindWork asks again those who have not answered, and whoever has begun to
// stand in for them since.
func (d *Desk) remindWork(ctx context.Context, ref string) (time.Time, error) {
	id, stage, err := splitStageRef(ref)
	if err != nil {
		return time.Time{}, err
	}
	return time.Time{}, d.onOpen(ctx, id, func(tx *db.Tx, r *record) error {
		if r.stage != stage || r.remindAt.IsZero() {
			return nil
		}
		now := tx.Now()
		r.remindAt = time.Time{}
		silent := r.silent()
		fresh := r.ask(d.router(now).standIns(r.askedNow(), r.sender), now)
		if err := d.save(tx, r); err != nil {
			return err
		}
		if err := d.tellAsked(tx, r, silent, noteReminder); err != nil {
			return err
		}
		return d.tellAsked(tx, r, fresh, noteQuestion)
	})
}

// silent lists the open questions of the present stage.
func (r *record) silent() []*question {
	var out []*question
	for _, q := range r.questions {
		if q.stage == r.stage && q.open {
			out = append(out, q)
		}
	}
	return out
}

func (d *Desk) escalateWork(ctx context.Context, ref string) (time.Time, error) {
	id, stage, err := splitStageRef(ref)
	if err != nil {
		return time.Time{}, err
	}
	return time.Time{}, d.onOpen(ctx, id, func(tx *db.Tx, r *record) error {
		if r.stage != stage || r.escalateAt.IsZero() {
			return nil
		}
		return d.escalate(tx, r)
	})
}

// escalate puts the question to deputies or managers of those who keep silent.
func (d *Desk) escalate(tx *db.Tx, r *record) error {
	now := tx.Now()
	r.escalateAt = time.Time{}
	fresh := r.ask(d.router(now).escalation(r.askedNow(), r.sender), now)
	if err := d.save(tx, r); err != nil {
		return err
	}
	return d.follow(tx, r, fresh, noteEscalation)
}

// expireWork returns to the sender what nobody decided in time.
func (d *Desk) expireWork(ctx context.Context, ref string) (again time.Time, err error) {
	err = d.onOpen(ctx, RequestID(ref), func(tx *db.Tx, r *record) error {
		again = time.Time{}
		now := tx.Now()
		if now.Before(r.expiresAt) {
			again = r.expiresAt
			return nil
		}
		return d.expire(tx, r, now)
	})
	return again, err
}

func (d *Desk) expire(tx *db.Tx, r *record, now time.Time) error {
	var ids []RecipientID
	for _, x := range r.unanswered() {
		ids = append(ids, x.id)
	}
	expired := r.end(ids, AnswerExpired, "", now)
	r.close("", now)
	if err := d.save(tx, r); err != nil {
		return err
	}
	if err := turned(tx, r, expired, d.Queue.Expire, holdqueue.System); err != nil {
		return err
	}
	if err := d.closeWork(tx, r); err != nil {
		return err
	}
	for _, x := range expired {
		err := audit.Append(tx, audit.Entry{Actor: string(holdqueue.System), Action: "expire", Message: x.message,
			Recipient: x.id, Object: string(r.id), Detail: map[string]string{"revision": string(r.revision)}})
		if err != nil {
			return err
		}
	}
	return d.tellExpired(tx, r, expired)
}

// forgetWork takes subject and comments away when the retention of returned
// mail is over, and the whole request when that of facts is.
func (d *Desk) forgetWork(ctx context.Context, ref string) (again time.Time, err error) {
	err = d.db.WriteLow(ctx, func(tx *db.Tx) error {
		again = time.Time{}
		r, err := d.load(tx, RequestID(ref))
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		over := r.closedAt.Add(d.RetainFacts)
		if !tx.Now().Before(over) {
			return remove(tx, r.id)
		}
		again = over
		return d.forget(tx, r)
	})
	return again, err
}
