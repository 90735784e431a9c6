package approval

import (
	"slices"
	"time"

	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// Person is one human being as the company's file describes them. Address is
// the name they go by everywhere: in requests, in the audit log, as a login.
type Person struct {
	Address    mailaddr.Address
	Aliases    []mailaddr.Address
	SendAs     []string // addresses, "*@domain", or "*" for any
	Name       string
	Department string
	Manager    mailaddr.Address // empty: none
	Deputies   []Deputy
	Groups     []string
	Language   string // ja or en; empty: the organization's
}

// Deputy decides for a person. Without dates the deputy stands by and is asked
// when a question grows old; with dates the deputy is asked at once while they
// last. From and Until are days in the organization's zone, both included.
type Deputy struct {
	Address     mailaddr.Address
	From, Until time.Time // midnight UTC of the day named; zero: open
}

// Dated says whether the deputy stands in for an absence only.
func (d Deputy) Dated() bool { return !d.From.IsZero() || !d.Until.IsZero() }

// OnDuty says whether the day of at, as clocks in the zone of at show it, lies
// within the dates of a dated deputy.
func (d Deputy) OnDuty(at time.Time) bool {
	if !d.Dated() {
		return false
	}
	y, m, day := at.Date()
	today := time.Date(y, m, day, 0, 0, 0, 0, time.UTC)
	return (d.From.IsZero() || !today.Before(d.From)) && (d.Until.IsZero() || !today.After(d.Until))
}

// Shared is an address several people write from and read.
type Shared struct {
	Address mailaddr.Address
	Members []mailaddr.Address
}

// Book is one reading of the people file. It never changes; Roster gives a new
// one when the file does. A nil Book knows nobody.
type Book struct {
	people []*Person
	byKey  map[mailaddr.Address]*Person
	shared map[mailaddr.Address]*Shared
	groups map[string][]*Person
}

// ByAddress finds the person an address or one of their aliases belongs to. A
// shared address belongs to nobody.
func (b *Book) ByAddress(a mailaddr.Address) (*Person, bool) {
	if b == nil {
		return nil, false
	}
	p, ok := b.byKey[a.Key()]
	return p, ok
}

// People lists everybody in the order of the file.
func (b *Book) People() []*Person {
	if b == nil {
		return nil
	}
	return slices.Clone(b.people)
}

// Manager is the person's manager. It is false for nobody's subordinate, for a
// manager the file does not know, and for people named as their own manager.
func (b *Book) Manager(p *Person) (*Person, bool) {
	if p == nil || p.Manager == "" {
		return nil, false
	}
	m, ok := b.ByAddress(p.Manager)
	return m, ok && m != p
}

// Chain lists the managers upwards, the nearest first. Two people who manage
// each other end it.
func (b *Book) Chain(p *Person) []*Person {
	var chain []*Person
	for m, ok := b.Manager(p); ok && m != p && !slices.Contains(chain, m); m, ok = b.Manager(m) {
		chain = append(chain, m)
	}
	return chain
}

// Group lists the people of a group in the order of the file.
func (b *Book) Group(name string) []*Person {
	if b == nil {
		return nil
	}
	return slices.Clone(b.groups[name])
}

// InGroup says whether the person belongs to the group.
func (p *Person) InGroup(name string) bool { return p != nil && slices.Contains(p.Groups, name) }

// Members lists the people of a shared address; false when it is none.
func (b *Book) Members(a mailaddr.Address) ([]*Person, bool) {
	if b == nil {
		return nil, false
	}
	s, ok := b.shared[a.Key()]
	if !ok {
		return nil, false
	}
	var members []*Person
	for _, m := range s.Members {
		if p, ok := b.ByAddress(m); ok {
			members = append(members, p)
		}
	}
	return members, true
}

// MaySendAs says whether the person may write from the address: their own,
// an alias, a shared address they are a member of, or one of send_as.
func (b *Book) MaySendAs(p *Person, from mailaddr.Address) bool {
	if p == nil || from == "" {
		return false
	}
	if owner, ok := b.ByAddress(from); ok && owner == p {
		return true
	}
	if members, ok := b.Members(from); ok && slices.Contains(members, p) {
		return true
	}
	return slices.ContainsFunc(p.SendAs, func(pattern string) bool { return sendAs(pattern, from) })
}

func sendAs(pattern string, from mailaddr.Address) bool {
	switch {
	case pattern == "*":
		return true
	case len(pattern) > 2 && pattern[:2] == "*@":
		return mailaddr.ASCIIDomain(pattern[2:]) == from.Domain()
	default:
		return mailaddr.Address(pattern).Key() == from.Key()
	}
}

// Is says whether the address is this person's, an alias included.
func (p *Person) Is(a mailaddr.Address) bool {
	if p == nil || a == "" {
		return false
	}
	k := a.Key()
	return p.Address.Key() == k || slices.ContainsFunc(p.Aliases, func(x mailaddr.Address) bool { return x.Key() == k })
}

// Called is the name to show: the name of the file, else the address.
func (p *Person) Called() string {
	if p.Name != "" {
		return p.Name
	}
	return p.Address.String()
}
