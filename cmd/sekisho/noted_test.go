package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/sekisho-mail/sekisho/internal/db"
)

// audited are the actions that the log has about a mail.
func (h *openedHouse) audited(id string) (actions []string) {
	h.t.Helper()
	err := h.db.Read(h.t.Context(), func(tx *db.Tx) error {
		actions = nil
		rows, err := tx.Query(`SELECT action FROM audit_entry WHERE message = $1 ORDER BY id`, id)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var action string
			if err := rows.Scan(&action); err != nil {
				return err
			}
			actions = append(actions, action)
		}
		return rows.Err()
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return actions
}

const watchingPolicy = `version: 1
keywords: {projects: [Falcon]}
rules:
  - {name: projects, mode: notify, when: {recipients: external, content: [{detector: keyword.projects}]}, then: {hold: {approvers: [manager]}, notify: [manager, 'group:legal']}}
  - {name: unnamed, mode: notify, when: {recipients: external, subject: [secret]}, then: {refuse: true}}
  - {name: tried, mode: audit, when: {recipients: external}, then: {hold: {approvers: [manager]}}}
  - {name: copies, when: {recipients: external, content: [{detector: keyword.projects}]}, then: {notify: [admin]}}
`

// A rule in mode notify stops nothing, and the people it names hear of it; one that names nobody tells the sender.
func TestARuleInModeNotifyTellsPeople(t *testing.T) {
	h := testHouse(t, watchingPolicy)
	id := h.submit("alice@corp.example", "plans", "\r\nOur Falcon flies.", "b@other.example", "bob@corp.example")
	for who, want := range map[string]string{
		"manager@corp.example": "規則：projects\n", "lena@corp.example": "規則：projects\n", "admin@corp.example": "規則：copies\n",
	} {
		subject, text := h.gets("noted", who)
		if subject != "【お知らせ】佐藤 花子さんのメール（社外1名）" || !strings.Contains(text, want) || !strings.Contains(text, "キーワード「projects」 1 件") ||
			!strings.Contains(text, "・b@other.example：送信します\n") || strings.Contains(text, "bob@") || strings.Contains(text, "Falcon") {
			t.Errorf("%s is told %s\n%s", who, subject, text)
		}
	}
	h.until("the mail to leave", func() bool { return len(h.notices("", "b@other.example")) == 1 })
	got := h.audited(id)
	if !slices.Contains(got, "rule.noted") || !slices.Contains(got, "rule.audited") || slices.Contains(got, "held") {
		t.Errorf("log %v", got)
	}
	if n := len(h.notices("noted", "alice@corp.example")); n != 0 {
		t.Errorf("the sender is told %d times of what others are told", n)
	}
	h.submit("bob@corp.example", "a secret", "\r\nx", "b@other.example")
	if subject, text := h.gets("noted", "bob@corp.example"); !strings.HasPrefix(subject, "[Note] A company rule speaks of your mail: ") || !strings.Contains(text, "Rules: unnamed\n") {
		t.Errorf("the sender is told %s\n%s", subject, text)
	}
}

func TestNobodyHearsOfAMailThatIsOnlyObserved(t *testing.T) {
	h := testHouse(t, watchingPolicy, "policy: {file: policy.yaml, mode: observe}")
	id := h.submit("alice@corp.example", "plans", "\r\nOur Falcon flies.", "b@other.example")
	h.until("the mail to leave", func() bool { return len(h.notices("", "b@other.example")) == 1 })
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.sent) != 1 {
		t.Errorf("%d mails left", len(h.sent))
	}
	if got := h.audited(id); !slices.Contains(got, "rule.audited") {
		t.Errorf("log %v", got)
	}
}
