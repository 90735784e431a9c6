package seal

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestKeyFileIsMadeOnceAndPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "sekisho.keys")
	a, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	info, _ := os.Stat(path)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	b, err := Load(path)
	if err != nil || a.CurrentID() != b.CurrentID() {
		t.Fatalf("second start made other keys: %v", err)
	}
	if got, err := b.Open("p", "1", a.Seal("p", "1", []byte("x"))); err != nil || string(got) != "x" {
		t.Fatalf("%q %v", got, err)
	}
	os.Chmod(path, 0o640)
	if _, err := Load(path); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a readable key file was taken: %v", err)
	}
}

func TestBadKeyFilesNameTheLineAndNeverTheSecret(t *testing.T) {
	secret := strings.Repeat("ab", 32)
	for text, want := range map[string]string{
		"":       "line 1",
		"junk\n": "line 1",
		header:   "holds no key",
		header + "\n12345678 2026-01-01T00:00:00Z " + secret + "\n12345678 2026-01-01T00:00:00Z " + secret: "line 3",
		header + "\n12345678 yesterday " + secret:                                                          "line 2",
		header + "\n12345678 2026-01-01T00:00:00Z " + secret[:62]:                                          "line 2",
	} {
		_, err := parse([]byte(text), header)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
		if err != nil && strings.Contains(err.Error(), "abab") {
			t.Errorf("the error repeats the secret: %v", err)
		}
	}
}

func TestSealedValueOpensOnlyInItsPlace(t *testing.T) {
	k := NewTest()
	sealed := k.Seal("subject", "m1", []byte("見積書"))
	for _, c := range [][2]string{{"subject", "m2"}, {"body", "m1"}} {
		if _, err := k.Open(c[0], c[1], sealed); !errors.Is(err, ErrTampered) {
			t.Errorf("%v: %v", c, err)
		}
	}
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		if _, err := k.Open("subject", "m1", bad); err == nil {
			t.Fatalf("byte %d changed and nobody noticed", i)
		}
	}
	if _, err := NewTest().Open("subject", "m1", sealed); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("foreign key: %v", err)
	}
	for _, short := range [][]byte{nil, sealed[:5], sealed[:20]} {
		if _, err := k.Open("subject", "m1", short); err == nil {
			t.Error("a stump was opened")
		}
	}
}

func TestRotatedKeysStillOpenOldThings(t *testing.T) {
	old, young := newKey(time.Now()), newKey(time.Now())
	before, err := parse([]byte(header+"\n"+old.line()+"\n"), header)
	if err != nil {
		t.Fatal(err)
	}
	after, err := parse([]byte(header+"\n"+old.line()+"\n"+young.line()+"\n"), header)
	if err != nil {
		t.Fatal(err)
	}
	if after.CurrentID() != young.id {
		t.Fatal("the last line is not the current key")
	}
	if _, err := after.Open("p", "i", before.Seal("p", "i", nil)); err != nil {
		t.Error(err)
	}
	want := before.MAC("link", "a", "b")
	if got, err := after.MACWith(old.id, "link", "a", "b"); err != nil || !bytes.Equal(got, want) {
		t.Errorf("MAC by the old key differs: %v", err)
	}
	if !after.VerifyMAC(want, "link", "a", "b") || after.VerifyMAC(want, "link", "ab", "") {
		t.Error("VerifyMAC")
	}
	var buf bytes.Buffer
	w, _ := before.EncryptTo(&buf)
	io.WriteString(w, "long")
	w.Close()
	r, err := after.Decrypt(&buf)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := io.ReadAll(r); string(got) != "long" {
		t.Errorf("%q", got)
	}
}

func TestStreamOpensAtAnyOffsetAndShowsDamage(t *testing.T) {
	k := NewTest()
	plain := make([]byte, 300_000)
	rng := rand.NewChaCha8([32]byte{1})
	rng.Read(plain)
	var buf bytes.Buffer
	w, err := k.EncryptTo(&buf)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(plain)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	sealed := buf.Bytes()
	r, n, err := k.DecryptAt(bytes.NewReader(sealed), int64(len(sealed)))
	if err != nil || n != int64(len(plain)) {
		t.Fatalf("size %d, %v", n, err)
	}
	for _, off := range []int64{0, 1, 65535, 65536, 200_000, 299_990} {
		got := make([]byte, 10)
		if _, err := r.ReadAt(got, off); err != nil && err != io.EOF || !bytes.Equal(got, plain[off:off+10]) {
			t.Errorf("at %d: %v", off, err)
		}
	}
	bad := bytes.Clone(sealed)
	bad[len(bad)/2] ^= 1
	r, _, err = k.DecryptAt(bytes.NewReader(bad), int64(len(bad)))
	if err == nil {
		_, err = io.ReadAll(io.NewSectionReader(r, 0, n))
	}
	if err == nil {
		t.Error("a damaged stream was read whole")
	}
	if _, _, err := NewTest().DecryptAt(bytes.NewReader(sealed), int64(len(sealed))); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("foreign key: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(header + "\n12345678 2026-01-01T00:00:00Z " + strings.Repeat("0f", 32)))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if k, err := parse(raw, header); err == nil && k.current == nil {
			t.Fatal("no key and no error")
		}
	})
}
