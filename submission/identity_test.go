package submission

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

func mailFrom(field string) string {
	return field + "\r\nTo: b@other.example\r\nDate: d\r\nMessage-ID: <1@x>\r\n\r\nx\r\n"
}

func TestWhoMaySendAsWhom(t *testing.T) {
	const no, yes = "550 5.7.1", "250 2.0.0"
	for _, c := range []struct{ user, header, want string }{
		{"alice", "From: alice@corp.example", yes},
		{"alice", "From: ALICE@Corp.Example", yes},
		{"alice", "From: =?utf-8?B?5L2Q6Jek?= <a.sato@corp.example>", yes},
		{"alice", "From: \"Sales, Corp\" <sales@corp.example>", yes},
		{"alice", "From: alice@corp.example (a comment, with @ and <x>)", yes},
		{"alice", "From: alice@corp.example, a.sato@corp.example\r\nSender: alice@corp.example", yes},
		{"alice", "From: \x1b$B:4F#\x1b(B <alice@corp.example>", yes},
		{"alice", "From: \x8d\xb2\x93\xa1 <alice@corp.example>", yes},
		{"alice", "From: bob@corp.example", no},
		{"alice", "From: alice@corp.example, bob@corp.example", no},
		{"alice", "From: alice@corp.example\r\nSender: bob@corp.example", no},
		{"alice", "From: alice@corp.example <bob@corp.example>", no},
		{"alice", "From: <bob@corp.example> <alice@corp.example>", no},
		{"alice", "From: bob@corp.example <alice@corp.example>, ceo@corp.example", no},
		{"alice", "From: friends: bob@corp.example;", no},
		{"alice", "From: alice@corp.example bob@corp.example", no},
		{"alice", "From: \"alice@corp.example\" bob@corp.example", no},
		{"alice", "From: alice@corp.example\r\n\t, bob@corp.example", no},
		{"alice", "From: alice@corp.example@evil.example", no},
		{"alice", "From: alice@evil.example", no},
		{"bob", "From: sales@corp.example", no},
		{"robot", "From: anybody@anywhere.example", yes},
		{"robot", "From: not an address at all", yes},
		{"robot", "From: anybody@anywhere.example\r\nFrom: second@anywhere.example", "554 5.6.0"},
	} {
		r := serve(t)
		cl := r.signed(c.user + "@corp.example")
		cl.do("MAIL FROM:<"+c.user+"@corp.example>", "250")
		cl.do("RCPT TO:<b@other.example>", "250")
		cl.do("DATA", "354")
		got := cl.do(mailFrom(c.header)+".", c.want)
		if c.want == no && strings.Contains(c.header, "From: bob@corp.example\r") && !strings.Contains(got, "bob@corp.example") {
			t.Errorf("%q: the refusal does not name the address: %s", c.header, got)
		}
	}
}

func TestRefusalNamesTheAddress(t *testing.T) {
	r := serve(t)
	c := r.signed("alice@corp.example")
	if got := c.do("MAIL FROM:<ceo@corp.example>", "550 5.7.1"); !strings.Contains(got, "ceo@corp.example") {
		t.Error(got)
	}
	c.begin("b@other.example")
	c.do("DATA", "354")
	if got := c.do(mailFrom("From: ceo@corp.example")+".", "550 5.7.1"); !strings.Contains(got, "ceo@corp.example") {
		t.Error(got)
	}
}

func TestNullReversePathIsAllowedForOnesOwnMail(t *testing.T) {
	r := serve(t)
	c := r.signed("alice@corp.example")
	c.do("MAIL FROM:<>", "250")
	c.do("RCPT TO:<b@other.example>", "250")
	c.data(someMail)
	c.do("MAIL FROM:<>", "250")
	c.do("RCPT TO:<b@other.example>", "250")
	c.do("DATA", "354")
	c.do(mailFrom("From: bob@corp.example")+".", "550 5.7.1")
	if m := r.shelf.only(t); m.MailFrom != "" || m.Person != alice {
		t.Errorf("%+v", m.Envelope)
	}
}

func TestAliasBelongsToThePerson(t *testing.T) {
	r := serve(t)
	c := r.signed("alice@corp.example")
	c.do("MAIL FROM:<A.Sato@corp.example>", "250")
	c.do("RCPT TO:<b@other.example>", "250")
	c.data(mailFrom("From: a.sato@corp.example"))
	if m := r.shelf.only(t); m.Person != alice || m.MailFrom != "A.Sato@corp.example" {
		t.Errorf("%+v", m.Envelope)
	}
}

func TestUserWithoutAPeopleEntryHasOneAddress(t *testing.T) {
	r := serve(t, func(o *Options) { o.People = book{} })
	c := r.signed("bob@corp.example")
	c.do("MAIL FROM:<alice@corp.example>", "550 5.7.1")
	c.do("MAIL FROM:<bob@corp.example>", "250")
	c.do("RCPT TO:<b@other.example>", "250")
	c.data(mailFrom("From: bob@corp.example"))
}

func TestRecipientRules(t *testing.T) {
	r := serve(t, func(o *Options) {
		o.Limits.Recipients = 3
		o.RefuseRecipient = func(person mailaddr.Address, source string, to mailaddr.Address) string {
			if person == alice && source == "" && to.Domain() == "rival.example" {
				return "the company does\r\nnot write to them"
			}
			return ""
		}
	})
	c := r.signed("alice@corp.example")
	c.begin("b@other.example", "b@OTHER.example", "c@other.example")
	got := c.do("RCPT TO:<x@rival.example>", "550 5.7.1")
	if !strings.Contains(got, "Mail to x@rival.example is not allowed: the company does  not write to them") {
		t.Error(got)
	}
	c.do("RCPT TO:<d@other.example>", "250")
	c.do("RCPT TO:<e@other.example>", "452 4.5.3")
	c.do("RCPT TO:<b@other.example>", "2")
	c.data(someMail)
	if got := r.shelf.only(t).Recipients; len(got) != 3 {
		t.Errorf("recipients %v", got)
	}
}

func TestPaceOfRecipients(t *testing.T) {
	r := serve(t, func(o *Options) { o.Limits.RecipientsPer10Minutes, o.Limits.RecipientsPerDay = 5, 8 })
	c := r.signed("alice@corp.example")
	send := func(c *client, from string, n int) {
		c.do("MAIL FROM:<"+from+">", "250")
		for i := range n {
			c.do(fmt.Sprintf("RCPT TO:<u%d@other.example>", i), "250")
		}
		c.data(mailFrom("From: " + from))
	}
	send(c, "alice@corp.example", 3)
	send(c, "a.sato@corp.example", 2) // an alias is the same person
	c.do("MAIL FROM:<alice@corp.example>", "250")
	if got := c.do("RCPT TO:<b@other.example>", "450 4.7.1"); !strings.Contains(got, "minutes") {
		t.Error(got)
	}
	send(r.signed("bob@corp.example"), "bob@corp.example", 4) // nobody stands for another
	if n := len(r.shelf.all()); n != 3 {
		t.Errorf("%d stored", n)
	}
}
