package web

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/linkify"
	"github.com/sekisho-mail/sekisho/web/dextest"
)

func TestCopiesOfOneMailAreOneRowAndOnePress(t *testing.T) {
	h := newHouse(t)
	stranger := h.submit("bob@corp.example", "別の件", "c@wait.example")
	copies := h.split("見積の件", "a@wait.example", "b@wait.example", "c@wait.example")
	page := h.get(h.as("alice"), "/").is(t, http.StatusOK)
	if n := strings.Count(page.body, `class="mail-title"`); n != 1 {
		t.Errorf("%d rows", n)
	}
	page.has(t, "a@wait.example", "b@wait.example", "c@wait.example")
	if list := h.get(h.as("admin"), "/admin").is(t, http.StatusOK); strings.Count(list.body, `name="message"`) != 2 {
		t.Error("administrators do not see two mails")
	}
	// The id of any copy shows the mail.
	whole := h.get(h.as("alice"), "/messages/"+copies[1].ID).is(t, http.StatusOK)
	whole.has(t, "3 通に分けて", "宛先 3 件", "a@<b>wait.example</b>", copies[2].ID)
	whole.lacks(t, "この経路では送信しない")
	h.post(h.as("alice"), "/messages/"+copies[1].ID+"/stop").is(t, http.StatusOK)
	h.get(h.as("alice"), "/").is(t, http.StatusOK).has(t, `停止中 <span class="number">3</span>`)
	h.post(h.as("alice"), "/messages/"+copies[2].ID+"/cancel").is(t, http.StatusOK)
	for _, m := range copies {
		h.becomes(m.ID, holdqueue.Cancelled)
	}
	h.becomes(stranger.ID, holdqueue.Delayed)
	h.get(h.as("alice"), "/messages/"+copies[0].ID).is(t, http.StatusOK).has(t, "あなたが 今日 ")
}

func TestRecipientsOfSeveralCopiesCanBeChosen(t *testing.T) {
	h := newHouse(t)
	copies := h.split("見積の件", "a@wait.example", "b@wait.example", "c@wait.example")
	h.post(h.as("alice"), "/messages/"+copies[0].ID+"/cancel", "subset", "1", "recipient", copies[1].Recipients[0].ID, "recipient", copies[2].Recipients[0].ID).is(t, http.StatusOK)
	h.becomes(copies[0].ID, holdqueue.Delayed)
	h.becomes(copies[1].ID, holdqueue.Cancelled)
	h.becomes(copies[2].ID, holdqueue.Cancelled)
	stranger := h.submit("bob@corp.example", "別の件", "c@wait.example")
	h.post(h.as("alice"), "/messages/"+copies[0].ID+"/cancel", "subset", "1", "recipient", stranger.Recipients[0].ID).is(t, http.StatusNotFound)
	h.becomes(stranger.ID, holdqueue.Delayed)
}

func TestCopiesOfOneMailAreOneQuestionOnThePage(t *testing.T) {
	h := newHouse(t)
	copies := h.split("名簿の件", "a@hold.example", "b@hold.example")
	list := h.get(h.as("manager"), "/requests").is(t, http.StatusOK)
	if n := strings.Count(list.body, `class="mail-title"`); n != 1 {
		t.Fatalf("%d questions", n)
	}
	q := h.question(copies[0].Family)
	page := h.get(h.as("manager"), "/requests/"+string(q.ID)).is(t, http.StatusOK)
	page.has(t, "宛先 2 件", "a@<b>hold.example</b>", "b@<b>hold.example</b>", "お世話になっております")
	h.post(h.as("manager"), "/requests/"+string(q.ID)+"/decide", "revision", string(q.Revision), "verb", "reject").is(t, http.StatusOK)
	h.becomes(copies[0].ID, holdqueue.Rejected)
	h.becomes(copies[1].ID, holdqueue.Rejected)
	// Being asked about the mail opens it by the id of any copy.
	h.get(h.as("manager"), "/messages/"+copies[1].ID).is(t, http.StatusOK)
}

