//go:build !failpoint

// Package failpoint names the places between two steps of a mail's way, so that tests can let the program die at
// each of them. It knows no package of ours.
//
// In an ordinary build its functions are empty and nothing of them is left in the program. With the build tag
// "failpoint" the program obeys the files of the directory SEKISHO_FAILPOINTS: a file named like a point says what
// happens to whoever comes by, and the file "clock" moves the clock by a duration such as 25s or -9h.
package failpoint

import "time"

// On says whether this is a program that can be made to fail.
const On = false

// At is a point between two steps, about a thing with an id if there is one.
func At(name string, about ...string) {}

// Now is the time, moved by the file "clock".
func Now() time.Time { return time.Now() }
