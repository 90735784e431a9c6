package story

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/sekisho-mail/sekisho/internal/testkit"
)

// disk is an ext4 of its own in a file, whose power can be cut.
type disk struct {
	t      testing.TB
	image  string
	device string
	dir    string
}

func newDisk(t testing.TB, size string) *disk {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("a disk of its own needs root and a loop device: run the tests as root")
	}
	d := &disk{t: t, image: filepath.Join(t.TempDir(), "disk"), dir: t.TempDir()}
	d.run(testkit.Need(t, "truncate", "coreutils"), "-s", size, d.image)
	d.run(testkit.Need(t, "mkfs.ext4", "e2fsprogs"), "-q", "-F", d.image)
	d.device = strings.TrimSpace(d.run(testkit.Need(t, "losetup", "mount"), "--find", "--show", d.image))
	d.mount()
	t.Cleanup(func() {
		d.unmount()
		d.run("losetup", "--detach", d.device)
	})
	return d
}

func (d *disk) run(name string, args ...string) string {
	d.t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		d.t.Fatalf("%s %q (it needs root and a loop device): %v\n%s", name, args, err, out)
	}
	return string(out)
}

func (d *disk) data() string { return filepath.Join(d.dir, "data") }

func (d *disk) mount() {
	d.t.Helper()
	d.run("mount", "-t", "ext4", "-o", "errors=remount-ro", d.device, d.dir)
}

// unmount waits for whoever still has a file open there.
func (d *disk) unmount() {
	d.t.Helper()
	var err error
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if err = syscall.Unmount(d.dir, 0); err == nil {
			return
		}
	}
	d.t.Errorf("unmount the disk: %v", err)
	syscall.Unmount(d.dir, syscall.MNT_DETACH)
}

// cut takes the disk its power: what it has not got on its plates by now, journal included, is gone.
func (d *disk) cut() {
	d.t.Helper()
	const (
		shutdown   = 0x8004587d // EXT4_IOC_SHUTDOWN, _IOR('X', 125, __u32)
		noLogFlush = 2          // EXT4_GOING_FLAGS_NOLOGFLUSH
	)
	f, err := os.Open(d.dir)
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	how := uint32(noLogFlush)
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, f.Fd(), shutdown, uintptr(unsafe.Pointer(&how))); e != 0 {
		d.t.Fatalf("cut the power of the disk: %v", e)
	}
}

// freeze stops every thread of the service where it is. A machine without power answers nobody; without this, a thread
// that waits for the disk while it is cut can be told that all is well (the kernel's journal gives up a transaction
// and forgets that somebody still asks about it), and say 250.
func (h *house) freeze() {
	h.t.Helper()
	pid := h.child.cmd.Process.Pid
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		h.t.Fatalf("freeze the service: %v", err)
	}
	h.eventually("the service stands still", func() error {
		stats, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		if err != nil || len(stats) == 0 {
			return fmt.Errorf("no threads: %v", err)
		}
		for _, name := range stats {
			stat, err := os.ReadFile(name)
			if err != nil {
				continue // the thread has ended
			}
			// The name in brackets may hold blanks. D waits for the disk and stops before it comes back.
			_, rest, _ := strings.Cut(string(stat), ") ")
			if state := rest[:min(1, len(rest))]; !strings.Contains("TtDZX", state) {
				return fmt.Errorf("a thread is in state %q", state)
			}
		}
		return nil
	})
}

// repair is what the start of a machine does with a disk that has a fault.
func (d *disk) repair() {
	d.t.Helper()
	out, err := exec.Command(testkit.Need(d.t, "e2fsck", "e2fsprogs"), "-fy", d.device).CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || exit.ExitCode() > 1) { // 1: corrected
		d.t.Fatalf("repair the disk: %v\n%s", err, out)
	}
}

// restore is the power coming back: the journal is replayed.
func (d *disk) restore() {
	d.t.Helper()
	d.unmount()
	d.mount()
}

// traced puts strace between the running service and the system, until the service ends or detach is called.
func (h *house) traced(args ...string) (detach func()) {
	h.t.Helper()
	log := filepath.Join(h.dir, "strace")
	args = append(args, "-o", log, "-p", fmt.Sprint(h.child.cmd.Process.Pid))
	cmd := exec.Command(testkit.Need(h.t, "strace", "strace"), args...)
	if err := shared.start(cmd); err != nil {
		h.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		cmd.Wait()
		close(ended)
	}()
	detach = func() {
		cmd.Process.Signal(syscall.SIGTERM) // strace lets go and ends
		<-ended
	}
	h.t.Cleanup(detach)
	h.eventually("strace is there", func() error {
		status := mustRead(h.t, fmt.Sprintf("/proc/%d/status", h.child.cmd.Process.Pid))
		if strings.Contains(status, fmt.Sprintf("TracerPid:\t%d\n", cmd.Process.Pid)) {
			return nil
		}
		return fmt.Errorf("it is not")
	})
	return detach
}
