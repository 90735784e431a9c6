package relay

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/miekg/dns"
	"github.com/mjl-/adns"
	"github.com/mjl-/mox/mtasts"

	"github.com/sekisho-mail/sekisho/holdqueue"
)

// exchanger is one mail exchanger of a domain.
type exchanger struct {
	name       string
	preference uint16
}

// exchangers are where a domain takes its mail, in the order to try.
type exchangers struct {
	list   []exchanger
	secure bool // DNSSEC vouches for the list
}

// maxExchangers bounds how much of a long list is looked at in one attempt.
const maxExchangers = 10

// exchangersOf reads a domain's MX records (RFC 5321 section 5.1).
func (r *Relay) exchangersOf(ctx context.Context, domain string) (*exchangers, *holdqueue.SendError) {
	f, err := r.o.DNS.look(ctx, domain, dns.TypeMX)
	switch {
	case err != nil:
		return nil, ours("4.4.3", "%v", err)
	case !f.exists:
		return nil, ours("5.1.2", "the domain %s does not exist", domain)
	}
	out := &exchangers{secure: f.secure}
	null := false
	for _, rr := range f.records {
		mx, ok := rr.(*dns.MX)
		if name := strings.TrimSuffix(strings.ToLower(mx.Mx), "."); ok && name != "" {
			out.list = append(out.list, exchanger{name, mx.Preference})
		} else if ok {
			null = true
		}
	}
	switch {
	case len(out.list) == 0 && null:
		return nil, permanent(556, "5.1.10", "the domain "+domain+" takes no mail (null MX)") // RFC 7505
	case len(out.list) == 0:
		out.list = []exchanger{{name: strings.TrimSuffix(f.name, ".")}} // the domain itself
	}
	rand.Shuffle(len(out.list), func(i, j int) { out.list[i], out.list[j] = out.list[j], out.list[i] })
	slices.SortStableFunc(out.list, func(a, b exchanger) int { return int(a.preference) - int(b.preference) })
	return r.beforeUs(ctx, domain, out)
}

// beforeUs leaves out ourselves and everybody behind us: we are an exchanger of the domain, and mail for it comes round
// to us again if we give it to one that passes it on (RFC 5321 section 5.1).
func (r *Relay) beforeUs(ctx context.Context, domain string, x *exchangers) (*exchangers, *holdqueue.SendError) {
	for i, e := range x.list {
		if !r.isUs(ctx, e.name) {
			continue
		}
		for i > 0 && x.list[i-1].preference == e.preference {
			i--
		}
		if x.list = x.list[:i]; i == 0 {
			return nil, ours("5.4.6", "mail for %s would come back to us: its MX record points here", domain)
		}
		break
	}
	if len(x.list) > maxExchangers {
		x.list = x.list[:maxExchangers]
	}
	return x, nil
}

func (r *Relay) isUs(ctx context.Context, name string) bool {
	if strings.EqualFold(name, r.o.Hostname) {
		return true
	}
	if r.o.Ours == nil {
		return false
	}
	all, _, _, err := r.o.DNS.addresses(ctx, name)
	return err == nil && slices.ContainsFunc(all, r.o.Ours)
}

// errOurself is a server that answers EHLO with our own name.
var errOurself = errors.New("the server is ourselves: mail would go in a circle")

// way opens one possibility to hand mail over, when its turn has come: the hosts behind it, or why there are none.
type way func(ctx context.Context) ([]*host, *holdqueue.SendError)

// waysTo are the exchangers of a domain as possibilities.
func (r *Relay) waysTo(ctx context.Context, domain string, level TLS) ([]way, *holdqueue.SendError) {
	if literal, ok := literalAddress(domain); ok {
		return []way{func(context.Context) ([]*host, *holdqueue.SendError) {
			return r.hostsAt(domain, security{level: level, name: literal.String(), policy: policyNone, domain: domain}, []netip.Addr{literal})
		}}, nil
	}
	x, failed := r.exchangersOf(ctx, domain)
	if failed != nil {
		return nil, failed
	}
	policy := r.sts.of(ctx, domain)
	var ways []way
	for _, e := range x.list {
		ways = append(ways, func(ctx context.Context) ([]*host, *holdqueue.SendError) {
			return r.hostsOf(ctx, domain, e.name, x.secure, policy, level)
		})
	}
	return ways, nil
}

