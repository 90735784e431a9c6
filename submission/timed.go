package submission

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// Reasons why a connection will not be read from again.
var (
	errIdle     = errors.New("nothing was heard for too long")
	errSignIn   = errors.New("no sign-in within the time allowed")
	errStopping = errors.New("server is being stopped")
)

// timed is a connection whose every Read and Write has the idle time to itself, so that a slow steady upload
// never fails, and which is dead for good once a Read has timed out: what still arrives after a timeout inside a
// body would be taken for commands.
type timed struct {
	net.Conn
	idle time.Duration

	mu    sync.Mutex
	until time.Time // of the whole connection; zero: no limit
	end   error
}

func (t *timed) Read(p []byte) (int, error) {
	late, err := t.arm()
	if err != nil {
		return 0, err
	}
	n, err := t.Conn.Read(p)
	if err != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		return n, t.kill(late)
	}
	return n, err
}

// arm sets the deadline of one Read and says what it means to miss it.
func (t *timed) arm() (late, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.end != nil {
		return nil, t.end
	}
	deadline, late := time.Now().Add(t.idle), errIdle
	if !t.until.IsZero() && t.until.Before(deadline) {
		deadline, late = t.until, errSignIn
	}
	return late, t.Conn.SetReadDeadline(deadline)
}

// kill ends the connection for the reason given, unless it has ended for another, and returns the reason.
func (t *timed) kill(why error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.end == nil {
		t.end = why
	}
	// Wakes a Read that is waiting now.
	t.Conn.SetReadDeadline(time.Unix(1, 0))
	return t.end
}

// limit sets when the whole connection ends; the zero time takes the limit away.
func (t *timed) limit(until time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.until = until
}

func (t *timed) Write(p []byte) (int, error) {
	if err := t.Conn.SetWriteDeadline(time.Now().Add(t.idle)); err != nil {
		return 0, err
	}
	return t.Conn.Write(p)
}
