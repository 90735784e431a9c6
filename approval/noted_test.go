package approval

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// told is a rule in mode notify that names people.
func told(rule string, who ...string) Noted {
	return Noted{Rule: rule, Mode: NoteNotify, Who: who, Reasons: []Reason{{Rule: rule, Code: "content:secret.a", JA: "秘密情報が1件あります", EN: "1 secret found"}}}
}

// also is a plan beside which rules are noted.
func also(p plan, rules ...Noted) plan {
	p.Noted = rules
	return p
}

func send(delay time.Duration) plan { return plan{Action: holdqueue.ActionSend, Delay: delay} }

// One mail with a held, a waiting and a refused recipient is told of once, with what becomes of each.
func TestWhoARuleNamesHearsOnceOfAWholeMail(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		rule := told("secrets", "manager")
		s := plain("held@other.example", "later@other.example", "never@other.example", "quiet@other.example")
		s.plans = []plan{also(hold(asking("admin")), rule), also(send(5*time.Minute), rule, told("outside", "manager", "admin")),
			also(plan{Action: holdqueue.ActionRefuse}, rule), send(0)}
		m := h.submit(s)
		text := textOf(t, h.gets("noted", "manager"))
		for _, want := range []string{"佐藤 花子さんの次のメールは、会社の規則に当たります。", "規則：secrets、outside\n", "・秘密情報が1件あります\n",
			"・held@other.example：保留しています\n", "・later@other.example：11月24日（火）10:05に送信します\n", "・never@other.example：送信しません\n"} {
			if !strings.Contains(text, want) {
				t.Errorf("the notice lacks %q:\n%s", want, text)
			}
		}
		if strings.Contains(text, "quiet@") || strings.Contains(text, "https://") {
			t.Errorf("the notice shows somebody it is not about, or a page the reader may not open:\n%s", text)
		}
		if text := textOf(t, h.gets("noted", "admin")); strings.Contains(text, "held@") || !strings.Contains(text, "https://hold.corp.example/messages/"+m.ID) {
			t.Errorf("to the administrator:\n%s", text)
		}
		h.gets("refused", "alice") // the last of what the inspection made known
		if n := count(h.kinds(), "noted manager"); n != 1 {
			t.Errorf("%d notices: %v", n, h.kinds())
		}
		if got := h.audited(m.ID); count(got, "rule.noted") != 1 || slices.Contains(got, "rule.audited") {
			t.Errorf("log %v", got)
		}
	})
}

func count(list []string, want string) (n int) {
	for _, s := range list {
		if s == want {
			n++
		}
	}
	return n
}

// A decision, a release and a cancellation come after the inspection: nobody hears of the rule again.
func TestNothingIsToldAgainAfterTheInspection(t *testing.T) {
	h := newHouse(t, db.SQLite)
	s := plain("b@other.example", "c@other.example")
	s.plans = []plan{also(hold(asking("manager")), told("secrets", "manager"))}
	m := h.submit(s)
	h.gets("noted", "manager")
	r := h.only(m)
	_, err := h.decide(r, Approve, "manager@corp.example", r.Recipients[0].ID)
	must(t, err)
	_, err = h.decide(r, Reject, "manager@corp.example", r.Recipients[1].ID)
	must(t, err)
	h.gets("rejected", "alice")
	if n := count(h.kinds(), "noted manager"); n != 1 {
		t.Errorf("%d notices: %v", n, h.kinds())
	}
	if got := h.audited(m.ID); count(got, "rule.noted") != 1 {
		t.Errorf("log %v", got)
	}
}

// In mode audit only the log knows, and it knows the rules by name.
func TestAnAuditedRuleStandsInTheLogAlone(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		s := plain("b@other.example", "c@other.example")
		s.plans = []plan{also(send(0), Noted{Rule: "secrets", Mode: NoteAudit}, Noted{Rule: "cards", Mode: NoteAudit}),
			also(send(0), Noted{Rule: "cards", Mode: NoteAudit}, Noted{Rule: "enforced", Mode: NoteEnforce})}
		m := h.submit(s)
		if got := h.audited(m.ID); count(got, "rule.audited") != 1 || slices.Contains(got, "rule.noted") {
			t.Errorf("log %v", got)
		}
		must(t, h.db.Read(t.Context(), func(tx *db.Tx) error {
			var detail string
			if err := tx.QueryRow(`SELECT detail FROM audit_entry WHERE message = $1 AND action = 'rule.audited'`, m.ID).Scan(&detail); err != nil {
				return err
			}
			if !strings.Contains(detail, `"cards, secrets"`) {
				t.Errorf("detail %s", detail)
			}
			return nil
		}))
		h.until("the mail to leave", func() bool { return len(h.kinds()) == 2 })
		for _, k := range h.kinds() {
			if strings.HasPrefix(k, "noted") {
				t.Errorf("somebody was told: %v", h.kinds())
			}
		}
	})
}

func TestSendersAreToldWithTheirOwnLink(t *testing.T) {
	h := newHouse(t, db.SQLite)
	s := plain("b@other.example")
	s.plans = []plan{also(send(5*time.Minute), told("secrets", "sender"))}
	h.submit(s)
	text := textOf(t, h.gets("noted", "alice"))
	if !strings.Contains(text, "次のメールは、会社の規則に当たります。お知らせだけです。送信は止めていません。") || !strings.Contains(text, "取り消す・状況を見る：https://hold.corp.example/c/") {
		t.Errorf("a waiting mail:\n%s", text)
	}
	s.person, s.plans = "bob@corp.example", []plan{also(send(0), told("secrets", "sender"))}
	m := h.submit(s)
	text = textOf(t, h.gets("noted", "bob"))
	if !strings.Contains(text, "b@other.example: is sent now") || !strings.Contains(text, "See where it stands: https://hold.corp.example/messages/"+m.ID) ||
		!strings.Contains(text, "1 secret found") {
		t.Errorf("a mail that leaves:\n%s", text)
	}
}

func TestWhomTheWordsOfARuleReach(t *testing.T) {
	h := newHouse(t, db.SQLite)
	outside := func(a mailaddr.Address) bool { return !mailaddr.InDomains(a, []string{"corp.example"}) }
	for _, c := range []struct {
		person    mailaddr.Address
		automatic bool
		words     string
		want      string
	}{
		{"alice@corp.example", false, "sender", "alice"},
		{"guest@corp.example", false, "sender", "guest"}, // somebody the people file does not know
		{"alice@corp.example", true, "sender", ""},       // nobody reads the sender's mail
		{"alice@corp.example", true, "sender manager", "manager"},
		{"alice@corp.example", false, "manager", "manager"},
		{"guest@corp.example", false, "manager", "admin"}, // no manager: somebody must hear of it
		{"alice@corp.example", false, "admin", "admin"},
		{"alice@corp.example", false, "group:legal", "bob"},
		{"alice@corp.example", false, "group:nobody", "admin"},
		{"alice@corp.example", false, "role:approver", "manager director"},
		{"alice@corp.example", false, "manager manager@corp.example", "manager"},
		{"alice@corp.example", false, "security@corp.example", "security"},
		{"alice@corp.example", false, "x@other.example", "admin"}, // what a mail was noted for stays in the company
	} {
		m := &holdqueue.Message{Person: c.person, Automatic: c.automatic}
		var got []string
		for _, a := range h.router(time.Now()).told(strings.Fields(c.words), m, outside) {
			got = append(got, a.Local())
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s of %s: %v, want %q", c.words, c.person, got, c.want)
		}
	}
}
