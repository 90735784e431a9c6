package approval

import (
	"context"
	"encoding/json"
	"errors"
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
}

func readPlan(_ *holdqueue.Message, r *holdqueue.Recipient) (Verdict, error) {
	var p plan
	err := json.Unmarshal(r.Verdict, &p)
	return Verdict{Stages: p.Stages, Expire: p.Expire, Reasons: p.Reasons, Rules: []string{"my-number"},
		HideSubject: p.HideSubject, Attachments: p.Attachments}, err
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
		AdminGroups: []string{"sekisho-admins"}, Verdict: readPlan,
	})
	must(t, err)
	q.Inspect, q.Sender, q.Retry = h.inspect, h, func(_, _ time.Time, _ int) time.Time { return time.Time{} }
	q.Hooks = holdqueue.Hooks{Held: h.OnHeld, Waiting: h.OnWaiting, Ended: h.OnEnded, NoticeFailed: h.OnNoticeFailed}
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
	found := holdqueue.Inspection{Report: []byte("findings")}
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
	if err := out.BeforeDot(ctx); err != nil {
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
}

// submit accepts a mail and waits for its inspection.
func (h *house) submit(s submission) *holdqueue.Message {
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
	for _, a := range append(slices.Clone(s.to), s.bcc...) {
		env.Recipients = append(env.Recipients, holdqueue.EnvelopeRecipient{Address: a})
	}
	id, err := d.Commit(ctx, env)
	must(h.t, err)
	h.until("inspection of the mail", func() bool { return !h.message(id).InspectedAt.IsZero() })
	return h.message(id)
}

func (h *house) message(id MessageID) *holdqueue.Message {
	h.t.Helper()
	m, err := h.Queue.Get(context.Background(), id)
	must(h.t, err)
	return m
}

func (h *house) until(what string, ok func() bool) {
	h.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
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
	list, err := h.OfMessage(context.Background(), m.ID, Actor{Admin: true})
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

func TestHeldMailAsksTheManagerAndTellsTheSender(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		m := h.submit(plain("b@other.example", "c@third.example"))
		h.gets("held", "alice")
		h.gets("question", "manager")
		r := h.only(m)
		if r.State != Open || len(r.Recipients) != 2 || len(r.Holders) != 1 || r.Holders[0].Address != "manager@corp.example" {
			t.Errorf("request %+v", r)
		}
		if want := at(t, h.Calendar, "2026-11-27 10:00"); !r.ExpiresAt.Equal(want) {
			t.Errorf("expires %s", r.ExpiresAt)
		}
		ctx := context.Background()
		rows, next, err := h.Questions(ctx, Actor{Address: "manager@corp.example"}, Page{})
		must(t, err)
		if len(rows) != 1 || rows[0].Subject != "名簿の件" || rows[0].SenderName != "佐藤 花子" || next != "" {
			t.Errorf("list %+v, next %q", rows, next)
		}
		if rows, _, _ := h.Questions(ctx, Actor{Address: "bob@corp.example"}, Page{}); len(rows) != 0 {
			t.Errorf("bob is asked: %+v", rows)
		}
		held, err := h.Holders(ctx, []MessageID{m.ID})
		must(t, err)
		if len(held[m.ID]) != 1 || held[m.ID][0].Name != "田中 一郎" {
			t.Errorf("holders %+v", held)
		}
	})
}

func TestApprovalReleasesAndTheQuestionDisappears(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		m := h.submit(plain("b@other.example"))
		r := h.only(m)
		out, err := h.decide(r, Approve, "manager@corp.example")
		must(t, err)
		if out.State != Approved || len(out.Approved) != 1 || !out.ReleaseAt.Equal(m.AcceptedAt.Add(5*time.Minute)) {
			t.Errorf("outcome %+v", out)
		}
		h.expectStates(m, "b delayed")
		if n, err := h.Waiting(context.Background(), Actor{Address: "manager@corp.example"}, 100); n != 0 || err != nil {
			t.Errorf("%d questions left, %v", n, err)
		}
		h.gets("approved", "alice")
		if log := h.audited(m.ID); !slices.Contains(log, "ask") || !slices.Contains(log, "approve") {
			t.Errorf("log %v", log)
		}
	})
}

