package web

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/linkify"
	"github.com/sekisho-mail/sekisho/web/dextest"
)

// fileID finds the file a landing page offers.
func fileID(t *testing.T, a answer) string {
	t.Helper()
	m := regexp.MustCompile(`name="file" value="([^"]+)"`).FindStringSubmatch(a.body)
	if m == nil {
		t.Fatalf("no file on the page:\n%s", a.body)
	}
	return m[1]
}

func TestLandingPageSaysWhoWhatAndUntilWhen(t *testing.T) {
	h := newHouse(t)
	path := h.link(h.submit("alice@corp.example", "ひみつの件名", "partner@files.example"))
	page := h.get(dextest.Browser(t), path).is(t, http.StatusOK)
	page.has(t, "株式会社コープ", "佐藤 花子", "alice@<b>corp.example</b>", "見積書.pdf", "20 B", "23:59", "SHA-256")
	page.lacks(t, "ひみつの件名", "partner@files.example", "<script")
	for name, want := range map[string]string{"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff", "X-Robots-Tag": "noindex, nofollow, noarchive"} {
		if got := page.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if p := page.header.Get("Content-Security-Policy"); strings.Contains(p, "script-src") || !strings.Contains(p, "frame-ancestors 'none'") {
		t.Errorf("policy: %s", p)
	}
	h.get(dextest.Browser(t), path+"?lang=en").has(t, "Files for you", `lang="en"`)
}

func TestALinkThatHasEndedSaysWhomToAsk(t *testing.T) {
	h := newHouse(t)
	revoked := h.submit("alice@corp.example", "見積の件", "partner@files.example")
	path := h.link(revoked)
	h.post(h.as("alice"), "/messages/"+revoked.ID+"/links/revoke", "all", "1").is(t, http.StatusOK)
	h.get(dextest.Browser(t), path).is(t, http.StatusGone).has(t, "このリンクは無効になりました", "差出人へご連絡ください", "佐藤 花子", "alice@<b>corp.example</b>")
	path = h.link(h.submit("alice@corp.example", "見積の件", "partner@files.example"))
	h.get(dextest.Browser(t), path).is(t, http.StatusOK).has(t, "23:59 まで")
	h.advance(16 * 24 * time.Hour)
	page := h.get(dextest.Browser(t), path+"?lang=en").is(t, http.StatusGone)
	page.has(t, "This link has expired", "please ask the sender", "alice@<b>corp.example</b>", "Was available until", "23:59")
	page.lacks(t, "見積書.pdf", "Download")
}

func TestScannersTakeNothing(t *testing.T) {
	h := newHouse(t)
	m := h.submit("alice@corp.example", "見積の件", "partner@files.example")
	path := h.link(m)
	b := dextest.Browser(t)
	file := fileID(t, h.get(b, path))
	for range 3 {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodOptions, "PROPFIND"} {
			for _, p := range []string{path, path + "/get", path + "/get?file=" + file, path + "/code", path + "/" + file + "/x"} {
				req, err := http.NewRequest(method, absolute(p), nil)
				must(t, err)
				res, err := b.Do(req)
				must(t, err)
				res.Body.Close()
			}
		}
	}
	links, err := h.links.OfMessage(t.Context(), m.ID)
	must(t, err)
	log, err := h.links.Log(t.Context(), m.ID, "", linkify.Page{})
	must(t, err)
	if links[0].Taken != 0 || len(log) != 0 {
		t.Errorf("scanners count as %d downloads, %d lines", links[0].Taken, len(log))
	}
	if cookies := b.Jar.Cookies(mustParse(t, shared.portal.URL)); len(cookies) != 0 {
		t.Errorf("looking sets cookies: %v", cookies)
	}
}

// A file without bytes is taken by one GET. A HEAD, which brings as many bytes, takes nothing.
func TestHeadTakesNotEvenAnEmptyFile(t *testing.T) {
	h := newHouse(t)
	h.empty = true
	m := h.submit("alice@corp.example", "見積の件", "partner@files.example")
	path := h.link(m)
	b := dextest.Browser(t)
	file := fileID(t, h.get(b, path))
	b.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	at := h.post(b, path+"/get", "file", file).is(t, http.StatusSeeOther).header.Get("Location")
	for _, c := range []struct {
		method string
		taken  int64
	}{{http.MethodHead, 0}, {http.MethodGet, 1}} {
		req, err := http.NewRequest(c.method, absolute(at), nil)
		must(t, err)
		res, err := b.Do(req)
		must(t, err)
		res.Body.Close()
		links, err := h.links.OfMessage(t.Context(), m.ID)
		must(t, err)
		if res.StatusCode != http.StatusOK || links[0].Taken != c.taken {
			t.Errorf("%s: %d, %d downloads, want %d", c.method, res.StatusCode, links[0].Taken, c.taken)
		}
	}
}

