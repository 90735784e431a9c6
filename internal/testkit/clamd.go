package testkit

import (
	"crypto/md5"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// EICAR is the file that every virus scanner calls a virus and that is none. It is put together here,
// so that no scanner takes this source for it.
func EICAR() []byte {
	return []byte(`X5O!P%@AP[4\PZX54(P^)7CC)7}$` + `EICAR-STANDARD-ANTIVIRUS` + `-TEST-FILE!$H+H*`)
}

// Clamd starts ClamAV's daemon with one signature of its own, the EICAR file, and returns its address
// as scanners.clamd takes it. It accepts files up to 1 MB. stop ends it before the test does.
func Clamd(t testing.TB) (address string, stop func()) {
	t.Helper()
	program := Need(t, "clamd", "clamav-daemon")
	home, err := os.MkdirTemp("", "clamd") // a short path: it holds a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(home) })
	socket, conf, database := filepath.Join(home, "ctl"), filepath.Join(home, "clamd.conf"), filepath.Join(home, "db")
	signature := fmt.Sprintf("%x:%d:Eicar-Test\n", md5.Sum(EICAR()), len(EICAR()))
	settings := "Foreground yes\nLocalSocket " + socket + "\nDatabaseDirectory " + database + "\nTemporaryDirectory " + home + "\nStreamMaxLength 1M\nMaxThreads 4\n"
	if err := os.Mkdir(database, 0o755); err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{filepath.Join(database, "test.hdb"): signature, conf: settings} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	log, err := os.Create(filepath.Join(home, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(program, "--config-file="+conf)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		cmd.Wait()
		close(ended)
	}()
	stop = func() {
		cmd.Process.Kill()
		<-ended
	}
	t.Cleanup(stop)
	for deadline := time.Now().Add(time.Minute); ; {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			conn.Close()
			return "unix:" + socket, stop
		}
		select {
		case <-ended:
			said, _ := os.ReadFile(log.Name())
			t.Fatalf("clamd does not start:\n%s", said)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatal("clamd does not answer")
		}
	}
}
