package audit

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/db/dbtest"
	"github.com/sekisho-mail/sekisho/internal/seal"
)

func TestUntouchedLogVerifies(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		l := New(d, seal.NewTest())
		if report := verify(t, l); !report.Untouched() || report.Size != 0 {
			t.Fatalf("empty log: %+v", report)
		}
		for _, n := range []int{1, 2, 5, 13} {
			write(t, d, some(n)...)
			sequence(t, l)
		}
		write(t, d, some(2)...)
		report := verify(t, l)
		if !report.Untouched() || report.Size != 21 || report.Pending != 2 || report.Checkpoints == 0 {
			t.Errorf("%+v", report)
		}
		if time.Since(report.OldestPending).Abs() > time.Minute {
			t.Errorf("oldest pending: %v", report.OldestPending)
		}
	})
}

// tampering is one change that somebody with the database could make.
type tampering struct {
	what, sql string
	args      []any
}

// tamperings change everything that a row, the head or a checkpoint says, one at a time. forged is signed by our key for
// another tree, stranger by another key.
func tamperings(forged, stranger string) []tampering {
	return []tampering{
		{"id", `UPDATE audit_entry SET id = '00000000000000000000000000' WHERE number = 4`, nil},
		{"at", `UPDATE audit_entry SET at = at + 1 WHERE number = 4`, nil},
		{"actor", `UPDATE audit_entry SET actor = 'person:innocent@corp.example' WHERE number = 4`, nil},
		{"action", `UPDATE audit_entry SET action = 'reject' WHERE number = 4`, nil},
		{"message", `UPDATE audit_entry SET message = 'another' WHERE number = 4`, nil},
		{"recipient", `UPDATE audit_entry SET recipient = '' WHERE number = 4`, nil},
		{"object", `UPDATE audit_entry SET object = 'another' WHERE number = 4`, nil},
		{"detail", `UPDATE audit_entry SET detail = '{"address":"x@other.example"}' WHERE number = 4`, nil},
		{"detail that is no JSON", `UPDATE audit_entry SET detail = '{' WHERE number = 4`, nil},
		{"detail with blanks", `UPDATE audit_entry SET detail = ' ' || detail WHERE number = 4`, nil},
		{"salt", `UPDATE audit_entry SET salt = $1 WHERE number = 4`, []any{make([]byte, 16)}},
		{"purge", `UPDATE audit_entry SET purge = 'none' WHERE number = 4`, nil},
		{"purge and the data", `UPDATE audit_entry SET purge = 'none', actor = 'person', detail = '', salt = $1 WHERE number = 4`, []any{[]byte{}}},
		{"leaf", `UPDATE audit_entry SET leaf = $1 WHERE number = 4`, []any{[]byte(`{"v":1}`)}},
		{"leaf of another", `UPDATE audit_entry SET leaf = (SELECT leaf FROM audit_entry WHERE number = 5) WHERE number = 4`, nil},
		{"number", `UPDATE audit_entry SET number = 100 WHERE number = 4`, nil},
		{"number back to pending", `UPDATE audit_entry SET number = -1 WHERE number = 8`, nil},
		{"deleted entry", `DELETE FROM audit_entry WHERE number = 4`, nil},
		{"deleted first entry", `DELETE FROM audit_entry WHERE number = 0`, nil},
		{"deleted last entry", `DELETE FROM audit_entry WHERE number = 8`, nil},
		{"deleted everything", `DELETE FROM audit_entry`, nil},
		{"slipped in", `INSERT INTO audit_entry (id, at, actor, action, message, recipient, object, detail, salt, purge, leaf, number)
			SELECT 'new', at, actor, action, message, recipient, object, detail, salt, purge, leaf, 9 FROM audit_entry WHERE number = 4`, nil},
		{"head size", `UPDATE audit_head SET size = 8`, nil},
		{"head frontier", `UPDATE audit_head SET frontier = $1`, []any{make([]byte, 64)}},
		{"head gone", `DELETE FROM audit_head`, nil},
		{"checkpoint size", `UPDATE audit_checkpoint SET size = 8`, nil},
		{"checkpoint at", `UPDATE audit_checkpoint SET at = at + 1`, nil},
		{"checkpoint note", `UPDATE audit_checkpoint SET note = replace(note, '9', '8')`, nil},
		{"checkpoint of another tree", `UPDATE audit_checkpoint SET at = 1, note = $1`, []any{forged}},
		{"checkpoint by another key", `UPDATE audit_checkpoint SET at = 1, note = $1`, []any{stranger}},
		{"checkpoint gone", `DELETE FROM audit_checkpoint`, nil},
	}
}

