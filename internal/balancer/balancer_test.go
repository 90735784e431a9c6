package balancer

import (
	"bufio"
	"bytes"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"
)

// written is a log that several connections write.
type written struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (w *written) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

func (w *written) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// behind is a listener that believes the balancers, and answers with the address it sees and what it reads.
func behind(t *testing.T, from ...string) (at string, log *written) {
	t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var prefixes []netip.Prefix
	for _, f := range from {
		prefixes = append(prefixes, netip.MustParsePrefix(f))
	}
	log = &written{}
	l := Listen(inner, prefixes, slog.New(slog.NewTextHandler(log, nil)))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				said, err := bufio.NewReader(c).ReadString('\n')
				if err == nil {
					host, _, _ := net.SplitHostPort(c.RemoteAddr().String())
					io.WriteString(c, host+" said "+said)
				}
			}()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-ended
	})
	return inner.Addr().String(), log
}

// says sends octets and gives the answer, "" for a connection that is closed without one.
func says(t *testing.T, at string, octets []byte) string {
	t.Helper()
	c, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	c.Write(octets)
	answer, _ := bufio.NewReader(c).ReadString('\n')
	return answer
}

func headerOf(t *testing.T, version byte, client string) []byte {
	t.Helper()
	h := proxyproto.HeaderProxyFromAddrs(version, net.TCPAddrFromAddrPort(netip.MustParseAddrPort(client)), net.TCPAddrFromAddrPort(netip.MustParseAddrPort("[2001:db8::1]:25")))
	if !strings.HasPrefix(client, "[") {
		h = proxyproto.HeaderProxyFromAddrs(version, net.TCPAddrFromAddrPort(netip.MustParseAddrPort(client)), &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 25})
	}
	raw, err := h.Format()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestListedBalancersAreBelievedAndOthersAreThemselves(t *testing.T) {
	at, _ := behind(t, "127.0.0.0/8")
	for _, version := range []byte{1, 2} {
		for _, client := range []string{"198.51.100.7", "2001:db8::7"} {
			address := netip.AddrPortFrom(netip.MustParseAddr(client), 4711).String()
			if got := says(t, at, append(headerOf(t, version, address), "hello\n"...)); got != client+" said hello\n" {
				t.Errorf("version %d, %s: %q", version, client, got)
			}
		}
	}
	// The balancer itself looks whether we live.
	if got := says(t, at, []byte("PROXY UNKNOWN\r\nhello\n")); got != "127.0.0.1 said hello\n" {
		t.Errorf("UNKNOWN: %q", got)
	}
	local := []byte("\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00hello\n")
	if got := says(t, at, local); got != "127.0.0.1 said hello\n" {
		t.Errorf("LOCAL: %q", got)
	}
	other, _ := behind(t, "192.0.2.0/24")
	forged := append(headerOf(t, 1, "198.51.100.7:1"), "hello\n"...)
	if got := says(t, other, forged); !strings.HasPrefix(got, "127.0.0.1 said PROXY") {
		t.Errorf("a stranger's header was believed: %q", got)
	}
	if got := says(t, other, []byte("hello\n")); got != "127.0.0.1 said hello\n" {
		t.Errorf("%q", got)
	}
}

func TestABalancerWithoutAHeaderIsRefused(t *testing.T) {
	at, log := behind(t, "127.0.0.0/8")
	for name, octets := range map[string][]byte{
		"none":       []byte("EHLO client.example\r\n"),
		"half":       []byte("PROXY TCP4 198.51.100.7\r\n"),
		"endless":    append([]byte("PROXY TCP4 "), bytes.Repeat([]byte("1"), 100_000)...),
		"datagrams":  []byte("\r\n\r\n\x00\r\nQUIT\n\x21\x12\x00\x0c\xc6\x33\x64\x07\xc0\x00\x02\x01\x00\x01\x00\x19hello\n"),
		"a socket":   append([]byte("\r\n\r\n\x00\r\nQUIT\n\x21\x31\x00\xd8"), make([]byte, 216+6)...),
		"huge":       append([]byte("\r\n\r\n\x00\r\nQUIT\n\x21\x11\xff\xff"), make([]byte, 70_000)...),
		"wrong kind": []byte("\r\n\r\n\x00\r\nQUIT\n\x21\x13\x00\x0c\xc6\x33\x64\x07\xc0\x00\x02\x01\x00\x01\x00\x19hello\n"),
	} {
		if got := says(t, at, octets); got != "" {
			t.Errorf("%s: %q", name, got)
		}
	}
	if n := strings.Count(log.String(), "refused"); n != 7 {
		t.Errorf("%d of 7 refusals in the log:\n%s", n, log)
	}
}

// A balancer's connection that says nothing must not keep the next one waiting.
func TestASilentConnectionStandsInNobodysWay(t *testing.T) {
	at, _ := behind(t, "127.0.0.0/8")
	for range 20 {
		c, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	began := time.Now()
	if got := says(t, at, append(headerOf(t, 2, "198.51.100.7:1"), "hello\n"...)); got != "198.51.100.7 said hello\n" || time.Since(began) > patience {
		t.Errorf("%q after %v", got, time.Since(began))
	}
}

func FuzzHeader(f *testing.F) {
	f.Add([]byte("PROXY TCP4 198.51.100.7 192.0.2.1 1 25\r\nhello"))
	f.Add([]byte("\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc6\x33\x64\x07\xc0\x00\x02\x01\x00\x01\x00\x19hello"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		h, err := proxyproto.Read(bufio.NewReaderSize(bytes.NewReader(raw), bufferSize))
		if err != nil {
			return
		}
		a, b := net.Pipe()
		defer a.Close()
		defer b.Close()
		if client, err := clientOf(h, a); err == nil && client == nil {
			t.Fatal("a client without an address")
		} else if err == nil {
			_ = client.String()
		}
	})
}
