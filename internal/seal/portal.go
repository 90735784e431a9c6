package seal

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
)

// A download portal stands where strangers come first. It gets a key file of its own sort: from every key of the
// main file one is derived for the portal, and no way leads back. What staff and recipients share (files behind
// links, what their pages show) is sealed with the derived keys; bodies, subjects, findings and the making of link
// tokens stay with the main ones.

const portalHeader = "sekisho-portal-keys-v1"

// Errors of a key file that is whole and of the other sort.
var (
	ErrMainKeys   = errors.New("this is the main key file, which opens every mail; a node that is only a portal gets its own: sekisho portal keys FILE")
	ErrPortalKeys = errors.New("this is a portal's key file, which opens no mail; this node needs the main one")
)

func otherSort(first string) error {
	switch first {
	case header:
		return ErrMainKeys
	case portalHeader:
		return ErrPortalKeys
	}
	return nil
}

// Portal gives the keys that are shared with a portal. What was sealed with the main keys before still opens.
func (k *Keys) Portal() *Keys {
	p := k.derived()
	for id, old := range k.byID {
		p.byID[id] = old
	}
	return p
}

// derived are the portal's keys alone.
func (k *Keys) derived() *Keys {
	p := &Keys{byID: map[string]*key{}}
	for _, each := range k.order {
		d := &key{id: hex.EncodeToString(each.derive("portal", "id")[:idLen/2]), made: each.made, secret: [32]byte(each.derive("portal", "secret"))}
		p.order = append(p.order, d)
		p.byID[d.id], p.current = d, d
	}
	return p
}

// Has says whether the key of an id is there.
func (k *Keys) Has(id string) bool { return k.byID[id] != nil }

// WritePortal writes the key file of a portal, mode 0600. A file that is there is not written over.
func (k *Keys) WritePortal(path string) error {
	text := portalHeader + "\n"
	for _, each := range k.derived().order {
		text += each.line() + "\n"
	}
	if err := writeSynced(path, text); err != nil {
		return fmt.Errorf("write portal keys: %w", err)
	}
	return nil
}

// LoadPortal reads a portal's key file. Unlike the main one it is never made here: keys of nobody open nothing.
func LoadPortal(path string) (*Keys, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read portal keys (made on another node by sekisho portal keys FILE): %w", err)
	}
	if err := private(path); err != nil {
		return nil, err
	}
	k, err := parse(raw, portalHeader)
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", path, err)
	}
	return k, nil
}

// IsPortalFile says which sort of key file stands at path, for `check`. A file that cannot be read is neither.
func IsPortalFile(path string) bool {
	raw, err := os.ReadFile(path)
	first, _, _ := strings.Cut(string(raw[:min(len(raw), 100)]), "\n")
	return err == nil && first == portalHeader
}
