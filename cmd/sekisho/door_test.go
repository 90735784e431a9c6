package main

import (
	"strings"
	"testing"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
	"github.com/sekisho-mail/sekisho/submission/policy"
)

func TestRefusedRecipientsAreJudgedByThePeopleFile(t *testing.T) {
	i := inspector(t)
	p, problems := policy.Parse([]byte(`version: 1
rules:
  - {name: rivals, when: {recipients: external, recipient_domains: [rival.example], sender_groups: [sales]}, then: {refuse: true, reason: {ja: 取引がありません, en: no business with them}}}
  - {name: own, when: {recipients: internal, recipient_addresses: [old@corp.example]}, then: {refuse: true}}
`))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	i.Policy = p
	for _, c := range []struct {
		person, to string
		want       string
	}{
		{"a.sato@corp.example", "x@rival.example", "no business with them"},
		{"a.sato@corp.example", "x@RIVAL.example", "no business with them"},
		{"bob@corp.example", "x@rival.example", ""},
		{"", "x@rival.example", ""}, // at a gateway, before the header
		{"a.sato@corp.example", "x@other.example", ""},
		{"", "old@corp.example", "a company rule forbids sending it"},
	} {
		to, err := mailaddr.Parse(c.to, false)
		if err != nil {
			t.Fatal(err)
		}
		why, refused := i.Refuses(Envelope{Person: mailaddr.Address(c.person), At: office}, to)
		if refused != (c.want != "") || why.EN != c.want {
			t.Errorf("%s to %s: %v, %q", c.person, c.to, refused, why.EN)
		}
	}
	i.Observe = true
	if why, refused := i.Refuses(envelope(), "x@rival.example"); refused {
		t.Errorf("observing, and yet refused: %+v", why)
	}
	if why, refused := inspector(t).Refuses(envelope(), "x@rival.example"); refused {
		t.Errorf("the factory policy refuses: %+v", why)
	}
}

func TestTheServiceRefusesTheRecipientInsideTheDialogue(t *testing.T) {
	h := testHouse(t, `version: 1
rules:
  - {name: rivals, when: {recipient_domains: [rival.example]}, then: {refuse: true, reason: {ja: 取引がありません, en: no business with them}}}
  - {name: sales, when: {recipient_domains: [auction.example], sender_groups: [sales]}, then: {refuse: true}}
`)
	c := h.dial()
	if err := c.Mail("alice@corp.example"); err != nil {
		t.Fatal(err)
	}
	err := c.Rcpt("x@rival.example")
	if err == nil || err.Error() != `550 "5.7.1 Mail to x@rival.example is not allowed: no business with them"` {
		t.Errorf("the rival's address: %v", err)
	}
	c.Close()
	// At a gateway the header shows who writes. Somebody may have this mail, so it is taken, and goes back for the other.
	id := h.submit("alice@corp.example", "two", "\r\nx", "x@auction.example", "b@other.example")
	m := h.inspected(id)
	if m.Recipients[0].State != holdqueue.Refused || m.Recipients[1].State == holdqueue.Refused {
		t.Errorf("%s is %s, %s is %s", m.Recipients[0].Address, m.Recipients[0].State, m.Recipients[1].Address, m.Recipients[1].State)
	}
	if log := h.logged.String(); strings.Contains(log, "rival.example") || !strings.Contains(log, "rule=rivals") {
		t.Errorf("the log names the recipient, or not the rule:\n%s", log)
	}
}