func TestDownloadIsAnAttachmentWithItsJapaneseName(t *testing.T) {
	h := newHouse(t)
	m := h.submit("alice@corp.example", "見積の件", "partner@files.example")
	path := h.link(m)
	b := dextest.Browser(t)
	got := h.post(b, path+"/get", "file", fileID(t, h.get(b, path))).is(t, http.StatusOK)
	if got.body != "%PDF-1.4\nHello file\n" {
		t.Errorf("file is %q", got.body)
	}
	for name, want := range map[string]string{
		"Content-Disposition":     `attachment; filename="download.pdf"; filename*=UTF-8''%E8%A6%8B%E7%A9%8D%E6%9B%B8.pdf`,
		"Content-Type":            "application/octet-stream",
		"X-Content-Type-Options":  "nosniff",
		"Content-Security-Policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
		"Referrer-Policy":         "no-referrer",
		"Accept-Ranges":           "bytes",
	} {
		if v := got.header.Get(name); v != want {
			t.Errorf("%s: %s, want %s", name, v, want)
		}
	}
	log, err := h.links.Log(t.Context(), m.ID, "", linkify.Page{})
	must(t, err)
	if len(log) != 1 || !log[0].Complete || log[0].Of != "partner@files.example" {
		t.Errorf("log: %+v", log)
	}
	// The sender sees it, in the words of the log: whose link, not who.
	h.get(h.as("alice"), "/messages/"+m.ID+"/links").is(t, http.StatusOK).has(t, "partner@files.example 宛てのリンク", "見積書.pdf", "ダウンロード 1 回")
}

func TestTicketServesRangesToTheSameBrowserOnly(t *testing.T) {
	h := newHouse(t)
	path := h.link(h.submit("alice@corp.example", "見積の件", "partner@files.example"))
	b := dextest.Browser(t)
	whole := h.post(b, path+"/get", "file", fileID(t, h.get(b, path))).is(t, http.StatusOK)
	etag := whole.header.Get("ETag")
	ask := func(b *http.Client, header ...string) answer {
		req, err := http.NewRequest(http.MethodGet, shared.portal.URL+whole.at, nil)
		must(t, err)
		for i := 0; i+1 < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		res, err := b.Do(req)
		return h.read(res, err)
	}
	if part := ask(b, "Range", "bytes=5-7"); part.code != http.StatusPartialContent || part.body != "1.4" || part.header.Get("Content-Range") != "bytes 5-7/20" {
		t.Errorf("range: %d %q %s", part.code, part.body, part.header.Get("Content-Range"))
	}
	if resumed := ask(b, "Range", "bytes=10-", "If-Range", etag); resumed.code != http.StatusPartialContent || resumed.body != "ello file\n" {
		t.Errorf("resumed: %d %q", resumed.code, resumed.body)
	}
	if changed := ask(b, "Range", "bytes=10-", "If-Range", `"other"`); changed.code != http.StatusOK || len(changed.body) != 20 {
		t.Errorf("another version: %d %q", changed.code, changed.body)
	}
	if beyond := ask(b, "Range", "bytes=99-"); beyond.code != http.StatusRequestedRangeNotSatisfiable {
		t.Errorf("beyond the end: %d", beyond.code)
	}
	ask(dextest.Browser(t)).is(t, http.StatusForbidden).has(t, "ダウンロードをやり直してください")
	h.advance(3 * time.Hour)
	ask(b).is(t, http.StatusForbidden)
}

func TestOneTimeCodeOpensTheFilesInOneBrowser(t *testing.T) {
	h := newHouse(t)
	path := h.link(h.submit("alice@corp.example", "見積の件", "partner@code.example"))
	b, other := dextest.Browser(t), dextest.Browser(t)
	first := h.get(b, path).is(t, http.StatusOK)
	first.has(t, "p•••@code.example", "確認コードを送る")
	first.lacks(t, "見積書.pdf", "partner@code.example")
	h.post(b, path+"/code").is(t, http.StatusOK).has(t, "確認コードの入力", "10分間")
	code := ""
	h.eventually("the code arrives", func() bool {
		code = h.find("partner@code.example", regexp.MustCompile(`\b[0-9]{4}[ -]?[0-9]{4}\b`))
		return code != ""
	})
	h.post(b, path+"/enter", "code", "00000000").is(t, http.StatusForbidden).has(t, "確認コードが違います。あと 4 回入力できます。")
	h.post(other, path+"/enter", "code", code).lacks(t, "見積書.pdf") // bound to the browser that asked
	h.post(b, path+"/enter", "code", code).is(t, http.StatusOK).has(t, "見積書.pdf", "ダウンロード")
	h.get(other, path).lacks(t, "見積書.pdf")
	h.post(b, path+"/code", "address", "someone@elsewhere.example").lacks(t, "elsewhere.example に送りました")
}

