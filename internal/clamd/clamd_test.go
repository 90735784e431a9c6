package clamd

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
)

// daemon speaks the protocol of clamd(8) and answers by what it receives.
func daemon(t *testing.T, limit int, answer func(body []byte) string) *Client {
	t.Helper()
	path := filepath.Join(t.TempDir(), "clamd.ctl")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go serve(conn, limit, answer)
		}
	}()
	c, err := New("unix:" + path)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func serve(conn net.Conn, limit int, answer func([]byte) string) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	command, err := r.ReadString(0)
	if err != nil {
		return
	}
	if command == "zPING\x00" {
		io.WriteString(conn, "PONG\x00")
		return
	}
	var body []byte
	for {
		var size uint32
		if binary.Read(r, binary.BigEndian, &size) != nil {
			return
		}
		if size == 0 {
			break
		}
		part := make([]byte, size)
		if _, err := io.ReadFull(r, part); err != nil {
			return
		}
		if body = append(body, part...); len(body) > limit {
			io.WriteString(conn, "INSTREAM size limit exceeded. ERROR\x00")
			return
		}
	}
	io.WriteString(conn, answer(body))
}

func TestVerdicts(t *testing.T) {
	c := daemon(t, 1<<20, func(b []byte) string {
		switch {
		case bytes.Contains(b, []byte("evil")):
			return "stream: Win.Test.EICAR_HDB-1 FOUND\x00"
		case bytes.Contains(b, []byte("odd")):
			return "stream: something ERROR\x00"
		case bytes.Contains(b, []byte("silent")):
			return ""
		}
		return "stream: OK\x00"
	})
	if err := c.Ping(t.Context()); err != nil {
		t.Errorf("ping: %v", err)
	}
	for _, tt := range []struct {
		body, virus string
		failed      error
	}{
		{"good", "", nil},
		{"", "", nil},
		{strings.Repeat("good ", 100_000), "", nil},
		{"evil", "Win.Test.EICAR_HDB-1", nil},
		{"odd", "", ErrAnswer},
		{"silent", "", io.EOF},
		{strings.Repeat("x", 2<<20), "", ErrTooLarge},
	} {
		virus, err := c.Scan(t.Context(), "a.txt", strings.NewReader(tt.body))
		if virus != tt.virus || !errors.Is(err, tt.failed) {
			t.Errorf("%.10q: %q, %v; want %q, %v", tt.body, virus, err, tt.virus, tt.failed)
		}
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestHalfAFileHasNoVerdict(t *testing.T) {
	c := daemon(t, 1<<20, func([]byte) string { return "stream: OK\x00" })
	_, err := c.Scan(t.Context(), "a", io.MultiReader(strings.NewReader("half"), broken{}))
	if !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a file that could not be read whole: %v", err)
	}
}

func TestAMissingDaemonIsAnError(t *testing.T) {
	c, err := New("unix:" + filepath.Join(t.TempDir(), "none"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Scan(t.Context(), "a", strings.NewReader("x")); err == nil {
		t.Error("no daemon, and the file is called clean")
	}
}

func TestAddresses(t *testing.T) {
	for _, bad := range []string{"", "clamd", "unix:", "http:x", "tcp:nowhere"} {
		if _, err := New(bad); err == nil {
			t.Errorf("New(%q) accepts", bad)
		}
	}
}
