package holdqueue

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"slices"
	"syscall"
	"time"

	"github.com/sekisho-mail/sekisho/internal/audit"
	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/failpoint"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// Envelope is what is known about a mail at its acceptance besides its bytes.
type Envelope struct {
	Origin     Origin
	Source     string
	Person     mailaddr.Address
	MailFrom   mailaddr.Address
	Recipients []EnvelopeRecipient // a repeated address is kept once
	Automatic  bool
	Meta       Meta
	// Received is the SHA-256 of the message as the client sent it, by which a resend is known.
	Received [32]byte
}

// EnvelopeRecipient is one RCPT.
type EnvelopeRecipient struct {
	Address mailaddr.Address
	Notify  string
	ORcpt   string
}

// Draft is one message being written. It is used by one goroutine.
type Draft struct {
	*Spool
	q     *Queue
	id    ID
	sum   hash.Hash
	doubt answer // once committed
}

// Begin starts a message. Nothing is kept before Commit.
func (q *Queue) Begin(context.Context) (*Draft, error) {
	return &Draft{Spool: q.Spool(), q: q, id: db.NewID(), sum: sha256.New()}, nil
}

// ID is the identifier the message will have.
func (d *Draft) ID() ID { return d.id }

// Write takes the next bytes of the stored message.
func (d *Draft) Write(p []byte) (int, error) {
	d.sum.Write(p)
	return d.Spool.Write(p)
}

// Abort forgets the message. After Commit it does nothing.
func (d *Draft) Abort() { d.Discard() }

// Commit makes the message durable: when it returns nil, bytes and rows are on disk. When it fails, nothing is
// left that could ever be sent, unless the error is ErrInDoubt. The id is that of an earlier message when this one is
// a resend of it (doubt.go).
func (d *Draft) Commit(ctx context.Context, env Envelope) (ID, error) {
	if d.ended {
		return "", errors.New("commit: the draft has ended")
	}
	defer d.Abort()
	if len(env.Recipients) == 0 {
		return "", errors.New("commit: no recipients")
	}
	row := &accepted{id: d.id, env: env, size: d.size}
	d.sum.Sum(row.sha[:0])
	if err := d.keep(ctx, row); err != nil {
		return "", err
	}
	if err := row.sealUp(d.q); err != nil {
		return "", err
	}
	failpoint.At("accept.sealed")
	var earlier ID
	d.q.intake.begin()
	err := d.q.o.DB.Write(ctx, func(tx *db.Tx) (err error) {
		if earlier, err = d.q.doubts(tx, row); err != nil || earlier != "" {
			return err
		}
		return d.q.insert(tx, row)
	})
	d.q.intake.end()
	if err != nil {
		return d.doubted(ctx, row, err)
	}
	d.doubt = answer{string(row.resend), d.id}
	if earlier != "" {
		d.doubt.message = earlier
		d.forget(ctx, row)
		return earlier, nil
	}
	failpoint.At("accept.committed")
	d.q.wake(laneInspect)
	return d.id, nil
}

// doubted finds out what a failed commit has left. A connection to PostgreSQL that breaks while it waits for the
// answer to COMMIT says nothing about the outcome: a mail that is there is accepted, and its body must stay.
func (d *Draft) doubted(ctx context.Context, row *accepted, cause error) (ID, error) {
	// Not ctx: it may be why we are here.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if !errors.Is(cause, ErrInDoubt) {
		d.forget(ctx, row)
		if db.IsFull(cause) {
			cause = fmt.Errorf("%w: %w", syscall.ENOSPC, cause)
		}
		return "", fmt.Errorf("commit: %w", cause)
	}
	var n int64
	err := d.q.o.DB.Read(ctx, func(tx *db.Tx) error {
		return tx.QueryRow(`SELECT count(*) FROM message WHERE id = $1`, d.id).Scan(&n)
	})
	if err != nil || n == 0 {
		// A crash may bring it back, and then it needs its body. Otherwise SweepBodies finds that.
		return "", fmt.Errorf("commit %s: %w", d.id, cause)
	}
	d.doubt = answer{string(row.resend), d.id}
	d.q.wake(laneInspect)
	return d.id, nil
}

// forget removes the body of a message that got no row.
func (d *Draft) forget(ctx context.Context, row *accepted) {
	if row.blob != "" {
		d.q.o.Blobs.Delete(ctx, row.blob) // what is left all the same SweepBodies finds
	}
}

// ErrInDoubt says that nobody knows whether a mail is kept. Who handed it in must not be told either way: what was
// answered with 250 must arrive, and what was answered with 4yz must not (RFC 5321 section 4.2.5, RFC 1047).
var ErrInDoubt = db.ErrInDoubt

