// Package holdqueue owns accepted mail: its bytes, the states of its recipients, the work that is due, and the
// one loop that carries it out. It does not know what the bytes say, who decides, or how SMTP is spoken: those
// are given to it as Inspect, Prepare and Sender, and the packages that must change together with it are
// called inside its transactions (Hooks).
//
// The unit of state is the recipient (state.go, pure). The unit of consistency is the message: every change
// loads it with its recipients, runs a pure function on it, and writes what differs by compare-and-set on its
// version, together with the audit entry, the hooks and the due work (update.go).
package holdqueue
