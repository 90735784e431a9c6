package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/audit"
	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/node"
	"github.com/sekisho-mail/sekisho/web/dextest"
	"github.com/sekisho-mail/sekisho/web/words"
)

func TestAdministratorsListShowsEnvelopesAndNoSubjects(t *testing.T) {
	h := newHouse(t)
	h.submit("alice@corp.example", "ひみつの件名", "x@hold.example")
	h.submit("bob@corp.example", "もう一つの件名", "y@wait.example")
	all := h.get(h.as("admin"), "/admin").is(t, 200)
	all.has(t, "佐藤 花子", "x@hold.example", "個人番号と思われる番号が2件", "保留", "y@wait.example")
	all.lacks(t, "ひみつの件名", "もう一つの件名", "9832-****")
	all.has(t, `<tr data-href="/messages/`, `<a class="row-link" href="/messages/`)
	held := h.get(h.as("admin"), "/admin?state=held").is(t, 200)
	held.has(t, "x@hold.example")
	held.lacks(t, "y@wait.example")
	of := h.get(h.as("admin"), "/admin?person="+url.QueryEscape("a.sato@corp.example")).is(t, 200) // an alias is the person
	of.has(t, "x@hold.example")
	of.lacks(t, "y@wait.example")
	looks := h.get(h.as("auditor"), "/admin").is(t, 200)
	looks.lacks(t, "/admin/bulk\" >", `name="verb"`, "/admin/pause")
}

func TestListsPageByKeyAndKeepTheirFilters(t *testing.T) {
	h := newHouse(t)
	for range mailsOnAPage + 2 {
		h.submit("alice@corp.example", "件名", "y@wait.example")
	}
	first := h.get(h.as("alice"), "/?show=open").is(t, 200)
	if n := strings.Count(first.body, `class="mail-title"`); n != mailsOnAPage {
		t.Errorf("%d rows", n)
	}
	_, rest, ok := strings.Cut(first.body, `href="?after=`)
	next, _, _ := strings.Cut(rest, `"`)
	if !ok || !strings.Contains(next, "&amp;show=open") {
		t.Fatalf("no next page: %q", next)
	}
	second := h.get(h.as("alice"), "/?after="+strings.ReplaceAll(next, "&amp;", "&")).is(t, 200)
	if n := strings.Count(second.body, `class="mail-title"`); n != 2 {
		t.Errorf("%d rows on the second page", n)
	}
	for _, odd := range []string{"x", "1.", "99999999999999999999999.x", "-1.00000000000000000000000000"} {
		h.get(h.as("alice"), "/?after="+odd).is(t, 200)
	}
}

func TestBulkGivesAResultForEachAndOneFailureStopsNothing(t *testing.T) {
	h := newHouse(t)
	a := h.submit("alice@corp.example", "件名", "y@wait.example")
	gone := h.submit("alice@corp.example", "件名", "now@other.example")
	b := h.submit("bob@corp.example", "件名", "x@hold.example")
	h.becomes(gone.ID, holdqueue.Sent)
	missing := strings.Repeat("0", 26)
	form := []string{"verb", "cancel", "message", a.ID, "message", gone.ID, "message", missing, "message", b.ID}
	h.post(h.as("admin"), "/admin/bulk", form...).is(t, 400).has(t, "理由を入力してください")
	page := h.post(h.as("admin"), "/admin/bulk", append(form, "reason", "誤配信のおそれ")...).is(t, 200)
	page.has(t, "4 件の結果", "1 宛先を取消", "に送信済みです", "見つかりません")
	h.becomes(a.ID, holdqueue.Cancelled)
	h.becomes(b.ID, holdqueue.Cancelled)
	entries, _, err := h.audit.List(t.Context(), audit.Filter{Action: "bulk_cancel"}, audit.Page{})
	must(t, err)
	if len(entries) != 1 || entries[0].Detail["reason"] != "誤配信のおそれ" {
		t.Errorf("log: %+v", entries)
	}
	h.post(h.as("admin"), "/admin/bulk", "verb", "explode", "message", a.ID, "reason", "x").is(t, 400)
}

func TestCancelAllTakesOnePersonsWaitingMail(t *testing.T) {
	h := newHouse(t)
	a := h.submit("alice@corp.example", "件名", "y@wait.example")
	b := h.submit("alice@corp.example", "件名", "x@hold.example")
	other := h.submit("bob@corp.example", "件名", "y@wait.example")
	h.post(h.as("admin"), "/admin/cancel-all", "person", "alice@corp.example").is(t, 400)
	h.post(h.as("admin"), "/admin/cancel-all", "person", "alice@corp.example", "reason", "乗っ取り").is(t, 200).has(t, "2 件の結果")
	h.becomes(a.ID, holdqueue.Cancelled)
	h.becomes(b.ID, holdqueue.Cancelled)
	h.becomes(other.ID, holdqueue.Delayed)
}

