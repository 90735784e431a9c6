package story

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db/dbtest"
	"github.com/sekisho-mail/sekisho/internal/testkit"
)

// unrest is how long nodes are killed; a long run is `make nodes NODES=10m`.
var unrest = flag.Duration("nodes", 30*time.Second, "how long TestNodesAreKilledAndNothingIsLost kills nodes")

// takeover is the promise: what a dead node was at is taken over within so long. The lease is 20 seconds; the rest is
// for a machine that tests other things as well.
const takeover = 30 * time.Second

// cluster is one company served by several nodes behind a load balancer. The company's own addresses are the
// balancer's.
type cluster struct {
	*house
	nodes []*house
}

// three makes a company with three nodes on a real PostgreSQL and a real S3 server, all roles on all of them.
func three(t *testing.T, s settings) *cluster {
	t.Helper()
	s.database, s.files = dbtest.PostgresURL(t), testkit.Versitygw(t).URL
	s.lines = map[string]string{"keys": "{file: {dir}/shared.keys}"}
	var own []settings
	for range 3 {
		n := s
		n.ip, n.portal = twoAddresses(t)
		s.names = append(s.names, n.ip, n.portal)
		own = append(own, n)
	}
	c := &cluster{house: prepare(t, s)}
	// Makes the keys, as an administrator does before bringing them to every node.
	if out, errs, err := c.command("queue", "list"); err != nil {
		t.Fatalf("%v\n%s%s", err, out, errs)
	}
	for _, n := range own {
		n.beside, n.hop, n.dex = c.house, c.hop, c.dex
		n.lines = map[string]string{
			// One person hands in everything, and the limit on that holds over all nodes and their restarts.
			"submission": `{hostname: mail.corp.example, listen: ["{ip}:587"], listen_tls: [], tls: {cert_file: {cert}, key_file: {key}},
  limits: {recipients_per_10_minutes: 1000000, recipients_per_day: 1000000}}`,
			"balancers": "[" + balancerIP + "/32]",
			"keys":      "{file: " + c.dir + "/shared.keys}", "base_url": c.staffURL(),
			"portal": fmt.Sprintf(`{listen: "%s:8443", url: "%s"}`, n.portal, c.portalURL())}
		c.nodes = append(c.nodes, prepare(t, n))
	}
	return c
}

// balancerIP is where the balancer's connections to the nodes come from.
const balancerIP = "127.0.0.9"

// balance puts Debian's HAProxy in front of the nodes, for mail and pages. They must be up: it looks.
func (c *cluster) balance() {
	c.t.Helper()
	pool := func(at, check string, to func(*house) string) testkit.Pool {
		p := testkit.Pool{At: at, Check: check}
		for _, n := range c.nodes {
			p.Nodes = append(p.Nodes, to(n))
		}
		return p
	}
	testkit.HAProxy(c.t, balancerIP,
		pool(c.at("587"), "option smtpchk EHLO balancer.corp.example", func(n *house) string { return n.at("587") }),
		pool(c.at("8443"), "", func(n *house) string { return n.at("8443") }),
		pool(net.JoinHostPort(c.portalHost, "8443"), "", func(n *house) string { return net.JoinHostPort(n.portalHost, "8443") }))
}

func (c *cluster) startAll() {
	var all sync.WaitGroup
	for _, n := range c.nodes {
		all.Go(n.start)
	}
	all.Wait()
	if c.t.Failed() {
		c.t.FailNow()
	}
	c.balance()
}

