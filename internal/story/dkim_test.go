package story

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"testing"

	"github.com/emersion/go-msgauth/dkim"
)

// signingKey is a company's DKIM key, and what its DNS would say about it.
type signingKey struct{ path, name, record string }

func newSigningKey(t testing.TB, selector string) *signingKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return &signingKey{
		path:   keyFile(t, "dkim.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})),
		name:   selector + "._domainkey.corp.example",
		record: "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(public),
	}
}

// signed: what came to the address carries a signature of the company's that holds: signed A.
func (k *teller) signed(st step) {
	k.t.Helper()
	l := k.await(st, st.word(0), func(l letter) error {
		if !bytes.Contains(l.raw, messageID(k.mail.raw)) {
			return errors.New("another mail: " + l.subject)
		}
		return nil
	})
	found, err := dkim.VerifyWithOptions(bytes.NewReader(l.raw), &dkim.VerifyOptions{LookupTXT: func(name string) ([]string, error) {
		if name != k.dkim.name {
			return nil, fmt.Errorf("nobody knows %s", name)
		}
		return []string{k.dkim.record}, nil
	}})
	if err != nil || len(found) != 1 || found[0].Err != nil || found[0].Domain != "corp.example" {
		k.t.Fatalf("no signature that holds: %v %+v\n%s", err, found, l.raw)
	}
}
