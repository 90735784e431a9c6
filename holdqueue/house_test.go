package holdqueue

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/internal/blob"
	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/db/dbtest"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
	"github.com/sekisho-mail/sekisho/internal/seal"
)

// house is a queue with a clock of its own and a next hop that writes down what it gets.
type house struct {
	*Queue
	t     testing.TB
	db    *db.DB
	clock atomic.Int64 // nanoseconds after t0
	opts  Options

	mu     sync.Mutex
	got    []delivery
	answer func(*Outgoing) []Result
	stop   context.CancelFunc
	ended  chan error
}

type delivery struct {
	id   ID
	to   []string
	body string
}

func eachHouse(t *testing.T, body func(t *testing.T, h *house)) {
	for _, engine := range []db.Engine{db.SQLite, db.PostgreSQL} {
		t.Run(string(engine), func(t *testing.T) {
			h := &house{t: t}
			now := db.WithClock(func() time.Time { return t0.Add(time.Duration(h.clock.Load())) })
			if engine == db.SQLite {
				h.db = dbtest.SQLite(t, now)
			} else {
				h.db = dbtest.Postgres(t, now)
			}
			h.build(t.TempDir())
			body(t, h)
		})
	}
}

func (h *house) build(dir string) {
	blobs, err := blob.OpenStore(context.Background(), "file:blobs", dir)
	must(h.t, err)
	h.opts = Options{DB: h.db, Keys: seal.NewTest(), Blobs: blobs, Spool: filepath.Join(dir, "spool"), Hostname: "mail.corp.example",
		Workers: Workers{Lease: 3 * time.Second}}
	h.reopen()
}

// reopen is a restart of the process: nothing in memory survives.
func (h *house) reopen() {
	q, err := New(context.Background(), h.opts)
	must(h.t, err)
	q.Inspect = func(_ context.Context, m *Message, _ Body) (Inspection, error) { return sendAll(m, 0), nil }
	q.Poison = func(m *Message, _ error) Inspection { return holdAll(m) }
	q.Sender = h
	q.Retry = func(first, now time.Time, tries int) time.Time {
		if now.Sub(first) > 5*24*time.Hour {
			return time.Time{}
		}
		return now.Add(time.Minute)
	}
	h.Queue = q
}

func sendAll(m *Message, delay time.Duration) Inspection {
	return Inspection{Report: []byte("report"), Decisions: slices.Repeat([]Decision{{Action: ActionSend, Delay: delay}}, len(m.Recipients))}
}

func holdAll(m *Message) Inspection {
	return Inspection{Decisions: slices.Repeat([]Decision{{Action: ActionHold, Verdict: []byte(`"held"`)}}, len(m.Recipients))}
}

// Send is the next hop.
func (h *house) Send(ctx context.Context, out *Outgoing) []Result {
	body, err := io.ReadAll(io.NewSectionReader(out.Body, 0, out.Size))
	if err != nil {
		return sameResult(len(out.Recipients), &SendError{Text: err.Error(), Temporary: true})
	}
	if h.answer != nil {
		if res := h.answer(out); res != nil {
			return res
		}
	}
	if err := out.BeforeDot(ctx, out.Recipients); err != nil {
		return sameResult(len(out.Recipients), &SendError{Text: err.Error(), Temporary: true})
	}
	d := delivery{id: out.Message.ID, body: string(body)}
	for _, r := range out.Recipients {
		d.to = append(d.to, string(r.Address))
	}
	h.mu.Lock()
	h.got = append(h.got, d)
	h.mu.Unlock()
	return slices.Repeat([]Result{{Remote: "next.example", Reply: "250 2.0.0 queued as 4XYZ"}}, len(out.Recipients))
}

func (h *house) run() {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	q := h.Queue
	h.stop, h.ended = cancel, ended
	go func() { ended <- q.Run(ctx) }()
	h.t.Cleanup(h.halt)
}

// started says whether the loop has noted when it began.
func (h *house) started() bool {
	h.Queue.mu.Lock()
	defer h.Queue.mu.Unlock()
	return !h.Queue.floor.IsZero()
}

func (h *house) halt() {
	if h.stop == nil {
		return
	}
	h.stop()
	if err := <-h.ended; err != nil {
		h.t.Error(err)
	}
	h.stop = nil
}

func (h *house) advance(d time.Duration) {
	h.clock.Add(int64(d))
	h.Wake()
}

func (h *house) submit(body string, to ...string) ID {
	h.t.Helper()
	id, err := h.trySubmit(body, to...)
	must(h.t, err)
	return id
}

func (h *house) trySubmit(body string, to ...string) (ID, error) {
	d, err := h.Begin(context.Background())
	if err != nil {
		return "", err
	}
	if _, err := io.WriteString(d, body); err != nil {
		d.Abort()
		return "", err
	}
	env := Envelope{Origin: FromPerson, Person: "alice@corp.example", MailFrom: "alice@corp.example", Meta: Meta{Subject: "件名", MessageID: d.ID() + "@y"}}
	for _, a := range to {
		env.Recipients = append(env.Recipients, EnvelopeRecipient{Address: mailaddr.Address(a)})
	}
	return d.Commit(context.Background(), env)
}

func (h *house) state(id ID) string {
	h.t.Helper()
	m, err := h.Get(context.Background(), id)
	must(h.t, err)
	var s []string
	for _, r := range m.Recipients {
		s = append(s, string(r.State))
	}
	return strings.Join(s, " ")
}

func (h *house) eventually(what string, ok func() bool) {
	h.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			h.t.Fatalf("never happened: %s", what)
		}
	}
}

func (h *house) becomes(id ID, want string) {
	h.t.Helper()
	h.eventually(fmt.Sprintf("%s becomes %q (is %q)", id, want, h.state(id)), func() bool { return h.state(id) == want })
}

func (h *house) deliveries() []delivery {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.got)
}
