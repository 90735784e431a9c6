//go:build minio

package linkify

import (
	"testing"

	"github.com/sekisho-mail/sekisho/internal/testkit"
)

// bucket is the S3 server that files lie in: here MinIO itself.
func bucket(t testing.TB) testkit.S3 { return testkit.Minio(t) }
