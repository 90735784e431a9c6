//go:build bench

package bench

import (
	"fmt"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/internal/testkit"
)

// slowDisk lets every fsync take five milliseconds longer, of whatever process it starts, and stops at no other system
// call. The program itself stays the child, so that signals reach it.
func slowDisk(t *testing.T) []string {
	return []string{testkit.Need(t, "strace", "strace"), "-D", "-f", "--seccomp-bpf", "-qqq", "-o", "/dev/null",
		"-e", "trace=fsync,fdatasync,sync_file_range,msync", "-e", "inject=fsync,fdatasync:delay_exit=5000"}
}

// TestSlowDisk is the accept table on a disk of the field: 1 to 5 ms per fsync are usual there.
func TestSlowDisk(t *testing.T) {
	testkit.Need(t, "smtp-source", "postfix")
	shim := slowDisk(t)
	us, least := sekisho(t, setup{shim: shim}), bare(t, shim...)
	them := testkit.PostfixBehind(t, shim, open([]string{"smtpd_end_of_data_restrictions = check_client_access static:HOLD"})...)
	l := load{size: 4096, sessions: 50, messages: messages(3000)}
	title("durable accept, each fsync 5 ms slower (strace, the same for all), %d octets, %d sessions (messages per second)", l.size, l.sessions)
	figures := inTurns(t, func() float64 { return source(t, us.gateway, l) }, func() float64 { return source(t, them.Address, l) },
		func() float64 { return source(t, least, l) })
	r := ratio(figures[0], figures[1])
	fmt.Printf("%10s %10s %10s %9s\n%10.0f %10.0f %10.0f %8.2fx %s\n", "sekisho", "postfix", "bare", "/postfix",
		median(figures[0]), median(figures[1]), median(figures[2]), r, reach(t, "each fsync 5 ms slower, "+l.String()+", against Postfix", r, 3))
	one := load{size: 4096, sessions: 1, messages: 50}
	if each := time.Duration(float64(time.Second) / source(t, us.gateway, one)); each < 5*time.Millisecond {
		t.Errorf("a message takes %v: the disk was not slower", each)
	}
}
