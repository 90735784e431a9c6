package audit

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sekisho-mail/sekisho/internal/seal"
)

// keyName is what a checkpoint's signature line begins with: after the slash, which key of the key file.
const keyName = "sekisho.audit/"

// ed25519Algorithm is note's identifier of the only kind of key it knows.
const ed25519Algorithm = 1

// signingKey derives the key for checkpoints from one key of the key file, so that there is nothing more
// to keep, to lose or to back up, and old checkpoints stay verifiable after a rotation.
func signingKey(keys *seal.Keys, keyID string) (ed25519.PrivateKey, error) {
	seed, err := keys.MACWith(keyID, "audit.checkpoint", "ed25519")
	if err != nil {
		return nil, err
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

// verifierKey is the public half in note's form "name+hash+key", which may be given to anybody.
func verifierKey(keys *seal.Keys, keyID string) (string, error) {
	private, err := signingKey(keys, keyID)
	if err != nil {
		return "", err
	}
	return note.NewEd25519VerifierKey(keyName+keyID, private.Public().(ed25519.PublicKey))
}

// checkpoint is a signed statement: at this time so many leaves had this root. Its text follows the C2SP
// format for checkpoints of transparency logs, with one extension line for the time.
type checkpoint struct {
	tlog.Tree
	at  int64  // microseconds UTC
	key string // id of the key that signed
}

const origin = "sekisho.audit\n"

// treePrefix is tlog's own first line, which names another log than ours.
const treePrefix = "go.sum database tree\n"

func (c *checkpoint) text() string {
	return origin + strings.TrimPrefix(string(tlog.FormatTree(c.Tree)), treePrefix) + "at " + strconv.FormatInt(c.at, 10) + "\n"
}

func (c *checkpoint) sign(keys *seal.Keys) (string, error) {
	id := keys.CurrentID()
	private, err := signingKey(keys, id)
	if err != nil {
		return "", err
	}
	public, err := verifierKey(keys, id)
	if err != nil {
		return "", err
	}
	hash := strings.Split(public, "+")[1]
	secret := base64.StdEncoding.EncodeToString(append([]byte{ed25519Algorithm}, private.Seed()...))
	signer, err := note.NewSigner("PRIVATE+KEY+" + keyName + id + "+" + hash + "+" + secret)
	if err != nil {
		return "", err
	}
	signed, err := note.Sign(&note.Note{Text: c.text()}, signer)
	return string(signed), err
}

// openCheckpoint gives back what a checkpoint says, if one of our keys signed it.
func openCheckpoint(keys *seal.Keys, text string) (*checkpoint, error) {
	opened, err := note.Open([]byte(text), keyRing{keys})
	if err != nil {
		return nil, errors.New("signature does not verify with our keys")
	}
	rest, ours := strings.CutPrefix(opened.Text, origin)
	tree, err := tlog.ParseTree([]byte(treePrefix + rest))
	if err != nil || !ours {
		return nil, errors.New("malformed checkpoint")
	}
	c := &checkpoint{Tree: tree, key: strings.TrimPrefix(opened.Sigs[0].Name, keyName)}
	if _, err := fmt.Sscanf(strings.Split(rest, "\n")[2], "at %d", &c.at); err != nil || c.text() != opened.Text {
		return nil, errors.New("malformed checkpoint")
	}
	return c, nil
}

// keyRing finds the verifier that a signature names.
type keyRing struct{ keys *seal.Keys }

func (k keyRing) Verifier(name string, hash uint32) (note.Verifier, error) {
	unknown := &note.UnknownVerifierError{Name: name, KeyHash: hash}
	id, ours := strings.CutPrefix(name, keyName)
	if !ours {
		return nil, unknown
	}
	public, err := verifierKey(k.keys, id)
	if errors.Is(err, seal.ErrUnknownKey) {
		return nil, unknown
	}
	if err != nil {
		return nil, err
	}
	verifier, err := note.NewVerifier(public)
	if err == nil && verifier.KeyHash() != hash {
		return nil, unknown
	}
	return verifier, err
}
