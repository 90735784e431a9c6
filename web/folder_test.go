package web

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/sekisho-mail/sekisho/web/dextest"
)

// openFolder lets alice open a folder, and gives its page and the path that she hands on.
func (h *house) openFolder(title string) (page, path string) {
	h.t.Helper()
	until := h.base.AddDate(0, 0, 7).Format("2006-01-02")
	a := h.post(h.as("alice"), "/folders", "title", title, "for", "partner@other.example", "until", until).is(h.t, http.StatusOK)
	page, _, _ = strings.Cut(a.at, "?")
	m := regexp.MustCompile(`readonly value="[^"]*(/u/[A-Za-z0-9_-]{43})"`).FindStringSubmatch(a.body)
	if m == nil {
		h.t.Fatalf("no address on the page:\n%s", a.body)
	}
	return page, m[1]
}

// tus speaks the protocol as any client does.
func (h *house) tus(b *http.Client, method, to string, body io.Reader, header ...string) *http.Response {
	h.t.Helper()
	req, err := http.NewRequest(method, absolute(to), body)
	must(h.t, err)
	req.Header.Set("Tus-Resumable", "1.0.0")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := b.Do(req)
	must(h.t, err)
	res.Body.Close()
	return res
}

func metadata(name string) string {
	return "filename " + base64.StdEncoding.EncodeToString([]byte(name))
}

func (h *house) beginUpload(b *http.Client, path, name string, size int) string {
	h.t.Helper()
	res := h.tus(b, http.MethodPost, path+"/files", nil, "Upload-Length", fmt.Sprint(size), "Upload-Metadata", metadata(name))
	if res.StatusCode != http.StatusCreated {
		h.t.Fatalf("begin: %d", res.StatusCode)
	}
	return res.Header.Get("Location")
}

func patch(offset int) []string {
	return []string{"Upload-Offset", fmt.Sprint(offset), "Content-Type", "application/offset+octet-stream"}
}

func TestAStrangerHandsInAFileAndTheOwnerTakesItOut(t *testing.T) {
	h := newHouse(t)
	page, path := h.openFolder("決算資料")
	b := dextest.Browser(t)
	shown := h.get(b, path).is(t, http.StatusOK)
	shown.has(t, "決算資料", "佐藤 花子", "alice@<b>corp.example</b>", "株式会社コープ", "23:59")
	shown.lacks(t, "partner@other.example")
	content := bytes.Repeat([]byte("決算\n"), 50_000)
	at := h.beginUpload(b, path, "決算 2026.xlsx", len(content))
	if !strings.HasPrefix(at, path+"/files/") {
		t.Fatalf("Location %q", at)
	}
	if res := h.tus(b, http.MethodPatch, at, bytes.NewReader(content[:100_000]), patch(0)...); res.StatusCode != http.StatusNoContent || res.Header.Get("Upload-Offset") != "100000" {
		t.Fatalf("%d %s", res.StatusCode, res.Header.Get("Upload-Offset"))
	}
	if res := h.tus(b, http.MethodPatch, at, bytes.NewReader(content), patch(0)...); res.StatusCode != http.StatusConflict {
		t.Fatalf("from the start again: %d", res.StatusCode)
	}
	if res := h.tus(b, http.MethodHead, at, nil); res.StatusCode != http.StatusOK || res.Header.Get("Upload-Offset") != "100000" {
		t.Fatalf("%d %s", res.StatusCode, res.Header.Get("Upload-Offset"))
	}
	if res := h.tus(b, http.MethodPatch, at, bytes.NewReader(content[100_000:]), patch(100_000)...); res.StatusCode != http.StatusNoContent {
		t.Fatalf("the rest: %d", res.StatusCode)
	}
	h.eventually("looked into", func() bool {
		return strings.Contains(h.get(h.as("alice"), page).body, "受領済み（未検査）")
	})
	h.post(b, path+"/done").is(t, http.StatusOK).has(t, "ありがとうございました")
	h.eventually("alice told", func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return len(h.got) == 1 && h.got[0].to == "alice@corp.example" && strings.Contains(h.got[0].body, "1 件届きました")
	})
	mine := h.get(h.as("alice"), page)
	mine.has(t, "決算 2026.xlsx", "SHA-256")
	to := regexp.MustCompile(`href="(/folders/[^"]+/files/[^"]+)"`).FindStringSubmatch(mine.body)
	got := h.get(h.as("alice"), to[1]).is(t, http.StatusOK)
	if got.body != string(content) {
		t.Fatal("another file came out")
	}
	if d := got.header.Get("Content-Disposition"); !strings.Contains(d, "attachment") || !strings.Contains(d, "%E6%B1%BA%E7%AE%97%202026.xlsx") {
		t.Fatal(d)
	}
	if got.header.Get("Content-Type") != "application/octet-stream" || !strings.Contains(got.header.Get("Content-Security-Policy"), "sandbox") {
		t.Fatalf("%v", got.header)
	}
	h.get(h.as("bob"), page).is(t, http.StatusNotFound)
	h.get(h.as("bob"), to[1]).is(t, http.StatusNotFound)
	h.get(h.as("admin"), to[1]).is(t, http.StatusNotFound)
	h.get(h.as("admin"), page).is(t, http.StatusOK).lacks(t, "決算", path)
	h.get(h.as("admin"), "/folders?all=1").is(t, http.StatusOK).lacks(t, "決算", "partner@other.example")
}