func TestUnknownAndMalformedLinksGetOneAnswer(t *testing.T) {
	h := newHouse(t)
	good := h.link(h.submit("alice@corp.example", "見積の件", "partner@files.example"))
	last := good[len(good)-1]
	flip := "A"
	if last == 'A' {
		flip = "E"
	}
	want := ""
	for _, path := range []string{good[:len(good)-1] + flip, "/d/x", "/d/" + strings.Repeat("a", 43), "/d/" + strings.Repeat("a", 3000), "/d/%00", "/d/" + url.PathEscape("../../etc/passwd"), "/d/preview.this-link-leads-nowhere.0000000000"} {
		a := h.get(dextest.Browser(t), path).is(t, http.StatusNotFound)
		a.has(t, "このリンクは使えません")
		body := strings.ReplaceAll(a.body, path, "PATH") // the switch of the language repeats the address itself
		body = regexp.MustCompile(`href="[^"]*\?lang=en"`).ReplaceAllString(body, "")
		if want == "" {
			want = body
		} else if body != want {
			t.Errorf("%s is answered differently", path)
		}
		for _, p := range []string{path + "/get", path + "/code", path + "/enter"} {
			if a := h.post(dextest.Browser(t), p, "file", "x", "code", "1"); a.code != http.StatusNotFound {
				t.Errorf("%s: %d", p, a.code)
			}
		}
	}
}

func TestRevokedLinkIsGoneAndTheSenderCanDoIt(t *testing.T) {
	h := newHouse(t)
	m := h.submit("alice@corp.example", "見積の件", "partner@files.example")
	path := h.link(m)
	links, err := h.links.OfMessage(t.Context(), m.ID)
	must(t, err)
	h.post(h.as("bob"), "/messages/"+m.ID+"/links/revoke", "all", "1").is(t, http.StatusNotFound)
	h.post(h.as("alice"), "/messages/"+m.ID+"/links/extend", "link", links[0].ID, "until", time.Now().AddDate(0, 0, 30).Format(time.DateOnly)).is(t, http.StatusOK).has(t, "期限を変更しました")
	h.post(h.as("alice"), "/messages/"+m.ID+"/links/extend", "link", links[0].ID, "until", "2999-01-01").is(t, http.StatusBadRequest)
	h.post(h.as("alice"), "/messages/"+m.ID+"/links/revoke", "link", links[0].ID).is(t, http.StatusOK).has(t, "無効にしました。もうダウンロードできません。")
	gone := h.get(dextest.Browser(t), path).is(t, http.StatusGone)
	gone.has(t, "このリンクは無効になりました")
	gone.lacks(t, "見積書.pdf")
}

func TestPortalHasNothingOfTheStaff(t *testing.T) {
	h := newHouse(t)
	m := h.submit("alice@corp.example", "見積の件", "x@hold.example")
	admin := h.as("admin")
	for _, rt := range (&staff{}).routes() {
		if strings.HasPrefix(rt.path, "/assets/") || rt.path == "/healthz" || rt.path == "/favicon.ico" {
			continue
		}
		req, err := http.NewRequest(rt.method, shared.portal.URL+strings.NewReplacer(":id", m.ID, ":token", "x").Replace(rt.path), nil)
		must(t, err)
		for _, c := range admin.Jar.Cookies(mustParse(t, shared.staff.URL)) {
			req.AddCookie(c)
		}
		res, err := http.DefaultClient.Do(req)
		a := h.read(res, err)
		if a.code != http.StatusNotFound {
			t.Errorf("%s %s answers %d on the portal", rt.method, rt.path, a.code)
		}
		if a.header.Get("Set-Cookie") != "" {
			t.Errorf("%s sets a cookie", rt.path)
		}
	}
}

// TestPortalFormsWorkInOldBrowsersAndOverPlainHTTP: such browsers send
// "Origin: null" under our Referrer-Policy, and no Sec-Fetch-Site.
func TestPortalFormsWorkInOldBrowsersAndOverPlainHTTP(t *testing.T) {
	h := newHouse(t)
	path := h.link(h.submit("alice@corp.example", "見積の件", "partner@files.example"))
	b := dextest.Browser(t)
	form := url.Values{"file": {fileID(t, h.get(b, path))}}
	for origin, want := range map[string]int{"null": http.StatusOK, "": http.StatusOK, shared.portal.URL: http.StatusOK, "http://evil.example": http.StatusForbidden} {
		req, err := http.NewRequest(http.MethodPost, shared.portal.URL+path+"/get", strings.NewReader(form.Encode()))
		must(t, err)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if origin != "" {
			req.Header.Set("Origin", origin)
		}
		res, err := b.Do(req)
		if a := h.read(res, err); a.code != want {
			t.Errorf("Origin %q: %d, want %d", origin, a.code, want)
		}
	}
}

