// Package audit owns the log of everything that changed: who did what to which mail and when.
//
// An entry is written in the transaction of the change it tells of, so neither exists without the other.
// Within a second the sequencer (Log.Run) gives it a number in a Merkle log (golang.org/x/mod/sumdb/tlog)
// and signs the new root. From then on no entry can be changed, removed or slipped in without Verify
// noticing; before, whoever can write to the database can, and that second is the documented window.
//
// The log holds personal data by salted hashes only. Purge empties the plain columns and forgets the
// salts, and the log stays valid.
package audit

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db"
)

// Entry is one thing that happened. Message, Recipient and Object are ids, never addresses or names.
type Entry struct {
	Actor     string            // "person:a@b", "os:root", "system", ...: a kind, and a name after a colon
	Action    string            // "accept", "approve", "link.revoke": [a-z0-9_.-]
	Message   string            // id, "" for none
	Recipient string            // id, "" for none
	Object    string            // id of whatever else it is about
	Detail    map[string]string // may name people; keys are [a-z0-9_.-]
	At        time.Time         // zero: the time of the transaction
}

// Append writes e into the log, as part of tx. An error means that e is malformed or the database failed,
// and that the change must not happen.
func Append(tx *db.Tx, e Entry) error {
	return appendAs(tx, db.NewID(), e)
}

func appendAs(tx *db.Tx, id string, e Entry) error {
	if e.At.IsZero() {
		e.At = tx.Now()
	}
	r, err := newRow(id, e)
	if err != nil {
		return fmt.Errorf("audit %q: %w", e.Action, err)
	}
	_, err = tx.Exec(`INSERT INTO audit_entry
		(id, at, actor, action, message, recipient, object, detail, salt, purge, leaf, number)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, '', $10, -1)`,
		r.id, r.at, r.actor, r.action, r.message, r.recipient, r.object, r.detail, r.salt, r.leaf)
	if err != nil {
		return fmt.Errorf("audit %s: %w", e.Action, err)
	}
	return nil
}

// row is an entry as it is stored.
type row struct {
	id        string
	at        int64
	actor     string
	action    string
	message   string
	recipient string
	object    string
	detail    string // JSON
	salt      []byte
	purge     string
	leaf      []byte
	number    int64
}

func newRow(id string, e Entry) (*row, error) {
	if err := e.check(); err != nil {
		return nil, err
	}
	r := &row{
		id: id, at: db.Micros(e.At), actor: clean(e.Actor), action: e.Action, message: clean(e.Message),
		recipient: clean(e.Recipient), object: clean(e.Object), salt: make([]byte, 16), number: -1,
	}
	rand.Read(r.salt)
	detail := make(map[string]string, len(e.Detail))
	for name, value := range e.Detail {
		detail[name] = clean(value)
	}
	text, err := json.Marshal(detail)
	if err != nil {
		return nil, err
	}
	r.detail = string(text)
	r.leaf, err = r.canonical(detail)
	return r, err
}

func (e *Entry) check() error {
	if !isName(e.Action) {
		return errors.New("malformed action")
	}
	if kind, _, _ := strings.Cut(e.Actor, ":"); !isName(kind) {
		return errors.New("malformed actor")
	}
	for name := range e.Detail {
		if !isName(name) {
			return errors.New("malformed name of a detail")
		}
	}
	return nil
}

func isName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '_' || c == '.' || c == '-') {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

// maxValue bounds what one value may take in a log that is kept for years.
const maxValue = 4096

// clean makes a value one that both engines and JSON give back unchanged.
func clean(s string) string {
	if len(s) > maxValue {
		s = s[:maxValue]
	}
	s = strings.ToValidUTF8(s, "\uFFFD")
	return strings.ReplaceAll(s, "\x00", "\uFFFD")
}

// leaf is the canonical form of an entry: these members in this order. Changing it would make a new
// version, never a new meaning of V.
type leaf struct {
	V         int               `json:"v"`
	ID        string            `json:"id"`
	At        int64             `json:"at"` // microseconds UTC
	Kind      string            `json:"kind"`
	Actor     string            `json:"actor"` // salted hash, as are the values of Detail
	Action    string            `json:"action"`
	Message   string            `json:"message"`
	Recipient string            `json:"recipient"`
	Object    string            `json:"object"`
	Detail    map[string]string `json:"detail"`
}

// canonical is what the row commits to. encoding/json writes members in the order of the struct and maps
// by sorted keys, so the same row always gives the same bytes.
func (r *row) canonical(detail map[string]string) ([]byte, error) {
	l := leaf{
		V: 1, ID: r.id, At: r.at, Kind: kindOf(r.actor), Actor: r.hash("actor", r.actor), Action: r.action,
		Message: r.message, Recipient: r.recipient, Object: r.object, Detail: map[string]string{},
	}
	for name, value := range detail {
		l.Detail[name] = r.hash("detail."+name, value)
	}
	return json.Marshal(l)
}

// hash hides a value that may be guessed (an address) behind a salt that can be forgotten.
func (r *row) hash(name, value string) string {
	h := hmac.New(sha256.New, r.salt)
	h.Write([]byte(name + "\x00" + value))
	return hex.EncodeToString(h.Sum(nil))
}

func kindOf(actor string) string {
	kind, _, _ := strings.Cut(actor, ":")
	return kind
}
