package main

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/message"
	"github.com/sekisho-mail/sekisho/linkify"
	"github.com/sekisho-mail/sekisho/web"
)

const planMail = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nBitte\r\n" +
	"--b\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=\"plan.dat\"\r\n\r\nplan\r\n--b--\r\n"

const linkEverything = `version: 1
rules:
  - {name: links, when: {recipients: external}, then: {link: {over: 0, access: open, expire: 14d, otherwise: hold, approvers: [admin]}}}
`

// sentTo waits for the n-th mail of a person's to that address and gives the address of the link in it.
func (h *openedHouse) sentTo(to string, n int) (raw, link string) {
	h.t.Helper()
	h.until("a mail to "+to, func() bool { all := h.notices("", to); return len(all) >= n })
	raw = h.notices("", to)[n-1]
	m, err := message.Parse([]byte(raw))
	if err != nil {
		h.t.Fatal(err)
	}
	for leaf := range m.Leaves() {
		for _, text := range leaf.Texts(1 << 20) {
			if found := regexp.MustCompile(`/d/[A-Za-z0-9_-]{43}`).FindString(text); found != "" {
				return raw, strings.TrimPrefix(found, "/d/")
			}
		}
	}
	return raw, ""
}

// linked sends a mail with a file and gives its one link.
func (h *openedHouse) linked() (l linkify.Link, token string) {
	h.t.Helper()
	id := h.submit("alice@corp.example", "plan", planMail, "partner@other.example")
	_, token = h.sentTo("partner@other.example", 1)
	links, err := h.links.OfMessage(h.t.Context(), id)
	if err != nil || len(links) != 1 {
		h.t.Fatalf("%d links, %v", len(links), err)
	}
	return links[0], token
}

func (h *openedHouse) state(token string) linkify.State {
	h.t.Helper()
	l, err := h.links.Open(h.t.Context(), token, linkify.Visitor{})
	if err != nil {
		h.t.Fatal(err)
	}
	return l.State
}

func TestALinkSentAgainIsAMailOfTheSenders(t *testing.T) {
	h := testHouse(t, linkEverything)
	old, _ := h.linked()
	a, err := h.links.Anew(t.Context(), old.Message, old.ID, "person:alice@corp.example")
	if err == nil {
		err = h.resend(t.Context(), a)
	}
	if err != nil {
		t.Fatal(err)
	}
	raw, token := h.sentTo("partner@other.example", 2)
	if !strings.Contains(raw, "alice@corp.example") || token == "" || h.state(token) != linkify.Active {
		t.Fatalf("link %q of:\n%s", token, raw)
	}
	landing, err := h.links.Open(t.Context(), token, linkify.Visitor{})
	if err != nil || landing.Sender != "alice@corp.example" {
		t.Fatalf("%+v, %v", landing, err)
	}
	links, err := h.links.OfMessage(t.Context(), old.Message)
	if err != nil || len(links) != 2 || links[0].Files[0].SHA256 != links[1].Files[0].SHA256 {
		t.Fatalf("%+v, %v", links, err)
	}
}

func TestARuleAsksBeforeALinkIsOpenedAgain(t *testing.T) {
	h := testHouse(t, linkEverything+"  - {name: again, when: {reopens_link: true}, then: {hold: {approvers: [manager]}}}\n")
	old, _ := h.linked()
	a, err := h.links.Anew(t.Context(), old.Message, old.ID, "person:alice@corp.example")
	if err == nil {
		err = h.resend(t.Context(), a)
	}
	if err != nil {
		t.Fatal(err)
	}
	m := h.inspected(h.latest())
	if m.Recipients[0].State != holdqueue.Held {
		t.Fatalf("state %s", m.Recipients[0].State)
	}
	_, text := h.gets("question", "manager@corp.example")
	if !strings.Contains(text, "以前のメールのファイル") {
		t.Error(text)
	}
	if all := h.notices("", "partner@other.example"); len(all) != 1 {
		t.Errorf("%d mails left", len(all))
	}
}

func TestALinkContainedMeanwhileIsNotSentAgain(t *testing.T) {
	h := testHouse(t, linkEverything+"  - {name: slow, when: {reopens_link: true}, then: {delay: 2s}}\n")
	old, _ := h.linked()
	a, err := h.links.Anew(t.Context(), old.Message, old.ID, "person:alice@corp.example")
	if err == nil {
		err = h.resend(t.Context(), a)
	}
	if err == nil {
		_, err = h.links.Revoke(t.Context(), old.Message, nil, linkify.Contained, "person:alice@corp.example")
	}
	if err != nil {
		t.Fatal(err)
	}
	id := h.latest()
	h.until("the hold", func() bool {
		m, err := h.queue.Get(t.Context(), id)
		return err == nil && m.Recipients[0].State == holdqueue.Held
	})
	if all := h.notices("", "partner@other.example"); len(all) != 1 {
		t.Errorf("%d mails left", len(all))
	}
	if _, err := h.links.Anew(t.Context(), old.Message, old.ID, "person:alice@corp.example"); !errors.Is(err, linkify.ErrNotYours) {
		t.Errorf("%v", err)
	}
}

func TestARequestForFilesIsInspectedLikeAnyMail(t *testing.T) {
	h := testHouse(t, linkEverything+"  - {name: cards, when: {content: [{detector: payment_card, level: medium, count: 1}]}, then: {hold: {approvers: [manager]}}}\n")
	i := web.Invitation{Person: "alice@corp.example", Name: "佐藤 花子", To: "partner@other.example", Title: "決算資料", Address: "https://files.corp.example/u/x", Until: time.Now().Add(time.Hour)}
	if err := h.invite(t.Context(), i); err != nil {
		t.Fatal(err)
	}
	raw, _ := h.sentTo("partner@other.example", 1)
	m, err := message.Parse([]byte(raw))
	if err != nil || len(m.Anomalies) != 0 {
		t.Fatalf("%v %+v", err, m.Anomalies)
	}
	if subject := m.Root.Text("Subject"); !strings.Contains(subject, "決算資料") {
		t.Error(subject)
	}
	from, _ := message.Addresses(m.Root.Get("From"))
	if len(from) != 1 || from[0].Name != "佐藤 花子" {
		t.Errorf("%+v", from)
	}
	i.Note = "カード番号 4539 1488 0343 6467 で支払ってください\r\nBcc: evil@other.example"
	i.Title = "資料\r\nBcc: evil@other.example"
	if err := h.invite(t.Context(), i); err != nil {
		t.Fatal(err)
	}
	held := h.inspected(h.latest())
	if len(held.Recipients) != 1 || held.Recipients[0].State != holdqueue.Held {
		t.Errorf("%+v", held.Recipients[0])
	}
}
