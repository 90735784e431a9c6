//go:build bench

package bench

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"path/filepath"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/approval"
	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/blob"
	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/db/dbtest"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
	"github.com/sekisho-mail/sekisho/internal/seal"
)

// company is a queue and an approval desk over one database.
type company struct {
	db      *db.DB
	queue   *holdqueue.Queue
	desk    *approval.Desk
	claimed chan time.Time
	held    int
	url     string // of PostgreSQL
}

const kindScale = "scale.claim"

// TestScale reads the lists and claims due work with ten thousand, a hundred thousand and a million held recipients.
func TestScale(t *testing.T) {
	title("among held recipients: an approver's list of 50, the list of all that is held, and from due to begun (milliseconds)")
	fmt.Printf("%10s %10s %18s %18s %18s\n", "", "held", "questions p50/p99", "held p50/p99", "claim p50/p99")
	for _, engine := range []string{"sqlite", "postgres"} {
		c := openCompany(t, engine)
		first := map[string]float64{}
		for _, held := range []int{10_000, 100_000, 1_000_000} {
			c.fill(t, int(float64(held)**scale))
			row := fmt.Sprintf("%10s %10d", engine, c.held)
			for _, m := range []struct {
				name string
				do   func(context.Context) error
			}{{"questions", c.questions}, {"held", c.list}, {"claim", c.claim}} {
				p50, p99 := timed(t, m.do)
				if first[m.name] == 0 {
					first[m.name] = p99
				}
				row += fmt.Sprintf(" %8.2f /%8.2f", p50, p99)
				if held == 1_000_000 {
					stay(t, engine+", "+m.name+" among a million held: p99 against that among 10,000", "x", p99/first[m.name], 2)
				}
			}
			fmt.Println(row)
		}
	}
}

func timed(t *testing.T, do func(context.Context) error) (p50, p99 float64) {
	t.Helper()
	var all []float64
	for range 600 {
		start := time.Now()
		if err := do(t.Context()); err != nil {
			t.Fatal(err)
		}
		all = append(all, millis(time.Since(start)))
	}
	return percentile(all, 0.5), percentile(all[30:], 0.99) // the first ones warm the caches
}

