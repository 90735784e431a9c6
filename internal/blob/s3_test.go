package blob

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/sekisho-mail/sekisho/internal/testkit"
)

func openBucket(t *testing.T, rawURL string) *bucket {
	t.Helper()
	s, err := OpenStore(t.Context(), rawURL, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return s.(*bucket)
}

func TestPrefixSeparatesTwoStoresInOneBucket(t *testing.T) {
	server := testkit.Versitygw(t)
	one := openBucket(t, strings.Replace(server.URL, "s3://files", "s3://files/one", 1))
	two := openBucket(t, strings.Replace(server.URL, "s3://files", "s3://files/two/deep", 1))
	put(t, one, "body/a", []byte("one"))
	put(t, two, "body/a", []byte("two"))
	if got := content(t, one, "body/a"); string(got) != "one" {
		t.Errorf("%q", got)
	}
	if found := keys(t, two, ""); len(found) != 1 || found[0] != "body/a" {
		t.Errorf("objects: %v", found)
	}
	if _, err := os.Stat(filepath.Join(server.Objects, "one/body/a")); err != nil {
		t.Error(err)
	}
}

func TestWrongKeyAndMissingBucketAreErrorsNotAbsence(t *testing.T) {
	server := testkit.Versitygw(t)
	wrong := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(wrong, []byte("not-the-secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	u, _ := url.Parse(server.URL)
	query := u.Query()
	query.Set("secret_key_file", wrong)
	for name, rawURL := range map[string]string{
		"wrong key":      "s3://files?" + query.Encode(),
		"missing bucket": strings.Replace(server.URL, "s3://files", "s3://elsewhere", 1),
	} {
		s := openBucket(t, rawURL)
		if err := s.Ready(t.Context()); err == nil {
			t.Errorf("%s: ready", name)
		}
		if err := s.Put(t.Context(), "body/a", strings.NewReader("x"), 1); err == nil {
			t.Errorf("%s: put", name)
		}
		// A store that is misconfigured must not look like one whose mail was deleted.
		if name == "wrong key" {
			if _, err := s.Open(t.Context(), "body/a"); err == nil || errors.Is(err, ErrNotFound) {
				t.Errorf("%s: open: %v", name, err)
			}
		}
		if err := s.Walk(t.Context(), "", func(string, int64, time.Time) error { return nil }); err == nil {
			t.Errorf("%s: walk", name)
		}
	}
}

func TestAnObjectReplacedWhileReadIsAnError(t *testing.T) {
	s := openBucket(t, testkit.Versitygw(t).URL)
	put(t, s, "body/a", random(100_000))
	f, err := s.Open(t.Context(), "body/a")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	put(t, s, "body/a", random(100_000))
	if _, err := f.ReadAt(make([]byte, 10), 50_000); err == nil {
		t.Error("the end of one object was read after the beginning of another")
	}
}

func TestSweepAbortsWhatACrashLeft(t *testing.T) {
	s := openBucket(t, testkit.Versitygw(t).URL)
	core := minio.Core{Client: s.client}
	id, err := core.NewMultipartUpload(t.Context(), s.name, "body/crashed", minio.PutObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	part := random(partSize)
	_, err = core.PutObjectPart(t.Context(), s.name, "body/crashed", id, 1, bytes.NewReader(part), partSize, minio.PutObjectPartOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Sweep(t.Context(), time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	if n := len(uploads(t, s)); n != 1 {
		t.Fatalf("a young upload was aborted, %d left", n)
	}
	if err := s.Sweep(t.Context(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if left := uploads(t, s); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

func uploads(t *testing.T, s *bucket) []string {
	t.Helper()
	var found []string
	for upload := range s.client.ListIncompleteUploads(t.Context(), s.name, "", true) {
		if upload.Err != nil {
			t.Fatal(upload.Err)
		}
		found = append(found, upload.Key)
	}
	return found
}

// cut is a network between the store and its server that a test can break.
type cut struct {
	address string
	conns   chan net.Conn
}

func newCut(t *testing.T, server string) *cut {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cut{listener.Addr().String(), make(chan net.Conn, 100)}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", server)
			if err != nil {
				near.Close()
				continue
			}
			c.conns <- near
			go func() { io.Copy(far, near); far.Close() }()
			go func() { io.Copy(near, far); near.Close() }()
		}
	}()
	return c
}

func (c *cut) all() {
	for {
		select {
		case conn := <-c.conns:
			conn.Close()
		default:
			return
		}
	}
}

func TestReadGoesOnAfterABrokenConnection(t *testing.T) {
	server := testkit.Versitygw(t)
	network := newCut(t, server.Address)
	s := openBucket(t, strings.ReplaceAll(server.URL, url.QueryEscape(server.Address), url.QueryEscape(network.address)))
	want := random(8 << 20)
	put(t, s, "body/a", want)
	f, err := s.Open(t.Context(), "body/a")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var got []byte
	p := make([]byte, 64<<10)
	for off := int64(0); off < f.Size(); off += int64(len(p)) {
		if off == 4<<20 {
			network.all()
		}
		n, err := f.ReadAt(p, off)
		if err != nil && err != io.EOF {
			t.Fatalf("offset %d: %v", off, err)
		}
		got = append(got, p[:n]...)
	}
	if !bytes.Equal(got, want) {
		t.Error("other bytes after the break")
	}
}

func TestUnreachableBucketFailsInTime(t *testing.T) {
	server := testkit.Versitygw(t)
	away := strings.ReplaceAll(server.URL, url.QueryEscape(server.Address), url.QueryEscape(testkit.FreeAddress(t)))
	s := openBucket(t, away) // a store that is away does not keep the service from starting
	start := time.Now()
	if err := s.Ready(t.Context()); err == nil {
		t.Error("ready")
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
}
