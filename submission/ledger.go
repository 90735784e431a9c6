package submission

import (
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/seal"
)

// Ledger shares what this node counts of its clients with the other nodes of a database (table tally), so that a limit
// holds for all of them together. Each node writes its own counts once a second and reads the others' when it judges,
// so that taking a mail waits for no write: together the nodes may go over a limit by what they take within about two
// seconds. Without a Ledger a node counts alone. What the database does not answer is counted alone as well.
type Ledger struct {
	db   *db.DB
	keys *seal.Keys
	node string
	log  *slog.Logger

	mu     sync.Mutex
	unsaid map[tallyLine]tallied // counted here and not yet written
}

// tallyLine is what one count belongs to, tallied the count.
type tallyLine struct {
	kind    string
	subject string // hex of a keyed hash
	opened  int64  // begin of the step or window, microseconds
	mark    string // hex of a keyed hash of what is counted once, or ""
}

type tallied struct {
	count int64
	ends  time.Time
}

// Kinds of counts.
const (
	tallyMinutes     = "recipients.minute"
	tallyHours       = "recipients.hour"
	tallyWrong       = "signin.wrong" // different wrong passwords of a user from an address
	tallyTries       = "signin.tries" // all of them
	tallyUsers       = "signin.user"  // marks: users that failed from an address
	tallyConnections = "connections"
)

const (
	ledgerPause   = time.Second
	ledgerPatient = 2 * time.Second // for a read that somebody waits for
	ledgerSlice   = 200             // lines in one statement
	ledgerMost    = 50_000          // lines that wait while the database is away; the newest stay
)

// NewLedger starts nothing; see Run.
func NewLedger(d *db.DB, keys *seal.Keys, log *slog.Logger) *Ledger {
	return &Ledger{db: d, keys: keys, node: db.NewID(), log: log, unsaid: map[tallyLine]tallied{}}
}

// subject is a name as the table keeps it: nobody reads from it who was counted.
func (l *Ledger) subject(parts ...string) string {
	return hex.EncodeToString(l.keys.MAC("submission.tally", parts...))[:32]
}

// put notes the whole count of a line; it is written at the next turn.
func (l *Ledger) put(n tallyLine, e tallied) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, there := l.unsaid[n]; there || len(l.unsaid) < ledgerMost {
		l.unsaid[n] = e
	}
}

// Run writes until ctx ends, and then what is left.
func (l *Ledger) Run(ctx context.Context) error {
	tick := time.NewTicker(ledgerPause)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), ledgerPatient)
			defer cancel()
			if err := l.write(last); err != nil {
				l.log.Warn("last counts not shared", "error", err)
			}
			return nil
		case <-tick.C:
		}
		err := l.write(ctx)
		if err == nil && n%60 == 0 {
			err = l.sweep(ctx)
		}
		if err != nil && ctx.Err() == nil {
			l.log.Error("counts not shared with the other nodes; limits hold for each node alone", "error", err)
		}
	}
}

// write says what was counted since the last time.
func (l *Ledger) write(ctx context.Context) error {
	l.mu.Lock()
	said := l.unsaid
	l.unsaid = map[tallyLine]tallied{}
	l.mu.Unlock()
	var lines []tallyLine
	for n := range said {
		lines = append(lines, n)
	}
	for len(lines) > 0 {
		part := lines[:min(len(lines), ledgerSlice)]
		if err := l.db.WriteLow(ctx, func(tx *db.Tx) error { return l.insert(tx, part, said) }); err != nil {
			l.again(said, lines)
			return fmt.Errorf("share counts: %w", err)
		}
		lines = lines[len(part):]
	}
	return nil
}

// again puts back what was not written, unless it has been counted anew.
func (l *Ledger) again(said map[tallyLine]tallied, lines []tallyLine) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, n := range lines {
		if _, newer := l.unsaid[n]; !newer && len(l.unsaid) < ledgerMost {
			l.unsaid[n] = said[n]
		}
	}
}

func (l *Ledger) insert(tx *db.Tx, part []tallyLine, said map[tallyLine]tallied) error {
	var text strings.Builder
	var args []any
	text.WriteString(`INSERT INTO tally (kind, subject, opened, mark, node, count, at, ends_at) VALUES `)
	now := db.Micros(tx.Now())
	for i, n := range part {
		if i > 0 {
			text.WriteString(", ")
		}
		p := len(args)
		fmt.Fprintf(&text, "($%d, $%d, $%d, $%d, $%d, $%d, $%d, $%d)", p+1, p+2, p+3, p+4, p+5, p+6, p+7, p+8)
		args = append(args, n.kind, n.subject, n.opened, n.mark, l.node, said[n].count, now, db.Micros(said[n].ends))
	}
	text.WriteString(` ON CONFLICT (kind, subject, opened, mark, node) DO UPDATE SET count = excluded.count, at = excluded.at, ends_at = excluded.ends_at`)
	_, err := tx.Exec(text.String(), args...)
	return err
}

func (l *Ledger) sweep(ctx context.Context) error {
	for {
		var n int64
		err := l.db.WriteLow(ctx, func(tx *db.Tx) (err error) {
			n, err = tx.Exec(`DELETE FROM tally WHERE ends_at IN (SELECT ends_at FROM tally WHERE ends_at < $1 ORDER BY ends_at LIMIT 200)`,
				db.Micros(tx.Now().Add(-time.Minute))) // nodes' clocks differ a little
			return err
		})
		if err != nil || n == 0 {
			return err
		}
	}
}

// elsewhere reads what the other nodes have counted of a subject. Errors are logged: nobody is refused, and no limit
// lifted, because the database is slow to say so.
func (l *Ledger) elsewhere(ctx context.Context, subject string, now time.Time, kinds ...string) (found map[tallyLine]tallied) {
	if l == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, ledgerPatient)
	defer cancel()
	err := l.db.Read(ctx, func(tx *db.Tx) error {
		found = map[tallyLine]tallied{}
		for _, kind := range kinds {
			if err := l.read(tx, found, kind, subject, now); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		l.log.Error("counts of other nodes not read; this one judges alone", "error", err)
		return nil
	}
	return found
}

func (l *Ledger) read(tx *db.Tx, into map[tallyLine]tallied, kind, subject string, now time.Time) error {
	rows, err := tx.Query(`SELECT opened, mark, sum(count), max(ends_at) FROM tally WHERE kind = $1 AND subject = $2 AND node <> $3 AND ends_at > $4
		GROUP BY opened, mark ORDER BY opened DESC LIMIT 500`, kind, subject, l.node, db.Micros(now))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		n := tallyLine{kind: kind, subject: subject}
		var e tallied
		var ends int64
		if err := rows.Scan(&n.opened, &n.mark, &e.count, &ends); err != nil {
			return err
		}
		e.ends = db.Time(ends)
		into[n] = e
	}
	return rows.Err()
}

// all reads what the other nodes have counted of one kind, by subject.
func (l *Ledger) all(ctx context.Context, kind string, now time.Time) (found map[string]int, err error) {
	err = l.db.Read(ctx, func(tx *db.Tx) error {
		found = map[string]int{}
		rows, err := tx.Query(`SELECT subject, sum(count) FROM tally WHERE kind = $1 AND node <> $2 AND ends_at > $3 GROUP BY subject LIMIT 10000`,
			kind, l.node, db.Micros(now))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var subject string
			var n int
			if err := rows.Scan(&subject, &n); err != nil {
				return err
			}
			found[subject] = n
		}
		return rows.Err()
	})
	return found, err
}
