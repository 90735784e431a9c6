package web

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/approval"
	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/audit"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
	"github.com/sekisho-mail/sekisho/submission/dlp"
)

func TestQuestionShowsReasonPlaceAndRecipientsFirst(t *testing.T) {
	h := newHouse(t)
	m := h.submit("alice@corp.example", "名簿の件", "x@hold.example", "y@hold.example")
	list := h.get(h.as("manager"), "/requests").is(t, http.StatusOK)
	list.has(t, "個人番号と思われる番号が2件", "佐藤 花子", "宛先 2 件", `class="count"`)
	page := h.get(h.as("manager"), "/requests/"+string(h.question(m.ID).ID)).is(t, http.StatusOK)
	page.has(t, "佐藤 花子 さんのメール", "data.zip › 名簿.xlsx › 会員 › C12", "個人番号 9832-****-****", "x@<b>hold.example</b>", "承認", "却下", "そのほかに見つかったもの（2）")
	page.inOrder(t, "個人番号と思われる番号が2件", "会員 › C12", "x@<b>hold.example</b>", "件名・本文・添付", "そのほかに見つかったもの", "氏名", "電話番号", `name="verb" value="reject"`)
	page.lacks(t, "個人番号（マイナンバー）") // the reason has said it
}

func TestPlacesStandUnderTheReasonThatSpeaksOfThem(t *testing.T) {
	place := func(names ...string) (all []matchView) {
		for _, n := range names {
			all = append(all, matchView{Where: "attachment", Place: n})
		}
		return all
	}
	found := []findingView{
		{Detector: "jp.my_number", Level: "high", Risky: true, Matches: place("a", "b"), More: 4},
		{Detector: "jp.my_number", Level: "medium", Risky: true, Matches: place("c", "d")},
		{Detector: "jp.my_number", Level: "low", Matches: place("e")},
		{Detector: "jp.phone", Level: "low", Matches: place("f")},
		{Detector: "iban", Level: "high", Risky: true, Matches: place("g")},
	}
	reason := func(codes ...string) (all []approval.Reason) {
		for _, c := range codes {
			all = append(all, approval.Reason{Code: c, JA: c})
		}
		return all
	}
	for name, c := range map[string]struct {
		reasons []approval.Reason
		want    string
	}{
		"one reason, three places":         {reason("content:jp.my_number"), "content:jp.my_number a b c +5 | risk | rest jp.my_number/low jp.phone/low iban/high"},
		"only what is unsure":              {reason("content:jp.phone"), "content:jp.phone f | risk | rest jp.my_number/high jp.my_number/medium jp.my_number/low iban/high"},
		"two reasons, one place of each":   {reason("content:jp.my_number", "external_domains_over"), "content:jp.my_number a (b) (c) +5, external_domains_over | risk | rest jp.my_number/low jp.phone/low iban/high"},
		"three reasons, one place in all":  {reason("content:jp.my_number", "content:jp.phone", "content:iban"), "content:jp.my_number a (b) (c) +5, content:jp.phone (f), content:iban (g) | risk | rest jp.my_number/low"},
		"the same reason of two rules":     {reason("content:iban", "content:iban"), "content:iban g | risk | rest jp.my_number/high jp.my_number/medium jp.my_number/low jp.phone/low"},
		"a rule in its own words":          {reason("rule"), "rule | risk jp.my_number/high jp.my_number/medium iban/high | rest jp.my_number/low jp.phone/low"},
		"own words beside a known finding": {reason("rule", "content:iban"), "rule, content:iban g | risk jp.my_number/high jp.my_number/medium | rest jp.my_number/low jp.phone/low"},
		"no reason at all":                 {nil, " | risk jp.my_number/high jp.my_number/medium iban/high | rest jp.my_number/low jp.phone/low"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := spell(causes(c.reasons, found, "ja")); got != c.want {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
		})
	}
}

func spell(all []causeView, risk, rest []findingView) string {
	var parts []string
	for _, c := range all {
		text := c.Text
		for i, m := range c.Matches {
			if i < c.Shown {
				text += " " + m.Place
			} else {
				text += " (" + m.Place + ")"
			}
		}
		if c.More > 0 {
			text += fmt.Sprintf(" +%d", c.More)
		}
		parts = append(parts, text)
	}
	out := strings.Join(parts, ", ") + " | risk"
	for _, f := range risk {
		out += " " + f.Detector + "/" + f.Level
	}
	out += " | rest"
	for _, f := range rest {
		out += " " + f.Detector + "/" + f.Level
	}
	return out
}

