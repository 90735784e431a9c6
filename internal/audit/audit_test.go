package audit

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/db/dbtest"
	"github.com/sekisho-mail/sekisho/internal/seal"
)

func write(t *testing.T, d *db.DB, entries ...Entry) {
	t.Helper()
	err := d.Write(t.Context(), func(tx *db.Tx) error {
		for _, e := range entries {
			if err := Append(tx, e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func exec(t *testing.T, d *db.DB, sql string, args ...any) int64 {
	t.Helper()
	var n int64
	err := d.Write(t.Context(), func(tx *db.Tx) (err error) {
		n, err = tx.Exec(sql, args...)
		return err
	})
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return n
}

func sequence(t *testing.T, l *Log) tlog.Tree {
	t.Helper()
	tree, err := l.Sequence(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func verify(t *testing.T, l *Log, known ...string) *Report {
	t.Helper()
	report, err := l.Verify(t.Context(), known...)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func some(n int) []Entry {
	var entries []Entry
	for i := range n {
		entries = append(entries, Entry{
			Actor: fmt.Sprintf("person:p%d@corp.example", i%3), Action: []string{"accept", "hold", "approve"}[i%3],
			Message: fmt.Sprint("message", i/3), Recipient: fmt.Sprint("recipient", i), Object: fmt.Sprint("object", i),
			Detail: map[string]string{"address": fmt.Sprintf("r%d@other.example", i), "note": "<名簿> & \"quote\""},
		})
	}
	return entries
}

func checkpoints(t *testing.T, d *db.DB) (notes []string) {
	t.Helper()
	err := d.Read(t.Context(), func(tx *db.Tx) error {
		rows, err := tx.Query(`SELECT note FROM audit_checkpoint ORDER BY size`)
		if err != nil {
			return err
		}
		defer rows.Close()
		notes = nil
		for rows.Next() {
			var text string
			if err := rows.Scan(&text); err != nil {
				return err
			}
			notes = append(notes, text)
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return notes
}

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
		if !report.Untouched() || report.Size != 21 || report.Pending != 2 || report.Checkpoints != 1 {
			t.Errorf("%+v", report)
		}
		if time.Since(report.OldestPending).Abs() > time.Minute {
			t.Errorf("oldest pending: %v", report.OldestPending)
		}
	})
}

// Everything that a row, the head or a checkpoint says, changed one at a time.
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
	tests := []struct {
		what, sql string
		args      []any
	}{
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
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		l := New(d, keys)
		write(t, d, some(9)...)
		sequence(t, l)
		for _, test := range tests {
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

func TestEntryExistsExactlyWhenItsChangeDoes(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		undone := errors.New("undone")
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			if err := Append(tx, some(1)[0]); err != nil {
				return err
			}
			return undone
		})
		if !errors.Is(err, undone) {
			t.Fatal(err)
		}
		l := New(d, seal.NewTest())
		if report := verify(t, l); report.Pending != 0 {
			t.Error("an entry tells of a change that was rolled back")
		}
	})
}

func TestMalformedEntriesAreRefused(t *testing.T) {
	d := dbtest.SQLite(t)
	for _, e := range []Entry{
		{}, {Actor: "system"}, {Action: "accept"}, {Actor: "system", Action: "Accept Mail"}, {Actor: ":x", Action: "accept"},
		{Actor: "system", Action: "accept", Detail: map[string]string{"bad key": "x"}},
	} {
		if err := d.Write(t.Context(), func(tx *db.Tx) error { return Append(tx, e) }); err == nil {
			t.Errorf("%+v was written", e)
		}
	}
}

func TestValuesOfEveryKindSurviveBothEngines(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		l := New(d, seal.NewTest())
		write(t, d, Entry{Actor: "person:\xff\x00名@例え.jp", Action: "accept", Message: "m", Detail: map[string]string{
			"nul": "a\x00b", "invalid": "a\xffb", "html": "<&>\u2028", "long": strings.Repeat("名", 3000), "empty": "",
		}})
		sequence(t, l)
		if report := verify(t, l); !report.Untouched() {
			t.Errorf("%+v", report)
		}
	})
}

func TestTwoNodesNumberOneLog(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		keys := seal.NewTest()
		one, two := New(d, keys), New(d, keys)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 15 {
					write(t, d, some(2)...)
				}
			})
		}
		for _, l := range []*Log{one, two} {
			wg.Go(func() {
				for range 15 {
					sequence(t, l)
				}
			})
		}
		wg.Wait()
		sequence(t, one)
		sequence(t, two)
		report := verify(t, one)
		if !report.Untouched() || report.Size != 120 || report.Pending != 0 {
			t.Errorf("%+v", report)
		}
	})
}

func TestAnotherNodeFollowsWhenTheLeaseEnds(t *testing.T) {
	now := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		keys := seal.NewTest()
		one, two := New(d, keys), New(d, keys)
		write(t, d, some(1)...)
		if sequence(t, one).N != 1 {
			t.Fatal("the first node did not number")
		}
		write(t, d, some(1)...)
		if sequence(t, two).N != 0 {
			t.Error("the second node numbered within the lease of the first")
		}
		now = now.Add(lease + time.Second)
		if sequence(t, two).N != 2 {
			t.Error("the second node did not follow")
		}
	}, db.WithClock(func() time.Time { return now }))
}

func TestRunNumbersWithinASecondAndEndsWithItsContext(t *testing.T) {
	d := dbtest.SQLite(t)
	l := New(d, seal.NewTest())
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- l.Run(ctx) }()
	write(t, d, some(700)...) // more than one batch
	deadline := time.Now().Add(5 * time.Second)
	for verify(t, l).Size < 700 {
		if time.Now().After(deadline) {
			t.Fatal("not numbered")
		}
		time.Sleep(20 * time.Millisecond)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if report := verify(t, l); !report.Untouched() {
		t.Errorf("%+v", report)
	}
}

