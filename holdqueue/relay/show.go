package relay

import (
	"context"
	"fmt"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// Shown is the way that mail to an address would take now.
type Shown struct {
	Route     string   `json:"route"`
	Hosts     []string `json:"hosts"`
	Error     string   `json:"error,omitempty"`
	TLSProved bool     `json:"tls_proved"`
	Why       string   `json:"why"`
}

// Show finds the way without connecting to anybody but DNS and policy hosts.
func (r *Relay) Show(ctx context.Context, from, to mailaddr.Address) Shown {
	out := Shown{Route: "none"}
	out.TLSProved, out.Why = r.TLSProved(ctx, to.Domain())
	route := r.routeFor(&holdqueue.Message{Origin: holdqueue.FromPerson, Person: from, MailFrom: from}, &holdqueue.Recipient{Address: to})
	if route == nil {
		out.Error = "no route takes it"
		return out
	}
	if out.Route = route.Name; out.Route == "" {
		out.Route = "relay"
	}
	for _, h := range route.hosts {
		out.Hosts = append(out.Hosts, fmt.Sprintf("%s (TLS %s, weight %d)", h.address, h.security.level, h.weight))
	}
	if !route.MX {
		return out
	}
	ways, failed := r.waysTo(ctx, to.Domain(), route.TLS)
	if failed != nil {
		out.Error = failed.Error()
	}
	for _, open := range ways {
		hosts, failed := open(ctx)
		if failed != nil {
			out.Error = failed.Error()
		}
		for _, h := range hosts {
			out.Hosts = append(out.Hosts, fmt.Sprintf("%s [%s] (TLS %s, policy %s)", h.name, h.address, h.security.level, h.security.policy))
		}
	}
	return out
}
