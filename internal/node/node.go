// Package node owns the list of the nodes that serve on one database: which there are, what each does, and whether
// they work by the same files. It is for people to look at; nothing is decided by it.
package node

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db"
)

const (
	beat = 10 * time.Second
	// Silent is how long a node may be unheard before it is taken for dead.
	Silent = 3 * beat
	// kept is how long one that left or died stays in the list.
	kept = 24 * time.Hour
)

// Node is one running program, or one that ran within the last day.
type Node struct {
	ID      string            `json:"id"`
	Name    string            `json:"name"` // of its machine
	Version string            `json:"version"`
	Roles   []string          `json:"roles"`
	Digests map[string]string `json:"digests,omitempty"` // by the file or setting they are of
	Started time.Time         `json:"started"`
	Seen    time.Time         `json:"seen"`
	Left    time.Time         `json:"left,omitzero"`
}

// States of a node.
const (
	Alive = "alive"
	Left  = "left"
	Dead  = "dead"
)

// State says whether the node was heard of lately.
func (n Node) State(now time.Time) string {
	switch {
	case !n.Left.IsZero():
		return Left
	case now.Sub(n.Seen) > Silent:
		return Dead
	}
	return Alive
}

// Heart tells the others of this node.
type Heart struct {
	DB   *db.DB
	Self Node // ID, Name, Version and Roles
	// Digests are read again at every beat: files change under a running program. Optional.
	Digests func() map[string]string
	Log     *slog.Logger
}

// Run beats until ctx ends, and says good-bye.
func (h *Heart) Run(ctx context.Context) error {
	tick := time.NewTicker(beat)
	defer tick.Stop()
	warned := ""
	for {
		if err := h.Beat(ctx); err != nil && ctx.Err() == nil {
			h.Log.Error("other nodes not told of this one", "error", err)
		}
		warned = h.compare(ctx, warned)
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
			defer cancel()
			if err := h.leave(last); err != nil {
				h.Log.Warn("other nodes not told that this one stops", "error", err)
			}
			return nil
		case <-tick.C:
		}
	}
}

// Beat writes that this node lives.
func (h *Heart) Beat(ctx context.Context) error {
	digests := []byte("{}")
	if h.Digests != nil {
		var err error
		if digests, err = json.Marshal(h.Digests()); err != nil {
			return err
		}
	}
	return h.DB.Write(ctx, func(tx *db.Tx) error {
		now := db.Micros(tx.Now())
		n, err := tx.Exec(`UPDATE node SET digests = $1, seen_at = $2 WHERE id = $3`, string(digests), now, h.Self.ID)
		if err != nil || n > 0 {
			return err
		}
		if _, err := tx.Exec(`DELETE FROM node WHERE seen_at < $1`, db.Micros(tx.Now().Add(-kept))); err != nil {
			return err
		}
		_, err = tx.Exec(`INSERT INTO node (id, name, version, roles, digests, started_at, seen_at, left_at) VALUES ($1, $2, $3, $4, $5, $6, $7, 0)`,
			h.Self.ID, h.Self.Name, h.Self.Version, strings.Join(h.Self.Roles, " "), string(digests), now, now)
		return err
	})
}

func (h *Heart) leave(ctx context.Context) error {
	return h.DB.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(`UPDATE node SET left_at = $1 WHERE id = $2`, db.Micros(tx.Now()), h.Self.ID)
		return err
	})
}

// compare writes into the log, once, that nodes work by different files.
func (h *Heart) compare(ctx context.Context, warned string) string {
	all, now, err := List(ctx, h.DB)
	if err != nil {
		return warned
	}
	differ := strings.Join(Differing(all, now), ", ")
	if differ != "" && differ != warned {
		h.Log.Warn("nodes work by different files or settings; sekisho queue nodes shows which", "differing", differ)
	}
	return differ
}

// List gives the nodes of the last day, those that began last first, and the time by the database's clock.
func List(ctx context.Context, d *db.DB) (all []Node, now time.Time, err error) {
	err = d.Read(ctx, func(tx *db.Tx) error {
		all, now = nil, tx.Now()
		rows, err := tx.Query(`SELECT id, name, version, roles, digests, started_at, seen_at, left_at FROM node
			WHERE seen_at >= $1 ORDER BY started_at DESC, id LIMIT 200`, db.Micros(now.Add(-kept)))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			n, err := scan(rows.Scan)
			if err != nil {
				return err
			}
			all = append(all, n)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, now, fmt.Errorf("list nodes: %w", err)
	}
	return all, now, nil
}

func scan(from func(...any) error) (n Node, err error) {
	var roles, digests string
	var started, seen, left int64
	if err := from(&n.ID, &n.Name, &n.Version, &roles, &digests, &started, &seen, &left); err != nil {
		return n, err
	}
	n.Roles, n.Started, n.Seen, n.Left = strings.Fields(roles), db.Time(started), db.Time(seen), db.Time(left)
	// What a portal wrote is not ours to trust: text that is no such map shows nothing.
	if json.Unmarshal([]byte(digests), &n.Digests) != nil {
		n.Digests = nil
	}
	return n, nil
}

// Differing names the digests that are not the same on all living nodes that have them.
func Differing(all []Node, now time.Time) []string {
	first, differ := map[string]string{}, map[string]bool{}
	for _, n := range all {
		if n.State(now) != Alive {
			continue
		}
		for name, digest := range n.Digests {
			if other, ok := first[name]; ok && other != digest {
				differ[name] = true
			}
			first[name] = digest
		}
	}
	return slices.Sorted(maps.Keys(differ))
}
