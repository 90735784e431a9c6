package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// Several nodes share a database and are not replaced in one moment, so for a while programs of two versions work on
// one schema: the newer one has migrated it. Migrations therefore only add (tables, indexes that refuse nothing, columns
// that are NULL or have a default), and the older program goes on beside them. One that takes something away raises
// the floor (table schema_floor) to the version whose programs no longer miss it.

// ErrProgramTooOld says that the database has taken something away that this program still uses.
var ErrProgramTooOld = errors.New("this program is too old for the database: a newer one has changed it; install the newer version")

// ErrSchemaTooOld says that a guest has found less than it knows: another node has to bring the database up to date.
var ErrSchemaTooOld = errors.New("the database has not been brought up to date: start a node that may do it first (any other role than portal)")

// migrate runs what has not run, and looks whether this program may work on the outcome. On PostgreSQL an advisory lock
// lets one of several starting nodes do it while the others wait.
func (d *DB) migrate(ctx context.Context, dialect goose.Dialect, pool *sql.DB) error {
	if !d.guest {
		if err := d.up(ctx, dialect, pool); err != nil {
			return err
		}
	}
	return d.fits(ctx, pool)
}

func (d *DB) up(ctx context.Context, dialect goose.Dialect, pool *sql.DB) error {
	opts := []goose.ProviderOption{goose.WithDisableGlobalRegistry(true)}
	if dialect == goose.DialectPostgres {
		locker, err := lock.NewPostgresSessionLocker()
		if err != nil {
			return err
		}
		opts = append(opts, goose.WithSessionLocker(locker))
	}
	p, err := goose.NewProvider(dialect, pool, d.files, opts...)
	if err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return err
}

// migrateSQLite is migrate while nobody else does it: a service that starts and a command beside it may find the same
// empty file.
func (d *DB) migrateSQLite(ctx context.Context, path string, pool *sql.DB) error {
	// Not the database itself: SQLite gives up its own locks when anybody in the process closes that file.
	f, err := os.OpenFile(path+".migrate", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	return d.migrate(ctx, goose.DialectSQLite3, pool)
}

// fits compares what the database has become with what this program knows.
func (d *DB) fits(ctx context.Context, pool *sql.DB) error {
	known, err := highest(d.files)
	if err != nil {
		return err
	}
	var floor, version int64
	if err := pool.QueryRowContext(ctx, `SELECT floor FROM schema_floor`).Scan(&floor); err != nil && !noTable(err) {
		return fmt.Errorf("read schema_floor: %w", err)
	}
	if floor > known {
		return fmt.Errorf("%w (it knows schema %d, at least %d is needed)", ErrProgramTooOld, known, floor)
	}
	if !d.guest {
		return nil
	}
	err = pool.QueryRowContext(ctx, `SELECT max(version_id) FROM goose_db_version WHERE is_applied`).Scan(&version)
	if err != nil && !noTable(err) {
		return fmt.Errorf("read goose_db_version: %w", err)
	}
	if version < known {
		return fmt.Errorf("%w (it has schema %d, %d is needed)", ErrSchemaTooOld, version, known)
	}
	return nil
}

// noTable says whether a table is missing: before the migration that makes it, or before any.
func noTable(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "42P01" || strings.Contains(err.Error(), "no such table")
}

// highest is the number of the last migration.
func highest(files fs.FS) (last int64, err error) {
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		number, _, _ := strings.Cut(name, "_")
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("migration %s has no number: %w", name, err)
		}
		last = max(last, n)
	}
	return last, nil
}