func TestWhatOneBrowserHandsInNoOtherSees(t *testing.T) {
	h := newHouse(t)
	_, path := h.openFolder("資料")
	b, other := dextest.Browser(t), dextest.Browser(t)
	h.get(b, path)
	at := h.beginUpload(b, path, "内緒.pdf", 10)
	for _, method := range []string{http.MethodHead, http.MethodPatch, http.MethodDelete} {
		if res := h.tus(other, method, at, strings.NewReader("0123456789"), patch(0)...); res.StatusCode != http.StatusNotFound {
			t.Errorf("%s by another browser: %d", method, res.StatusCode)
		}
	}
	h.get(other, path).lacks(t, "内緒")
	h.get(b, path).has(t, "内緒.pdf")
	if res := h.tus(b, http.MethodGet, at, nil); res.StatusCode != http.StatusMethodNotAllowed && res.StatusCode != http.StatusNotFound {
		t.Errorf("an upload can be read: %d", res.StatusCode)
	}
	if res := h.tus(b, http.MethodDelete, at, nil); res.StatusCode != http.StatusNoContent {
		t.Errorf("taking back: %d", res.StatusCode)
	}
	h.get(b, path).lacks(t, "内緒")
}

func TestUploadsThatBreakARuleAreRefusedWithTheirReason(t *testing.T) {
	h := newHouse(t)
	page, path := h.openFolder("資料")
	b := dextest.Browser(t)
	begin := func(length string, more ...string) int {
		return h.tus(b, http.MethodPost, path+"/files", nil, append([]string{"Upload-Length", length, "Upload-Metadata", metadata("a")}, more...)...).StatusCode
	}
	for length, want := range map[string]int{fmt.Sprint(2<<30 + 1): http.StatusRequestEntityTooLarge, "-1": http.StatusBadRequest, "many": http.StatusBadRequest, "9223372036854775807": http.StatusRequestEntityTooLarge} {
		if got := begin(length); got != want {
			t.Errorf("length %s: %d, want %d", length, got, want)
		}
	}
	if got := begin("5", "Sec-Fetch-Site", "cross-site"); got != http.StatusForbidden {
		t.Errorf("from another site: %d", got)
	}
	at := h.beginUpload(b, path, `..\..\etc/passwd`, 5)
	if res := h.tus(b, http.MethodPatch, at, strings.NewReader("0123456789"), patch(0)...); res.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("more than promised: %d", res.StatusCode)
	}
	shown := h.get(b, path)
	shown.has(t, ">passwd<")
	shown.lacks(t, "etc/")
	h.post(h.as("alice"), page+"/close").is(t, http.StatusOK)
	if res := h.tus(b, http.MethodPatch, at, strings.NewReader("01234"), patch(0)...); res.StatusCode != http.StatusGone {
		t.Errorf("closed: %d", res.StatusCode)
	}
	h.get(b, path).is(t, http.StatusGone).has(t, "受付は終了しました", "佐藤 花子")
	h.get(b, "/u/"+strings.Repeat("A", 43)).is(t, http.StatusNotFound).lacks(t, "佐藤")
}

