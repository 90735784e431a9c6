package story

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	downloads "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"

	"github.com/sekisho-mail/sekisho/internal/testkit"
	"github.com/sekisho-mail/sekisho/web/dextest"
)

// window is a Chromium that somebody sits at.
type window struct {
	t    *testing.T
	ctx  context.Context
	into string // where downloads go
}

// sit opens a browser with a profile of its own, the size of a telephone or of a desk.
func sit(t *testing.T, width, height int64) *window {
	t.Helper()
	w := &window{t: t, into: t.TempDir()}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(testkit.Need(t, "chromium", "chromium fonts-noto-cjk")), chromedp.NoSandbox,
		chromedp.Flag("lang", "ja"), chromedp.Flag("accept-lang", "ja"), chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("ignore-certificate-errors", true)) // the authority is the test's own
	alloc, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, closeTab := chromedp.NewContext(alloc)
	w.ctx = ctx
	t.Cleanup(func() {
		if t.Failed() {
			w.keep()
		}
		closeTab()
		stop()
	})
	// Not w.do: the browser lives as long as the context of the first step.
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(width, height)); err != nil {
		t.Fatal(err)
	}
	_, err := chromedp.CallBrowser(ctx, downloads.SetDownloadBehavior, downloads.SetDownloadBehaviorParams{Behavior: "allow", DownloadPath: w.into})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *window) do(steps ...chromedp.Action[chromedp.Void]) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		w.t.Fatal(err)
	}
}

// press clicks on something and waits for something else.
func (w *window) press(what, wait string) {
	w.t.Helper()
	w.do(chromedp.Click(chromedp.CSS(what)), chromedp.WaitVisible(chromedp.CSS(wait)))
}

func (w *window) says(expression string) string {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[string](expression))
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

// keep saves what is on the screen of a test that failed.
func (w *window) keep() {
	ctx, cancel := context.WithTimeout(w.ctx, 10*time.Second)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		w.t.Logf("no picture of the screen: %v", err)
		return
	}
	path := filepath.Join(os.TempDir(), fmt.Sprintf("sekisho-%s-%d.png", filepath.Base(w.t.Name()), time.Now().UnixNano()))
	if err := os.WriteFile(path, png, 0o644); err != nil {
		w.t.Log(err)
		return
	}
	where, _ := chromedp.Run(ctx, chromedp.Location()) // beside the picture it is a help, no more
	w.t.Logf("the screen at %s: %s", where, path)
}

var questionLink = regexp.MustCompile(`https://[^\s<>"]+/requests/[^\s<>"]+`)

// inView is true when an element is wholly on the screen and high enough for a thumb.
const inView = `(() => { const out = [];
for (const s of [".why-main", 'button[value="approve"]', 'button[value="reject"]']) {
  const e = document.querySelector(s), r = e && e.getBoundingClientRect();
  if (!r || r.top < 0 || r.bottom > innerHeight || r.right > innerWidth) out.push(s + " is not in view");
  if (r && s.startsWith("button") && r.height < 44) out.push(s + " is " + r.height + " high");
} return out.join(", "); })()`

// TestApproveOnATelephoneAndDownload: a mail is held; its manager follows the notice on a telephone, signs in,
// reads why and approves; the recipient opens the link, proves with a code that the mail reached him, and saves the
// file, which is the one that was attached.
func TestApproveOnATelephoneAndDownload(t *testing.T) {
	t.Parallel()
	k := newTeller(t, "screen_test.go", &script{})
	k.found()
	k.does("submit alice mynumber.eml")
	k.does("held reason=jp.my_number approver=manager@corp.example")
	k.does("notice manager 承認依頼")
	link := questionLink.FindString(k.notice.text())

	phone := sit(t, 375, 667)
	phone.do(chromedp.Navigate(link), chromedp.WaitVisible(chromedp.CSS("#login")), chromedp.SendKeys(chromedp.CSS("#login"), "manager@corp.example"),
		chromedp.SendKeys(chromedp.CSS("#password"), dextest.Password))
	phone.press("#submit-login", ".verdict-bar")
	if wrong := phone.says(inView); wrong != "" {
		t.Errorf("on a telephone: %s", wrong)
	}
	k.does("absent-yet bob@other.example")
	phone.press(`button[value="approve"]`, ".told")
	k.does("delivered bob@other.example links=1 files=0")

	desk := sit(t, 1280, 800)
	desk.do(chromedp.Navigate(k.links["bob@other.example"]), chromedp.WaitVisible(chromedp.CSS("form button")))
	desk.press("form button", "#code")
	var code string
	k.await(step{}, "bob@other.example", func(l letter) error {
		shown := shownCode.FindStringSubmatch(l.text())
		if shown == nil {
			return fmt.Errorf("no code in %q", l.subject)
		}
		code = shown[1]
		return nil
	})
	desk.do(chromedp.SendKeys(chromedp.CSS("#code"), code))
	desk.press("form button", ".files")
	desk.do(chromedp.Click(chromedp.CSS(".files button")))
	k.eventually("the file is saved", func() error {
		raw, err := os.ReadFile(filepath.Join(desk.into, "名簿.txt"))
		if err != nil {
			return err
		}
		return k.mail.sameFile("名簿.txt", raw)
	})
	k.does("is sent")
	k.end()
}
