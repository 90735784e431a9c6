// Package dbtest runs the body of a store test on both engines. PostgreSQL is Debian's, started once for each
// test binary in a directory of its own; a machine without it fails the test and says what to install.
package dbtest

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/testkit"
)

// Each runs body once on SQLite and once on PostgreSQL, each time with an empty, migrated database.
func Each(t *testing.T, body func(t *testing.T, d *db.DB), opts ...db.Option) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { body(t, SQLite(t, opts...)) })
	t.Run("postgres", func(t *testing.T) { body(t, Postgres(t, opts...)) })
}

// SQLite opens an empty database in a file that goes with the test.
func SQLite(t testing.TB, opts ...db.Option) *db.DB {
	t.Helper()
	return SQLiteIn(t, Memory(t), opts...)
}

// SQLiteIn opens an empty database in a directory.
func SQLiteIn(t testing.TB, dir string, opts ...db.Option) *db.DB {
	t.Helper()
	return open(t, "sqlite:"+filepath.Join(dir, "sekisho.db"), opts)
}

// Memory is a directory that goes with the test, in memory where there is room: nearly all the time of a test with a
// database would be spent on waiting for a disk. What a power cut leaves is tested elsewhere, on a real one. Benchmarks
// get a directory on a disk.
func Memory(t testing.TB) string {
	t.Helper()
	const shm, room = "/dev/shm", 2 << 30 // containers often have 64 MB
	var fs syscall.Statfs_t
	if _, bench := t.(*testing.B); bench || syscall.Statfs(shm, &fs) != nil || int64(fs.Bavail)*fs.Bsize < room {
		return t.TempDir()
	}
	sweepMemory(shm)
	dir, err := os.MkdirTemp(shm, fmt.Sprintf("sekisho-sqlite-%d-", os.Getpid()))
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// sweepMemory gives back what test binaries that were killed left in memory.
func sweepMemory(shm string) {
	old, _ := filepath.Glob(filepath.Join(shm, "sekisho-sqlite-*"))
	removeOrphans(old)
}

// Postgres opens an empty database on the test binary's own server.
func Postgres(t testing.TB, opts ...db.Option) *db.DB {
	t.Helper()
	return open(t, PostgresURL(t), opts)
}

// PostgresURL makes an empty database on the test binary's own server.
func PostgresURL(t testing.TB) string {
	t.Helper()
	s, err := started()
	if err != nil {
		t.Fatalf("start PostgreSQL: %v", err)
	}
	name, err := s.create()
	if err != nil {
		t.Fatalf("create database: %v", err)
	}
	return s.url(name)
}

func open(t testing.TB, url string, opts []db.Option) *db.DB {
	d, err := db.Open(context.Background(), url, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// Server is a PostgreSQL of a test's own, which it may stop and start.
type Server struct{ s *server }

// OwnPostgres starts one. It has one database.
func OwnPostgres(t testing.TB) (*Server, string) {
	t.Helper()
	s, err := start(fmt.Sprintf("own-%d-%d", os.Getpid(), own.Add(1)))
	if err != nil {
		t.Fatalf("start PostgreSQL: %v", err)
	}
	o := &Server{s}
	t.Cleanup(func() { o.Stop() })
	name, err := s.create()
	if err != nil {
		t.Fatalf("create database: %v", err)
	}
	return o, s.url(name)
}

var own atomic.Int64

// Stop ends the server at once, as when its machine goes.
func (o *Server) Stop() {
	if o.s.cmd == nil || o.s.cmd.Process == nil {
		return
	}
	if err := o.s.cmd.Process.Signal(syscall.SIGQUIT); err == nil {
		<-o.s.ended
	}
	o.s.cmd = nil
}

// Start brings it back.
func (o *Server) Start(t testing.TB) {
	t.Helper()
	bin, err := binaries()
	if err != nil {
		t.Fatal(err)
	}
	owner, err := unprivileged()
	if err != nil {
		t.Fatal(err)
	}
	if err := o.s.launch(bin, owner); err != nil {
		t.Fatal(err)
	}
	if err := o.s.ready(); err != nil {
		t.Fatal(err)
	}
}

type server struct {
	dir   string
	port  int
	cmd   *exec.Cmd
	ended chan struct{}
	mu    sync.Mutex
	count int
}

var started = sync.OnceValues(func() (*server, error) { return start(fmt.Sprintf("pg-%d", os.Getpid())) })

func (s *server) url(name string) string {
	return fmt.Sprintf("postgres://sekisho@127.0.0.1:%d/%s?sslmode=disable", s.port, name)
}

func (s *server) create() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count++
	name := "t" + strconv.Itoa(s.count)
	pool, err := sql.Open("pgx", s.url("postgres"))
	if err != nil {
		return "", err
	}
	defer pool.Close()
	_, err = pool.Exec(`CREATE DATABASE ` + name)
	return name, err
}

// start makes a server in a directory named after this process, so that its remains can be told from another's.
func start(name string) (*server, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	owner, err := unprivileged()
	if err != nil {
		return nil, err
	}
	sweepOld()
	s := &server{dir: filepath.Join(os.TempDir(), "sekisho-"+name)}
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		return nil, err
	}
	if owner != nil {
		if err := os.Chown(s.dir, int(owner.Uid), int(owner.Gid)); err != nil {
			return nil, err
		}
	}
	if s.port, _, err = testkit.ReservePort(); err != nil {
		return nil, err
	}
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", s.dir+"/data", "-U", "sekisho", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
	initdb.Dir = s.dir
	initdb.SysProcAttr = &syscall.SysProcAttr{Credential: owner}
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %v\n%s", err, out)
	}
	if err := s.launch(bin, owner); err != nil {
		return nil, err
	}
	return s, s.ready()
}

