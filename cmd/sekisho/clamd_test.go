package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// daemon answers like clamd over one INSTREAM after the other.
func daemon(t *testing.T, answer func(command string, body []byte) string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
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
			go converse(conn, answer)
		}
	}()
	return "tcp:" + l.Addr().String()
}

func converse(conn net.Conn, answer func(string, []byte) string) {
	defer conn.Close()
	command := make([]byte, 0, 16)
	for one := make([]byte, 1); len(command) == 0 || one[0] != 0; {
		if _, err := conn.Read(one); err != nil {
			return
		}
		command = append(command, one[0])
	}
	var body bytes.Buffer
	if strings.HasPrefix(string(command), "zINSTREAM") {
		for {
			var size uint32
			if binary.Read(conn, binary.BigEndian, &size) != nil {
				return
			}
			if size == 0 {
				break
			}
			if _, err := io.CopyN(&body, conn, int64(size)); err != nil {
				return
			}
		}
	}
	io.WriteString(conn, answer(string(command), body.Bytes()))
}

func TestOnlyAPlainAnswerCountsAsClean(t *testing.T) {
	for reply, want := range map[string]struct {
		virus string
		ok    bool
	}{
		"stream: OK\x00":                          {"", true},
		"stream: Eicar-Test-Signature FOUND\x00":  {"Eicar-Test-Signature", true},
		"stream: lstat() failed ERROR\x00":        {"", false},
		"INSTREAM size limit exceeded. ERROR\x00": {"", false},
		"UNKNOWN COMMAND\x00":                     {"", false},
		"OK\x00":                                  {"", false},
		"stream: OK":                              {"", false}, // cut off
		"":                                        {"", false},
	} {
		scan := virusScanner(daemon(t, func(string, []byte) string { return reply }))
		virus, err := scan(t.Context(), "a.zip", strings.NewReader("x"))
		if virus != want.virus || (err == nil) != want.ok {
			t.Errorf("%q gives %q, %v", reply, virus, err)
		}
	}
}

func TestTheScannerGetsEveryByteInOrder(t *testing.T) {
	sent := bytes.Repeat([]byte("0123456789abcdef"), 20_000) // several chunks
	var got []byte
	done := make(chan struct{})
	scan := virusScanner(daemon(t, func(_ string, body []byte) string {
		got = body
		close(done)
		return "stream: OK\x00"
	}))
	if _, err := scan(t.Context(), "a", bytes.NewReader(sent)); err != nil {
		t.Fatal(err)
	}
	<-done
	if !bytes.Equal(got, sent) {
		t.Errorf("%d bytes arrived of %d", len(got), len(sent))
	}
}

func TestAScannerThatSaysNothingIsGivenUpWithTheContext(t *testing.T) {
	scan := virusScanner(daemon(t, func(string, []byte) string { time.Sleep(5 * time.Second); return "" }))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := scan(ctx, "a", strings.NewReader("x")); err == nil || time.Since(began) > 3*time.Second {
		t.Errorf("%v after %s", err, time.Since(began))
	}
}

func TestWithoutAScannerThereIsNone(t *testing.T) {
	if virusScanner("") != nil {
		t.Error("a scanner that nobody configured")
	}
}
