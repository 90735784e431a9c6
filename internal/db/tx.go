package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sekisho-mail/sekisho/internal/failpoint"
)

// Tx is one transaction (on SQLite: one savepoint of a shared one). It is used by one goroutine and not
// after its function has returned.
type Tx struct {
	ctx  context.Context
	db   *DB
	q    queryer
	now  time.Time
	fail error // what Now could not report
}

type queryer interface {
	exec(ctx context.Context, query string, args []any) (sql.Result, error)
	query(ctx context.Context, query string, args []any) (*sql.Rows, error)
	queryRow(ctx context.Context, query string, args []any) *sql.Row
}

// Engine says which engine runs underneath.
func (tx *Tx) Engine() Engine { return tx.db.engine }

// Context is that of the caller of Write or Read, for values only: a write in a shared transaction is never
// interrupted half way.
func (tx *Tx) Context() context.Context { return tx.ctx }

// Exec runs a statement and gives the number of rows it changed.
func (tx *Tx) Exec(query string, args ...any) (int64, error) {
	tx.db.seen(query, args)
	res, err := tx.q.exec(tx.ctx, query, args)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// Query runs a query; the caller closes the rows and checks rows.Err before the next statement.
func (tx *Tx) Query(query string, args ...any) (*sql.Rows, error) {
	tx.db.seen(query, args)
	return tx.q.query(tx.ctx, query, args)
}

// QueryRow runs a query that gives at most one row.
func (tx *Tx) QueryRow(query string, args ...any) *sql.Row {
	tx.db.seen(query, args)
	return tx.q.queryRow(tx.ctx, query, args)
}

// Now is the time of this transaction: the same at every call, and on PostgreSQL the database's clock, so
// that several nodes with different clocks agree on what is due.
func (tx *Tx) Now() time.Time {
	if !tx.now.IsZero() {
		return tx.now
	}
	switch {
	case tx.db.clock != nil:
		tx.now = tx.db.clock().UTC().Truncate(time.Microsecond)
	case tx.db.engine == SQLite:
		tx.now = time.Now().UTC().Truncate(time.Microsecond)
	default:
		var us int64
		if err := tx.QueryRow(`SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint`).Scan(&us); err != nil {
			tx.fail = err
			us = time.Now().UnixMicro()
		}
		tx.now = Time(us)
	}
	return tx.now
}

// Now is the clock by which due times are kept, outside a transaction.
func (d *DB) Now(ctx context.Context) (time.Time, error) {
	if d.clock != nil {
		return d.clock().UTC().Truncate(time.Microsecond), nil
	}
	if d.engine == SQLite {
		return time.Now().UTC().Truncate(time.Microsecond), nil
	}
	var at time.Time
	err := d.Read(ctx, func(tx *Tx) error { at = tx.Now(); return nil })
	return at, err
}

// maxReruns bounds how often a Write that lost a race is run again before its caller hears of it.
const maxReruns = 20

// Write runs fn in a transaction that is on disk when Write returns nil. fn may be run again after a
// conflict, so it does no I/O and sets outer variables by assignment only. fn that returns an error leaves
// nothing behind. On SQLite many waiting writes share one commit, each under a savepoint of its own.
func (d *DB) Write(ctx context.Context, fn func(tx *Tx) error) error {
	return d.rerun(ctx, fn, false)
}

// WriteLow is Write for sweeps and other work that can wait: on SQLite it runs when no Write waits. Keep
// each call small (a slice of some hundred rows), because a Write that comes meanwhile waits for it.
func (d *DB) WriteLow(ctx context.Context, fn func(tx *Tx) error) error {
	return d.rerun(ctx, fn, true)
}

func (d *DB) rerun(ctx context.Context, fn func(tx *Tx) error, low bool) error {
	for try := 1; ; try++ {
		var err error
		if d.engine == SQLite {
			err = d.writer.do(ctx, fn, low)
		} else {
			err = d.writePostgreSQL(ctx, fn)
		}
		if err == nil || try == maxReruns || !isConflict(err) {
			return err
		}
		pause := time.Duration(rand.Int64N(int64(try) * int64(4*time.Millisecond)))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

func (d *DB) writePostgreSQL(ctx context.Context, fn func(tx *Tx) error) error {
	// Repeatable read, as SQLite gives: a row that another transaction has changed meanwhile is an error
	// and a rerun, never a silent overwrite.
	t, err := d.pool.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead})
	if err != nil {
		return err
	}
	defer t.Rollback()
	failpoint.At("db.begun")
	tx := &Tx{ctx: ctx, db: d, q: plain{t}}
	if err := errors.Join(fn(tx), tx.fail); err != nil {
		return unjoin(err)
	}
	failpoint.At("db.applied")
	err = t.Commit()
	failpoint.At("db.committed")
	if said := (*pgconn.PgError)(nil); err != nil && !errors.As(err, &said) && !errors.Is(err, sql.ErrTxDone) {
		// The connection broke before the answer came.
		err = fmt.Errorf("commit: %w: %w", ErrInDoubt, err)
	}
	return err
}

// Read runs fn on a snapshot that does not change under it. Keep it short: on SQLite a long reader keeps the
// write-ahead log from being shortened.
func (d *DB) Read(ctx context.Context, fn func(tx *Tx) error) error {
	opts := &sql.TxOptions{}
	if d.engine == PostgreSQL {
		opts = &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
	}
	t, err := d.pool.BeginTx(ctx, opts)
	if err != nil {
		return err
	}
	defer t.Rollback()
	if d.engine == PostgreSQL {
		tx := &Tx{ctx: ctx, db: d, q: plain{t}}
		return unjoin(errors.Join(fn(tx), tx.fail))
	}
	c := &cached{db: d, tx: t}
	tx := &Tx{ctx: ctx, db: d, q: c}
	err = unjoin(errors.Join(fn(tx), tx.fail))
	t.Rollback() // nothing was written
	c.learn(ctx)
	return err
}

// unjoin takes the wrapping off a single error, so that callers may compare it.
func unjoin(err error) error {
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		if all := j.Unwrap(); len(all) == 1 {
			return all[0]
		}
	}
	return err
}

