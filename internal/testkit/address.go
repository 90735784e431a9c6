package testkit

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// Ports of tests lie below those that the kernel gives to whoever asks for any: a server that is started seconds after
// its port was chosen, or once more after it was killed, finds it free.
const firstPort, lastPort = 12_000, 32_000

// FreeAddress is an address on 127.0.0.1 that belongs to this test until it ends: nothing listens there, and no other
// test gets it.
func FreeAddress(t testing.TB) string {
	t.Helper()
	port, release, err := ReservePort()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}

// ReservePort is a port of 127.0.0.1 that no other test of this machine gets before it is released.
func ReservePort() (port int, release func(), err error) {
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("sekisho-ports-%d", os.Getuid()))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return 0, nil, err
	}
	for range 200 {
		port = firstPort + rand.IntN(lastPort-firstPort)
		file, err := os.OpenFile(filepath.Join(dir, strconv.Itoa(port)), os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return 0, nil, err
		}
		if syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil && unused(port) {
			return port, func() { file.Close() }, nil
		}
		file.Close()
	}
	return 0, nil, fmt.Errorf("no free port between %d and %d", firstPort, lastPort)
}

// unused says whether nothing has the port, for TCP and UDP.
func unused(port int) bool {
	address := fmt.Sprintf("127.0.0.1:%d", port)
	stream, err := net.Listen("tcp", address)
	if err != nil {
		return false
	}
	defer stream.Close()
	packets, err := net.ListenPacket("udp", address)
	if err != nil {
		return false
	}
	packets.Close()
	return true
}
