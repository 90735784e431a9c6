package submission

import (
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/emersion/go-smtp"
)

// listener gives go-smtp connections that have a wire in front of them.
type listener struct {
	net.Listener
	srv  *Server
	port port
}

// Accept waits for the next connection there is room for. The others hear why they must come again.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		w := newWire(l.srv, l.port, c, remoteOf(c))
		refusal := l.srv.arrived(w)
		if refusal == nil {
			return w, nil
		}
		l.srv.figures.turned.Inc()
		if l.port != portTLS { // there nothing can be said before the handshake, which costs more than it tells
			c.SetWriteDeadline(time.Now().Add(time.Second))
			io.WriteString(c, line(refusal))
		}
		c.Close()
	}
}

func remoteOf(c net.Conn) netip.Addr {
	a, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		return netip.IPv6Unspecified()
	}
	return a.Addr().Unmap().WithZone("")
}

// place is where connections are counted together. Those of the gateway port, where nobody signs in and strangers may
// wait, are counted by themselves, and are half of all at most: they must not shut out the people of the company.
func (w *wire) place() string {
	where := neighbourhood(w.remote).String()
	if w.port == portGateway {
		where += " gateway"
	}
	return where
}

// arrived counts a connection, or says why there is no room for it.
func (s *Server) arrived(w *wire) *smtp.SMTPError {
	s.mu.Lock()
	defer s.mu.Unlock()
	place := w.place()
	switch {
	case s.stopping:
		return shuttingDown()
	case len(s.wires) >= s.limits.Connections || w.port == portGateway && s.gateways >= (s.limits.Connections+1)/2:
		return tooManyConnections()
	case s.perPlace[place]+s.crowdElsewhere(place) >= s.limits.ConnectionsPerAddress:
		return tooManyConnectionsFromYou()
	}
	s.wires[w] = struct{}{}
	s.perPlace[place]++
	if w.port == portGateway {
		s.gateways++
	}
	return nil
}

// left is called once for every connection that arrived.
func (s *Server) left(w *wire) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.wires, w)
	if w.port == portGateway {
		s.gateways--
	}
	place := w.place()
	if s.perPlace[place]--; s.perPlace[place] <= 0 {
		delete(s.perPlace, place)
	}
	if len(s.wires) == 0 {
		s.empty.Broadcast()
	}
}
