package web

import (
	"archive/zip"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/linkify"
	"github.com/sekisho-mail/sekisho/web/dextest"
)

// wordText is the text of a Word document.
func wordText(t *testing.T, body string) string {
	t.Helper()
	z, err := zip.NewReader(strings.NewReader(body), int64(len(body)))
	must(t, err)
	f, err := z.Open("word/document.xml")
	must(t, err)
	defer f.Close()
	raw, err := io.ReadAll(f)
	must(t, err)
	return regexp.MustCompile(`<[^>]+>`).ReplaceAllString(string(raw), "|")
}

// goneWrong is a mail of alice's: one recipient has it and took the file, one still waits.
func (h *house) goneWrong() (m *holdqueue.Message, path string) {
	h.t.Helper()
	m = h.submit("alice@corp.example", "見積の件", "wrong@files.example", "other@wait.example")
	h.becomes(m.ID, holdqueue.Sent, holdqueue.Delayed)
	path = h.find("wrong@files.example", regexp.MustCompile(`/d/[A-Za-z0-9_-]{43}`))
	b := dextest.Browser(h.t)
	h.post(b, path+"/get", "file", fileID(h.t, h.get(b, path))).is(h.t, http.StatusOK)
	return m, path
}

func TestOnePressStopsWhatCanBeStopped(t *testing.T) {
	h := newHouse(t)
	m, path := h.goneWrong()
	h.get(h.as("alice"), "/messages/"+m.ID).has(t, "誤送信への対応", "/messages/"+m.ID+"/contain")
	before := h.get(h.as("alice"), "/messages/"+m.ID+"/contain").is(t, http.StatusOK)
	before.inOrder(t, "届いた宛先", "wrong@<b>files.example</b>", "まだ止められる宛先", "other@<b>wait.example</b>", "1 件のうち 1 件が有効", "1 回ダウンロードされています", "すべて止める")
	h.get(dextest.Browser(t), path).is(t, http.StatusOK) // looking at the page has stopped nothing
	after := h.post(h.as("alice"), "/messages/"+m.ID+"/contain").is(t, http.StatusOK)
	after.has(t, "alice@corp.example が対応しました", "1 件のうち 0 件が有効", "届いていない宛先", "見積書.pdf")
	after.lacks(t, "すべて止める", "told bad")
	h.becomes(m.ID, holdqueue.Sent, holdqueue.Cancelled)
	h.get(dextest.Browser(t), path).is(t, http.StatusGone).has(t, "無効になりました")
	links, err := h.links.OfMessage(t.Context(), m.ID)
	must(t, err)
	if links[0].State != linkify.Revoked || links[0].Cause != linkify.Contained {
		t.Errorf("%+v", links[0])
	}
	// A second press, by the administrator this time, finds nothing to do and says nothing wrong.
	h.post(h.as("admin"), "/messages/"+m.ID+"/contain").is(t, http.StatusOK).lacks(t, "told bad", "見積書.pdf")
}

func TestTheDraftHoldsTheItemsAndTheFacts(t *testing.T) {
	h := newHouse(t)
	m, _ := h.goneWrong()
	h.post(h.as("alice"), "/messages/"+m.ID+"/contain").is(t, http.StatusOK)
	got := h.get(h.as("alice"), "/messages/"+m.ID+"/incident.docx").is(t, http.StatusOK)
	if d := got.header.Get("Content-Disposition"); !strings.HasPrefix(d, "attachment") || !strings.Contains(d, ".docx") {
		t.Error(d)
	}
	text := wordText(t, got.body)
	for _, want := range []string{"1. 概要", "2. 漏えい等が発生し、又は発生したおそれがある個人データの項目", "3. 個人データに係る本人の数", "4. 原因",
		"5. 二次被害又はそのおそれの有無及びその内容", "6. 本人への対応の実施状況", "7. 公表の実施状況", "8. 再発防止のための措置", "9. その他参考となる事項",
		"見積の件", "alice@corp.example", "個人番号", "ダウンロードされています（別表3）", "wrong@files.example 宛てのリンクを無効化", "other@wait.example", "見積書.pdf", "127.0.0.1", m.ID} {
		if !strings.Contains(text, want) {
			t.Errorf("the draft lacks %q:\n%s", want, text)
		}
	}
	english := wordText(t, h.get(h.as("alice"), "/messages/"+m.ID+"/incident.docx?lang=en").body)
	if !strings.Contains(english, "1. Outline") || strings.Contains(english, "概要") {
		t.Error(english)
	}
	// The administrator reads no content without a reason.
	others := wordText(t, h.get(h.as("admin"), "/messages/"+m.ID+"/incident.docx").is(t, http.StatusOK).body)
	if strings.Contains(others, "見積の件") || strings.Contains(others, "見積書.pdf") {
		t.Error("content for an administrator who gave no reason")
	}
}

func TestAMailThatHasNotLeftNeedsNoContainment(t *testing.T) {
	h := newHouse(t)
	m := h.submit("alice@corp.example", "見積の件", "other@wait.example")
	h.get(h.as("alice"), "/messages/"+m.ID).lacks(t, "/contain")
}