// TestNodesAreKilledAndNothingIsLost kills, stops and freezes nodes at random while numbered mails are handed in
// through a load balancer. Every mail that was answered with 250 arrives byte for byte; twice only where the audit log
// says that nobody saw the end of an attempt.
func TestNodesAreKilledAndNothingIsLost(t *testing.T) {
	t.Parallel()
	hop := newRecorder(t)
	c := three(t, settings{hop: hop, policy: straight})
	c.startAll()
	load := &numbered{h: c.house, stop: make(chan struct{})}
	var talking sync.WaitGroup
	for range speakers {
		talking.Go(load.talk)
	}
	load.more(between)
	blows := c.rage(load)
	load.more(between)
	close(load.stop)
	talking.Wait()
	if t.Failed() {
		return
	}
	load.allArrive(hop)
	c.emptied()
	load.compare(hop)
	c.frontDoorHolds()
	c.pauseHolds(hop)
	c.takenOver(hop)
	for _, n := range c.nodes {
		n.stop()
	}
	if out, errs, err := c.command("audit", "verify"); err != nil {
		t.Errorf("audit verify: %v\n%s%s", err, out, errs)
	}
	t.Logf("over %v: %v", *unrest, blows)
}

// straight waits for nothing where a wait would be told to the sender: only what was handed in is counted.
const straight = `version: 1
rules:
  - name: plain
    when: {recipient_domains: [other.example]}
    then: {delay: 1s}
  - name: linked
    when: {recipient_domains: [linked.example]}
    then: {delay: 0s, link: {over: 0, access: open}}
`

// rage ends nodes in every way a node can end, and starts them again. At least one is always up.
func (c *cluster) rage(load *numbered) map[string]int {
	blows := map[string]int{}
	frozen := false
	for until := time.Now().Add(*unrest); time.Now().Before(until); {
		n := c.nodes[rand.IntN(len(c.nodes))]
		switch how := rand.IntN(10); {
		case how < 5:
			blows["kill -9"]++
			n.kill()
			time.Sleep(time.Duration(rand.IntN(1500)) * time.Millisecond)
		case how < 8 || frozen && *unrest < time.Minute:
			blows["SIGTERM"]++
			n.stop()
		default:
			// It loses its leases, and wakes up in the middle of what others have finished meanwhile.
			blows["frozen"]++
			frozen = true
			n.child.cmd.Process.Signal(syscall.SIGSTOP)
			time.Sleep(21*time.Second + time.Duration(rand.IntN(4000))*time.Millisecond)
			n.child.cmd.Process.Signal(syscall.SIGCONT)
		}
		if n.child == nil {
			n.start()
		}
		load.more(between / 4)
	}
	return blows
}

// emptied waits until nothing of ours is on its way.
func (c *cluster) emptied() {
	c.t.Helper()
	c.eventually("nothing waits any more", func() error {
		out, errs, err := c.command("queue", "list", "--json")
		if err != nil || out != "" {
			return fmt.Errorf("%v\n%s%s", err, out, errs)
		}
		return nil
	})
}

// frontDoorHolds signs in through the balancer: login, state and session each meet another node.
func (c *cluster) frontDoorHolds() {
	c.t.Helper()
	admin := c.as("admin")
	for range 2 * len(c.nodes) {
		admin.CloseIdleConnections()
		if p := admin.get("/admin"); p.code != 200 {
			c.t.Fatalf("not signed in at every node: %d at %s", p.code, p.at)
		}
	}
	c.clientIsSeen()
	out, errs, err := c.command("queue", "nodes", "--json")
	if err != nil || strings.Count(out, `"state":"alive"`) < len(c.nodes) {
		c.t.Errorf("%v\n%s%s", err, out, errs)
	}
	if out, _, _ := c.command("queue", "nodes"); strings.Contains(out, "differ in") {
		c.t.Errorf("%s", out)
	}
}

