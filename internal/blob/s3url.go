package blob

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// stall is how long a bucket may send or take nothing before its connection counts as dead. Joining
// the parts of a large object is the slowest thing it does in silence.
const stall = 2 * time.Minute

// s3Options reads the query of an s3 URL. Keys are read from files, never from the URL, which ends up
// in process lists and tickets.
func s3Options(u *url.URL, base string) (endpoint string, options *minio.Options, err error) {
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return "", nil, errors.New("malformed query")
	}
	if u.User != nil {
		return "", nil, errors.New("keys belong into access_key_file and secret_key_file")
	}
	if err := checkQuery(query); err != nil {
		return "", nil, err
	}
	options = &minio.Options{Region: query.Get("region"), Secure: true, MaxRetries: 4}
	endpoint = query.Get("endpoint")
	if endpoint == "" {
		endpoint = "s3.amazonaws.com"
	}
	if host, ok := strings.CutPrefix(endpoint, "http://"); ok {
		endpoint, options.Secure = host, false
	}
	endpoint = strings.TrimSuffix(strings.TrimPrefix(endpoint, "https://"), "/")
	switch query.Get("path_style") {
	case "1", "true":
		options.BucketLookup = minio.BucketLookupPath
	case "0", "false":
		options.BucketLookup = minio.BucketLookupDNS
	case "":
		options.BucketLookup = minio.BucketLookupAuto
	default:
		return "", nil, errors.New("path_style is neither 0 nor 1")
	}
	if options.Creds, err = s3Keys(query, base); err != nil {
		return "", nil, err
	}
	options.Transport, err = s3Transport(query.Get("ca_file"), base)
	return endpoint, options, err
}

func checkQuery(query url.Values) error {
	for name, values := range query {
		switch name {
		case "endpoint", "region", "path_style", "access_key_file", "secret_key_file", "ca_file":
		default:
			return fmt.Errorf("unknown parameter %q", name)
		}
		if len(values) != 1 {
			return fmt.Errorf("parameter %q is given twice", name)
		}
	}
	return nil
}

// s3Keys without files asks the environment and then the machine's own role, as on EC2.
func s3Keys(query url.Values, base string) (*credentials.Credentials, error) {
	access, secret := query.Get("access_key_file"), query.Get("secret_key_file")
	if access == "" && secret == "" {
		return credentials.NewChainCredentials([]credentials.Provider{
			&credentials.EnvAWS{},
			&credentials.IAM{Client: &http.Client{Timeout: 10 * time.Second}},
		}), nil
	}
	if access == "" || secret == "" {
		return nil, errors.New("access_key_file and secret_key_file go together")
	}
	id, err := readSecret(resolve(base, access))
	if err != nil {
		return nil, err
	}
	key, err := readSecret(resolve(base, secret))
	if err != nil {
		return nil, err
	}
	return credentials.NewStaticV4(id, key, ""), nil
}

func readSecret(name string) (string, error) {
	raw, err := os.ReadFile(name)
	if err != nil {
		return "", err
	}
	text := strings.TrimSpace(string(raw))
	if text == "" {
		return "", fmt.Errorf("%s is empty", name)
	}
	return text, nil
}

func s3Transport(caFile, base string) (http.RoundTripper, error) {
	transport, err := minio.DefaultTransport(true)
	if err != nil {
		return nil, err
	}
	transport.ResponseHeaderTimeout = stall
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	if caFile != "" {
		pem, err := os.ReadFile(resolve(base, caFile))
		if err != nil {
			return nil, err
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate", caFile)
		}
		transport.TLSClientConfig.RootCAs = pool
	}
	dialer := &net.Dialer{Timeout: 15 * time.Second, KeepAlive: 30 * time.Second}
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dialer.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &stallConn{conn}, nil
	}
	return transport, nil
}

// stallConn gives every read and write a deadline of its own. net/http has none for bodies, and a
// bucket that stops in the middle of one would hold a release for ever.
type stallConn struct{ net.Conn }

func (c *stallConn) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(stall)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

// Write moves the deadline of reads as well: net/http waits for the answer all through a long upload.
func (c *stallConn) Write(p []byte) (int, error) {
	if err := c.SetDeadline(time.Now().Add(stall)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}
