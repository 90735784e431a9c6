package linkify

import (
	"time"

	"github.com/sekisho-mail/sekisho/internal/db"
)

// Options are what cmd gives.
type Options struct {
	DB      *db.DB
	Portal  string         // what links start with: "https://files.corp.example"
	Company string         // organization.name
	Zone    *time.Location // organization.time_zone
	Life    time.Duration  // how long a link answers; 0 is 14 days
	Keep    time.Duration  // how long files outlive their last link, so that it can be extended; 0 is 7 days
	TempDir string         // where a file is encrypted before the store takes it over; on the store's file system
	// FreeMail are further domains where neighbours are no colleagues.
	FreeMail []string
	// Post hands a mail of our own to the queue, in the transaction of its cause.
	Post func(tx *db.Tx, letter Letter) error
	// Schedule puts work into the queue's one table of due work; the same kind and ref again moves its time.
	Schedule func(tx *db.Tx, kind, ref string, due time.Time) error
}
