//go:build bench

package bench

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/internal/testkit"
	"github.com/sekisho-mail/sekisho/web/dextest"
)

const largeFile = 2<<30 - 1

// pattern is a file of any size that nobody has to keep: no two of its blocks are equal.
type pattern struct {
	at, size int64
	sum      hash.Hash
	block    [32]byte
}

func (p *pattern) Read(b []byte) (n int, err error) {
	for n < len(b) && p.at < p.size {
		if p.at%32 == 0 {
			p.block = sha256.Sum256(fmt.Append(nil, p.at/4096*4096)) // anew for every page
			p.block[0] = byte(p.at / 32)
		}
		m := copy(b[n:min(len(b), n+int(p.size-p.at))], p.block[p.at%32:])
		n, p.at = n+m, p.at+int64(m)
	}
	p.sum.Write(b[:n])
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// TestLargeFile puts a file of 2 GB into a folder and takes it out again, with the store on the disk and in a bucket.
func TestLargeFile(t *testing.T) {
	title("a file of %d MB into a folder (resumable upload) and out again", largeFile>>20)
	fmt.Printf("%-12s %12s %12s %14s\n", "", "in, MB/s", "out, MB/s", "MB resident")
	for _, store := range []string{"local files", "S3"} {
		files := ""
		if store == "S3" {
			files = fmt.Sprintf("files: {url: %q}\n", testkit.Versitygw(t).URL)
		}
		in, out, peak := throughFolder(t, files)
		fmt.Printf("%-12s %12.0f %12.0f %14.0f  %s\n", store, in, out, peak, stay(t, "memory, 2 GB in and out, "+store, "MB", peak, 200))
	}
}

// throughFolder gives the speed of both ways and the most memory that the service took.
func throughFolder(t *testing.T, files string) (in, out, peak float64) {
	t.Helper()
	web, dir := testkit.FreeAddress(t), t.TempDir()
	dex := dextest.Start(t, []string{"http://" + web + "/login/callback"}, dextest.User{ID: "1", Email: "app@corp.example"})
	people, secret := filepath.Join(dir, "people.yaml"), filepath.Join(dir, "secret")
	write(t, people, "people:\n  - {address: app@corp.example, name: App}\n", 0o600)
	write(t, secret, dex.ClientSecret+"\n", 0o600)
	p := newPortal(t, setup{web: web, more: files + "people: {file: " + people + "}\n",
		oidc: fmt.Sprintf("oidc: {issuer: %q, client_id: %s, client_secret_file: %s, person_claim: email}", dex.Issuer, dex.ClientID, secret)})
	calm(t, p.pid)
	owner := dextest.Browser(t)
	owner.Timeout = 0
	dex.SignIn(t, owner, "http://"+web+"/", "app@corp.example")
	page, folder := openFolder(t, owner, "http://"+web)

	visitor, sum := p.browser(t, true), sha256.New()
	watch := watchMemory(t, p.pid)
	began := time.Now()
	at := tus(t, visitor, http.MethodPost, p.url+folder+"/files", nil, "Upload-Length", fmt.Sprint(largeFile), "Upload-Metadata", "filename YS5iaW4=").Header.Get("Location")
	tus(t, visitor, http.MethodPatch, p.url+at, &pattern{size: largeFile, sum: sum}, "Upload-Offset", "0", "Content-Type", "application/offset+octet-stream")
	in = largeFile / time.Since(began).Seconds() / 1e6
	began = time.Now()
	if got := takenOut(t, owner, "http://"+web, page); got != hex.EncodeToString(sum.Sum(nil)) {
		t.Error("another file came out")
	}
	return in, largeFile / time.Since(began).Seconds() / 1e6, watch()
}

func openFolder(t *testing.T, b *http.Client, staff string) (page, folder string) {
	t.Helper()
	res, err := b.PostForm(staff+"/folders", url.Values{"title": {"bench"}, "for": {"x@other.example"}, "until": {time.Now().AddDate(0, 0, 7).Format(time.DateOnly)}})
	check(t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	check(t, err)
	m := regexp.MustCompile(`/u/[A-Za-z0-9_-]{43}`).Find(text)
	if m == nil {
		t.Fatalf("no folder: %s", res.Status)
	}
	return res.Request.URL.Path, string(m)
}

// takenOut waits until the file may be taken, takes it, and gives its SHA-256.
func takenOut(t *testing.T, b *http.Client, staff, page string) string {
	t.Helper()
	var to []string
	for deadline := time.Now().Add(5 * time.Minute); to == nil; time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the file was not looked into")
		}
		res, err := b.Get(staff + page)
		check(t, err)
		text, err := io.ReadAll(res.Body)
		check(t, err)
		res.Body.Close()
		to = regexp.MustCompile(`href="(/folders/[^"]+/files/[^"]+)"`).FindStringSubmatch(string(text))
	}
	res, err := b.Get(staff + strings.ReplaceAll(to[1], "&amp;", "&"))
	check(t, err)
	defer res.Body.Close()
	sum := sha256.New()
	if n, err := io.Copy(sum, res.Body); err != nil || n != largeFile {
		t.Fatalf("%d bytes came out, %v", n, err)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// watchMemory looks at a process ten times a second until asked for the most it took.
func watchMemory(t *testing.T, pid int) (most func() float64) {
	t.Helper()
	stop, ended := make(chan struct{}), make(chan float64)
	go func() {
		peak := 0.0
		for {
			select {
			case <-stop:
				ended <- peak
				return
			case <-time.After(100 * time.Millisecond):
				peak = max(peak, resident(t, pid, "VmRSS"))
			}
		}
	}()
	return func() float64 { close(stop); return <-ended }
}
