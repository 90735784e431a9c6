package web

import (
	"context"
	"slices"
	"strings"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/linkify"
)

// Exchange Online and Google Workspace send one copy of a mail per recipient
// through a gateway. People wrote one mail: pages show it whole. Links belong to
// a recipient and so to a copy; here they are those of all copies.

// copiesOf are the ids of the messages that a mail consists of.
func copiesOf(m *holdqueue.Message) []holdqueue.ID {
	if len(m.Copies) == 0 {
		return []holdqueue.ID{m.ID}
	}
	return m.Copies
}

func (st *staff) linksOf(ctx context.Context, m *holdqueue.Message) (out []linkify.Link, err error) {
	for _, id := range copiesOf(m) {
		found, err := st.Links.OfMessage(ctx, id)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	return out, nil
}

// linkLog is a page of what was done with the links of all copies, the newest
// first.
func (st *staff) linkLog(ctx context.Context, m *holdqueue.Message, page linkify.Page) (out []linkify.Download, err error) {
	for _, id := range copiesOf(m) {
		found, err := st.Links.Log(ctx, id, "", page)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	slices.SortFunc(out, func(a, b linkify.Download) int { return strings.Compare(b.ID, a.ID) })
	return out[:min(len(out), page.Limit)], nil
}

// eachLinked does something to links of a mail copy by copy; ids nil is all of
// them.
func (st *staff) eachLinked(ctx context.Context, m *holdqueue.Message, ids []string,
	do func(copy holdqueue.ID, ids []string) ([]linkify.Outcome, error)) (out []linkify.Outcome, err error) {
	all, err := st.linksOf(ctx, m)
	if err != nil {
		return nil, err
	}
	known := 0
	for _, id := range copiesOf(m) {
		var mine []string
		for _, l := range all {
			if l.Message == id && slices.Contains(ids, l.ID) {
				mine = append(mine, l.ID)
			}
		}
		known += len(mine)
		if ids != nil && len(mine) == 0 {
			continue
		}
		some, err := do(id, mine)
		if err != nil {
			return out, err
		}
		out = append(out, some...)
	}
	if known < len(ids) {
		return out, linkify.ErrNotFound
	}
	return out, nil
}
