package story

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// TestPoisonIsHeldAndTheRestFlows: a mail whose inspection takes the whole service with it each time, and one whose
// inspection panics each time, are held for the administrators. Other mail leaves.
func TestPoisonIsHeldAndTheRestFlows(t *testing.T) {
	t.Parallel()
	for _, action := range []string{"kill", "panic"} {
		t.Run(action, func(t *testing.T) {
			t.Parallel()
			hop := newRecorder(t)
			c := &crossing{house: found(t, settings{fails: true, policy: askAndLink, hop: hop})}
			admin := c.as("admin")
			c.order("inspect.opened", "hang")
			bad := c.handOver("plain", padding(3000))
			c.order("inspect.opened", action+" "+bad.id)
			good := c.handOver("plain", padding(4000))
			c.survive("the other mail has left", func() error {
				if !slices.ContainsFunc(c.arrivals(good.to[0]), func(d delivery) bool { return identical(good.raw, d.raw) == nil }) {
					return fmt.Errorf("it has not")
				}
				return nil
			})
			var v mailView
			c.survive("the mail is held", func() error {
				if action == "panic" {
					c.advance(time.Second) // the pause before the next look
				}
				if err := admin.api("messages/"+bad.id, &v); err != nil {
					return err
				}
				return inState(v, nil, []string{"held"})
			})
			if !v.because("could not be inspected") && !v.because("確認できなかった") {
				t.Errorf("held: %s", v)
			}
			if want := map[string]int{"kill": 3}[action]; c.deaths != want {
				t.Errorf("the service died %d times", c.deaths)
			}
			if n := len(c.arrivals(good.to[0])); n != 1 {
				t.Errorf("%d mails came", n)
			}
		})
	}
}