func TestALockedArchiveIsSaidOnce(t *testing.T) {
	rep := dlp.Report{
		Findings: []dlp.Finding{
			{Detector: dlp.DetectorEncrypted, Level: dlp.High, Count: 1, Matches: []dlp.Match{{Where: dlp.InAttachment, Path: "資料.zip"}}},
			{Detector: dlp.DetectorUninspectable, Level: dlp.High, Count: 1, Matches: []dlp.Match{{Where: dlp.InAttachment, Path: "図.dwg", Excerpt: "unsupported"}}},
		},
		Uninspectable: []dlp.Uninspectable{{Path: "資料.zip", Reason: dlp.Encrypted}, {Path: "図.dwg", Reason: dlp.Unsupported}, {Path: "図.dwg", Reason: dlp.TimedOut}},
	}
	found, unread := findingsOf(rep)
	if len(unread) != 1 || unread[0].Reason != dlp.TimedOut {
		t.Errorf("said again: %v", unread)
	}
	if m := found[0].Matches[0]; m.Unread != "encrypted" || m.Place != "資料.zip" {
		t.Errorf("%+v", m)
	}
	if m := found[1].Matches[0]; m.Unread != "unsupported" || m.Excerpt != "" {
		t.Errorf("the code shows: %+v", m)
	}
}

func TestTheOwnQuestionSpeaksToItsSender(t *testing.T) {
	h := newHouse(t)
	m := h.submit("alice@corp.example", "名簿の件", "x@self.example")
	page := h.get(h.as("alice"), "/requests/"+string(h.question(m.ID).ID)).is(t, http.StatusOK)
	page.has(t, "<h1>あなたのメール</h1>", "上長に確認を依頼する", "まだ送信していません")
	page.lacks(t, "さんのメール")
	h.get(h.as("alice"), "/").is(t, http.StatusOK).has(t, `確認者： <span class="unit">あなた</span>`)
}

func TestApproveSendsAndTheLoserLearnsWhoWas(t *testing.T) {
	h := newHouse(t)
	m := h.submit("alice@corp.example", "名簿の件", "x@hold.example")
	q := h.question(m.ID)
	path := "/requests/" + string(q.ID) + "/decide"
	h.post(h.as("manager"), path, "revision", string(q.Revision), "verb", "approve").is(t, http.StatusOK).has(t, "承認しました。今日 ", " に送信します。", "送信待ち")
	late := h.post(h.as("admin"), path, "revision", string(q.Revision), "verb", "reject", "comment", "だめです").is(t, http.StatusConflict)
	late.has(t, "田中 部長 が", "に承認済みです。", "いまの回答は反映していません")
	h.advance(time.Minute)
	h.becomes(m.ID, holdqueue.Sent)
	over := h.get(h.as("manager"), "/requests/"+string(q.ID)+"?done=approve").is(t, http.StatusOK)
	over.has(t, "承認しました。</div>", "送信済み")
	over.lacks(t, "に送信します。")
}

func TestAnApprovalPromisesNoTimeWhileSendingIsPaused(t *testing.T) {
	h := newHouse(t)
	m := h.submit("alice@corp.example", "名簿の件", "x@hold.example")
	q := h.question(m.ID)
	h.post(h.as("admin"), "/admin/pause", "reason", "障害の調査").is(t, http.StatusOK)
	page := h.post(h.as("manager"), "/requests/"+string(q.ID)+"/decide", "revision", string(q.Revision), "verb", "approve").is(t, http.StatusOK)
	page.has(t, "承認しました。</div>", "送信を一時停止しています")
}

// A rule that asks role:approver asks whoever the provider gives that role, also where the people file names none.
func TestThePoolOfApproversSeesReadsAndDecides(t *testing.T) {
	h := newHouse(t)
	m := h.submit("alice@corp.example", "名簿の件", "x@pool.example")
	q := h.question(m.ID)
	page := "/requests/" + string(q.ID)
	h.get(h.as("bob"), page).is(t, http.StatusNotFound)
	h.get(h.as("bob"), "/messages/"+m.ID).is(t, http.StatusNotFound)
	h.get(h.as("manager"), "/requests").is(t, http.StatusOK).has(t, "個人番号と思われる番号が2件", `class="count"`)
	h.get(h.as("manager"), page).is(t, http.StatusOK).has(t, "承認", "却下")
	h.get(h.as("manager"), "/messages/"+m.ID+"/content").is(t, http.StatusOK).has(t, "名簿の件")
	h.post(h.as("manager"), page+"/decide", "revision", string(q.Revision), "verb", "approve").is(t, http.StatusOK).has(t, "承認しました")
	h.advance(time.Minute)
	h.becomes(m.ID, holdqueue.Sent)
}

