package holdqueue

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db"
)

// TestBodyOfAMailThatWasNeverCommittedIsSwept: a kill between the file and the row leaves a file nobody refers to.
func TestBodyOfAMailThatWasNeverCommittedIsSwept(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		kept := h.submit("S: x\r\n\r\n"+strings.Repeat("long\r\n", 100_000), "a@o.example")
		orphan := "mail/" + db.NewID()
		local := filepath.Join(t.TempDir(), "body")
		must(t, os.WriteFile(local, []byte("sealed"), 0o600))
		must(t, h.opts.Blobs.Adopt(t.Context(), orphan, local))
		left := func() (keys []string) {
			must(t, h.opts.Blobs.Walk(t.Context(), "", func(key string, _ int64, _ time.Time) error {
				keys = append(keys, key)
				return nil
			}))
			return keys
		}
		must(t, h.SweepBodies(t.Context(), time.Now().Add(-time.Hour)))
		if n := len(left()); n != 2 {
			t.Fatalf("%d bodies left; one may still be on its way into the database", n)
		}
		must(t, h.SweepBodies(t.Context(), time.Now().Add(time.Hour)))
		if keys := left(); len(keys) != 1 || keys[0] != "mail/"+kept {
			t.Errorf("left: %v", keys)
		}
	})
}
