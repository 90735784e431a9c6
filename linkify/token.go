package linkify

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"
)

const (
	tokenLen = 43 // 32 bytes in base64url without padding

	// previewToken has a token's form and can belong to no link: '.' is not in the alphabet.
	previewToken = "preview.this-link-leads-nowhere.00000000000"
)

// token makes the secret of a link, the same for ever from what the row keeps (DESIGN 7.3).
func (l *Links) token(keyID, link string, generation int64) (string, error) {
	mac, err := l.o.Keys.MACWith(keyID, "linkify.token", link, strconv.FormatInt(generation, 10))
	if err != nil {
		return "", fmt.Errorf("make token of link %s: %w", link, err)
	}
	return base64.RawURLEncoding.EncodeToString(mac), nil
}

// tokenHash is what the database keeps of a token. A text that is no token gets a hash as well, one that no
// row has: the way through the program, and so the answer, is the same as for a token nobody made.
func tokenHash(token string) string {
	if len(token) != tokenLen {
		token = "malformed"
	}
	return digestOf(token)
}

func digestOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// NewBrowser makes the secret for a browser's cookie (43 characters). The database keeps its hash.
func NewBrowser() string {
	var b [32]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// browserHash is "" for what NewBrowser cannot have made.
func browserHash(secret string) string {
	if raw, err := base64.RawURLEncoding.Strict().DecodeString(secret); err != nil || len(raw) != 32 {
		return ""
	}
	return digestOf(secret)
}

// codeDigits: with five tries a code and twenty codes a day for a link, a guesser needs centuries.
const codeDigits = 8

func newCode() string {
	n, err := rand.Int(rand.Reader, big.NewInt(100_000_000))
	if err != nil {
		panic(err) // crypto/rand does not fail
	}
	return fmt.Sprintf("%0*d", codeDigits, n)
}

// cleanCode takes a code as people type it: with blanks, hyphens or full-width digits.
func cleanCode(typed string) string {
	if len(typed) > 100 {
		return ""
	}
	return strings.Map(func(r rune) rune {
		if r == ' ' || r == '-' || r == '\t' || r == '\u2010' || r == '\u2212' || r == '\u30fc' {
			return -1
		}
		return r
	}, norm.NFKC.String(strings.TrimSpace(typed)))
}

// ticketLife is how long a download may be begun or resumed after the button was pressed.
const ticketLife = 2 * time.Hour

// ticket is the permission for one session to fetch, or look at, one file until a time: 8 bytes of time and a MAC.
// Nothing of it is stored; the link and the session are looked up again when it is shown.
func (l *Links) ticket(e errand, link, session, file string, until time.Time) string {
	raw := binary.BigEndian.AppendUint64(nil, uint64(until.Unix()))
	raw = append(raw, l.keys.MAC(string(e), link, session, file, strconv.FormatInt(until.Unix(), 10))...)
	return base64.RawURLEncoding.EncodeToString(raw)
}

func (l *Links) checkTicket(e errand, ticket, link, session, file string, now time.Time) bool {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(ticket)
	if err != nil || len(raw) != 40 {
		return false
	}
	until := binary.BigEndian.Uint64(raw[:8])
	if until > 1<<40 || now.Unix() > int64(until) {
		return false
	}
	return l.keys.VerifyMAC(raw[8:], string(e), link, session, file, strconv.FormatUint(until, 10))
}
