package relay

import (
	"time"

	"github.com/sekisho-mail/sekisho/holdqueue"
)

// pauses before the second, third ... attempt: soon at first, because most refusals are greylisting or a
// restart, then every three hours.
var pauses = [...]time.Duration{
	time.Minute, 3 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	time.Hour, time.Hour, 2 * time.Hour, 3 * time.Hour,
}

// Next says when to try again a mail first tried at first, and tries times so far. jitter, from -1 to 1,
// moves the pause by up to a fifth, so that what failed together does not come back together. The zero
// time gives up; the last attempt is made when the time is over, not before.
func Next(first, now time.Time, tries int, jitter float64) time.Time {
	end := first.Add(holdqueue.GiveUp)
	if !now.Before(end) {
		return time.Time{}
	}
	pause := pauses[min(max(tries, 1), len(pauses))-1]
	pause += time.Duration(max(-1, min(1, jitter)) * float64(pause) / 5)
	next := now.Add(pause)
	if next.After(end) {
		return end
	}
	return next
}
