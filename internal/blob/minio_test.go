//go:build minio

package blob

import (
	"context"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/sekisho-mail/sekisho/internal/testkit"
)

// minioVersion is what tools/minio/go.mod pins. Building it takes minutes: `make test-all` alone does.
const minioVersion = "v0.0.0-20260212201848-7aac2a2c5b7c"

// server is the S3 server the stores are tested on: here MinIO itself.
func server(t testing.TB) testkit.S3 {
	t.Helper()
	binary := testkit.Tool(t, "minio", "github.com/minio/minio", minioVersion)
	dir := t.TempDir()
	const access, secret = "testkit", "testkit-secret-key"
	accessFile, secretFile := filepath.Join(dir, "access"), filepath.Join(dir, "secret")
	for path, text := range map[string]string{accessFile: access, secretFile: secret} {
		if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	address := testkit.FreeAddress(t)
	cmd := exec.Command(binary, "server", "--address", address, "--console-address", testkit.FreeAddress(t), filepath.Join(dir, "data"))
	cmd.Env = append(os.Environ(), "MINIO_ROOT_USER="+access, "MINIO_ROOT_PASSWORD="+secret, "MINIO_UPDATE=off", "MINIO_BROWSER=off")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	makeBucket(t, address, access, secret)
	query := url.Values{"endpoint": {"http://" + address}, "region": {"us-east-1"}, "path_style": {"1"},
		"access_key_file": {accessFile}, "secret_key_file": {secretFile}}
	return testkit.S3{URL: "s3://files?" + query.Encode(), Address: address}
}

func makeBucket(t testing.TB, address, access, secret string) {
	t.Helper()
	client, err := minio.New(address, &minio.Options{Creds: credentials.NewStaticV4(access, secret, ""), Region: "us-east-1"})
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) {
		if err = client.MakeBucket(context.Background(), "files", minio.MakeBucketOptions{}); err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("MinIO does not answer: %v", err)
		}
	}
}
