package web

import (
	"context"
	"slices"

	"github.com/sekisho-mail/sekisho/internal/node"
)

// nodesView is which programs serve on this database, for the top of the administrators' page. Nobody has to look for
// it: it opens by itself where something is wrong.
type nodesView struct {
	Rows   []nodeRow
	Differ []string // what living nodes do not have alike
	Alive  int
	Bad    bool
}

// nodeRow is one node. Its name and version are what it says of itself.
type nodeRow struct {
	node.Node
	State string
	Has   []digestView // of what differs
}

// digestView is a short digest of one file or setting.
type digestView struct{ What, Digest string }

// nodes gives nil where there is one node and can be no other.
func (st *staff) nodes(ctx context.Context) (*nodesView, error) {
	all, now, err := node.List(ctx, st.DB)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	v := &nodesView{Differ: slices.DeleteFunc(node.Differing(all, now), func(what string) bool { return !st.words.Has("node.has." + what) })}
	for _, n := range all {
		row := nodeRow{Node: n, State: n.State(now)}
		switch row.State {
		case node.Left: // stopped on purpose
			continue
		case node.Alive:
			v.Alive++
			for _, what := range v.Differ {
				if digest, ok := n.Digests[what]; ok {
					row.Has = append(row.Has, digestView{what, digest})
				}
			}
		}
		v.Rows = append(v.Rows, row)
		v.Bad = v.Bad || row.State == node.Dead
	}
	v.Bad = v.Bad || len(v.Differ) > 0
	return v, nil
}
