package web

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/emulation"
	page_ "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/web/dextest"
)

// The tests of this file drive Debian's Chromium over the real pages: what
// counts is what a person can press, and whether it fits a telephone.

// screen is one kind of device.
type screen struct {
	name          string
	width, height int64
	phone         bool
}

func phoneScreen() screen   { return screen{"phone", 375, 667, true} }
func desktopScreen() screen { return screen{"desktop", 1280, 860, false} }

// tab is one page of a browser, driven by a test.
type tab struct {
	t   *testing.T
	ctx context.Context
	screen
}

// chromium opens a browser with that screen and a fresh profile.
func chromium(t *testing.T, s screen) *tab {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("Chromium is needed: apt-get install chromium fonts-noto-cjk")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox,
		chromedp.Flag("lang", "ja"), chromedp.Flag("accept-lang", "ja"), chromedp.UserDataDir(t.TempDir()))
	alloc, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, closeTab := chromedp.NewContext(alloc)
	t.Cleanup(func() { closeTab(); stop() })
	b := &tab{t: t, ctx: ctx, screen: s}
	view := []chromedp.EmulateViewportOption{}
	if s.phone {
		view = append(view, chromedp.EmulateMobile, chromedp.EmulateTouch, chromedp.EmulatePortrait)
	}
	must(t, chromedp.Do(ctx, chromedp.EmulateViewport(s.width, s.height, view...)))
	return b
}

// do carries out steps one after the other, each within reason.
func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 30*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		look, stop := context.WithTimeout(b.ctx, 5*time.Second)
		defer stop()
		where, _ := chromedp.Run(look, chromedp.Location())
		body, _ := chromedp.Run(look, chromedp.Evaluate[string](`document.body.innerText`))
		b.t.Fatalf("%v\nat %s\n%s", err, where, body)
	}
}

// ask evaluates an expression in the page.
func ask[T any](b *tab, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 30*time.Second)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

func (b *tab) open(url, wait string) {
	b.t.Helper()
	b.do(chromedp.Navigate(url), chromedp.WaitVisible(chromedp.CSS(wait)))
}

func (b *tab) press(what, wait string) {
	b.t.Helper()
	b.do(chromedp.Click(chromedp.CSS(what)), chromedp.WaitVisible(chromedp.CSS(wait)))
}

// signIn opens a page of the staff and signs in at dex on the way.
func (b *tab) signIn(path, who string) {
	b.t.Helper()
	b.do(chromedp.Navigate(shared.staff.URL+path), chromedp.WaitVisible(chromedp.CSS("#login")), chromedp.SendKeys(chromedp.CSS("#login"), who+"@corp.example"),
		chromedp.SendKeys(chromedp.CSS("#password"), dextest.Password), chromedp.Click(chromedp.CSS("#submit-login")), chromedp.WaitVisible(chromedp.CSS("#main")))
}

// shoot keeps a picture of the whole page when SEKISHO_SCREENSHOTS names a
// directory, and checks in any case that nothing has to be scrolled sideways.
func (b *tab) shoot(name string) {
	b.t.Helper()
	if ask[bool](b, `document.documentElement.scrollWidth > document.documentElement.clientWidth`) {
		b.t.Errorf("%s on the %s has to be scrolled sideways", name, b.name)
	}
	b.accessible(name)
	dir := os.Getenv("SEKISHO_SCREENSHOTS")
	if dir == "" {
		return
	}
	keep := func(kind string, action chromedp.Action[[]byte]) {
		png, err := chromedp.Run(b.ctx, action)
		must(b.t, err)
		must(b.t, os.WriteFile(filepath.Join(dir, name+"-"+b.name+kind+".png"), png, 0o644))
	}
	keep("", chromedp.CaptureScreenshot())
	keep("-whole", chromedp.FullScreenshot(100))
	b.scheme("dark")
	b.do(chromedp.Sleep(300 * time.Millisecond)) // colours fade over
	keep("-dark", chromedp.CaptureScreenshot())
	b.scheme("light")
}

// scheme makes the browser prefer light or dark pages.
func (b *tab) scheme(name string) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}})
	must(b.t, err)
}

// outOfSight lists the elements that are not wholly inside the window.
func (b *tab) outOfSight(selectors ...string) []string {
	b.t.Helper()
	var missing []string
	for _, sel := range selectors {
		if !ask[bool](b, fmt.Sprintf(`(() => { const e = document.querySelector(%q); if (!e) return false;
			const r = e.getBoundingClientRect(); return r.top >= 0 && r.bottom <= innerHeight && r.width > 0 && r.height > 0; })()`, sel)) {
			missing = append(missing, sel)
		}
	}
	return missing
}

