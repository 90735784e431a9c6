package story

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-smtp"

	"github.com/sekisho-mail/sekisho/internal/testkit"
)

// recorder is a next hop that keeps what it is given, in memory, and fails on command. It demands STARTTLS.
// Recipients named permfail, tempfail and atdata are refused, each in its way.
type recorder struct {
	at   string
	cert testkit.Certificate

	mu      sync.Mutex
	server  *smtp.Server // nil while down
	got     []delivery
	stalled chan struct{} // while not nil, the answer to the final dot is held back until it is closed
	waiting int           // transactions that are being held back
	count   int
}

func newRecorder(t testing.TB) *recorder {
	r := &recorder{at: testkit.FreeAddress(t), cert: testkit.NewCertificate(t, "127.0.0.1")}
	r.up(t)
	t.Cleanup(func() {
		r.resume()
		r.down()
	})
	return r
}

func (r *recorder) address() string { return r.at }
func (r *recorder) caFile() string  { return r.cert.CAFile }

func (r *recorder) deliveries(testing.TB) []delivery {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

// up makes the next hop answer.
func (r *recorder) up(t testing.TB) {
	l, err := net.Listen("tcp", r.at)
	if err != nil {
		t.Fatal(err)
	}
	s := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) { return &recording{to: r, conn: c}, nil }))
	s.Domain = "nexthop.example"
	s.TLSConfig = &tls.Config{Certificates: []tls.Certificate{r.cert.Pair}}
	s.EnableSMTPUTF8, s.EnableDSN = true, true
	s.MaxLineLength = 1 << 20
	s.ErrorLog = log.New(io.Discard, "", 0)
	r.mu.Lock()
	r.server = s
	r.mu.Unlock()
	go s.Serve(l) // ends with down
}

// down takes it away, in the middle of whatever it was doing.
func (r *recorder) down() {
	r.mu.Lock()
	s := r.server
	r.server = nil
	r.mu.Unlock()
	if s != nil {
		s.Close()
	}
}

// stall makes it take mail and not say so.
func (r *recorder) stall() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stalled = make(chan struct{})
}

func (r *recorder) resume() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stalled != nil {
		close(r.stalled)
		r.stalled = nil
	}
}

// holding says how many transactions wait for their answer.
func (r *recorder) holding() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.waiting
}

type recording struct {
	to   *recorder
	conn *smtp.Conn
	mail delivery
}

func (s *recording) Reset()        { s.mail = delivery{} }
func (s *recording) Logout() error { return nil }

func (s *recording) Mail(from string, _ *smtp.MailOptions) error {
	if _, encrypted := s.conn.TLSConnectionState(); !encrypted {
		return &smtp.SMTPError{Code: 530, EnhancedCode: smtp.EnhancedCode{5, 7, 0}, Message: "STARTTLS first"}
	}
	s.mail.from = from
	return nil
}

func (s *recording) Rcpt(to string, _ *smtp.RcptOptions) error {
	switch local, _, _ := strings.Cut(to, "@"); local {
	case "permfail":
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such mailbox"}
	case "tempfail":
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 7, 1}, Message: "greylisted"}
	}
	s.mail.to = append(s.mail.to, to)
	return nil
}

func (s *recording) Data(body io.Reader) error {
	raw, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(s.mail.to, func(a string) bool { return strings.HasPrefix(a, "atdata@") }) {
		return &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "refused by content"}
	}
	s.mail.raw = raw
	r := s.to
	r.mu.Lock()
	r.got = append(r.got, s.mail)
	r.count++
	n, stalled := r.count, r.stalled
	if stalled != nil {
		r.waiting++
	}
	r.mu.Unlock()
	if stalled != nil {
		<-stalled
		r.mu.Lock()
		r.waiting--
		r.mu.Unlock()
	}
	return &smtp.SMTPError{Code: 250, EnhancedCode: smtp.EnhancedCode{2, 0, 0}, Message: fmt.Sprintf("Ok: queued as HOP%05d", n)}
}