func TestAStaleQuestionIsShownAnewWhenACopyHasJoined(t *testing.T) {
	h := newHouse(t)
	first := h.split("名簿の件", "a@hold.example")[0]
	stale := h.question(first.ID)
	env := holdqueue.Envelope{Origin: holdqueue.FromGateway, Source: first.Source, Person: first.Person, MailFrom: first.MailFrom, Meta: first.Meta,
		Recipients: []holdqueue.EnvelopeRecipient{{Address: "late@hold.example"}}}
	late := h.commit(env)
	page := h.post(h.as("manager"), "/requests/"+string(stale.ID)+"/decide", "revision", string(stale.Revision), "verb", "approve").is(t, http.StatusConflict)
	page.has(t, "late@<b>hold.example</b>", "Bcc")
	h.becomes(first.ID, holdqueue.Held)
	h.becomes(late.ID, holdqueue.Held)
	h.post(h.as("manager"), "/requests/"+string(stale.ID)+"/decide", "revision", string(h.question(first.ID).Revision), "verb", "approve").is(t, http.StatusOK)
	h.becomes(late.ID, holdqueue.Delayed)
}

func TestTheLinkInANoticeCancelsEveryCopy(t *testing.T) {
	h := newHouse(t)
	copies := h.split("見積の件", "a@wait.example", "b@wait.example")
	token := h.desk.CancelToken(copies[1].ID)
	h.get(dextest.Browser(t), "/c/"+token).is(t, http.StatusOK).has(t, "a@<b>wait.example</b>", "b@<b>wait.example</b>")
	h.post(dextest.Browser(t), "/c/"+token).is(t, http.StatusOK)
	h.becomes(copies[0].ID, holdqueue.Cancelled)
	h.becomes(copies[1].ID, holdqueue.Cancelled)
}

func TestProgramsSeeOneMailOfItsCopies(t *testing.T) {
	h := newHouse(t)
	copies := h.split("見積の件", "a@wait.example", "b@wait.example")
	var list apiList[apiMail]
	must(t, json.Unmarshal([]byte(h.get(h.as("alice"), "/api/v1/messages").is(t, http.StatusOK).body), &list))
	if len(list.Items) != 1 {
		t.Fatalf("%d mails", len(list.Items))
	}
	m := list.Items[0]
	if !slices.Equal(m.Copies, []string{copies[0].ID, copies[1].ID}) || len(m.Recipients) != 2 || m.Recipients[1].Message != copies[1].ID {
		t.Errorf("%+v", m)
	}
	var one apiMail
	must(t, json.Unmarshal([]byte(h.get(h.as("alice"), "/api/v1/messages/"+copies[1].ID).is(t, http.StatusOK).body), &one))
	if one.ID != copies[0].ID {
		t.Errorf("a copy's id shows %s", one.ID)
	}
}

func TestLinksOfEveryCopyEndTogether(t *testing.T) {
	h := newHouse(t)
	copies := h.split("見積の件", "a@files.example", "b@files.example")
	for _, m := range copies {
		h.eventually("a link", func() bool { l, err := h.links.OfMessage(t.Context(), m.ID); return err == nil && len(l) == 1 })
	}
	h.get(h.as("alice"), "/messages/"+copies[0].ID+"/links").is(t, http.StatusOK).has(t, "a@<b>files.example</b>", "b@<b>files.example</b>")
	h.post(h.as("alice"), "/messages/"+copies[0].ID+"/links/revoke", "all", "1").is(t, http.StatusOK)
	for _, m := range copies {
		l, err := h.links.OfMessage(t.Context(), m.ID)
		must(t, err)
		if l[0].State != linkify.Revoked {
			t.Errorf("the link of %s is %s", l[0].Address, l[0].State)
		}
	}
}
