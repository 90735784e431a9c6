package approval

import (
	"context"
	"encoding/json"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/blob"
	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/db/dbtest"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
	"github.com/sekisho-mail/sekisho/internal/seal"
)

// house is a desk on a real queue and a real database, with a clock of its own
// and a next hop that keeps what it gets.
type house struct {
	*Desk
	t     testing.TB
	base  time.Time
	clock atomic.Int64

	mu   sync.Mutex
	mail []delivered
	// cannotPrepare makes mail impossible to send as planned.
	cannotPrepare atomic.Bool
	// refuse makes the next hop refuse our own mail to an address for good.
	refuse mailaddr.Address
}

type delivered struct {
	kind string // of our own mail
	to   mailaddr.Address
	body string
}

// plan is how these tests write down what inspection decided.
type plan struct {
	Action      holdqueue.Action
	Delay       time.Duration
	Stages      []Stage
	Expire      Period
	Reasons     []Reason
	HideSubject bool
	Attachments int
	Noted       []Noted
	Places      []Place
}

func readPlan(_ *holdqueue.Message, r *holdqueue.Recipient) (Verdict, error) {
	var p plan
	err := json.Unmarshal(r.Verdict, &p)
	return Verdict{Likeness: string(r.Verdict), Stages: p.Stages, Expire: p.Expire, Reasons: p.Reasons, Rules: []string{"my-number"},
		HideSubject: p.HideSubject, Attachments: p.Attachments, Noted: p.Noted, Places: p.Places}, err
}

func hold(stages ...Stage) plan {
	return plan{Action: holdqueue.ActionHold, Delay: 5 * time.Minute, Stages: stages,
		Reasons: []Reason{{Code: "content:jp.my_number", JA: "個人番号と思われる番号が2件あります", EN: "2 numbers look like My Numbers"}}}
}

func asking(words ...string) Stage { return Stage{Approvers: words, Quorum: 1} }

// begin is a Tuesday morning in Tokyo.
const begin = "2026-11-24 10:00"

func eachHouse(t *testing.T, body func(t *testing.T, h *house)) {
	for _, engine := range []db.Engine{db.SQLite, db.PostgreSQL} {
		t.Run(string(engine), func(t *testing.T) { body(t, newHouse(t, engine)) })
	}
}

func newHouse(t testing.TB, engine db.Engine) *house {
	h := &house{t: t, base: at(t, tokyo(t), begin)}
	now := db.WithClock(func() time.Time { return h.base.Add(time.Duration(h.clock.Load())) })
	var d *db.DB
	if engine == db.SQLite {
		d = dbtest.SQLite(t, now)
	} else {
		d = dbtest.Postgres(t, now)
	}
	dir := t.TempDir()
	blobs, err := blob.OpenStore(context.Background(), "file:blobs", dir)
	must(t, err)
	keys := seal.NewTest()
	q, err := holdqueue.New(context.Background(), holdqueue.Options{DB: d, Keys: keys, Blobs: blobs,
		Spool: filepath.Join(dir, "spool"), Hostname: "mail.corp.example"})
	must(t, err)
	h.Desk, err = New(Options{
		DB: d, Keys: keys, Queue: q, People: FixedRoster(company(t)), Calendar: tokyo(t), Domains: []string{"corp.example"},
		Name: "株式会社コープ", Language: "ja", From: "sekisho@corp.example", BaseURL: "https://hold.corp.example/",
		AdminGroups: []string{"sekisho-admins"}, Approvers: []string{"managers", "director@corp.example", "claims-only"}, Verdict: readPlan,
	})
	must(t, err)
	q.Prepare = func(_ context.Context, _ *holdqueue.Message, _ []*holdqueue.Recipient, body holdqueue.Body) (holdqueue.Body, error) {
		if h.cannotPrepare.Load() {
			return nil, holdqueue.ErrMustHold
		}
		return body, nil
	}
	q.Poison = func(m *holdqueue.Message, _ error) holdqueue.Inspection {
		verdict, err := json.Marshal(hold(asking("admin")))
		must(t, err)
		return holdqueue.Inspection{Decisions: slices.Repeat([]holdqueue.Decision{{Action: holdqueue.ActionHold, Verdict: verdict}}, len(m.Recipients))}
	}
	q.Inspect, q.Sender, q.Retry = h.inspect, h, func(_, _ time.Time, _ int) time.Time { return time.Time{} }
	q.Hooks = holdqueue.Hooks{Held: h.OnHeld, Freed: h.OnFreed, Waiting: h.OnWaiting, Ended: h.OnEnded, NoticeFailed: h.OnNoticeFailed}
	q.Handlers = h.Handlers()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- q.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		must(t, <-ended)
	})
	return h
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// inspect reads the plans from the subject, one for all recipients or one for
// each.
func (h *house) inspect(_ context.Context, m *holdqueue.Message, body holdqueue.Body) (holdqueue.Inspection, error) {
	raw, err := io.ReadAll(io.NewSectionReader(body, 0, body.Size()))
	if err != nil {
		return holdqueue.Inspection{}, err
	}
	_, text, _ := strings.Cut(string(raw), "\r\n\r\n")
	var plans []plan
	if err := json.Unmarshal([]byte(text), &plans); err != nil {
		return holdqueue.Inspection{}, err
	}
	found := holdqueue.Inspection{Report: []byte("findings"), Content: m.Meta.Subject}
	for i := range m.Recipients {
		p := plans[min(i, len(plans)-1)]
		verdict, err := json.Marshal(p)
		if err != nil {
			return found, err
		}
		found.Decisions = append(found.Decisions, holdqueue.Decision{Action: p.Action, Delay: p.Delay, Verdict: verdict})
	}
	return found, nil
}

