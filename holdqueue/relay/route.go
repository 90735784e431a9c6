package relay

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// Route is where some mail goes. Every condition that is given must hold; of a list, one entry.
type Route struct {
	Name string

	Senders    []string // addresses, domains and ".below.example" of the sender
	People     []string // addresses of the person whose mail it is
	Groups     []string // of that person
	Sources    []string // names of gateway sources
	Listeners  []string // "submission", "gateway", "system" (our own mail)
	Recipients []string // addresses, domains and ".below.example"

	Hosts []Host // smart hosts
	MX    bool   // instead: the recipients' own servers
	// TLS of MX: opportunistic, the default, or required (a valid certificate for the server's name, which an attacker
	// who owns DNS can choose: only DANE and MTA-STS keep him off, and they are obeyed in any case).
	TLS TLS
	// Proved says that TLS reaches the recipients themselves by this route, because the administrator knows so.
	Proved bool
}

// Host is one smart host.
type Host struct {
	Address string // HOST:PORT
	TLS     TLS    // "" is TLSRequired
	// Implicit begins TLS with the connection instead of STARTTLS; it is so on port 465 in any case (RFC 8314).
	Implicit bool
	// Roots verify the certificate; nil means the system's.
	Roots *x509.CertPool
	// Certificate is ours, where the host wants one; nil for none. It is asked at every handshake.
	Certificate func() (*tls.Certificate, error)
	// Username and Password, or Tokens (XOAUTH2), sign in, over TLS only. All may be empty.
	Username string
	Password string
	Tokens   *Tokens
	// Weight is the share of the mail that goes here, beside the weights of the others. 0 is a standby.
	Weight int
	// Pace is what this host alone is given; zero fields are those of Options.Paces.
	Pace Pace
}

// route is a Route with its hosts.
type route struct {
	Route
	hosts []*host
}

func (r *Relay) newRoute(given Route) (*route, error) {
	made := &route{Route: given}
	if given.MX == (len(given.Hosts) > 0) {
		return nil, fmt.Errorf("route %q needs either hosts or mx", given.Name)
	}
	if given.MX && r.o.DNS == nil {
		return nil, errors.New("delivery by MX needs a resolver")
	}
	if made.TLS == "" {
		made.TLS = TLSOpportunistic
	}
	for _, h := range given.Hosts {
		host, err := r.newHost(h)
		if err != nil {
			return nil, err
		}
		made.hosts = append(made.hosts, host)
	}
	return made, nil
}

func (r *Relay) newHost(given Host) (*host, error) {
	name, port, err := net.SplitHostPort(given.Address)
	if err != nil || name == "" {
		return nil, fmt.Errorf("relay host %q is not HOST:PORT", given.Address)
	}
	level := given.TLS
	switch level {
	case "":
		level = TLSRequired
	case TLSRequired, TLSOpportunistic, TLSNone:
	default:
		return nil, fmt.Errorf("relay tls %q is none of required, opportunistic, none", given.TLS)
	}
	h := &host{relay: r, name: name, address: given.Address, weight: given.Weight}
	if h.login, err = newLogin(given); err != nil {
		return nil, err
	}
	if h.login != nil && level != TLSRequired {
		return nil, errors.New("relay with a password needs tls: required")
	}
	h.security = security{level: level, implicit: level != TLSNone && (given.Implicit || port == "465"), name: name,
		roots: given.Roots, present: given.Certificate}
	general, _ := r.paceOf(smartPace, strings.ToLower(name))
	pace := given.Pace.over(general)
	h.lane, h.maxRecipients = r.smartLane(given.Address+" "+given.Username, pace), pace.Recipients
	return h, nil
}

// smartLane is the lane to one server under one name: what it allows us it allows to all routes together.
func (r *Relay) smartLane(key string, p Pace) *lane {
	l, ok := r.lanes[key]
	if !ok {
		l = newLane(p)
		r.lanes[key] = l
	}
	return l
}

// takes says whether the route is for a mail's recipient.
func (r *Relay) takes(route *route, m *holdqueue.Message, to *holdqueue.Recipient) bool {
	return r.takesFrom(route, m) && (len(route.Recipients) == 0 || inList(to.Address, route.Recipients))
}

func (r *Relay) takesFrom(route *route, m *holdqueue.Message) bool {
	if len(route.Senders) > 0 && !slices.ContainsFunc(sendersOf(m), func(a mailaddr.Address) bool { return inList(a, route.Senders) }) {
		return false
	}
	if len(route.People) > 0 && !inList(m.Person, route.People) {
		return false
	}
	if len(route.Groups) > 0 && (r.o.Groups == nil || !intersect(r.o.Groups(m.Person), route.Groups)) {
		return false
	}
	if len(route.Sources) > 0 && !slices.Contains(route.Sources, m.Source) {
		return false
	}
	return len(route.Listeners) == 0 || slices.Contains(route.Listeners, string(m.Origin))
}

// sendersOf are the addresses by which a mail's domain can be told: the envelope's, or, where that is null, From.
func sendersOf(m *holdqueue.Message) []mailaddr.Address {
	if m.MailFrom != "" {
		return []mailaddr.Address{m.MailFrom}
	}
	return m.Meta.From
}

// inList compares with addresses, domains and everything below a domain.
func inList(a mailaddr.Address, list []string) bool {
	if a == "" {
		return false
	}
	for _, entry := range list {
		if strings.Contains(entry, "@") {
			if mailaddr.Address(entry).Key() == a.Key() {
				return true
			}
		} else if mailaddr.InDomains(a, []string{entry}) {
			return true
		}
	}
	return false
}

func intersect(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}

// routeFor is the first route that takes the recipient; nil when there is none.
func (r *Relay) routeFor(m *holdqueue.Message, to *holdqueue.Recipient) *route {
	for _, route := range r.routes {
		if r.takes(route, m, to) {
			return route
		}
	}
	return nil
}

// order is in which order the hosts are tried for one mail: by chance and weight, then the standbys, and last those
// that have just failed.
func (r *route) order() []*host {
	left := slices.Clone(r.hosts)
	var out []*host
	for len(left) > 0 {
		i := pick(left)
		out = append(out, left[i])
		left = slices.Delete(left, i, i+1)
	}
	slices.SortStableFunc(out, func(a, b *host) int { return rank(a) - rank(b) })
	return out
}

// pick draws one by weight.
func pick(of []*host) int {
	total := 0
	for _, h := range of {
		total += h.weight
	}
	if total == 0 {
		return 0
	}
	n := rand.IntN(total)
	for i, h := range of {
		if n -= h.weight; n < 0 {
			return i
		}
	}
	return 0
}

func rank(h *host) int {
	switch {
	case h.down() != nil:
		return 2
	case h.weight == 0:
		return 1
	}
	return 0
}
