package holdqueue

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sekisho-mail/sekisho/internal/blob"
	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
	"github.com/sekisho-mail/sekisho/internal/seal"
)

// Options are what a queue is made of. All but Log and the zero-able limits are required.
type Options struct {
	DB    *db.DB
	Keys  *seal.Keys
	Blobs blob.Store
	// Spool is a directory on the same disk as a file store, for bodies under way. 0700.
	Spool string
	// Hostname stands in the Message-ID of our own mail and in reports.
	Hostname string
	// Postmaster is who writes delivery reports; default postmaster@Hostname.
	Postmaster mailaddr.Address
	// Zone is the time zone of what people read; nil is the machine's.
	Zone    *time.Location
	Log     *slog.Logger
	Retain  Retention
	Workers Workers
}

// Retention says how long content is kept after a mail has ended. Facts (who, whom, when, why) outlive it.
type Retention struct {
	Sent     time.Duration // factory 7 days
	Returned time.Duration // factory 30 days: refused, rejected, expired, cancelled, failed
	Facts    time.Duration // factory 400 days
}

// Workers says how much is done at once.
type Workers struct {
	Inspect int           // factory 2; each may use a core
	Send    int           // factory 40: more than the connections of one next hop, so that claims and outcomes are committed beside
	Other   int           // factory 4
	Lease   time.Duration // factory 20 s; a dead worker's mail is taken over after at most this
	Look    time.Duration // factory 2 min; one inspection
	Grace   time.Duration // factory 20 s; for what is under way when the service is stopped
}

// Queue is the store of accepted mail and, once Run, its one loop.
type Queue struct {
	o Options
	// Set by cmd before Run and before anything is accepted.
	Inspect  Inspect
	Poison   Poison
	Prepare  Prepare
	Sender   Sender
	Retry    Retry
	Hooks    Hooks
	Handlers map[string]Handler

	kick    chan struct{}
	called  atomic.Uint32 // lanes that somebody has work for
	intake  intake
	answers answers
	posted  atomic.Int64  // mails of our own
	cores   chan struct{} // one for each inspection that runs

	mu     sync.Mutex
	active map[string]*claim // by attempt
	floor  time.Time         // nothing leaves sooner than min(its delay, 60 s) after this
}

// New opens the queue. It refuses to work with a key file that is not the one this database was sealed with.
func New(ctx context.Context, o Options) (*Queue, error) {
	o.Retain.Sent = orDuration(o.Retain.Sent, 7*24*time.Hour)
	o.Retain.Returned = orDuration(o.Retain.Returned, 30*24*time.Hour)
	o.Retain.Facts = orDuration(o.Retain.Facts, 400*24*time.Hour)
	o.Workers.Lease = orDuration(o.Workers.Lease, 20*time.Second)
	o.Workers.Look = orDuration(o.Workers.Look, 2*time.Minute)
	o.Workers.Grace = orDuration(o.Workers.Grace, 20*time.Second)
	o.Workers.Inspect = orInt(o.Workers.Inspect, 2)
	o.Workers.Send = orInt(o.Workers.Send, 40)
	o.Workers.Other = orInt(o.Workers.Other, 4)
	if o.Postmaster == "" {
		o.Postmaster = mailaddr.Address("postmaster@" + o.Hostname)
	}
	if o.Zone == nil {
		o.Zone = time.Local
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(o.Spool, 0o700); err != nil {
		return nil, fmt.Errorf("make spool: %w", err)
	}
	q := &Queue{o: o, kick: make(chan struct{}, 1), cores: make(chan struct{}, o.Workers.Inspect), active: map[string]*claim{}, Handlers: map[string]Handler{}}
	if err := q.checkCanary(ctx); err != nil {
		return nil, err
	}
	return q, nil
}

func orDuration(d, factory time.Duration) time.Duration {
	if d == 0 {
		return factory
	}
	return d
}

func orInt(n, factory int) int {
	if n == 0 {
		return factory
	}
	return n
}

// ErrWrongKeys says that the database was sealed with keys that are not in the key file.
var ErrWrongKeys = errors.New("the key file does not fit this database: restore the key file that belongs to it")

// ErrMoved says that everything has moved to another database, and that this one must never send again.
var ErrMoved = errors.New("this database has been moved to another one by sekisho migrate; database.url must name that one")

const canary = "sekisho canary"

func (q *Queue) checkCanary(ctx context.Context) error {
	return q.o.DB.Write(ctx, func(tx *db.Tx) error {
		if moved, err := setting(tx, "moved"); err != nil {
			return err
		} else if moved != nil {
			return ErrMoved
		}
		if arriving, err := IsArriving(tx); err != nil {
			return err
		} else if arriving {
			return ErrArriving
		}
		sealed, err := setting(tx, "canary")
		if err != nil {
			return err
		}
		if sealed == nil {
			return setSetting(tx, "canary", q.o.Keys.Seal("canary", "canary", []byte(canary)))
		}
		return opens(q.o.Keys, sealed)
	})
}

// Fits fails with ErrWrongKeys when the keys do not open what the database holds.
func Fits(tx *db.Tx, keys *seal.Keys) error {
	sealed, err := setting(tx, "canary")
	if err != nil || sealed == nil {
		return err
	}
	return opens(keys, sealed)
}

func opens(keys *seal.Keys, sealed []byte) error {
	if plain, err := keys.Open("canary", "canary", sealed); err != nil || string(plain) != canary {
		return ErrWrongKeys
	}
	return nil
}

func setting(tx *db.Tx, name string) ([]byte, error) {
	var v []byte
	err := tx.QueryRow(`SELECT value FROM setting WHERE name = $1`, name).Scan(&v)
	if db.IsNoRows(err) {
		return nil, nil
	}
	return v, err
}

func setSetting(tx *db.Tx, name string, value []byte) error {
	_, err := tx.Exec(`INSERT INTO setting (name, value) VALUES ($1, $2)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value)
	return err
}

// digest is a keyed hash for look-ups by content: what it stands for cannot be guessed from a stolen database.
func (q *Queue) digest(purpose string, parts ...string) []byte {
	sum := sha256.Sum256(q.o.Keys.MAC(purpose, parts...))
	return sum[:]
}
