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
)

func TestQuestionShowsReasonPlaceAndRecipientsFirst(t *testing.T) {
	h := newHouse(t)
	m := h.submit("alice@corp.example", "名簿の件", "x@hold.example", "y@hold.example")
	list := h.get(h.as("manager"), "/requests").is(t, http.StatusOK)
	list.has(t, "個人番号と思われる番号が2件", "佐藤 花子", "宛先 2 件", `class="count"`)
	page := h.get(h.as("manager"), "/requests/"+string(h.question(m.ID).ID)).is(t, http.StatusOK)
	page.has(t, "佐藤 花子 さんのメール", "data.zip › 名簿.xlsx › 会員 › C12", "個人番号 9832-****-****", "x@<b>hold.example</b>", "承認", "却下", "そのほかに見つかったもの（1）")
	order := []string{"個人番号と思われる番号が2件", "会員 › C12", "x@<b>hold.example</b>", "件名・本文・添付", `name="verb" value="reject"`}
	at := -1
	for _, part := range order {
		i := strings.Index(page.body, part)
		if i < at {
			t.Errorf("%q stands too early", part)
		}
		at = i
	}
}

func TestApproveSendsAndTheLoserLearnsWhoWas(t *testing.T) {
	h := newHouse(t)
	m := h.submit("alice@corp.example", "名簿の件", "x@hold.example")
	q := h.question(m.ID)
	path := "/requests/" + string(q.ID) + "/decide"
	h.post(h.as("manager"), path, "revision", string(q.Revision), "verb", "approve").is(t, http.StatusOK).has(t, "承認しました。まもなく送信されます。")
	late := h.post(h.as("admin"), path, "revision", string(q.Revision), "verb", "reject", "comment", "だめです").is(t, http.StatusConflict)
	late.has(t, "田中 部長 が", "に承認済みです。", "いまの回答は反映していません")
	h.advance(time.Minute)
	h.becomes(m.ID, holdqueue.Sent)
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
	page.has(t, `<b>hold.example</b> <span class="number">13</span>`, "宛先を1件ずつ見る・選ぶ", "member11@")
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
