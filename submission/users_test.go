package submission

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/internal/mailaddr"
	"golang.org/x/crypto/bcrypt"
)

func TestUsersFileIsKeptByCommands(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.yaml")
	if err := AddUser(path, alice, "first password"); err != nil {
		t.Fatal(err)
	}
	if err := AddUser(path, "Alice@corp.example", "x"); !errors.Is(err, ErrUserExists) {
		t.Errorf("second alice: %v", err)
	}
	if err := AddUser(path, "bob@corp.example", ""); !errors.Is(err, ErrEmptyPassword) {
		t.Errorf("empty password: %v", err)
	}
	if err := AddUser(path, "bob@corp.example", "bob's"); err != nil {
		t.Fatal(err)
	}
	fi, err := os.Stat(path)
	if err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", fi.Mode(), err)
	}
	u, err := OpenUsers(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	check := func(user, word string, want error) {
		t.Helper()
		if _, err := u.Verify(t.Context(), user, word); !errors.Is(err, want) {
			t.Errorf("%s %q: %v, want %v", user, word, err, want)
		}
	}
	check("alice@corp.example", "first password", nil)
	check("alice@corp.example", "bob's", ErrBadPassword)
	if err := SetPassword(path, alice, "second password"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(rereadEvery)
	check("alice@corp.example", "first password", ErrBadPassword) // remembered, and forgotten with the hash
	check("alice@corp.example", "second password", nil)
	if err := RemoveUser(path, "bob@corp.example"); err != nil {
		t.Fatal(err)
	}
	if err := RemoveUser(path, "bob@corp.example"); !errors.Is(err, ErrNoSuchUser) {
		t.Errorf("removed twice: %v", err)
	}
	if err := SetPassword(path, "bob@corp.example", "x"); !errors.Is(err, ErrNoSuchUser) {
		t.Errorf("password of nobody: %v", err)
	}
	if got, err := ListUsers(path); err != nil || !slices.Equal(got, []mailaddr.Address{alice}) {
		t.Errorf("users %v, %v", got, err)
	}
	time.Sleep(rereadEvery)
	check("bob@corp.example", "bob's", ErrBadPassword)
}

func TestEditingKeepsWhatItsAuthorWrote(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.yaml")
	before := "# who may send\nusers:\n  # the boss\n  - address: boss@corp.example\n    password: '" + cheapHash("x") + "'\n"
	if err := os.WriteFile(path, []byte(before), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := AddUser(path, alice, "a b c"); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"# who may send", "# the boss", "boss@corp.example", cheapHash("x"), `- {address: alice@corp.example, password: "$argon2id$v=19$m=19456,t=2,p=1$`} {
		if !strings.Contains(string(after), want) {
			t.Errorf("%q is missing:\n%s", want, after)
		}
	}
}

func TestMistakesInTheUsersFileAreAllReportedWithLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.yaml")
	text := "users:\n  - {address: alice, password: x}\n  - {address: bob@corp.example, password: plain}\n" +
		"  - {adress: c@corp.example}\n  - {address: d@corp.example, password: \"$argon2id$v=19$m=99999999,t=1,p=1$c2FsdHNhbHQ$MDEyMzQ1Njc4OWFiY2RlZg\"}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := OpenUsers(path, slog.New(slog.DiscardHandler))
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{":2: ", ":3: ", ":4: ", ":5: "} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no mistake in line %s\n%v", want, err)
		}
	}
	if err := AddUser(path, alice, "x"); err == nil {
		t.Error("a file with mistakes was rewritten")
	}
}

func TestBrokenUsersFileChangesNothingUntilMended(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.yaml")
	writeUsers(t, path, "alice@corp.example")
	log := &lockedBuffer{}
	u, err := OpenUsers(path, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("users: ["), 0o600); err != nil {
		t.Fatal(err)
	}
	time.Sleep(rereadEvery)
	if _, err := u.Verify(t.Context(), "alice@corp.example", password); err != nil {
		t.Errorf("alice is locked out by a slip: %v", err)
	}
	if !strings.Contains(log.String(), "users file not taken over") {
		t.Error("nobody is told")
	}
	writeUsers(t, path, "bob@corp.example")
	time.Sleep(rereadEvery)
	if _, err := u.Verify(t.Context(), "bob@corp.example", password); err != nil {
		t.Errorf("mended file is not read: %v", err)
	}
}

