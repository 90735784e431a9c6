package db_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/db/dbtest"
)

// fill puts one message with a recipient, work and odd values into a database.
func fill(t *testing.T, d *db.DB) {
	t.Helper()
	id := db.NewID()
	if err := d.Write(t.Context(), func(tx *db.Tx) error {
		if _, err := tx.Exec(`INSERT INTO message (id, family, family_key, origin, source, person, mail_from, automatic, size, sha256,
			body, blob, meta, resend_key, answered_at, accepted_at, inspected_at, ended_at, purged_at, version)
			VALUES ($1, $1, $2, 'submission', '', 'a@b', 'a@b', 0, 3, $3, NULL, '', $4, $5, 0, 1, 0, 0, 0, 1)`,
			id, []byte{}, []byte{0, 1, 255}, []byte("本文\x00"), []byte("k")); err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO recipient (id, message, position, address, domain, notify, orcpt, state, bundle, delay, stopped,
			release_at, decided_at, next_try_at, attempt, claimed_at, dot_sent_at, uncertain, tries, first_try_at, warned_at, remote,
			reply, reason, ended_at) VALUES ($1, $2, 0, '鈴木@会社.example', 'x', '', '', 'held', '', 9223372036854775807, 0, 0, 0, 0, '', 0, 0, 0, 0,
			0, 0, '', '', '', 0)`, db.NewID(), id); err != nil {
			return err
		}
		_, err := tx.Exec(`INSERT INTO work (kind, ref, due_at, attempt, tries) VALUES ('k', $1, -5, '', 2)`, id)
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

func TestCopyTakesEverythingFromAnyEngineToAny(t *testing.T) {
	for name, open := range map[string][2]func(testing.TB, ...db.Option) *db.DB{
		"sqlite to postgres": {dbtest.SQLite, dbtest.Postgres}, "postgres to sqlite": {dbtest.Postgres, dbtest.SQLite},
		"sqlite to sqlite": {dbtest.SQLite, dbtest.SQLite},
	} {
		t.Run(name, func(t *testing.T) {
			from, to, back := open[0](t), open[1](t), open[0](t)
			for range 20 {
				fill(t, from)
			}
			copied, err := db.Copy(t.Context(), from, to, db.Copying{})
			if err != nil {
				t.Fatal(err)
			}
			rows := map[string]int64{}
			for _, c := range copied {
				rows[c.Table] = c.Rows
			}
			if rows["message"] != 20 || rows["recipient"] != 20 || rows["work"] != 20 {
				t.Errorf("%v", rows)
			}
			if _, err := db.Copy(t.Context(), to, back, db.Copying{}); err != nil { // and nothing is lost on the way back
				t.Error(err)
			}
		})
	}
}

func TestCopyRefusesATargetThatIsNotEmptyAndLeavesItAlone(t *testing.T) {
	from, to := dbtest.SQLite(t), dbtest.SQLite(t)
	fill(t, from)
	if err := to.Write(t.Context(), put("mine")); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Copy(t.Context(), from, to, db.Copying{}); !errors.Is(err, db.ErrNotEmpty) || !strings.Contains(err.Error(), "setting") {
		t.Errorf("%v", err)
	}
	if err := to.Read(t.Context(), func(tx *db.Tx) error {
		var n int
		if err := tx.QueryRow(`SELECT COUNT(*) FROM message`).Scan(&n); err != nil || n != 0 {
			t.Errorf("%d messages, %v", n, err)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

func TestCopyMayReplaceWhatAnEarlierOneLeft(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, to *db.DB) {
		from := dbtest.SQLite(t)
		for range 120 {
			fill(t, from)
		}
		if _, err := db.Copy(t.Context(), from, to, db.Copying{}); err != nil {
			t.Fatal(err)
		}
		fill(t, from)
		copied, err := db.Copy(t.Context(), from, to, db.Copying{Over: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range copied {
			if c.Table == "recipient" && c.Rows != 121 {
				t.Errorf("%d recipients", c.Rows)
			}
		}
	})
}

// What ends a copy is there with it or not at all: nobody finds a restored queue that is not paused.
func TestCopyAndItsEndAreOne(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, to *db.DB) {
		from := dbtest.SQLite(t)
		fill(t, from)
		broken := errors.New("broken off")
		_, err := db.Copy(t.Context(), from, to, db.Copying{Finish: func(*db.Tx) error { return broken }})
		if !errors.Is(err, broken) {
			t.Fatal(err)
		}
		if _, err := db.Copy(t.Context(), from, to, db.Copying{Finish: put("end")}); err != nil { // it is still empty
			t.Fatal(err)
		}
		if n := count(t, to); n != 1 {
			t.Errorf("%d settings", n)
		}
	})
}
