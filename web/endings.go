package web

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/audit"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// endingView is how recipients of a mail came to their end, and when: one line
// for all that ended for the same reason.
type endingView struct {
	Reason holdqueue.Reason
	By     mailaddr.Address // look-up form; empty where time, a rule or a server did it
	Who    string           // the same by name
	At     time.Time
	N      int
}

// key is the text of the catalogue that says it to a reader. There is one for
// the reader's own deed, and one for the case that nobody is known by name.
func (e endingView) key(reader mailaddr.Address) string {
	key := "over." + string(e.Reason)
	switch e.Reason {
	case holdqueue.ReasonSender, holdqueue.ReasonAdmin, holdqueue.ReasonReject:
		switch e.By {
		case "":
			key += "_unnamed"
		case reader:
			key += "_you"
		}
	}
	return key
}

// endings says how a mail ended; nothing while part of it is on its way.
func (st *staff) endings(ctx context.Context, m *holdqueue.Message) ([]endingView, error) {
	var out []endingView
	var copies []string // of each, one that ended so
	if m.EndedAt.IsZero() {
		return nil, nil
	}
	for _, x := range m.Recipients {
		i := slices.IndexFunc(out, func(e endingView) bool { return e.Reason == x.Reason })
		if i < 0 {
			i, out, copies = len(out), append(out, endingView{Reason: x.Reason}), append(copies, x.Message)
		}
		out[i].N++
		if x.EndedAt.After(out[i].At) {
			out[i].At = x.EndedAt
		}
	}
	for i := range out {
		by, err := st.whoEnded(ctx, m, copies[i], out[i].Reason)
		if err != nil {
			return nil, err
		}
		if out[i].By = by.Key(); by != "" {
			out[i].Who = st.called(by)
		}
	}
	return out, nil
}

// whoEnded is the person behind an end, as the log has it. Somebody at the
// command line has no name that readers know.
func (st *staff) whoEnded(ctx context.Context, m *holdqueue.Message, id holdqueue.ID, why holdqueue.Reason) (mailaddr.Address, error) {
	action := holdqueue.Cancelled
	switch why {
	case holdqueue.ReasonSender:
		return m.Person, nil
	case holdqueue.ReasonReject:
		action = holdqueue.Rejected
	case holdqueue.ReasonAdmin:
	default:
		return "", nil
	}
	found, _, err := st.Audit.List(ctx, audit.Filter{Message: id, Action: string(action)}, audit.Page{Limit: 1})
	if err != nil || len(found) == 0 {
		return "", err
	}
	return personOf(found[0].Actor), nil
}

// personOf is the person in an actor of the log, who may have acted through a
// program; empty for the command line, for time, and after a purge.
func personOf(actor string) mailaddr.Address {
	kind, who, _ := strings.Cut(actor, ":")
	if kind == "token" {
		_, who, _ = strings.Cut(who, ":") // the token's id stands first
	} else if kind != "person" {
		return ""
	}
	return mailaddr.Address(who)
}

// called is how the people file names an address.
func (st *staff) called(a mailaddr.Address) string {
	if p, ok := st.People().ByAddress(a); ok {
		return p.Called()
	}
	return a.String()
}
