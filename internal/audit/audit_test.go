package audit

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
