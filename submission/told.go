package submission

import (
	"net"

	"golang.org/x/sys/unix"
)

// ear is what the wire reads from. Whoever speaks after our 250 was written has heard it: from then on the same mail
// once more is another mail, and not the resend of one whose answer was lost (holdqueue/doubt.go).
type ear struct{ w *wire }

func (e ear) Read(p []byte) (int, error) {
	n, err := e.w.conn.Read(p)
	if n > 0 && e.w.sent {
		e.w.heard()
	}
	return n, err
}

// tell remembers the mail whose 250 is about to be written.
func (w *wire) tell(d Draft) { w.told, w.sent = d, false }

// flush sends the answers that are ready.
func (w *wire) flush() error {
	err := w.out.Flush()
	if err != nil {
		w.told = nil // it stays in doubt
	}
	w.sent = w.told != nil
	return err
}

func (w *wire) heard() {
	w.told.Answered()
	w.told, w.sent = nil, false
}

// heardAtEnd looks at a connection that the client has closed without another word: its machine has confirmed every
// octet of ours when nothing waits for that any more. Where the program was gone before, the machine refused them.
func (w *wire) heardAtEnd() {
	c, ok := w.under.Conn.(*net.TCPConn)
	if !w.sent || !w.parted || !ok {
		return
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	confirmed := false
	err = raw.Control(func(fd uintptr) {
		fault, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		waiting, err2 := unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
		confirmed = err == nil && err2 == nil && fault == 0 && waiting == 0
	})
	if err == nil && confirmed {
		w.heard()
	}
}