func TestFileNamesAreSafeToSaveUnder(t *testing.T) {
	for name, want := range map[string]string{
		"見積書.pdf":                         `attachment; filename="download.pdf"; filename*=UTF-8''%E8%A6%8B%E7%A9%8D%E6%9B%B8.pdf`,
		"report 2026.xlsx":                `attachment; filename="report 2026.xlsx"; filename*=UTF-8''report%202026.xlsx`,
		`..\..\windows\evil.exe`:          `attachment; filename="evil.exe"; filename*=UTF-8''evil.exe`,
		"../../etc/passwd":                `attachment; filename="passwd"; filename*=UTF-8''passwd`,
		"a\r\nSet-Cookie: x=1.txt":        `attachment; filename="aSet-Cookie_ x=1.txt"; filename*=UTF-8''aSet-Cookie_%20x%3D1.txt`,
		`quo"te;%41.txt`:                  `attachment; filename="quo_te__41.txt"; filename*=UTF-8''quo_te%3B%2541.txt`,
		"invoice\u202Efdp.exe":            `attachment; filename="invoicefdp.exe"; filename*=UTF-8''invoicefdp.exe`,
		"CON.txt":                         `attachment; filename="_CON.txt"; filename*=UTF-8''_CON.txt`,
		"":                                `attachment; filename="file"; filename*=UTF-8''file`,
		"...":                             `attachment; filename="file"; filename*=UTF-8''file`,
		"①㈱髙.txt":                         `attachment; filename="download.txt"; filename*=UTF-8''%E2%91%A0%E3%88%B1%E9%AB%99.txt`,
		"\xff\xfe.bin":                    `attachment; filename="download.bin"; filename*=UTF-8''_.bin`,
		strings.Repeat("長", 100) + ".pdf": `attachment; filename="download.pdf"; filename*=UTF-8''` + strings.Repeat("%E9%95%B7", 65) + ".pdf",
	} {
		if got := disposition(name); got != want {
			t.Errorf("%q:\n got %s\nwant %s", name, got, want)
		}
	}
}

func TestAnExpiredPageLetsItsReaderAskTheSender(t *testing.T) {
	h := newHouse(t)
	m := h.submit("alice@corp.example", "見積の件", "partner@files.example")
	path := h.link(m)
	h.advance(16 * 24 * time.Hour)
	b := dextest.Browser(t)
	h.get(b, path).is(t, http.StatusGone).has(t, "差出人に再公開を依頼する")
	for range 2 { // the second press finds that it was done
		h.post(b, path+"/ask").is(t, http.StatusGone).has(t, "差出人に依頼しました")
	}
	h.eventually("alice told", func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		n := 0
		for _, d := range h.got {
			if d.to == "alice@corp.example" && strings.Contains(d.body, "再公開") {
				n++
			}
		}
		return n == 1
	})
	links, err := h.links.OfMessage(t.Context(), m.ID)
	must(t, err)
	if links[0].AskedAt.IsZero() {
		t.Error("the sender's page does not know")
	}
	h.post(dextest.Browser(t), "/d/"+strings.Repeat("A", 43)+"/ask").is(t, http.StatusNotFound)
}

func TestLinksAreSentAgainByAMailOfTheSenders(t *testing.T) {
	h := newHouse(t)
	m := h.submit("alice@corp.example", "見積の件", "partner@files.example")
	h.link(m)
	page := "/messages/" + m.ID + "/links"
	h.post(h.as("alice"), page+"/resend").is(t, http.StatusOK)
	if len(h.resent) != 0 {
		t.Fatal("none ticked is none")
	}
	h.post(h.as("alice"), page+"/resend", "all", "1").is(t, http.StatusOK).has(t, "再送メールを送信待ちに入れました")
	if len(h.resent) != 1 || h.resent[0].To != "partner@files.example" || h.resent[0].Person != "alice@corp.example" {
		t.Fatalf("%+v", h.resent)
	}
	h.post(h.as("alice"), "/messages/"+m.ID+"/contain").is(t, http.StatusOK)
	h.post(h.as("alice"), page+"/resend", "all", "1").is(t, http.StatusOK).has(t, "このリンクは再送できません")
}
