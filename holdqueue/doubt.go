package holdqueue

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/sekisho-mail/sekisho/internal/audit"
	"github.com/sekisho-mail/sekisho/internal/db"
)

// A client that has sent the last dot and hears nothing sends the mail again, though we may have it (RFC 1047): our
// 250 was lost with the connection, or with us. Such a mail is in doubt, and the same mail once more (the same sender,
// recipients, Message-ID and octets) is answered with the id of the first and not taken again. As soon as the client is
// heard after its 250, there is no doubt: who sends the same mail twice on purpose sends two.

const (
	// doubtTime is how long a client may take to come back.
	doubtTime = 24 * time.Hour
	// settleTime is how long answers are gathered before they are noted together.
	settleTime = 100 * time.Millisecond
	// settled is how many answers share a transaction.
	settled = 200
)

// doubts notes that a mail is in doubt from now on, or gives the earlier mail of which this one is a resend.
func (q *Queue) doubts(tx *db.Tx, a *accepted) (earlier ID, err error) {
	if a.env.Meta.MessageID == "" {
		return "", nil // nobody can tell one from another
	}
	now := tx.Now()
	n, err := tx.Exec(`INSERT INTO doubt (resend_key, message, accepted_at) VALUES ($1, $2, $3) ON CONFLICT (resend_key) DO NOTHING`,
		a.resend, a.id, db.Micros(now))
	if err != nil || n == 1 {
		return "", err
	}
	var at int64
	if err := tx.QueryRow(`SELECT message, accepted_at FROM doubt WHERE resend_key = $1`, a.resend).Scan(&earlier, &at); err != nil {
		return "", fmt.Errorf("read doubt: %w", err)
	}
	if now.Sub(db.Time(at)) < doubtTime && !q.answers.has(answer{string(a.resend), earlier}) {
		return earlier, audit.Append(tx, audit.Entry{Actor: a.actor(), Action: "resend", Message: earlier,
			Detail: map[string]string{"client": a.env.Meta.Client}})
	}
	_, err = tx.Exec(`UPDATE doubt SET message = $1, accepted_at = $2 WHERE resend_key = $3`, a.id, db.Micros(now), a.resend)
	return "", err
}

// answer is a mail whose client has been heard after its 250.
type answer struct {
	key     string
	message ID
}

// answers are those that are not noted yet.
type answers struct {
	mu    sync.Mutex
	all   []answer
	since time.Time // of the first of them
}

func (a *answers) has(one answer) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Contains(a.all, one)
}

func (a *answers) waiting() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.all) > 0
}

// Answered says that the client has been heard after it got the 250 for this mail. What a crash forgets of it is a
// mail in doubt.
func (d *Draft) Answered() {
	a := &d.q.answers
	a.mu.Lock()
	if len(a.all) == 0 {
		a.since = time.Now()
	}
	a.all = append(a.all, d.doubt)
	call := len(a.all) == 1 || len(a.all) == settled
	a.mu.Unlock()
	if call {
		d.q.wake(0)
	}
}

// settleDue notes the answers when it is time, and says when it will be.
func (q *Queue) settleDue(ctx context.Context) time.Duration {
	a := &q.answers
	a.mu.Lock()
	n, wait := len(a.all), max(0, settleTime-time.Since(a.since))
	a.mu.Unlock()
	switch {
	case n == 0:
		return lookAgain
	case n < settled && wait > 0:
		return wait
	}
	if err := q.settle(ctx); err != nil {
		if ctx.Err() == nil {
			q.o.Log.Error("answers not noted", "error", err)
		}
		return lookAgain
	}
	return settleTime
}

// settle notes the answers that have been gathered. They share a transaction, and that its commit with whatever else
// is written.
func (q *Queue) settle(ctx context.Context) error {
	a := &q.answers
	a.mu.Lock()
	some := slices.Clone(a.all[:min(len(a.all), settled)])
	a.mu.Unlock()
	err := q.o.DB.Write(ctx, func(tx *db.Tx) error {
		for _, each := range some {
			if _, err := tx.Exec(`DELETE FROM doubt WHERE resend_key = $1 AND message = $2`, []byte(each.key), each.message); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("note answers: %w", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all = slices.Delete(a.all, 0, len(some))
	a.since = time.Now()
	return nil
}

// settleLast notes what is left when the loop ends. Mails whose clients are heard later stay in doubt, which is safe.
func (q *Queue) settleLast() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	for q.answers.waiting() {
		if err := q.settle(ctx); err != nil {
			q.o.Log.Error("answers not noted", "error", err)
			return
		}
	}
}

// SweepDoubts forgets mails in doubt whose clients have not come back.
func (q *Queue) SweepDoubts(ctx context.Context) error {
	err := q.o.DB.WriteLow(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(`DELETE FROM doubt WHERE accepted_at < $1`, db.Micros(tx.Now().Add(-doubtTime)))
		return err
	})
	if err != nil {
		return fmt.Errorf("sweep doubts: %w", err)
	}
	return nil
}