func openCompany(t *testing.T, engine string) *company {
	t.Helper()
	c := &company{claimed: make(chan time.Time, 1)}
	var err error
	if engine == "sqlite" {
		c.db = dbtest.SQLiteIn(t, t.TempDir()) // a disk, as companies have
	} else {
		c.url = dbtest.PostgresURL(t)
		c.db, err = db.Open(t.Context(), c.url)
		check(t, err)
		t.Cleanup(func() { c.db.Close() })
	}
	dir, keys := t.TempDir(), seal.NewTest()
	blobs, err := blob.OpenStore(t.Context(), "file:files", dir)
	check(t, err)
	c.queue, err = holdqueue.New(t.Context(), holdqueue.Options{DB: c.db, Keys: keys, Blobs: blobs, Spool: filepath.Join(dir, "spool"), Hostname: "bench.corp.example"})
	check(t, err)
	book, problems := approval.ParsePeople("people.yaml", []byte("people:\n  - {address: a@corp.example, manager: m@corp.example}\n  - {address: m@corp.example}\n"))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	calendar, err := approval.NewCalendar("UTC", "", nil)
	check(t, err)
	c.desk, err = approval.New(approval.Options{DB: c.db, Keys: keys, Queue: c.queue, People: approval.FixedRoster(book), Calendar: calendar,
		Domains: []string{"corp.example"}, Name: "bench", Language: "en", From: "sekisho@corp.example", BaseURL: "https://hold.corp.example",
		Verdict: func(*holdqueue.Message, *holdqueue.Recipient) (approval.Verdict, error) {
			return approval.Verdict{Stages: []approval.Stage{{Approvers: []string{"manager"}}}}, nil
		}})
	check(t, err)
	c.queue.Inspect = func(_ context.Context, m *holdqueue.Message, _ holdqueue.Body) (holdqueue.Inspection, error) {
		return holdqueue.Inspection{Decisions: []holdqueue.Decision{{Action: holdqueue.ActionHold}}}, nil
	}
	c.queue.Hooks.Held = c.desk.OnHeld
	c.queue.Handlers[kindScale] = func(context.Context, string) (time.Time, error) {
		c.claimed <- time.Now()
		return time.Time{}, nil
	}
	check(t, c.queue.Pause(t.Context(), "os:bench", "bench")) // nothing is sent
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.queue.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	c.submit(t, 60)
	return c
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// submit holds some mails in earnest, those that the lists show first.
func (c *company) submit(t *testing.T, n int) {
	t.Helper()
	for range n {
		d, err := c.queue.Begin(t.Context())
		check(t, err)
		_, err = io.WriteString(d, "Subject: x\r\n\r\nx\r\n")
		check(t, err)
		_, err = d.Commit(t.Context(), holdqueue.Envelope{Origin: holdqueue.FromPerson, Person: "a@corp.example", MailFrom: "a@corp.example",
			Recipients: []holdqueue.EnvelopeRecipient{{Address: mailaddr.Address("x@other.example")}}})
		check(t, err)
	}
	for {
		counts, err := c.queue.Counts(t.Context())
		check(t, err)
		if counts[holdqueue.Held] == int64(n) {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	c.held = n
}

// fill multiplies the rows of one held mail, older than those held in earnest, until there are n.
func (c *company) fill(t *testing.T, n int) {
	t.Helper()
	const numbers = `WITH RECURSIVE n (i) AS (SELECT CAST($1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < $2) `
	statements := []string{
		`INSERT INTO message (id, family, family_key, origin, source, person, mail_from, automatic, size, sha256, body, blob, meta, report, resend_key,
			answered_at, accepted_at, inspected_at, ended_at, purged_at, version)
			` + numbers + `SELECT '0' || i, '0' || i, family_key, origin, source, person, mail_from, automatic, size, sha256, NULL, '', meta, report, resend_key,
			0, accepted_at - 100000000000 + i, inspected_at, 0, 0, 2 FROM n, (SELECT * FROM message WHERE origin <> 'system' ORDER BY id LIMIT 1) AS m`,
		`INSERT INTO recipient (id, message, position, address, domain, notify, orcpt, state, bundle, verdict, delay, stopped, release_at, decided_at,
			next_try_at, attempt, claimed_at, dot_sent_at, uncertain, tries, first_try_at, warned_at, remote, reply, reason, ended_at)
			` + numbers + `SELECT '0r' || i, '0' || i, 0, address, domain, notify, orcpt, state, bundle, verdict, delay, stopped, release_at, decided_at,
			next_try_at, attempt, claimed_at, dot_sent_at, uncertain, tries, first_try_at, warned_at, remote, reply, reason, ended_at
			FROM n, (SELECT * FROM recipient WHERE state = 'held' ORDER BY id LIMIT 1) AS r`,
		`INSERT INTO request (id, message, family, sender, state, revision, stage, detail, opened_at, remind_at, escalate_at, expires_at, closed_at, closed_by, version)
			` + numbers + `SELECT '0q' || i, '0' || i, '0' || i, sender, state, revision, stage, detail, opened_at - 100000000000 + i, remind_at, escalate_at,
			expires_at, 0, '', 1 FROM n, (SELECT * FROM request ORDER BY id LIMIT 1) AS q`,
		`INSERT INTO request_recipient (request, recipient, message, position, address, bcc, answer, answered_by, answered_at)
			` + numbers + `SELECT '0q' || i, '0r' || i, '0' || i, 0, address, bcc, answer, '', 0 FROM n, (SELECT * FROM request_recipient ORDER BY request LIMIT 1) AS q`,
		`INSERT INTO question (request, approver, stage, capacity, asked_at, open)
			` + numbers + `SELECT '0q' || i, approver, stage, capacity, asked_at - 100000000000 + i, 1 FROM n, (SELECT * FROM question ORDER BY request LIMIT 1) AS q`,
		`INSERT INTO work (kind, ref, due_at, attempt, tries)
			` + numbers + `SELECT kind, '0q' || i, due_at + 100000000000 + i, '', 0 FROM n, (SELECT * FROM work WHERE kind LIKE 'approval.%' LIMIT 1) AS w`,
	}
	for from := c.held; from < n; from += 50_000 {
		check(t, c.db.Write(t.Context(), func(tx *db.Tx) error {
			for _, s := range statements {
				if _, err := tx.Exec(s, int64(from+1), int64(min(from+50_000, n))); err != nil {
					return fmt.Errorf("%.40s: %w", s, err)
				}
			}
			return nil
		}))
	}
	c.held = n
	c.tidy(t)
}

// tidy does what PostgreSQL does by itself some minutes after so many rows have come, so that it does not do it while
// times are taken.
func (c *company) tidy(t *testing.T) {
	t.Helper()
	if c.url == "" {
		return
	}
	server, err := sql.Open("pgx", c.url)
	check(t, err)
	defer server.Close()
	for _, s := range []string{`VACUUM ANALYZE`, `CHECKPOINT`} {
		_, err = server.ExecContext(t.Context(), s)
		check(t, err)
	}
}

func (c *company) questions(ctx context.Context) error {
	rows, _, err := c.desk.Questions(ctx, approval.Actor{Address: "m@corp.example"}, approval.Page{})
	if err == nil && len(rows) != 50 {
		return fmt.Errorf("%d questions on a page", len(rows))
	}
	return err
}

func (c *company) list(ctx context.Context) error {
	page, _, err := c.queue.List(ctx, holdqueue.Filter{Person: "a@corp.example", Open: true, States: []holdqueue.State{holdqueue.Held}})
	if err == nil && len(page) != 50 {
		return fmt.Errorf("%d mails on a page", len(page))
	}
	return err
}

// claim makes a piece of work due and waits until it is begun.
func (c *company) claim(ctx context.Context) error {
	err := c.db.Write(ctx, func(tx *db.Tx) error { return c.queue.Schedule(tx, kindScale, db.NewID(), tx.Now()) })
	if err != nil {
		return err
	}
	c.queue.Wake()
	select {
	case <-c.claimed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
