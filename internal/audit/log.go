package audit

import (
	"context"
	"fmt"
	"log/slog"
	"math/bits"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/seal"
)

const (
	// pause between two looks for entries without a number. An empty look reads one page of a partial
	// index, so it needs no waking.
	pause = 500 * time.Millisecond
	// batch bounds how long other writers wait for one round of numbering.
	batch = 250
	// lease is how long a node that has numbered keeps the others from trying.
	lease = 10 * time.Second
	// anchor is how often the newest checkpoint is written to the process's own log, which usually
	// leaves the machine: the one thing that somebody with the database and the keys cannot take back.
	anchor = time.Hour
)

// Log numbers, verifies and shows the entries of one database. Several nodes may each have one.
type Log struct {
	db     *db.DB
	keys   *seal.Keys
	holder string
	logger *slog.Logger
}

// New returns the log of d. Nothing runs until Run is called.
func New(d *db.DB, keys *seal.Keys) *Log {
	return &Log{db: d, keys: keys, holder: db.NewID(), logger: slog.Default()}
}

// Run gives numbers to new entries and signs checkpoints until ctx ends. One node of several does it at a
// time; when it dies another follows after the lease.
func (l *Log) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var anchored time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		timer.Reset(pause)
		tree, err := l.Sequence(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			// Entries wait in the database; nothing is lost, and Verify tells how many.
			l.logger.Error("audit entries are not numbered", "error", err)
			timer.Reset(10 * time.Second)
		case tree.N > 0 && time.Since(anchored) >= anchor:
			l.logger.Info("audit checkpoint", "size", tree.N, "root", tree.Hash.String())
			anchored = time.Now()
		}
	}
}

// Sequence numbers what waits now and returns the tree after it; a zero tree says that there was nothing
// to do or that another node is doing it.
func (l *Log) Sequence(ctx context.Context) (tlog.Tree, error) {
	var last tlog.Tree
	for {
		waits, err := l.waiting(ctx)
		if err != nil || !waits {
			return last, err
		}
		var tree tlog.Tree
		var more bool
		// Not WriteLow: under steady load that would never come, and the window in which an entry can be
		// changed unnoticed would grow.
		err = l.db.Write(ctx, func(tx *db.Tx) error {
			var err error
			tree, more, err = l.number(tx)
			return err
		})
		if err != nil {
			return last, fmt.Errorf("number audit entries: %w", err)
		}
		if tree.N > 0 {
			last = tree
		}
		if !more {
			return last, nil
		}
	}
}

// waiting looks without a write transaction, which would cost an fsync each time.
func (l *Log) waiting(ctx context.Context) (bool, error) {
	var n int64
	err := l.db.Read(ctx, func(tx *db.Tx) error {
		return tx.QueryRow(`SELECT COUNT(*) FROM (SELECT id FROM audit_entry WHERE number < 0 LIMIT 1) AS w`).Scan(&n)
	})
	return n > 0, err
}

// number does one batch: leaves, head and checkpoint change together or not at all.
func (l *Log) number(tx *db.Tx) (signed tlog.Tree, more bool, err error) {
	var size, until int64
	var frontier []byte
	var holder string
	err = tx.QueryRow(`SELECT size, frontier, holder, lease_until FROM audit_head WHERE id = 1`).
		Scan(&size, &frontier, &holder, &until)
	if err != nil {
		return signed, false, err
	}
	if holder != l.holder && until > db.Micros(tx.Now()) {
		return signed, false, nil
	}
	edge, err := parseTree(size, frontier)
	if err != nil {
		return signed, false, err
	}
	added, err := l.addLeaves(tx, edge)
	if err != nil || added == 0 {
		return signed, false, err
	}
	if signed, err = l.sign(tx, edge); err != nil {
		return signed, false, err
	}
	n, err := tx.Exec(`UPDATE audit_head SET size = $1, frontier = $2, holder = $3, lease_until = $4
		WHERE id = 1 AND size = $5`,
		edge.size, edge.bytes(), l.holder, db.Micros(tx.Now().Add(lease)), size)
	if err == nil && n != 1 {
		err = db.ErrConflict
	}
	return signed, added == batch, err
}

func (l *Log) addLeaves(tx *db.Tx, edge *tree) (int, error) {
	pending, err := pendingLeaves(tx)
	if err != nil {
		return 0, err
	}
	for rest := pending; len(rest) > 0; {
		some := rest[:1<<(bits.Len(uint(min(len(rest), together)))-1)]
		if err := giveNumbers(tx, some, edge.size); err != nil {
			return 0, err
		}
		for _, p := range some {
			edge.add(p.leaf)
		}
		rest = rest[len(some):]
	}
	return len(pending), nil
}

// together is how many entries get their numbers by one statement. It takes as many as a power of two, so that there are
// few different statements.
const together = 64

// giveNumbers numbers entries from first on.
func giveNumbers(tx *db.Tx, entries []row, first int64) error {
	var args []any
	var values strings.Builder
	for i, e := range entries {
		if i > 0 {
			values.WriteString(`, `)
		}
		fmt.Fprintf(&values, `(CAST($%d AS BIGINT), CAST($%d AS TEXT))`, 2*i+1, 2*i+2)
		args = append(args, first+int64(i), e.id)
	}
	n, err := tx.Exec(`UPDATE audit_entry SET number = v.column1 FROM (VALUES `+values.String()+`) AS v
		WHERE audit_entry.id = v.column2 AND audit_entry.number < 0`, args...)
	if db.IsUnique(err) || err == nil && n != int64(len(entries)) {
		return db.ErrConflict // another node, whose lease began between our look and now, gave such a number or took such an entry
	}
	return err
}

func pendingLeaves(tx *db.Tx) ([]row, error) {
	rows, err := tx.Query(`SELECT id, leaf FROM audit_entry WHERE number < 0 ORDER BY at, id LIMIT $1`, batch)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var pending []row
	for rows.Next() {
		var r row
		if err := rows.Scan(&r.id, &r.leaf); err != nil {
			return nil, err
		}
		pending = append(pending, r)
	}
	return pending, rows.Err()
}

// sign adds the checkpoint of the edge and thins the ones before: within an hour only the last stays.
func (l *Log) sign(tx *db.Tx, edge *tree) (tlog.Tree, error) {
	root, err := edge.root()
	if err != nil {
		return tlog.Tree{}, err
	}
	now := tx.Now()
	c := &checkpoint{Tree: tlog.Tree{N: edge.size, Hash: root}, at: db.Micros(now)}
	text, err := c.sign(l.keys)
	if err != nil {
		return tlog.Tree{}, err
	}
	if _, err := tx.Exec(`DELETE FROM audit_checkpoint WHERE at >= $1`, db.Micros(now.Truncate(time.Hour))); err != nil {
		return tlog.Tree{}, err
	}
	_, err = tx.Exec(`INSERT INTO audit_checkpoint (size, at, note) VALUES ($1, $2, $3)`, c.N, c.at, text)
	return c.Tree, err
}
