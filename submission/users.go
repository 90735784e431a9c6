package submission

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
	"github.com/sekisho-mail/sekisho/internal/yamlfile"
)

// Reasons why a sign-in failed.
var (
	ErrBadPassword = errors.New("user name or password is wrong")
	ErrBusy        = errors.New("too many sign-ins at once")
)

const (
	rereadEvery  = 250 * time.Millisecond
	rememberFor  = 5 * time.Minute // a right password, so that an office's every send costs no hash
	rememberMany = 10_000
	verifyWait   = 10 * time.Second
)

// Users is the built-in users file (users.yaml). It is read again when it changes.
type Users struct {
	path string
	log  *slog.Logger
	// hashing bounds the memory that sign-ins take together: a hash takes 19 MiB.
	hashing chan struct{}
	secret  []byte

	mu     sync.Mutex
	looked time.Time
	stamp  fileStamp
	byKey  map[mailaddr.Address]*user
	right  *simplelru.LRU[mark, time.Time] // until when
	decoy  *hashed                         // compared with for users that do not exist
}

type user struct {
	address mailaddr.Address
	text    string // of the hash, as in the file
	hash    *hashed
}

// fileStamp says which writing of a file was read.
type fileStamp struct {
	modified time.Time
	size     int64
}

func stampOf(path string) (fileStamp, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return fileStamp{}, err
	}
	return fileStamp{fi.ModTime(), fi.Size()}, nil
}

// OpenUsers reads the file for the first time. The error lists all its mistakes with their lines.
func OpenUsers(path string, log *slog.Logger) (*Users, error) {
	u := newUsers(path, log)
	stamp, err := stampOf(path)
	if err != nil {
		return nil, fmt.Errorf("open users file: %w", err)
	}
	if err := u.read(stamp); err != nil {
		return nil, fmt.Errorf("open users file: %w", err)
	}
	return u, nil
}

// AwaitUsers is OpenUsers for a file that may not be there yet: until it is, nobody can sign in.
func AwaitUsers(path string, log *slog.Logger) (*Users, error) {
	u, err := OpenUsers(path, log)
	if errors.Is(err, fs.ErrNotExist) {
		log.Warn("users file is not there yet; nobody can sign in with a password")
		return newUsers(path, log), nil
	}
	return u, err
}

func newUsers(path string, log *slog.Logger) *Users {
	u := &Users{path: path, log: log, hashing: make(chan struct{}, max(runtime.GOMAXPROCS(0), 2)), secret: make([]byte, 32)}
	rand.Read(u.secret)
	u.right = mustLRU[mark, time.Time](rememberMany)
	u.decoy = decoy(factoryCost())
	return u
}

// decoy is a hash that no password has.
func decoy(cost argon) *hashed {
	return &hashed{cost: cost, salt: make([]byte, saltLength), key: make([]byte, keyLength)}
}

// usersFile is the shape of the file.
type usersFile struct {
	Users []struct {
		Address  string `yaml:"address"`
		Password string `yaml:"password"`
	} `yaml:"users"`
}

// parseUsers reads the text of a users file and lists what is wrong with it.
func parseUsers(text []byte) ([]*user, []yamlfile.Problem) {
	var shape usersFile
	f := yamlfile.Read(text, &shape)
	var users []*user
	seen := map[mailaddr.Address]bool{}
	for i, entry := range shape.Users {
		at := fmt.Sprintf("users[%d]", i)
		a, err := mailaddr.Parse(entry.Address, true)
		if err != nil {
			f.Add(at+".address", "address: %v", err)
			continue
		}
		if seen[a.Key()] {
			f.Add(at+".address", "the address stands twice")
			continue
		}
		seen[a.Key()] = true
		hash, err := parseHash(entry.Password)
		if err != nil {
			f.Add(at+".password", "%v", err)
			continue
		}
		users = append(users, &user{a, entry.Password, hash})
	}
	return users, f.Problems()
}

func problems(path string, list []yamlfile.Problem) error {
	if len(list) == 0 {
		return nil
	}
	lines := make([]string, len(list))
	for i, p := range list {
		lines[i] = fmt.Sprintf("%s:%d: %s", path, p.Line, p.Text)
	}
	return errors.New(strings.Join(lines, "\n"))
}

func (u *Users) read(stamp fileStamp) error {
	text, err := os.ReadFile(u.path)
	if err != nil {
		return err
	}
	users, wrong := parseUsers(text)
	if err := problems(u.path, wrong); err != nil {
		return err
	}
	byKey := make(map[mailaddr.Address]*user, len(users))
	cost := factoryCost()
	for i, who := range users {
		byKey[who.address.Key()] = who
		if i == 0 && who.hash.bcrypt == nil {
			cost = who.hash.cost
		}
	}
	u.byKey, u.stamp = byKey, stamp
	u.decoy = decoy(cost)
	return nil
}

// refresh reads the file again when it has changed. A file with mistakes changes nothing: nobody is locked out by a
// slip of the editor.
func (u *Users) refresh(now time.Time) {
	if now.Sub(u.looked) < rereadEvery && !now.Before(u.looked) {
		return
	}
	u.looked = now
	stamp, err := stampOf(u.path)
	if err == nil && stamp == u.stamp {
		return
	}
	if err == nil {
		err = u.read(stamp)
	}
	if err != nil && stamp != u.stamp {
		u.log.Error("users file not taken over", "error", err)
		u.stamp = stamp // said once for each writing
	}
}

// Verify names the user whose password it is, or ErrBadPassword, or ErrBusy. A user that does not exist takes as long
// as one that does.
func (u *Users) Verify(ctx context.Context, name, password string) (mailaddr.Address, error) {
	if password == "" || len(password) > maxPassword {
		return "", ErrBadPassword
	}
	who, hash, remembered := u.find(name, password)
	if remembered {
		return who.address, nil
	}
	if err := u.enter(ctx); err != nil {
		return "", err
	}
	matches := hash.matches(password)
	<-u.hashing
	if !matches || who == nil {
		return "", ErrBadPassword
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.right.Add(u.mark(who, password), time.Now().Add(rememberFor))
	return who.address, nil
}

func (u *Users) find(name, password string) (who *user, hash *hashed, remembered bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.refresh(time.Now())
	a, err := mailaddr.Parse(name, true)
	if err == nil {
		who = u.byKey[a.Key()]
	}
	if who == nil {
		return nil, u.decoy, false
	}
	until, ok := u.right.Get(u.mark(who, password))
	return who, who.hash, ok && time.Now().Before(until)
}

// mark stands for a user with this very password and hash; a changed password makes it another.
func (u *Users) mark(who *user, password string) (m mark) {
	mac := hmac.New(sha256.New, u.secret)
	fmt.Fprintf(mac, "%s\n%s\n%s", who.address.Key(), who.text, password)
	mac.Sum(m[:0])
	return m
}

func (u *Users) enter(ctx context.Context) error {
	wait := time.NewTimer(verifyWait)
	defer wait.Stop()
	select {
	case u.hashing <- struct{}{}:
		return nil
	case <-wait.C:
		return ErrBusy
	case <-ctx.Done():
		return ctx.Err()
	}
}
