package gauge

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Sink is a next hop that takes everything and counts it.
type Sink struct {
	Address string
	Each    time.Duration // what a message takes from its final dot to the answer; set before Run
	l       net.Listener
	taken   atomic.Int64
}

// NewSink listens on loopback.
func NewSink() (*Sink, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return &Sink{Address: l.Addr().String(), l: l}, nil
}

// Run takes mail until ctx ends.
func (s *Sink) Run(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() { s.l.Close() })()
	var open sync.WaitGroup
	defer open.Wait()
	for {
		c, err := s.l.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		open.Go(func() {
			defer context.AfterFunc(ctx, func() { c.Close() })()
			s.serve(c)
		})
	}
}

// Taken is how many messages have come.
func (s *Sink) Taken() int64 { return s.taken.Load() }

// Await waits until n messages have come since there were before.
func (s *Sink) Await(ctx context.Context, before, n int64) error {
	last, at := int64(-1), time.Now()
	for {
		got := s.Taken() - before
		if got >= n {
			return nil
		}
		if got != last {
			last, at = got, time.Now()
		}
		if time.Since(at) > time.Minute {
			return fmt.Errorf("%d of %d messages have reached the next hop, and none for a minute", got, n)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(2 * time.Millisecond):
		}
	}
}

func (s *Sink) serve(c net.Conn) {
	defer c.Close()
	in, out := bufio.NewReaderSize(c, 32<<10), bufio.NewWriter(c)
	say := func(l string) {
		out.WriteString(l + "\r\n")
		if in.Buffered() == 0 {
			out.Flush()
		}
	}
	say("220 sink.example ESMTP")
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		switch verb := strings.ToUpper(strings.TrimRight(line, "\r\n")); {
		case strings.HasPrefix(verb, "EHLO"):
			say("250-sink.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SMTPUTF8")
		case verb == "DATA":
			say("354 go on")
			if skip(in) != nil {
				return
			}
			time.Sleep(s.Each)
			s.taken.Add(1)
			say("250 2.0.0 taken")
		case verb == "QUIT":
			say("221 bye")
			out.Flush()
			return
		default:
			say("250 ok")
		}
	}
}

// skip reads a message to its end.
func skip(in *bufio.Reader) error {
	fresh := true
	for {
		line, err := in.ReadSlice('\n')
		if err != nil && err != bufio.ErrBufferFull {
			return io.ErrUnexpectedEOF
		}
		if fresh && string(line) == ".\r\n" {
			return nil
		}
		fresh = err == nil
	}
}
