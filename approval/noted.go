package approval

import (
	"slices"
	"strings"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/audit"
	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// Noted is a rule that matched and is written down: in mode audit only in the
// log, in mode notify also in a notice, and where an enforced rule names people
// to be told, in a notice alone, for what it does stands in the log anyway.
type Noted struct {
	Rule    string
	Mode    NoteMode
	Who     []string // as approvers are written; nobody in mode audit
	Reasons []Reason
}

// NoteMode is the mode of a rule that is noted.
type NoteMode string

// The modes as rules have them.
const (
	NoteAudit   NoteMode = "audit"
	NoteNotify  NoteMode = "notify"
	NoteEnforce NoteMode = "enforce"
)

// noting is one mail with what is noted about its recipients.
type noting struct {
	m      *holdqueue.Message
	by     []notedRecipient
	places []Place
	// hide: something was found in the subject.
	hide bool
}

type notedRecipient struct {
	*holdqueue.Recipient
	rules []Noted
}

// note writes the rules into the log and tells people, in the transaction of
// the inspection and once for the whole mail. The queue calls a hook for the
// held, one for the waiting and one for the refused: the first of them that
// speaks of anybody a rule is noted for does it for all.
func (d *Desk) note(tx *db.Tx, m *holdqueue.Message, changed []*holdqueue.Recipient) error {
	if !m.InspectedAt.Equal(tx.Now()) {
		return nil
	}
	n := d.notable(m)
	if len(n.by) == 0 || !slices.Contains(changed, n.by[0].Recipient) {
		return nil
	}
	if err := n.log(tx); err != nil {
		return err
	}
	if splits(m) {
		var about []*holdqueue.Recipient
		for _, x := range n.by {
			about = append(about, x.Recipient)
		}
		return d.tellLater(tx, m, noteNoted, about)
	}
	return d.tellNoted(tx, n)
}

// notable gathers the recipients that a rule is noted for, in the order in
// which the queue speaks of them.
func (d *Desk) notable(m *holdqueue.Message) noting {
	n := noting{m: m}
	for _, state := range []holdqueue.State{holdqueue.Held, holdqueue.Delayed, holdqueue.Refused} {
		for _, r := range m.Recipients {
			if r.State == state {
				d.notedFor(&n, r)
			}
		}
	}
	return n
}

// notedFor adds a recipient for whom rules are noted.
func (d *Desk) notedFor(n *noting, r *holdqueue.Recipient) {
	// One that cannot be read is told of where it is held.
	v, err := d.Verdict(n.m, r)
	if err != nil || len(v.Noted) == 0 {
		return
	}
	n.by = append(n.by, notedRecipient{r, v.Noted})
	n.hide = n.hide || v.HideSubject
	for _, p := range v.Places {
		n.places = appendNew(n.places, p)
	}
}

// log names the rules of the two modes that otherwise leave no trace.
func (n noting) log(tx *db.Tx) error {
	for _, e := range []struct {
		mode   NoteMode
		action string
	}{{NoteAudit, "rule.audited"}, {NoteNotify, "rule.noted"}} {
		var names []string
		for _, r := range n.by {
			for _, x := range r.rules {
				if x.Mode == e.mode {
					names = appendNew(names, x.Rule)
				}
			}
		}
		if len(names) == 0 {
			continue
		}
		slices.Sort(names)
		err := audit.Append(tx, audit.Entry{Actor: string(holdqueue.System), Action: e.action, Message: n.m.ID,
			Detail: map[string]string{"rules": strings.Join(names, ", ")}})
		if err != nil {
			return err
		}
	}
	return nil
}

// tellNoted sends each reader one notice with all that this reader is told.
func (d *Desk) tellNoted(tx *db.Tx, n noting) error {
	var readers []mailaddr.Address
	told := map[mailaddr.Address]*noting{}
	router := d.router(tx.Now())
	for _, r := range n.by {
		for _, x := range r.rules {
			for _, who := range router.told(x.Who, n.m, d.outside) {
				if told[who] == nil {
					readers = append(readers, who)
					told[who] = &noting{m: n.m, places: n.places, hide: n.hide}
				}
				told[who].add(r.Recipient, x)
			}
		}
	}
	for _, who := range readers {
		if err := d.post(tx, d.reader(who), noteNoted, d.notedNotice(tx, *told[who], who, router), posting{about: n.m}); err != nil {
			return err
		}
	}
	return nil
}

func (n *noting) add(r *holdqueue.Recipient, x Noted) {
	if last := len(n.by) - 1; last < 0 || n.by[last].Recipient != r {
		n.by = append(n.by, notedRecipient{Recipient: r})
	}
	here := &n.by[len(n.by)-1]
	here.rules = append(here.rules, x)
}

func (d *Desk) notedNotice(tx *db.Tx, n noting, who mailaddr.Address, r router) notice {
	to := d.reader(who)
	var about []*holdqueue.Recipient
	for _, x := range n.by {
		about = append(about, x.Recipient)
	}
	out := d.of(n.m, to, about, n.hide)
	out.Recipients = nil
	waits := false
	for _, x := range n.by {
		later := x.State == holdqueue.Delayed && x.ReleaseAt.After(tx.Now())
		waits = waits || later || x.State == holdqueue.Held
		out.Stopped = out.Stopped || x.State != holdqueue.Delayed
		out.Recipients = append(out.Recipients, recipientLine(n.m, x.Recipient, to.language)+d.fate(x.Recipient, later, to.language))
		for _, rule := range x.rules {
			out.Rules = appendNew(out.Rules, oneLine(rule.Rule))
			for _, why := range rule.Reasons {
				out.Reasons = appendNew(out.Reasons, why.line(n.places, to.language))
			}
		}
	}
	out.Recipients = bounded(out.Recipients, to.language)
	p, _ := r.book.ByAddress(n.m.Person)
	out.Own = who.Key() == n.m.Person.Key() || p.Is(who)
	switch {
	case out.Own && waits:
		out.URL, out.Waits = d.cancelURL(n.m.ID), true
	case out.Own || slices.ContainsFunc(r.admins, func(a *Person) bool { return a.Is(who) }):
		out.URL = d.messageURL(n.m.ID) // nobody else may open the page
	}
	return out
}

// fate says what becomes of a recipient, as far as it is known now.
func (d *Desk) fate(r *holdqueue.Recipient, later bool, language string) string {
	ja, en := "送信します", "is sent now"
	switch {
	case r.State == holdqueue.Held:
		ja, en = "保留しています", "is held"
	case r.State.Ended() && r.State != holdqueue.Sent:
		ja, en = "送信しません", "is not sent"
	case later:
		at := longTime(language, r.ReleaseAt.In(d.Calendar.Zone()))
		ja, en = at+"に送信します", "leaves "+at
	}
	if language == langEN {
		return ": " + en
	}
	return "：" + ja
}

// told resolves who hears of a rule that matched, each once. Somebody always
// does: what is meant for people not known here goes to the administrators.
// The one exception is automatic mail, whose sender nobody reads.
func (r router) told(words []string, m *holdqueue.Message, outside func(mailaddr.Address) bool) []mailaddr.Address {
	var out []mailaddr.Address
	sender, _ := r.book.ByAddress(m.Person)
	for _, word := range words {
		found := r.toldBy(word, m.Person, sender, outside)
		if word == toSender && m.Automatic {
			continue
		}
		if len(found) == 0 {
			found = addressesOf(r.admins)
		}
		for _, a := range found {
			if !slices.ContainsFunc(out, func(x mailaddr.Address) bool { return x.Key() == a.Key() }) {
				out = append(out, a)
			}
		}
	}
	return out
}

func (r router) toldBy(word string, person mailaddr.Address, sender *Person, outside func(mailaddr.Address) bool) []mailaddr.Address {
	group, isGroup := strings.CutPrefix(word, toGroup)
	switch {
	case word == toSender && sender == nil:
		return []mailaddr.Address{person}
	case word == toSender:
		return []mailaddr.Address{sender.Address}
	case word == toAdmin:
		return addressesOf(r.admins)
	case word == toManager:
		if m, ok := r.book.Manager(sender); ok {
			return []mailaddr.Address{m.Address}
		}
		return nil
	case word == toPool:
		return addressesOf(r.pool)
	case isGroup:
		return addressesOf(r.book.Group(group))
	}
	a := mailaddr.Address(word)
	p, isPerson := r.book.ByAddress(a)
	members, isShared := r.book.Members(a)
	switch {
	case isPerson:
		return []mailaddr.Address{p.Address}
	case isShared:
		return addressesOf(members)
	case outside(a):
		return nil // what a mail was noted for does not leave the company
	}
	return []mailaddr.Address{a} // a mailbox of the company that is nobody's own
}

func addressesOf(people []*Person) []mailaddr.Address {
	var out []mailaddr.Address
	for _, p := range people {
		out = append(out, p.Address)
	}
	return out
}
