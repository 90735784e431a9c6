package web

import (
	"context"
	"time"

	"github.com/sekisho-mail/sekisho/holdqueue"
)

// Exchange Online and Google Workspace send one copy of a mail per recipient
// through a gateway. People wrote one mail: it is one row, and one press of a
// button acts on every copy.

// familyWindow is how far apart copies of one mail can be (DESIGN 2), and
// familySearch how many mails of the person are looked through for them.
const (
	familyWindow = 10 * time.Minute
	familySearch = 200
)

// gathered joins the copies of one mail into one row, that of the newest copy.
func gathered(found []*holdqueue.Message) []*holdqueue.Message {
	var out []*holdqueue.Message
	at := map[string]int{}
	for _, m := range found {
		i, seen := at[m.Family]
		if !seen {
			at[m.Family] = len(out)
			out = append(out, m)
			continue
		}
		joined := *out[i]
		joined.Recipients = append(joined.Recipients[:len(joined.Recipients):len(joined.Recipients)], m.Recipients...)
		out[i] = &joined
	}
	return out
}

// copiesIn are the ids of the other copies that a row stands for.
func copiesIn(m *holdqueue.Message) []string {
	var ids []string
	seen := map[string]bool{m.ID: true}
	for _, r := range m.Recipients {
		if !seen[r.Message] {
			seen[r.Message] = true
			ids = append(ids, r.Message)
		}
	}
	return ids
}

// family finds the other copies of a mail. Only gateways make them.
func (st *staff) family(ctx context.Context, m *holdqueue.Message) ([]*holdqueue.Message, error) {
	if m.Origin != holdqueue.FromGateway {
		return nil, nil
	}
	found, _, err := st.Queue.List(ctx, holdqueue.Filter{Person: m.Person, Limit: familySearch,
		Before: holdqueue.Cursor{At: m.AcceptedAt.Add(familyWindow), ID: m.ID}})
	if err != nil {
		return nil, err
	}
	var out []*holdqueue.Message
	for _, other := range found {
		if other.Family == m.Family && other.ID != m.ID {
			out = append(out, other)
		}
	}
	return out, nil
}

// act carries out a verb on the mail of the route and on the copies the form
// names. A copy counts only if it is one: the same family, the same person.
func (st *staff) act(ctx context.Context, r *Request, do func(id holdqueue.ID, chosen []holdqueue.ID) ([]holdqueue.Outcome, error)) ([]holdqueue.Outcome, error) {
	out, err := do(r.Mail.ID, chosen(r))
	if err != nil || r.Form("subset") != "" {
		return out, err
	}
	for i, id := range r.FormAll("copy") {
		if i == familySearch {
			break
		}
		other, err := st.Queue.Get(ctx, id)
		if err != nil {
			return out, err
		}
		if other.Family != r.Mail.Family || other.Person != r.Mail.Person {
			return out, errNotFound
		}
		more, err := do(id, nil)
		if err != nil {
			return out, err
		}
		out = append(out, more...)
	}
	return out, nil
}
