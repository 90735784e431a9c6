package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db"
)

// Report is what Verify found. Problems are in the order of the log.
type Report struct {
	Size          int64     `json:"size"`           // entries with a number
	Root          string    `json:"root"`           // base64 root of the tree over them, as recomputed
	Checkpoints   int       `json:"checkpoints"`    // signed roots compared with it
	Pending       int64     `json:"pending"`        // entries that have no number yet
	OldestPending time.Time `json:"oldest_pending"` // more than a minute ago: the sequencer stands still
	Purged        int64     `json:"purged"`         // entries without their personal data
	Problems      []Problem `json:"problems"`
}

// Problem is one thing that is not as it was written.
type Problem struct {
	Number int64  `json:"number"` // -1: not an entry of the log
	ID     string `json:"id,omitempty"`
	Text   string `json:"text"`
}

// Untouched says that the log is as it was written, but for what has no number yet.
func (r *Report) Untouched() bool { return len(r.Problems) == 0 }

// maxProblems keeps the report of a log that was replaced as a whole readable.
const maxProblems = 200

func (r *Report) problem(number int64, id, format string, args ...any) {
	if len(r.Problems) < maxProblems {
		r.Problems = append(r.Problems, Problem{number, id, fmt.Sprintf(format, args...)})
	}
}

// Verify recomputes the whole log from its rows: each entry against its leaf, each leaf against the tree,
// the tree against every signed checkpoint. known are checkpoints kept elsewhere (an export, the
// process's log): only they show that the end of the log was cut off together with its checkpoints.
func (l *Log) Verify(ctx context.Context, known ...string) (*Report, error) {
	v := &verification{log: l, report: &Report{}, edge: &tree{}, signed: map[int64][]*checkpoint{}}
	if err := v.open(ctx); err != nil {
		return nil, fmt.Errorf("verify audit log: %w", err)
	}
	v.addKnown(known)
	for v.next < v.size {
		if err := v.slice(ctx); err != nil {
			return nil, fmt.Errorf("verify audit log: %w", err)
		}
	}
	if err := v.close(); err != nil {
		return nil, fmt.Errorf("verify audit log: %w", err)
	}
	return v.report, nil
}

type verification struct {
	log      *Log
	report   *Report
	size     int64 // of the log when the verification began; what comes later is not looked at
	frontier []byte
	edge     *tree
	next     int64                   // number of the leaf that should follow
	broken   bool                    // the tree cannot be right any more, and that has been said
	signed   map[int64][]*checkpoint // by size
	purges   map[string]int64        // entry of a purge: entries before this time
}

// open reads what the rows will be held against, all of one moment.
func (v *verification) open(ctx context.Context) error {
	return v.log.db.Read(ctx, func(tx *db.Tx) error {
		err := tx.QueryRow(`SELECT size, frontier FROM audit_head WHERE id = 1`).Scan(&v.size, &v.frontier)
		if db.IsNoRows(err) {
			v.report.problem(-1, "", "the head of the log is missing")
			err = tx.QueryRow(`SELECT COUNT(*) FROM audit_entry WHERE number >= 0`).Scan(&v.size)
		}
		if err != nil {
			return err
		}
		v.report.Size = v.size
		if err := v.openBeyond(tx); err != nil {
			return err
		}
		if err := v.openPurges(tx); err != nil {
			return err
		}
		if err := v.openPending(tx); err != nil {
			return err
		}
		return v.openCheckpoints(tx)
	})
}

func (v *verification) openBeyond(tx *db.Tx) error {
	var beyond int64
	err := tx.QueryRow(`SELECT COUNT(*) FROM audit_entry WHERE number >= $1`, v.size).Scan(&beyond)
	if err == nil && beyond > 0 {
		v.report.problem(v.size, "", "%d entries stand beyond the end of the log", beyond)
	}
	return err
}

func (v *verification) openPurges(tx *db.Tx) error {
	v.purges = map[string]int64{}
	for _, part := range []string{`number < 0`, `number >= 0`} { // each has its index
		rows, err := scanRows(tx, selectRow+` WHERE `+part+` AND action = $1`, actionPurge)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if before, err := strconv.ParseInt(r.object, 10, 64); err == nil {
				v.purges[r.id] = before
			}
		}
	}
	return nil
}

func (v *verification) openPending(tx *db.Tx) error {
	var oldest *int64
	err := tx.QueryRow(`SELECT COUNT(*), MIN(at) FROM audit_entry WHERE number < 0`).Scan(&v.report.Pending, &oldest)
	if err != nil || oldest == nil {
		return err
	}
	v.report.OldestPending = db.Time(*oldest)
	rows, err := scanRows(tx, selectRow+` WHERE number < 0 ORDER BY at, id LIMIT 1000`)
	for _, r := range rows {
		v.entry(r)
	}
	return err
}

