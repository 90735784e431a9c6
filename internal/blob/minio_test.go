//go:build minio

package blob

import (
	"testing"

	"github.com/sekisho-mail/sekisho/internal/testkit"
)

// server is the S3 server the stores are tested on: here MinIO itself.
func server(t testing.TB) testkit.S3 { return testkit.Minio(t) }
