package relay

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// maxAnswer bounds what a next hop may say to one command. No real answer is longer than a screen.
const maxAnswer = 64 << 10

var errEndlessAnswer = errors.New("answer without end")

// wire is a connection that cannot hang: every read and write has a deadline of its own, and the phase
// they belong to has one too.
type wire struct {
	net.Conn

	mu     sync.Mutex
	step   time.Duration // limit of one read or write
	end    time.Time     // limit of the phase; zero for none
	cut    bool
	answer int // bytes read since the last write
}

func newWire(conn net.Conn) *wire { return &wire{Conn: conn, step: time.Minute} }

// begin starts a phase: each read and write within step, all of it within total (0: no limit).
func (w *wire) begin(step, total time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.step, w.end = step, time.Time{}
	if total > 0 {
		w.end = time.Now().Add(total)
	}
}

// abortWith makes every read and write fail as soon as ctx ends. stop undoes that.
func (w *wire) abortWith(ctx context.Context) (stop func() bool) {
	return context.AfterFunc(ctx, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.cut = true
		_ = w.Conn.SetDeadline(time.Now().Add(-time.Second))
	})
}

func (w *wire) arm(set func(time.Time) error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut {
		return os.ErrDeadlineExceeded
	}
	deadline := time.Now().Add(w.step)
	if !w.end.IsZero() && w.end.Before(deadline) {
		deadline = w.end
	}
	return set(deadline)
}

func (w *wire) Read(p []byte) (int, error) {
	if err := w.arm(w.Conn.SetReadDeadline); err != nil {
		return 0, err
	}
	n, err := w.Conn.Read(p)
	if w.answer += n; w.answer > maxAnswer {
		return 0, errEndlessAnswer
	}
	return n, err
}

func (w *wire) Write(p []byte) (int, error) {
	w.answer = 0
	if err := w.arm(w.Conn.SetWriteDeadline); err != nil {
		return 0, err
	}
	return w.Conn.Write(p)
}
