//go:build bench

package bench

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/smtp"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/internal/testkit"
)

// linksOnly is a policy that does nothing but make links of files, at once.
const linksOnly = `version: 1
rules:
  - {name: anything, mode: audit, when: {content: [{detector: uninspectable, level: low, count: 1}]}, then: {delay: 0s}}
  - {name: links, when: {recipients: external}, then: {delay: 0s, link: {over: 0, access: open}}}
`

// portal is a running product that links files, and the next hop where the links arrive.
type portal struct {
	*ours
	url  string
	cert testkit.Certificate
	hop  *testkit.NextHop
}

func newPortal(t *testing.T, s setup) *portal {
	t.Helper()
	p := &portal{cert: testkit.NewCertificate(t, "127.0.0.1")}
	p.hop = testkit.Postfix(t, "smtpd_tls_security_level = none")
	listen := testkit.FreeAddress(t)
	p.url = "https://" + listen
	policy := filepath.Join(t.TempDir(), "policy.yaml")
	write(t, policy, linksOnly, 0o600)
	s.relay = p.hop.Address
	s.more += fmt.Sprintf("portal: {listen: %q, url: %q, tls: {cert_file: %s, key_file: %s}}\npolicy: {file: %s}\n",
		listen, p.url, p.cert.CertFile, p.cert.KeyFile, policy)
	p.ours = sekisho(t, s)
	await(t, "portal", listen)
	return p
}

var linkPath = regexp.MustCompile(`/d/[A-Za-z0-9_-]{43}`)

// calm waits until the service has done what it does after a start: preparing to read PDF, mostly.
func calm(t *testing.T, pid int) {
	t.Helper()
	for quiet, last := 0, cpu(t, pid); quiet < 3; time.Sleep(time.Second) {
		now := cpu(t, pid)
		if quiet++; now-last > 100 {
			quiet = 0
		}
		last = now
	}
}

// sent hands in a mail with one file and gives the path of the link that arrives.
func (p *portal) sent(t *testing.T, file []byte) string {
	t.Helper()
	var b bytes.Buffer
	b.WriteString("From: app@corp.example\r\nTo: bob@other.example\r\nSubject: bench\r\nMIME-Version: 1.0\r\n" +
		"Content-Type: multipart/mixed; boundary=b1\r\n\r\n--b1\r\nContent-Type: text/plain\r\n\r\nsee the file\r\n" +
		"--b1\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=data.bin\r\n" +
		"Content-Transfer-Encoding: base64\r\n\r\n")
	for line := make([]byte, 77); len(file) > 0; file = file[min(57, len(file)):] {
		base64.StdEncoding.Encode(line, file[:min(57, len(file))])
		b.Write(line[:base64.StdEncoding.EncodedLen(min(57, len(file)))])
		b.WriteString("\r\n")
	}
	b.WriteString("--b1--\r\n")
	before := len(p.hop.Delivered(t, 0))
	check(t, smtp.SendMail(p.gateway, nil, "app@corp.example", []string{"bob@other.example"}, b.Bytes()))
	var mails [][]byte
	for deadline := time.Now().Add(3 * time.Minute); len(mails) <= before; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the mail with the link has not arrived")
		}
		mails = p.hop.Delivered(t, 0)
	}
	path := linkPath.Find(mails[len(mails)-1])
	if path == nil {
		t.Fatalf("the mail that arrived has no link:\n%.2000s", mails[len(mails)-1])
	}
	return string(path)
}

// browser is one visitor with cookies; oldHTTP speaks HTTP/1.1.
func (p *portal) browser(t *testing.T, oldHTTP bool) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	check(t, err)
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: p.cert.Roots}, ForceAttemptHTTP2: !oldHTTP, ReadBufferSize: 64 << 10}
	if oldHTTP {
		tr.TLSClientConfig.NextProtos = []string{"http/1.1"}
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Jar: jar}
}

var fileField = regexp.MustCompile(`name="file" value="([^"]+)"`)

// permitted presses the button under the first file and gives the address that it can be fetched from.
func (p *portal) permitted(t *testing.T, b *http.Client, link string) string {
	t.Helper()
	res, err := b.Get(p.url + link)
	check(t, err)
	page, err := io.ReadAll(res.Body)
	check(t, err)
	res.Body.Close()
	file := fileField.FindSubmatch(page)
	if file == nil {
		t.Fatalf("no file on the page (%d)", res.StatusCode)
	}
	asking := *b
	asking.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err = asking.PostForm(p.url+link+"/get", url.Values{"file": {string(file[1])}})
	check(t, err)
	res.Body.Close()
	at, err := res.Location()
	check(t, err)
	return at.String()
}

// fetch takes all of an address and gives bytes per second.
func fetch(t *testing.T, b *http.Client, at string, size int64) float64 {
	t.Helper()
	began := time.Now()
	res, err := b.Get(at)
	check(t, err)
	defer res.Body.Close()
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, res.Body, make([]byte, 256<<10))
	if err != nil || n != size {
		t.Fatalf("%s: %d of %d bytes, %v", res.Status, n, size, err)
	}
	return float64(n) / time.Since(began).Seconds()
}

