package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// clamd speaks to ClamAV's daemon. It keeps no connection: one file, one
// connection, as clamd itself recommends for INSTREAM.
type clamd struct{ network, address string }

// newClamd reads unix:/PATH or tcp:HOST:PORT.
func newClamd(setting string) clamd {
	network, address, _ := strings.Cut(setting, ":")
	return clamd{network, address}
}

// clamdPatience bounds one step of the conversation.
const clamdPatience = 30 * time.Second

// virusScanner gives detection its scanner; nil when none is configured.
func virusScanner(setting string) func(context.Context, string, io.Reader) (string, error) {
	if setting == "" {
		return nil
	}
	return newClamd(setting).scan
}

// scan sends a file. The answer is "stream: OK", "stream: NAME FOUND" or
// "... ERROR"; anything that is not plainly clean or found is an error, so that
// the file counts as not inspected.
func (c clamd) scan(ctx context.Context, _ string, r io.Reader) (string, error) {
	reply, err := c.ask(ctx, "zINSTREAM\x00", r)
	if err != nil {
		return "", fmt.Errorf("clamd: %w", err)
	}
	verdict, ok := strings.CutPrefix(reply, "stream: ")
	if virus, found := strings.CutSuffix(verdict, " FOUND"); ok && found {
		return virus, nil
	}
	if ok && verdict == "OK" {
		return "", nil
	}
	return "", errors.New("clamd: it could not scan the file")
}

// ping asks for a sign of life and gives the version.
func (c clamd) ping(ctx context.Context) (string, error) {
	return c.ask(ctx, "zVERSION\x00", nil)
}

func (c clamd) ask(ctx context.Context, command string, body io.Reader) (string, error) {
	conn, err := (&net.Dialer{Timeout: clamdPatience}).DialContext(ctx, c.network, c.address)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	conn.SetDeadline(time.Now().Add(clamdPatience))
	if _, err := io.WriteString(conn, command); err != nil {
		return "", err
	}
	if body != nil {
		if err := chunk(conn, body); err != nil {
			return "", err
		}
	}
	conn.SetDeadline(time.Now().Add(clamdPatience))
	reply, err := bufio.NewReader(io.LimitReader(conn, 4096)).ReadString(0)
	if err != nil {
		return "", err
	}
	return strings.TrimRight(reply, "\x00\n"), nil
}

// chunk writes the body as clamd wants it: each piece after its length in four
// octets, and a length of zero at the end.
func chunk(conn net.Conn, body io.Reader) error {
	buffer := make([]byte, 4+64<<10)
	for {
		n, err := io.ReadFull(body, buffer[4:])
		if n > 0 {
			binary.BigEndian.PutUint32(buffer, uint32(n))
			conn.SetWriteDeadline(time.Now().Add(clamdPatience))
			if _, err := conn.Write(buffer[:4+n]); err != nil {
				return err
			}
		}
		switch {
		case err == io.EOF || err == io.ErrUnexpectedEOF:
			_, err := conn.Write(make([]byte, 4))
			return err
		case err != nil:
			return err
		}
	}
}
