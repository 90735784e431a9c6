package relay

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/sekisho-mail/sekisho/holdqueue"
)

// leg is a mail on its way to those of its recipients that are reached in the same way. Nobody else touches their
// results.
type leg struct {
	*consignment
	route  *route
	domain string // of a route by MX

	open    []int                // recipients without a result, by index
	last    *holdqueue.SendError // why they have none
	refused int                  // hosts that said "later" to the mail as a whole
	utf8    bool                 // this SMTP transaction is asked for with SMTPUTF8
}

// finish writes down the result of some recipients.
func (l *leg) finish(of []int, with func(*holdqueue.Result)) (others bool) {
	of = slices.Clone(of)
	l.open = slices.DeleteFunc(l.open, func(i int) bool { return slices.Contains(of, i) })
	return l.consignment.finish(of, with)
}

func (l *leg) fail(of []int, err *holdqueue.SendError) {
	l.finish(of, func(r *holdqueue.Result) { r.Err = err })
}

// note remembers why a host did not take the mail. One that may take it later is worth more than one that never will.
func (l *leg) note(err *holdqueue.SendError) {
	if l.last == nil || err.Temporary || !l.last.Temporary {
		l.last = err
	}
}

const (
	// maxHosts is how many addresses are tried in one attempt, and maxRefusals how many servers may say "later" to it.
	maxHosts    = 6
	maxRefusals = 2
)

// travel tries one host after the other until everybody has a result.
func (l *leg) travel(ctx context.Context) {
	ways, failed := l.ways(ctx)
	if failed != nil {
		l.fail(l.open, failed)
		return
	}
	tried := 0
	for _, open := range ways {
		if l.over(ctx, tried) {
			break
		}
		hosts, failed := open(ctx)
		if failed != nil {
			l.note(failed)
		}
		for _, h := range hosts {
			if why := h.down(); why != nil && h.mx {
				l.note(why)
				continue
			}
			if l.over(ctx, tried) {
				break
			}
			tried++
			l.via(ctx, h)
		}
	}
	if len(l.open) > 0 && l.last == nil {
		l.note(broken("send the mail", context.Cause(ctx)))
	}
	l.fail(l.open, l.last)
}

// over says that no further host is to be tried in this attempt.
func (l *leg) over(ctx context.Context, tried int) bool {
	return len(l.open) == 0 || tried == maxHosts || l.refused == maxRefusals || ctx.Err() != nil
}

func (l *leg) ways(ctx context.Context) (ways []way, failed *holdqueue.SendError) {
	if l.route.MX {
		return l.relay.waysTo(ctx, l.domain, l.route.TLS)
	}
	for _, h := range l.route.order() {
		ways = append(ways, func(context.Context) ([]*host, *holdqueue.SendError) { return []*host{h}, nil })
	}
	return ways, nil
}

// patience is how long a worker waits for a connection to a stranger. To our own smart host it waits as long as it
// takes: there is nothing else it could do.
func (h *host) patience() time.Duration {
	if h.mx {
		return maxWait
	}
	return 0
}

// via tries one host. Whoever is open afterwards may be tried at the next one.
func (l *leg) via(ctx context.Context, h *host) {
	leave, again, err := h.lane.enter(ctx, h.patience())
	switch {
	case err != nil:
		l.note(broken("wait for a connection", err))
		return
	case again > 0:
		l.postpone(again)
		return
	}
	defer leave()
	for len(l.open) > 0 {
		s, err := h.session(ctx)
		if err != nil {
			l.note(err)
			return
		}
		if !l.transact(ctx, s) {
			return
		}
	}
}

// postpone puts off everybody who is open, spread a little so that they do not come back together.
func (l *leg) postpone(wait time.Duration) {
	wait += time.Duration(rand.Float64() * float64(wait) / 2)
	l.finish(l.open, func(r *holdqueue.Result) { r.Postponed = wait })
}

// transact makes one SMTP transaction on s and leaves s kept or closed. more says that this host is good for another.
func (l *leg) transact(ctx context.Context, s *session) (more bool) {
	for _, i := range l.open {
		l.results[i].Remote = s.host.name
	}
	t := &transaction{leg: l, session: s, stop: s.wire.abortWith(ctx)}
	keep, more := t.run(ctx)
	if t.stop(); keep && ctx.Err() == nil {
		s.host.keep(s)
	} else {
		s.close()
	}
	return more && ctx.Err() == nil
}