// TestDownload is one file from the portal beside http.ServeFile: the same TLS, the same client, in turns.
func TestDownload(t *testing.T) {
	const size = 96 << 20
	p := newPortal(t, setup{})
	file := make([]byte, size)
	rand.Read(file)
	path := filepath.Join(t.TempDir(), "file")
	check(t, os.WriteFile(path, file, 0o600))
	plain, plainPID := plainServer(t, p.cert, path)
	link := p.sent(t, file)
	calm(t, p.pid)
	title("download of %d MB over TLS, beside http.ServeFile (MB per second)", size>>20)
	fmt.Printf("%9s %10s %10s %7s %-20s %s\n", "", "sekisho", "ServeFile", "ratio", "", "processor time of the servers, ms per 100 MB")
	for _, old := range []bool{true, false} {
		b := p.browser(t, old)
		at := p.permitted(t, b, link)
		ours, theirs := cpu(t, p.pid), cpu(t, plainPID)
		figures := inTurns(t,
			func() float64 { return fetch(t, b, at, size) / 1e6 },
			func() float64 { return fetch(t, b, plain, size) / 1e6 })
		ours, theirs = cpu(t, p.pid)-ours, cpu(t, plainPID)-theirs
		r, each := ratio(figures[0], figures[1]), float64(*rounds)*size/100e6
		name := protocol(old)
		fmt.Printf("%9s %10.0f %10.0f %6.2fx %-20s %.0f and %.0f\n", name, median(figures[0]), median(figures[1]), r,
			reach(t, "download beside http.ServeFile, "+name, r, 0.7), ours/each, theirs/each)
	}
}

func protocol(old bool) string {
	if old {
		return "HTTP/1.1"
	}
	return "HTTP/2"
}

// plainServer runs http.ServeFile with that certificate in a process of its own.
func plainServer(t *testing.T, cert testkit.Certificate, path string) (url string, pid int) {
	t.Helper()
	program := buildBeside(t, "plain")
	address := testkit.FreeAddress(t)
	cmd := start(t, nil, program, address, cert.CertFile, cert.KeyFile, path)
	await(t, "plain", address)
	return "https://" + address + "/", cmd.Process.Pid
}

// TestManyDownloads is two hundred browsers that take one file side by side.
func TestManyDownloads(t *testing.T) {
	const size, browsers = 16 << 20, 200
	p := newPortal(t, setup{})
	file := make([]byte, size)
	rand.Read(file)
	var links []string // one network may open each 120 times an hour
	for range 4 {
		links = append(links, p.sent(t, file))
	}
	title("%d downloads of %d MB at once (MB resident)", browsers, size>>20)
	for i, old := range []bool{true, false} {
		p.again(t) // what inspection used goes back to the system by and by, and is not what is measured here
		await(t, "portal", strings.TrimPrefix(p.url, "https://"))
		calm(t, p.pid)
		fmt.Printf("%-46s %8.0f\n", "before", resident(t, p.pid, "VmRSS"))
		peak := p.together(t, links[2*i:2*i+2], browsers, size, old)
		what := fmt.Sprintf("%d downloads at once, %s", browsers, protocol(old))
		fmt.Printf("%-46s %8.0f  %s\n", what, peak, stay(t, "memory, "+what, "MB", peak, 200))
	}
}

// together takes the file with that many browsers, slowly enough that all of them are open at once, and gives the most
// memory that was seen.
func (p *portal) together(t *testing.T, links []string, browsers int, size int64, old bool) (peak float64) {
	t.Helper()
	open := make([]io.ReadCloser, browsers)
	for i := range open {
		b := p.browser(t, old)
		res, err := b.Get(p.permitted(t, b, links[i%len(links)]))
		check(t, err)
		defer res.Body.Close()
		open[i] = res.Body
	}
	buf := make([]byte, 256<<10)
	for left := size; left > 0; {
		n := min(left, int64(len(buf)))
		for _, one := range open {
			_, err := io.ReadFull(one, buf[:n])
			check(t, err)
		}
		left -= n
		peak = max(peak, resident(t, p.pid, "VmRSS"))
	}
	return peak
}

// TestMemoryOfAMail is one mail of 150 MB on its way from the client to its link.
func TestMemoryOfAMail(t *testing.T) {
	p := newPortal(t, setup{})
	file := make([]byte, 108<<20) // 148 MB in base64
	rand.Read(file)
	title("one mail of %d MB (MB resident)", 148)
	calm(t, p.pid)
	before := resident(t, p.pid, "VmRSS")
	p.sent(t, file)
	peak := resident(t, p.pid, "VmHWM")
	fmt.Printf("%-46s %8.0f\n%-46s %8.0f  (%.1f times the mail)\n", "before", before, "most, from the first byte to the link", peak, peak/148)
}

// strings of the protocol of resumable uploads.
func tus(t *testing.T, b *http.Client, method, at string, body io.Reader, header ...string) *http.Response {
	t.Helper()
	req, err := http.NewRequest(method, at, body)
	check(t, err)
	req.Header.Set("Tus-Resumable", "1.0.0")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := b.Do(req)
	check(t, err)
	io.Copy(io.Discard, res.Body)
	res.Body.Close()
	if res.StatusCode/100 != 2 {
		t.Fatalf("%s answers %s", method, res.Status)
	}
	return res
}
