// Package testkit starts the real servers that tests need: an S3 store, a next hop. Each runs on
// loopback in a directory of its own and ends with the test. What is missing fails the test and says
// what to install; nothing is skipped.
package testkit

import (
	"context"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Root is the directory of the module, whichever package the test belongs to.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
	}
	t.Fatal("the test does not run inside the module")
	return ""
}

// Tool builds a main package of tools/<name>, a module of its own so that a test server's
// dependencies never enter ours, and returns the binary. The build is kept from run to run.
func Tool(t testing.TB, name, pkg, version string) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cache, "sekisho-tools")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, name+"-"+version)
	unlock := lock(t, binary+".lock")
	defer unlock()
	if _, err := os.Stat(binary); err == nil {
		return binary
	}
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary+".new", pkg)
	build.Dir = filepath.Join(Root(t), "tools", name)
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", name, err, out)
	}
	if err := os.Rename(binary+".new", binary); err != nil {
		t.Fatal(err)
	}
	return binary
}

// lock keeps the test binaries of several packages from building the same tool at once.
func lock(t testing.TB, path string) (unlock func()) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	return func() { file.Close() }
}

// Need finds a program that a Debian package brings.
func Need(t testing.TB, program, debian string) string {
	t.Helper()
	for _, dir := range []string{"", "/usr/sbin/", "/usr/local/sbin/"} {
		if path, err := exec.LookPath(dir + program); err == nil {
			return path
		}
	}
	t.Fatalf("%s is missing: apt-get install %s", program, debian)
	return ""
}

// start runs a server until the test ends and waits until it listens at address. What it printed is
// shown when it does not.
func start(t testing.TB, cmd *exec.Cmd, address string) {
	t.Helper()
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-ended
	})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for !listens(ctx, address) {
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("%s ended: %v\n%s", cmd.Path, err, out.String())
		case <-ctx.Done():
			t.Fatalf("%s does not listen at %s", cmd.Path, address)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func listens(ctx context.Context, address string) bool {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// LoopbackIP is an address of this machine that no other test of this run uses, so that servers can listen on the ports
// that the world uses. Below 1024 that takes root.
func LoopbackIP(t testing.TB) string {
	t.Helper()
	for range 50 {
		ip := net.IPv4(127, byte(2+rand.IntN(250)), byte(rand.IntN(250)), byte(2+rand.IntN(250))).String()
		if listener, err := net.Listen("tcp", net.JoinHostPort(ip, "25")); err == nil {
			listener.Close()
			return ip
		} else if os.Getuid() != 0 {
			t.Fatalf("a server on port 25: %v: run the tests as root", err)
		}
	}
	t.Fatal("no loopback address has port 25 free")
	return ""
}
