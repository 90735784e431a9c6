package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/smtp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/message"
	"golang.org/x/sync/errgroup"
)

// testPeople are those of the houses of these tests.
const testPeople = `people:
  - {address: alice@corp.example, aliases: [a.sato@corp.example], name: 佐藤 花子, department: 営業部, manager: manager@corp.example, groups: [sales]}
  - {address: bob@corp.example, name: Bob Stone, language: en, manager: manager@corp.example}
  - {address: manager@corp.example, name: 田中 一郎}
  - {address: lena@corp.example, name: 法務 玲奈, groups: [legal]}
  - {address: admin@corp.example, name: 管理 者子}
`

// openedHouse is the product without its pages: database, queue, gateway listener and people, and a next hop that
// keeps what it gets.
type openedHouse struct {
	*house
	t      *testing.T
	dir    string
	at     string // of the gateway listener
	logged *lockedBuffer

	mu   sync.Mutex
	sent []arrival
}

// arrival is a mail as the next hop got it.
type arrival struct {
	kind string // of our own mail
	to   string
	raw  string
}

// lockedBuffer takes the log of several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// testHouse opens a company with the policy; more are further lines of its configuration.
func testHouse(t *testing.T, policy string, more ...string) *openedHouse {
	t.Helper()
	h := &openedHouse{t: t, dir: t.TempDir(), logged: &lockedBuffer{}}
	write(t, h.dir, "people.yaml", testPeople)
	write(t, h.dir, "policy.yaml", policy)
	config := `data_dir: data
administrators: [admin@corp.example]
organization: {domains: [corp.example], name: 株式会社コープ}
submission: {hostname: mail.corp.example, listen: [], listen_tls: [], gateway: {listen: ["127.0.0.1:0"],
  sources: [{name: exo, networks: [127.0.0.0/8], senders: [corp.example], owner: admin@corp.example}]}}
relay: {host: "127.0.0.1:9"}
oidc: {issuer: https://login.corp.example}
people: {file: people.yaml}
base_url: https://hold.corp.example
`
	if !slices.ContainsFunc(more, func(line string) bool { return strings.HasPrefix(line, "policy:") }) {
		config += "policy: {file: policy.yaml}\n"
	}
	c := load(t, h.dir, config+strings.Join(more, "\n"))
	var err error
	if h.house, err = openHouse(t.Context(), c, "", slog.New(slog.NewTextHandler(h.logged, nil))); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.close)
	if err := h.loadInspector(); err != nil {
		t.Fatal(err)
	}
	h.queue.Sender, h.queue.Retry = h, retry
	h.run()
	return h
}

// run starts the queue, the people and the gateway listener until the test ends.
func (h *openedHouse) run() {
	h.t.Helper()
	s, err := h.newSubmission(nil)
	if err != nil {
		h.t.Fatal(err)
	}
	if err := s.Bind(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
	h.at = first(s.Addresses().Gateway)
	ctx, stop := context.WithCancel(context.Background())
	var g errgroup.Group
	g.Go(func() error { return h.queue.Run(ctx) })
	g.Go(func() error { return h.roster.Run(ctx, h.desk.PeopleFileBad) })
	g.Go(func() error { return s.Run(ctx) })
	h.t.Cleanup(func() {
		stop()
		if err := g.Wait(); err != nil {
			h.t.Error(err)
		}
	})
}

// Send is the next hop.
func (h *openedHouse) Send(ctx context.Context, out *holdqueue.Outgoing) []holdqueue.Result {
	results := make([]holdqueue.Result, len(out.Recipients))
	raw, err := io.ReadAll(io.NewSectionReader(out.Body, 0, out.Size))
	if err == nil {
		err = out.BeforeDot(ctx, out.Recipients)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, r := range out.Recipients {
		if err != nil {
			results[i].Err = &holdqueue.SendError{Text: err.Error(), Temporary: true}
			continue
		}
		h.sent = append(h.sent, arrival{out.Message.Meta.Kind, string(r.Address), string(raw)})
		results[i] = holdqueue.Result{Remote: "next.example", Reply: "250 ok"}
	}
	return results
}

// dial greets the gateway listener as the company's mail server does.
func (h *openedHouse) dial() *smtp.Client {
	h.t.Helper()
	c, err := smtp.Dial(h.at)
	if err == nil {
		err = c.Hello("exchange.corp.example")
	}
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { c.Close() })
	return c
}

// submit hands in a mail of the person and gives its id; text is everything below From, To and Subject.
func (h *openedHouse) submit(person, subject, text string, to ...string) string {
	h.t.Helper()
	c := h.dial()
	if err := c.Mail(person); err != nil {
		h.t.Fatal(err)
	}
	for _, a := range to {
		if err := c.Rcpt(a); err != nil {
			h.t.Fatal(err)
		}
	}
	w, err := c.Data()
	if err != nil {
		h.t.Fatal(err)
	}
	fmt.Fprintf(w, "From: %s\r\nTo: %s\r\nSubject: %s\r\n%s\r\n", person, strings.Join(to, ", "), subject, text)
	if err := w.Close(); err != nil {
		h.t.Fatal(err)
	}
	return h.latest()
}

// latest is the id of the mail accepted last that is not our own.
func (h *openedHouse) latest() (id string) {
	h.t.Helper()
	err := h.db.Read(h.t.Context(), func(tx *db.Tx) error {
		return tx.QueryRow(`SELECT id FROM message WHERE origin <> 'system' ORDER BY id DESC LIMIT 1`).Scan(&id)
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return id
}

// until waits for what must happen.
func (h *openedHouse) until(what string, ok func() bool) {
	h.t.Helper()
	for deadline := time.Now().Add(60 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			h.t.Fatalf("waited in vain for %s; log:\n%s", what, h.logged)
		}
	}
}

// inspected waits until a mail has its verdicts, and gives it.
func (h *openedHouse) inspected(id string) (m *holdqueue.Message) {
	h.t.Helper()
	h.until("the inspection of "+id, func() bool {
		var err error
		if m, err = h.queue.Get(h.t.Context(), id); err != nil {
			h.t.Fatal(err)
		}
		return !m.InspectedAt.IsZero()
	})
	return m
}

// gets waits for a notice of the kind and gives its subject and its plain text.
func (h *openedHouse) gets(kind, who string) (subject, text string) {
	h.t.Helper()
	var raw string
	h.until(kind+" to "+who, func() bool {
		all := h.notices(kind, who)
		if len(all) > 0 {
			raw = all[0]
		}
		return raw != ""
	})
	return noticeWords(h.t, raw)
}

// notices are those of a kind that have arrived, to one reader or ("") to anybody.
func (h *openedHouse) notices(kind, who string) (all []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, a := range h.sent {
		if a.kind == kind && cmp.Or(who, a.to) == a.to {
			all = append(all, a.raw)
		}
	}
	return all
}

// noticeWords reads one of our own mails: its subject and the first text of it.
func noticeWords(t *testing.T, raw string) (subject, text string) {
	t.Helper()
	m, err := message.Parse([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	for leaf := range m.Leaves() {
		if texts := leaf.Texts(1 << 20); leaf.MediaType == "text/plain" && len(texts) > 0 {
			return m.Root.Text("Subject"), strings.ReplaceAll(texts[0], "\r\n", "\n")
		}
	}
	t.Fatalf("a notice without text:\n%s", raw)
	return "", ""
}