func TestPurgeTakesPersonalDataAndTheLogStaysValid(t *testing.T) {
	now := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		now = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
		l := New(d, seal.NewTest())
		write(t, d, some(700)...)
		write(t, d, Entry{Actor: "system", Action: "sweep"})
		sequence(t, l)
		cutoff := now.Add(time.Hour)
		now = now.Add(2 * time.Hour)
		write(t, d, some(3)...)
		sequence(t, l)
		n, err := l.Purge(t.Context(), cutoff, "system")
		if err != nil || n != 700 {
			t.Fatalf("emptied %d, %v", n, err)
		}
		sequence(t, l)
		var out bytes.Buffer
		if err := l.Export(t.Context(), &out); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(out.String(), "r600@other.example") || !strings.Contains(out.String(), "r2@other.example") {
			t.Error("the wrong entries were emptied")
		}
		report := verify(t, l)
		if !report.Untouched() || report.Purged != 700 {
			t.Errorf("%+v", report)
		}
		if n, err := l.Purge(t.Context(), cutoff, "system"); err != nil || n != 0 {
			t.Errorf("the second purge emptied %d, %v", n, err)
		}
		// A purged entry cannot be changed either, nor a younger one be passed off as purged.
		for _, sql := range []string{
			`UPDATE audit_entry SET action = 'reject' WHERE number = 4`,
			`UPDATE audit_entry SET actor = 'person:planted@corp.example' WHERE number = 4`,
			`UPDATE audit_entry SET actor = 'person', detail = '', purge = (SELECT purge FROM audit_entry WHERE number = 4),
				salt = (SELECT salt FROM audit_entry WHERE number = 4) WHERE number = 702`,
		} {
			undo := copyTables(t, d)
			exec(t, d, sql)
			if verify(t, l).Untouched() {
				t.Errorf("not found: %s", sql)
			}
			undo()
		}
	}, db.WithClock(func() time.Time { return now }))
}

func TestListFiltersAndPages(t *testing.T) {
	now := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	start := now
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		now = start
		l := New(d, seal.NewTest())
		for _, e := range some(30) {
			write(t, d, e)
			now = now.Add(time.Minute)
		}
		sequence(t, l)
		count := func(f Filter) (n int) {
			page := Page{Limit: 4}
			seen := map[string]bool{}
			last := time.Now().Add(24 * time.Hour * 365)
			for {
				entries, next, err := l.List(t.Context(), f, page)
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range entries {
					if seen[e.ID] || e.At.After(last) {
						t.Errorf("%+v: repeated or out of order", e)
					}
					seen[e.ID], last = true, e.At
				}
				n += len(entries)
				if next == "" {
					return n
				}
				page.After = next
			}
		}
		for _, test := range []struct {
			f    Filter
			want int
		}{
			{Filter{}, 30},
			{Filter{Actor: "person:p1@corp.example"}, 10},
			{Filter{Action: "hold"}, 10},
			{Filter{Message: "message3"}, 3},
			{Filter{Message: "message3", Action: "accept"}, 1},
			{Filter{From: start.Add(10 * time.Minute)}, 20},
			{Filter{From: start.Add(10 * time.Minute), To: start.Add(15 * time.Minute)}, 5},
			{Filter{Actor: "person:nobody@corp.example"}, 0},
		} {
			if got := count(test.f); got != test.want {
				t.Errorf("%+v: %d entries, want %d", test.f, got, test.want)
			}
		}
		entries, _, err := l.List(t.Context(), Filter{}, Page{})
		if err != nil || entries[0].Number != 29 || entries[0].Detail["address"] != "r29@other.example" {
			t.Errorf("newest: %+v, %v", entries[0], err)
		}
		for _, bad := range []string{"x", "1", "1.", "1.x' OR 1=1"} {
			if _, _, err := l.List(t.Context(), Filter{}, Page{After: bad}); !errors.Is(err, ErrCursor) {
				t.Errorf("cursor %q: %v", bad, err)
			}
		}
	}, db.WithClock(func() time.Time { return now }))
}

// An auditor with nothing but the export and the public libraries comes to the signed root.
func TestExportProvesItself(t *testing.T) {
	d := dbtest.SQLite(t)
	l := New(d, seal.NewTest())
	write(t, d, some(21)...)
	sequence(t, l)
	write(t, d, some(1)...)
	var out bytes.Buffer
	if err := l.Export(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		var hashes []tlog.Hash
		for _, i := range indexes {
			hashes = append(hashes, stored[i])
		}
		return hashes, nil
	})
	proved := false
	lines := bufio.NewScanner(&out)
	for lines.Scan() {
		var line struct {
			Type, Leaf, Note, Verifier string
			Number, Size               int64
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		switch {
		case line.Type == "entry" && line.Number >= 0:
			more, err := tlog.StoredHashes(line.Number, []byte(line.Leaf), reader)
			if err != nil {
				t.Fatal(err)
			}
			stored = append(stored, more...)
		case line.Type == "checkpoint":
			verifier, err := note.NewVerifier(line.Verifier)
			if err != nil {
				t.Fatal(err)
			}
			opened, err := note.Open([]byte(line.Note), note.VerifierList(verifier))
			if err != nil {
				t.Fatal(err)
			}
			root, err := tlog.TreeHash(line.Size, reader)
			if err != nil {
				t.Fatal(err)
			}
			proved = strings.HasPrefix(opened.Text, fmt.Sprintf("sekisho.audit\n21\n%s\n", root))
		}
	}
	if !proved {
		t.Error("the recomputed root is not the signed one")
	}
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