func TestImportedBcryptPasswords(t *testing.T) {
	for _, prefix := range []string{"$2a$", "$2b$", "$2y$"} {
		hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		h, err := parseHash(prefix + string(hash[4:]))
		if err != nil {
			t.Fatal(err)
		}
		if !h.matches(password) || h.matches("wrong") {
			t.Errorf("%s does not verify", prefix)
		}
	}
	long := strings.Repeat("x", 80)
	hash, err := bcrypt.GenerateFromPassword([]byte(long[:72]), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	if h, err := parseHash(string(hash)); err != nil || !h.matches(long) {
		t.Errorf("a long password of the old system: %v", err)
	}
}

func TestHashesThatAreNotTaken(t *testing.T) {
	for _, s := range []string{
		"", "secret", "$1$abc$def", "$argon2i$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$MDEyMzQ1Njc4OWFiY2RlZg",
		"$argon2id$v=16$m=64,t=1,p=1$c2FsdHNhbHQ$MDEyMzQ1Njc4OWFiY2RlZg", "$argon2id$v=19$m=64,t=0,p=1$c2FsdHNhbHQ$MDEyMzQ1Njc4OWFiY2RlZg",
		"$argon2id$v=19$m=64,t=1,p=0$c2FsdHNhbHQ$MDEyMzQ1Njc4OWFiY2RlZg", "$argon2id$v=19$m=64,t=1,p=1,x=2$c2FsdHNhbHQ$MDEyMzQ1Njc4OWFiY2RlZg",
		"$argon2id$v=19$m=64,t=1,p=1$$", "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$AAAA", "$2b$31$abcdefghijklmnopqrstuuO1", "$2x",
		"$argon2id$v=19$m=64,t=1000,p=1$c2FsdHNhbHQ$MDEyMzQ1Njc4OWFiY2RlZg",
	} {
		if _, err := parseHash(s); err == nil {
			t.Errorf("%q is taken", s)
		}
	}
}

func TestUnknownUserCostsAsMuchAsAKnownOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.yaml")
	if err := AddUser(path, alice, password); err != nil {
		t.Fatal(err)
	}
	u, err := OpenUsers(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	best := func(user string) time.Duration {
		shortest := time.Hour
		for range 5 {
			start := time.Now()
			if _, err := u.Verify(t.Context(), user, "wrong"); !errors.Is(err, ErrBadPassword) {
				t.Fatal(err)
			}
			shortest = min(shortest, time.Since(start))
		}
		return shortest
	}
	known, unknown := best("alice@corp.example"), best("nobody@corp.example")
	if unknown < known/3 || known < unknown/3 {
		t.Errorf("known user %v, unknown user %v", known, unknown)
	}
}

func TestRightPasswordIsRememberedSoThatAnOfficeCostsNoCPU(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.yaml")
	if err := AddUser(path, alice, password); err != nil {
		t.Fatal(err)
	}
	u, err := OpenUsers(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := u.Verify(t.Context(), "alice@corp.example", password); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	var wg sync.WaitGroup
	for range 300 {
		wg.Go(func() {
			if _, err := u.Verify(t.Context(), "alice@corp.example", password); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if took := time.Since(start); took > time.Second {
		t.Errorf("300 sign-ins took %v", took)
	}
}

func TestUsersFileMayComeLater(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.yaml")
	if _, err := OpenUsers(path, slog.New(slog.DiscardHandler)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	u, err := AwaitUsers(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := u.Verify(t.Context(), "alice@corp.example", password); !errors.Is(err, ErrBadPassword) {
		t.Errorf("before: %v", err)
	}
	writeUsers(t, path, "alice@corp.example")
	time.Sleep(rereadEvery)
	if _, err := u.Verify(t.Context(), "alice@corp.example", password); err != nil {
		t.Errorf("after: %v", err)
	}
}

func TestUsersFileOfTheServicesGroupStaysReadableToIt(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatal("only root can give files away: run the tests as root")
	}
	dir := t.TempDir()
	if err := os.Chown(dir, 0, 12345); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "users.yaml")
	for step, do := range []func() error{
		func() error { return AddUser(path, "alice@corp.example", "a long password") },
		func() error { return SetPassword(path, "alice@corp.example", "another password") },
	} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
		fi, err := os.Stat(path)
		if err != nil || fi.Mode().Perm() != 0o640 || fi.Sys().(*syscall.Stat_t).Gid != 12345 {
			t.Errorf("step %d: %v %v", step, fi.Mode(), err)
		}
	}
}