// wantLargeTargets checks that everything to press is 44 pixels high.
func (b *tab) wantLargeTargets() {
	b.t.Helper()
	small := ask[[]string](b, `[...document.querySelectorAll("main button, main a.button, main summary, main label.tick")]
		.filter(e => e.offsetParent !== null && e.getBoundingClientRect().height < 44).map(e => e.textContent + " " + e.getBoundingClientRect().height)`)
	if len(small) > 0 {
		b.t.Errorf("too small to press on the %s: %v", b.name, small)
	}
}

func TestManagerDecidesOnATelephoneWithoutScrolling(t *testing.T) {
	h := newHouse(t)
	m := h.submit("alice@corp.example", "2026年度 会員名簿の送付について", "suzuki@hold.example", "tanaka@hold.example")
	b := chromium(t, phoneScreen())
	page := "/requests/" + string(h.question(m.ID).ID)
	b.signIn(page, "manager")
	for _, lang := range []string{"en", "ja"} {
		b.open(shared.staff.URL+page+"?lang="+lang, "#main")
		if hidden := b.outOfSight(".why-main", ".match .place", ".match:last-of-type .excerpt", ".whom h2", ".addresses > li:nth-child(1)", ".addresses > li:nth-child(2)",
			`button[value="approve"].main`, `button[value="reject"]`); len(hidden) > 0 {
			t.Errorf("%s: one must scroll to see %v", lang, hidden)
		}
		b.wantLargeTargets()
		b.shoot("question-" + lang)
	}
	b.press(".verdict-bar .main", ".told")
	b.shoot("approved")
	h.advance(time.Minute)
	h.becomes(m.ID, holdqueue.Sent, holdqueue.Sent)
}

// Twelve customers in To, several reasons, or one's own mail: what decides still fits.
func TestLongQuestionsFitATelephoneToo(t *testing.T) {
	h := newHouse(t)
	to := []string{"colleague@corp.example"}
	for i := range 12 {
		to = append(to, fmt.Sprintf("member%02d@hold.example", i), fmt.Sprintf("member%02d@observed.example", i))
	}
	many := "/requests/" + string(h.question(h.submit("alice@corp.example", "ご案内", to...).ID).ID)
	several := "/requests/" + string(h.question(h.submit("alice@corp.example", "名簿の件", "a@several.example", "b@several.example", "c@several.example", "d@several.example", "e@several.example").ID).ID)
	own := "/requests/" + string(h.question(h.submit("alice@corp.example", "名簿の件", "suzuki@self.example").ID).ID)
	b := chromium(t, phoneScreen())
	b.signIn(many, "manager")
	for _, lang := range []string{"en", "ja"} {
		b.open(shared.staff.URL+many+"?lang="+lang, "#main")
		if hidden := b.outOfSight(".why-main", ".match .place", ".excerpt", ".whom h2", ".whom .address", ".domains b", `button[value="approve"].main`, `button[value="reject"]`); len(hidden) > 0 {
			t.Errorf("%s: one must scroll to see %v", lang, hidden)
		}
		b.wantLargeTargets()
		b.shoot("question-many-" + lang)
	}
	for _, lang := range []string{"en", "ja"} {
		b.open(shared.staff.URL+several+"?lang="+lang, "#main")
		if hidden := b.outOfSight(".why-main", ".why .match .place", ".why .excerpt", ".whom h2", ".whom .address", `button[value="approve"].main`, `button[value="reject"]`); len(hidden) > 0 {
			t.Errorf("%s, several reasons: one must scroll to see %v", lang, hidden)
		}
		b.wantLargeTargets()
		b.shoot("question-several-" + lang)
	}
	b = chromium(t, phoneScreen())
	b.signIn(own, "alice")
	if hidden := b.outOfSight(".why-main", ".match .place", ".excerpt", ".whom .address", `form[action$="/cancel"] button`, `form[action$="/ask"] button.main`); len(hidden) > 0 {
		t.Errorf("one must scroll to see %v", hidden)
	}
	b.wantLargeTargets()
	b.shoot("question-own")
}

// Administrators press a row where they like; a box or a link in it is itself.
func TestARowOfTheAdministratorsListLeadsToItsMail(t *testing.T) {
	h := newHouse(t)
	m := h.submit("alice@corp.example", "見積の件", "sato@wait.example")
	b := chromium(t, desktopScreen())
	b.signIn("/admin", "admin")
	b.do(chromedp.Click(chromedp.CSS("tbody label.tick")), chromedp.WaitVisible(chromedp.CSS("tbody input:checked")))
	b.press("tbody td.wide", "#main h1")
	if at := ask[string](b, "location.pathname"); at != "/messages/"+m.ID {
		t.Errorf("the row leads to %s", at)
	}
}

