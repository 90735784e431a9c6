package blob

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/internal/testkit"
)

// The tests below need a process to which the kernel really says no. They run this test binary again:
// in a mount of one megabyte, or under strace with every fsync failing.
const childVariable = "SEKISHO_BLOB_CHILD"

func child(t *testing.T, name string, wrap ...string) *exec.Cmd {
	t.Helper()
	args := append(wrap, os.Args[0], "-test.run=^"+name+"$", "-test.v")
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), childVariable+"="+t.TempDir())
	return cmd
}

func childDir(cmd *exec.Cmd) string {
	return strings.TrimPrefix(cmd.Env[len(cmd.Env)-1], childVariable+"=")
}

func runChild(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS")) {
		t.Fatalf("%v\n%s", err, out)
	}
}

func TestFullDiskKeepsNothing(t *testing.T) {
	dir := os.Getenv(childVariable)
	if dir == "" {
		cmd := child(t, "TestFullDiskKeepsNothing")
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		}
		runChild(t, cmd)
		return
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Fatal(err)
	}
	s, err := openFiles(filepath.Join(dir, "objects"))
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, "body/first", random(600<<10))
	large := random(600 << 10)
	err = s.Put(t.Context(), "body/second", bytes.NewReader(large), int64(len(large)))
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("put on a full disk: %v", err)
	}
	if found := keys(t, s, ""); len(found) != 1 || found[0] != "body/first" {
		t.Errorf("kept %v", found)
	}
	if err := s.Ready(t.Context()); err != nil {
		t.Errorf("what failed still takes the space: %v", err)
	}
	put(t, s, "body/third", random(200<<10))
	fillUp(t, dir)
	if err := s.Ready(t.Context()); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("ready on a full disk: %v", err)
	}
	if err := s.Delete(t.Context(), "body/first"); err != nil {
		t.Errorf("a full disk could not be emptied: %v", err)
	}
}

func fillUp(t *testing.T, dir string) {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
}

func TestFailedFsyncKeepsNothing(t *testing.T) {
	dir := os.Getenv(childVariable)
	if dir == "" {
		cmd := child(t, "TestFailedFsyncKeepsNothing", testkit.Need(t, "strace", "strace"),
			"-f", "-qq", "-e", "trace=fsync", "-e", "signal=none", "-o", "/dev/null", "-e", "inject=fsync:error=EIO")
		dir = childDir(cmd)
		s, err := openFiles(dir)
		if err != nil {
			t.Fatal(err)
		}
		// With its directories made, the adopted file comes as far as the last fsync, after the rename.
		if err := mkdirSynced(filepath.Dir(s.path("body/adopted"))); err != nil {
			t.Fatal(err)
		}
		runChild(t, cmd)
		return
	}
	s, err := openFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Put(t.Context(), "body/a", strings.NewReader("mail"), 4); !errors.Is(err, syscall.EIO) {
		t.Errorf("put: %v", err)
	}
	nothingKept(t, s)
	local := filepath.Join(dir, "spool")
	if err := os.WriteFile(local, []byte("mail"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Adopt(t.Context(), "body/adopted", local); !errors.Is(err, syscall.EIO) {
		t.Errorf("adopt: %v", err)
	}
	if _, err := os.Stat(local); err != nil {
		t.Errorf("the spool file is gone: %v", err)
	}
	nothingKept(t, s)
	if err := s.Ready(t.Context()); !errors.Is(err, syscall.EIO) {
		t.Errorf("ready: %v", err)
	}
}

func TestDirectoryIsSyncedAfterTheRename(t *testing.T) {
	if dir := os.Getenv(childVariable); dir != "" {
		s, err := openFiles(filepath.Join(dir, "objects"))
		if err != nil {
			t.Fatal(err)
		}
		put(t, s, "body/a", []byte("mail"))
		return
	}
	trace := filepath.Join(t.TempDir(), "trace")
	runChild(t, child(t, "TestDirectoryIsSyncedAfterTheRename", testkit.Need(t, "strace", "strace"),
		"-f", "-y", "-qq", "-s", "300", "-e", "trace=fsync,rename,renameat,renameat2", "-e", "signal=none", "-o", trace))
	raw, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for line := range strings.SplitSeq(string(raw), "\n") {
		switch {
		case strings.Contains(line, "fsync(") && strings.Contains(line, "/"+incoming+"/"):
			order = append(order, "sync file")
		case strings.Contains(line, "rename"):
			order = append(order, "rename")
		case strings.Contains(line, "fsync(") && strings.Contains(line, "/body/+"):
			order = append(order, "sync directory")
		}
	}
	if got := strings.Join(order, ", "); got != "sync file, rename, sync directory" {
		t.Errorf("%s\n%s", got, raw)
	}
}

func TestAdoptAcrossFileSystems(t *testing.T) {
	s, err := openFiles(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	spool, err := os.CreateTemp("/dev/shm", "sekisho-test-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(spool.Name())
	if _, err := spool.WriteString("mail"); err != nil {
		t.Fatal(err)
	}
	spool.Close()
	if err := s.Adopt(t.Context(), "body/a", spool.Name()); err != nil {
		t.Fatal(err)
	}
	if got := content(t, s, "body/a"); string(got) != "mail" {
		t.Errorf("%q", got)
	}
	if _, err := os.Stat(spool.Name()); !os.IsNotExist(err) {
		t.Error("the spool file is still there")
	}
}

func TestSweepTakesOnlyOldLeftovers(t *testing.T) {
	s, err := openFiles(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	crashed := filepath.Join(s.root, incoming, "CRASHED")
	running := filepath.Join(s.root, incoming, "RUNNING")
	for _, name := range []string{crashed, running} {
		if err := os.WriteFile(name, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	old := time.Now().Add(-48 * time.Hour)
	if err := os.Chtimes(crashed, old, old); err != nil {
		t.Fatal(err)
	}
	put(t, s, "body/a", []byte("mail"))
	if err := s.Sweep(t.Context(), time.Now().Add(-24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(crashed); !os.IsNotExist(err) {
		t.Error("what a crash left is still there")
	}
	if _, err := os.Stat(running); err != nil {
		t.Error("a running upload was swept away")
	}
	if found := keys(t, s, ""); len(found) != 1 {
		t.Errorf("objects: %v", found)
	}
}

func TestForeignFilesAreNotObjects(t *testing.T) {
	s, err := openFiles(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, "body/a", []byte("mail"))
	for _, name := range []string{"README", "lost+found/#12", "body/note", "body/+zz/x"} {
		path := filepath.Join(s.root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if found := keys(t, s, ""); len(found) != 1 || found[0] != "body/a" {
		t.Errorf("objects: %v", found)
	}
}
