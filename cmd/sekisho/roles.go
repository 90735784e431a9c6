package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/sekisho-mail/sekisho/internal/balancer"
	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/metric"
	"github.com/sekisho-mail/sekisho/internal/node"
	"github.com/sekisho-mail/sekisho/submission/policy"
)

// Roles of a node. Several nodes share a database and a store; each does all, or some.
const (
	roleSubmission = "submission" // takes mail: submission.listen, listen_tls, gateway.listen
	roleQueue      = "queue"      // inspects, asks, relays, sweeps; numbers the audit log
	roleWeb        = "web"        // the pages of the company's people: web.listen
	rolePortal     = "portal"     // downloads: portal.listen
)

func allRoles() []string { return []string{roleSubmission, roleQueue, roleWeb, rolePortal} }

// does says whether this node has a role.
func (c *Config) does(role string) bool { return slices.Contains(c.Roles, role) }

// portalOnly is a node that stands outside: it has no key for mail and no right to read it.
func (c *Config) portalOnly() bool { return len(c.Roles) == 1 && c.Roles[0] == rolePortal }

func (c *Config) validateRoles() {
	if len(c.Roles) == 0 {
		c.file.Add("roles", "roles is empty: a node without a role does nothing; leave the key out for all roles")
	}
	for i, r := range c.Roles {
		at := fmt.Sprintf("roles[%d]", i)
		if !slices.Contains(allRoles(), r) {
			c.file.Add(at, "there is no role %q; the roles are %s", r, strings.Join(allRoles(), ", "))
		}
		if slices.Contains(c.Roles[:i], r) {
			c.file.Add(at, "the role %q stands twice", r)
		}
	}
	for i, b := range c.Balancers {
		if p, err := netip.ParsePrefix(b); err != nil || p.Bits() == 0 {
			c.file.Add(fmt.Sprintf("balancers[%d]", i), "%q is no network of load balancers; write for example 192.0.2.10/32", b)
		}
	}
	if c.does(rolePortal) && !c.does(roleWeb) && c.Portal.Listen == "" {
		c.file.Add("portal.listen", "a portal on a node without the role web needs portal.listen")
	}
}

// behind wraps a listener so that a load balancer can say whose connection it is.
func (c *Config) behind(l net.Listener, log *slog.Logger) net.Listener {
	var from []netip.Prefix
	for _, b := range c.Balancers {
		if p, err := netip.ParsePrefix(b); err == nil { // else reported with the configuration
			from = append(from, p)
		}
	}
	return balancer.Listen(l, from, log)
}

// missingRoles are those that this node leaves to others.
func (c *Config) missingRoles() (left []string) {
	for _, r := range allRoles() {
		if !c.does(r) {
			left = append(left, r)
		}
	}
	return left
}

// heart tells the other nodes of this one; nil where there can be no others.
func (c *Config) heart(d *db.DB, keyID string, h *node.Heart) *node.Heart {
	if d.Engine() == db.SQLite {
		return nil
	}
	name, err := os.Hostname()
	if err != nil {
		name = "unknown"
	}
	h.DB, h.Self = d, node.Node{ID: db.NewID(), Name: name, Version: version(), Roles: c.Roles}
	if !c.portalOnly() { // a portal has none of the files
		sums := fileSums{}
		h.Digests = func() map[string]string { return c.digests(keyID, sums) }
	}
	return h
}

// registerNodes adds what the metrics listener shows of the other nodes.
func (h *house) registerNodes(r *metric.Registry) {
	if h.db.Engine() == db.SQLite {
		return
	}
	look := func() ([]node.Node, time.Time, error) {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		return node.List(ctx, h.db)
	}
	r.Gauge("nodes", "Nodes of the last day, by state.", []string{"state"}, func(set func(float64, ...string)) {
		all, now, err := look()
		if err != nil {
			return // the scrape shows a gap, and ready shows why
		}
		count := map[string]int{node.Alive: 0, node.Left: 0, node.Dead: 0}
		for _, n := range all {
			count[n.State(now)]++
		}
		for state, n := range count {
			set(float64(n), state)
		}
	})
	r.Gauge("nodes_differing", "Files and settings that living nodes do not have alike.", nil, func(set func(float64, ...string)) {
		if all, now, err := look(); err == nil {
			set(float64(len(node.Differing(all, now))))
		}
	})
}

// digests are short, so that they show a difference and nothing else.
func (c *Config) digests(keyID string, sums fileSums) map[string]string {
	shared, err := json.Marshal(struct {
		A any
		B string
		C any
		D any
		E string
		F any
		G any
	}{c.Organization, c.BaseURL, c.Retention, c.Policy.Mode, c.Portal.URL, c.Policy.Pilot, c.OIDC.Roles})
	if err != nil {
		shared = nil
	}
	return map[string]string{
		"settings": shortSum(shared), "policy": sums.of(c.Policy.File), "lists": sums.ofLists(c.Policy.File), "people": sums.of(c.People.File),
		"users": sums.of(c.Submission.Auth.UsersFile), "keys": keyID,
	}
}

func shortSum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:4])
}

// fileSums are digests of files, by path: registered lists are large, and hashed again only when they have changed.
type fileSums map[string]fileSumAt

type fileSumAt struct{ stamp, sum string }

func (s fileSums) of(path string) string {
	stamp := fileStamp(path)
	if known, ok := s[path]; ok && known.stamp == stamp {
		return known.sum
	}
	sum := "none"
	if raw, err := os.ReadFile(path); err == nil {
		sum = shortSum(raw)
	}
	s[path] = fileSumAt{stamp, sum}
	return sum
}

// ofLists is one digest of all files that a policy names.
func (s fileSums) ofLists(path string) string {
	p, _, mistakes := readPolicy(path)
	if len(mistakes) > 0 {
		return "none" // the last one without mistakes is in force; the policy's own digest shows that they differ
	}
	var all []string
	for _, files := range []map[string]string{p.Data, p.Documents} {
		for _, name := range slices.Sorted(maps.Keys(files)) {
			all = append(all, name+"="+s.of(files[name]))
		}
	}
	for _, e := range p.URLs {
		if file, ok := strings.CutPrefix(e, policy.FilePrefix); ok {
			all = append(all, s.of(file))
		}
	}
	return shortSum([]byte(strings.Join(all, " ")))
}
