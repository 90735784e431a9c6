package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/sekisho-mail/sekisho/holdqueue"
)

// The people file of the moment decides: groups, departments and aliases in the facts of the rules, the pilots, and
// who is asked.
func TestAChangedPeopleFileChangesTheFactsOfTheNextMail(t *testing.T) {
	t.Parallel()
	h := testHouse(t, `version: 1
rules:
  - {name: interns, when: {recipients: external, sender_groups: [interns]}, then: {hold: {approvers: [manager]}}}
  - {name: closed, when: {recipient_domains: [rival.example], sender_departments: [研修室]}, then: {refuse: true}}
`)
	before := h.inspected(h.submit("alice@corp.example", "one", "\r\nx", "b@other.example"))
	if s := before.Recipients[0].State; s == holdqueue.Held {
		t.Fatalf("held before anything has changed: %s", s)
	}
	write(t, h.dir, "people.yaml", strings.Replace(testPeople, "department: 営業部, manager: manager@corp.example, groups: [sales]",
		"department: 研修室, manager: lena@corp.example, groups: [sales, interns]", 1))
	h.until("the people file to be read again", func() bool { return strings.Contains(h.logged.String(), "people file reread") })

	facts := h.eyes().Inspect(t.Context(), envelope("b@other.example"), mail("From: a.sato@corp.example", "", "x")).Facts
	if facts.Sender.Department != "研修室" || !slices.Contains(facts.Sender.Groups, "interns") {
		t.Errorf("the rules see %+v", facts.Sender)
	}
	after := h.inspected(h.submit("alice@corp.example", "two", "\r\nx", "b@other.example"))
	if s := after.Recipients[0].State; s != holdqueue.Held {
		t.Errorf("an intern's mail is %s", s)
	}
	h.gets("question", "lena@corp.example")
	if len(h.notices("question", "manager@corp.example")) > 0 {
		t.Error("yesterday's manager is asked")
	}
	if why := h.refuseRecipient("alice@corp.example", "", "x@rival.example"); why == "" {
		t.Error("the door still knows yesterday's department")
	}
}

// A people file with mistakes changes nothing: yesterday's facts are better than none.
func TestABrokenPeopleFileLeavesTheFacts(t *testing.T) {
	t.Parallel()
	h := testHouse(t, "version: 1\nrules: []\n")
	write(t, h.dir, "people.yaml", "people:\n  - {address: alice}\n")
	subject, text := h.gets("alarm", "admin@corp.example")
	if !strings.Contains(subject, "社員ファイルに誤りがあります") || !strings.Contains(text, "people.yaml: line 2") {
		t.Errorf("the administrators hear %s\n%s", subject, text)
	}
	facts := h.eyes().Inspect(t.Context(), envelope("b@other.example"), mail("From: a.sato@corp.example", "", "x")).Facts
	if facts.Sender.Department != "営業部" {
		t.Errorf("the rules see %+v", facts.Sender)
	}
}