// keep puts a large body into the store, durable, and seals a small one for its row.
func (d *Draft) keep(ctx context.Context, row *accepted) error {
	if d.file == nil {
		row.body = d.q.o.Keys.Seal("body", d.id, d.buf.Bytes())
		return nil
	}
	row.blob = bodies + d.id
	path, err := d.finish(true)
	failpoint.At("accept.body_synced")
	if err == nil {
		err = d.q.o.Blobs.Adopt(ctx, row.blob, path)
	}
	if err != nil {
		return fmt.Errorf("keep body: %w", err)
	}
	failpoint.At("accept.body_kept")
	return nil
}

// accepted is a message on its way into the tables.
type accepted struct {
	id   ID
	env  Envelope
	size int64
	sha  [32]byte
	body []byte
	blob string

	meta   []byte
	resend []byte
	ids    []ID
}

// sealUp does the work that needs no transaction.
func (a *accepted) sealUp(q *Queue) error {
	seen := map[mailaddr.Address]bool{}
	a.env.Recipients = slices.DeleteFunc(a.env.Recipients, func(r EnvelopeRecipient) bool {
		twice := seen[r.Address]
		seen[r.Address] = true
		return twice
	})
	keys := []string{string(a.env.MailFrom), a.env.Meta.MessageID, string(a.env.Received[:]), string(a.env.Person), a.env.Source}
	for _, r := range a.env.Recipients {
		a.ids = append(a.ids, db.NewID())
		keys = append(keys, string(r.Address))
	}
	slices.Sort(keys[5:])
	a.resend = q.digest("resend", keys...)
	meta, err := json.Marshal(a.env.Meta)
	if err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	a.meta = q.o.Keys.Seal("meta", a.id, meta)
	return nil
}

// insert writes the rows of an accepted message and what is to be done with it next.
func (q *Queue) insert(tx *db.Tx, a *accepted) error {
	now := tx.Now()
	state, kind, due := Received, kindInspect, now
	inspected := time.Time{}
	if a.env.Origin == FromSystem {
		// Our own mail is neither inspected nor delayed.
		state, kind, inspected = Delayed, kindNotice, now
	}
	body, err := insertBody(tx, a)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO message (id, family, family_key, origin, source, person, mail_from, automatic, size,
		sha256, body, blob, meta, resend_key, answered_at, accepted_at, inspected_at, ended_at, purged_at, version)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, 0, 0, 1)`,
		a.id, a.id, []byte{}, string(a.env.Origin), a.env.Source, string(a.env.Person), string(a.env.MailFrom),
		db.Bool(a.env.Automatic), a.size, a.sha[:], body, a.blob, a.meta, []byte{}, int64(0),
		db.Micros(now), db.Micros(inspected))
	if err != nil {
		return err
	}
	for i, r := range a.env.Recipients {
		if err := insertRecipient(tx, a, i, r, state, now); err != nil {
			return err
		}
	}
	if err := q.schedule(tx, kind, a.id, due); err != nil {
		return err
	}
	return audit.Append(tx, audit.Entry{Actor: a.actor(), Action: "accept", Message: a.id,
		Detail: map[string]string{"origin": string(a.env.Origin), "source": a.env.Source, "client": a.env.Meta.Client,
			"from": string(a.env.MailFrom), "kind": a.env.Meta.Kind}})
}

// insertBody writes a small body where it does not have to be written again whenever its message changes, and gives
// what is to stand in the message itself. See migration 0007.
func insertBody(tx *db.Tx, a *accepted) (inMessage []byte, err error) {
	if a.body == nil || tx.Engine() == db.PostgreSQL {
		return a.body, nil
	}
	_, err = tx.Exec(`INSERT INTO content (message, body) VALUES ($1, $2)`, a.id, a.body)
	return nil, err
}

func (a *accepted) actor() string {
	if a.env.Person == "" {
		return string(System)
	}
	return string(Person(a.env.Person))
}

func insertRecipient(tx *db.Tx, a *accepted, i int, r EnvelopeRecipient, state State, now time.Time) error {
	release := int64(0)
	if state == Delayed {
		release = db.Micros(now)
	}
	_, err := tx.Exec(`INSERT INTO recipient (id, message, position, address, domain, notify, orcpt, state, bundle,
		delay, stopped, release_at, decided_at, next_try_at, attempt, claimed_at, dot_sent_at, uncertain, tries,
		first_try_at, warned_at, remote, reply, reason, ended_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, '', 0, 0, $9, 0, 0, '', 0, 0, 0, 0, 0, 0, '', '', '', 0)`,
		a.ids[i], a.id, i, string(r.Address), r.Address.Domain(), r.Notify, r.ORcpt, string(state), release)
	return err
}