func TestSenderWatchesAndCancelsOnEveryScreen(t *testing.T) {
	for _, s := range []screen{phoneScreen(), desktopScreen()} {
		t.Run(s.name, func(t *testing.T) {
			h := newHouse(t)
			h.submit("alice@corp.example", "お打ち合わせの日程について", "yamada@other.example")
			h.submit("alice@corp.example", "会員名簿の送付", "suzuki@hold.example", "colleague@corp.example")
			waiting := h.submit("alice@corp.example", "【お見積り】新システム導入の件（株式会社サンプル様）", "sato@wait.example", "kato@wait.example", "ito@wait.example", "mori@wait.example")
			b := chromium(t, s)
			b.signIn("/", "alice")
			b.wantLargeTargets()
			b.shoot("mails")
			b.open(shared.staff.URL+"/messages/"+waiting.ID, "#main h1")
			b.wantLargeTargets()
			b.shoot("message")
			b.press(`form[action$="/cancel"] .button.bad`, ".told")
			h.becomes(waiting.ID, holdqueue.Cancelled, holdqueue.Cancelled, holdqueue.Cancelled, holdqueue.Cancelled)
		})
	}
}

func TestRecipientTakesAFileOnEveryScreen(t *testing.T) {
	for _, s := range []screen{phoneScreen(), desktopScreen()} {
		t.Run(s.name, func(t *testing.T) {
			h := newHouse(t)
			path := h.link(h.submit("alice@corp.example", "見積の件", "partner@files.example"))
			into := t.TempDir()
			b := chromium(t, s)
			_, err := chromedp.CallBrowser(b.ctx, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{Behavior: "allow", DownloadPath: into})
			must(t, err)
			b.open(shared.portal.URL+path, ".files")
			b.wantLargeTargets()
			b.shoot("landing")
			b.do(chromedp.Click(chromedp.CSS(".files button")))
			h.eventually("見積書.pdf on disk", func() bool {
				raw, err := os.ReadFile(filepath.Join(into, "見積書.pdf"))
				return err == nil && strings.Contains(string(raw), "Hello file")
			})
		})
	}
}

func TestRecipientEntersACodeOnATelephone(t *testing.T) {
	h := newHouse(t)
	path := h.link(h.submit("alice@corp.example", "見積の件", "partner@code.example"))
	b := chromium(t, phoneScreen())
	b.open(shared.portal.URL+path, "form")
	b.wantLargeTargets()
	b.shoot("codeask")
	b.press("form button", "#code")
	b.shoot("codeenter")
	code := ""
	h.eventually("the code arrives", func() bool {
		code = h.find("partner@code.example", regexp.MustCompile(`\b[0-9]{4}[ -]?[0-9]{4}\b`))
		return code != ""
	})
	b.do(chromedp.SendKeys(chromedp.CSS("#code"), code))
	b.press("form button", ".files")
}

// TestPagesWorkWithoutJavaScript signs in and decides with scripts switched off.
func TestPagesWorkWithoutJavaScript(t *testing.T) {
	h := newHouse(t)
	m := h.submit("alice@corp.example", "会員名簿の送付", "suzuki@hold.example")
	b := chromium(t, desktopScreen())
	_, err := chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	must(t, err)
	b.signIn("/requests/"+string(h.question(m.ID).ID), "manager")
	b.press(`button[value="reject"]`, ".told")
	h.becomes(m.ID, holdqueue.Rejected)
}

// TestPagesBreakNoRuleOfTheirPolicy listens for what the browser blocks: one
// inline style or script and the strict policy would only be decoration.
func TestPagesBreakNoRuleOfTheirPolicy(t *testing.T) {
	h := newHouse(t)
	m := h.submit("alice@corp.example", "会員名簿の送付", "suzuki@hold.example", "x@wait.example", "y@observed.example")
	h.link(h.submit("alice@corp.example", "見積の件", "partner@files.example"))
	q := h.question(m.ID)
	for _, s := range []screen{phoneScreen(), desktopScreen()} {
		b := chromium(t, s)
		_, err := chromedp.Call(b.ctx, page_.AddScriptToEvaluateOnNewDocument, page_.AddScriptToEvaluateOnNewDocumentParams{
			Source: `window.blocked = []; document.addEventListener("securitypolicyviolation", e => window.blocked.push(e.violatedDirective + " " + e.blockedURI));`})
		must(t, err)
		b.signIn("/", "admin")
		for name, path := range map[string]string{"list": "/", "requests": "/requests", "links": "/links?all=1", "admin": "/admin", "audit": "/audit",
			"report": "/report", "people": "/people", "tokens": "/tokens", "envelope": "/messages/" + m.ID, "asadmin": "/requests/" + string(q.ID),
			"notice": "/c/" + h.desk.CancelToken(m.ID), "missing": "/nothing"} {
			b.open(shared.staff.URL+path, "#main")
			if blocked := ask[[]string](b, `window.blocked`); len(blocked) > 0 {
				t.Errorf("%s: %v", path, blocked)
			}
			b.shoot(name)
		}
	}
	b := chromium(t, phoneScreen())
	b.signIn("/requests", "manager")
	b.shoot("questions")
	b.open(shared.staff.URL+"/messages/"+m.ID+"/content", "iframe")
	b.do(chromedp.Click(chromedp.CSS("details.fold summary")))
	b.shoot("content")
}
