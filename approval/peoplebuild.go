package approval

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// Problem is one mistake in a people file. Line counts from 1; 0 is the whole
// file.
type Problem struct {
	Line int
	Text string
}

func (p Problem) String() string {
	if p.Line == 0 {
		return p.Text
	}
	return fmt.Sprintf("line %d: %s", p.Line, p.Text)
}

// entry is one person or shared address as written, before it is believed.
type entry struct {
	line       int
	address    string
	aliases    []string
	sendAs     []string
	name       string
	department string
	manager    string
	deputies   []deputyEntry
	groups     []string
	language   string
	members    []string // shared addresses only
}

type deputyEntry struct{ address, from, until string }

// binder turns entries into a Book and collects every mistake on the way, so
// that an administrator mends a file once, not once per mistake.
type binder struct {
	book     *Book
	owner    map[mailaddr.Address]int // line that took an address first
	problems []Problem
}

// bind makes the Book. With problems it is not to be used.
func bind(people, shared []entry) (*Book, []Problem) {
	b := &binder{
		book: &Book{
			byKey:  map[mailaddr.Address]*Person{},
			shared: map[mailaddr.Address]*Shared{},
			groups: map[string][]*Person{},
		},
		owner: map[mailaddr.Address]int{},
	}
	lines := map[*Person]int{}
	for _, e := range people {
		if p := b.person(e); p != nil {
			lines[p] = e.line
		}
	}
	for _, e := range shared {
		b.share(e)
	}
	for _, p := range b.book.people {
		b.checkReferences(p, lines[p])
	}
	return b.book, b.problems
}

func (b *binder) fail(line int, format string, args ...any) {
	b.problems = append(b.problems, Problem{Line: line, Text: fmt.Sprintf(format, args...)})
}

func (b *binder) address(line int, what, s string) mailaddr.Address {
	a, err := mailaddr.Parse(strings.TrimSpace(s), true)
	if err != nil {
		b.fail(line, "%s %q: %v", what, s, err)
		return ""
	}
	return a
}

func (b *binder) addresses(line int, what string, list []string) []mailaddr.Address {
	var out []mailaddr.Address
	for _, s := range list {
		if a := b.address(line, what, s); a != "" {
			out = append(out, a)
		}
	}
	return out
}

// take makes an address belong to one line only: whoever shared an address
// with a colleague could approve the colleague's mail as their own.
func (b *binder) take(line int, a mailaddr.Address) bool {
	if first, ok := b.owner[a.Key()]; ok {
		b.fail(line, "address %s already stands on line %d", a, first)
		return false
	}
	b.owner[a.Key()] = line
	return true
}

func (b *binder) person(e entry) *Person {
	if strings.TrimSpace(e.address) == "" {
		b.fail(e.line, "a person needs an address")
		return nil
	}
	p := &Person{
		Address:    b.address(e.line, "address", e.address),
		Name:       strings.TrimSpace(e.name),
		Department: strings.TrimSpace(e.department),
		Groups:     e.groups,
		Language:   strings.ToLower(strings.TrimSpace(e.language)),
	}
	if p.Address == "" || !b.take(e.line, p.Address) {
		return nil
	}
	b.book.byKey[p.Address.Key()] = p
	for _, a := range b.addresses(e.line, "alias", e.aliases) {
		if b.take(e.line, a) {
			p.Aliases = append(p.Aliases, a)
			b.book.byKey[a.Key()] = p
		}
	}
	p.SendAs = b.patterns(e.line, e.sendAs)
	if strings.TrimSpace(e.manager) != "" {
		p.Manager = b.address(e.line, "manager", e.manager)
	}
	for _, d := range e.deputies {
		b.deputy(e.line, p, d)
	}
	if p.Language != "" && p.Language != "ja" && p.Language != "en" {
		b.fail(e.line, "language %q: write ja or en", e.language)
	}
	for _, g := range p.Groups {
		if !slices.Contains(b.book.groups[g], p) {
			b.book.groups[g] = append(b.book.groups[g], p)
		}
	}
	b.book.people = append(b.book.people, p)
	return p
}

func (b *binder) patterns(line int, list []string) []string {
	var out []string
	for _, s := range list {
		s = strings.TrimSpace(s)
		probe, wild := strings.CutPrefix(s, "*")
		switch {
		case wild && probe == "":
			out = append(out, s)
		case wild:
			// The star stands for any local part: check the rest as an address.
			if b.address(line, "send_as", "any"+probe) != "" {
				out = append(out, s)
			}
		default:
			if b.address(line, "send_as", s) != "" {
				out = append(out, s)
			}
		}
	}
	return out
}

func (b *binder) deputy(line int, p *Person, e deputyEntry) {
	d := Deputy{
		Address: b.address(line, "deputy", e.address),
		From:    b.day(line, "from", e.from),
		Until:   b.day(line, "until", e.until),
	}
	if !d.From.IsZero() && !d.Until.IsZero() && d.Until.Before(d.From) {
		b.fail(line, "deputy %s: until %s lies before from %s", e.address, e.until, e.from)
		return
	}
	if d.Address != "" {
		p.Deputies = append(p.Deputies, d)
	}
}

// day reads the two ways Excel and people write a date.
func (b *binder) day(line int, what, s string) time.Time {
	s = strings.TrimSpace(s)
	if s == "" {
		return time.Time{}
	}
	for _, layout := range []string{"2006-1-2", "2006/1/2"} {
		if t, err := time.ParseInLocation(layout, s, time.UTC); err == nil {
			return t
		}
	}
	b.fail(line, "%s %q: write a date like 2026-12-01", what, s)
	return time.Time{}
}

func (b *binder) share(e entry) {
	s := &Shared{Address: b.address(e.line, "shared address", e.address)}
	if s.Address == "" || !b.take(e.line, s.Address) {
		return
	}
	if len(e.members) == 0 {
		b.fail(e.line, "shared address %s has no members", s.Address)
	}
	for _, m := range b.addresses(e.line, "member", e.members) {
		if _, ok := b.book.byKey[m.Key()]; !ok {
			b.fail(e.line, "member %s of %s is not a person of this file", m, s.Address)
			continue
		}
		s.Members = append(s.Members, m)
	}
	b.book.shared[s.Address.Key()] = s
}

// checkReferences looks at what a person names of others once all are known.
func (b *binder) checkReferences(p *Person, line int) {
	if p.Manager != "" {
		m, ok := b.book.byKey[p.Manager.Key()]
		switch {
		case !ok:
			b.fail(line, "manager %s of %s is not a person of this file", p.Manager, p.Address)
		case m == p:
			b.fail(line, "%s is named as their own manager; leave manager empty and administrators are asked", p.Address)
		}
	}
	for _, d := range p.Deputies {
		other, ok := b.book.byKey[d.Address.Key()]
		switch {
		case !ok:
			b.fail(line, "deputy %s of %s is not a person of this file", d.Address, p.Address)
		case other == p:
			b.fail(line, "%s is named as their own deputy", p.Address)
		}
	}
}
