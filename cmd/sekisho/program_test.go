package main

import (
	"slices"
	"strings"
	"testing"
)

// TestOnlyWhatStandsInTheFileIsDropped: a page that was written to, as those are where a loader has put addresses, would
// come back without what was written.
func TestOnlyWhatStandsInTheFileIsDropped(t *testing.T) {
	const smaps = `00400000-00401000 r--p 00000000 fe:00 1                           /usr/bin/sekisho
Rss:                   4 kB
Private_Dirty:         0 kB
VmFlags: rd mr mw me sd
00401000-018f9000 r-xp 00001000 fe:00 1                           /usr/bin/sekisho
Private_Dirty:         0 kB
02e8e000-02e94000 r--p 02a8e000 fe:00 1                           /usr/bin/sekisho
Private_Dirty:         8 kB
02e94000-03557000 rw-p 02a94000 fe:00 1                           /usr/bin/sekisho
Private_Dirty:         0 kB
7f0000000000-7f0000001000 r-xp 00000000 fe:00 2                   /usr/lib/libc.so.6
Private_Dirty:         0 kB
7f0000002000-7f0000003000 r-xp 00000000 00:00 0
Private_Dirty:         0 kB
`
	want := []mapping{{0x400000, 0x401000}, {0x401000, 0x18f9000}}
	if got := untouched(strings.NewReader(smaps), "/usr/bin/sekisho"); !slices.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
	dropProgram() // and whoever runs this goes on
}
