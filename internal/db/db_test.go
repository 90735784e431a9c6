package db_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/db/dbtest"
)

func put(name string) func(*db.Tx) error {
	return func(tx *db.Tx) error {
		_, err := tx.Exec(`INSERT INTO setting (name, value) VALUES ($1, $2)`, name, []byte("v"))
		return err
	}
}

func count(t *testing.T, d *db.DB) (n int) {
	t.Helper()
	if err := d.Read(t.Context(), func(tx *db.Tx) error {
		return tx.QueryRow(`SELECT COUNT(*) FROM setting`).Scan(&n)
	}); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestFailedWriteLeavesNothingAndItsNeighboursStay(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		boom := errors.New("boom")
		var wg sync.WaitGroup
		var bad, good atomic.Int64
		for i := range 200 {
			wg.Go(func() {
				err := d.Write(t.Context(), func(tx *db.Tx) error {
					if err := put(fmt.Sprint(i))(tx); err != nil {
						return err
					}
					if i%3 == 0 {
						return boom
					}
					return nil
				})
				switch {
				case errors.Is(err, boom) && i%3 == 0:
					bad.Add(1)
				case err == nil && i%3 != 0:
					good.Add(1)
				default:
					t.Errorf("write %d: %v", i, err)
				}
			})
		}
		wg.Wait()
		if n := count(t, d); int64(n) != good.Load() || bad.Load() != 67 {
			t.Errorf("%d rows, %d good, %d bad", n, good.Load(), bad.Load())
		}
	})
}

func TestPanicReachesItsCallerAndRollsBackOnlyItself(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		func() {
			defer func() {
				if recover() != "ouch" {
					t.Error("the panic was swallowed")
				}
			}()
			d.Write(t.Context(), func(tx *db.Tx) error { put("a")(tx); panic("ouch") })
		}()
		if err := d.Write(t.Context(), put("b")); err != nil {
			t.Fatal(err)
		}
		if n := count(t, d); n != 1 {
			t.Errorf("%d rows", n)
		}
	})
}

func TestConflictIsRunAgain(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		runs := 0
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			runs++
			if runs < 3 {
				return fmt.Errorf("cas: %w", db.ErrConflict)
			}
			return put("x")(tx)
		})
		if err != nil || runs != 3 {
			t.Errorf("%d runs, %v", runs, err)
		}
	})
}

func TestLostUpdateIsImpossible(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		if err := d.Write(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(`INSERT INTO work (kind, ref, due_at, attempt, tries) VALUES ('n', 'n', 0, '', 0)`)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				for range 5 {
					err := d.Write(t.Context(), func(tx *db.Tx) error {
						var n int64
						if err := tx.QueryRow(`SELECT tries FROM work WHERE kind = $1`, "n").Scan(&n); err != nil {
							return err
						}
						_, err := tx.Exec(`UPDATE work SET tries = $1 WHERE kind = $2`, n+1, "n")
						return err
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		var n int
		d.Read(t.Context(), func(tx *db.Tx) error { return tx.QueryRow(`SELECT tries FROM work`).Scan(&n) })
		if n != 80 {
			t.Errorf("80 increments gave %d", n)
		}
	})
}

func TestWaitingWriteCanBeGivenUp(t *testing.T) {
	d := dbtest.SQLite(t)
	holding, release := make(chan bool), make(chan bool)
	go d.Write(context.Background(), func(*db.Tx) error { close(holding); <-release; return nil })
	<-holding
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() { result <- d.Write(ctx, put("never")) }()
	time.Sleep(20 * time.Millisecond)
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	close(release)
	if err := d.Write(t.Context(), put("after")); err != nil {
		t.Fatal(err)
	}
	if n := count(t, d); n != 1 {
		t.Errorf("%d rows: a write given up was carried out", n)
	}
}

func TestAcceptsGoBeforeSweeps(t *testing.T) {
	d := dbtest.SQLite(t)
	holding, release := make(chan bool), make(chan bool)
	go d.Write(context.Background(), func(*db.Tx) error { close(holding); <-release; return nil })
	<-holding
	var mu sync.Mutex
	var order []string
	note := func(s string) func(*db.Tx) error {
		return func(*db.Tx) error { mu.Lock(); defer mu.Unlock(); order = append(order, s); return nil }
	}
	var wg sync.WaitGroup
	queued := func(want [2]int) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); d.Queued() != want; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%v wait", d.Queued())
			}
		}
	}
	d.NoTurnForLow()
	wg.Go(func() { d.WriteLow(context.Background(), note("sweep")) })
	queued([2]int{0, 1})
	wg.Go(func() { d.Write(context.Background(), note("accept")) })
	queued([2]int{1, 1})
	close(release)
	wg.Wait()
	if len(order) != 2 || order[0] != "accept" {
		t.Errorf("order %v", order)
	}
}

