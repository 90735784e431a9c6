package node

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/db/dbtest"
)

func heart(d *db.DB, name, policy string, log *bytes.Buffer) *Heart {
	return &Heart{DB: d, Self: Node{ID: db.NewID(), Name: name, Version: "1.0", Roles: []string{"queue", "web"}},
		Digests: func() map[string]string { return map[string]string{"policy": policy, "people": "same"} }, Log: slog.New(slog.NewTextHandler(log, nil))}
}

func TestNodesSeeEachOtherLeaveAndDie(t *testing.T) {
	var mu sync.Mutex
	at := time.Date(2026, 11, 26, 10, 0, 0, 0, time.UTC)
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return at }
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		var log bytes.Buffer
		one, two := heart(d, "one", "aa", &log), heart(d, "two", "bb", &log)
		for _, h := range []*Heart{one, two} {
			if err := h.Beat(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		all, now, err := List(t.Context(), d)
		if err != nil || len(all) != 2 || all[0].State(now) != Alive || all[1].State(now) != Alive {
			t.Fatalf("%+v %v", all, err)
		}
		if got := Differing(all, now); len(got) != 1 || got[0] != "policy" {
			t.Errorf("differing: %v", got)
		}
		if warned := one.compare(t.Context(), ""); warned != "policy" || one.compare(t.Context(), warned) != "policy" || strings.Count(log.String(), "different files") != 1 {
			t.Errorf("%q %s", warned, log.String())
		}
		mu.Lock()
		at = at.Add(Silent + time.Second)
		mu.Unlock()
		if err := one.Beat(t.Context()); err != nil {
			t.Fatal(err)
		}
		ended, stop := context.WithCancel(t.Context())
		stop()
		third := heart(d, "three", "cc", &log)
		if err := third.Beat(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := third.Run(ended); err != nil {
			t.Fatal(err)
		}
		all, now, err = List(t.Context(), d)
		states := map[string]string{}
		for _, n := range all {
			states[n.Name] = n.State(now)
		}
		if err != nil || states["one"] != Alive || states["two"] != Dead || states["three"] != Left {
			t.Errorf("%v %v", states, err)
		}
		if got := Differing(all, now); len(got) != 0 {
			t.Errorf("the dead differ: %v", got)
		}
	}, db.WithClock(clock))
}

func TestStrangeDigestsShowNothing(t *testing.T) {
	d := dbtest.SQLite(t)
	err := d.Write(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(`INSERT INTO node (id, name, version, roles, digests, started_at, seen_at, left_at) VALUES ('x', 'n', 'v', 'portal', 'not json', $1, $2, 0)`,
			db.Micros(tx.Now()), db.Micros(tx.Now()))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if all, _, err := List(t.Context(), d); err != nil || len(all) != 1 || all[0].Digests != nil {
		t.Errorf("%+v %v", all, err)
	}
}
