package main

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/sekisho-mail/sekisho/approval"
	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/db/dbtest"
)

// planned are the statements that ran, each with the values of its first time.
type planned struct {
	mu  sync.Mutex
	all map[string][]any
}

func (p *planned) note(query string, args []any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, known := p.all[query]; !known {
		p.all[query] = args
	}
}

// few are tables that never have more than a handful of rows, however much mail there is, queries inside others that
// end after some rows, and rows that stand in the statement itself ("4 CONSTANT ROWS").
const few = `setting|alarm|node|schema_floor|audit_head|w|v|mine|CONSTANT|[0-9]+`

// TestNoStatementReadsAWholeTable sends mails on every way through the product, and asks the database how it would find
// the rows of each statement that ran. A scan that nobody notices with ten mails stops a company with a million.
func TestNoStatementReadsAWholeTable(t *testing.T) {
	for engine, url := range map[string]func() string{"sqlite": func() string { return "sqlite:sekisho.db" },
		"postgres": func() string { return dbtest.PostgresURL(t) }} {
		t.Run(engine, func(t *testing.T) {
			h := testHouse(t, plansPolicy, fmt.Sprintf("database: {url: %q}", url()), "portal: {url: https://files.corp.example}")
			seen := &planned{all: map[string][]any{}}
			h.db.Watch(seen.note)
			h.everyWay()
			h.db.Watch(nil)
			if len(seen.all) < 70 {
				t.Errorf("only %d statements were seen", len(seen.all))
			}
			for query, args := range seen.all {
				for _, line := range h.plan(query, args) {
					t.Errorf("%s\n\t%s", line, strings.Join(strings.Fields(query), " "))
				}
			}
		})
	}
}

const plansPolicy = `version: 1
rules:
  - {name: ask, when: {recipients: external, subject: [ask]}, then: {hold: {approvers: [manager]}}}
  - {name: refused, when: {recipients: external, subject: [refused]}, then: {refuse: true}}
  - {name: files, when: {recipients: external}, then: {delay: 1h, link: {over: 0}}}
`

// everyWay lets something happen of everything that happens to mail.
func (h *openedHouse) everyWay() {
	h.t.Helper()
	ctx, alice, boss := h.t.Context(), holdqueue.Person("alice@corp.example"), approval.Actor{Address: "manager@corp.example", Admin: true, Approver: true}
	must := func(err error) {
		h.t.Helper()
		if err != nil {
			h.t.Fatal(err)
		}
	}
	const file = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nx\r\n" +
		"--b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename=a.txt\r\n\r\nfile\r\n--b--\r\n"
	h.inspected(h.submit("alice@corp.example", "inside", "\r\nhello", "bob@corp.example"))
	h.inspected(h.submit("alice@corp.example", "refused", "\r\nhello", "b@other.example"))
	linked := h.submit("alice@corp.example", "file", file, "b@other.example", "c@other.example")
	h.inspected(linked)
	for _, verb := range []func() error{
		func() error { _, err := h.queue.Stop(ctx, linked, nil, alice); return err },
		func() error { _, err := h.queue.SendNow(ctx, linked, nil, alice); return err },
	} {
		must(verb())
	}
	h.until("the file to leave", func() bool { return len(h.notices("", "b@other.example")) > 0 })
	cancelled := h.submit("alice@corp.example", "cancelled", "\r\nhello", "b@other.example")
	h.inspected(cancelled)
	_, err := h.queue.Cancel(ctx, cancelled, nil, holdqueue.ReasonSender, alice)
	must(err)
	for _, verb := range []approval.Verb{approval.Approve, approval.Reject} {
		h.inspected(h.submit("alice@corp.example", "ask", "\r\nhello "+string(verb), "b@other.example"))
		rows, _, err := h.desk.Questions(ctx, boss, approval.Page{})
		must(err)
		view, err := h.desk.Request(ctx, rows[0].Request, boss)
		must(err)
		_, err = h.desk.Decide(ctx, approval.Decision{Request: view.ID, Revision: view.Revision, Verb: verb, By: boss})
		must(err)
	}
	h.lists(boss, must)
}

// lists reads what pages and graphs show, and what runs at night.
func (h *openedHouse) lists(boss approval.Actor, must func(error)) {
	ctx := h.t.Context()
	for _, f := range []holdqueue.Filter{{}, {Person: "alice@corp.example"}, {Open: true}, {Person: "alice@corp.example", Open: true},
		{States: []holdqueue.State{holdqueue.Held}}, {Open: true, States: []holdqueue.State{holdqueue.Deferred}}, {System: true}} {
		page, next, err := h.queue.List(ctx, f)
		must(err)
		if f.Before = next; len(page) > 0 {
			f.Before = holdqueue.Cursor{At: page[0].AcceptedAt, ID: page[0].ID}
		}
		_, _, err = h.queue.List(ctx, f)
		must(err)
	}
	_, err := h.queue.Counts(ctx)
	must(err)
	_, _, err = h.desk.History(ctx, boss, approval.Page{})
	must(err)
	_, err = h.desk.Waiting(ctx, boss, 100)
	must(err)
	_, err = h.audit.Sequence(ctx)
	must(err)
	must(h.queue.SweepDoubts(ctx))
	_, err = h.daily(ctx, dailyAll)
	must(err)
}

var (
	scansSQLite   = regexp.MustCompile(`^SCAN (\w+)`)
	scansPostgres = regexp.MustCompile(`Seq Scan on (\w+)`)
	fewRows       = regexp.MustCompile(`^(` + few + `)$`)
)

// plan gives the lines of a statement's plan that read a whole table.
func (h *openedHouse) plan(query string, args []any) (whole []string) {
	h.t.Helper()
	explain, scan := `EXPLAIN QUERY PLAN `, scansSQLite
	err := h.db.Read(h.t.Context(), func(tx *db.Tx) error {
		if whole = nil; tx.Engine() == db.PostgreSQL {
			explain, scan = `EXPLAIN `, scansPostgres
			// With three rows it would read all of them; the question is what it can do when there are more.
			if _, err := tx.Exec(`SET LOCAL enable_seqscan = off`); err != nil {
				return err
			}
		}
		lines, err := planLines(tx, explain+query, args)
		for _, line := range lines {
			m := scan.FindStringSubmatch(line)
			// A page of a list walks an index until it has enough.
			pages := strings.Contains(query, "LIMIT") && strings.Contains(line, "USING")
			if m != nil && !pages && !fewRows.MatchString(m[1]) {
				whole = append(whole, line)
			}
		}
		return err
	})
	if err != nil {
		h.t.Errorf("%v: %s", err, query)
	}
	return whole
}

func planLines(tx *db.Tx, query string, args []any) (lines []string, err error) {
	rows, err := tx.Query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		values := make([]any, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		lines = append(lines, strings.TrimSpace(fmt.Sprint(values[len(values)-1])))
	}
	return lines, rows.Err()
}
