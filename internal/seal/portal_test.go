package seal

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// portalOf writes the main keys' portal file and reads it as a portal does.
func portalOf(t *testing.T, main *Keys) *Keys {
	t.Helper()
	path := filepath.Join(t.TempDir(), "portal.keys")
	if err := main.WritePortal(path); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v %v", info, err)
	}
	p, err := LoadPortal(path)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPortalKeysOpenWhatIsSharedAndNothingElse(t *testing.T) {
	main := NewTest()
	there := portalOf(t, main)
	here := main.Portal()
	if got, err := there.Open("page", "1", here.Seal("page", "1", []byte("x"))); err != nil || string(got) != "x" {
		t.Errorf("sealed here, opened there: %q %v", got, err)
	}
	if got, err := here.Open("page", "1", there.Seal("page", "1", []byte("x"))); err != nil || string(got) != "x" {
		t.Errorf("sealed there, opened here: %q %v", got, err)
	}
	if !bytes.Equal(here.MAC("ticket", "a"), there.MAC("ticket", "a")) {
		t.Error("two MACs of one key")
	}
	if _, err := there.Open("body", "1", main.Seal("body", "1", []byte("secret"))); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("a portal opened a body: %v", err)
	}
	if _, err := there.MACWith(main.CurrentID(), "linkify.token", "1"); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("a portal made a link's token: %v", err)
	}
	var large bytes.Buffer
	w, err := main.EncryptTo(&large)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, "a large body")
	w.Close()
	if _, err := there.Decrypt(bytes.NewReader(large.Bytes())); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("a portal opened a large body: %v", err)
	}
}

// A derived secret under a main key's id would open what is sealed with the main one if it were the same; it is not.
func TestPortalSecretIsNoMainSecret(t *testing.T) {
	main := NewTest()
	p := main.derived()
	forged := &Keys{byID: map[string]*key{main.current.id: {id: main.current.id, secret: p.current.secret}}}
	if _, err := forged.Open("body", "1", main.Seal("body", "1", nil)); !errors.Is(err, ErrTampered) {
		t.Errorf("the derived secret opens a body: %v", err)
	}
}

func TestWhatWasSealedBeforePortalKeysStillOpensAtHome(t *testing.T) {
	main := NewTest()
	old := main.Seal("linkify.plan", "1", []byte("x"))
	if got, err := main.Portal().Open("linkify.plan", "1", old); err != nil || string(got) != "x" {
		t.Errorf("%q %v", got, err)
	}
}

func TestPortalKeysFollowARotation(t *testing.T) {
	first, second := newKey(time.Now()), newKey(time.Now())
	before := only(first)
	after, err := parse([]byte(header+"\n"+first.line()+"\n"+second.line()+"\n"), header)
	if err != nil {
		t.Fatal(err)
	}
	there := portalOf(t, after)
	if _, err := there.Open("p", "1", before.Portal().Seal("p", "1", nil)); err != nil {
		t.Errorf("of the first key: %v", err)
	}
	if there.CurrentID() != after.Portal().CurrentID() || there.CurrentID() == before.Portal().CurrentID() {
		t.Error("the new key is not the portal's current one")
	}
	if stale := portalOf(t, before); stale.Has(there.CurrentID()) || !stale.Has(there.order[0].id) {
		t.Error("a file from before the rotation has another first key, or already the second")
	}
}

func TestKeyFilesAreNotTakenForEachOther(t *testing.T) {
	dir := t.TempDir()
	mainFile, portalFile := filepath.Join(dir, "main"), filepath.Join(dir, "portal")
	main, err := Load(mainFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := main.WritePortal(portalFile); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadPortal(mainFile); !errors.Is(err, ErrMainKeys) {
		t.Errorf("%v", err)
	}
	if _, err := Load(portalFile); !errors.Is(err, ErrPortalKeys) {
		t.Errorf("%v", err)
	}
	if !IsPortalFile(portalFile) || IsPortalFile(mainFile) || IsPortalFile(dir) {
		t.Error("check would name the wrong sort")
	}
	if err := main.WritePortal(portalFile); err == nil {
		t.Error("an existing file was written over")
	}
	if _, err := LoadPortal(filepath.Join(dir, "none")); err == nil || !strings.Contains(err.Error(), "sekisho portal keys") {
		t.Errorf("%v", err)
	}
	os.Chmod(portalFile, 0o644)
	if _, err := LoadPortal(portalFile); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("%v", err)
	}
}