func (v *verification) openCheckpoints(tx *db.Tx) error {
	rows, err := tx.Query(`SELECT size, at, note FROM audit_checkpoint ORDER BY size`)
	if err != nil {
		return err
	}
	defer rows.Close()
	last := int64(0)
	for rows.Next() {
		var size, at int64
		var text string
		if err := rows.Scan(&size, &at, &text); err != nil {
			return err
		}
		last = size
		c, err := openCheckpoint(v.log.keys, text)
		switch {
		case err != nil:
			v.report.problem(-1, "", "checkpoint of size %d: %v", size, err)
		case c.N != size || c.at != at:
			v.report.problem(-1, "", "checkpoint of size %d: its row says something else", size)
		default:
			v.addCheckpoint(c)
		}
	}
	if last < v.size {
		v.report.problem(-1, "", "the log has %d entries, but its last checkpoint only %d", v.size, last)
	}
	return rows.Err()
}

func (v *verification) addKnown(known []string) {
	for i, text := range known {
		c, err := openCheckpoint(v.log.keys, text)
		if err != nil {
			v.report.problem(-1, "", "given checkpoint %d: %v", i+1, err)
			continue
		}
		v.addCheckpoint(c)
	}
}

func (v *verification) addCheckpoint(c *checkpoint) {
	if c.N > v.size {
		v.report.problem(-1, "", "a checkpoint of %d entries was signed, the log has %d: its end is missing", c.N, v.size)
		return
	}
	v.signed[c.N] = append(v.signed[c.N], c)
}

// slice verifies some rows in a transaction of their own: one long read would keep SQLite's write-ahead
// log from being shortened.
func (v *verification) slice(ctx context.Context) error {
	var rows []*row
	err := v.log.db.Read(ctx, func(tx *db.Tx) (err error) {
		rows, err = scanRows(tx, selectRow+` WHERE number >= $1 AND number < $2 ORDER BY number LIMIT 1000`, v.next, v.size)
		return err
	})
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		v.gap(v.size)
		v.next = v.size
		return nil
	}
	for _, r := range rows {
		if r.number != v.next {
			v.gap(r.number)
		}
		v.entry(r)
		v.leaf(r)
	}
	return nil
}

func (v *verification) gap(until int64) {
	v.broken = true
	v.report.problem(v.next, "", "entries %d to %d are missing", v.next, until-1)
}

// entry holds the columns of a row against the leaf that commits to them.
func (v *verification) entry(r *row) {
	if r.purge != "" {
		v.report.Purged++
		if why := v.purged(r); why != "" {
			v.report.problem(r.number, r.id, "%s", why)
		}
		return
	}
	var detail map[string]string
	if err := json.Unmarshal([]byte(r.detail), &detail); err != nil {
		v.report.problem(r.number, r.id, "detail is damaged")
		return
	}
	text, err := json.Marshal(detail)
	if err != nil || string(text) != r.detail {
		v.report.problem(r.number, r.id, "detail is damaged")
		return
	}
	want, err := r.canonical(detail)
	if err != nil || !bytes.Equal(want, r.leaf) {
		v.report.problem(r.number, r.id, "entry and leaf differ: one of them was changed")
	}
}

// purged checks an entry whose personal data are gone: everything else must agree with the leaf, and the
// log must tell of the purge.
func (v *verification) purged(r *row) string {
	before, told := v.purges[r.purge]
	switch {
	case !told:
		return "emptied by a purge that the log does not tell of"
	case r.at >= before:
		return "emptied by a purge of older entries"
	case r.detail != "" || len(r.salt) != 0 || r.actor != kindOf(r.actor):
		return "marked as purged, but its personal data are there"
	}
	var l leaf
	if err := json.Unmarshal(r.leaf, &l); err != nil {
		return "leaf is damaged"
	}
	again, err := json.Marshal(l)
	if err != nil || !bytes.Equal(again, r.leaf) {
		return "leaf is damaged"
	}
	if l.V != 1 || l.ID != r.id || l.At != r.at || l.Kind != r.actor || l.Action != r.action ||
		l.Message != r.message || l.Recipient != r.recipient || l.Object != r.object {
		return "entry and leaf differ: one of them was changed"
	}
	return ""
}

// leaf adds the row to the tree and compares the root where a checkpoint was signed.
func (v *verification) leaf(r *row) {
	v.edge.add(r.leaf)
	v.next = r.number + 1
	checkpoints := v.signed[v.next]
	if len(checkpoints) == 0 || v.broken {
		return
	}
	root, err := v.edge.root()
	for _, c := range checkpoints {
		v.report.Checkpoints++
		if err != nil || c.Hash != root {
			// Every later checkpoint differs as well, and says nothing new.
			v.broken = true
			v.report.problem(r.number, "", "the first %d entries are not those of their signed checkpoint", c.N)
			return
		}
	}
}

func (v *verification) close() error {
	if !v.broken && !bytes.Equal(v.edge.bytes(), v.frontier) {
		v.report.problem(-1, "", "the head of the log does not fit its entries")
	}
	root, err := v.edge.root()
	v.report.Root = root.String()
	return err
}