// "gpj.exe" behind a mark that turns the direction reads "exe.jpg": on no page, in no field of a mail.
func TestNoPageTurnsTheReadingDirection(t *testing.T) {
	h := newHouse(t)
	m := h.submit("alice@corp.example", "請求\u202egpj.exe", "x@hold.example")
	for who, paths := range map[string][]string{
		"manager": {"/requests", "/requests/" + string(h.question(m.ID).ID), "/messages/" + m.ID, "/messages/" + m.ID + "/content"},
		"alice":   {"/"},
	} {
		for _, path := range paths {
			page := h.get(h.as(who), path).is(t, http.StatusOK)
			page.has(t, "請求\uFFFDgpj.exe")
			page.lacks(t, "\u202e")
		}
	}
}

func TestOneDecisionMaySendToSomeAndDropOthers(t *testing.T) {
	h := newHouse(t)
	m := h.submit("alice@corp.example", "名簿の件", "x@hold.example", "y@hold.example")
	q := h.question(m.ID)
	path := "/requests/" + string(q.ID) + "/decide"
	h.post(h.as("manager"), path, "revision", string(q.Revision), "verb", "approve", "subset", "1").is(t, http.StatusBadRequest)
	h.post(h.as("manager"), path, "revision", string(q.Revision), "verb", "approve", "subset", "1", "recipient", m.Recipients[0].ID, "others", "reject").is(t, http.StatusOK)
	h.advance(time.Minute)
	h.becomes(m.ID, holdqueue.Sent, holdqueue.Rejected)
}

func TestACommentMayBeAsLongAsItsFieldAndNoLonger(t *testing.T) {
	h := newHouse(t)
	m := h.submit("alice@corp.example", "名簿の件", "x@hold.example")
	q := h.question(m.ID)
	decide := func(comment string) answer {
		return h.post(h.as("manager"), "/requests/"+string(q.ID)+"/decide", "revision", string(q.Revision), "verb", "reject", "comment", comment)
	}
	decide(strings.Repeat("長", approval.LongestComment+1)).is(t, http.StatusBadRequest)
	h.becomes(m.ID, holdqueue.Held)
	decide(strings.Repeat("長\r\n", approval.LongestComment/2)).is(t, http.StatusOK) // as browsers send lines
	h.becomes(m.ID, holdqueue.Rejected)
}

func TestStaleRevisionShowsTheQuestionAsItIsNow(t *testing.T) {
	h := newHouse(t)
	m := h.submit("alice@corp.example", "名簿の件", "x@hold.example")
	q := h.question(m.ID)
	page := h.post(h.as("manager"), "/requests/"+string(q.ID)+"/decide", "revision", strings.Repeat("0", 64), "verb", "approve", "comment", "よさそう").is(t, http.StatusConflict)
	page.has(t, "表示した後に、内容が変わりました。", string(q.Revision), "よさそう")
	h.becomes(m.ID, holdqueue.Held)
}

func TestManyRecipientsAreToldByTheirDomains(t *testing.T) {
	h := newHouse(t)
	to := []string{"boss@hold.example"}
	for i := range 12 {
		to = append(to, fmt.Sprintf("member%02d@hold.example", i))
	}
	m := h.submit("alice@corp.example", "ご案内", to...)
	page := h.get(h.as("manager"), "/requests/"+string(h.question(m.ID).ID)).is(t, http.StatusOK)
	page.has(t, "boss@<b>hold.example</b>", "ほか 12 件", `<b>hold.example</b> <span class="number">13</span>`, "宛先を1件ずつ見る・選ぶ", "member11@")
	page.inOrder(t, "ほか 12 件", "<summary>宛先を1件ずつ見る・選ぶ", "member11@")
}

func TestDomainsOutsideAndLargeOnesStandFirst(t *testing.T) {
	var people []answerView
	add := func(n int, domain string, outside bool) {
		for i := range n {
			people = append(people, answerView{Recipient: approval.Recipient{Address: mailaddr.Address(fmt.Sprintf("p%d@%s", i, domain))}, Outside: outside})
		}
	}
	add(9, "corp.example", false)
	add(1, "a.example", true)
	add(3, "b.example", true)
	add(2, "c.example", true)
	add(1, "d.example", true)
	shown, more := domainsOf(people)
	var got []string
	for _, d := range shown {
		got = append(got, fmt.Sprint(d.Domain, d.N))
	}
	if want := "b.example3 c.example2 a.example1 d.example1"; strings.Join(got, " ") != want || more != 1 {
		t.Errorf("%v and %d more", got, more)
	}
}

