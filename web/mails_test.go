package web

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/web/dextest"
)

func TestOwnMailIsListedWithStateAndWithWhomItLies(t *testing.T) {
	h := newHouse(t)
	h.submit("alice@corp.example", "名簿の件", "x@hold.example")
	h.submit("alice@corp.example", "見積の件", "y@wait.example")
	h.submit("bob@corp.example", "ボブの件", "z@wait.example")
	page := h.get(h.as("alice"), "/").is(t, http.StatusOK)
	page.has(t, "名簿の件", "見積の件", "保留", "送信待ち", "送信まで", "田中 部長", "取り消す", "今すぐ送信")
	page.lacks(t, "ボブの件")
}

func TestCancelFromTheListTakesTheMailBack(t *testing.T) {
	h := newHouse(t)
	m := h.submit("alice@corp.example", "見積の件", "y@wait.example")
	page := h.post(h.as("alice"), "/messages/"+m.ID+"/cancel").is(t, http.StatusOK)
	page.has(t, "送信を取り消しました。宛先には届いていません。", "取消済み")
	h.becomes(m.ID, holdqueue.Cancelled)
	again := h.post(h.as("alice"), "/messages/"+m.ID+"/cancel").is(t, http.StatusConflict)
	again.has(t, "に取消済みです")
}

func TestTooLateIsToldWithTheTime(t *testing.T) {
	h := newHouse(t)
	m := h.submit("alice@corp.example", "見積の件", "now@other.example", "y@wait.example")
	h.becomes(m.ID, holdqueue.Sent, holdqueue.Delayed)
	page := h.post(h.as("alice"), "/messages/"+m.ID+"/cancel").is(t, http.StatusOK)
	page.has(t, "送信を取り消しました。次の宛先には届いていません。", "y@wait.example", "次の宛先への送信は取り消せませんでした。", "now@other.example: ", "に送信済みです")
	h.becomes(m.ID, holdqueue.Sent, holdqueue.Cancelled)
}

func TestSendNowAndStopTheClock(t *testing.T) {
	h := newHouse(t)
	m := h.submit("alice@corp.example", "見積の件", "y@wait.example")
	h.post(h.as("alice"), "/messages/"+m.ID+"/stop").is(t, http.StatusOK).has(t, "停止中", "時計を止めました")
	h.advance(time.Hour)
	h.becomes(m.ID, holdqueue.Delayed)
	h.post(h.as("alice"), "/messages/"+m.ID+"/release").is(t, http.StatusOK).has(t, "すぐに送信します")
	h.becomes(m.ID, holdqueue.Sent)
}

func TestSomeRecipientsMayBeCancelledAndNoneTickedIsNobody(t *testing.T) {
	h := newHouse(t)
	m := h.submit("alice@corp.example", "見積の件", "a@wait.example", "b@wait.example")
	h.post(h.as("alice"), "/messages/"+m.ID+"/cancel", "subset", "1").is(t, http.StatusConflict)
	h.becomes(m.ID, holdqueue.Delayed, holdqueue.Delayed)
	h.post(h.as("alice"), "/messages/"+m.ID+"/cancel", "subset", "1", "recipient", m.Recipients[1].ID).is(t, http.StatusOK)
	h.becomes(m.ID, holdqueue.Delayed, holdqueue.Cancelled)
	h.post(h.as("alice"), "/messages/"+m.ID+"/cancel", "subset", "1", "recipient", "0000000000000000000000000a").is(t, http.StatusNotFound)
}

func TestCopiesOfOneMailAreOneRowAndOnePress(t *testing.T) {
	h := newHouse(t)
	a := h.submitAs(holdqueue.FromGateway, "見積の件", "a@wait.example")
	b := h.submitAs(holdqueue.FromGateway, "見積の件", "b@wait.example")
	stranger := h.submit("bob@corp.example", "別の件", "c@wait.example")
	// Which copies are one mail is the queue's to find out; here it is said.
	must(t, h.db.Write(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(`UPDATE message SET family = $1 WHERE id = $2`, a.ID, b.ID)
		return err
	}))
	page := h.get(h.as("alice"), "/").is(t, http.StatusOK)
	if n := strings.Count(page.body, `class="mail-title"`); n != 1 {
		t.Errorf("%d rows", n)
	}
	page.has(t, "a@wait.example", "b@wait.example", `name="copy" value="`+a.ID)
	h.get(h.as("alice"), "/messages/"+b.ID).is(t, http.StatusOK).has(t, "同じメールの別の宛先", "a@wait.example")
	h.post(h.as("alice"), "/messages/"+b.ID+"/stop", "copy", stranger.ID).is(t, http.StatusNotFound)
	h.post(h.as("alice"), "/messages/"+b.ID+"/cancel", "copy", a.ID).is(t, http.StatusOK)
	h.becomes(a.ID, holdqueue.Cancelled)
	h.becomes(b.ID, holdqueue.Cancelled)
	h.becomes(stranger.ID, holdqueue.Delayed)
}

