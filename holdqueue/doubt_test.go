package holdqueue

import (
	"crypto/sha256"
	"strings"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db"
)

// hand gives the queue a mail as a client would, and does not say that the client has heard of it.
func (h *house) hand(text string, change ...func(*Envelope)) (*Draft, ID) {
	h.t.Helper()
	d, err := h.Begin(h.t.Context())
	must(h.t, err)
	_, err = d.Write([]byte(text))
	must(h.t, err)
	env := Envelope{Origin: FromPerson, Person: "a@corp.example", MailFrom: "a@corp.example", Received: sha256.Sum256([]byte(text)),
		Recipients: []EnvelopeRecipient{{Address: "x@o.example"}, {Address: "y@o.example"}}, Meta: Meta{MessageID: "1@corp.example"}}
	for _, c := range change {
		c(&env)
	}
	id, err := d.Commit(h.t.Context(), env)
	must(h.t, err)
	return d, id
}

func TestResendOfAMailInDoubtIsTheSameMail(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		for _, text := range []string{"S: small\r\n\r\n", "S: large\r\n\r\n" + strings.Repeat("long\r\n", 100_000)} {
			_, id := h.hand(text)
			h.reopen() // what was in memory is gone, as after kill -9
			_, again := h.hand(text, func(e *Envelope) { e.Recipients[0], e.Recipients[1] = e.Recipients[1], e.Recipients[0] })
			if again != id {
				t.Errorf("%d octets: the resend became a mail of its own", len(text))
			}
			// Also when its sender has taken the first one back meanwhile: the program that sends again knows nothing of that.
			_, err := h.Cancel(t.Context(), id, nil, "", Person("a@corp.example"))
			must(t, err)
			if _, again := h.hand(text); again != id {
				t.Errorf("%d octets: a mail that was taken back came back", len(text))
			}
			keys := 0
			must(t, h.opts.Blobs.Walk(t.Context(), bodies, func(string, int64, time.Time) error { keys++; return nil }))
			if len(text) > inRow && keys != 1 {
				t.Errorf("%d bodies of one mail in the store", keys)
			}
		}
	})
}

func TestWhatDiffersFromAMailInDoubtIsAnother(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		_, id := h.hand("S: x\r\n\r\n")
		for name, change := range map[string]func(*Envelope){
			"sender":     func(e *Envelope) { e.MailFrom = "b@corp.example" },
			"person":     func(e *Envelope) { e.Person = "b@corp.example" },
			"source":     func(e *Envelope) { e.Source = "app" },
			"recipients": func(e *Envelope) { e.Recipients = e.Recipients[:1] },
			"Message-ID": func(e *Envelope) { e.Meta.MessageID = "2@corp.example" },
			"content":    func(e *Envelope) { e.Received[0]++ },
			"time":       func(*Envelope) { h.advance(doubtTime) },
		} {
			if name == "time" {
				continue // below: it would make all others differ, too
			}
			if _, other := h.hand("S: x\r\n\r\n", change); other == id {
				t.Errorf("another %s was taken for a resend", name)
			}
		}
		h.advance(doubtTime)
		if _, other := h.hand("S: x\r\n\r\n"); other == id {
			t.Error("a mail of yesterday was taken for a resend")
		}
	})
}

func TestMailsWithoutMessageIDAreNeverResends(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		nameless := func(e *Envelope) { e.Meta.MessageID = "" }
		_, one := h.hand("S: test page\r\n\r\n", nameless)
		if _, two := h.hand("S: test page\r\n\r\n", nameless); one == two {
			t.Error("two test pages of a printer became one")
		}
	})
}

func TestAnsweredMailIsNoLongerInDoubtAlsoAfterARestart(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.run()
		d, id := h.hand("S: x\r\n\r\n")
		d.Answered()
		h.eventually("the answer is noted", func() bool { return h.inDoubt() == 0 })
		h.halt()
		h.reopen()
		if _, other := h.hand("S: x\r\n\r\n"); other == id {
			t.Error("a mail whose client had its answer was taken for a resend")
		}
		h.advance(doubtTime + time.Minute)
		must(t, h.SweepDoubts(t.Context()))
		if n := h.inDoubt(); n != 0 {
			t.Errorf("%d mails are in doubt for ever", n)
		}
	})
}

func (h *house) inDoubt() (n int) {
	h.t.Helper()
	must(h.t, h.db.Read(h.t.Context(), func(tx *db.Tx) error { return tx.QueryRow(`SELECT COUNT(*) FROM doubt`).Scan(&n) }))
	return n
}