func TestTamperingWithAnyColumnIsFound(t *testing.T) {
	keys := seal.NewTest()
	other := &checkpoint{Tree: tlog.Tree{N: 9, Hash: tlog.RecordHash([]byte("another log"))}, at: 1}
	forged, err := other.sign(keys)
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := other.sign(seal.NewTest())
	if err != nil {
		t.Fatal(err)
	}
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		l := New(d, keys)
		write(t, d, some(9)...)
		sequence(t, l)
		for _, test := range tamperings(forged, stranger) {
			// One change at a time, undone afterwards from a copy of the tables.
			undo := copyTables(t, d)
			if exec(t, d, test.sql, test.args...) == 0 {
				t.Fatalf("%s: nothing was changed", test.what)
			}
			if report := verify(t, l); report.Untouched() {
				t.Errorf("%s: not found: %+v", test.what, report)
			}
			undo()
			if report := verify(t, l); !report.Untouched() {
				t.Fatalf("%s: the test did not restore the log: %+v", test.what, report)
			}
		}
	})
}

// copyTables keeps the three tables aside and returns what puts them back.
func copyTables(t *testing.T, d *db.DB) (undo func()) {
	t.Helper()
	tables := []string{"audit_entry", "audit_head", "audit_checkpoint"}
	for _, table := range tables {
		exec(t, d, `DROP TABLE IF EXISTS kept_`+table)
		exec(t, d, `CREATE TABLE kept_`+table+` AS SELECT * FROM `+table)
	}
	return func() {
		for _, table := range tables {
			exec(t, d, `DELETE FROM `+table)
			exec(t, d, `INSERT INTO `+table+` SELECT * FROM kept_`+table)
		}
	}
}

func TestTamperingBeforeTheNumberIsFoundAfterwards(t *testing.T) {
	d := dbtest.SQLite(t)
	l := New(d, seal.NewTest())
	write(t, d, some(3)...)
	exec(t, d, `UPDATE audit_entry SET action = 'nothing' WHERE action = 'hold'`)
	if report := verify(t, l); report.Untouched() {
		t.Error("a changed entry without a number is not found")
	}
	sequence(t, l)
	if report := verify(t, l); report.Untouched() {
		t.Error("a changed entry is not found")
	}
}

// Whoever owns database and program can cut off the end and forget its checkpoints. A checkpoint kept
// elsewhere shows it.
func TestCutOffEndIsFoundWithACheckpointKeptElsewhere(t *testing.T) {
	now := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	d := dbtest.SQLite(t, db.WithClock(func() time.Time { return now }))
	l := New(d, seal.NewTest())
	write(t, d, some(5)...)
	sequence(t, l)
	before := copyTables(t, d)
	now = now.Add(2 * time.Hour)
	write(t, d, some(4)...)
	sequence(t, l)
	kept := checkpoints(t, d)
	if len(kept) != 2 {
		t.Fatalf("%d checkpoints", len(kept))
	}
	before()
	if report := verify(t, l); !report.Untouched() {
		t.Fatalf("the shortened log is not consistent in itself: %+v", report)
	}
	if report := verify(t, l, kept...); report.Untouched() {
		t.Error("the missing end is not found")
	}
}

func TestOnlyTheLastCheckpointOfAnHourIsKept(t *testing.T) {
	now := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	d := dbtest.SQLite(t, db.WithClock(func() time.Time { return now }))
	l := New(d, seal.NewTest())
	for range 10 {
		write(t, d, some(1)...)
		sequence(t, l)
		now = now.Add(20 * time.Minute)
	}
	if n := len(checkpoints(t, d)); n != 4 {
		t.Errorf("%d checkpoints for 10:00 to 13:00", n)
	}
	if report := verify(t, l); !report.Untouched() || report.Checkpoints != 4 {
		t.Errorf("%+v", report)
	}
}

func TestCheckpointsOutliveAKeyRotation(t *testing.T) {
	d := dbtest.SQLite(t)
	path := t.TempDir() + "/keys"
	old, err := seal.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, d, some(4)...)
	sequence(t, New(d, old))
	rotated := rotate(t, path)
	if rotated.CurrentID() == old.CurrentID() {
		t.Fatal("the key was not rotated")
	}
	l := New(d, rotated)
	if report := verify(t, l); !report.Untouched() {
		t.Errorf("%+v", report)
	}
}

// rotate appends a key to the key file, as the administrator's guide says.
func rotate(t *testing.T, path string) *seal.Keys {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fmt.Fprintf(f, "0a1b2c3d 2026-11-21T10:00:00Z %s\n", strings.Repeat("5a", 32))
	keys, err := seal.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func TestTreeAgreesWithTheLibraryAtEverySize(t *testing.T) {
	edge := &tree{}
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		var hashes []tlog.Hash
		for _, i := range indexes {
			hashes = append(hashes, stored[i])
		}
		return hashes, nil
	})
	for n := int64(0); n < 130; n++ {
		want, err := tlog.TreeHash(n, reader)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := edge.root(); err != nil || got != want {
			t.Fatalf("size %d: %v, %v", n, got, err)
		}
		again, err := parseTree(edge.size, edge.bytes())
		if err != nil || !bytes.Equal(again.bytes(), edge.bytes()) {
			t.Fatalf("size %d: %v", n, err)
		}
		data := fmt.Append(nil, "leaf ", n)
		more, err := tlog.StoredHashes(n, data, reader)
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, more...)
		edge.add(data)
	}
}