// launch starts the server so that it ends with this process, whatever ends this process. Durability is
// switched off: these tests are of what we ask of PostgreSQL, not of what it keeps over a power cut.
func (s *server) launch(bin string, owner *syscall.Credential) error {
	cmd := exec.Command(filepath.Join(bin, "postgres"), "-D", s.dir+"/data", "-k", s.dir, "-h", "127.0.0.1",
		"-p", strconv.Itoa(s.port), "-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_connections=200")
	cmd.Dir = s.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: owner, Pdeathsig: syscall.SIGQUIT}
	failed, ended := make(chan error), make(chan struct{})
	s.cmd, s.ended = cmd, ended
	go func() {
		// The death signal comes when the *thread* that forked ends, so that thread must live for ever.
		runtime.LockOSThread()
		failed <- cmd.Start()
		cmd.Wait()
		close(ended)
		select {}
	}()
	return <-failed
}

func (s *server) ready() error {
	pool, err := sql.Open("pgx", s.url("postgres"))
	if err != nil {
		return err
	}
	defer pool.Close()
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if err = pool.Ping(); err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

func binaries() (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(found) == 0 {
		return "", fmt.Errorf("no server in /usr/lib/postgresql: install Debian's package postgresql (make test does)")
	}
	return filepath.Dir(found[len(found)-1]), nil
}

// unprivileged is the user to run the server as: PostgreSQL refuses to be root.
func unprivileged() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// sweepOld removes what test binaries that have ended left behind.
func sweepOld() {
	old, _ := filepath.Glob(filepath.Join(os.TempDir(), "sekisho-pg-*"))
	owned, _ := filepath.Glob(filepath.Join(os.TempDir(), "sekisho-own-*"))
	removeOrphans(append(old, owned...))
}

// removeOrphans removes directories whose names have as their third word a process that has ended.
func removeOrphans(dirs []string) {
	for _, dir := range dirs {
		pid := strings.Split(filepath.Base(dir), "-")[2]
		if _, err := os.Stat("/proc/" + pid); os.IsNotExist(err) {
			os.RemoveAll(dir)
		}
	}
}
