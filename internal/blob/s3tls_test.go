package blob

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"

	"github.com/sekisho-mail/sekisho/internal/testkit"
)

// A bucket with a name of its own below a domain, over TLS with a certificate of the company's own authority.
func TestABucketByItsHostNameOverTLS(t *testing.T) {
	cert := testkit.NewCertificate(t, "s3.corp.example", "files.s3.corp.example")
	server := testkit.VersitygwTLS(t, cert, "s3.corp.example")
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	query.Set("endpoint", "https://s3.corp.example")
	query.Set("path_style", "0")
	query.Set("ca_file", cert.CAFile)
	var hosts []string
	here := func(query url.Values) *bucket {
		u.RawQuery = query.Encode()
		endpoint, options, err := s3Options(u, "")
		if err != nil {
			t.Fatal(err)
		}
		options.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, host string) (net.Conn, error) {
			hosts = append(hosts, host) // the company's DNS
			return (&net.Dialer{}).DialContext(ctx, network, server.Address)
		}
		client, err := minio.New(endpoint, options)
		if err != nil {
			t.Fatal(err)
		}
		return &bucket{client: client, name: u.Host}
	}
	s := here(query)
	want := random(partSize + 1000) // in two parts
	put(t, s, "file/a", want)
	if got := content(t, s, "file/a"); string(got) != string(want) {
		t.Error("other bytes")
	}
	if len(hosts) == 0 || hosts[0] != "files.s3.corp.example:443" {
		t.Errorf("asked %v", hosts)
	}
	if found, _ := filepath.Glob(filepath.Join(server.Objects, "file", "a")); len(found) != 1 {
		t.Error("the object is not in the bucket")
	}
	query.Del("ca_file")
	if err := here(query).Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a certificate of nobody's is believed: %v", err)
	}
}
