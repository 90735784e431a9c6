package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/emersion/go-smtp"
)

// Sink stands for the company's mail server and everybody beyond it: it takes every mail and keeps each transaction
// as one file. Recipients named permfail@ and tempfail@ are refused, so that one can see what happens then.
type Sink struct {
	Dir string

	count atomic.Int64
}

// Serve takes mail until ctx ends.
func (s *Sink) Serve(ctx context.Context, l net.Listener) error {
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &sinkSession{sink: s}, nil }))
	server.Domain = "outside.example"
	server.EnableSMTPUTF8 = true
	server.EnableDSN = true
	server.MaxLineLength = 1 << 20
	server.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	defer context.AfterFunc(ctx, func() { server.Close() })()
	err := server.Serve(l)
	if errors.Is(err, smtp.ErrServerClosed) || ctx.Err() != nil {
		return nil
	}
	return err
}

type sinkSession struct {
	sink *Sink
	from string
	to   []string
}

func (s *sinkSession) Reset()        { s.from, s.to = "", nil }
func (s *sinkSession) Logout() error { return nil }

func (s *sinkSession) Mail(from string, _ *smtp.MailOptions) error {
	s.from = from
	return nil
}

func (s *sinkSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	switch {
	case strings.HasPrefix(to, "permfail"):
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such mailbox"}
	case strings.HasPrefix(to, "tempfail"):
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 7, 1}, Message: "greylisted, try again later"}
	}
	s.to = append(s.to, to)
	return nil
}

// Data writes the file under a name that sorts by time; it appears whole or not at all.
func (s *sinkSession) Data(r io.Reader) error {
	var head bytes.Buffer
	fmt.Fprintf(&head, "X-Envelope-From: <%s>\r\n", s.from)
	for _, to := range s.to {
		fmt.Fprintf(&head, "X-Envelope-To: <%s>\r\n", to)
	}
	f, err := os.CreateTemp(s.sink.Dir, ".incoming-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = io.Copy(f, io.MultiReader(&head, r))
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	n := s.sink.count.Add(1)
	name := fmt.Sprintf("%s-%05d.eml", time.Now().UTC().Format("20060102T150405.000"), n)
	if err := os.Rename(f.Name(), filepath.Join(s.sink.Dir, name)); err != nil {
		return err
	}
	return &smtp.SMTPError{Code: 250, EnhancedCode: smtp.EnhancedCode{2, 0, 0}, Message: fmt.Sprintf("Ok: queued as DEMO%05d", n)}
}
