package approval

import (
	"errors"
	"slices"
	"testing"

	"github.com/sekisho-mail/sekisho/internal/db"
)

// A rule may ask the pool of approvers: its known people are mailed, and whoever signs in with the role may answer.
func TestThePoolOfApprovers(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		s := plain("b@other.example")
		s.plans = []plan{hold(asking("role:approver"))}
		m := h.submit(s)
		h.gets("question", "manager")
		h.gets("question", "director")
		r := h.only(m)
		var with []string
		for _, x := range r.Holders {
			with = append(with, x.Address.Local())
		}
		if slices.Sort(with); !slices.Equal(with, []string{"director", "manager"}) {
			t.Errorf("it lies with %v", with)
		}
		member, stranger := Actor{Address: "robot@corp.example", Approver: true}, Actor{Address: "robot@corp.example"}
		if rows, _, err := h.Questions(t.Context(), member, Page{}); err != nil || len(rows) != 1 || rows[0].As != string(AsApprover) {
			t.Errorf("the pool is asked %v, %v", rows, err)
		}
		if n, err := h.Waiting(t.Context(), stranger, 9); n != 0 || err != nil {
			t.Errorf("somebody without the role is asked %d, %v", n, err)
		}
		if _, err := h.Request(t.Context(), r.ID, stranger); !errors.Is(err, ErrNotFound) {
			t.Errorf("somebody without the role sees it: %v", err)
		}
		if seen, err := h.Request(t.Context(), r.ID, member); err != nil || !seen.MayDecide {
			t.Errorf("the pool may not decide: %+v, %v", seen, err)
		}
		decide := func(by Actor) error {
			_, err := h.Decide(t.Context(), Decision{Request: r.ID, Revision: r.Revision, Verb: Approve, By: by})
			return err
		}
		if err := decide(stranger); !errors.Is(err, ErrNotApprover) {
			t.Errorf("somebody without the role decides: %v", err)
		}
		if err := decide(Actor{Address: "alice@corp.example", Approver: true}); !errors.Is(err, ErrSelf) {
			t.Errorf("the role lets senders approve their own mail: %v", err)
		}
		must(t, decide(member))
		var first *DecidedError
		if err := decide(Actor{Address: "manager@corp.example"}); !errors.As(err, &first) || first.By != "robot@corp.example" {
			t.Errorf("the manager comes second and hears %v", err)
		}
	})
}

// The role gives nothing where the rule asks somebody else (DESIGN 7.8).
func TestTheRoleAloneDecidesNothing(t *testing.T) {
	h := newHouse(t, db.SQLite)
	m := h.submit(plain("b@other.example"))
	r := h.only(m)
	member := Actor{Address: "robot@corp.example", Approver: true}
	if _, err := h.Request(t.Context(), r.ID, member); !errors.Is(err, ErrNotFound) {
		t.Errorf("seen: %v", err)
	}
	if _, err := h.Decide(t.Context(), Decision{Request: r.ID, Revision: r.Revision, Verb: Approve, By: member}); !errors.Is(err, ErrNotApprover) {
		t.Errorf("decided: %v", err)
	}
}

// Two voices of a pool are two people, whichever way they came to be asked.
func TestAQuorumOfThePool(t *testing.T) {
	h := newHouse(t, db.SQLite)
	s := plain("b@other.example")
	s.plans = []plan{hold(Stage{Approvers: []string{"role:approver"}, Quorum: 2})}
	m := h.submit(s)
	r := h.only(m)
	decide := func(by Actor) (Outcome, error) {
		return h.Decide(t.Context(), Decision{Request: r.ID, Revision: r.Revision, Verb: Approve, By: by})
	}
	member := Actor{Address: "robot@corp.example", Approver: true}
	if out, err := decide(member); err != nil || out.State != Open {
		t.Errorf("%+v, %v", out, err)
	}
	if _, err := decide(member); !errors.Is(err, ErrDecided) {
		t.Errorf("the same voice twice: %v", err)
	}
	if out, err := decide(Actor{Address: "manager@corp.example", Approver: true}); err != nil || out.State != Approved {
		t.Errorf("%+v, %v", out, err)
	}
}