func TestLosersLearnWhoWasFirstAndWhen(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		s := plain("b@other.example")
		s.plans = []plan{hold(asking("manager", "director@corp.example"))}
		m := h.submit(s)
		r := h.only(m)
		var won, lost atomic.Int32
		var first sync.Map
		var all sync.WaitGroup
		for i := range 8 {
			by, verb := mailaddr.Address("manager@corp.example"), Approve
			if i%2 == 1 {
				by, verb = "director@corp.example", Reject
			}
			all.Go(func() {
				_, err := h.decide(r, verb, by)
				var decided *DecidedError
				switch {
				case err == nil:
					won.Add(1)
					first.Store("by", by)
				case errors.As(err, &decided) && errors.Is(err, ErrDecided):
					lost.Add(1)
					first.Store("told "+string(decided.By), decided.Name)
					if decided.At.IsZero() || decided.Name == "" {
						t.Errorf("loser is told %+v", decided)
					}
				default:
					t.Error(err)
				}
			})
		}
		all.Wait()
		if won.Load() != 1 || lost.Load() != 7 {
			t.Fatalf("%d won, %d lost", won.Load(), lost.Load())
		}
		by, _ := first.Load("by")
		if _, ok := first.Load("told " + string(by.(mailaddr.Address))); !ok {
			t.Error("losers were not told of the winner")
		}
		h.until("one outcome", func() bool {
			k := h.kinds()
			return slices.Contains(k, "approved alice") || slices.Contains(k, "rejected alice")
		})
	})
}

func TestASubsetIsReleasedAndTheRestReturned(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		m := h.submit(plain("a@other.example", "b@other.example", "c@third.example"))
		r := h.only(m)
		out, err := h.Decide(context.Background(), Decision{Request: r.ID, Revision: r.Revision, Verb: Approve,
			Recipients: []RecipientID{r.Recipients[0].ID, r.Recipients[1].ID}, Others: Reject, Comment: "Cは不要です",
			By: Actor{Address: "manager@corp.example"}})
		must(t, err)
		if out.State != Divided || len(out.Approved) != 2 || len(out.Rejected) != 1 {
			t.Errorf("outcome %+v", out)
		}
		h.expectStates(m, "a delayed", "b delayed", "c rejected")
		h.gets("rejected", "alice")
	})
}

func TestOneRecipientAfterTheOther(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		m := h.submit(plain("a@other.example", "b@other.example"))
		r := h.only(m)
		out, err := h.decide(r, Approve, "manager@corp.example", r.Recipients[0].ID)
		must(t, err)
		if out.State != Open || len(out.Waiting) != 1 {
			t.Errorf("outcome %+v", out)
		}
		h.expectStates(m, "a delayed", "b held")
		if _, err := h.decide(r, Reject, "manager@corp.example", r.Recipients[0].ID); !errors.Is(err, ErrDecided) {
			t.Errorf("deciding the same again: %v", err)
		}
		// Removing a recipient never voids the revision.
		out, err = h.decide(r, Reject, "manager@corp.example", r.Recipients[1].ID)
		must(t, err)
		if out.State != Divided {
			t.Errorf("outcome %+v", out)
		}
	})
}

func TestWhoMayNotDecide(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		m := h.submit(plain("b@other.example"))
		r := h.only(m)
		tests := []struct {
			by   Actor
			want error
		}{
			{Actor{Address: "bob@corp.example"}, ErrNotApprover},
			{Actor{Address: "stranger@corp.example"}, ErrNotApprover},
			{Actor{Address: "alice@corp.example"}, ErrSelf},
			{Actor{Address: "A.Sato@corp.example"}, ErrSelf},
			{Actor{Address: "alice@corp.example", Admin: true}, ErrSelf},
			{Actor{Address: "a.sato@corp.example", Admin: true}, ErrSelf},
		}
		for _, tt := range tests {
			_, err := h.Decide(context.Background(), Decision{Request: r.ID, Revision: r.Revision, Verb: Approve, By: tt.by})
			if !errors.Is(err, tt.want) {
				t.Errorf("%+v: %v, want %v", tt.by, err, tt.want)
			}
		}
		_, err := h.Decide(context.Background(), Decision{Request: r.ID, Revision: "0", Verb: Approve, By: Actor{Address: "manager@corp.example"}})
		var stale *StaleError
		if !errors.As(err, &stale) || stale.Revision != r.Revision {
			t.Errorf("a stale page: %v", err)
		}
		if _, err := h.Request(context.Background(), r.ID, Actor{Address: "bob@corp.example"}); !errors.Is(err, ErrNotFound) {
			t.Errorf("bob sees the request: %v", err)
		}
		h.expectStates(m, "b held")
		_, err = h.Decide(context.Background(), Decision{Request: r.ID, Revision: r.Revision, Verb: Approve,
			By: Actor{Address: "admin@corp.example", Admin: true}})
		must(t, err)
		if v := h.only(m).Voices; len(v) != 1 || v[0].As != "admin" {
			t.Errorf("voices %+v", v)
		}
	})
}

