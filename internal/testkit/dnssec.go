package testkit

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// Signed is a zone under DNSSEC on a real name server (Knot), with a real resolver (Unbound) that validates it.
type Signed struct {
	Resolver string // HOST:PORT
	Key      string // of the zone, as a record
	zone     string
	server   string // HOST:PORT of the zone itself
}

// DNSSEC starts both for a zone with records in the form of a zone file, names in full.
func DNSSEC(t testing.TB, zone string, records ...string) *Signed {
	t.Helper()
	s := named(t, dns.Fqdn(zone), records)
	s.Key = s.key(t)
	s.resolve(t, s.Key)
	return s
}

// Forged is a name server that gives records for the zone of another with signatures of its own, and a resolver that
// knows the true key and asks the false server.
func Forged(t testing.TB, of *Signed, records ...string) *Signed {
	t.Helper()
	s := named(t, of.zone, records)
	s.key(t)
	s.resolve(t, of.Key)
	return s
}

// named starts the name server.
func named(t testing.TB, zone string, records []string) *Signed {
	t.Helper()
	dir := t.TempDir()
	s := &Signed{zone: zone, server: FreeAddress(t), Resolver: FreeAddress(t)}
	file, conf := filepath.Join(dir, "zone"), filepath.Join(dir, "knot.conf")
	write(t, file, fmt.Sprintf("%[1]s 60 IN SOA ns.%[1]s hostmaster.%[1]s 1 3600 600 86400 60\n%[1]s 60 IN NS ns.%[1]s\nns.%[1]s 60 IN A 127.0.0.1\n%[2]s\n",
		zone, strings.Join(records, "\n")))
	host, port, _ := strings.Cut(s.server, ":")
	write(t, conf, fmt.Sprintf(knotConf, dir, host, port, filepath.Join(dir, "knot.sock"), zone, file))
	start(t, exec.Command(Need(t, "knotd", "knot"), "-c", conf), s.server)
	return s
}

// resolve starts the resolver with a key that it trusts.
func (s *Signed) resolve(t testing.TB, key string) {
	t.Helper()
	dir := t.TempDir()
	anchor, conf := filepath.Join(dir, "anchor"), filepath.Join(dir, "unbound.conf")
	write(t, anchor, key+"\n")
	host, port, _ := strings.Cut(s.Resolver, ":")
	serverHost, serverPort, _ := strings.Cut(s.server, ":")
	write(t, conf, fmt.Sprintf(unboundConf, dir, host, port, anchor, s.zone, serverHost, serverPort))
	start(t, exec.Command(Need(t, "unbound", "unbound"), "-d", "-p", "-c", conf), s.Resolver)
}

const knotConf = `server:
    rundir: "%[1]s"
    listen: %[2]s@%[3]s
control:
    listen: "%[4]s"
database:
    storage: "%[1]s"
policy:
  - id: test
    algorithm: ecdsap256sha256
    single-type-signing: on
    nsec3: off
zone:
  - domain: %[5]s
    file: "%[6]s"
    dnssec-signing: on
    dnssec-policy: test
    zonefile-sync: -1
    zonefile-load: difference
    journal-content: all
`

const unboundConf = `server:
    directory: "%[1]s"
    chroot: ""
    username: ""
    pidfile: ""
    use-syslog: no
    interface: %[2]s@%[3]s
    do-not-query-localhost: no
    trust-anchor-file: "%[4]s"
    module-config: "validator iterator"
    num-threads: 1
    cache-max-ttl: 0
    cache-max-negative-ttl: 0
    val-bogus-ttl: 0
stub-zone:
    name: "%[5]s"
    stub-addr: %[6]s@%[7]s
`

// key waits for the zone's key and gives it as a resolver wants it.
func (s *Signed) key(t testing.TB) string {
	t.Helper()
	q := new(dns.Msg)
	q.SetQuestion(s.zone, dns.TypeDNSKEY)
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		answer, err := dns.Exchange(q, s.server)
		if err != nil {
			continue
		}
		for _, rr := range answer.Answer {
			if key, ok := rr.(*dns.DNSKEY); ok {
				return key.String()
			}
		}
	}
	t.Fatal("Knot signs nothing")
	return ""
}