func isConflict(err error) bool {
	if errors.Is(err, ErrConflict) {
		return true
	}
	var pg *pgconn.PgError
	// serialization_failure, deadlock_detected
	return errors.As(err, &pg) && (pg.Code == "40001" || pg.Code == "40P01")
}

// IsUnique says whether err is a violated unique constraint, on either engine.
func IsUnique(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code == "23505"
	}
	return isSQLiteUnique(err)
}

// plain leaves the caching of statements to pgx.
type plain struct{ tx *sql.Tx }

func (p plain) exec(ctx context.Context, query string, args []any) (sql.Result, error) {
	return p.tx.ExecContext(ctx, query, args...)
}

func (p plain) query(ctx context.Context, query string, args []any) (*sql.Rows, error) {
	return p.tx.QueryContext(ctx, query, args...)
}

func (p plain) queryRow(ctx context.Context, query string, args []any) *sql.Row {
	return p.tx.QueryRowContext(ctx, query, args...)
}

// cached uses statements that were prepared once for all readers: on SQLite parsing costs more than a short query.
type cached struct {
	db  *DB
	tx  *sql.Tx
	new []string // ran unprepared
}

// stmt is nil for what is not prepared yet. Preparing takes a connection of the pool: whoever waited for one inside a
// transaction would hold another meanwhile, and as many readers as there are connections would wait for ever.
func (c *cached) stmt(ctx context.Context, query string) *sql.Stmt {
	c.db.mu.Lock()
	s := c.db.stmts[query]
	c.db.mu.Unlock()
	if s == nil {
		c.new = append(c.new, query)
		return nil
	}
	return c.tx.StmtContext(ctx, s)
}

// learn prepares, after the transaction, what ran in it for the first time.
func (c *cached) learn(ctx context.Context) {
	for _, query := range c.new {
		s, err := c.db.pool.PrepareContext(ctx, query)
		if err != nil {
			continue // the caller heard of what is wrong with it when it ran
		}
		c.db.mu.Lock()
		if c.db.stmts[query] == nil {
			c.db.stmts[query], s = s, nil
		}
		c.db.mu.Unlock()
		if s != nil {
			s.Close()
		}
	}
}

func (c *cached) exec(ctx context.Context, query string, args []any) (sql.Result, error) {
	return c.tx.ExecContext(ctx, query, args...) // refused by query_only: the error is SQLite's own
}

func (c *cached) query(ctx context.Context, query string, args []any) (*sql.Rows, error) {
	if s := c.stmt(ctx, query); s != nil {
		return s.QueryContext(ctx, args...)
	}
	return c.tx.QueryContext(ctx, query, args...)
}

func (c *cached) queryRow(ctx context.Context, query string, args []any) *sql.Row {
	if s := c.stmt(ctx, query); s != nil {
		return s.QueryRowContext(ctx, args...)
	}
	return c.tx.QueryRowContext(ctx, query, args...)
}
