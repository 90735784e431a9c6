package db

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrNotEmpty says that a copy would mix with what is already there.
var ErrNotEmpty = errors.New("the target already holds data")

// Copied says how many rows of a table were copied.
type Copied struct {
	Table string
	Rows  int64
}

// Copy writes one moment of a database into another, empty one, of either engine: all of it or nothing. It reads
// back what it wrote and compares. A running service is not disturbed; what it writes meanwhile is not in the copy.
func Copy(ctx context.Context, from, to *DB) (copied []Copied, err error) {
	err = from.Read(ctx, func(source *Tx) error {
		tables, err := source.tables()
		if err != nil {
			return err
		}
		sums := make([]rowSum, len(tables))
		err = to.Write(ctx, func(target *Tx) error {
			if err := target.fresh(); err != nil {
				return err
			}
			for i, t := range tables {
				if sums[i], err = copyTable(source, target, t); err != nil {
					return fmt.Errorf("copy %s: %w", t, err)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		copied, err = verifyCopy(ctx, to, tables, sums)
		return err
	})
	return copied, err
}

// rowSum is a digest of a set of rows that does not depend on their order.
type rowSum struct {
	rows int64
	sum  [4]uint64
}

func (s *rowSum) add(values []any) {
	h := sha256.New()
	for _, v := range values {
		switch v := v.(type) {
		case nil:
			fmt.Fprint(h, "n;")
		case int64:
			fmt.Fprintf(h, "i%d;", v)
		case string:
			// As bytes: an empty BYTEA that a migration wrote as '' is text to SQLite.
			fmt.Fprintf(h, "b%d:%s;", len(v), v)
		case []byte:
			fmt.Fprintf(h, "b%d:%s;", len(v), v)
		default:
			fmt.Fprintf(h, "?%T;", v) // no column of ours has another type; it will not compare equal
		}
	}
	d := h.Sum(nil)
	for i := range s.sum {
		s.sum[i] += binary.BigEndian.Uint64(d[8*i:])
	}
	s.rows++
}

// tables are ours in an order in which each comes after those it refers to.
func (tx *Tx) tables() ([]string, error) {
	list, refs := `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'
		AND name <> 'goose_db_version' ORDER BY name`, `SELECT "table" FROM pragma_foreign_key_list($1)`
	if tx.db.engine == PostgreSQL {
		list = `SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND tablename <> 'goose_db_version' ORDER BY tablename`
		refs = `SELECT parent.relname FROM pg_constraint JOIN pg_class child ON child.oid = conrelid JOIN pg_class parent ON parent.oid = confrelid
			WHERE contype = 'f' AND child.relname = $1`
	}
	names, err := tx.strings(list)
	if err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	var ordered []string
	var visit func(name string) error
	visit = func(name string) error {
		if slices.Contains(ordered, name) {
			return nil
		}
		parents, err := tx.strings(refs, name)
		if err != nil {
			return fmt.Errorf("references of %s: %w", name, err)
		}
		for _, p := range parents {
			if p != name {
				if err := visit(p); err != nil {
					return err
				}
			}
		}
		ordered = append(ordered, name)
		return nil
	}
	for _, n := range names {
		if err := visit(n); err != nil {
			return nil, err
		}
	}
	return ordered, nil
}

func (tx *Tx) strings(query string, args ...any) ([]string, error) {
	rows, err := tx.Query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, rows.Err()
}

// fresh says whether nobody has used the database since its tables were made. Whoever opens one as a queue leaves a
// canary in setting at least.
func (tx *Tx) fresh() error {
	for _, table := range []string{"setting", "message", "audit_entry", "request", "link", "web_identity"} {
		var one int
		err := tx.QueryRow(`SELECT 1 FROM ` + table + ` LIMIT 1`).Scan(&one)
		if err == nil {
			return fmt.Errorf("table %s: %w", table, ErrNotEmpty)
		}
		if !IsNoRows(err) {
			return err
		}
	}
	return nil
}

// copyTable copies the rows of one table. Its name comes from the database's own catalogue.
func copyTable(source, target *Tx, table string) (sum rowSum, err error) {
	// What a migration itself put there (the head of the empty audit log) makes room.
	if _, err := target.Exec(`DELETE FROM ` + table); err != nil {
		return sum, err
	}
	err = eachRow(source, table, func(columns []string, values []any) error {
		sum.add(values)
		marks := make([]string, len(columns))
		for i := range marks {
			marks[i] = fmt.Sprintf("$%d", i+1)
		}
		_, err := target.Exec(`INSERT INTO `+table+` (`+strings.Join(columns, ", ")+`) VALUES (`+strings.Join(marks, ", ")+`)`, values...)
		return err
	})
	return sum, err
}

func eachRow(tx *Tx, table string, fn func(columns []string, values []any) error) error {
	rows, err := tx.Query(`SELECT * FROM ` + table)
	if err != nil {
		return err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	for rows.Next() {
		values := make([]any, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return err
		}
		if err := fn(columns, values); err != nil {
			return err
		}
	}
	return rows.Err()
}

func verifyCopy(ctx context.Context, to *DB, tables []string, want []rowSum) (copied []Copied, err error) {
	err = to.Read(ctx, func(tx *Tx) error {
		copied = nil
		for i, t := range tables {
			var got rowSum
			// Columns may come in another order where a later migration added them: both sides ran the same ones.
			if err := eachRow(tx, t, func(_ []string, values []any) error { got.add(values); return nil }); err != nil {
				return fmt.Errorf("read back %s: %w", t, err)
			}
			if got != want[i] {
				return fmt.Errorf("read back %s: %d rows differ from the %d that were copied", t, got.rows, want[i].rows)
			}
			copied = append(copied, Copied{Table: t, Rows: got.rows})
		}
		return nil
	})
	return copied, err
}
