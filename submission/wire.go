package submission

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// port is what kind of listener a connection came in on.
type port int

const (
	portStartTLS port = iota // 587
	portTLS                  // 465
	portGateway              // 25
)

const (
	wireBuffer       = 32 << 10 // more than the longest command line
	handshakeTimeout = 30 * time.Second
	lingerTime       = time.Second
)

// wire is the connection that go-smtp reads from and writes to. Everything in it but interrupt happens in the
// goroutine of its connection: go-smtp asks for the next command only when it has answered the last one.
type wire struct {
	srv    *Server
	port   port
	id     string // names the connection in logs
	remote netip.Addr
	log    *slog.Logger

	under *timed
	conn  net.Conn // under, or TLS over it

	mu     sync.Mutex
	idle   bool // waiting for a command with nothing under way
	asked  bool // to end as soon as nothing is under way
	secure bool // TLS is on
	begun  bool // implicit TLS has been tried
	hangup bool // nothing more is read
	mute   bool // nothing more is said
	linger bool // what the client still sends must not keep it from hearing our last word
	closed bool

	feed    []byte // for go-smtp to read
	partial []byte // of a reply line by go-smtp
	*buffers

	told   Draft // the mail whose 250 the client was told last, and has not been heard since
	sent   bool  // that 250 has left
	parted bool  // the client has closed its side in good order

	dialogue
}

// buffers are what a connection needs while it lives; they go from one to the next.
type buffers struct {
	in     *bufio.Reader
	out    *bufio.Writer
	gather bytes.Buffer // of a body, on its way to the draft
}

func newBuffers() any {
	return &buffers{in: bufio.NewReaderSize(nil, wireBuffer), out: bufio.NewWriterSize(nil, 4096)}
}

// dialogue is where the client and we are in the order of commands.
type dialogue struct {
	session *session
	verb    string // the command go-smtp is working on
	greeted bool
	// extended says that the greeting was EHLO.
	extended bool
	helo     string
	signed   bool // AUTH has succeeded

	inMail     bool
	utf8       bool
	path       mailaddr.Address // of the MAIL or RCPT go-smtp is working on
	recipients int
	body       *body

	instead *smtp.SMTPError // the answer to give whatever go-smtp says
	errors  int             // commands that made no sense
	wrong   int             // sign-ins that failed
}

func newWire(srv *Server, p port, c net.Conn, remote netip.Addr) *wire {
	under := &timed{Conn: c, idle: srv.limits.Idle}
	if p != portGateway {
		under.limit(time.Now().Add(srv.limits.SignIn))
	}
	w := &wire{srv: srv, port: p, id: newReference(), remote: remote, under: under, conn: under}
	w.log = srv.log.With("connection", w.id)
	w.buffers = srv.buffers.Get().(*buffers)
	w.in.Reset(ear{w})
	w.out.Reset(under)
	return w
}

// Read gives go-smtp the next command line that the wire has passed.
func (w *wire) Read(p []byte) (n int, err error) {
	defer func() {
		// go-smtp recovers from panics inside commands, not inside Read.
		if caught := recover(); caught != nil {
			w.panicked()
			n, err = 0, io.EOF
		}
	}()
	if w.closed {
		return 0, io.EOF
	}
	if len(w.feed) == 0 {
		if w.feed, err = w.next(); err != nil {
			return 0, err
		}
	}
	n = copy(p, w.feed)
	w.feed = w.feed[n:]
	return n, nil
}

// next finds the bytes for go-smtp to read. The only error is io.EOF: go-smtp has an answer of its own to every
// other, and the client has had ours.
func (w *wire) next() ([]byte, error) {
	if w.body != nil {
		return w.endBody()
	}
	for !w.hangup {
		text, refusal, err := w.readCommand()
		if err != nil {
			w.farewell(err)
			break
		}
		if refusal != nil {
			w.say(refusal)
			w.mistake()
			continue
		}
		if w.verb == "AUTH" {
			return w.signInLine(text), nil
		}
		if feed := w.command(text); feed != nil {
			return feed, nil
		}
	}
	w.flush()
	return nil, io.EOF
}

// endBody tells go-smtp that the body is over. The session has read what it wanted; what it left is read here,
// so that no rest of a body is taken for commands.
func (w *wire) endBody() ([]byte, error) {
	err := w.body.drain()
	w.body = nil
	if err != nil {
		w.hangup = true
		return nil, io.EOF
	}
	return []byte(".\r\n"), nil
}

// readCommand reads one line. A refusal is answered and the next line read; an error ends the connection.
func (w *wire) readCommand() (string, *smtp.SMTPError, error) {
	limit := maxCommandLine
	if w.port != portGateway && !w.signed {
		limit = maxAuthLine
	}
	if err := w.flushBeforeWaiting(); err != nil {
		return "", nil, err
	}
	if !w.mayWait() {
		return "", nil, errStopping
	}
	raw, err := w.in.ReadSlice('\n')
	w.nowBusy()
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return "", nil, lineTooLong()
	case err != nil:
		return "", nil, err
	case len(raw) > limit:
		return "", lineTooLong(), nil
	}
	text, ok := bytes.CutSuffix(raw, []byte("\r\n"))
	if !ok || !plainText(string(text)) {
		return "", nil, badLineEnd()
	}
	return string(text), nil, nil
}

