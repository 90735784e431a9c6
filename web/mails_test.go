package web

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/approval"
	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
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

func TestWhatWaitsStandsAboveWhatHasEndedHoweverOldItIs(t *testing.T) {
	h := newHouse(t)
	held := h.submit("alice@corp.example", "保留の件", "x@hold.example")
	var ended []string
	for i := range mailsOnAPage + 2 {
		m := h.submit("alice@corp.example", fmt.Sprintf("済みの件%02d", i), "z@other.example")
		h.becomes(m.ID, holdqueue.Sent)
		ended = append(ended, m.ID)
	}
	partly := h.submit("alice@corp.example", "途中の件", "z@other.example", "y@wait.example")
	h.becomes(partly.ID, holdqueue.Sent, holdqueue.Delayed)
	first := h.get(h.as("alice"), "/").is(t, http.StatusOK)
	first.inOrder(t, "待っているメール", "途中の件", "保留の件", "終わったメール", "済みの件31", "済みの件02", `rel="next"`)
	first.lacks(t, "済みの件01")
	_, rest, _ := strings.Cut(first.body, `href="?after=`)
	next, _, _ := strings.Cut(rest, `"`)
	second := h.get(h.as("alice"), "/?after="+strings.ReplaceAll(next, "&amp;", "&")).is(t, http.StatusOK)
	second.has(t, "済みの件01", "済みの件00", "最新の分に戻る")
	second.lacks(t, "保留の件", "途中の件", held.ID, `rel="next"`)
	h.get(h.as("alice"), "/?show=open").is(t, http.StatusOK).lacks(t, ended[0], "終わったメール")
	h.get(h.as("alice"), "/?after="+db.NewID()).is(t, http.StatusOK).has(t, "保留の件")
}

func TestEndedMailSaysHowItEndedAndNotWhatWasToCome(t *testing.T) {
	h := newHouse(t)
	own := h.submit("alice@corp.example", "件名", "y@wait.example")
	byAdmin := h.submit("alice@corp.example", "件名", "y@wait.example")
	rejected := h.submit("alice@corp.example", "件名", "x@hold.example")
	sent := h.submit("alice@corp.example", "件名", "z@other.example")
	h.becomes(sent.ID, holdqueue.Sent)
	h.get(h.as("alice"), "/messages/"+own.ID).is(t, http.StatusOK).has(t, "5分後に送信します")
	h.post(h.as("alice"), "/messages/"+own.ID+"/cancel").is(t, http.StatusOK)
	h.post(h.as("admin"), "/admin/bulk", "verb", "cancel", "message", byAdmin.ID, "reason", "誤配信").is(t, http.StatusOK)
	q := h.question(rejected.ID)
	h.post(h.as("manager"), "/requests/"+string(q.ID)+"/decide", "revision", string(q.Revision), "verb", "reject").is(t, http.StatusOK)
	for id, want := range map[string]string{own.ID: "あなたが 今日 ", byAdmin.ID: "管理者（管理 太郎）が 今日 ", rejected.ID: "却下 (田中 部長)", sent.ID: "に送信しました。"} {
		page := h.get(h.as("alice"), "/messages/"+id).is(t, http.StatusOK)
		page.has(t, want)
		page.lacks(t, "5分後に送信します")
	}
	// A program that looks back still learns what the rules said.
	h.get(h.as("alice"), "/api/v1/messages/"+own.ID).is(t, http.StatusOK).has(t, "sent after 5 min")
	list := h.get(h.as("admin"), "/admin").is(t, http.StatusOK)
	list.has(t, "佐藤 花子が 今日 ", "あなたが 今日 ", "田中 部長が 今日 ", " に却下しました。送信していません。", " に送信しました。")
	list.lacks(t, "5分後に送信します")
	h.get(h.as("auditor"), "/admin").is(t, http.StatusOK).has(t, "An administrator (管理 太郎) took it back today ", "田中 部長 rejected it today ")
}

func TestAdministratorsAskedAsABodyAreOneParty(t *testing.T) {
	h := newHouse(t)
	h.submit("alice@corp.example", "壊れた添付", "x@tech.example")
	page := h.get(h.as("alice"), "/").is(t, http.StatusOK)
	page.has(t, `確認者： <span class="unit">管理者（管理 太郎）</span>`)
}

func TestHoldersReadAsThePartiesTheyAre(t *testing.T) {
	l := mustLooks(t)
	body := approval.Holder{As: "admin"}
	admin := func(name string) approval.Holder {
		return approval.Holder{Address: mailaddr.Address(name + "@corp.example"), Name: name, As: "admin"}
	}
	boss := approval.Holder{Address: "boss@corp.example", Name: "田中", As: "approver"}
	for want, holders := range map[string][]approval.Holder{
		"管理者":         {body},
		"管理者（a、b）":    {admin("a"), body, admin("b")},
		"田中 | 管理者（a）": {boss, admin("a"), body},
		"管理者 ":        {body, admin("a"), admin("b"), admin("c"), admin("d")},
		"a | b":       {admin("a"), admin("b")}, // named by a rule, each for itself
		"あなた | 田中":    {{Address: "me@corp.example", Name: "佐藤", As: "sender"}, boss},
		"":            nil,
	} {
		s := sheet{Frame: frame{Me: "me@corp.example"}, looks: l, lang: "ja"}
		if got := strings.Join(s.Lies(holders), " | "); got != strings.TrimSpace(want) {
			t.Errorf("%s, want %s", got, want)
		}
	}
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
