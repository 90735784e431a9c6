package web

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"image/color"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"

	"github.com/sekisho-mail/sekisho/internal/testkit"
	"github.com/sekisho-mail/sekisho/linkify"
	"github.com/sekisho-mail/sekisho/web/dextest"
)

// The recipient's whole path, as somebody outside walks it in a browser: every page on a telephone and on a desk, in
// light and in dark, none with a barrier (shoot asks axe).

func outsideScreens() []screen {
	return []screen{{"phone390", 390, 844, true}, {"desk1280", 1280, 860, false}}
}

// shootBoth looks at the page in both languages.
func (b *tab) shootBoth(url, wait, name string) {
	b.t.Helper()
	for _, lang := range []string{"en", "ja"} {
		b.open(url+"?lang="+lang, wait)
		b.wantLargeTargets()
		b.shoot(name + "-" + lang)
	}
}

// says waits until the page has answered: what stood there before may look alike.
func (b *tab) says(text string) {
	b.t.Helper()
	body := ""
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
		now, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.readyState === "complete" ? document.querySelector("main").innerText : ""`))
		cancel()
		if err == nil { // else it is between two pages
			if body = now; strings.Contains(body, text) {
				return
			}
		}
	}
	b.t.Fatalf("the page does not say %q:\n%s", text, body)
}

// typed fills a field anew.
func (b *tab) typed(field, text string) {
	b.t.Helper()
	b.do(chromedp.Clear(chromedp.CSS(field)), chromedp.SendKeys(chromedp.CSS(field), text))
}

func (b *tab) downloadsTo(dir string) {
	b.t.Helper()
	_, err := chromedp.CallBrowser(b.ctx, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{Behavior: "allow", DownloadPath: dir})
	must(b.t, err)
}

// codeFor waits for the newest code to an address.
func (h *house) codeFor(to, before string) (code string) {
	h.t.Helper()
	h.eventually("a code for "+to, func() bool {
		code = h.find(to, regexp.MustCompile(`\b[0-9]{4}[ -]?[0-9]{4}\b`))
		return code != "" && code != before
	})
	return code
}

func TestRecipientsProveWhoTheyAreInABrowser(t *testing.T) {
	for _, s := range outsideScreens() {
		t.Run(s.name, func(t *testing.T) {
			h := newHouse(t)
			b := chromium(t, s)
			h.proveByCode(b)
			link := h.submit("alice@corp.example", "見積の件", "partner@password.example")
			b.shootBoth(shared.portal.URL+h.link(link), "#password", "recipient-password")
			b.typed("#password", "abcd-efgh-jkmn")
			b.press("form .main", ".told.bad")
			b.shoot("recipient-password-wrong")
			all, err := h.links.OfMessage(t.Context(), link.ID)
			must(t, err)
			b.typed("#password", linkify.ShownPassword(all[0].Password))
			b.press("form .main", ".files")

			b.shootBoth(shared.portal.URL+h.link(h.submit("alice@corp.example", "見積の件", "partner@account.example")), "form", "recipient-account")
			b.press("form .main", "#login")
			b.do(chromedp.SendKeys(chromedp.CSS("#login"), "colleague@account.example"), chromedp.SendKeys(chromedp.CSS("#password"), dextest.Password))
			b.press("#submit-login", ".files")
		})
	}
}

// proveByCode asks for codes, gets them wrong, too late and too often, and gets in.
func (h *house) proveByCode(b *tab) {
	h.t.Helper()
	url := shared.portal.URL + h.link(h.submit("alice@corp.example", "見積の件", "partner@code.example"))
	b.shootBoth(url, "form", "recipient-code-ask")
	b.press("form .main", "#code")
	b.shoot("recipient-code-enter")
	code := h.codeFor("partner@code.example", "")
	b.typed("#code", "00000000")
	b.press("form .main", ".told.bad")
	b.says("あと 4 回")
	b.shoot("recipient-code-wrong")
	h.advance(11 * time.Minute)
	b.typed("#code", code)
	b.do(chromedp.Click(chromedp.CSS("form .main")))
	b.says("期限が切れたか")
	b.shoot("recipient-code-late")
	b.press("form .main", "#code")
	code = h.codeFor("partner@code.example", code)
	for _, left := range []string{"あと 4 回", "あと 3 回", "あと 2 回", "あと 1 回", "使えなくなりました"} {
		b.typed("#code", "00000000")
		b.do(chromedp.Click(chromedp.CSS("form .main")))
		b.says(left)
	}
	h.advance(20 * time.Minute)
	b.press("form .main", "#code")
	b.typed("#code", h.codeFor("partner@code.example", code)) // with its blank, as it stands in the mail
	b.press("form .main", ".files")

	colleague := shared.portal.URL + h.link(h.submit("alice@corp.example", "見積の件", "partner@code.example"))
	b.open(colleague, "details")
	b.press("details summary", "#address")
	b.shoot("recipient-colleague")
	b.typed("#address", "someone@elsewhere.example")
	b.press("details .button", ".told.bad")
	b.shoot("recipient-stranger")
	b.press("details summary", "#address")
	b.typed("#address", "colleague@code.example")
	b.press("details .button", "#code")
	b.typed("#code", h.codeFor("colleague@code.example", ""))
	b.press("form .main", ".files")
	b.open(shared.portal.URL+h.link(h.submit("alice@corp.example", "見積の件", "info@code.example")), "details[open] #address")
	b.says("複数の方が読むアドレス")
	b.shoot("recipient-shared")
	for range 5 {
		b.open(colleague, "body") // nothing is asked of whoever is in
	}
	for range 6 {
		h.post(dextest.Browser(h.t), strings.TrimPrefix(colleague, shared.portal.URL)+"/code")
	}
	other := chromium(h.t, b.screen)
	other.open(colleague, "form")
	other.press("form .main", ".told.bad")
	other.says("回数が多すぎます")
	other.shoot("recipient-too-many")
}

func TestRecipientsTakeAndLookInABrowser(t *testing.T) {
	for _, s := range outsideScreens() {
		t.Run(s.name, func(t *testing.T) {
			h := newHouse(t)
			withoutSandbox()
			b, into := chromium(t, s), t.TempDir()
			b.downloadsTo(into)
			files := []string{"図面.pdf", onePagePDF, "写真.png", photo(color.RGBA{R: 20, G: 120, B: 90, A: 255}), "議事録.txt", strings.Repeat("第1回 打ち合わせ\n", 30)}
			long := strings.Repeat("とても長い名前の資料", 9) + ".pdf"
			files = append(files, long, onePagePDF, "gnp\u202eexe.txt", "harmless")
			for i := range 25 {
				files = append(files, fmt.Sprintf("資料%02d.xlsx", i+1), fmt.Sprintf("content %d", i))
			}
			h.raw = attached("partner@view.example", files...)
			url := shared.portal.URL + h.link(h.submit("alice@corp.example", "見積の件", "partner@view.example"))
			b.shootBoth(url, ".files", "recipient-files")
			if n := ask[int](b, `document.querySelectorAll(".files > li").length`); n != 30 {
				t.Errorf("%d files are listed", n)
			}
			b.do(chromedp.Click(chromedp.CSS(`.files form[action$="/get"] button`)))
			h.eventually("図面.pdf on disk", func() bool {
				raw, err := os.ReadFile(filepath.Join(into, "図面.pdf"))
				return err == nil && string(raw) == onePagePDF
			})
			b.do(chromedp.Click(chromedp.CSS(`.files > li:nth-child(1) .tick`)), chromedp.Click(chromedp.CSS("form#zip button")))
			h.zipped(into, "写真.png", files[3], "資料25.xlsx", "content 24")
			b.press(`.files > li:nth-child(1) form[action$="/view"] button`, ".facsimile img")
			b.says("1 / 2 ページ")
			b.shoot("recipient-look-pdf")
			b.press(`a[rel="next"]`, `a[rel="prev"]`)
			b.says("2 / 2 ページ")
			b.open(url, ".files")
			b.press(`.files > li:nth-child(3) form[action$="/view"] button`, "pre.text")
			b.says("第1回 打ち合わせ")
			b.shoot("recipient-look-text")
			b.press(".linklike", ".files")

			h.raw = attached("partner@viewonly.example", files[:6]...)
			b.shootBoth(shared.portal.URL+h.link(h.submit("alice@corp.example", "見積の件", "partner@viewonly.example")), ".files", "recipient-viewonly")
			b.press(`.files > li:nth-child(2) form[action$="/view"] button`, ".facsimile img")
			b.wantLargeTargets()
			b.shoot("recipient-viewonly-look")
			if n := ask[int](b, `document.querySelectorAll("form").length`); n != 0 {
				t.Error("what may only be looked at has a form on its page")
			}
		})
	}
}

// withoutSandbox takes one word out of the policy of pages that run no script, so that axe can ask them. That the word
// is there, TestRecipientsLookAtPicturesPDFAndText says.
func withoutSandbox() {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	inner := shared.onDay
	shared.onDay = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { inner.ServeHTTP(&unsandboxed{w}, r) })
}

type unsandboxed struct{ http.ResponseWriter }

func (u *unsandboxed) WriteHeader(code int) {
	policy, _, _ := strings.Cut(u.Header().Get("Content-Security-Policy"), "; sandbox")
	u.Header().Set("Content-Security-Policy", policy)
	u.ResponseWriter.WriteHeader(code)
}

// zipped waits for an archive with everything but the first file, and compares two of its files.
func (h *house) zipped(dir string, pairs ...string) {
	h.t.Helper()
	var archive *zip.Reader
	h.eventually("the ZIP on disk", func() bool {
		found, err := filepath.Glob(filepath.Join(dir, "*.zip"))
		if err != nil || len(found) != 1 {
			return false
		}
		raw, err := os.ReadFile(found[0])
		must(h.t, err)
		archive, err = zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
		return err == nil
	})
	if len(archive.File) != 29 {
		h.t.Errorf("%d files in the ZIP, 29 were ticked", len(archive.File))
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		f, err := archive.Open(pairs[i])
		must(h.t, err)
		var b bytes.Buffer
		_, err = b.ReadFrom(f)
		must(h.t, err)
		if b.String() != pairs[i+1] {
			h.t.Errorf("%s is another file", pairs[i])
		}
	}
}

func TestRecipientsMeetTheEndsOfLinksInABrowser(t *testing.T) {
	daemon, stop := testkit.Clamd(t)
	t.Cleanup(stop)
	for _, s := range outsideScreens() {
		t.Run(s.name, func(t *testing.T) {
			h := newHouseWith(t, daemon)
			b := chromium(t, s)
			for _, lang := range []string{"en", "ja"} {
				b.open(shared.portal.URL+"/d/"+strings.Repeat("A", 43)+"?lang="+lang, "h1")
				b.shoot("recipient-unknown-" + lang)
			}
			revoked := h.submit("alice@corp.example", "見積の件", "partner@files.example")
			url := shared.portal.URL + h.link(revoked)
			_, err := h.links.Revoke(t.Context(), revoked.ID, nil, linkify.ByPerson, linkify.System)
			must(t, err)
			b.shootBoth(url, "h1", "recipient-revoked")
			b.says("無効になりました")

			h.raw = attached("partner@files.example", "請求書.pdf", string(testkit.EICAR()))
			ill := shared.portal.URL + h.link(h.submit("alice@corp.example", "請求書", "partner@files.example"))
			h.advance(25 * time.Hour) // the last look is a day old
			b.open(ill, ".files")
			b.press(`.files form[action$="/get"] button`, ".told.bad")
			b.says("ウイルスが見つかった")
			if n := ask[int](b, `document.querySelectorAll(".files .button").length`); n != 0 {
				t.Errorf("%d buttons for a file that nobody gets", n)
			}
			b.shoot("recipient-malware")

			h.raw = ""
			expired := shared.portal.URL + h.link(h.submit("alice@corp.example", "見積の件", "partner@files.example"))
			h.advance(16 * 24 * time.Hour)
			b.shootBoth(expired, "h1", "recipient-expired")
			b.press("form .main", `[role="status"]`)
			b.says("差出人に依頼しました")
			b.shoot("recipient-asked")
		})
	}
}

// dropped lets go of a file above the page, as from the desktop.
func (b *tab) dropped(name, content string) {
	b.t.Helper()
	ask[any](b, fmt.Sprintf(`(() => { const t = new DataTransfer(); t.items.add(new File([%q], %q)); 
		dispatchEvent(new DragEvent("dragenter", {dataTransfer: t, cancelable: true})); dispatchEvent(new DragEvent("drop", {dataTransfer: t, cancelable: true})); return null; })()`, content, name))
}

func TestStrangersHandInFilesInABrowser(t *testing.T) {
	daemon, stop := testkit.Clamd(t)
	t.Cleanup(stop)
	for _, s := range outsideScreens() {
		t.Run(s.name, func(t *testing.T) {
			h := newHouseWith(t, daemon)
			page, path := h.openFolder("図面一式")
			b := chromium(t, s)
			b.shootBoth(shared.portal.URL+path, ".drop", "recipient-folder")
			b.dropped("図面.txt", "good")
			b.dropped("請求書.pdf", string(testkit.EICAR()))
			h.eventually("both handed in", func() bool { return ask[int](b, `document.querySelectorAll(".uploads .state.sent").length`) == 2 })
			h.eventually("looked into", func() bool { return strings.Contains(h.get(h.as("alice"), page).body, "ウイルス") })
			b.open(shared.portal.URL+path, ".uploads .state.ill") // who handed it in is told
			b.shoot("recipient-folder-infected")
			b.says("受け付ける種類：txt、pdf")
			b.dropped("道具.exe", "MZ")
			b.says("この種類のファイルは受け付けていません")
			h.post(h.as("alice"), page+"/close")
			b.dropped("後から.txt", "late")
			b.says("受付は終了しました")
			b.shoot("recipient-folder-refused")
			b.shootBoth(shared.portal.URL+path, "h1", "recipient-folder-closed")
		})
	}
}
