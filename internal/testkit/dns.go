package testkit

import (
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"
)

// Zone is a DNS server that knows what it is told, as a resolver would that had looked it up. It says AD for names below
// a secure one.
type Zone struct {
	Address string

	mu      sync.Mutex
	records map[string][]dns.RR
	secure  []string
	broken  map[string]bool
	asked   map[string]int
}

// DNS starts a server with records in the form of a zone file: "corp.example. 60 IN MX 10 mx.corp.example."
func DNS(t testing.TB, records ...string) *Zone {
	t.Helper()
	z := &Zone{records: map[string][]dns.RR{}, broken: map[string]bool{}, asked: map[string]int{}}
	z.Add(t, records...)
	z.Address = FreeAddress(t) // a port the kernel gives for UDP may be taken for TCP
	packets, err := net.ListenPacket("udp", z.Address)
	if err != nil {
		t.Fatal(err)
	}
	streams, err := net.Listen("tcp", z.Address)
	if err != nil {
		t.Fatal(err)
	}
	for _, server := range []*dns.Server{{PacketConn: packets, Handler: z}, {Listener: streams, Handler: z}} {
		ended := make(chan error, 1)
		begun := make(chan struct{})
		server.NotifyStartedFunc = func() { close(begun) }
		go func() { ended <- server.ActivateAndServe() }()
		<-begun
		t.Cleanup(func() {
			server.Shutdown()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
	return z
}

// Add teaches the server more.
func (z *Zone) Add(t testing.TB, records ...string) {
	t.Helper()
	z.mu.Lock()
	defer z.mu.Unlock()
	for _, text := range records {
		rr, err := dns.NewRR(text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		name := strings.ToLower(rr.Header().Name)
		z.records[name] = append(z.records[name], rr)
	}
}

// Forget makes a name unknown.
func (z *Zone) Forget(name string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	delete(z.records, dns.Fqdn(name))
}

// Secure makes answers about a name, and everything below it, authentic.
func (z *Zone) Secure(name string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.secure = append(z.secure, dns.Fqdn(name))
}

// Break makes the server fail for a name, as for one whose signatures are false.
func (z *Zone) Break(name string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.broken[dns.Fqdn(name)] = true
}

// Mend undoes Break.
func (z *Zone) Mend(name string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	delete(z.broken, dns.Fqdn(name))
}

// Asked is how often a name was asked for.
func (z *Zone) Asked(name string) int {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.asked[dns.Fqdn(name)]
}

// ServeDNS answers one question.
func (z *Zone) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	answer := new(dns.Msg)
	answer.SetReply(q)
	answer.RecursionAvailable = true
	z.fill(answer, strings.ToLower(q.Question[0].Name), q.Question[0].Qtype)
	if w.LocalAddr().Network() == "udp" {
		size := dns.MinMsgSize
		if e := q.IsEdns0(); e != nil {
			size = int(e.UDPSize())
		}
		answer.Truncate(size)
	}
	_ = w.WriteMsg(answer) // whoever has gone asks again
}

func (z *Zone) fill(answer *dns.Msg, name string, kind uint16) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.asked[name]++
	if z.broken[name] {
		answer.Rcode = dns.RcodeServerFailure
		return
	}
	answer.AuthenticatedData = len(z.secure) > 0
	for range 5 {
		answer.AuthenticatedData = answer.AuthenticatedData && z.below(name)
		all, known := z.records[name]
		if !known && name != "." {
			answer.Rcode = dns.RcodeNameError
		}
		alias := ""
		for _, rr := range all {
			if c, ok := rr.(*dns.CNAME); ok && kind != dns.TypeCNAME {
				alias = strings.ToLower(c.Target)
				answer.Answer = append(answer.Answer, rr)
			} else if rr.Header().Rrtype == kind {
				answer.Answer = append(answer.Answer, rr)
			}
		}
		if alias == "" {
			return
		}
		name = alias
	}
}

func (z *Zone) below(name string) bool {
	for _, s := range z.secure {
		if dns.IsSubDomain(s, name) {
			return true
		}
	}
	return false
}