func TestPauseShowsItsBannerToEverybodyAndHoldsTheMail(t *testing.T) {
	h := newHouse(t)
	h.post(h.as("admin"), "/admin/pause", "reason", "障害の調査").is(t, 200).has(t, "送信を一時停止しました", "再開する")
	h.get(h.as("alice"), "/").has(t, "送信を一時停止しています", "障害の調査")
	m := h.submit("alice@corp.example", "件名", "y@wait.example")
	h.advance(time.Hour)
	h.becomes(m.ID, holdqueue.Delayed)
	h.post(h.as("admin"), "/admin/resume").is(t, 200).lacks(t, "送信を一時停止しています（")
	h.becomes(m.ID, holdqueue.Sent)
}

func TestReportSaysWhatWouldHaveBeenHeld(t *testing.T) {
	h := newHouse(t)
	h.submit("alice@corp.example", "件名", "z@observed.example")
	h.submit("alice@corp.example", "件名", "y@wait.example")
	h.get(h.as("auditor"), "/report?days=1").is(t, 200).has(t, "2 messages", "1 of them only observed", "my-number", "田中 部長", "1.0")
}

func TestReportNamesInWordsWhomRulesAsk(t *testing.T) {
	h := newHouse(t)
	h.submit("alice@corp.example", "件名", "x@self.example")
	page := h.get(h.as("admin"), "/report").is(t, 200)
	page.has(t, "<td>送信者本人</td>")
	s := sheet{looks: mustLooks(t), lang: "ja"}
	for who, want := range map[string]string{"admin": "管理者", "group:法務": "グループ 法務", "role:approver": "承認者の役割を持つ人", "田中 部長": "田中 部長"} {
		if got := s.Asked(who); got != want {
			t.Errorf("%s reads %s", who, got)
		}
	}
}

func TestAuditLogIsFiltered(t *testing.T) {
	h := newHouse(t)
	m := h.submit("alice@corp.example", "件名", "y@wait.example")
	h.post(h.as("alice"), "/messages/"+m.ID+"/cancel")
	page := h.get(h.as("admin"), "/audit?actor=Alice@corp.example&action=cancelled").is(t, 200)
	page.has(t, "取消", m.ID, "alice@corp.example</td>", `<span class="soft">直前</span> 送信待ち`, `<span class="soft">理由</span> 送信者が取り消しました`)
	page.lacks(t, "サインイン<br>", "person:")
	h.get(h.as("admin"), "/audit?after=nonsense").is(t, 400)
	h.get(h.as("admin"), "/audit?from=2999-01-01").is(t, 200).has(t, "該当する記録はありません")
}

func TestAuditLogTurnsFiftyToAPage(t *testing.T) {
	h := newHouse(t)
	must(t, h.db.Write(t.Context(), func(tx *db.Tx) error {
		for range auditOnAPage + 3 {
			if err := audit.Append(tx, audit.Entry{Actor: "os:root", Action: "queue.export"}); err != nil {
				return err
			}
		}
		return nil
	}))
	first := h.get(h.as("admin"), "/audit?action=queue.export").is(t, 200)
	first.has(t, "コマンド（root）", `<option value="queue.export" selected>コマンドで書き出し`)
	_, rest, _ := strings.Cut(first.body, `href="?`)
	next, _, _ := strings.Cut(rest, `"`)
	second := h.get(h.as("admin"), "/audit?"+strings.ReplaceAll(next, "&amp;", "&")).is(t, 200)
	if a, b := strings.Count(first.body, "コマンド（root）"), strings.Count(second.body, "コマンド（root）"); a != 50 || b != 3 {
		t.Errorf("%d and %d rows", a, b)
	}
}

