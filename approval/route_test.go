package approval

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

func TestRoutes(t *testing.T) {
	book := company(t)
	c := tokyo(t)
	plain, away := "2026-11-24 10:00", "2026-12-02 10:00"
	tests := []struct {
		name   string
		sender mailaddr.Address
		stage  Stage
		when   string
		want   string // who, as what
		notes  []Note
	}{
		{"the manager", "alice@corp.example", asking("manager"), plain, "manager/approver", nil},
		{"the manager by the sender's alias", "A.SATO@corp.example", asking("manager"), plain, "manager/approver", nil},
		{"a manager who is away", "alice@corp.example", asking("manager"), away, "manager/approver deputy/deputy", nil},
		{"no manager", "director@corp.example", asking("manager"), plain, "role:admin/admin admin/admin", []Note{NoManager}},
		{"a sender nobody knows", "ghost@corp.example", asking("manager"), plain, "role:admin/admin admin/admin", []Note{NoManager}},
		{"administrators", "alice@corp.example", asking("admin"), plain, "role:admin/admin admin/admin", nil},
		{"an administrator's own mail", "admin@corp.example", asking("admin"), plain, "role:admin/admin", nil},
		{"the sender alone", "alice@corp.example", asking("sender"), plain, "alice/sender", nil},
		{"the sender beside others adds nobody", "alice@corp.example", asking("sender", "manager"), plain, "manager/approver", nil},
		{"a group without the sender", "alice@corp.example", asking("group:sales"), plain, "bob/approver", nil},
		{"a group of the sender alone", "bob@corp.example", asking("group:legal"), plain, "role:admin/admin admin/admin", []Note{NoApprover}},
		{"a group nobody is in", "alice@corp.example", asking("group:ghosts"), plain, "role:admin/admin admin/admin", []Note{NoApprover}},
		{"an address", "alice@corp.example", asking("director@corp.example"), plain, "director/approver", nil},
		{"an address of the sender", "alice@corp.example", asking("a.sato@corp.example"), plain, "role:admin/admin admin/admin", []Note{NoApprover}},
		{"a shared address", "manager@corp.example", asking("sales@corp.example"), plain, "alice/approver bob/approver", nil},
		{"an address nobody knows", "alice@corp.example", asking("x@else.example"), plain, "role:admin/admin admin/admin", []Note{NoApprover}},
		{"a pool with the known people of the role", "alice@corp.example", asking("role:approver"), plain, "role:approver/approver manager/approver director/approver", nil},
		{"a pool and its deputies", "alice@corp.example", asking("role:approver"), away,
			"role:approver/approver manager/approver deputy/deputy director/approver", nil},
		{"a pool without the sender", "manager@corp.example", asking("role:approver"), plain, "role:approver/approver director/approver", nil},
		{"a pool beside the manager", "alice@corp.example", asking("manager", "role:approver"), plain,
			"manager/approver role:approver/approver director/approver", nil},
		{"once each", "alice@corp.example", asking("manager", "group:managers", "manager@corp.example"), plain, "manager/approver", nil},
		{"more voices than people", "alice@corp.example", Stage{Approvers: []string{"manager"}, Quorum: 2}, plain,
			"manager/approver role:admin/admin admin/admin", nil},
		{"nobody at all", "alice@corp.example", Stage{}, plain, "role:admin/admin admin/admin", []Note{NoApprover}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := router{book: book, admins: []*Person{person(t, book, "admin@corp.example")},
				pool: []*Person{person(t, book, "manager@corp.example"), person(t, book, "director@corp.example")}, now: at(t, c, tt.when)}
			sender, _ := book.ByAddress(tt.sender)
			key := tt.sender.Key()
			if sender != nil {
				key = sender.Address.Key()
			}
			people, quorum, notes := r.stage(tt.stage, sender, key)
			if got := said(people); got != tt.want || !slices.Equal(notes, tt.notes) || quorum != max(tt.stage.Quorum, 1) {
				t.Errorf("%s, quorum %d, notes %v; want %s, notes %v", got, quorum, notes, tt.want, tt.notes)
			}
		})
	}
}

// Nobody of the role has a mailbox that is known: whoever signs in with it may answer, and administrators are mailed.
func TestAPoolOfStrangersAsksTheAdministratorsToo(t *testing.T) {
	book := company(t)
	alice := person(t, book, "alice@corp.example")
	for _, pool := range [][]*Person{nil, {alice}} {
		r := router{book: book, admins: []*Person{person(t, book, "admin@corp.example")}, pool: pool, now: time.Now()}
		people, _, notes := r.stage(asking("role:approver"), alice, alice.Address)
		if got := said(people); got != "role:approver/approver role:admin/admin admin/admin" || !slices.Equal(notes, []Note{NoApprover}) {
			t.Errorf("%s, notes %v", got, notes)
		}
	}
}

func said(people []asked) string {
	var out []string
	for _, p := range people {
		out = append(out, fmt.Sprintf("%s/%s", p.who.Local(), p.as))
	}
	return strings.Join(out, " ")
}

func TestEscalation(t *testing.T) {
	book := company(t)
	c := tokyo(t)
	tests := []struct {
		name    string
		already []asked
		sender  mailaddr.Address
		want    string
	}{
		{"the standing deputy first", []asked{{"manager@corp.example", AsApprover}}, "alice@corp.example", "bob/deputy"},
		{"a deputy's own mail goes to the manager's manager", []asked{{"manager@corp.example", AsApprover}}, "bob@corp.example", "director/escalation"},
		{"without deputy the manager's manager", []asked{{"deputy@corp.example", AsApprover}}, "alice@corp.example", "director/escalation"},
		{"at the top, administrators", []asked{{"director@corp.example", AsApprover}}, "alice@corp.example", "role:admin/admin admin/admin"},
		{"after everybody, nobody new", []asked{{"director@corp.example", AsApprover}, {adminRole, AsAdmin}, {"admin@corp.example", AsAdmin}}, "alice@corp.example", ""},
	}
	for _, tt := range tests {
		r := router{book: book, admins: []*Person{person(t, book, "admin@corp.example")}, now: at(t, c, begin)}
		if got := said(r.escalation(tt.already, tt.sender)); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}
