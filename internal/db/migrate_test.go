package db_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/db/dbtest"
)

const openThis = "SEKISHO_TEST_OPEN"

// TestMain lets this program be started again as a process that only opens a database.
func TestMain(m *testing.M) {
	if url := os.Getenv(openThis); url != "" {
		d, err := db.Open(context.Background(), url)
		if err == nil {
			err = errors.Join(d.Write(context.Background(), put(db.NewID())), d.Close())
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func eachURL(t *testing.T, body func(t *testing.T, url string)) {
	t.Run("sqlite", func(t *testing.T) { body(t, "sqlite:"+filepath.Join(t.TempDir(), "sekisho.db")) })
	t.Run("postgres", func(t *testing.T) { body(t, dbtest.PostgresURL(t)) })
}

func openAs(t *testing.T, url string, opts ...db.Option) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), url, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// upTo are the migrations of a program that knows no later one.
func upTo(t *testing.T, last string) fs.FS {
	t.Helper()
	names, err := fs.Glob(db.Migrations(), "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	older := fstest.MapFS{}
	for _, name := range names {
		if number, _, _ := strings.Cut(name, "_"); number > last {
			continue
		}
		raw, err := fs.ReadFile(db.Migrations(), name)
		if err != nil {
			t.Fatal(err)
		}
		older[name] = &fstest.MapFile{Data: raw}
	}
	return older
}

// firstFloor is the migration set of the first programs that may stand beside this one.
const firstFloor = "0005"

func TestFiveProcessesMayOpenAnEmptyDatabaseAtOnce(t *testing.T) {
	eachURL(t, func(t *testing.T, url string) {
		var all []*exec.Cmd
		for range 5 {
			c := exec.Command(os.Args[0])
			c.Env = append(os.Environ(), openThis+"="+url)
			var said strings.Builder
			c.Stderr = &said
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			all = append(all, c)
		}
		for _, c := range all {
			if err := c.Wait(); err != nil {
				t.Errorf("%v: %s", err, c.Stderr)
			}
		}
		if n := count(t, openAs(t, url)); n != 5 {
			t.Errorf("%d of 5 wrote", n)
		}
	})
}

// column is what an older program relies on.
type column struct {
	kind     string
	required bool
	filled   bool // has a default
}

func columns(t *testing.T, d *db.DB) (all map[string]map[string]column) {
	t.Helper()
	query := `SELECT m.name, c.name, lower(c.type), c."notnull", c.dflt_value IS NOT NULL FROM sqlite_master m, pragma_table_info(m.name) c
		WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'`
	if d.Engine() == db.PostgreSQL {
		query = `SELECT table_name, column_name, data_type, CASE is_nullable WHEN 'NO' THEN 1 ELSE 0 END, CASE WHEN column_default IS NULL THEN 0 ELSE 1 END
			FROM information_schema.columns WHERE table_schema = current_schema()`
	}
	all = map[string]map[string]column{}
	err := d.Read(t.Context(), func(tx *db.Tx) error {
		clear(all)
		rows, err := tx.Query(query)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var table, name string
			var c column
			if err := rows.Scan(&table, &name, &c.kind, &c.required, &c.filled); err != nil {
				return err
			}
			if all[table] == nil {
				all[table] = map[string]column{}
			}
			all[table][name] = c
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// refusals are the unique indexes: a new one makes statements fail that used to work.
func refusals(t *testing.T, d *db.DB) (all map[string]string) {
	t.Helper()
	query := `SELECT name, tbl_name FROM sqlite_master WHERE type = 'index' AND (sql LIKE 'CREATE UNIQUE%' OR sql IS NULL)`
	if d.Engine() == db.PostgreSQL {
		query = `SELECT indexname, tablename FROM pg_indexes WHERE schemaname = current_schema() AND indexdef LIKE 'CREATE UNIQUE%'`
	}
	all = map[string]string{}
	err := d.Read(t.Context(), func(tx *db.Tx) error {
		clear(all)
		rows, err := tx.Query(query)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var index, table string
			if err := rows.Scan(&index, &table); err != nil {
				return err
			}
			all[index] = table
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Programs of two versions work on one schema while nodes are replaced one after the other.
func TestMigrationsOnlyAdd(t *testing.T) {
	eachURL(t, func(t *testing.T, url string) {
		before := openAs(t, url, db.WithMigrations(upTo(t, firstFloor)))
		had, refused := columns(t, before), refusals(t, before)
		after := openAs(t, url)
		has := columns(t, after)
		for table, old := range had {
			for name, was := range old {
				if is, ok := has[table][name]; !ok || is.kind != was.kind || is.required && !was.required || was.filled && !is.filled {
					t.Errorf("%s.%s was %+v and is %+v: an older program still uses it", table, name, was, is)
				}
			}
			for name, is := range has[table] {
				if _, ok := old[name]; !ok && is.required && !is.filled {
					t.Errorf("%s.%s is new and has no default: an older program does not fill it", table, name)
				}
			}
		}
		for index, table := range refusals(t, after) {
			if _, ok := refused[index]; !ok && had[table] != nil {
				t.Errorf("%s on %s is a new unique index: an older program may be refused by it", index, table)
			}
		}
		if len(slices.Collect(maps.Keys(had))) < 20 || len(has) <= len(had) {
			t.Errorf("%d tables before, %d after: this test looks at nothing", len(had), len(has))
		}
	})
}

// What the previous programs wrote stays, and what they write beside a newer one is welcome.
func TestAnOlderProgramWorksBesideANewerOne(t *testing.T) {
	link := func(id string) func(*db.Tx) error {
		return func(tx *db.Tx) error { // as the first programs wrote it
			_, err := tx.Exec(`INSERT INTO link (id, message, recipient, generation, token, key_id, state, access, shared, person, sealed,
				plan, body, version, created_at, expires_at, activated_at, ended_at, ended_by, cause, files, taken, first_taken, last_taken)
				VALUES ($1, $2, 'r', 1, $3, 'k', 'active', 'open', 0, 'p', $4, $5, '', 1, 1, 2, 0, 0, '', '', 1, 0, 0, 0)`,
				id, id, id, []byte("s"), []byte("p"))
			return err
		}
	}
	eachURL(t, func(t *testing.T, url string) {
		older := openAs(t, url, db.WithMigrations(upTo(t, firstFloor)))
		if err := older.Write(t.Context(), link("before")); err != nil {
			t.Fatal(err)
		}
		newer := openAs(t, url)
		if err := older.Write(t.Context(), link("beside")); err != nil {
			t.Errorf("an older program that is still running: %v", err)
		}
		again := openAs(t, url, db.WithMigrations(upTo(t, firstFloor)))
		if err := again.Write(t.Context(), link("after")); err != nil {
			t.Errorf("an older program that starts after the newer one: %v", err)
		}
		var n, untitled int
		err := newer.Read(t.Context(), func(tx *db.Tx) error {
			return tx.QueryRow(`SELECT count(*), sum(CASE WHEN title IS NULL THEN 1 ELSE 0 END) FROM link`).Scan(&n, &untitled)
		})
		if err != nil || n != 3 || untitled != 3 {
			t.Errorf("%d links, %d without a title, %v", n, untitled, err)
		}
	})
}

func TestAProgramBelowTheFloorIsRefused(t *testing.T) {
	eachURL(t, func(t *testing.T, url string) {
		d := openAs(t, url)
		err := d.Write(t.Context(), func(tx *db.Tx) error { _, err := tx.Exec(`UPDATE schema_floor SET floor = 9999`); return err })
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Open(t.Context(), url); !errors.Is(err, db.ErrProgramTooOld) {
			t.Errorf("%v", err)
		}
	})
}

func TestAGuestNeverChangesTheSchema(t *testing.T) {
	eachURL(t, func(t *testing.T, url string) {
		if _, err := db.Open(t.Context(), url, db.AsGuest()); !errors.Is(err, db.ErrSchemaTooOld) {
			t.Fatalf("an empty database: %v", err)
		}
		openAs(t, url, db.WithMigrations(upTo(t, firstFloor)))
		if _, err := db.Open(t.Context(), url, db.AsGuest()); !errors.Is(err, db.ErrSchemaTooOld) {
			t.Fatalf("an old schema: %v", err)
		}
		openAs(t, url)
		if d, err := db.Open(t.Context(), url, db.AsGuest()); err != nil {
			t.Errorf("%v", err)
		} else {
			d.Close()
		}
	})
}