func literalAddress(domain string) (netip.Addr, bool) {
	inner, ok := strings.CutPrefix(domain, "[")
	if !ok {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(strings.TrimPrefix(strings.TrimSuffix(inner, "]"), "ipv6:"))
	return a, err == nil
}

// hostsOf are the addresses of one exchanger, each with the protection that the domain asks for.
func (r *Relay) hostsOf(ctx context.Context, domain, name string, secureMX bool, policy *mtasts.Policy, level TLS) ([]*host, *holdqueue.SendError) {
	all, secure, alias, err := r.o.DNS.addresses(ctx, name)
	switch {
	case err != nil:
		return nil, ours("4.4.3", "%v", err)
	case len(all) == 0:
		return nil, ours("4.4.4", "the mail server %s of %s has no address", name, domain)
	}
	sec := security{level: level, name: name, roots: r.o.Roots, policy: policyNone, domain: domain}
	keys := tlsaState{}
	if secureMX && secure {
		if keys, err = r.keysOf(ctx, name, strings.TrimSuffix(alias, ".")); err != nil {
			// RFC 7672 section 2.1.2: whoever can keep the records from us must not get the mail.
			r.tls.note(domain, policyTLSA, name, "dnssec-invalid")
			return nil, ours("4.7.5", "the TLSA records of %s cannot be read: %v", name, err)
		}
	}
	enforced := policy != nil && policy.Mode == mtasts.ModeEnforce
	switch {
	case keys.found && (len(keys.records) > 0 || !enforced):
		sec.level, sec.policy, sec.name = TLSRequired, policyTLSA, keys.base
		sec.records, sec.blind = keys.records, len(keys.records) == 0
		sec.names = []string{name, domain}
	case policy != nil && policy.Mode != mtasts.ModeNone:
		sec.policy = policySTS
		listed := stsAllows(policy, name)
		switch {
		case policy.Mode == mtasts.ModeTesting:
			sec.testing = true
		case !listed:
			r.tls.note(domain, policySTS, name, "validation-failure")
			return nil, ours("4.7.5", "%s is no mail server of %s by its MTA-STS policy", name, domain)
		default:
			sec.level = TLSRequired
		}
	}
	return r.hostsAt(domain, sec, all)
}

// hostsAt gives the hosts at addresses, with the connections kept to them.
func (r *Relay) hostsAt(domain string, sec security, at []netip.Addr) ([]*host, *holdqueue.SendError) {
	var out []*host
	for _, a := range at {
		if !r.mayReach(a) {
			continue
		}
		out = append(out, r.hostAt(domain, sec, a))
	}
	if len(out) == 0 {
		return nil, ours("5.4.4", "the mail server %s has only addresses that are nobody's on the internet", sec.name)
	}
	return out, nil
}

func (r *Relay) hostAt(domain string, sec security, a netip.Addr) *host {
	address := net.JoinHostPort(a.String(), "25")
	r.mu.Lock()
	defer r.mu.Unlock()
	key := address + " " + sec.key()
	if h, ok := r.found[key]; ok {
		h.mu.Lock()
		h.used = time.Now()
		h.mu.Unlock()
		h.lane.used = h.used
		return h
	}
	pace, called := r.paceOf(mxPace, sec.name, domain)
	if called == "" {
		called = domain
	}
	l, ok := r.lanes[called]
	if !ok {
		l = newLane(pace)
		r.lanes[called] = l
	}
	l.used = time.Now()
	h := &host{relay: r, name: sec.name, address: address, mx: true, security: sec, lane: l, used: time.Now(), maxRecipients: pace.Recipients}
	r.found[key] = h
	return h
}

// mayReach refuses addresses that no stranger's mail server can have: a recipient's domain must not make us speak to
// machines of our own network.
func (r *Relay) mayReach(a netip.Addr) bool {
	a = a.Unmap()
	for _, p := range r.o.AllowPrivate {
		if p.Contains(a) {
			return true
		}
	}
	return a.IsGlobalUnicast() && !a.IsPrivate() && !slices.ContainsFunc(reserved(), func(p netip.Prefix) bool { return p.Contains(a) })
}

// reserved are networks beyond those the standard library knows (RFC 6890): shared address space of carriers, this
// network, benchmarks, protocol assignments, and IPv4 addresses in other clothes.
func reserved() []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
		netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("240.0.0.0/4"),
		netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("fec0::/10"),
	}
}

// refusePrivate looks once more at what is really being dialled.
func (r *Relay) refusePrivate(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil || !r.mayReach(at.Addr()) {
		return fmt.Errorf("%s is no address of a public mail server", address)
	}
	return nil
}

// tlsaState is what DNS says about the keys of a server.
type tlsaState struct {
	found   bool // there are records, by DNSSEC: TLS is a must
	base    string
	records []adns.TLSA // that SMTP may use (RFC 7672 section 3.1); none of several found means any certificate
}

// keysOf reads the TLSA records of a server: at the end of its aliases, else at its own name.
func (r *Relay) keysOf(ctx context.Context, name, alias string) (tlsaState, error) {
	for _, base := range slices.Compact([]string{alias, name}) {
		f, err := r.o.DNS.look(ctx, "_25._tcp."+base, dns.TypeTLSA)
		if err != nil {
			return tlsaState{}, err
		}
		if !f.secure || len(f.records) == 0 {
			continue
		}
		s := tlsaState{found: true, base: base}
		for _, rr := range f.records {
			if t, ok := rr.(*dns.TLSA); ok && (t.Usage == 2 || t.Usage == 3) && t.Selector <= 1 && t.MatchingType <= 2 {
				if data, err := hex.DecodeString(t.Certificate); err == nil {
					s.records = append(s.records, adns.TLSA{Usage: adns.TLSAUsage(t.Usage), Selector: adns.TLSASelector(t.Selector),
						MatchType: adns.TLSAMatchType(t.MatchingType), CertAssoc: data})
				}
			}
		}
		return s, nil
	}
	return tlsaState{}, nil
}
