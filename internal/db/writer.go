package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	sqlite3 "github.com/mattn/go-sqlite3"

	"github.com/sekisho-mail/sekisho/internal/failpoint"
)

// maxBatch bounds how many writes share one commit, and so how long the first of them waits.
const maxBatch = 256

// lowTurn is how long low work waits at most behind other writes.
const lowTurn = time.Second

// writer is the one connection that writes to SQLite. Callers queue; the first of them leads: it runs its own
// and every other waiting function in one transaction, commits once, and hands the lead to whoever came
// meanwhile. The grouping comes from the fsync in flight; nobody waits for company.
type writer struct {
	db    *DB
	pool  *sql.DB
	conn  *sql.Conn
	stmts map[string]*sql.Stmt // used by the leader only

	// ailing says that the disk failed and has not taken a write since.
	ailing atomic.Bool

	mu   sync.Mutex
	busy bool
	high []*job
	low  []*job
	// lowAt is when low work last had its turn: under steady load it gets one a second all the same.
	lowAt time.Time
}

type job struct {
	ctx   context.Context
	fn    func(*Tx) error
	err   error
	panic any
	turn  chan bool // true: you lead now; false: your job is done
}

func openWriter(ctx context.Context, dsn string, d *DB) (*writer, error) {
	pool, err := sql.Open("sqlite3", dsn)
	if err != nil {
		return nil, err
	}
	// Two: goose migrates through one of its own while the writer's stands by.
	pool.SetMaxOpenConns(2)
	conn, err := pool.Conn(ctx)
	if err != nil {
		pool.Close()
		return nil, err
	}
	// What a savepoint may have to put back stays in memory: the default is a file for each.
	if _, err := conn.ExecContext(ctx, `PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 4000`); err != nil {
		return nil, errors.Join(err, conn.Close(), pool.Close())
	}
	return &writer{db: d, pool: pool, conn: conn, stmts: map[string]*sql.Stmt{}, lowAt: time.Now()}, nil
}

func (w *writer) close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.stmts {
		s.Close()
	}
	return errors.Join(w.conn.Close(), w.pool.Close())
}

// do queues fn and returns when its outcome is on disk.
func (w *writer) do(ctx context.Context, fn func(*Tx) error, low bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j := &job{ctx: context.WithoutCancel(ctx), fn: fn, turn: make(chan bool, 1)}
	if !w.enter(j, low) && !w.wait(ctx, j) {
		return j.outcome(ctx)
	}
	w.lead(j)
	return j.outcome(ctx)
}

func (j *job) outcome(ctx context.Context) error {
	if j.panic != nil {
		panic(j.panic)
	}
	return j.err
}

// enter queues j and says whether its caller leads at once.
func (w *writer) enter(j *job, low bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.busy {
		w.busy = true
		return true
	}
	if low {
		w.low = append(w.low, j)
	} else {
		w.high = append(w.high, j)
	}
	return false
}

// wait returns true when the caller has to lead. A caller whose context ends while its job still queues takes
// it back; once it runs, only its outcome is the truth.
func (w *writer) wait(ctx context.Context, j *job) bool {
	select {
	case lead := <-j.turn:
		return lead
	case <-ctx.Done():
	}
	w.mu.Lock()
	queued := remove(&w.high, j) || remove(&w.low, j)
	w.mu.Unlock()
	if queued {
		j.err = ctx.Err()
		return false
	}
	return <-j.turn
}

func remove(list *[]*job, j *job) bool {
	i := slices.Index(*list, j)
	if i < 0 {
		return false
	}
	*list = slices.Delete(*list, i, i+1)
	return true
}

// lead runs own together with what waits, then hands over.
func (w *writer) lead(own *job) {
	batch := []*job{own}
	w.mu.Lock()
	n := min(len(w.high), maxBatch-1)
	batch = append(batch, w.high[:n]...)
	w.high = append(w.high[:0:0], w.high[n:]...)
	w.mu.Unlock()

	w.run(batch)

	w.mu.Lock()
	var next *job
	switch {
	case len(w.low) > 0 && (len(w.high) == 0 || time.Since(w.lowAt) > lowTurn):
		next, w.low, w.lowAt = w.low[0], w.low[1:], time.Now()
	case len(w.high) > 0:
		next, w.high = w.high[0], w.high[1:]
	default:
		w.busy = false
	}
	w.mu.Unlock()
	if next != nil {
		next.turn <- true
	}
	for _, j := range batch[1:] {
		j.turn <- false
	}
}

// run carries out the batch in one transaction. A savepoint for each of them would cost as much as a small mail,
// and hardly any ever fails: they run without at first, and when one fails, all of it is taken back and run again,
// each under a savepoint of its own.
func (w *writer) run(batch []*job) {
	ctx := context.Background()
	if w.ailing.Load() {
		if err := w.prove(ctx); err != nil {
			failAll(batch, err)
			return
		}
	}
	if w.together(ctx, batch) {
		return
	}
	for _, j := range batch {
		j.err, j.panic = nil, nil
	}
	w.apart(ctx, batch)
}

// together says whether every job of the batch has its outcome.
func (w *writer) together(ctx context.Context, batch []*job) bool {
	if !w.begin(ctx, batch) {
		return true
	}
	for _, j := range batch {
		if !w.call(j) {
			w.exec(ctx, `ROLLBACK`, nil) // fails when SQLite has already rolled back, as on a full disk
			return len(batch) == 1
		}
	}
	w.commit(ctx, batch, `COMMIT`)
	return true
}

