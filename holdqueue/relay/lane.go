package relay

import (
	"context"
	"time"

	"golang.org/x/time/rate"
)

// lane is how much may go to one destination at a time: a smart host, a recipients' domain, or everybody behind the
// same provider.
type lane struct {
	slots              chan struct{}
	pace               *rate.Limiter // of transactions; nil for none
	mailsPerConnection int

	used time.Time // under Relay.mu
}

func newLane(p Pace) *lane {
	l := &lane{slots: make(chan struct{}, p.Connections), mailsPerConnection: p.MailsPerConnection}
	if p.PerMinute > 0 {
		l.pace = rate.NewLimiter(rate.Limit(float64(p.PerMinute)/60), max(1, p.PerMinute/6))
	}
	return l
}

// enter waits for a place. It gives up after patience (0: when ctx ends) and says how long to wait before coming
// again: a worker that stands in a queue here could carry somebody else's mail meanwhile.
func (l *lane) enter(ctx context.Context, patience time.Duration) (leave func(), again time.Duration, err error) {
	if patience > 0 {
		limited, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		select {
		case l.slots <- struct{}{}:
		case <-limited.Done():
			return nil, busyPause, ctx.Err()
		}
	} else {
		select {
		case l.slots <- struct{}{}:
		case <-ctx.Done():
			return nil, 0, ctx.Err()
		}
	}
	leave = func() { <-l.slots }
	if again, err = l.keepPace(ctx); again > 0 || err != nil {
		leave()
		return nil, again, err
	}
	return leave, 0, nil
}

const (
	// busyPause is when to come again to a destination with as many connections as it may have.
	busyPause = 10 * time.Second
	// maxWait is how long a worker waits for its turn rather than coming again.
	maxWait = 2 * time.Second
)

// keepPace waits until the next transaction may begin, or says when to come again.
func (l *lane) keepPace(ctx context.Context) (again time.Duration, err error) {
	if l.pace == nil {
		return 0, nil
	}
	turn := l.pace.Reserve()
	wait := turn.Delay()
	if wait == 0 {
		return 0, nil
	}
	if wait > maxWait {
		turn.Cancel()
		return wait, nil
	}
	select {
	case <-time.After(wait):
		return 0, nil
	case <-ctx.Done():
		turn.Cancel()
		return 0, ctx.Err()
	}
}
