// Package balancer tells who is behind a TCP load balancer, which says so in front of each connection by the PROXY
// protocol (version 1 or 2). Only balancers that are listed are believed, and from them every connection must begin so:
// one that does not would be taken for the balancer itself, and all limits would count it as everybody.
package balancer

import (
	"bufio"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/pires/go-proxyproto"
)

const (
	patience = 5 * time.Second // for the header, which a balancer sends at once
	waiting  = 512             // connections whose header has not come
	// A header is at most some hundred octets; what a balancer adds of its own (TLS names) is skipped by the library.
	bufferSize = 4 << 10
)

// Listen gives l with the addresses that the balancers tell. Other clients are passed on as they are. It has one
// goroutine, and one for each connection whose header has not come; Close ends them.
func Listen(l net.Listener, from []netip.Prefix, log *slog.Logger) net.Listener {
	if len(from) == 0 {
		return l
	}
	b := &listener{Listener: l, from: from, log: log, ready: make(chan net.Conn), over: make(chan struct{}), slots: make(chan struct{}, waiting)}
	go b.pump()
	return b
}

type listener struct {
	net.Listener
	from  []netip.Prefix
	log   *slog.Logger
	ready chan net.Conn
	slots chan struct{}

	once sync.Once
	over chan struct{}
	err  error // set before over is closed
}

// Accept waits for the next connection that has said whose it is.
func (b *listener) Accept() (net.Conn, error) {
	select {
	case c := <-b.ready:
		return c, nil
	case <-b.over:
		return nil, b.err
	}
}

// Close ends the listener and whoever has not said a header yet.
func (b *listener) Close() error {
	err := b.Listener.Close()
	b.end(net.ErrClosed)
	return err
}

func (b *listener) end(err error) {
	b.once.Do(func() {
		b.err = err
		close(b.over)
	})
}

func (b *listener) pump() {
	for {
		c, err := b.Listener.Accept()
		if err != nil {
			b.end(err)
			return
		}
		if !b.listed(c.RemoteAddr()) {
			b.pass(c)
			continue
		}
		select {
		case b.slots <- struct{}{}:
			go func() {
				defer func() { <-b.slots }()
				b.introduce(c)
			}()
		default:
			c.Close()
		}
	}
}

func (b *listener) pass(c net.Conn) {
	select {
	case b.ready <- c:
	case <-b.over:
		c.Close()
	}
}

func (b *listener) listed(a net.Addr) bool {
	at, err := netip.ParseAddrPort(a.String())
	return err == nil && slices.ContainsFunc(b.from, func(p netip.Prefix) bool { return p.Contains(at.Addr().Unmap()) })
}

var errNoClient = errors.New("the header names no TCP client")

// introduce reads the header in front of a connection.
func (b *listener) introduce(c net.Conn) {
	r := bufio.NewReaderSize(c, bufferSize)
	c.SetReadDeadline(time.Now().Add(patience))
	header, err := proxyproto.Read(r)
	var client net.Addr
	if err == nil {
		client, err = clientOf(header, c)
	}
	if err == nil {
		err = c.SetReadDeadline(time.Time{})
	}
	if err != nil {
		b.log.Warn("connection of a load balancer without a PROXY header refused", "balancer", c.RemoteAddr().String(), "error", err)
		c.Close()
		return
	}
	b.pass(&introduced{Conn: c, r: r, client: client})
}

// clientOf is who a header speaks of: the balancer itself when it only looks whether we live.
func clientOf(h *proxyproto.Header, c net.Conn) (net.Addr, error) {
	if h.Command.IsLocal() {
		return c.RemoteAddr(), nil
	}
	client, _, ok := h.TCPAddrs()
	if !ok || client == nil {
		return nil, errNoClient
	}
	return client, nil
}

// introduced is a connection whose header has been read.
type introduced struct {
	net.Conn
	r      *bufio.Reader
	client net.Addr
}

func (i *introduced) Read(p []byte) (int, error) { return i.r.Read(p) }

func (i *introduced) RemoteAddr() net.Addr { return i.client }

// CloseWrite tells the client that no more will come.
func (i *introduced) CloseWrite() error {
	if c, ok := i.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return nil
}