// apart runs the jobs so that one that fails is rolled back to its savepoint. A commit that fails fails them all,
// and leaves none of them.
func (w *writer) apart(ctx context.Context, batch []*job) {
	if !w.begin(ctx, batch) {
		return
	}
	end := `ROLLBACK`
	for i, j := range batch {
		if w.runOne(ctx, j) {
			end = `COMMIT`
		} else if !w.open() {
			// SQLite has rolled back all of it: another statement now would be a transaction of its own.
			failAll(batch[:i], fmt.Errorf("rolled back: %w", j.err))
			for _, later := range batch[i+1:] {
				later.err = fmt.Errorf("rolled back: %w", j.err)
			}
			return
		}
	}
	w.commit(ctx, batch, end)
}

func (w *writer) begin(ctx context.Context, batch []*job) bool {
	if _, err := w.exec(ctx, `BEGIN IMMEDIATE`, nil); err != nil {
		failAll(batch, fmt.Errorf("begin: %w", err))
		return false
	}
	failpoint.At("db.begun")
	return true
}

func (w *writer) commit(ctx context.Context, batch []*job, end string) {
	failpoint.At("db.applied")
	if _, err := w.exec(ctx, end, nil); err != nil {
		w.exec(ctx, `ROLLBACK`, nil) // fails when SQLite has already rolled back
		failAll(batch, w.settle(ctx, fmt.Errorf("commit: %w", err)))
	}
	failpoint.At("db.committed")
}

// settle makes sure that a commit which failed stays failed. When the disk gives an error while the log is being
// synced, all of the transaction may stand in it, and a crash would bring it back. A small write takes its place in
// the log; where that fails too, nobody knows.
func (w *writer) settle(ctx context.Context, cause error) error {
	var e sqlite3.Error
	if !errors.As(cause, &e) || e.Code != sqlite3.ErrIoErr {
		return cause
	}
	if err := w.prove(ctx); err != nil {
		w.ailing.Store(true)
		return fmt.Errorf("%w: %w", ErrInDoubt, cause)
	}
	return cause
}

// prove writes something to the disk. It is a figure in the head of the file that nobody reads.
func (w *writer) prove(ctx context.Context) error {
	for _, query := range []string{`BEGIN IMMEDIATE`, fmt.Sprintf(`PRAGMA user_version = %d`, rand.Int32()), `COMMIT`} {
		if _, err := w.conn.ExecContext(ctx, query); err != nil {
			w.exec(ctx, `ROLLBACK`, nil)
			return fmt.Errorf("write to the disk: %w", err)
		}
	}
	w.ailing.Store(false)
	return nil
}

// open says whether a transaction is under way.
func (w *writer) open() bool {
	open := false
	w.conn.Raw(func(c any) error {
		open = !c.(*sqlite3.SQLiteConn).AutoCommit()
		return nil
	})
	return open
}

// failAll gives err to every job that believed it had succeeded.
func failAll(batch []*job, err error) {
	for _, j := range batch {
		if j.err == nil && j.panic == nil {
			j.err = err
		}
	}
}

func (w *writer) runOne(ctx context.Context, j *job) bool {
	if _, j.err = w.exec(ctx, `SAVEPOINT one`, nil); j.err != nil {
		return false
	}
	ok := w.call(j)
	if !ok {
		w.exec(ctx, `ROLLBACK TO one`, nil)
	}
	if _, err := w.exec(ctx, `RELEASE one`, nil); err != nil && j.err == nil {
		j.err, ok = err, false
	}
	return ok
}

// call runs the job's function and keeps what it returns or panics with.
func (w *writer) call(j *job) (ok bool) {
	defer func() {
		if j.panic = recover(); j.panic != nil {
			ok = false
		}
	}()
	tx := &Tx{ctx: j.ctx, db: w.db, q: w}
	j.err = unjoin(errors.Join(j.fn(tx), tx.fail))
	return j.err == nil
}

func (w *writer) stmt(ctx context.Context, query string) (*sql.Stmt, error) {
	if s, ok := w.stmts[query]; ok {
		return s, nil
	}
	s, err := w.conn.PrepareContext(ctx, query)
	if err == nil {
		w.stmts[query] = s
	}
	return s, err
}

func (w *writer) exec(ctx context.Context, query string, args []any) (sql.Result, error) {
	s, err := w.stmt(ctx, query)
	if err != nil {
		return nil, err
	}
	return s.ExecContext(ctx, args...)
}

func (w *writer) query(ctx context.Context, query string, args []any) (*sql.Rows, error) {
	s, err := w.stmt(ctx, query)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}

func (w *writer) queryRow(ctx context.Context, query string, args []any) *sql.Row {
	s, err := w.stmt(ctx, query)
	if err != nil {
		return w.conn.QueryRowContext(ctx, query, args...) // the same error, in the form of a row
	}
	return s.QueryRowContext(ctx, args...)
}

func isSQLiteUnique(err error) bool {
	var e sqlite3.Error
	return errors.As(err, &e) &&
		(e.ExtendedCode == sqlite3.ErrConstraintUnique || e.ExtendedCode == sqlite3.ErrConstraintPrimaryKey)
}

// IsFull says whether err means that the disk is full.
func IsFull(err error) bool {
	var e sqlite3.Error
	return errors.As(err, &e) && e.Code == sqlite3.ErrFull
}