// clientIsSeen: what the nodes count and log is the client's address, not the balancer's.
func (c *cluster) clientIsSeen() {
	c.t.Helper()
	const client = "127.0.0.77"
	from := net.Dialer{Timeout: patience, LocalAddr: &net.TCPAddr{IP: net.ParseIP(client)}}
	conn, err := from.Dial("tcp", c.at("587"))
	if err != nil {
		c.t.Fatal(err)
	}
	s := greet(conn)
	defer s.close()
	if err := s.begin(c.tlsTo("mail.corp.example")); err != nil {
		c.t.Fatal(err)
	}
	if err := s.auth("alice@corp.example", password); err != nil {
		c.t.Fatal(err)
	}
	c.eventually("a node names the client", func() error {
		for _, n := range c.nodes {
			if strings.Contains(n.log(), `"remote":"`+balancerIP+`"`) {
				c.t.Fatal("the balancer was taken for a client")
			}
			if strings.Contains(n.log(), `"msg":"signed in","part":"submission"`) && strings.Contains(n.log(), `"remote":"`+client+`"`) {
				return nil
			}
		}
		return fmt.Errorf("nobody signed in from %s", client)
	})
}

// pauseHolds pauses once, and no node releases.
func (c *cluster) pauseHolds(hop *recorder) {
	c.t.Helper()
	if out, errs, err := c.command("queue", "pause", "--reason=test"); err != nil {
		c.t.Fatalf("%v\n%s%s", err, out, errs)
	}
	before := len(hop.deliveries(c.t))
	for i := range 6 {
		c.handIn(fmt.Sprintf("paused%d@other.example", i))
	}
	c.eventually("the six wait", func() error {
		out, errs, err := c.command("queue", "list", "--json", "--state", "delayed")
		if n := strings.Count(out, "\n"); err != nil || n != 6 {
			return fmt.Errorf("%d: %v\n%s", n, err, errs)
		}
		return nil
	})
	time.Sleep(3 * time.Second) // three looks of every node
	if n := len(hop.deliveries(c.t)) - before; n != 0 {
		c.t.Errorf("%d mails left while paused", n)
	}
	if out, errs, err := c.command("queue", "resume", "--reason=test"); err != nil {
		c.t.Fatalf("%v\n%s%s", err, out, errs)
	}
	c.emptied()
}

// takenOver kills the node that waits for the next hop's answer, and looks at the clock.
func (c *cluster) takenOver(hop *recorder) {
	c.t.Helper()
	c.nodes[1].stop()
	c.nodes[2].stop()
	hop.stall()
	id := c.handIn("taken@other.example")
	c.eventually("the next hop is asked", func() error {
		if hop.holding() == 0 {
			return fmt.Errorf("nobody")
		}
		return nil
	})
	c.nodes[1].start()
	c.nodes[0].kill()
	died := time.Now()
	hop.resume()
	c.eventually("another node takes over", func() error {
		if n := len(copiesTo(hop, c.t, "taken@other.example")); n != 2 {
			return fmt.Errorf("%d copies", n)
		}
		return nil
	})
	if took := time.Since(died); took > takeover {
		c.t.Errorf("taken over after %v", took)
	} else {
		c.t.Logf("taken over after %v", took.Round(100*time.Millisecond))
	}
	c.emptied()
	if marked, err := c.uncertain(); err != nil || !marked[id] {
		c.t.Errorf("the audit log does not say that %s may have come twice: %v", id, err)
	}
	c.nodes[0].start()
	c.nodes[2].start()
}

func copiesTo(hop *recorder, t testing.TB, to string) (all []delivery) {
	for _, d := range hop.deliveries(t) {
		if d.to[0] == to {
			all = append(all, d)
		}
	}
	return all
}

// handIn submits a small mail through the balancer, until a node takes it, and gives its id.
func (c *cluster) handIn(to string) (id string) {
	c.t.Helper()
	c.eventually("a mail is taken", func() error {
		s, err := c.submission("alice@corp.example", password)
		if err != nil {
			return err
		}
		defer s.close()
		a, err := s.send(letterOf{from: "alice@corp.example", to: []string{to}, raw: []byte("From: alice@corp.example\r\nTo: " + to + "\r\nSubject: x\r\n\r\nhello\r\n")})
		if err != nil || a.code != 250 {
			return fmt.Errorf("%v %v", a, err)
		}
		id = a.id
		return nil
	})
	return id
}
