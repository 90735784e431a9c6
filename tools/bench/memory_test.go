//go:build bench

package bench

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/internal/gauge"
)

// resident is a figure of /proc/PID/status in MB: VmRSS now, VmHWM at most so far.
func resident(t *testing.T, pid int, name string) float64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == name+":" {
			kb, err := strconv.ParseFloat(f[1], 64)
			if err != nil {
				t.Fatal(err)
			}
			return kb / 1024
		}
	}
	t.Fatalf("no %s of %d", name, pid)
	return 0
}

// cpu is the processor time of a process so far, in milliseconds.
func cpu(t *testing.T, pid int) float64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	var ticks float64 // of 10 ms
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	for _, f := range fields[11:13] {
		n, err := strconv.ParseFloat(f, 64)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return ticks * 10
}

// TestMemory is what the service takes when nothing happens, and when fifty people send 25 MB each at once.
func TestMemory(t *testing.T) {
	us := sekisho(t, setup{})
	idle := resident(t, us.pid, "VmRSS")
	for range 30 { // the lowest of half a minute: after the start it prepares for reading PDF
		time.Sleep(time.Second)
		idle = min(idle, resident(t, us.pid, "VmRSS"))
	}
	title("memory (MB)")
	fmt.Printf("%-46s %8.0f  %s\n", "idle", idle, stay(t, "memory, idle", "MB", idle, 60))
	r := run(t, &gauge.Client{Address: us.gateway}, load{size: 25 << 20, sessions: 50, messages: 50})
	peak := resident(t, us.pid, "VmHWM")
	fmt.Printf("%-46s %8.0f  %s\n", "50 sessions sending 25 MB each (peak)", peak, stay(t, "memory, 50 sessions sending 25 MB each", "MB", peak, 300))
	time.Sleep(5 * time.Second)
	fmt.Printf("%-46s %8.0f\n", "peak after some of them are inspected", resident(t, us.pid, "VmHWM"))
	fmt.Printf("%-46s %8.1f\n", "MB taken a second", 25*r.Rate)
}
