// Package clamd asks ClamAV's daemon about files, by its INSTREAM command: the
// daemon needs no access to our disk. It knows nothing of mails.
package clamd

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

// Client talks to one daemon. It opens a connection per file and holds none, so
// it is safe for many goroutines and survives restarts of the daemon.
type Client struct {
	network, address string
	timeout          time.Duration
}

// Answers that are no verdict.
var (
	// ErrTooLarge: the file is over StreamMaxLength of the daemon.
	ErrTooLarge = errors.New("file is larger than clamd accepts")
	// ErrAnswer: clamd said something else than a verdict.
	ErrAnswer = errors.New("clamd gave no verdict")
)

// errRead: the file ended in an error before its end.
var errRead = errors.New("read file for clamd")

const (
	chunk          = 64 << 10
	maxAnswer      = 4 << 10
	defaultTimeout = 30 * time.Second
)

// New takes "unix:/run/clamav/clamd.ctl" or "tcp:127.0.0.1:3310".
func New(url string) (*Client, error) {
	network, address, ok := strings.Cut(url, ":")
	if !ok || address == "" || network != "unix" && network != "tcp" {
		return nil, fmt.Errorf("clamd address %q: write unix:PATH or tcp:HOST:PORT", url)
	}
	if network == "tcp" {
		if _, _, err := net.SplitHostPort(address); err != nil {
			return nil, fmt.Errorf("clamd address %q: %w", url, err)
		}
	}
	return &Client{network: network, address: address, timeout: defaultTimeout}, nil
}

// Within is the same client with another limit on the whole of one question; 30 seconds without it.
func (c *Client) Within(limit time.Duration) *Client {
	other := *c
	other.timeout = limit
	return &other
}

// Ping says whether the daemon answers.
func (c *Client) Ping(ctx context.Context) error {
	answer, err := c.ask(ctx, "zPING\x00", nil)
	if err != nil {
		return err
	}
	if answer != "PONG" {
		return ErrAnswer
	}
	return nil
}

// Scan returns the name of the malware in r, "" when clamd finds none. The name
// of the file is not sent: it is content too. Silence and refusals are errors,
// never "clean".
func (c *Client) Scan(ctx context.Context, _ string, r io.Reader) (virus string, err error) {
	answer, err := c.ask(ctx, "zINSTREAM\x00", r)
	if err != nil {
		return "", err
	}
	verdict := strings.TrimPrefix(answer, "stream: ")
	switch {
	case verdict == "OK":
		return "", nil
	case strings.HasSuffix(verdict, " FOUND"):
		return strings.TrimSuffix(verdict, " FOUND"), nil
	case strings.Contains(verdict, "size limit exceeded"):
		return "", ErrTooLarge
	}
	return "", ErrAnswer
}

func (c *Client) ask(ctx context.Context, command string, body io.Reader) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, c.network, c.address)
	if err != nil {
		return "", fmt.Errorf("reach clamd: %w", err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := io.WriteString(conn, command); err != nil {
		return "", fmt.Errorf("write to clamd: %w", err)
	}
	sent := error(nil)
	if body != nil {
		sent = send(conn, body)
	}
	if errors.Is(sent, errRead) {
		return "", sent // nothing will be answered: the stream has no end
	}
	// A daemon that refuses a file answers and hangs up while we still write:
	// its answer says more than the broken pipe.
	answer, err := bufio.NewReader(io.LimitReader(conn, maxAnswer)).ReadString(0)
	if err != nil {
		if sent != nil {
			err = sent
		}
		return "", fmt.Errorf("ask clamd: %w", err)
	}
	return strings.TrimSuffix(answer, "\x00"), nil
}

// send writes the stream in chunks, each with its length, and a zero at the end.
func send(w io.Writer, body io.Reader) error {
	buf := make([]byte, 4+chunk)
	for {
		n, err := io.ReadFull(body, buf[4:])
		ended := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !ended {
			return fmt.Errorf("%w: %w", errRead, err) // without the final zero: no verdict on half a file
		}
		if n > 0 {
			binary.BigEndian.PutUint32(buf, uint32(n))
			if _, err := w.Write(buf[:4+n]); err != nil {
				return fmt.Errorf("write to clamd: %w", err)
			}
		}
		if ended {
			_, err := w.Write(make([]byte, 4))
			return err
		}
	}
}
