package submission

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/db/dbtest"
	"github.com/sekisho-mail/sekisho/internal/seal"
)

// twoNodes are two ledgers of one database. say is the turn of a second.
func twoNodes(t *testing.T, d *db.DB) (a, b *Ledger, say func()) {
	t.Helper()
	keys := seal.NewTest()
	a, b = NewLedger(d, keys, slog.New(slog.DiscardHandler)), NewLedger(d, keys, slog.New(slog.DiscardHandler))
	return a, b, func() {
		t.Helper()
		for _, l := range []*Ledger{a, b} {
			if err := l.write(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestPaceHoldsForAllNodesTogether(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		a, b, say := twoNodes(t, d)
		one, two := newPace(DefaultLimits(), a), newPace(DefaultLimits(), b)
		now := time.Now()
		if _, err := one.take(t.Context(), "alice", 400, now); err != nil {
			t.Fatal(err)
		}
		say()
		if _, err := two.take(t.Context(), "alice", 300, now); code(err) != 450 {
			t.Errorf("400 there and 300 here: %v", err)
		}
		if _, err := two.take(t.Context(), "bob", 300, now); err != nil {
			t.Errorf("somebody else: %v", err)
		}
		giveBack, err := two.take(t.Context(), "alice", 200, now)
		if err != nil {
			t.Fatalf("400 there and 200 here: %v", err)
		}
		say()
		now = now.Add(2 * time.Second)
		if err := one.may(t.Context(), "alice", 1, now); code(err) != 450 {
			t.Errorf("600 in all: %v", err)
		}
		giveBack()
		say()
		now = now.Add(2 * time.Second)
		if err := one.may(t.Context(), "alice", 200, now); err != nil {
			t.Errorf("200 given back there: %v", err)
		}
		// A node that starts anew knows what it took before.
		again := newPace(DefaultLimits(), NewLedger(d, a.keys, slog.New(slog.DiscardHandler)))
		if err := again.may(t.Context(), "alice", 201, now); code(err) != 450 {
			t.Errorf("forgotten at a restart: %v", err)
		}
		now = now.Add(11 * time.Minute)
		if err := again.may(t.Context(), "alice", 600, now); err != nil {
			t.Errorf("after ten minutes: %v", err)
		}
		if err := again.may(t.Context(), "alice", 9_601, now); code(err) != 550 {
			t.Errorf("over a day: %v", err)
		}
	})
}

func TestWrongPasswordsAreCountedOverAllNodes(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		a, b, say := twoNodes(t, d)
		one, two := newFailures(a), newFailures(b)
		office, abroad := netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("198.51.100.9")
		now := time.Now()
		for i := range pairWrong / 2 {
			one.failed(one.attempt("alice@corp.example", fmt.Sprint("a", i), abroad), now)
			two.failed(two.attempt("alice@corp.example", fmt.Sprint("b", i), abroad), now)
		}
		say()
		for _, f := range []*failures{one, two} {
			if f.blocked(t.Context(), f.attempt("alice@corp.example", "next", abroad), now) == 0 {
				t.Error("half of the guesses at each node are let through")
			}
			if wait := f.blocked(t.Context(), f.attempt("alice@corp.example", "next", office), now); wait != 0 {
				t.Errorf("the person is locked out elsewhere, %v", wait)
			}
			if wait := f.blocked(t.Context(), f.attempt("alice@corp.example", "next", abroad), now.Add(pairWindow)); wait != 0 {
				t.Errorf("still blocked after the window, %v", wait)
			}
		}
		// One password on many users, half of them at each node; the same user at both is one user.
		for i := range placeUsers {
			f := []*failures{one, two}[i%2]
			f.failed(f.attempt(fmt.Sprintf("u%d@corp.example", i), "summer", office), now)
			two.failed(two.attempt("u0@corp.example", "summer", office), now)
		}
		say()
		for _, f := range []*failures{one, two} {
			if f.blocked(t.Context(), f.attempt("next@corp.example", "summer", office), now) == 0 {
				t.Error("a hundred users from one address over two nodes, and the next is let through")
			}
		}
	})
}