func TestNobodyApprovesTheirOwnMail(t *testing.T) {
	h := newHouse(t)
	m := h.submit("admin@corp.example", "名簿の件", "x@tech.example")
	q := h.question(m.ID)
	page := h.get(h.as("admin"), "/requests/"+string(q.ID)).is(t, http.StatusOK)
	page.has(t, "自分のメールは承認できません。")
	page.lacks(t, `value="approve"`)
	h.post(h.as("admin"), "/requests/"+string(q.ID)+"/decide", "revision", string(q.Revision), "verb", "approve").is(t, http.StatusForbidden)
	h.becomes(m.ID, holdqueue.Held)
}

func TestAdministratorOpensContentOnlyWithAReasonAndItIsLogged(t *testing.T) {
	h := newHouse(t)
	m := h.submit("alice@corp.example", "ひみつの件名", "x@hold.example")
	admin := h.as("admin")
	h.get(admin, "/messages/"+m.ID).is(t, http.StatusOK).lacks(t, "ひみつの件名", "9832-****")
	h.get(admin, "/messages/"+m.ID+"/content").is(t, http.StatusNotFound)
	h.get(admin, "/messages/"+m.ID+"/body").is(t, http.StatusNotFound)
	h.post(admin, "/messages/"+m.ID+"/content").is(t, http.StatusBadRequest).has(t, "理由を入力してください")
	opened := h.post(admin, "/messages/"+m.ID+"/content", "reason", "誤送信の調査").is(t, http.StatusOK)
	opened.has(t, "ひみつの件名", "お世話になっております", "/body?grant=")
	h.get(admin, opened.at).is(t, http.StatusOK)
	entries, _, err := h.audit.List(t.Context(), audit.Filter{Action: "open_content"}, audit.Page{})
	must(t, err)
	if len(entries) != 1 || entries[0].Actor != "person:admin@corp.example" || entries[0].Message != m.ID || entries[0].Detail["reason"] != "誤送信の調査" {
		t.Errorf("log says %+v", entries)
	}
	// The permission is this administrator's, for this mail, for a quarter of an hour.
	other := h.submit("alice@corp.example", "別の件名", "x@hold.example")
	h.get(admin, strings.Replace(opened.at, m.ID, other.ID, 1)).is(t, http.StatusNotFound)
	h.get(h.as("auditor"), opened.at).is(t, http.StatusNotFound)
	h.advance(grantLife + time.Minute)
	h.get(admin, opened.at).is(t, http.StatusNotFound)
}

func TestAdministratorsWhoAreAskedAsABodyMayRead(t *testing.T) {
	h := newHouse(t)
	m := h.submit("alice@corp.example", "壊れた添付", "x@tech.example")
	h.get(h.as("admin"), "/requests/"+string(h.question(m.ID).ID)).is(t, http.StatusOK).has(t, "壊れた添付", "お世話になっております")
}

func TestStrangersSeeNoQuestion(t *testing.T) {
	h := newHouse(t)
	m := h.submit("alice@corp.example", "名簿の件", "x@hold.example")
	q := h.question(m.ID)
	h.get(h.as("bob"), "/requests/"+string(q.ID)).is(t, http.StatusNotFound)
	h.post(h.as("bob"), "/requests/"+string(q.ID)+"/decide", "revision", string(q.Revision), "verb", "approve").is(t, http.StatusForbidden)
	if got := h.question(m.ID).State; got != approval.Open {
		t.Errorf("request is %s", got)
	}
}

// Who sends and who decides read what becomes of the files, also where that is known only when the mail leaves.
func TestSenderAndApproverReadThatFilesStayWhereTLSIsProved(t *testing.T) {
	h := newHouse(t)
	m := h.submit("alice@corp.example", "見積の件", "b@tls.example")
	h.get(h.as("manager"), "/requests/"+string(h.question(m.ID).ID)).is(t, http.StatusOK).has(t, "暗号化（TLS）を送信時に確認できれば、添付したまま")
	h.get(h.as("alice"), "/messages/"+m.ID).is(t, http.StatusOK).has(t, "TLS を確認できれば添付のまま")
}
