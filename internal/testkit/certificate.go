package testkit

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"path/filepath"
	"testing"
	"time"
)

// Certificate is a server's certificate and key with the authority that vouches for it.
type Certificate struct {
	CertFile, KeyFile, CAFile string
	Roots                     *x509.CertPool
	Pair                      tls.Certificate
	Authority                 *x509.Certificate
}

// NewCertificate makes an authority and lets it sign a certificate for names and addresses.
func NewCertificate(t testing.TB, names ...string) Certificate {
	t.Helper()
	authority, authorityKey := newKey(t), newKey(t)
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test Authority"}, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	rootDER := sign(t, root, root, &authority.PublicKey, authority)
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: names[0]},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			leaf.IPAddresses = append(leaf.IPAddresses, ip)
		} else {
			leaf.DNSNames = append(leaf.DNSNames, name)
		}
	}
	leafDER := sign(t, leaf, root, &authorityKey.PublicKey, authority)
	keyDER, err := x509.MarshalPKCS8PrivateKey(authorityKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	c := Certificate{
		CertFile: filepath.Join(dir, "server.crt"), KeyFile: filepath.Join(dir, "server.key"),
		CAFile: filepath.Join(dir, "ca.crt"), Roots: x509.NewCertPool(),
	}
	write(t, c.CertFile, encode("CERTIFICATE", leafDER))
	write(t, c.KeyFile, encode("PRIVATE KEY", keyDER))
	write(t, c.CAFile, encode("CERTIFICATE", rootDER))
	c.Roots.AppendCertsFromPEM([]byte(encode("CERTIFICATE", rootDER)))
	if c.Authority, err = x509.ParseCertificate(rootDER); err != nil {
		t.Fatal(err)
	}
	if c.Pair, err = tls.LoadX509KeyPair(c.CertFile, c.KeyFile); err != nil {
		t.Fatal(err)
	}
	return c
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t testing.TB, cert, parent *x509.Certificate, public *ecdsa.PublicKey, by *ecdsa.PrivateKey) []byte {
	der, err := x509.CreateCertificate(rand.Reader, cert, parent, public, by)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func encode(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}