func TestWithoutAManagerTheAdministratorsAreAsked(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		s := plain("b@other.example")
		s.person = "director@corp.example"
		m := h.submit(s)
		h.gets("question", "admin")
		r := h.only(m)
		if !slices.Contains(r.Notes, NoManager) {
			t.Errorf("notes %v", r.Notes)
		}
		// Whoever signs in as administrator sees it too.
		rows, _, err := h.Questions(context.Background(), Actor{Address: "robot@corp.example", Admin: true}, Page{})
		must(t, err)
		if len(rows) != 1 {
			t.Errorf("role sees %v", rows)
		}
		rows, _, err = h.Questions(context.Background(), Actor{Address: "admin@corp.example", Admin: true}, Page{})
		must(t, err)
		if len(rows) != 1 {
			t.Errorf("the known administrator sees it %d times", len(rows))
		}
	})
}

func TestSilenceRemindsEscalatesAndReturns(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		m := h.submit(plain("b@other.example"))
		h.gets("question", "manager")
		h.advance("2026-11-24 11:00")
		h.gets("reminder", "manager")
		h.advance("2026-11-24 14:00")
		h.gets("escalation", "bob") // the manager's standing deputy
		r := h.only(m)
		if len(r.Holders) != 2 {
			t.Errorf("holders %+v", r.Holders)
		}
		h.advance("2026-11-27 09:59")
		h.advance("2026-11-27 10:00")
		h.gets("expired", "alice")
		h.expectStates(m, "b expired")
		if r := h.only(m); r.State != Expired || len(r.Holders) != 0 {
			t.Errorf("request %+v", r)
		}
		_, err := h.decide(r, Approve, "bob@corp.example")
		var decided *DecidedError
		if !errors.As(err, &decided) || decided.State != Expired {
			t.Errorf("too late: %v", err)
		}
	})
}

func TestADatedDeputyIsAskedAtOnce(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.advance("2026-12-02 09:30")
		m := h.submit(plain("b@other.example"))
		h.gets("question", "manager")
		h.gets("question", "deputy")
		_, err := h.decide(h.only(m), Approve, "deputy@corp.example")
		must(t, err)
		if v := h.only(m).Voices; v[0].As != "deputy" {
			t.Errorf("voices %+v", v)
		}
	})
}

func TestTheSenderIsAskedFirstAndCannotApprove(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		s := plain("b@other.example")
		s.plans = []plan{hold(asking("sender"), asking("manager"))}
		m := h.submit(s)
		h.gets("ask_sender", "alice")
		alice := Actor{Address: "a.sato@corp.example"}
		r, err := h.Request(context.Background(), h.only(m).ID, alice)
		must(t, err)
		if !r.MayAsk || r.MayDecide {
			t.Errorf("may ask %v, may decide %v", r.MayAsk, r.MayDecide)
		}
		out, err := h.AskManager(context.Background(), r.ID, r.Revision, alice)
		must(t, err)
		if out.State != Open || out.Stage != 1 {
			t.Errorf("outcome %+v", out)
		}
		h.expectStates(m, "b held")
		h.gets("question", "manager")
		if _, err := h.decide(r, Approve, "alice@corp.example"); !errors.Is(err, ErrSelf) {
			t.Errorf("the sender approves: %v", err)
		}
		_, err = h.decide(r, Approve, "manager@corp.example")
		must(t, err)
		h.expectStates(m, "b delayed")
	})
}

func TestSelfReviewWhereTheRuleSaysSo(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		s := plain("b@other.example")
		s.plans = []plan{hold(asking("sender"))}
		m := h.submit(s)
		out, err := h.decide(h.only(m), Approve, "alice@corp.example")
		must(t, err)
		if out.State != Approved {
			t.Errorf("outcome %+v", out)
		}
		m = h.submit(s)
		out, err = h.decide(h.only(m), Reject, "alice@corp.example")
		must(t, err)
		if out.State != Cancelled {
			t.Errorf("outcome %+v", out)
		}
		h.gets("cancelled", "alice")
	})
}

