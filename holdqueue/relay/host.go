package relay

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/sekisho-mail/sekisho/holdqueue"
)

// host is one server that we hand mail to, with the connections kept to it.
type host struct {
	relay    *Relay
	name     string // as reports and the log call it
	address  string // HOST:PORT, dialled
	mx       bool   // a recipients' server, found in DNS; else a smart host of ours
	security security
	login    *login // nil: nobody asks who we are
	lane     *lane
	weight   int // of a smart host; 0 is used when nobody else can be

	maxRecipients int // of one transaction

	mu      sync.Mutex
	idle    []*session
	used    time.Time
	pause   time.Duration // how long it is left alone after its last failure; 0 while it works
	until   time.Time
	failure *holdqueue.SendError
}

// session gives a connection on which a transaction can begin.
func (h *host) session(ctx context.Context) (*session, *holdqueue.SendError) {
	for s := h.takeIdle(); s != nil; s = h.takeIdle() {
		// A server that has said more than it was asked would answer each command with what belongs to another.
		if s.text.R.Buffered() == 0 && (s.clean && time.Since(s.used) < surelyAlive || s.reset(ctx) == nil) {
			return s, nil
		}
		s.close()
	}
	s, err := h.dial(ctx)
	if err == nil {
		h.works()
		return s, nil
	}
	failed := unready(err)
	if ctx.Err() == nil && !errors.Is(err, errOurself) {
		h.fails(failed)
	}
	return nil, failed
}

// surelyAlive is how long after a mail that was taken the server is believed to wait for another. Should it be gone all
// the same, MAIL finds out, and another connection is used.
const surelyAlive = 2 * time.Second

func (h *host) takeIdle() *session {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.used = time.Now()
	oldest := h.used.Add(-h.relay.o.Timeouts.Idle)
	for n := len(h.idle); n > 0; n = len(h.idle) {
		s := h.idle[n-1]
		h.idle = h.idle[:n-1]
		if s.used.After(oldest) {
			return s
		}
		s.close()
	}
	return nil
}

// maxSessionAge bounds one connection: a next hop behind a balancer is to notice that we are many mails, and a
// session key does not live for ever.
const maxSessionAge = 5 * time.Minute

func (h *host) keep(s *session) {
	s.mails++
	s.used = time.Now()
	if s.mails >= h.lane.mailsPerConnection || s.used.Sub(s.born) > maxSessionAge {
		s.close()
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.idle = append(h.idle, s)
}

// closeIdle closes connections last used before a time; the zero time closes all.
func (h *host) closeIdle(before time.Time) {
	h.mu.Lock()
	var old []*session
	kept := h.idle[:0]
	for _, s := range h.idle {
		if before.IsZero() || s.used.Before(before) {
			old = append(old, s)
		} else {
			kept = append(kept, s)
		}
	}
	h.idle = kept
	h.mu.Unlock()
	for _, s := range old {
		s.quit()
		s.close()
	}
}

// unused says whether nothing would be lost by forgetting the host.
func (h *host) unused(since time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.idle) == 0 && h.used.Before(since) && h.until.Before(time.Now())
}

// A host that could not be reached is left alone for a while, so that each mail does not find out anew.
const (
	firstPause = 15 * time.Second
	maxPause   = 5 * time.Minute
)

func (h *host) fails(why *holdqueue.SendError) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	if now.Before(h.until) {
		return // the others that were waiting for it at the time
	}
	h.pause = min(max(firstPause, 2*h.pause), maxPause)
	h.until, h.failure = now.Add(h.pause), why
}

func (h *host) works() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.pause, h.until, h.failure = 0, time.Time{}, nil
}

// down is why the host is being left alone at present; nil when it is not.
func (h *host) down() *holdqueue.SendError {
	h.mu.Lock()
	defer h.mu.Unlock()
	if time.Now().Before(h.until) {
		return h.failure
	}
	return nil
}

// count notes how TLS went with the host, in the words of RFC 8460.
func (h *host) count(result string) {
	if h.mx {
		h.relay.tls.note(h.security.domain, h.security.policy, h.security.name, result)
	}
}
