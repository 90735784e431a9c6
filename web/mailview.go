package web

import (
	"slices"
	"time"

	"github.com/sekisho-mail/sekisho/approval"
	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// stateView is a state as pages show it: the key of its word and the colour.
type stateView struct {
	Key   string // "state.KEY" in the catalogue
	Class string
	N     int  // recipients in it
	Open  bool // it is no end
}

// stateOf names the state of one recipient in the words of the trade.
func stateOf(r *holdqueue.Recipient) stateView {
	v := stateView{Key: string(r.State), N: 1, Open: !r.State.Ended()}
	switch r.State {
	case holdqueue.Held:
		v.Class = "held"
	case holdqueue.Delayed:
		v.Class = "waiting"
		if r.Stopped {
			v.Key, v.Class = "stopped", "held"
		}
	case holdqueue.Received, holdqueue.Sending, holdqueue.Deferred:
		v.Class = "waiting"
	case holdqueue.Sent:
		v.Class = "sent"
	case holdqueue.Failed, holdqueue.Refused, holdqueue.Rejected, holdqueue.Expired:
		v.Class = "ill"
	}
	return v
}

// statesOf counts the states of a mail's recipients, those that need somebody
// first.
func statesOf(m *holdqueue.Message) []stateView {
	var out []stateView
	for _, r := range m.Recipients {
		v := stateOf(r)
		if i := slices.IndexFunc(out, func(o stateView) bool { return o.Key == v.Key }); i >= 0 {
			out[i].N++
		} else {
			out = append(out, v)
		}
	}
	slices.SortStableFunc(out, func(a, b stateView) int { return urgency(a.Key) - urgency(b.Key) })
	return out
}

func urgency(key string) int {
	order := []string{"held", "stopped", "delayed", "received", "sending", "deferred", "failed", "refused", "rejected", "expired", "cancelled", "sent"}
	return slices.Index(order, key)
}

// mayDo says which buttons make sense for a mail. The queue decides again when
// one is pressed.
type mayDo struct{ Cancel, SendNow, Stop bool }

func possible(m *holdqueue.Message) mayDo {
	var may mayDo
	for _, r := range m.Recipients {
		switch r.State {
		case holdqueue.Received, holdqueue.Held:
			may.Cancel = true
		case holdqueue.Delayed:
			may.Cancel, may.SendNow = true, true
			may.Stop = may.Stop || !r.Stopped
		case holdqueue.Deferred:
			may.Cancel = may.Cancel || !r.Uncertain
			may.SendNow = true
		}
	}
	return may
}

// mailRow is one mail in a list.
type mailRow struct {
	ID         string
	Subject    string // empty where the reader may not see content
	Hidden     bool   // it may not
	From       mailaddr.Address
	FromName   string
	To         []mailaddr.Address // the first few
	More       int                // how many further
	States     []stateView
	ReleaseAt  time.Time // the next to leave; zero when none waits for its time
	GiveBackAt time.Time // stopped: when it goes back
	AcceptedAt time.Time
	EndedAt    time.Time
	Holders    []approval.Holder
	Reasons    []string
	Over       []endingView // how it ended
	NextTryAt  time.Time    // the next try after a server did not take it; zero when there is none
	Automatic  bool
	Size       int64
	May        mayDo
}

// ended says whether nothing of the mail is on its way any more.
func (row mailRow) ended() bool {
	return !slices.ContainsFunc(row.States, func(v stateView) bool { return v.Open })
}

// shownRecipients is how many recipients a row names.
const shownRecipients = 3

func rowOf(m *holdqueue.Message) mailRow {
	row := mailRow{
		ID: m.ID, Subject: m.Meta.Subject, From: m.Person, AcceptedAt: m.AcceptedAt, EndedAt: m.EndedAt,
		States: statesOf(m), Automatic: m.Automatic, Size: m.Size, May: possible(m),
	}
	for i, r := range m.Recipients {
		if i < shownRecipients {
			row.To = append(row.To, r.Address)
		} else {
			row.More++
		}
		if at := &row.NextTryAt; r.State == holdqueue.Deferred && (at.IsZero() || r.NextTryAt.Before(*at)) {
			*at = r.NextTryAt
		}
		if r.State != holdqueue.Delayed {
			continue
		}
		if at := &row.ReleaseAt; !r.Stopped && (at.IsZero() || r.ReleaseAt.Before(*at)) {
			*at = r.ReleaseAt
		}
		if r.Stopped {
			row.GiveBackAt = r.ReleaseAt
		}
	}
	return row
}

// heldIDs are the mails of a list that lie with somebody, by family.
func heldIDs(mails []*holdqueue.Message) []string {
	var ids []string
	for _, m := range mails {
		if slices.ContainsFunc(m.Recipients, func(r *holdqueue.Recipient) bool { return r.State == holdqueue.Held }) {
			ids = append(ids, m.Family)
		}
	}
	return ids
}
