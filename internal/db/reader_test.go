package db_test

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db"
)

// As many readers as there are connections ask something new at one moment: none of them may wait for a connection
// that another holds.
func TestReadersThatAskSomethingNewAtOnceDoNotWaitForEachOther(t *testing.T) {
	d, err := db.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "sekisho.db"))
	if err != nil {
		t.Fatal(err)
	}
	const readers = 8
	var inside, done sync.WaitGroup
	inside.Add(readers)
	for i := range readers {
		done.Go(func() {
			err := d.Read(t.Context(), func(tx *db.Tx) error {
				inside.Done()
				inside.Wait()
				var n int
				if err := tx.QueryRow(fmt.Sprintf(`SELECT %d`, i)).Scan(&n); err != nil || n != i {
					return fmt.Errorf("%d: %w", n, err)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	ended := make(chan struct{})
	go func() { done.Wait(); close(ended) }()
	select {
	case <-ended:
		d.Close()
	case <-time.After(30 * time.Second):
		t.Fatal("they wait for ever")
	}
}