// flushBeforeWaiting sends the answers that are ready when no whole command is waiting to be read. Answers to
// commands that came together leave together (RFC 2920).
func (w *wire) flushBeforeWaiting() error {
	waiting, _ := w.in.Peek(w.in.Buffered())
	if bytes.IndexByte(waiting, '\n') >= 0 {
		return nil
	}
	return w.flush()
}

// mayWait is false when the server is being stopped.
func (w *wire) mayWait() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.idle = !w.asked
	return w.idle
}

func (w *wire) nowBusy() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.idle = false
}

// interrupt ends the connection when nothing is under way, else as soon as that is so. It is called from another
// goroutine.
func (w *wire) interrupt() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = true
	if w.idle {
		w.under.kill(errStopping)
	}
}

// farewell says why the connection ends, where there is anybody to hear it.
func (w *wire) farewell(err error) {
	var r *smtp.SMTPError
	switch {
	case errors.Is(err, io.EOF):
		w.parted = true
	case errors.As(err, &r):
		w.say(r)
		w.linger = true
	case errors.Is(err, errIdle):
		w.say(idleTooLong())
	case errors.Is(err, errSignIn):
		w.say(signInTooLate())
	case errors.Is(err, errStopping):
		w.say(shuttingDown())
	}
	w.hangup = true
}

func (w *wire) say(r *smtp.SMTPError) { w.out.WriteString(line(r)) }

// mistake counts commands that made no sense; a client that makes many is no mail client.
func (w *wire) mistake() {
	if w.errors++; w.errors >= maxMistakes {
		w.say(tooManyErrors())
		w.hangup = true
	}
}

// startTLS answers STARTTLS and begins anew (RFC 3207 section 4.2): nothing said before counts.
func (w *wire) startTLS() {
	if w.in.Buffered() > 0 {
		// What was sent in the clear must not be executed as if it had come encrypted.
		w.farewell(pipelinedTLS())
		return
	}
	w.say(readyForTLS())
	if err := w.flush(); err != nil {
		w.hangup = true
		return
	}
	if err := w.handshake(); err != nil {
		w.hangup = true
		return
	}
	session := w.session
	if session != nil {
		session.Reset()
	}
	w.dialogue = dialogue{session: session, errors: w.errors, wrong: w.wrong}
}

// handshake turns the connection into TLS.
func (w *wire) handshake() error {
	ctx, cancel := context.WithTimeout(w.srv.base(), handshakeTimeout)
	defer cancel()
	c := tls.Server(w.under, w.srv.o.TLS)
	if err := c.HandshakeContext(ctx); err != nil {
		w.log.Info("tls handshake failed", "remote", w.remote, "error", err)
		return err
	}
	w.conn, w.secure = c, true
	w.in.Reset(ear{w})
	w.out.Reset(c)
	return nil
}

// Write takes go-smtp's answers line by line.
func (w *wire) Write(p []byte) (int, error) {
	if w.closed {
		return 0, net.ErrClosed
	}
	if err := w.begin(); err != nil {
		return 0, err
	}
	w.partial = append(w.partial, p...)
	for {
		end := bytes.IndexByte(w.partial, '\n')
		if end < 0 {
			return len(p), nil
		}
		w.answerLine(string(w.partial[:end+1]))
		w.partial = w.partial[end+1:]
	}
}

// begin makes the TLS of a connection that starts with it; the greeting is the first thing written.
func (w *wire) begin() error {
	if w.begun || w.port != portTLS {
		return nil
	}
	w.begun = true
	if err := w.handshake(); err != nil {
		w.hangup = true
		return err
	}
	return nil
}

// Close is called by go-smtp, in the goroutine of the connection.
func (w *wire) Close() error {
	if w.closed {
		return nil
	}
	w.closed = true
	w.flush()
	w.heardAtEnd()
	if w.linger {
		w.waitForEnd()
	}
	err := w.conn.Close()
	w.in.Reset(nil)
	w.out.Reset(nil)
	w.srv.buffers.Put(w.buffers)
	w.buffers = nil
	w.srv.left(w)
	return err
}

// closeWriter is a TCP connection, or one behind a load balancer.
type closeWriter interface {
	net.Conn
	CloseWrite() error
}

// waitForEnd lets the client read our last word before the connection goes: closing with octets unread makes the
// system throw away what was written.
func (w *wire) waitForEnd() {
	if c, ok := w.under.Conn.(closeWriter); ok {
		c.CloseWrite()
		c.SetReadDeadline(time.Now().Add(lingerTime))
		io.Copy(io.Discard, io.LimitReader(c, maxDrain))
	}
}

// cut ends the connection at once, whatever it is doing. It is called from another goroutine.
func (w *wire) cut() { w.under.Conn.Close() }

func (w *wire) panicked() {
	w.log.Error("connection ended by a fault of ours", "stack", string(debug.Stack()))
	w.say(broken())
	w.flush()
	w.hangup = true
}

func (w *wire) LocalAddr() net.Addr  { return w.conn.LocalAddr() }
func (w *wire) RemoteAddr() net.Addr { return w.conn.RemoteAddr() }

// Deadlines are ours: go-smtp's would be one for a whole body.
func (w *wire) SetDeadline(time.Time) error      { return nil }
func (w *wire) SetReadDeadline(time.Time) error  { return nil }
func (w *wire) SetWriteDeadline(time.Time) error { return nil }