func TestReadingChangesNothing(t *testing.T) {
	h := newHouse(t)
	m := h.submit("alice@corp.example", "見積の件", "y@wait.example")
	token := h.desk.CancelToken(m.ID)
	for _, path := range []string{"/messages/" + m.ID + "/cancel", "/messages/" + m.ID + "/release", "/c/" + token, "/admin/pause"} {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodOptions} {
			req, err := http.NewRequest(method, absolute(path), nil)
			must(t, err)
			res, err := h.as("alice").Do(req)
			must(t, err)
			res.Body.Close()
		}
	}
	h.becomes(m.ID, holdqueue.Delayed)
}

func TestAnotherSiteCannotMakeTheBrowserAct(t *testing.T) {
	h := newHouse(t)
	m := h.submit("alice@corp.example", "見積の件", "y@wait.example")
	for name, header := range map[string][2]string{
		"new browsers": {"Sec-Fetch-Site", "cross-site"}, "same-site neighbours": {"Sec-Fetch-Site", "same-site"},
		"old browsers": {"Origin", "http://evil.example"}, "sandboxed frames": {"Origin", "null"},
	} {
		req, err := http.NewRequest(http.MethodPost, absolute("/messages/"+m.ID+"/cancel"), nil)
		must(t, err)
		req.Header.Set(header[0], header[1])
		res, err := h.as("alice").Do(req)
		a := h.read(res, err)
		if a.code != http.StatusForbidden {
			t.Errorf("%s: %d", name, a.code)
		}
		a.has(t, "別のサイトから送られた操作")
	}
	h.becomes(m.ID, holdqueue.Delayed)
}

func TestSignedOutFormsSayThatNothingWasDone(t *testing.T) {
	h := newHouse(t)
	m := h.submit("alice@corp.example", "見積の件", "y@wait.example")
	stranger := dextest.Browser(t)
	h.post(stranger, "/messages/"+m.ID+"/cancel").is(t, http.StatusUnauthorized).has(t, "いまの操作は実行していません", "/login?to=")
	h.becomes(m.ID, holdqueue.Delayed)
}

func TestNoticeLinkCancelsInTwoTapsWithoutLogin(t *testing.T) {
	h := newHouse(t)
	m := h.submit("alice@corp.example", "ひみつの件名", "x@hold.example", "y@wait.example")
	phone := dextest.Browser(t)
	path := "/c/" + h.desk.CancelToken(m.ID)
	first := h.get(phone, path).is(t, http.StatusOK)
	first.has(t, "このメールの送信を取り消しますか", "x@<b>hold.example</b>", "送信を取り消す")
	first.lacks(t, "ひみつの件名", "お世話になって", "見積書")
	h.becomes(m.ID, holdqueue.Held, holdqueue.Delayed)
	h.post(phone, path).is(t, http.StatusOK).has(t, "送信を取り消しました。次の宛先には届いていません。")
	h.becomes(m.ID, holdqueue.Cancelled, holdqueue.Cancelled)
	h.post(phone, path).is(t, http.StatusConflict)
	h.get(phone, path).is(t, http.StatusOK).has(t, "取り消せる宛先は残っていません")
	if cookies := phone.Jar.Cookies(mustParse(t, shared.staff.URL)); len(cookies) != 0 {
		t.Errorf("the page set cookies: %v", cookies)
	}
	for _, wrong := range []string{"x", m.ID, m.ID + ".AAAA", strings.Repeat("a", 500)} {
		h.get(phone, "/c/"+wrong).is(t, http.StatusNotFound)
		h.post(phone, "/c/"+wrong).is(t, http.StatusNotFound)
	}
}

func TestHostileHTMLIsShownWithoutItsTeeth(t *testing.T) {
	h := newHouse(t)
	m := h.submit("alice@corp.example", "<script>alert(9)</script>", "x@hold.example")
	page := h.get(h.as("alice"), "/messages/"+m.ID+"/content").is(t, http.StatusOK)
	page.has(t, "&lt;script&gt;alert(9)", "&lt;script&gt;alert(1)", "<mark>123456789018</mark>", "見積書.pdf", "<iframe", " sandbox ")
	frame := h.get(h.as("alice"), "/messages/"+m.ID+"/body").is(t, http.StatusOK)
	frame.has(t, "<b>なって</b>")
	frame.lacks(t, "<script", "onclick", "evil.example", "javascript:", "<img")
	policy := frame.header.Get("Content-Security-Policy")
	for _, want := range []string{"sandbox", "default-src 'none'", "frame-ancestors 'self'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("policy of the frame lacks %s: %s", want, policy)
		}
	}
}

func TestLanguageFollowsPersonBrowserAndSwitch(t *testing.T) {
	h := newHouse(t)
	h.get(h.as("auditor"), "/").has(t, "My mail", `lang="en"`) // the people file says so
	alice := h.as("alice")
	h.get(alice, "/").has(t, "自分のメール")
	h.post(alice, "/language", "to", "en", "back", "/requests").is(t, http.StatusOK).has(t, "Nothing to approve")
	h.get(alice, "/").has(t, "My mail")
	for _, evil := range []string{"//evil.example/", "https://evil.example/", `/\evil.example`, "javascript:alert(1)"} {
		if a := h.post(alice, "/language", "to", "ja", "back", evil); a.at != "/" {
			t.Errorf("back=%s leads to %s", evil, a.at)
		}
	}
}
