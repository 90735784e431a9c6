package holdqueue

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// report is one line of a delivery status notification to be.
type report struct {
	action    string // RFC 3464 Action
	recipient *Recipient
	result    Result
}

// Actions of RFC 3464 section 2.3.3 that we report.
const (
	reportFailed  = "failed"
	reportDelayed = "delayed"
	reportRelayed = "relayed"
)

// wanted applies NOTIFY (RFC 3461 section 4.1): failures and delays unless refused, success only when asked for.
func (r report) wanted() bool {
	notify := r.recipient.Notify
	switch r.action {
	case reportRelayed:
		return strings.Contains(notify, "SUCCESS")
	case reportDelayed:
		return notify == "" || strings.Contains(notify, "DELAY")
	}
	return notify == "" || strings.Contains(notify, "FAILURE")
}

// soonest keeps a promise for all recipients of a report: the first of them that is given up.
func soonest(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// maxReportHeader bounds the header block a report repeats.
const maxReportHeader = 64 << 10

// headerForReports reads the header block of a mail whose sender may have to be told something: outside any
// transaction, because the body may lie in a store. Without it the report is written all the same.
func (q *Queue) headerForReports(ctx context.Context, id ID, bundle []*Recipient, results []Result) []byte {
	needed := slices.ContainsFunc(results, func(r Result) bool { return r.Err != nil }) ||
		slices.ContainsFunc(bundle, func(r *Recipient) bool { return strings.Contains(r.Notify, "SUCCESS") })
	if !needed {
		return nil
	}
	body, err := q.open(ctx, id)
	if err != nil {
		q.o.Log.Warn("report goes without the header of its mail", "message", id, "error", err)
		return nil
	}
	defer body.Close()
	head := make([]byte, min(body.Size(), maxReportHeader))
	if _, err := io.ReadFull(io.NewSectionReader(body, 0, body.Size()), head); err != nil {
		q.o.Log.Warn("report goes without the header of its mail", "message", id, "error", err)
		return nil
	}
	if end := bytes.Index(head, []byte("\r\n\r\n")); end >= 0 {
		return head[:end+2]
	}
	if end := bytes.LastIndexByte(head, '\n'); end >= 0 {
		return head[:end+1]
	}
	return nil
}

// postReports tells the sender, in the transaction of the outcome: one notification for each action. Automatic mail
// and mail with the null reverse path tell nobody (RFC 5321 section 6.1); its ends stand on the pages.
func (q *Queue) postReports(tx *db.Tx, m *Message, reports []report, header []byte) error {
	if m.MailFrom == "" || m.Automatic || m.Origin == FromSystem {
		return nil
	}
	for _, action := range []string{reportFailed, reportDelayed, reportRelayed} {
		s := StatusReport{ID: db.NewID(), Host: q.o.Hostname, From: q.o.Postmaster, To: m.MailFrom, At: tx.Now(), Zone: q.o.Zone,
			Message: m, Action: action, Header: header}
		for _, r := range reports {
			if r.action == action && r.wanted() {
				s.Until = soonest(s.Until, r.recipient.FirstTryAt.Add(GiveUp))
				s.Lines = append(s.Lines, StatusLine{Recipient: r.recipient, Result: r.result})
			}
		}
		if len(s.Lines) == 0 {
			continue
		}
		mail := Mail{To: []mailaddr.Address{m.MailFrom}, Subject: "delivery status", Kind: "dsn." + action, About: m.ID}
		if mail.Raw, mail.Head = s.Build(); mail.Head >= 0 {
			mail.Enclose = m.ID
		} else {
			mail.Head = 0
		}
		if _, err := q.Post(tx, mail); err != nil {
			return fmt.Errorf("report on %s: %w", m.ID, err)
		}
	}
	return nil
}
