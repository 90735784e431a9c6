package approval

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"time"

	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// Reason says why a mail is held, in both languages, without content of the
// mail: kinds and counts only. Rule and Code are stable.
type Reason struct {
	Rule string `json:"rule,omitempty"`
	Code string `json:"code"`
	JA   string `json:"ja"`
	EN   string `json:"en"`
}

// In gives the reason in a language; Japanese unless it is "en".
func (r Reason) In(language string) string {
	if language == langEN && r.EN != "" || r.JA == "" {
		return r.EN
	}
	return r.JA
}

// Verdict is what approval must know of what inspection decided about one
// recipient.
type Verdict struct {
	Stages     []Stage
	Expire     Period // zero: three business days
	Reasons    []Reason
	Rules      []string
	Transforms []string
	// Places say where the contents that Reasons and Noted speak of were found,
	// a few for each reason.
	Places []Place
	// HideSubject: something was found in the subject, so no notice repeats it.
	HideSubject bool
	// Attachments is the number of files of the mail.
	Attachments int
	// Likeness is equal for recipients of copies of one mail in which the same was found and for whom the same is
	// planned; "" is like nothing.
	Likeness string
	// Noted are the rules in mode audit or notify that matched, and those that
	// name people to be told.
	Noted []Noted
}

// Period is a length of time that may count business time only.
type Period struct {
	BusinessDays  int
	BusinessHours int
	Duration      time.Duration
}

// factoryExpiry is how long a question waits when no rule says otherwise.
const factoryExpiry = 3

// end gives the deadline of a question opened at a time.
func (p Period) end(c *Calendar, opened time.Time) time.Time {
	switch {
	case p.BusinessDays > 0:
		return c.Add(opened, time.Duration(p.BusinessDays)*Day)
	case p.BusinessHours > 0:
		return c.Add(opened, time.Duration(p.BusinessHours)*time.Hour)
	case p.Duration > 0:
		return opened.Add(p.Duration)
	}
	return c.Add(opened, factoryExpiry*Day)
}

// record is one request with all its rows. Its methods are the transitions:
// they know no database.
type record struct {
	id         RequestID
	message    MessageID
	family     string
	sender     mailaddr.Address // look-up form
	state      State
	revision   Revision
	stage      int
	openedAt   time.Time
	remindAt   time.Time
	escalateAt time.Time
	expiresAt  time.Time
	closedAt   time.Time
	closedBy   mailaddr.Address
	version    int64
	detail     detail
	recipients []*recipient
	questions  []*question
	voices     []*Voice
}

// detail is what a request keeps sealed.
type detail struct {
	Subject     string   `json:"subject,omitempty"`
	HideSubject bool     `json:"hide_subject,omitempty"`
	Automatic   bool     `json:"automatic,omitempty"`
	Reasons     []Reason `json:"reasons,omitempty"`
	Places      []Place  `json:"places,omitempty"`
	Rules       []string `json:"rules,omitempty"`
	Transforms  []string `json:"transforms,omitempty"`
	Stages      []Stage  `json:"stages"`
	Expire      Period   `json:"expire,omitzero"`
	Quorum      int      `json:"quorum"` // of the present stage
	Notes       []Note   `json:"notes,omitempty"`
}

type recipient struct {
	stored     Answer // as the database has it; "" when it is not there yet
	likeness   string // see Verdict
	id         RecipientID
	message    MessageID
	address    mailaddr.Address
	bcc        bool
	answer     Answer
	answeredBy mailaddr.Address
	answeredAt time.Time
}

type question struct {
	approver mailaddr.Address // look-up form, adminRole or approverRole
	stage    int
	as       Capacity
	askedAt  time.Time
	open     bool
}

// revisionOf hashes what an approver is shown: message, recipients, findings,
// plan. Each item is preceded by its length, so that no two lists read alike.
func revisionOf(sha [32]byte, recipients []mailaddr.Address, findings []byte, plans [][]byte) Revision {
	h := sha256.New()
	item := func(b []byte) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(b)))
		h.Write(n[:])
		h.Write(b)
	}
	item(sha[:])
	sorted := slices.Sorted(slices.Values(recipients))
	for _, a := range sorted {
		item([]byte(a))
	}
	item(findings)
	for _, p := range plans {
		item(p)
	}
	return Revision(hex.EncodeToString(h.Sum(nil)))
}

func (r *record) closed() bool { return r.state != Open }

// present is the stage that is asked now.
func (r *record) present() Stage {
	if r.stage < len(r.detail.Stages) {
		return r.detail.Stages[r.stage]
	}
	return Stage{}
}

func (r *record) lastStage() bool { return r.stage >= len(r.detail.Stages)-1 }

func (r *record) find(id RecipientID) *recipient {
	i := slices.IndexFunc(r.recipients, func(x *recipient) bool { return x.id == id })
	if i < 0 {
		return nil
	}
	return r.recipients[i]
}

func (r *record) unanswered() []*recipient {
	var out []*recipient
	for _, x := range r.recipients {
		if x.answer == Unanswered {
			out = append(out, x)
		}
	}
	return out
}

// ask puts the present stage to people, each once.
func (r *record) ask(people []asked, at time.Time) (fresh []*question) {
	for _, p := range people {
		i := slices.IndexFunc(r.questions, func(q *question) bool { return q.approver == p.who })
		switch {
		case i < 0:
			q := &question{approver: p.who, stage: r.stage, as: p.as, askedAt: at, open: true}
			r.questions = append(r.questions, q)
			fresh = append(fresh, q)
		case r.questions[i].stage != r.stage:
			*r.questions[i] = question{approver: p.who, stage: r.stage, as: p.as, askedAt: at, open: true}
			fresh = append(fresh, r.questions[i])
		}
	}
	return fresh
}

// askedNow lists who the present stage was put to, answered or not.
func (r *record) askedNow() []asked {
	var out []asked
	for _, q := range r.questions {
		if q.stage == r.stage {
			out = append(out, asked{q.approver, q.as})
		}
	}
	return out
}

// close ends the request when no recipient is left unanswered, and says
// whether it did.
func (r *record) close(by mailaddr.Address, at time.Time) bool {
	if r.closed() || len(r.unanswered()) > 0 {
		return false
	}
	r.state, r.closedBy, r.closedAt = r.sum(), by, at
	r.remindAt, r.escalateAt = time.Time{}, time.Time{}
	for _, q := range r.questions {
		q.open = false
	}
	return true
}

// sum is the state that the answers add up to.
func (r *record) sum() State {
	n := map[Answer]int{}
	for _, x := range r.recipients {
		n[x.answer]++
	}
	returned := n[AnswerRejected] + n[AnswerExpired]
	switch {
	case n[AnswerApproved] > 0 && returned > 0:
		return Divided
	case n[AnswerApproved] > 0:
		return Approved
	case n[AnswerRejected] > 0:
		return Rejected
	case n[AnswerExpired] > 0:
		return Expired
	}
	return Cancelled
}

// end answers recipients that came to an end without a voice: cancelled by
// their sender, or out of time.
func (r *record) end(ids []RecipientID, a Answer, by mailaddr.Address, at time.Time) (ended []*recipient) {
	for _, x := range r.unanswered() {
		if slices.Contains(ids, x.id) {
			x.answer, x.answeredBy, x.answeredAt = a, by, at
			ended = append(ended, x)
		}
	}
	return ended
}
