package holdqueue

import (
	"context"
	"strings"

	"github.com/sekisho-mail/sekisho/internal/db"
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

func (q *Queue) headerForReports(ctx context.Context, id ID, results []Result) []byte { return nil }

func (q *Queue) postReports(tx *db.Tx, m *Message, reports []report, header []byte) error { return nil }
