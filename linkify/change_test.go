package linkify

import (
	"errors"
	"testing"
	"time"
)

// Every transition from every state: a revoked link never comes back, an expired one only when somebody
// extends it, and an inactive one answers to nobody.
func TestTransitions(t *testing.T) {
	now := start(t)
	later, before := now.Add(48*time.Hour), now.Add(-48*time.Hour)
	link := func(s State, expires, activated time.Time) row {
		return row{state: s, expires: expires, activated: activated}
	}
	for _, c := range []struct {
		name                              string
		row                               row
		activate, revoke, expire, extends bool
		after                             State // after extend
	}{
		{"inactive", link(Inactive, later, time.Time{}), true, true, false, true, Inactive},
		{"inactive, over", link(Inactive, before, time.Time{}), true, true, true, true, Inactive},
		{"active", link(Active, later, before), false, true, false, true, Active},
		{"active, over", link(Active, before, before), false, true, true, true, Active},
		{"revoked", link(Revoked, later, before), false, false, false, false, Revoked},
		{"expired", link(Expired, before, before), false, false, false, true, Active},
		{"expired, never sent", link(Expired, before, time.Time{}), false, false, false, true, Inactive},
		{"expired, clock jumped back", link(Expired, later, before), false, false, false, true, Active},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := c.row
			if got := r.activate(now); got != c.activate {
				t.Errorf("activate: %v", got)
			}
			r = c.row
			if got := r.revoke(now, ByPerson, System); got != c.revoke || got != (r.state == Revoked && c.row.state != Revoked) {
				t.Errorf("revoke: %v, %s", got, r.state)
			}
			r = c.row
			if got := r.expire(now); got != c.expire {
				t.Errorf("expire: %v", got)
			}
			r = c.row
			if err := r.extend(now.Add(72*time.Hour), now); (err == nil) != c.extends || r.state != c.after {
				t.Errorf("extend: %v, %s", err, r.state)
			}
		})
	}
}

func TestExtendIsBounded(t *testing.T) {
	now := start(t)
	for _, until := range []time.Time{now, now.Add(-time.Hour), now.Add(95 * 24 * time.Hour)} {
		r := row{state: Active, expires: now.Add(time.Hour)}
		if err := r.extend(until, now); !errors.Is(err, ErrTooLong) {
			t.Errorf("until %s: %v", until, err)
		}
	}
}

func TestALinkAnswersThroughItsLastSecond(t *testing.T) {
	end := lastMinute(start(t), 0, tokyo(t))
	r := row{state: Active, expires: end}
	if got := r.stateAt(end.Add(999 * time.Millisecond)); got != Active {
		t.Errorf("in its last second: %s", got)
	}
	if got := r.stateAt(end.Add(time.Second)); got != Expired {
		t.Errorf("at midnight: %s", got)
	}
}
