package testkit

import (
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// MinioVersion is what tools/minio/go.mod pins. Building it takes minutes: `make test-all` alone does.
const MinioVersion = "v0.0.0-20260212201848-7aac2a2c5b7c"

// Minio starts the MinIO server itself.
func Minio(t testing.TB) S3 {
	t.Helper()
	binary := Tool(t, "minio", "github.com/minio/minio", MinioVersion)
	dir := t.TempDir()
	const access, secret = "testkit", "testkit-secret-key"
	accessFile, secretFile := filepath.Join(dir, "access"), filepath.Join(dir, "secret")
	write(t, accessFile, access+"\n")
	write(t, secretFile, secret+"\n")
	address := FreeAddress(t)
	cmd := exec.Command(binary, "server", "--quiet", "--address", address, "--console-address", FreeAddress(t), filepath.Join(dir, "data"))
	cmd.Env = append(os.Environ(), "MINIO_ROOT_USER="+access, "MINIO_ROOT_PASSWORD="+secret, "MINIO_UPDATE=off", "MINIO_BROWSER=off")
	start(t, cmd, address)
	// A directory of its data is a bucket.
	if err := os.MkdirAll(filepath.Join(dir, "data", "files"), 0o700); err != nil {
		t.Fatal(err)
	}
	query := url.Values{"endpoint": {"http://" + address}, "region": {"us-east-1"}, "path_style": {"1"},
		"access_key_file": {accessFile}, "secret_key_file": {secretFile}}
	return S3{URL: "s3://files?" + query.Encode(), Address: address}
}
