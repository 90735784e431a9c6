package approval

import (
	"slices"
	"strings"
	"time"

	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// Stage is one question as a rule writes it: Quorum of Approvers must agree.
// Approvers are written manager, admin, sender, group:NAME, role:approver or an address. The
// stage [sender] is self review: the sender confirms or takes the mail back;
// when another stage follows, confirming only passes the question on.
type Stage struct {
	Approvers []string `json:"approvers"`
	Quorum    int      `json:"quorum"`
}

// The words of a route.
const (
	toManager = "manager"
	toAdmin   = "admin"
	toSender  = "sender"
	toGroup   = "group:"
	toPool    = "role:approver"
)

// Capacity says as what somebody is asked.
type Capacity string

const (
	AsApprover   Capacity = "approver"
	AsDeputy     Capacity = "deputy"
	AsEscalation Capacity = "escalation"
	AsAdmin      Capacity = "admin"
	AsSender     Capacity = "sender"
)

// adminRole stands in a question row for whoever signs in as administrator.
const adminRole mailaddr.Address = "role:admin"

// approverRole stands beside the known people of the pool for whoever else
// signs in with the role.
const approverRole mailaddr.Address = toPool

// asked is one person a stage is put to.
type asked struct {
	who mailaddr.Address // look-up form, adminRole or approverRole
	as  Capacity
}

// Note is something about the route that the people asked should know.
type Note string

// NoManager: the rule says manager and there is none the product could ask.
// NoApprover: the rule names people the product does not know, or only the
// sender.
const (
	NoManager  Note = "no_manager"
	NoApprover Note = "no_approver"
)

// router resolves the words of a stage into people at one moment.
type router struct {
	book   *Book
	admins []*Person // known administrators; adminRole is always asked beside them
	pool   []*Person // known people of role:approver
	now    time.Time // in the organization's zone
}

// selfReview says whether the stage asks the sender alone. Beside others the
// word sender adds nobody: they decide.
func (s Stage) selfReview() bool {
	return len(s.Approvers) > 0 && !slices.ContainsFunc(s.Approvers, func(w string) bool { return w != toSender })
}

// stage gives the people to ask, and how many of them must agree. It never
// gives nobody: what nobody else may decide goes to the administrators.
func (r router) stage(s Stage, sender *Person, person mailaddr.Address) (people []asked, quorum int, notes []Note) {
	quorum = max(s.Quorum, 1)
	if s.selfReview() {
		return []asked{{person.Key(), AsSender}}, 1, nil
	}
	list := &askList{sender: person.Key()}
	for _, word := range s.Approvers {
		if note := r.word(list, word, sender); note != "" {
			notes = appendNew(notes, note)
		}
	}
	// A pool of which nobody is known has no mailbox that a question could reach.
	if !slices.ContainsFunc(list.people, func(a asked) bool { return a.who != approverRole }) {
		notes = appendNew(notes, NoApprover)
		r.askAdmins(list)
	}
	// More voices than there are people would hold the mail until it expires
	// whatever they say; administrators may fill the ranks.
	if list.voices() < quorum {
		r.askAdmins(list)
	}
	return list.people, quorum, notes
}

func (r router) word(list *askList, word string, sender *Person) Note {
	switch {
	case word == toSender:
		return ""
	case word == toAdmin:
		r.askAdmins(list)
		return ""
	case word == toManager:
		m, ok := r.book.Manager(sender)
		if !ok {
			r.askAdmins(list)
			return NoManager
		}
		r.ask(list, m)
		return ""
	case word == toPool:
		list.add(approverRole, AsApprover)
		for _, p := range r.pool {
			r.ask(list, p)
		}
		return ""
	case strings.HasPrefix(word, toGroup):
		for _, p := range r.book.Group(strings.TrimPrefix(word, toGroup)) {
			r.ask(list, p)
		}
		return ""
	default:
		return r.askAddress(list, mailaddr.Address(word))
	}
}

func (r router) askAddress(list *askList, a mailaddr.Address) Note {
	if p, ok := r.book.ByAddress(a); ok {
		r.ask(list, p)
		return ""
	}
	members, ok := r.book.Members(a)
	if !ok {
		return NoApprover
	}
	for _, p := range members {
		r.ask(list, p)
	}
	return ""
}

// ask puts the question to a person and to whoever stands in for them today.
func (r router) ask(list *askList, p *Person) {
	list.add(p.Address.Key(), AsApprover)
	for _, d := range p.Deputies {
		if d.OnDuty(r.now) {
			list.addPerson(r.book, d.Address, AsDeputy)
		}
	}
}

func (r router) askAdmins(list *askList) {
	list.add(adminRole, AsAdmin)
	for _, p := range r.admins {
		list.add(p.Address.Key(), AsAdmin)
	}
}

// escalation gives the people to ask besides when those who were asked keep
// silent: standing deputies, else managers, else administrators.
func (r router) escalation(already []asked, sender mailaddr.Address) []asked {
	list := &askList{sender: sender.Key(), already: already}
	for _, a := range already {
		if p, ok := r.book.ByAddress(a.who); ok && a.as == AsApprover {
			for _, d := range p.Deputies {
				if !d.Dated() || d.OnDuty(r.now) {
					list.addPerson(r.book, d.Address, AsDeputy)
				}
			}
		}
	}
	if len(list.people) > 0 {
		return list.people
	}
	for _, a := range already {
		p, _ := r.book.ByAddress(a.who)
		if m, ok := r.book.Manager(p); ok && a.as == AsApprover {
			list.add(m.Address.Key(), AsEscalation)
		}
	}
	if len(list.people) == 0 {
		r.askAdmins(list)
	}
	return list.people
}

// askList collects people once each and never the sender.
type askList struct {
	sender  mailaddr.Address
	already []asked
	people  []asked
}

func (l *askList) add(who mailaddr.Address, as Capacity) {
	same := func(a asked) bool { return a.who == who }
	if who == l.sender || slices.ContainsFunc(l.people, same) || slices.ContainsFunc(l.already, same) {
		return
	}
	l.people = append(l.people, asked{who, as})
}

// addPerson adds the person behind an address that may be an alias.
func (l *askList) addPerson(book *Book, a mailaddr.Address, as Capacity) {
	if p, ok := book.ByAddress(a); ok {
		l.add(p.Address.Key(), as)
	}
}

// voices counts who could agree. Whoever signs in as administrator is one
// voice more than the known administrators, at least.
func (l *askList) voices() int { return len(l.people) }

// standIns gives the deputies whose dates have begun since people were asked.
func (r router) standIns(already []asked, sender mailaddr.Address) []asked {
	list := &askList{sender: sender.Key(), already: already}
	for _, a := range already {
		p, ok := r.book.ByAddress(a.who)
		if !ok || a.as != AsApprover {
			continue
		}
		for _, d := range p.Deputies {
			if d.OnDuty(r.now) {
				list.addPerson(r.book, d.Address, AsDeputy)
			}
		}
	}
	return list.people
}
