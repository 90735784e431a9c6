package db_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/db/dbtest"
)

// TestWhatWasRolledBackIsToldAsFailed: a full disk lets SQLite roll back the whole transaction by itself, in the middle of
// a group. Whoever is told of success must find his row, and whoever is told of failure must not.
func TestWhatWasRolledBackIsToldAsFailed(t *testing.T) {
	d := dbtest.SQLite(t)
	holding, release := make(chan bool), make(chan bool)
	go d.Write(context.Background(), func(*db.Tx) error { close(holding); <-release; return nil })
	<-holding
	results := make([]error, 5)
	var wg sync.WaitGroup
	for i := range results {
		wg.Go(func() {
			results[i] = d.Write(context.Background(), func(tx *db.Tx) error {
				if i != 2 {
					return put(fmt.Sprint(i))(tx)
				}
				if _, err := tx.Exec(`PRAGMA max_page_count = 1`); err != nil { // as many as there are
					return err
				}
				_, err := tx.Exec(`INSERT INTO setting (name, value) VALUES ($1, $2)`, "large", make([]byte, 4<<20))
				return err
			})
		})
		time.Sleep(20 * time.Millisecond) // so that they stand in a queue in this order
	}
	close(release)
	wg.Wait()
	if results[2] == nil || !db.IsFull(results[2]) {
		t.Errorf("the disk was full, and %v", results[2])
	}
	told := 0
	for _, err := range results {
		if err == nil {
			told++
		}
	}
	if n := count(t, d); n != told {
		t.Errorf("%d rows, and %d writes were told of success: %v", n, told, results)
	}
	if err := d.Write(t.Context(), func(tx *db.Tx) error {
		if _, err := tx.Exec(`PRAGMA max_page_count = 1000000`); err != nil {
			return err
		}
		return put("after")(tx)
	}); err != nil {
		t.Errorf("nothing can be written any more: %v", err)
	}
}
