package submission

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// argon is the cost of an argon2id hash.
type argon struct {
	memory  uint32 // KiB
	time    uint32
	threads uint8
}

// factoryCost is the second choice of OWASP's list: 19 MiB and some 25 ms, so that an office signing in on Monday at
// nine does not stand in a queue.
func factoryCost() argon { return argon{memory: 19 << 10, time: 2, threads: 1} }

const (
	maxArgonMemory = 256 << 10 // KiB; what a hash in the file may cost us
	maxArgonTime   = 20
	maxBcryptCost  = 14
	maxPassword    = 1024 // octets
	saltLength     = 16
	keyLength      = 32
)

// hashed is a password as it stands in the file.
type hashed struct {
	cost      argon
	salt, key []byte
	bcrypt    []byte // set instead of the others for an imported one
}

// hashPassword makes the PHC string of a new password.
func hashPassword(password string) string {
	cost := factoryCost()
	salt := make([]byte, saltLength)
	rand.Read(salt)
	key := argon2.IDKey([]byte(password), salt, cost.time, cost.memory, cost.threads, keyLength)
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version,
		cost.memory, cost.time, cost.threads, b64.EncodeToString(salt), b64.EncodeToString(key))
}

var errHashForm = errors.New("the password is neither an argon2id nor a bcrypt hash; set it with `sekisho user passwd`")

// parseHash reads $argon2id$v=19$m=..,t=..,p=..$salt$key, or bcrypt's $2a$, $2b$, $2y$ forms for imports.
func parseHash(s string) (*hashed, error) {
	if strings.HasPrefix(s, "$2") {
		cost, err := bcrypt.Cost([]byte(s))
		if err != nil {
			return nil, errHashForm
		}
		if cost > maxBcryptCost {
			return nil, fmt.Errorf("a bcrypt cost of %d would take seconds for each sign-in; at most %d", cost, maxBcryptCost)
		}
		return &hashed{bcrypt: []byte(s)}, nil
	}
	f := strings.Split(s, "$")
	if len(f) != 6 || f[0] != "" || f[1] != "argon2id" || f[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return nil, errHashForm
	}
	h := &hashed{}
	var tail string
	if n, _ := fmt.Sscanf(f[3]+" ", "m=%d,t=%d,p=%d%s", &h.cost.memory, &h.cost.time, &h.cost.threads, &tail); n != 3 {
		return nil, errHashForm
	}
	var err1, err2 error
	h.salt, err1 = base64.RawStdEncoding.DecodeString(f[4])
	h.key, err2 = base64.RawStdEncoding.DecodeString(f[5])
	switch c := h.cost; {
	case err1 != nil, err2 != nil, len(h.salt) < 8, len(h.salt) > 64, len(h.key) < 16, len(h.key) > 64:
		return nil, errHashForm
	case c.time == 0, c.threads == 0, c.memory < 8*uint32(c.threads):
		return nil, errHashForm
	case c.memory > maxArgonMemory, c.time > maxArgonTime:
		return nil, fmt.Errorf("an argon2id cost of m=%d,t=%d is too much for each sign-in; at most m=%d,t=%d",
			c.memory, c.time, maxArgonMemory, maxArgonTime)
	}
	return h, nil
}

// matches takes as long for a wrong password as for the right one.
func (h *hashed) matches(password string) bool {
	if h.bcrypt != nil {
		// Longer than 72 octets bcrypt refuses; the systems it is imported from cut there.
		p := []byte(password)
		return bcrypt.CompareHashAndPassword(h.bcrypt, p[:min(len(p), 72)]) == nil
	}
	key := argon2.IDKey([]byte(password), h.salt, h.cost.time, h.cost.memory, h.cost.threads, uint32(len(h.key)))
	return subtle.ConstantTimeCompare(key, h.key) == 1
}
