//go:build bench

package bench

import (
	"bufio"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// sink is a next hop that takes everything and counts it.
type sink struct {
	address string
	taken   atomic.Int64
}

func newSink(t *testing.T) *sink {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	s := &sink{address: l.Addr().String()}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go s.serve(c)
		}
	}()
	return s
}

func (s *sink) serve(c net.Conn) {
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

// await waits until n messages have come since before.
func (s *sink) await(t *testing.T, before, n int64) {
	t.Helper()
	last, at := int64(-1), time.Now()
	for {
		got := s.taken.Load() - before
		if got >= n {
			return
		}
		if got != last {
			last, at = got, time.Now()
		}
		if time.Since(at) > time.Minute {
			t.Fatalf("%d of %d messages have reached the sink, and none for a minute", got, n)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
