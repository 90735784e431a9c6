package main

import (
	"os"
	"runtime"
	"runtime/debug"
)

const (
	// garbage is how many percent of what is in use may be waste before it is collected. A mail leaves some 60 KB
	// behind and the service itself is small, so that Go's 100 would collect sixteen times a second under load.
	garbage = 300
	// headroom is how many octets more than what the service keeps at rest it may take before waste is collected
	// sooner: fifty uploads at once must not become what a small machine swaps out.
	headroom = 128 << 20
)

// tuneMemory sets how eagerly memory is collected, by what is in use now: dictionaries may be large. What the
// administrator has set in the environment (GOGC, GOMEMLIMIT) stands.
func tuneMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		debug.SetMemoryLimit(int64(m.HeapAlloc) + headroom)
	}
	debug.FreeOSMemory()
	dropProgram()
}
