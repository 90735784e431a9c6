package main

import (
	"context"
	"slices"
	"strings"

	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/node"
	"github.com/sekisho-mail/sekisho/internal/seal"
)

// checkRoles asks whether somebody does what this node leaves to others, and whether all work by the same files.
func checkRoles(ctx context.Context, k *checkup) {
	left := k.c.missingRoles()
	if strings.HasPrefix(k.c.Database.URL, "sqlite:") {
		if len(left) > 0 {
			k.warn("roles", "nobody does %s: a SQLite database has one node, which needs all roles", strings.Join(left, ", "))
		}
		return
	}
	if strings.HasPrefix(k.c.Files.URL, "file:") {
		k.warn("files.url", "the files lie on this node's disk; several nodes need s3://, or a directory that all of them share")
	}
	all, err := k.nodes(ctx)
	if err != nil {
		return // reported with the database
	}
	others := all.living
	for _, role := range left {
		if !slices.ContainsFunc(others, func(n node.Node) bool { return slices.Contains(n.Roles, role) }) {
			k.warn("roles", "this node leaves %s to others, and no node that is running does it", role)
		}
	}
	if len(all.differ) > 0 {
		k.warn("roles", "running nodes differ in %s; sekisho queue nodes shows which", strings.Join(all.differ, ", "))
	}
	if len(k.notes) == 0 {
		k.ok("roles", "%s; %s running", strings.Join(k.c.Roles, ", "), plural(len(others), "node"))
	}
}

type seenNodes struct {
	living []node.Node
	differ []string
}

func (k *checkup) nodes(ctx context.Context) (*seenNodes, error) {
	url, err := k.c.DatabaseURL()
	if err != nil {
		return nil, err
	}
	d, err := db.Open(ctx, url)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	all, now, err := node.List(ctx, d)
	if err != nil {
		return nil, err
	}
	s := &seenNodes{differ: node.Differing(all, now)}
	for _, n := range all {
		if n.State(now) == node.Alive {
			s.living = append(s.living, n)
		}
	}
	return s, nil
}

// checkPortalKeys looks at the key file of a node that is only a portal.
func checkPortalKeys(_ context.Context, k *checkup) {
	if _, err := seal.LoadPortal(k.c.Keys.File); err != nil {
		k.fail("keys.file", "%v", err)
		return
	}
	k.ok("keys.file", "%s opens files behind links, and no mail", k.c.Keys.File)
}

// checkPortalDatabase opens what the portal opens, and asks whether its user may do more than it should.
func checkPortalDatabase(ctx context.Context, k *checkup) {
	if strings.HasPrefix(k.c.Database.URL, "sqlite:") {
		k.fail("database.url", "a node that is only a portal shares a PostgreSQL database with the others")
		return
	}
	if strings.HasPrefix(k.c.Files.URL, "file:") {
		k.warn("files.url", "a portal on a machine of its own needs s3://, or a directory that it shares with the others")
	}
	url, err := k.c.DatabaseURL()
	if err != nil {
		return // reported with the secrets
	}
	d, err := db.Open(ctx, url, db.AsGuest())
	if err != nil {
		k.fail("database.url", "%v", err)
		return
	}
	defer d.Close()
	for _, table := range []string{"message", "recipient", "request", "setting", "web_session", "audit_entry"} {
		var may bool
		err := d.Read(ctx, func(tx *db.Tx) error {
			return tx.QueryRow(`SELECT has_table_privilege($1, 'SELECT')`, table).Scan(&may)
		})
		if err != nil {
			k.fail("database.url", "cannot ask what the portal's user may read: %v", err)
			return
		}
		if may {
			k.fail("database.url", "the portal's user may read the table %s; give it a user of its own: sekisho portal grants", table)
			return
		}
	}
	o := &outpost{config: k.c, db: d}
	if o.keys, err = seal.LoadPortal(k.c.Keys.File); err != nil {
		return // reported with the keys
	}
	if err := o.openLinks(ctx); err != nil {
		k.fail("keys.file", "%v", err)
		return
	}
	k.ok("database.url", "postgres answers; this user can read no mail")
}
