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

// Copying says how a database is copied. The zero value copies into an empty one.
type Copying struct {
	// Over takes a target that holds what an earlier copy left, and replaces all of it.
	Over bool
	// Finish ends the transaction that fills the target: what it writes is there with the copy or not at all. Optional.
	Finish func(target *Tx) error
	// Told hears how many rows of a table have been copied, every now and then. Optional.
	Told func(table string, rows int64)
}

// Copy writes one moment of a database into another, empty one, of either engine: all of it or nothing. It reads
// back what it wrote and compares before it commits. A running service is not disturbed; what it writes meanwhile is
// not in the copy.
func Copy(ctx context.Context, from, to *DB, how Copying) (copied []Copied, err error) {
	err = from.Read(ctx, func(source *Tx) error {
		tables, err := source.tables()
		if err != nil {
			return err
		}
		return to.Write(ctx, func(target *Tx) error {
			copied = nil
			all, err := how.fill(source, target, tables)
			copied = all
			return err
		})
	})
	return copied, err
}

// fill does all of it within the target's transaction.
func (how Copying) fill(source, target *Tx, tables []string) (copied []Copied, err error) {
	if !how.Over {
		if err := target.fresh(); err != nil {
			return nil, err
		}
	}
	// What a migration itself put there (the head of the empty audit log) makes room; children go before parents.
	for _, t := range slices.Backward(tables) {
		if _, err := target.Exec(`DELETE FROM ` + t); err != nil {
			return nil, fmt.Errorf("empty %s: %w", t, err)
		}
	}
	for _, t := range tables {
		want, err := how.copyTable(source, target, t)
		if err != nil {
			return nil, fmt.Errorf("copy %s: %w", t, err)
		}
		var got rowSum
		// Columns may come in another order where a later migration added them: both sides ran the same ones.
		if err := eachRow(target, t, func(_ []string, values []any) error { got.add(values); return nil }); err != nil {
			return nil, fmt.Errorf("read back %s: %w", t, err)
		}
		if got != want {
			return nil, fmt.Errorf("read back %s: %d rows differ from the %d that were copied", t, got.rows, want.rows)
		}
		copied = append(copied, Copied{Table: t, Rows: got.rows})
	}
	if how.Finish != nil {
		err = how.Finish(target)
	}
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

// Bounds of one INSERT: few statements make a large copy quick, and one must fit into memory.
const (
	rowsAtOnce   = 50
	octetsAtOnce = 1 << 20
	tellEvery    = 10_000
)

// copyTable copies the rows of one table. Its name comes from the database's own catalogue.
func (how Copying) copyTable(source, target *Tx, table string) (sum rowSum, err error) {
	var b batch
	err = eachRow(source, table, func(columns []string, values []any) error {
		sum.add(values)
		if how.Told != nil && sum.rows%tellEvery == 0 {
			how.Told(table, sum.rows)
		}
		b.add(values)
		if b.rows < rowsAtOnce && b.octets < octetsAtOnce {
			b.columns = columns
			return nil
		}
		return b.insert(target, table, columns)
	})
	if err == nil && b.rows > 0 {
		err = b.insert(target, table, b.columns)
	}
	return sum, err
}

// batch are rows for one statement.
type batch struct {
	columns      []string
	args         []any
	rows, octets int
}

func (b *batch) add(values []any) {
	b.rows++
	for _, v := range values {
		switch v := v.(type) {
		case []byte:
			b.octets += len(v)
		case string:
			b.octets += len(v)
		}
		b.args = append(b.args, v)
	}
}

func (b *batch) insert(target *Tx, table string, columns []string) error {
	var text strings.Builder
	fmt.Fprintf(&text, "INSERT INTO %s (%s) VALUES ", table, strings.Join(columns, ", "))
	for i := range b.args {
		switch {
		case i%len(columns) > 0:
			text.WriteString(", ")
		case i > 0:
			text.WriteString("), (")
		default:
			text.WriteString("(")
		}
		fmt.Fprintf(&text, "$%d", i+1)
	}
	text.WriteString(")")
	_, err := target.Exec(text.String(), b.args...)
	*b = batch{}
	return err
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
