package story

import (
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/sekisho-mail/sekisho/internal/testkit"
)

// valve passes TCP connections on to a server until it is closed, as a network does.
type valve struct {
	at, to string

	mu    sync.Mutex
	door  net.Listener
	conns map[net.Conn]bool
}

func newValve(t testing.TB, to string) *valve {
	v := &valve{at: testkit.FreeAddress(t), to: to, conns: map[net.Conn]bool{}}
	v.open(t)
	t.Cleanup(v.shut)
	return v
}

func (v *valve) open(t testing.TB) {
	l, err := net.Listen("tcp", v.at)
	if err != nil {
		t.Fatal(err)
	}
	v.mu.Lock()
	v.door = l
	v.mu.Unlock()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // shut
			}
			go v.pass(c)
		}
	}()
}

func (v *valve) pass(c net.Conn) {
	defer c.Close()
	s, err := net.Dial("tcp", v.to)
	if err != nil {
		return
	}
	defer s.Close()
	v.mu.Lock()
	v.conns[c], v.conns[s] = true, true
	v.mu.Unlock()
	go func() {
		io.Copy(s, c)
		s.Close()
	}()
	io.Copy(c, s)
	v.mu.Lock()
	delete(v.conns, c)
	delete(v.conns, s)
	v.mu.Unlock()
}

func (v *valve) shut() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.door != nil {
		v.door.Close()
		v.door = nil
	}
	for c := range v.conns {
		c.Close()
	}
}

// s3 gives the company a store that can be cut off.
func (k *teller) s3(s *settings) {
	server := testkit.Versitygw(k.t)
	k.store = newValve(k.t, server.Address)
	s.files = strings.Replace(server.URL, url.QueryEscape("http://"+server.Address), url.QueryEscape("http://"+k.store.at), 1)
}

// storeIs: store down|up.
func (k *teller) storeIs(st step) {
	if st.word(0) == "down" {
		k.store.shut()
		return
	}
	k.store.open(k.t)
}