func TestLookingAtAFolderChangesNothing(t *testing.T) {
	h := newHouse(t)
	_, path := h.openFolder("資料")
	b := dextest.Browser(t)
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodOptions} {
		for _, p := range []string{path, path + "/done", path + "/files"} {
			h.tus(b, method, p, nil)
		}
	}
	if cookies := b.Jar.Cookies(mustParse(t, shared.portal.URL)); len(cookies) != 0 {
		t.Errorf("looking sets cookies: %v", cookies)
	}
}

func TestAnInvitationIsThePersonsOwnMail(t *testing.T) {
	h := newHouse(t)
	page, path := h.openFolder("決算資料")
	h.post(h.as("alice"), page+"/invite", "to", "partner@other.example", "note", "よろしくお願いします").is(t, http.StatusOK).has(t, "依頼メールを送信待ちに入れました")
	if len(h.invited) != 1 {
		t.Fatalf("%d invitations", len(h.invited))
	}
	if i := h.invited[0]; i.Person != "alice@corp.example" || i.To != "partner@other.example" || i.Title != "決算資料" || i.Note != "よろしくお願いします" || !strings.HasSuffix(i.Address, path) {
		t.Fatalf("%+v", i)
	}
	h.post(h.as("alice"), page+"/invite", "to", "nobody", "note", "x").is(t, http.StatusBadRequest)
	h.post(h.as("admin"), page+"/invite", "to", "partner@other.example").is(t, http.StatusNotFound)
}

// TestABrowserHandsInLargeFilesAndGoesOn drives the page itself: two files, one of several pieces, a line that
// breaks in the middle.
func TestABrowserHandsInLargeFilesAndGoesOn(t *testing.T) {
	for _, s := range []screen{phoneScreen(), desktopScreen()} {
		t.Run(s.name, func(t *testing.T) {
			h := newHouse(t)
			page, path := h.openFolder("図面一式")
			dir := t.TempDir()
			large := bytes.Repeat([]byte("0123456789abcdef"), 20<<20/16)
			must(t, os.WriteFile(filepath.Join(dir, "図面.zip"), large, 0o600))
			must(t, os.WriteFile(filepath.Join(dir, "readme.txt"), []byte("ok"), 0o600))
			h.breakAfter(t, 2)
			b := chromium(t, s)
			b.open(shared.portal.URL+path, ".drop")
			b.shoot("folder-empty")
			b.do(chromedp.SetUploadFiles(chromedp.CSS("#files"), []string{filepath.Join(dir, "図面.zip"), filepath.Join(dir, "readme.txt")}))
			h.eventually("both handed in", func() bool { return ask[int](b, `document.querySelectorAll(".uploads .state.sent").length`) == 2 })
			b.shoot("folder-sent")
			b.press("[data-done]", ".told")
			b.shoot("folder-done")
			h.eventually("looked into", func() bool { return strings.Count(h.get(h.as("alice"), page).body, "受領済み（未検査）") == 2 })
			mine := h.get(h.as("alice"), page)
			to := regexp.MustCompile(`href="(/folders/[^"]+/files/[^"]+)"`).FindStringSubmatch(mine.body)
			if got := h.get(h.as("alice"), to[1]); got.body != string(large) {
				t.Fatalf("%d bytes came out, %d went in", len(got.body), len(large))
			}
			b.signIn(page, "alice")
			b.shoot("folder-owner")
			b.open(shared.staff.URL+"/folders", ".mails")
			b.shoot("folders")
		})
	}
}

// breakAfter cuts the line of one upload request once, after that many have come through.
func (h *house) breakAfter(t *testing.T, n int) {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	inner, seen := shared.onDay, 0
	shared.onDay = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPatch {
			if seen++; seen == n {
				r.Body = &cutBody{r.Body, 1 << 20}
				inner.ServeHTTP(w, r)
				panic(http.ErrAbortHandler)
			}
		}
		inner.ServeHTTP(w, r)
	})
}

type cutBody struct {
	io.ReadCloser
	left int
}

func (c *cutBody) Read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, errors.New("line cut")
	}
	n, err := c.ReadCloser.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}
