//go:build bench

package bench

import (
	"fmt"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/internal/testkit"
)

// TestEndToEnd sends mail to colleagues, which leaves at once: taken, inspected by the factory policy, released and
// handed to the next hop, beside Postfix, which looks at nothing.
func TestEndToEnd(t *testing.T) {
	testkit.Need(t, "smtp-source", "postfix")
	hop := newSink(t, 0)
	us := sekisho(t, setup{relay: hop.Address})
	them := testkit.Postfix(t, open([]string{"relayhost = [" + host(hop.Address) + "]:" + port(hop.Address), "virtual_mailbox_domains =",
		"smtpd_recipient_restrictions = permit_mynetworks, reject", "smtp_tls_security_level = none"})...)
	l := load{size: 4096, sessions: 50, messages: messages(5000), to: "x@corp.example"}
	measure := func(address string) func() float64 {
		return func() float64 {
			before, began := hop.Taken(), time.Now()
			source(t, address, l)
			if err := hop.Await(t.Context(), before, int64(l.messages)); err != nil {
				t.Fatal(err)
			}
			return float64(l.messages) / time.Since(began).Seconds()
		}
	}
	figures := inTurns(t, measure(us.gateway), measure(them.Address))
	title("end to end to a sink, %d octets, %d sessions: taken, inspected, released, relayed; Postfix relays without a look (messages per second)", l.size, l.sessions)
	fmt.Printf("%10s %10s %7s %22s\n", "sekisho", "postfix", "ratio", "our CPU, ms a message")
	r := ratio(figures[0], figures[1])
	fmt.Printf("%10.0f %10.0f %6.2fx %22.2f  %s\n", median(figures[0]), median(figures[1]), r, cpu(t, us.pid)/float64(l.messages**rounds),
		reach(t, "end to end with inspection, against Postfix without, "+l.String(), r, 3))
}
