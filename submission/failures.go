package submission

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/sekisho-mail/sekisho/internal/db"
)

// How many wrong passwords are too many. What is counted is different passwords, because a telephone with last
// month's password tries that one all day and guesses nothing.
const (
	pairWindow   = 15 * time.Minute
	pairWrong    = 10  // different passwords for one user from one address
	pairTries    = 200 // attempts in all, repeated ones too: each costs us a hash
	placeWindow  = time.Hour
	placeUsers   = 100 // different users from one address, those who have signed in from it not counted
	rememberSize = 50_000
)

// failures counts sign-ins that failed. A count belongs to a user and an address together, so that nobody outside can
// lock a person's account, and three hundred people behind one address do not stand for each other; a second, slower
// count belongs to the address alone and sees who tries many users. It forgets the oldest when there are too many, and
// alone it forgets at a restart. With a ledger other nodes' counts are added: how many passwords were wrong, never a
// trace of which. What was right is known to the node that saw it.
type failures struct {
	secret []byte
	ledger *Ledger

	mu     sync.Mutex
	pairs  *simplelru.LRU[mark, *tries]
	places *simplelru.LRU[netip.Prefix, *tries]
	good   *simplelru.LRU[mark, bool] // passwords and users that were right at an address
}

// mark stands for a user, an address and perhaps a password, none of which can be read from it.
type mark [sha256.Size]byte

// tries is what went wrong since the window began.
type tries struct {
	since time.Time
	all   int
	marks map[mark]bool
}

func newFailures(ledger *Ledger) *failures {
	f := &failures{secret: make([]byte, 32), ledger: ledger}
	if rand.Read(f.secret); ledger != nil {
		f.secret = ledger.keys.MAC("submission.signin") // all nodes mark a user alike
	}
	f.pairs = mustLRU[mark, *tries](rememberSize)
	f.places = mustLRU[netip.Prefix, *tries](rememberSize)
	f.good = mustLRU[mark, bool](rememberSize)
	return f
}

func mustLRU[K comparable, V any](size int) *simplelru.LRU[K, V] {
	l, err := simplelru.NewLRU[K, V](size, nil)
	if err != nil {
		panic(err) // only for a size that is not positive
	}
	return l
}

// attempt is one try to sign in.
type attempt struct {
	place netip.Prefix
	pair  mark // user at this address
	word  mark // user, address and password
}

func (f *failures) attempt(user, password string, from netip.Addr) attempt {
	place := neighbourhood(from)
	user = strings.ToLower(user)
	return attempt{place, f.mark(place.String(), user), f.mark(place.String(), user, password)}
}

func (f *failures) mark(parts ...string) (m mark) {
	mac := hmac.New(sha256.New, f.secret)
	for _, p := range parts {
		sum := sha256.Sum256([]byte(p))
		mac.Write(sum[:])
	}
	mac.Sum(m[:0])
	return m
}

// neighbourhood is what one customer of a provider gets: an IPv4 address, or 64 bits of IPv6.
func neighbourhood(a netip.Addr) netip.Prefix {
	a = a.Unmap()
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// blocked says how long the attempt must wait; zero when it may be tried.
func (f *failures) blocked(ctx context.Context, a attempt, now time.Time) time.Duration {
	f.mu.Lock()
	right := f.good.Contains(a.word)
	f.mu.Unlock()
	if right {
		return 0
	}
	pair := f.ledger.elsewhere(ctx, a.pair.hex(), now, tallyWrong, tallyTries)
	place := f.ledger.elsewhere(ctx, f.placeSubject(a.place), now, tallyUsers)
	f.mu.Lock()
	defer f.mu.Unlock()
	return max(f.blockedPair(a, pair, now), f.blockedPlace(a, place, now))
}

// blockedPair counts what the user got wrong from the address, here and elsewhere.
func (f *failures) blockedPair(a attempt, there map[tallyLine]tallied, now time.Time) (wait time.Duration) {
	all, wrong, known := 0, 0, false
	if t, ok := f.pairs.Get(a.pair); ok && t.left(pairWindow, now) > 0 {
		all, wrong, known, wait = t.all, len(t.marks), t.marks[a.word], t.left(pairWindow, now)
	}
	for n, e := range there {
		if n.kind == tallyWrong {
			wrong += int(e.count)
		} else {
			all += int(e.count)
		}
		wait = max(wait, e.ends.Sub(now))
	}
	if all >= pairTries || wrong >= pairWrong && !known {
		return wait
	}
	return 0
}

// blockedPlace counts the users that failed from the address.
func (f *failures) blockedPlace(a attempt, there map[tallyLine]tallied, now time.Time) (wait time.Duration) {
	if f.good.Contains(a.pair) {
		return 0
	}
	users := map[string]bool{}
	if t, ok := f.places.Get(a.place); ok && t.left(placeWindow, now) > 0 {
		for m := range t.marks {
			users[m.hex()] = true
		}
		wait = t.left(placeWindow, now)
	}
	for n, e := range there {
		users[n.mark] = true
		wait = max(wait, e.ends.Sub(now))
	}
	if len(users) >= placeUsers && !users[a.pair.hex()] {
		return wait
	}
	return 0
}

// placeSubject is an address as the ledger has it.
func (f *failures) placeSubject(p netip.Prefix) string { return f.mark(p.String()).hex() }

// hex is a mark as the ledger has it.
func (m mark) hex() string { return hex.EncodeToString(m[:16]) }

func (f *failures) failed(a attempt, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.good.Remove(a.word)
	t := count(f.pairs, a.pair, a.word, pairWindow, now)
	opened, ends := db.Micros(t.since), t.since.Add(pairWindow)
	f.ledger.put(tallyLine{kind: tallyWrong, subject: a.pair.hex(), opened: opened}, tallied{int64(len(t.marks)), ends})
	f.ledger.put(tallyLine{kind: tallyTries, subject: a.pair.hex(), opened: opened}, tallied{int64(t.all), ends})
	if !f.good.Contains(a.pair) {
		t := count(f.places, a.place, a.pair, placeWindow, now)
		f.ledger.put(tallyLine{kind: tallyUsers, subject: f.placeSubject(a.place), opened: db.Micros(t.since), mark: a.pair.hex()},
			tallied{1, t.since.Add(placeWindow)})
	}
}

func (f *failures) succeeded(a attempt) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.good.Add(a.word, true)
	f.good.Add(a.pair, true)
}

func count[K comparable](l *simplelru.LRU[K, *tries], key K, what mark, window time.Duration, now time.Time) *tries {
	t, ok := l.Get(key)
	if !ok || t.left(window, now) <= 0 {
		t = &tries{since: now, marks: map[mark]bool{}}
		l.Add(key, t)
	}
	t.all++
	t.marks[what] = true
	return t
}

func (t *tries) left(window time.Duration, now time.Time) time.Duration {
	return t.since.Add(window).Sub(now)
}