// Whatever the product writes down while it lives its stories, the log says in words.
func TestEveryEntryOfTheLogIsPutIntoWords(t *testing.T) {
	h := newHouse(t)
	h.submit("alice@corp.example", "件名", "x@hold.example")
	asked := h.submit("alice@corp.example", "件名", "y@hold.example")
	q := h.question(asked.ID)
	h.post(h.as("manager"), "/requests/"+string(q.ID)+"/decide", "revision", string(q.Revision), "verb", "approve").is(t, 200)
	m := h.submit("alice@corp.example", "件名", "y@wait.example")
	h.post(h.as("alice"), "/messages/"+m.ID+"/stop").is(t, 200)
	h.post(h.as("alice"), "/messages/"+m.ID+"/cancel").is(t, 200)
	h.post(h.as("alice"), "/tokens", "name", "t", "scope", "read", "days", "30").is(t, 200)
	h.link(h.submit("alice@corp.example", "件名", "partner@code.example"))
	h.post(h.as("admin"), "/admin/pause", "reason", "調査").is(t, 200)
	c, err := words.Load()
	must(t, err)
	after := ""
	for {
		found, next, err := h.audit.List(t.Context(), audit.Filter{}, audit.Page{After: after, Limit: 500})
		must(t, err)
		for _, e := range found {
			if !c.Has("action." + e.Action) {
				t.Errorf("no words for the action %s", e.Action)
			}
			for name, value := range e.Detail {
				if !c.Has("detail." + name) {
					t.Errorf("no words for the detail %s of %s", name, e.Action)
				}
				if (name == "kind" || name == "origin" || name == "cause") && value != "" && !c.Has("value."+name+"."+value) {
					t.Errorf("no words for the %s %s of %s", name, value, e.Action)
				}
			}
		}
		if after = next; next == "" {
			return
		}
	}
}

func TestDetailsOfTheLogAreReadable(t *testing.T) {
	h := newHouse(t)
	must(t, h.db.Write(t.Context(), func(tx *db.Tx) error {
		for _, d := range []map[string]string{
			{"from": "alice@corp.example", "origin": "gateway", "kind": ""}, {"from": "held", "reason": "reject", "release_at": "2026-11-26T03:04:05Z", "unheard_of": "x"},
			{"roles": "[admin auditor]", "capacity": "deputy"}, {"roles": "[]", "reason": "自由な理由"},
		} {
			if err := audit.Append(tx, audit.Entry{Actor: "token:06gz:bob@corp.example", Action: "queue.export", Detail: d}); err != nil {
				return err
			}
		}
		return nil
	}))
	page := h.get(h.as("admin"), "/audit?action=queue.export").is(t, 200)
	for _, want := range []string{"差出人</span> alice@corp.example", "入口</span> メールサーバー・機器", "直前</span> 保留", "理由</span> 承認者が却下しました", "送信予定</span> 2026-11-26 12:04:05",
		"unheard_of</span> x", "役割</span> admin auditor", "立場</span> 代理", "理由</span> 自由な理由", "bob@corp.example（プログラム）"} {
		page.has(t, want)
	}
	page.lacks(t, "役割</span> <", "種類</span>")
}

func TestUnbindingAsksAReasonAndEndsTheSession(t *testing.T) {
	h := newHouse(t)
	alice := h.as("alice")
	page := h.get(h.as("admin"), "/people").is(t, 200)
	page.has(t, "佐藤 花子", "結び付けを解除する")
	ids, err := h.gate.Identities(t.Context(), "", 10)
	must(t, err)
	for _, id := range ids {
		if id.Person == "alice@corp.example" {
			h.post(h.as("admin"), "/people/"+id.ID+"/unbind").is(t, 400)
			h.post(h.as("admin"), "/people/"+id.ID+"/unbind", "reason", "機種変更").is(t, 200).has(t, "結び付けを解除しました")
		}
	}
	alice.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if a := h.get(alice, "/"); a.code != http.StatusSeeOther {
		t.Errorf("the old session still opens pages: %d", a.code)
	}
}

func TestHealthAndReadiness(t *testing.T) {
	h := newHouse(t)
	b := dextest.Browser(t)
	h.get(b, "/healthz").is(t, 200)
	h.get(b, "/readyz").is(t, 200)
	for want, down := range map[string]error{
		"not ready\n":                  errors.New("secret trouble at /var/lib/secret"),
		"not ready: disk\n":            fmt.Errorf("disk: %w", errors.New("/var/lib/secret has only 3 MiB free")),
		"not ready: database, relay\n": errors.Join(errors.New("relay: dial tcp 192.0.2.1:25: secret"), errors.New("database: password of user secret")),
	} {
		h.ready.Store(&down)
		a := h.get(b, "/readyz").is(t, 503)
		if a.body != want || a.header.Get("Retry-After") == "" {
			t.Errorf("%q with %v, want %q", a.body, a.header, want)
		}
	}
	h.get(b, "/healthz").is(t, 200)
}

