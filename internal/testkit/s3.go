package testkit

import (
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// S3 is a running S3-compatible server with one empty bucket.
type S3 struct {
	URL     string // for blob.OpenStore; the bucket is "files"
	Address string // HOST:PORT
	Objects string // the directory in which the server keeps the bucket's objects as files
}

// VersitygwVersion is what tools/versitygw/go.mod pins.
const VersitygwVersion = "v1.8.0"

// BuildVersitygw builds the server if the cache has none yet: the first time takes minutes, which
// `make test` spends before the clocks of tests run.
func BuildVersitygw(t testing.TB) string {
	return Tool(t, "versitygw", "github.com/versity/versitygw/cmd/versitygw", VersitygwVersion)
}

// Versitygw starts a real S3 server over a directory.
func Versitygw(t testing.TB) S3 { return versitygw(t, "http://") }

// VersitygwTLS starts one that speaks TLS with that certificate, and serves buckets below that domain too.
func VersitygwTLS(t testing.TB, cert Certificate, domain string) S3 {
	return versitygw(t, "https://", "--cert", cert.CertFile, "--key", cert.KeyFile, "--virtual-domain", domain)
}

func versitygw(t testing.TB, scheme string, flags ...string) S3 {
	t.Helper()
	binary := BuildVersitygw(t)
	dir := t.TempDir()
	objects, sidecar := filepath.Join(dir, "data", "files"), filepath.Join(dir, "meta")
	for _, d := range []string{objects, sidecar} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	const access, secret = "testkit", "testkit-secret-key"
	accessFile, secretFile := filepath.Join(dir, "access"), filepath.Join(dir, "secret")
	write(t, accessFile, access+"\n")
	write(t, secretFile, secret+"\n")
	address := FreeAddress(t)
	// The side directory for metadata serves file systems without extended attributes (tmpfs).
	flags = append(flags, "--access", access, "--secret", secret, "--port", address, "--quiet",
		"posix", "--sidecar", sidecar, filepath.Dir(objects))
	cmd := exec.Command(binary, flags...)
	start(t, cmd, address)
	query := url.Values{
		"endpoint": {scheme + address}, "region": {"us-east-1"}, "path_style": {"1"},
		"access_key_file": {accessFile}, "secret_key_file": {secretFile},
	}
	return S3{URL: "s3://files?" + query.Encode(), Address: address, Objects: objects}
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
