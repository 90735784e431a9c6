// Package dextest starts dex, a real OpenID Connect provider, for tests. It is
// built once from tools/dex, a module of its own, into the user's cache.
package dextest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/sekisho-mail/sekisho/internal/testkit"
)

// User is one account at the provider. The password of everybody is Password.
type User struct {
	ID     string // the subject is made from it
	Email  string
	Groups []string
}

// Password opens every account.
const Password = "open sesame"

// Dex is a running provider.
type Dex struct {
	Issuer       string
	ClientID     string
	ClientSecret string

	address  string
	redirect []string
	cmd      *exec.Cmd
}

// Start runs dex with these users until the test ends. redirects are the
// callback addresses it may send people to.
func Start(t testing.TB, redirects []string, users ...User) *Dex {
	t.Helper()
	d, err := Run(redirects, users...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Stop)
	return d
}

// Run is Start for all tests of a package: the caller stops it.
func Run(redirects []string, users ...User) (*Dex, error) {
	port, _, err := testkit.ReservePort() // until the test binary ends
	if err != nil {
		return nil, err
	}
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	d := &Dex{Issuer: "http://" + address + "/dex", ClientID: "sekisho", ClientSecret: "not-a-secret", address: address, redirect: redirects}
	return d, d.run(users)
}

// Restart starts dex anew at the same address, with other users and new
// signing keys.
func (d *Dex) Restart(t testing.TB, users ...User) {
	t.Helper()
	d.Stop()
	if err := d.run(users); err != nil {
		t.Fatal(err)
	}
}

func (d *Dex) run(users []User) error {
	path, err := binary()
	if err != nil {
		return fmt.Errorf("build dex: %w", err)
	}
	raw, err := d.config(users)
	if err != nil {
		return err
	}
	config, err := os.CreateTemp("", "dex-*.json")
	if err != nil {
		return err
	}
	defer os.Remove(config.Name())
	defer config.Close()
	if _, err := config.Write(raw); err != nil {
		return err
	}
	d.cmd = exec.Command(path, "serve", config.Name())
	log := &strings.Builder{}
	d.cmd.Stdout, d.cmd.Stderr = log, log
	if err := d.cmd.Start(); err != nil {
		return fmt.Errorf("start dex: %w", err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for !d.answers() {
		if time.Now().After(deadline) {
			d.Stop()
			return fmt.Errorf("dex does not answer:\n%s", log)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return nil
}

// Stop ends dex; the address stays reserved for Restart only by chance, which
// on a test machine is enough.
func (d *Dex) Stop() {
	if d.cmd == nil {
		return
	}
	_ = d.cmd.Process.Kill()
	_ = d.cmd.Wait() // "signal: killed" is what we want
	d.cmd = nil
}

func (d *Dex) answers() bool {
	res, err := http.Get(d.Issuer + "/.well-known/openid-configuration")
	if err != nil {
		return false
	}
	res.Body.Close()
	return res.StatusCode == http.StatusOK
}

func (d *Dex) config(users []User) ([]byte, error) {
	hash, err := bcrypt.GenerateFromPassword([]byte(Password), 10) // dex refuses a lower cost
	if err != nil {
		return nil, err
	}
	var static []map[string]any
	for _, u := range users {
		static = append(static, map[string]any{
			"email": u.Email, "hash": string(hash), "username": u.Email, "userID": u.ID, "groups": u.Groups,
		})
	}
	return json.Marshal(map[string]any{
		"issuer":           d.Issuer,
		"storage":          map[string]any{"type": "memory"},
		"web":              map[string]any{"http": d.address},
		"logger":           map[string]any{"level": "error"},
		"oauth2":           map[string]any{"skipApprovalScreen": true},
		"enablePasswordDB": true,
		"staticPasswords":  static,
		"staticClients": []map[string]any{{
			"id": d.ClientID, "secret": d.ClientSecret, "name": "Sekisho", "redirectURIs": d.redirect,
		}},
	})
}

// Browser is an HTTP client that keeps cookies, as people's browsers do.
func Browser(t testing.TB) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar, Timeout: 20 * time.Second}
}

var formAction = regexp.MustCompile(`<form[^>]*action="([^"]+)"`)

// SignIn opens the page, fills in dex's login form when it is led there, and
// gives the page it ends at with its body.
func (d *Dex) SignIn(t testing.TB, browser *http.Client, page, email string) (*http.Response, string) {
	t.Helper()
	res, body := get(t, browser, page)
	if !strings.HasPrefix(res.Request.URL.String(), d.Issuer) {
		return res, body
	}
	action := formAction.FindStringSubmatch(body)
	if action == nil {
		t.Fatalf("dex shows no login form at %s: %d\n%s", res.Request.URL.Path, res.StatusCode, body)
	}
	to, err := res.Request.URL.Parse(strings.ReplaceAll(action[1], "&amp;", "&"))
	if err != nil {
		t.Fatal(err)
	}
	res, err = browser.PostForm(to.String(), url.Values{"login": {email}, "password": {Password}})
	return read(t, res, err)
}

func get(t testing.TB, browser *http.Client, page string) (*http.Response, string) {
	t.Helper()
	res, err := browser.Get(page)
	return read(t, res, err)
}

func read(t testing.TB, res *http.Response, err error) (*http.Response, string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(b)
}

// binary is the path of dex, built when the cache has none. The version stands
// in its name: another version in tools/dex is built anew.
var binary = sync.OnceValues(buildDex)

func buildDex() (string, error) {
	_, here, _, _ := runtime.Caller(0)
	tools := filepath.Join(filepath.Dir(here), "..", "..", "tools", "dex")
	version, err := dexVersion(filepath.Join(tools, "go.mod"))
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	path := filepath.Join(cache, "sekisho-tools", "dex-"+version)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()
	half := fmt.Sprintf("%s.%d", path, os.Getpid()) // several test binaries may build at once: the last rename wins
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", half, "github.com/dexidp/dex/cmd/dex")
	cmd.Dir = tools
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return path, os.Rename(half, path)
}

var dexLine = regexp.MustCompile(`github\.com/dexidp/dex (\S+)`)

func dexVersion(gomod string) (string, error) {
	raw, err := os.ReadFile(gomod)
	if err != nil {
		return "", err
	}
	m := dexLine.FindSubmatch(raw)
	if m == nil {
		return "", fmt.Errorf("%s names no version of dex", gomod)
	}
	return string(m[1]), nil
}