func TestTwoVoicesOfTwoPeople(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		s := plain("b@other.example")
		s.plans = []plan{hold(Stage{Approvers: []string{"group:sales", "manager"}, Quorum: 2})}
		m := h.submit(s)
		r := h.only(m)
		out, err := h.decide(r, Approve, "bob@corp.example")
		must(t, err)
		if out.State != Open {
			t.Fatalf("one voice is enough: %+v", out)
		}
		if _, err := h.decide(r, Approve, "bob@corp.example"); !errors.Is(err, ErrDecided) {
			t.Errorf("a double click: %v", err)
		}
		if n, _ := h.Waiting(context.Background(), Actor{Address: "bob@corp.example"}, 9); n != 0 {
			t.Error("bob is still asked")
		}
		out, err = h.decide(r, Approve, "manager@corp.example")
		must(t, err)
		if out.State != Approved {
			t.Errorf("outcome %+v", out)
		}
	})
}

func TestCancelClosesTheQuestion(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		m := h.submit(plain("a@other.example", "b@other.example"))
		r := h.only(m)
		_, err := h.Queue.Cancel(context.Background(), m.ID, []RecipientID{r.Recipients[0].ID}, holdqueue.ReasonSender, holdqueue.Person("alice@corp.example"))
		must(t, err)
		if r := h.only(m); r.State != Open || r.Recipients[0].Answer != AnswerCancelled {
			t.Errorf("after the first: %+v", r)
		}
		_, err = h.Queue.Cancel(context.Background(), m.ID, nil, holdqueue.ReasonSender, holdqueue.Person("alice@corp.example"))
		must(t, err)
		if r := h.only(m); r.State != Cancelled || r.ClosedBy != "佐藤 花子" {
			t.Errorf("after the last: %+v", r)
		}
		_, err = h.decide(r, Approve, "manager@corp.example")
		var decided *DecidedError
		if !errors.As(err, &decided) || decided.State != Cancelled || decided.Name != "佐藤 花子" {
			t.Errorf("approving it: %v", err)
		}
		h.gets("cancelled", "alice")
	})
}

func TestReleaseFromTheCommandLineIsSeen(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		m := h.submit(plain("b@other.example"))
		r := h.only(m)
		_, err := h.Queue.Release(context.Background(), m.ID, nil, "os:root")
		must(t, err)
		if _, err := h.decide(r, Reject, "manager@corp.example"); !errors.Is(err, ErrDecided) {
			t.Errorf("rejecting what was released: %v", err)
		}
		h.advance("2026-11-24 11:00")
		h.until("the request to close", func() bool { return h.only(m).State == Approved })
	})
}

func TestPeopleOfDifferentRecipients(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		s := plain("a@other.example", "b@other.example", "c@third.example")
		s.plans = []plan{hold(asking("manager")), hold(asking("group:legal")), hold(asking("manager"))}
		m := h.submit(s)
		list := h.requests(m) // opened at the same time: in any order
		slices.SortFunc(list, func(a, b *Request) int { return len(b.Recipients) - len(a.Recipients) })
		if len(list) != 2 || len(list[0].Recipients) != 2 || len(list[1].Recipients) != 1 {
			t.Fatalf("requests %+v", list)
		}
		_, err := h.decide(list[0], Approve, "manager@corp.example")
		must(t, err)
		h.expectStates(m, "a delayed", "b held", "c delayed")
		if _, err := h.decide(list[1], Approve, "manager@corp.example"); !errors.Is(err, ErrNotApprover) {
			t.Errorf("the manager decides for legal: %v", err)
		}
		held := 0
		for _, k := range h.kinds() {
			if k == "held alice" {
				held++
			}
		}
		if held > 1 {
			t.Errorf("the sender was told %d times", held)
		}
	})
}

func TestAutomaticMailIsNeverAnsweredByMail(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		s := plain("b@other.example")
		s.automatic = true
		s.plans = []plan{hold(asking("sender"), asking("manager"))}
		m := h.submit(s)
		h.gets("question", "manager") // the sender's stage is left out: the sender would never learn of it
		_, err := h.decide(h.only(m), Reject, "manager@corp.example")
		must(t, err)
		h.expectStates(m, "b rejected")
		for _, k := range h.kinds() {
			if strings.HasSuffix(k, " alice") {
				t.Errorf("alice got %q", k)
			}
		}
	})
}

