package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/sekisho-mail/sekisho/internal/node"
)

// QueueNodesCmd lists nodes.
type QueueNodesCmd struct{ QueueFlags }

// Run lists.
func (c *QueueNodesCmd) Run(ctx context.Context, out *Streams) error {
	return c.open(ctx, out, func(h *house) error {
		all, now, err := node.List(ctx, h.db)
		if err != nil {
			return err
		}
		differ := node.Differing(all, now)
		if c.JSON {
			for _, n := range all {
				if err := printJSON(out.Out, struct {
					node.Node
					State string `json:"state"`
				}{n, n.State(now)}); err != nil {
					return err
				}
			}
			return nil
		}
		if len(all) == 0 {
			fmt.Fprintln(out.Out, "No node has served on this database within a day. (With SQLite there is one, and none is listed.)")
			return nil
		}
		w := tabwriter.NewWriter(out.Out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "NODE\tSTATE\tVERSION\tROLES\tSINCE\tSEEN\tFILES")
		for _, n := range all {
			var sums []string
			for _, name := range slices.Sorted(maps.Keys(n.Digests)) {
				sums = append(sums, name+"="+n.Digests[name])
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", printable(n.Name), n.State(now), printable(n.Version), printable(strings.Join(n.Roles, ",")),
				n.Started.Local().Format("01-02 15:04"), n.Seen.Local().Format("01-02 15:04:05"), printable(strings.Join(sums, " ")))
		}
		if err := w.Flush(); err != nil {
			return err
		}
		if len(differ) > 0 {
			fmt.Fprintf(out.Out, "\nNodes differ in: %s. Each node reads its own files; bring them into line.\n", strings.Join(differ, ", "))
		}
		return nil
	})
}