func TestSweepsHaveTheirTurnUnderSteadyLoad(t *testing.T) {
	d := dbtest.SQLite(t)
	ctx, cancel := context.WithCancel(t.Context())
	var load sync.WaitGroup
	for range 8 {
		load.Go(func() {
			for ctx.Err() == nil {
				d.Write(ctx, func(*db.Tx) error { time.Sleep(time.Millisecond); return nil })
			}
		})
	}
	done := make(chan error, 1)
	go func() { done <- d.WriteLow(t.Context(), put("swept")) }()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Error("the sweep never had its turn")
	}
	cancel()
	load.Wait()
}

func TestReadSeesOneMomentAndCannotWrite(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		err := d.Read(t.Context(), func(tx *db.Tx) error {
			var before, after int
			if err := tx.QueryRow(`SELECT COUNT(*) FROM setting`).Scan(&before); err != nil {
				return err
			}
			if err := d.Write(t.Context(), put("x")); err != nil {
				return err
			}
			if err := tx.QueryRow(`SELECT COUNT(*) FROM setting`).Scan(&after); err != nil {
				return err
			}
			if before != after {
				t.Errorf("%d rows, then %d", before, after)
			}
			if _, err := tx.Exec(`DELETE FROM setting`); err == nil {
				t.Error("a read transaction deleted")
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestUniqueViolationIsRecognised(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		d.Write(t.Context(), put("x"))
		if err := d.Write(t.Context(), put("x")); !db.IsUnique(err) {
			t.Errorf("%v", err)
		}
	})
}

func TestIDsSortByTimeAndAreChecked(t *testing.T) {
	var ids []string
	for range 50 {
		ids = append(ids, db.NewID())
		time.Sleep(time.Millisecond)
	}
	if !sort.StringsAreSorted(ids) {
		t.Error("ids do not sort by time")
	}
	for _, bad := range []string{"", "x", ids[0] + "0", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "../../../../../etc/passwd0"} {
		if db.ValidID(bad) {
			t.Errorf("%q is no id", bad)
		}
	}
	if !db.ValidID(ids[0]) {
		t.Errorf("%q is an id", ids[0])
	}
}

func TestDatabaseFileIsPrivateAndPathsWithOddCharactersWork(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a b?c%d", "x.db")
	d, err := db.Open(t.Context(), "sqlite:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for _, suffix := range []string{"", "-wal"} {
		info, err := os.Stat(path + suffix)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", suffix, info, err)
		}
	}
}

func TestBadURLIsRefusedWithoutRepeatingIt(t *testing.T) {
	for _, url := range []string{"", "mysql://root:geheim@x/y"} {
		_, err := db.Open(t.Context(), url)
		if err == nil {
			t.Errorf("%q was opened", url)
		} else if strings.Contains(err.Error(), "geheim") {
			t.Errorf("the error repeats the password: %v", err)
		}
	}
}

func BenchmarkWrite(b *testing.B) {
	for _, parallel := range []int{1, 10, 50} {
		b.Run(fmt.Sprintf("x%d", parallel), func(b *testing.B) {
			d := dbtest.SQLite(b)
			b.SetParallelism(max(1, parallel/2))
			body := make([]byte, 4096)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					err := d.Write(context.Background(), func(tx *db.Tx) error {
						_, err := tx.Exec(`INSERT INTO setting (name, value) VALUES ($1, $2)`, db.NewID(), body)
						return err
					})
					if err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