func TestWaitingIsToldOnlyWhenItMatters(t *testing.T) {
	delayed := plan{Action: holdqueue.ActionSend, Delay: 5 * time.Minute}
	attached := delayed
	attached.Attachments = 1
	tests := []struct {
		name string
		plan plan
		to   []mailaddr.Address
		want bool
	}{
		{"plain, one outside", delayed, []mailaddr.Address{"b@other.example"}, false},
		{"attachment, inside", attached, []mailaddr.Address{"bob@corp.example"}, false},
		{"attachment, outside", attached, []mailaddr.Address{"b@other.example"}, true},
		{"three domains", delayed, []mailaddr.Address{"b@a.example", "b@b.example", "b@c.example"}, false},
		{"four domains", delayed, []mailaddr.Address{"b@a.example", "b@b.example", "b@c.example", "b@d.example"}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t, db.SQLite)
			s := plain(tt.to...)
			s.plans = []plan{tt.plan}
			m := h.submit(s)
			if tt.want {
				h.gets("waiting", "alice")
				return
			}
			if rows, _, err := h.Queue.List(context.Background(), holdqueue.Filter{System: true}); len(rows) != 0 || err != nil {
				t.Errorf("told of %s: %v", m.ID, h.kinds())
			}
		})
	}
}

func TestAQuestionThatBouncesFindsTheNextPerson(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.mu.Lock()
		h.refuse = "manager@corp.example"
		h.mu.Unlock()
		h.submit(plain("b@other.example"))
		h.gets("escalation", "bob")
		h.gets("alarm", "admin")
	})
}

func TestOneAlarmPerCauseAndHour(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		ctx := context.Background()
		for range 5 {
			must(t, h.RaiseAlarm(ctx, CauseNotReady, "disk full"))
		}
		must(t, h.RaiseAlarm(ctx, CausePeopleFile, "line 2: x"))
		h.until("two alarms", func() bool { return len(h.kinds()) == 2 })
		h.advance("2026-11-24 11:00")
		h.until("what came up since", func() bool { return len(h.kinds()) == 3 })
		h.mu.Lock()
		last := h.mail[2].body
		h.mu.Unlock()
		if text := textOf(t, last); !strings.Contains(text, "ほかに3件") {
			t.Errorf("last alarm: %s", text)
		}
		h.advance("2026-11-24 13:00")
		must(t, h.RaiseAlarm(ctx, CauseNotReady, "disk full"))
		h.until("a new alarm", func() bool { return len(h.kinds()) == 4 })
	})
}

func TestListsArePagedByKey(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		want := map[RequestID]bool{}
		for range 7 {
			want[h.only(h.submit(plain("b@other.example"))).ID] = true
		}
		ctx, reader := context.Background(), Actor{Address: "manager@corp.example", Admin: true}
		page := Page{Limit: 3}
		for pages := 0; ; pages++ {
			rows, next, err := h.Questions(ctx, reader, page)
			must(t, err)
			for _, r := range rows {
				if !want[r.Request] {
					t.Errorf("%s stands twice or is not mine", r.Request)
				}
				delete(want, r.Request)
			}
			if next == "" {
				if pages != 2 || len(want) != 0 {
					t.Errorf("%d pages, %d missing", pages+1, len(want))
				}
				break
			}
			page.After = next
		}
		if n, err := h.Waiting(ctx, reader, 5); n != 5 || err != nil {
			t.Errorf("count %d, %v", n, err)
		}
	})
}

func TestForgottenRequestsKeepNoContent(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		m := h.submit(plain("b@other.example"))
		_, err := h.decide(h.only(m), Reject, "manager@corp.example")
		must(t, err)
		h.advance("2026-12-25 10:00")
		h.until("the content to go", func() bool {
			r := h.only(m)
			return r.Subject == "" && r.Voices[0].Comment == ""
		})
		if r := h.only(m); r.State != Rejected || r.Voices[0].By != "manager@corp.example" {
			t.Errorf("the facts went too: %+v", r)
		}
	})
}

func TestCancelTokens(t *testing.T) {
	h := newHouse(t, db.SQLite)
	id := db.NewID()
	token := h.CancelToken(id)
	if got, err := h.ByCancelToken(token); got != id || err != nil {
		t.Fatalf("own token: %q, %v", got, err)
	}
	other := h.CancelToken(db.NewID())
	_, secret, _ := strings.Cut(other, ".")
	for _, bad := range []string{"", ".", id, id + ".", id + "." + secret, token + "A", token[:len(token)-1], strings.ToUpper(token), "x" + token} {
		if _, err := h.ByCancelToken(bad); !errors.Is(err, ErrBadToken) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func FuzzCancelToken(f *testing.F) {
	d := &Desk{keys: seal.NewTest()}
	f.Add(d.CancelToken(db.NewID()))
	f.Add(db.NewID() + ".AAAA")
	f.Fuzz(func(t *testing.T, token string) {
		id, err := d.ByCancelToken(token)
		if err == nil && d.CancelToken(id) != token {
			t.Fatalf("%q is taken for the token of %q", token, id)
		}
	})
}
