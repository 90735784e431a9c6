package relay

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/miekg/dns"
)

// Resolver asks the DNS servers that the configuration names, and no others. It validates nothing itself: whether an
// answer is authentic (DNSSEC) is what a validating resolver says in its AD bit, and that is believed only where the
// administrator said so.
type Resolver struct {
	servers []string
	dnssec  bool
	cache   *lru.Cache[string, *found]
	mu      sync.Mutex
	good    int // the server that answered last
}

// found is what DNS said about a name.
type found struct {
	records []dns.RR // of the type that was asked for
	name    string   // where aliases (CNAME) led
	exists  bool     // the name, with whatever types
	secure  bool     // by DNSSEC
	until   time.Time
}

// errDNS says that nobody knows at present.
var errDNS = errors.New("DNS does not answer")

const (
	maxTTL    = 10 * time.Minute
	dnsTries  = 2
	dnsWait   = 3 * time.Second
	dnsKept   = 10_000 // answers
	dnsBuffer = 1232   // octets that pass every network in one piece
)

// NewResolver asks servers ("127.0.0.1", "192.0.2.1:5353"), or those of /etc/resolv.conf where none is given. dnssec
// says that they validate, and that nobody stands between them and us.
func NewResolver(servers []string, dnssec bool) (*Resolver, error) {
	port := "53"
	if len(servers) == 0 {
		conf, err := dns.ClientConfigFromFile("/etc/resolv.conf")
		if err != nil || len(conf.Servers) == 0 {
			return nil, errors.New("/etc/resolv.conf names no DNS server; name one in relay.dns.servers")
		}
		servers, port = conf.Servers, conf.Port
	}
	r := &Resolver{dnssec: dnssec}
	for _, s := range servers {
		if _, _, err := net.SplitHostPort(s); err != nil {
			s = net.JoinHostPort(strings.Trim(s, "[]"), port)
		}
		r.servers = append(r.servers, s)
	}
	var err error
	r.cache, err = lru.New[string, *found](dnsKept)
	return r, err
}

// Ready says whether a server answers.
func (r *Resolver) Ready(ctx context.Context) error {
	_, err := r.ask(ctx, ".", dns.TypeNS)
	return err
}

// look gives what DNS says about a name and a type. A name without such records is no error.
func (r *Resolver) look(ctx context.Context, name string, kind uint16) (*found, error) {
	name = dns.Fqdn(strings.ToLower(name))
	key := dns.TypeToString[kind] + " " + name
	if f, ok := r.cache.Get(key); ok && time.Now().Before(f.until) {
		return f, nil
	}
	f, err := r.ask(ctx, name, kind)
	if err == nil {
		r.cache.Add(key, f)
	}
	return f, err
}

func (r *Resolver) ask(ctx context.Context, name string, kind uint16) (*found, error) {
	if _, ok := dns.IsDomainName(name); !ok {
		return &found{name: name}, nil
	}
	var last error
	first := r.first()
	for try := range dnsTries * len(r.servers) {
		i := (first + try) % len(r.servers)
		answer, err := r.exchange(ctx, r.servers[i], name, kind)
		if err == nil {
			r.answers(i)
			return r.read(answer, name, kind), nil
		}
		if last = err; ctx.Err() != nil {
			break
		}
	}
	return nil, fmt.Errorf("%w for %s %s: %w", errDNS, dns.TypeToString[kind], name, last)
}

func (r *Resolver) first() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.good
}

func (r *Resolver) answers(i int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.good = i
}

// exchange asks one server, over TCP where the answer does not fit.
func (r *Resolver) exchange(ctx context.Context, server, name string, kind uint16) (*dns.Msg, error) {
	q := new(dns.Msg)
	q.SetQuestion(name, kind)
	q.SetEdns0(dnsBuffer, false)
	q.AuthenticatedData = true // RFC 6840 section 5.7: we want to know
	ctx, cancel := context.WithTimeout(ctx, dnsWait)
	defer cancel()
	answer, _, err := (&dns.Client{Net: "udp", Timeout: dnsWait, UDPSize: dnsBuffer}).ExchangeContext(ctx, q, server)
	if err == nil && answer.Truncated {
		answer, _, err = (&dns.Client{Net: "tcp", Timeout: dnsWait}).ExchangeContext(ctx, q, server)
	}
	if err != nil {
		return nil, err
	}
	if answer.Rcode != dns.RcodeSuccess && answer.Rcode != dns.RcodeNameError {
		return nil, fmt.Errorf("the resolver says %s", dns.RcodeToString[answer.Rcode])
	}
	return answer, nil
}

// read takes the records out of an answer.
func (r *Resolver) read(answer *dns.Msg, name string, kind uint16) *found {
	f := &found{name: name, exists: answer.Rcode == dns.RcodeSuccess, secure: r.dnssec && answer.AuthenticatedData}
	ttl := maxTTL
	for range 10 { // aliases; the resolver has followed them all
		alias := false
		for _, rr := range answer.Answer {
			h := rr.Header()
			if c, ok := rr.(*dns.CNAME); ok && strings.EqualFold(h.Name, f.name) && kind != dns.TypeCNAME {
				f.name, alias = strings.ToLower(c.Target), true
				break
			}
		}
		if !alias {
			break
		}
	}
	for _, rr := range answer.Answer {
		h := rr.Header()
		ttl = min(ttl, time.Duration(h.Ttl)*time.Second)
		if h.Rrtype == kind && strings.EqualFold(h.Name, f.name) {
			f.records = append(f.records, rr)
		}
	}
	if len(f.records) == 0 {
		ttl = min(ttl, time.Minute)
	}
	f.until = time.Now().Add(ttl)
	return f
}

// texts are the TXT records of a name, each with its strings joined.
func (r *Resolver) texts(ctx context.Context, name string) (all []string, err error) {
	f, err := r.look(ctx, name, dns.TypeTXT)
	if err != nil {
		return nil, err
	}
	for _, rr := range f.records {
		if t, ok := rr.(*dns.TXT); ok {
			all = append(all, strings.Join(t.Txt, ""))
		}
	}
	return all, nil
}

// addresses are those of a host, IPv4 first: more of the world's senders are known by it. secure says that DNSSEC
// vouches for all of them; name is where aliases led.
func (r *Resolver) addresses(ctx context.Context, host string) (all []netip.Addr, secure bool, name string, err error) {
	four, err4 := r.look(ctx, host, dns.TypeA)
	six, err6 := r.look(ctx, host, dns.TypeAAAA)
	if err4 != nil && err6 != nil {
		return nil, false, "", err4
	}
	secure = true
	for _, f := range []*found{four, six} {
		if f == nil {
			secure = false
			continue
		}
		secure, name = secure && f.secure, f.name
		all = append(all, shuffled(f.records)...)
	}
	if len(all) == 0 && (err4 != nil || err6 != nil) {
		return nil, false, "", errors.Join(err4, err6)
	}
	return all, secure, name, nil
}

func shuffled(records []dns.RR) (all []netip.Addr) {
	for _, rr := range records {
		var ip net.IP
		switch rr := rr.(type) {
		case *dns.A:
			ip = rr.A
		case *dns.AAAA:
			ip = rr.AAAA
		}
		if a, ok := netip.AddrFromSlice(ip); ok {
			all = append(all, a.Unmap())
		}
	}
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// System is the standard library's resolver over the same servers, for HTTPS and for looks at our own records.
func (r *Resolver) System() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, r.servers[r.first()])
	}}
}
