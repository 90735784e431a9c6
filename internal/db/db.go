// Package db owns the one way into the database: opening it, migrating it, and running transactions. It
// knows two engines (SQLite and PostgreSQL) and no table but goose's and schema_floor.
//
// Every statement is written once for both: parameters $1..$n, first used in ascending order; columns
// BIGINT, TEXT and BYTEA; times as microseconds (Micros, Time); compare-and-set instead of row locks.
package db

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/mattn/go-sqlite3"
	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Engine names what runs underneath.
type Engine string

const (
	SQLite     Engine = "sqlite"
	PostgreSQL Engine = "postgres"
)

// ErrConflict is returned from a Write function whose compare-and-set lost; Write runs it again.
var ErrConflict = errors.New("changed meanwhile by another transaction")

// ErrInDoubt says that nobody knows whether a write is kept: the disk or the connection failed while it was being
// committed. It is not there for whoever reads now; after a crash it may be.
var ErrInDoubt = errors.New("nobody knows whether it is kept")

// ErrNotFound says that no row answers to an id.
var ErrNotFound = errors.New("not found")

// DB is one database, open. It is safe for concurrent use.
type DB struct {
	engine Engine
	clock  func() time.Time // nil: the engine's own
	pool   *sql.DB          // PostgreSQL: everything; SQLite: readers
	writer *writer          // SQLite only

	files fs.FS // migrations
	guest bool  // may not change the schema
	watch atomic.Pointer[func(query string, args []any)]

	mu    sync.Mutex
	stmts map[string]*sql.Stmt // SQLite readers
}

// Option changes how Open behaves.
type Option func(*DB)

// WithClock replaces the clock of both engines. For tests of what happens hours later.
func WithClock(now func() time.Time) Option { return func(d *DB) { d.clock = now } }

// AsGuest opens a database as it is, for a user of it who may not change its schema. One whose tables have never been
// made, or not all that this program knows, is refused.
func AsGuest() Option { return func(d *DB) { d.guest = true } }

// Open opens "sqlite:PATH" or "postgres://..." and brings its tables up to date.
func Open(ctx context.Context, rawURL string, opts ...Option) (*DB, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	d := &DB{stmts: map[string]*sql.Stmt{}, files: files}
	for _, o := range opts {
		o(d)
	}
	switch {
	case strings.HasPrefix(rawURL, "sqlite:"):
		err = d.openSQLite(ctx, strings.TrimPrefix(rawURL, "sqlite:"))
	case strings.HasPrefix(rawURL, "postgres://"), strings.HasPrefix(rawURL, "postgresql://"):
		err = d.openPostgreSQL(ctx, rawURL)
	default:
		// The URL may carry a password: it is not repeated.
		err = errors.New(`database URL is neither "sqlite:PATH" nor "postgres://..."`)
	}
	if err != nil {
		return nil, err
	}
	return d, nil
}

func (d *DB) openSQLite(ctx context.Context, path string) error {
	d.engine = SQLite
	if err := createPrivate(path); err != nil {
		return fmt.Errorf("open database %s: %w", path, err)
	}
	// _mutex=no: database/sql gives a connection to one goroutine at a time.
	common := "file:" + (&url.URL{Path: path}).EscapedPath() +
		"?_mutex=no&_journal_mode=WAL&_busy_timeout=5000&_foreign_keys=on&_cache_size=-16000"
	w, err := openWriter(ctx, common+"&_txlock=immediate&_synchronous=FULL", d)
	if err != nil {
		return fmt.Errorf("open database %s: %w", path, err)
	}
	if err := d.migrateSQLite(ctx, path, w.pool); err != nil {
		w.close()
		return fmt.Errorf("migrate database %s: %w", path, err)
	}
	if d.pool, err = sql.Open("sqlite3", common+"&_query_only=1&_txlock=deferred"); err != nil {
		w.close()
		return fmt.Errorf("open database %s: %w", path, err)
	}
	d.pool.SetMaxOpenConns(8)
	d.pool.SetMaxIdleConns(8)
	d.writer = w
	return nil
}

// createPrivate makes the file readable to its owner only before SQLite makes it readable to all.
func createPrivate(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

func (d *DB) openPostgreSQL(ctx context.Context, rawURL string) error {
	d.engine = PostgreSQL
	pool, err := sql.Open("pgx", rawURL)
	if err != nil {
		return errors.New("open PostgreSQL: the URL cannot be read") // err may repeat the password
	}
	const connections = 24
	pool.SetMaxOpenConns(connections)
	// All of them: a connection that comes and goes is a process of the server's each time, and a mail's statements
	// are understood anew.
	pool.SetMaxIdleConns(connections)
	pool.SetConnMaxIdleTime(5 * time.Minute)
	if err := d.migrate(ctx, goose.DialectPostgres, pool); err != nil {
		pool.Close()
		return fmt.Errorf("migrate PostgreSQL: %w", err)
	}
	d.pool = pool
	return nil
}

// Close waits for running writes and closes every connection.
func (d *DB) Close() error {
	err := d.pool.Close()
	if d.writer != nil {
		err = errors.Join(err, d.writer.close())
	}
	return err
}

// Engine says which engine runs underneath, for `check` and the version page.
func (d *DB) Engine() Engine { return d.engine }

// Watch shows every statement that runs from now on to fn, from any goroutine; nil ends that. For tests of how
// statements find their rows.
func (d *DB) Watch(fn func(query string, args []any)) {
	if fn == nil {
		d.watch.Store(nil)
		return
	}
	d.watch.Store(&fn)
}

func (d *DB) seen(query string, args []any) {
	if fn := d.watch.Load(); fn != nil {
		(*fn)(query, args)
	}
}

// Ready says whether the database answers a read and accepts a write lock.
func (d *DB) Ready(ctx context.Context) error {
	return d.Write(ctx, func(tx *Tx) error {
		var one int64
		return tx.QueryRow(`SELECT 1`).Scan(&one)
	})
}

// Trouble says whether the disk has failed in the middle of a commit and has not taken a write since. It tries one.
func (d *DB) Trouble() error {
	if d.writer == nil || !d.writer.ailing.Load() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return d.Ready(ctx)
}

// IsNoRows says whether err is database/sql's "no rows".
func IsNoRows(err error) bool { return errors.Is(err, sql.ErrNoRows) }
