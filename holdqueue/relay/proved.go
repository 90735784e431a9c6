package relay

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/mjl-/mox/mtasts"

	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// TLSProved says whether mail to a domain can only travel over TLS with a server that has proved to be the domain's,
// whoever writes it: by DANE or an enforced MTA-STS policy on a route by MX, or because the administrator vouches for
// a smart host. why is a sentence for the log and for administrators. It asks DNS and the policy host, and what they
// said is kept for minutes; when they do not answer, nothing is proved.
//
// It says what holds now. Delivery itself insists on the same policies at its own time.
func (r *Relay) TLSProved(ctx context.Context, domain string) (proved bool, why string) {
	domain = mailaddr.ASCIIDomain(domain)
	for _, route := range r.routes {
		some, all := route.reaches(domain)
		if !some {
			continue
		}
		ok, reason := r.routeProves(ctx, route, domain)
		if !ok {
			return false, reason
		}
		if why = reason; all {
			return true, why
		}
	}
	if why == "" {
		return false, "no route goes there"
	}
	return true, why
}

// reaches says whether some mail to a domain goes by this route, and whether none goes on to later ones.
func (r *route) reaches(domain string) (some, all bool) {
	all = len(r.Senders)+len(r.People)+len(r.Groups)+len(r.Sources)+len(r.Listeners) == 0
	if len(r.Recipients) == 0 || inList(mailaddr.Address("anybody@"+domain), r.Recipients) {
		return true, all
	}
	return slices.ContainsFunc(r.Recipients, func(entry string) bool { return mailaddr.Address(entry).Domain() == domain }), false
}

func (r *Relay) routeProves(ctx context.Context, route *route, domain string) (bool, string) {
	if route.MX {
		return r.domainProves(ctx, domain)
	}
	if !route.Proved {
		return false, "a smart host takes the mail, and TLS beyond it is not known"
	}
	for _, h := range route.hosts {
		if h.security.level != TLSRequired {
			return false, "the smart host " + h.name + " is spoken to without required TLS"
		}
	}
	return true, "route " + route.Name + " is configured as proved"
}

// domainProves looks at every exchanger: mail goes to whichever answers.
func (r *Relay) domainProves(ctx context.Context, domain string) (bool, string) {
	if _, ok := literalAddress(domain); ok {
		return false, "an address literal has no policy"
	}
	x, failed := r.exchangersOf(ctx, domain)
	if failed != nil {
		return false, failed.Text
	}
	policy := r.sts.of(ctx, domain)
	enforced := policy != nil && policy.Mode == mtasts.ModeEnforce
	by := map[string]bool{}
	for _, e := range x.list {
		switch {
		case x.secure && r.hasKeys(ctx, e.name):
			by["DANE"] = true
		case enforced:
			by["MTA-STS"] = true
		default:
			return false, fmt.Sprintf("%s publishes neither DANE nor an enforced MTA-STS policy for %s", domain, e.name)
		}
	}
	var names []string
	for _, name := range []string{"DANE", "MTA-STS"} {
		if by[name] {
			names = append(names, name)
		}
	}
	return true, domain + " by " + strings.Join(names, " and ")
}

// hasKeys says whether a server's key is published under DNSSEC in a form that we can check.
func (r *Relay) hasKeys(ctx context.Context, name string) bool {
	all, secure, alias, err := r.o.DNS.addresses(ctx, name)
	if err != nil || !secure || len(all) == 0 {
		return false
	}
	keys, err := r.keysOf(ctx, name, strings.TrimSuffix(alias, "."))
	return err == nil && keys.found && len(keys.records) > 0
}