func TestRefusedPeopleGetAPageThatHelps(t *testing.T) {
	h := newHouse(t)
	b := dextest.Browser(t)
	res, body := shared.dex.SignIn(t, b, shared.staff.URL+"/requests", "stranger@corp.example")
	if res.StatusCode != http.StatusForbidden || !strings.Contains(body, "stranger@corp.example は、このシステムの名簿にありません") {
		t.Errorf("%d\n%s", res.StatusCode, body)
	}
	h.get(b, "/login/callback?state=x&code=y").is(t, 400).has(t, "サインインをやり直してください", "/login")
	h.get(b, "/login/callback?state="+strings.Repeat("x", 43)+"&error=access_denied").is(t, 400)
}

func TestStrictHeadersStandOnEveryAnswer(t *testing.T) {
	h := newHouse(t)
	for _, path := range []string{"/", "/nothing", "/healthz", "/assets/0/style.css", "/c/x", "/api/v1/messages"} {
		a := h.get(h.as("alice"), path)
		p := a.header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'self'", "base-uri 'none'", "frame-ancestors 'none'", "form-action 'self'"} {
			if !strings.Contains(p, want) {
				t.Errorf("%s: policy lacks %s", path, want)
			}
		}
		if strings.Contains(p, "unsafe") || a.header.Get("X-Content-Type-Options") != "nosniff" || a.header.Get("Referrer-Policy") != "same-origin" {
			t.Errorf("%s: %v", path, a.header)
		}
		if !strings.HasPrefix(path, "/assets") && a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s may be kept: %s", path, a.header.Get("Cache-Control"))
		}
	}
}

func TestPageViewsWriteNothing(t *testing.T) {
	h := newHouse(t)
	m := h.submit("alice@corp.example", "件名", "x@hold.example")
	alice, manager := h.as("alice"), h.as("manager")
	before := h.sessions()
	for range 3 {
		h.get(alice, "/").is(t, 200)
		h.get(alice, "/messages/"+m.ID).is(t, 200)
		h.get(manager, "/requests/"+string(h.question(m.ID).ID)).is(t, 200)
	}
	if h.sessions() != before {
		t.Error("looking at pages wrote a session")
	}
	h.advance(10 * time.Minute) // the last use of a session is noted now and then
	h.get(alice, "/").is(t, 200)
	noted := h.sessions()
	h.get(alice, "/").is(t, 200)
	if noted == before || h.sessions() != noted {
		t.Error("the last use is noted never, or each time")
	}
}

func TestSessionsEndWhenIdleAndInAnyCase(t *testing.T) {
	h := newHouse(t)
	alice := h.as("alice")
	alice.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	h.advance(3 * time.Hour)
	h.get(alice, "/").is(t, 200)
	h.advance(5 * time.Hour)
	h.get(alice, "/").is(t, http.StatusSeeOther)
}

// TestNodesThatDifferAreShownToAdministrators: which file it is, and who has which; the dead are named, and those that
// were stopped on purpose are not.
func TestNodesThatDifferAreShownToAdministrators(t *testing.T) {
	h := newHouse(t)
	h.get(h.as("admin"), "/admin").is(t, 200).lacks(t, "ノード")
	beat := func(name string, digests map[string]string) {
		t.Helper()
		heart := &node.Heart{DB: h.db, Self: node.Node{ID: db.NewID(), Name: name, Version: "1.2.3", Roles: []string{"queue", "web"}},
			Digests: func() map[string]string { return digests }}
		must(t, heart.Beat(t.Context()))
	}
	beat("gone", map[string]string{"policy": "99999999"})
	h.clock.Add(int64(time.Hour))
	beat("one", map[string]string{"policy": "aaaaaaaa", "people": "cccccccc"})
	page := h.get(h.as("admin"), "/admin").is(t, 200)
	page.has(t, "ノード（稼働中 1 台）", `<details class="fold" open>`, "gone", "応答なし", "one", "稼働中")
	page.lacks(t, "ノードによって内容が異なります")
	beat("two", map[string]string{"policy": "bbbbbbbb", "people": "cccccccc", "<b>other": "x"})
	beat("three", map[string]string{"<b>other": "y"}) // what a portal in the DMZ may have written
	page = h.get(h.as("admin"), "/admin").is(t, 200)
	page.has(t, "ノードによって内容が異なります： ポリシー</p>", `ポリシー: <span class="mono">aaaaaaaa</span>`, `ポリシー: <span class="mono">bbbbbbbb</span>`)
	page.lacks(t, "99999999", "cccccccc", "<b>other", "&lt;b&gt;other")
	h.get(h.as("auditor"), "/admin").is(t, 200).has(t, "Nodes do not have the same: policy")
}