// Nobody who reads the table learns who was counted, and nothing in it comes from a password.
func TestTheTallyNamesNobodyAndHoldsNoPassword(t *testing.T) {
	d := dbtest.SQLite(t)
	a, _, say := twoNodes(t, d)
	f, p := newFailures(a), newPace(DefaultLimits(), a)
	now := time.Now()
	at := netip.MustParseAddr("198.51.100.9")
	f.failed(f.attempt("alice@corp.example", "hunter2", at), now)
	if _, err := p.take(t.Context(), "alice@corp.example", 1, now); err != nil {
		t.Fatal(err)
	}
	say()
	first := everything(t, d)
	for _, secret := range []string{"alice", "198.51", "hunter2", "corp"} {
		if strings.Contains(first, secret) {
			t.Errorf("%q stands in the table:\n%s", secret, first)
		}
	}
	g := newFailures(a)
	g.failed(g.attempt("alice@corp.example", "another", at), now)
	say()
	if second := everything(t, d); second != first {
		t.Errorf("another password leaves another trace:\n%s\n%s", first, second)
	}
}

func everything(t *testing.T, d *db.DB) (all string) {
	t.Helper()
	err := d.Read(t.Context(), func(tx *db.Tx) error {
		all = ""
		rows, err := tx.Query(`SELECT kind, subject, mark, count FROM tally ORDER BY kind, subject, mark`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var kind, subject, mark string
			var n int
			if err := rows.Scan(&kind, &subject, &mark, &n); err != nil {
				return err
			}
			all += fmt.Sprintln(kind, subject, mark, n)
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestConnectionsOfAnAddressAreCountedOverAllNodes(t *testing.T) {
	d := dbtest.Postgres(t)
	a, b, say := twoNodes(t, d)
	limits := Limits{ConnectionsPerAddress: 16}.orDefault()
	one := &Server{o: Options{Ledger: a}, limits: limits, perPlace: map[string]int{"192.0.2.7/32": 10, "192.0.2.8/32": 1}}
	two := &Server{o: Options{Ledger: b}, limits: limits, perPlace: map[string]int{}}
	told := map[string]string{}
	look := func() {
		t.Helper()
		one.tellCrowds(told, time.Now())
		say()
		var err error
		if two.elsewhere, err = b.all(t.Context(), tallyConnections, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	if look(); two.crowdElsewhere("192.0.2.7/32") != 10 || two.crowdElsewhere("192.0.2.8/32") != 0 {
		t.Errorf("%v", two.elsewhere)
	}
	delete(one.perPlace, "192.0.2.7/32")
	if look(); two.crowdElsewhere("192.0.2.7/32") != 0 {
		t.Errorf("they have left: %v", two.elsewhere)
	}
}

func TestCountsSurviveADatabaseThatIsAway(t *testing.T) {
	d := dbtest.Postgres(t)
	a, b, say := twoNodes(t, d)
	p := newPace(DefaultLimits(), a)
	if _, err := p.take(t.Context(), "alice", 500, time.Now()); err != nil {
		t.Fatal(err)
	}
	away, stop := context.WithCancel(t.Context())
	stop()
	if err := a.write(away); err == nil {
		t.Fatal("written without a database")
	}
	say()
	if err := newPace(DefaultLimits(), b).may(t.Context(), "alice", 200, time.Now()); code(err) != 450 {
		t.Errorf("what could not be said was forgotten: %v", err)
	}
}

func TestOldCountsAreSwept(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		a, _, say := twoNodes(t, d)
		now := time.Now()
		for i := range 300 {
			a.put(tallyLine{kind: "old", subject: fmt.Sprint(i)}, tallied{1, now.Add(-time.Hour - time.Duration(i)*time.Second)})
		}
		a.put(tallyLine{kind: "young", subject: "x"}, tallied{1, now.Add(time.Hour)})
		say()
		if err := a.sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if left := everything(t, d); strings.Count(left, "\n") != 1 || !strings.Contains(left, "young") {
			t.Errorf("%s", left)
		}
	})
}
