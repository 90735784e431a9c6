package story

import (
	"bytes"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/sekisho-mail/sekisho/web/dextest"
)

const (
	tags     = "sqlite_omit_load_extension netgo osusergo"
	password = "correct horse battery"
	// houses bounds how many companies one run may found: the provider has to know their addresses beforehand.
	houses = 600
)

// town is what all stories of a run share: the program, the identity provider, and a range of loopback addresses,
// so that every company has the same ports on an address of its own.
type town struct {
	dir    string
	binary string
	// fragile is the program with failpoints, built when somebody wants it.
	fragile func() (string, error)
	users   []byte // users file with everybody's password
	policy  string // factory policy
	pdf     string // the compiled PDF reader, kept from run to run
	dex     *dextest.Dex
	net     net.IP // from here on each house has an address
	taken   atomic.Int32
	spawn   chan spawning
	looked  func() error
}

var shared town

func TestMain(m *testing.M) {
	flag.Parse()
	// Stories mostly wait: for a delay, for the ten seconds after an approval.
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue || f.Value.String() == fmt.Sprint(runtime.GOMAXPROCS(0)) {
		f.Value.Set("10")
	}
	code, err := shared.run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "story:", err)
		code = 1
	}
	os.Exit(code)
}

func (s *town) run(m *testing.M) (code int, err error) {
	if s.dir, err = os.MkdirTemp("", "sekisho-story-"); err != nil {
		return 1, err
	}
	defer os.RemoveAll(s.dir)
	s.net = net.IPv4(127, byte(64+rand.IntN(64)), byte(1+rand.IntN(200)), 0).To4()
	s.spawn, s.looked = make(chan spawning), sync.OnceValue(look)
	go s.spawner()
	if err := s.build(); err != nil {
		return 1, err
	}
	var redirects []string
	for n := 1; n <= houses; n++ {
		redirects = append(redirects, baseURL(s.address(n))+"/login/callback")
	}
	if s.dex, err = dextest.Run(redirects, accounts()...); err != nil {
		return 1, err
	}
	defer s.dex.Stop()
	return m.Run(), nil
}

// accounts are the people of every company, as the provider knows them.
func accounts() (all []dextest.User) {
	for i, each := range []struct{ name, group string }{
		{"alice", ""}, {"bob", ""}, {"manager", "managers"}, {"admin", "admins"}, {"auditor", "auditors"}, {"deputy", "managers"},
	} {
		u := dextest.User{ID: fmt.Sprintf("%02d", i+1), Email: each.name + "@corp.example"}
		if each.group != "" {
			u.Groups = []string{each.group}
		}
		all = append(all, u)
	}
	return all
}

func (s *town) address(house int) string {
	ip := append(net.IP(nil), s.net...)
	ip[2] += byte(house / 250)
	ip[3] = byte(1 + house%250)
	return ip.String()
}

func baseURL(ip string) string { return "https://" + net.JoinHostPort(ip, "8443") }

// build makes the program and, with it, the files that every company starts from.
func (s *town) build() error {
	root, err := filepath.Abs("../..")
	if err != nil {
		return err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return err
	}
	s.pdf = filepath.Join(cache, "sekisho-tools", "pdf")
	if err := os.MkdirAll(s.pdf, 0o700); err != nil {
		return err
	}
	s.binary = filepath.Join(s.dir, "sekisho")
	if err := compile(root, s.binary, tags); err != nil {
		return err
	}
	s.fragile = sync.OnceValues(func() (string, error) {
		path := s.binary + "-failpoint"
		return path, compile(root, path, tags+" failpoint")
	})
	out, err := exec.Command(s.binary, "policy", "show").Output()
	if err != nil {
		return fmt.Errorf("policy show: %w", err)
	}
	s.policy, _, _ = strings.Cut(string(out), "\nexpect:")
	users := filepath.Join(s.dir, "users.yaml")
	for _, u := range accounts() {
		add := exec.Command(s.binary, "user", "add", "--file", users, u.Email)
		add.Stdin = strings.NewReader(password + "\n")
		if out, err := add.CombinedOutput(); err != nil {
			return fmt.Errorf("user add: %w\n%s", err, out)
		}
	}
	s.users, err = os.ReadFile(users)
	return err
}

func compile(root, to, tags string) error {
	build := exec.Command("go", "build", "-buildvcs=false", "-tags", tags, "-o", to, "./cmd/sekisho")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the program: %w\n%s", err, out)
	}
	return nil
}

// look reads every directory of the source, so that `go test` knows what these tests depend on and does not take an
// old result for that of a changed program. It sees neither what a child process reads nor what is read before the
// first test begins.
func look() error {
	return filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if d.IsDir() && path != "../.." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "bin") {
			return filepath.SkipDir
		}
		return err
	})
}

// spawning is a command to be started; the error of its start comes back.
type spawning struct {
	cmd    *exec.Cmd
	failed chan error
}

// spawner starts every child process from one thread that never ends: the signal that takes children along when
// this process dies comes when their parent *thread* does.
func (s *town) spawner() {
	runtime.LockOSThread()
	for each := range s.spawn {
		each.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		each.failed <- each.cmd.Start()
	}
}

func (s *town) start(cmd *exec.Cmd) error {
	each := spawning{cmd: cmd, failed: make(chan error)}
	s.spawn <- each
	return <-each.failed
}

// runs carries out a command line of the program.
func (s *town) runs(args ...string) (stdout, stderr string, err error) {
	var out, log bytes.Buffer
	cmd := exec.Command(s.binary, args...)
	cmd.Stdout, cmd.Stderr = &out, &log
	err = cmd.Run()
	return out.String(), log.String(), err
}
