package submission

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func writePair(t *testing.T, certFile, keyFile string, serial int64) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := selfSigned(key, serial)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, certFile, "CERTIFICATE", cert.Certificate[0])
	writePEM(t, keyFile, "EC PRIVATE KEY", der)
}

func writePEM(t *testing.T, path, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestRenewedCertificateIsServedWithoutARestart(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	writePair(t, certFile, keyFile, 1)
	config, err := ReloadingTLS(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	r := serve(t, func(o *Options) { o.TLS = config })
	serial := func() *big.Int {
		t.Helper()
		conn := r.tls().conn.(*tls.Conn)
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber
	}
	if got := serial(); got.Int64() != 1 {
		t.Fatalf("serial %v", got)
	}
	writePair(t, certFile, keyFile, 2)
	time.Sleep(rereadEvery)
	if got := serial(); got.Int64() != 2 {
		t.Errorf("after renewal: serial %v", got)
	}
	writePEM(t, certFile, "CERTIFICATE", []byte("half"))
	time.Sleep(rereadEvery)
	if got := serial(); got.Int64() != 2 {
		t.Errorf("while the new one is not whole: serial %v", got)
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	r := serve(t)
	config := clientTLS()
	config.MinVersion, config.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	if conn, err := tls.Dial("tcp", r.srv.Addresses().SubmissionTLS[0].String(), config); err == nil {
		conn.Close()
		t.Error("TLS 1.1 is accepted")
	}
}

func TestMissingCertificateIsAnError(t *testing.T) {
	if _, err := ReloadingTLS("/nonexistent/a", "/nonexistent/b"); err == nil {
		t.Error("no error")
	}
}
