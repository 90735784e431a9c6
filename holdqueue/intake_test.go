package holdqueue

import (
	"testing"
	"testing/synctest"
	"time"
)

// take writes a mail for a while.
func (i *intake) take(d time.Duration) {
	i.begin()
	time.Sleep(d)
	i.end()
}

func TestInspectionYieldsWhileMailPoursIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var i intake
		for range 10 { // ten mails a second are no flood
			i.take(2 * time.Millisecond)
			if got := i.share(16); got != 16 {
				t.Fatalf("%d of 16 workers in ordinary times", got)
			}
			time.Sleep(98 * time.Millisecond)
		}
		claimed := 0
		for n := range 2100 { // two seconds of one mail after the other, when that has been seen
			i.take(600 * time.Microsecond)
			time.Sleep(400 * time.Microsecond)
			if n >= 100 {
				claimed += i.share(16)
			}
		}
		if claimed < 100 || claimed > 300 {
			t.Errorf("%d mails were inspected in two seconds of a flood", claimed)
		}
		time.Sleep(3 * window)
		if got := i.share(16); got != 16 {
			t.Errorf("%d of 16 workers after the flood", got)
		}
	})
}

func TestAMailDoesNotWaitForEverBehindAFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var i intake
		i.begin() // a client waits all the time
		time.Sleep(time.Second)
		if got := i.share(16); got > turnMails {
			t.Errorf("%d workers while mail pours in", got)
		}
		i.waited(patience)
		if got := i.share(16); got != 16 {
			t.Errorf("%d workers though a mail has waited for long enough", got)
		}
		time.Sleep(2 * time.Second)
		i.waited(time.Second)
		i.share(16)
		if got := i.share(16); got != 0 {
			t.Errorf("%d workers when those that had waited are through", got)
		}
	})
}