// Send is the next hop.
func (h *house) Send(ctx context.Context, out *holdqueue.Outgoing) []holdqueue.Result {
	fail := func(e *holdqueue.SendError) []holdqueue.Result {
		return slices.Repeat([]holdqueue.Result{{Err: e}}, len(out.Recipients))
	}
	body, err := io.ReadAll(io.NewSectionReader(out.Body, 0, out.Size))
	if err != nil {
		return fail(&holdqueue.SendError{Text: err.Error(), Temporary: true})
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.refuse != "" && out.Recipients[0].Address == h.refuse {
		return fail(&holdqueue.SendError{Code: 550, Text: "no such mailbox"})
	}
	if err := out.BeforeDot(ctx, out.Recipients); err != nil {
		return fail(&holdqueue.SendError{Text: err.Error(), Temporary: true})
	}
	for _, r := range out.Recipients {
		h.mail = append(h.mail, delivered{out.Message.Meta.Kind, r.Address, string(body)})
	}
	return slices.Repeat([]holdqueue.Result{{Remote: "next.example", Reply: "250 ok"}}, len(out.Recipients))
}

type submission struct {
	person    mailaddr.Address
	subject   string
	automatic bool
	to        []mailaddr.Address
	bcc       []mailaddr.Address
	plans     []plan
	copyOf    string             // Message-ID, of one copy of a mail that a gateway splits
	header    []mailaddr.Address // To, where it is not to
}

// submit accepts a mail and waits for its inspection.
func (h *house) submit(s submission) *holdqueue.Message {
	h.t.Helper()
	id := h.accept(s)
	h.until("inspection of the mail", func() bool { return !h.message(id).InspectedAt.IsZero() })
	return h.message(id)
}

func (h *house) accept(s submission) holdqueue.ID {
	h.t.Helper()
	ctx := context.Background()
	d, err := h.Queue.Begin(ctx)
	must(h.t, err)
	text, err := json.Marshal(s.plans)
	must(h.t, err)
	_, err = io.WriteString(d, "From: x\r\nSubject: y\r\n\r\n"+string(text))
	must(h.t, err)
	env := holdqueue.Envelope{Origin: holdqueue.FromPerson, Person: s.person, MailFrom: s.person, Automatic: s.automatic,
		Meta: holdqueue.Meta{Subject: s.subject, HeaderTo: s.to}}
	if s.copyOf != "" {
		env.Origin, env.Source, env.Meta.MessageID = holdqueue.FromGateway, "cloud", s.copyOf
	}
	if s.header != nil {
		env.Meta.HeaderTo = s.header
	}
	for _, a := range append(slices.Clone(s.to), s.bcc...) {
		env.Recipients = append(env.Recipients, holdqueue.EnvelopeRecipient{Address: a})
	}
	id, err := d.Commit(ctx, env)
	must(h.t, err)
	return id
}

func (h *house) message(id MessageID) *holdqueue.Message {
	h.t.Helper()
	m, err := h.Queue.Get(context.Background(), id)
	must(h.t, err)
	return m
}

func (h *house) until(what string, ok func() bool) {
	h.t.Helper()
	for deadline := time.Now().Add(60 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			h.t.Fatalf("waited in vain for %s; mail so far: %v", what, h.kinds())
		}
	}
}

// advance moves the clock to a time in Tokyo.
func (h *house) advance(to string) {
	h.t.Helper()
	h.clock.Store(int64(at(h.t, h.Calendar, to).Sub(h.base)))
	h.Queue.Wake()
}

func (h *house) kinds() (out []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, m := range h.mail {
		out = append(out, m.kind+" "+m.to.Local())
	}
	return out
}

// gets waits for a notice and gives its text.
func (h *house) gets(kind, who string) string {
	h.t.Helper()
	var body string
	h.until(kind+" to "+who, func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, m := range h.mail {
			if m.kind == kind && m.to.Local() == who {
				body = m.body
				return true
			}
		}
		return false
	})
	return body
}

// only gives the one request of a mail.
func (h *house) only(m *holdqueue.Message) *Request {
	h.t.Helper()
	list := h.requests(m)
	if len(list) != 1 {
		h.t.Fatalf("%d requests", len(list))
	}
	return list[0]
}

func (h *house) requests(m *holdqueue.Message) []*Request {
	h.t.Helper()
	list, err := h.OfFamily(context.Background(), m.Family, Actor{Admin: true})
	must(h.t, err)
	return list
}

func (h *house) decide(r *Request, verb Verb, by mailaddr.Address, ids ...RecipientID) (Outcome, error) {
	return h.Decide(context.Background(), Decision{Request: r.ID, Revision: r.Revision, Verb: verb, Recipients: ids,
		Comment: "番号を消してください。\n二行目", By: Actor{Address: by}})
}

func (h *house) states(m *holdqueue.Message) (out []string) {
	for _, r := range h.message(m.ID).Recipients {
		out = append(out, r.Address.Local()+" "+string(r.State))
	}
	return out
}

func (h *house) expectStates(m *holdqueue.Message, want ...string) {
	h.t.Helper()
	if got := h.states(m); !slices.Equal(got, want) {
		h.t.Errorf("states %v, want %v", got, want)
	}
}

func (h *house) audited(m MessageID) (out []string) {
	h.t.Helper()
	err := h.db.Read(context.Background(), func(tx *db.Tx) error {
		rows, err := tx.Query(`SELECT action FROM audit_entry WHERE message = $1 ORDER BY id`, m)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var action string
			if err := rows.Scan(&action); err != nil {
				return err
			}
			out = append(out, action)
		}
		return rows.Err()
	})
	must(h.t, err)
	return out
}

func plain(to ...mailaddr.Address) submission {
	return submission{person: "alice@corp.example", subject: "名簿の件", to: to, plans: []plan{hold(asking("manager"))}}
}
