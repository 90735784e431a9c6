package web

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/approval"
	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/audit"
	"github.com/sekisho-mail/sekisho/internal/blob"
	"github.com/sekisho-mail/sekisho/internal/clamd"
	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/db/dbtest"
	"github.com/sekisho-mail/sekisho/internal/facsimile"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
	"github.com/sekisho-mail/sekisho/internal/message"
	"github.com/sekisho-mail/sekisho/internal/seal"
	"github.com/sekisho-mail/sekisho/linkify"
	"github.com/sekisho-mail/sekisho/submission/dlp"
	"github.com/sekisho-mail/sekisho/submission/policy"
	"github.com/sekisho-mail/sekisho/web/dextest"
	"github.com/sekisho-mail/sekisho/web/signin"
)

// stage is what all tests of the package share: two listeners whose handlers
// each house puts its own behind, and one dex that knows their addresses.
type stage struct {
	staff, portal *httptest.Server
	dex           *dextest.Dex

	mu             sync.Mutex
	onStaff, onDay http.Handler
}

var shared *stage

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "show-page" { // the child of a press
		if err := facsimile.Child(os.Stdin, os.Stdout); err != nil {
			os.Exit(1)
		}
		return
	}
	s := &stage{}
	s.staff = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.handler(&s.onStaff).ServeHTTP(w, r) }))
	s.portal = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.handler(&s.onDay).ServeHTTP(w, r) }))
	var err error
	s.dex, err = dextest.Run([]string{s.staff.URL + signin.CallbackPath, s.portal.URL + signin.AccountPath("dex")},
		dextest.User{ID: "01", Email: "alice@corp.example"}, dextest.User{ID: "02", Email: "bob@corp.example"},
		dextest.User{ID: "03", Email: "manager@corp.example", Groups: []string{"managers"}},
		dextest.User{ID: "04", Email: "admin@corp.example", Groups: []string{"admins"}},
		dextest.User{ID: "05", Email: "auditor@corp.example", Groups: []string{"auditors"}},
		dextest.User{ID: "06", Email: "stranger@corp.example"},
		dextest.User{ID: "07", Email: "partner@account.example"}, dextest.User{ID: "08", Email: "colleague@account.example"})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	shared = s
	code := m.Run()
	s.dex.Stop()
	s.staff.Close()
	s.portal.Close()
	os.Exit(code)
}

func (s *stage) handler(which *http.Handler) http.Handler {
	s.mu.Lock()
	defer s.mu.Unlock()
	if *which == nil {
		return http.NotFoundHandler()
	}
	return *which
}

// house is the product around the pages: real stores, queue, desk, links and
// login. Only inspection and the next hop are the test's: what becomes of a
// recipient is read from its domain.
type house struct {
	t       *testing.T
	db      *db.DB
	queue   *holdqueue.Queue
	desk    *approval.Desk
	links   *linkify.Links
	audit   *audit.Log
	gate    *signin.Gate
	ready   atomic.Pointer[error]
	clock   atomic.Int64
	base    time.Time
	mu      sync.Mutex
	got     []delivery
	browser map[string]*http.Client
	invited []Invitation
	resent  []linkify.Anew
	raw     string // of the mails to come, instead of text
	empty   bool   // the file of the mails to come has no bytes
	clamd   string // address of the daemon that looks for malware, "" for none
}

type delivery struct{ to, body string }

const peopleFile = `people:
  - {address: alice@corp.example, aliases: [a.sato@corp.example], name: 佐藤 花子, manager: manager@corp.example}
  - {address: bob@corp.example, name: 鈴木 一郎, manager: manager@corp.example}
  - {address: manager@corp.example, name: 田中 部長}
  - {address: admin@corp.example, name: 管理 太郎}
  - {address: auditor@corp.example, name: 監査 次郎, language: en}
`

func newHouse(t *testing.T) *house {
	t.Helper()
	return newHouseWith(t, "")
}

// newHouseWith has malware looked for by a daemon.
func newHouseWith(t *testing.T, clamd string) *house {
	t.Helper()
	h := &house{t: t, clamd: clamd, base: time.Now().Truncate(time.Second), browser: map[string]*http.Client{}}
	h.db = dbtest.SQLite(t, db.WithClock(func() time.Time { return h.base.Add(time.Duration(h.clock.Load())) }))
	h.open()
	return h
}

// open builds the house on its database and lets people in.
func (h *house) open() {
	t := h.t
	t.Helper()
	h.build()
	staff, portal := h.handlers()
	shared.mu.Lock()
	shared.onStaff, shared.onDay = staff, portal
	shared.mu.Unlock()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.queue.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		must(t, <-ended)
	})
}

func (h *house) build() {
	dir, keys := h.t.TempDir(), seal.NewTest()
	blobs, err := blob.OpenStore(h.t.Context(), "file:blobs", dir)
	must(h.t, err)
	book, problems := approval.ParsePeople("people.yaml", []byte(peopleFile))
	if len(problems) > 0 {
		h.t.Fatal(problems)
	}
	roster := approval.FixedRoster(book)
	h.queue, err = holdqueue.New(h.t.Context(), holdqueue.Options{DB: h.db, Keys: keys, Blobs: blobs, Spool: filepath.Join(dir, "spool"), Hostname: "mail.corp.example"})
	must(h.t, err)
	calendar, err := approval.NewCalendar("Asia/Tokyo", "jp", nil)
	must(h.t, err)
	h.desk, err = approval.New(approval.Options{DB: h.db, Keys: keys, Queue: h.queue, People: roster, Calendar: calendar,
		Domains: []string{"corp.example"}, Name: "株式会社コープ", Language: "ja", From: "sekisho@corp.example", BaseURL: shared.staff.URL,
		Admins: []mailaddr.Address{"admin@corp.example"}, Verdict: deskVerdict})
	must(h.t, err)
	files := linkify.Options{DB: h.db, Keys: keys, Blobs: blobs, Portal: shared.portal.URL, Company: "株式会社コープ",
		Zone: calendar.Zone(), TempDir: filepath.Join(dir, "tmp"), Post: h.postLetter, Schedule: h.queue.Schedule, Staff: shared.staff.URL}
	if h.clamd != "" {
		files.FolderTypes = []string{"txt", "pdf"}
		client, err := clamd.New(h.clamd)
		must(h.t, err)
		files.Scan = func(ctx context.Context, content io.Reader) (string, error) { return client.Scan(ctx, "", content) }
		files.Check = func(ctx context.Context, u linkify.Upload, content io.ReaderAt) (out linkify.Checked, err error) {
			out.Malware, err = client.Scan(ctx, "", io.NewSectionReader(content, 0, u.Size))
			return out, err
		}
	}
	h.links, err = linkify.New(files)
	must(h.t, err)
	h.audit = audit.New(h.db, keys)
	base, err := url.Parse(shared.staff.URL)
	must(h.t, err)
	h.gate, err = signin.New(signin.Options{DB: h.db, Keys: keys, People: roster.Book, BaseURL: base, OIDC: signin.OIDC{
		Issuer: shared.dex.Issuer, ClientID: shared.dex.ClientID, ClientSecret: shared.dex.ClientSecret,
		Roles: map[signin.Role][]string{signin.Admin: {"admins"}, signin.Approver: {"managers"}, signin.Auditor: {"auditors"}},
	}})
	must(h.t, err)
	h.connect()
}

func (h *house) handlers() (staff, portal http.Handler) {
	base, err := url.Parse(shared.staff.URL)
	must(h.t, err)
	files, err := url.Parse(shared.portal.URL)
	must(h.t, err)
	zone, err := time.LoadLocation("Asia/Tokyo")
	must(h.t, err)
	d := Deps{DB: h.db, Queue: h.queue, Approval: h.desk, People: h.desk.People.Book, Links: h.links, Audit: h.audit, Gate: h.gate,
		Keys: seal.NewTest(), Company: Company{Name: "株式会社コープ", Domains: []string{"corp.example"}, Language: "ja", Zone: zone},
		BaseURL: base, PortalURL: files, Version: "test",
		Invite: func(ctx context.Context, i Invitation) error { h.invited = append(h.invited, i); return nil },
		Resend: func(ctx context.Context, a linkify.Anew) error { h.resent = append(h.resent, a); return nil }, Log: slog.New(slog.NewTextHandler(h.t.Output(), nil)),
		Ready: func(context.Context) error {
			if err := h.ready.Load(); err != nil {
				return *err
			}
			return nil
		}}
	cache, err := os.UserCacheDir()
	must(h.t, err)
	d.Facsimile = facsimile.New(facsimile.Options{Command: []string{os.Args[0], "show-page"}, Cache: filepath.Join(cache, "sekisho-tools", "pdfium-tests"), Time: time.Minute})
	outside, err := signin.NewAccount(signin.AccountOptions{Name: "dex", DB: h.db, Keys: seal.NewTest(), BaseURL: files,
		OIDC: signin.OIDC{Issuer: shared.dex.Issuer, ClientID: shared.dex.ClientID, ClientSecret: shared.dex.ClientSecret}})
	must(h.t, err)
	d.Accounts = []*signin.Account{outside}
	staff, err = Staff(d)
	must(h.t, err)
	portal, err = Portal(d)
	must(h.t, err)
	return staff, portal
}

func (h *house) quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func (h *house) connect() {
	q := h.queue
	q.Inspect, q.Prepare, q.Sender = h.inspect, h.prepare, h
	q.Retry = func(_, _ time.Time, _ int) time.Time { return time.Time{} }
	q.Hooks = holdqueue.Hooks{Held: h.desk.OnHeld, Waiting: h.desk.OnWaiting, Ended: h.desk.OnEnded, NoticeFailed: h.desk.OnNoticeFailed,
		Leaving: func(tx *db.Tx, m *holdqueue.Message, rs []*holdqueue.Recipient, _ holdqueue.Actor) error {
			var ids []string
			for _, r := range rs {
				ids = append(ids, r.ID)
			}
			return h.links.Activate(tx, ids)
		}}
	for kind, do := range h.desk.Handlers() {
		q.Handlers[kind] = do
	}
	for kind, do := range h.links.Handlers() {
		q.Handlers[kind] = do
	}
}

func deskVerdict(_ *holdqueue.Message, r *holdqueue.Recipient) (approval.Verdict, error) {
	v, err := verdictFor(r)
	out := approval.Verdict{Rules: v.Rules, Transforms: v.Transforms}
	for _, s := range v.Stages {
		out.Stages = append(out.Stages, approval.Stage{Approvers: s.Approvers, Quorum: s.Quorum})
	}
	for _, w := range v.Reasons {
		out.Reasons = append(out.Reasons, approval.Reason{Rule: w.Rule, Code: w.Code, JA: w.JA, EN: w.EN})
	}
	return out, err
}

// plan reads what becomes of a recipient from its domain.
func plan(a mailaddr.Address) policy.RecipientVerdict {
	v := policy.RecipientVerdict{Address: string(a), Action: policy.Send}
	hold := func(approver string) {
		v.Action, v.Approvers, v.Stages = policy.Hold, []string{approver}, []policy.Stage{{Approvers: []string{approver}, Quorum: 1}}
		v.Rules = []string{"my-number"}
		v.Reasons = []policy.Reason{{Rule: "my-number", Code: "content:jp.my_number", JA: "個人番号と思われる番号が2件、社外宛てに含まれています", EN: "2 numbers look like My Numbers and go outside"}}
	}
	switch a.Domain() {
	case "hold.example":
		hold("manager")
	case "tech.example":
		hold("admin")
	case "pool.example":
		hold("role:approver")
	case "self.example":
		hold("sender")
		v.Stages = append(v.Stages, policy.Stage{Approvers: []string{"manager"}, Quorum: 1})
	case "several.example":
		hold("manager")
		v.Reasons = append(v.Reasons, policy.Reason{Rule: "names", Code: "content:jp.person_name", JA: "氏名 2 件（確度 中）が社外宛てに含まれています", EN: "personal name: 2 found (medium), going outside the company"},
			policy.Reason{Rule: "phones", Code: "content:jp.phone", JA: "電話番号 1 件（確度 低）が社外宛てに含まれています", EN: "phone number: 1 found (low), going outside the company"})
	case "wait.example":
		v.Action, v.Delay = policy.Delay, 5*time.Minute
		v.Reasons = []policy.Reason{{Code: "delay", JA: "社外の宛先のため、5分後に送信します", EN: "outside recipients: sent after 5 min"}}
	case "files.example":
		v.Transforms, v.Link = []string{policy.TransformLink}, &policy.Link{Access: policy.Open}
	case "tls.example":
		hold("manager")
		v.Transforms, v.Link = []string{policy.TransformLink}, &policy.Link{Access: policy.Open, UnlessTLS: true}
	case "view.example":
		v.Transforms, v.Link = []string{policy.TransformLink}, &policy.Link{Access: policy.Open, Preview: true}
	case "viewonly.example":
		v.Transforms, v.Link = []string{policy.TransformLink}, &policy.Link{Access: policy.Open, Preview: true, ViewOnly: true}
	case "code.example":
		v.Transforms, v.Link = []string{policy.TransformLink}, &policy.Link{Access: policy.Code}
	case "password.example":
		v.Transforms, v.Link = []string{policy.TransformLink}, &policy.Link{Access: policy.Password}
	case "account.example":
		v.Transforms, v.Link = []string{policy.TransformLink}, &policy.Link{Access: policy.Account}
	case "observed.example":
		hold("manager")
		would := v
		v = policy.RecipientVerdict{Address: string(a), Action: policy.Send, Observed: &would}
	}
	return v
}

func (h *house) inspect(_ context.Context, m *holdqueue.Message, body holdqueue.Body) (holdqueue.Inspection, error) {
	raw, err := io.ReadAll(io.NewSectionReader(body, 0, body.Size()))
	if err != nil {
		return holdqueue.Inspection{}, err
	}
	rep := dlp.Report{}
	if parsed, err := message.Parse(raw); err == nil {
		if text, _ := parsed.Body(); text != nil {
			if i := strings.Index(firstText(text), "123456789018"); i >= 0 {
				rep.Findings = []dlp.Finding{{Detector: "jp.my_number", Level: dlp.High, Count: 2, Matches: []dlp.Match{
					{Where: dlp.InBody, Path: text.Path(), Excerpt: "個人番号 1234-****-****", Start: i, End: i + 12},
					{Where: dlp.InAttachment, Path: "data.zip!/名簿.xlsx#会員!C12", Excerpt: "個人番号 9832-****-****"}}},
					{Detector: "jp.person_name", Level: dlp.Medium, Count: 2, Matches: []dlp.Match{
						{Where: dlp.InAttachment, Path: "data.zip!/名簿.xlsx#会員!B12", Excerpt: "氏名 青木***"},
						{Where: dlp.InAttachment, Path: "data.zip!/名簿.xlsx#会員!B13", Excerpt: "氏名 小林***"}}},
					{Detector: "jp.phone", Level: dlp.Low, Count: 1, Matches: []dlp.Match{{Where: dlp.InBody, Path: text.Path(), Excerpt: "03-****-5678"}}}}
			}
		}
	}
	report, err := json.Marshal(rep)
	if err != nil {
		return holdqueue.Inspection{}, err
	}
	out := holdqueue.Inspection{Report: report}
	if parsed, err := message.Parse(raw); err == nil {
		out.Content = message.Digest(parsed)
	}
	for _, r := range m.Recipients {
		v := plan(r.Address)
		verdict, err := json.Marshal(v)
		if err != nil {
			return out, err
		}
		d := holdqueue.Decision{Action: holdqueue.ActionSend, Delay: v.Delay, Verdict: verdict}
		if v.Action == policy.Hold {
			d.Action = holdqueue.ActionHold
		}
		if v.Link != nil {
			d.Bundle = r.ID
		}
		out.Decisions = append(out.Decisions, d)
	}
	return out, nil
}

func (h *house) prepare(ctx context.Context, m *holdqueue.Message, to []*holdqueue.Recipient, body holdqueue.Body) (holdqueue.Body, error) {
	v, err := verdictFor(to[0])
	if err != nil || v.Link == nil {
		return body, err
	}
	raw, err := io.ReadAll(io.NewSectionReader(body, 0, body.Size()))
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	err = h.links.Prepare(ctx, &b, linkify.Mail{ID: m.ID, Person: m.Person, From: m.Person, FromName: "佐藤 花子", Subject: m.Meta.Subject, AcceptedAt: m.AcceptedAt, Raw: raw},
		linkify.Recipient{ID: to[0].ID, Address: to[0].Address, Terms: linkify.Terms{Access: linkify.Access(v.Link.Access), Preview: v.Link.Preview, ViewOnly: v.Link.ViewOnly}})
	return holdqueue.Bytes([]byte(b.String())), err
}

func (h *house) postLetter(tx *db.Tx, l linkify.Letter) error {
	raw := fmt.Sprintf("Subject: %s\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n%s", l.Subject, l.Text)
	_, err := h.queue.Post(tx, holdqueue.Mail{To: []mailaddr.Address{l.To}, Subject: l.Subject, Kind: l.Kind, About: l.Message, Raw: []byte(raw)})
	return err
}

// Send is the next hop: it takes everything.
func (h *house) Send(ctx context.Context, out *holdqueue.Outgoing) []holdqueue.Result {
	body, err := io.ReadAll(io.NewSectionReader(out.Body, 0, out.Size))
	if err == nil {
		err = out.BeforeDot(ctx, out.Recipients)
	}
	if err != nil {
		return slices.Repeat([]holdqueue.Result{{Err: &holdqueue.SendError{Text: err.Error(), Temporary: true}}}, len(out.Recipients))
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range out.Recipients {
		h.got = append(h.got, delivery{to: r.Address.String(), body: string(body)})
	}
	return slices.Repeat([]holdqueue.Result{{Remote: "next.example", Reply: "250 2.0.0 queued as 4XYZ"}}, len(out.Recipients))
}

// advance moves the product's clock.
func (h *house) advance(d time.Duration) {
	h.clock.Add(int64(d))
	h.queue.Wake()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually waits for what the queue does by itself.
func (h *house) eventually(what string, ok func() bool) {
	h.t.Helper()
	deadline := time.Now().Add(15 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			h.t.Fatalf("never: %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// text is a mail with a My Number in it and a file.
const text = "From: =?utf-8?B?5L2Q6Jek?= <alice@corp.example>\r\nTo: someone@hold.example\r\nSubject: =?utf-8?B?5ZCN57C/?=\r\n" +
	"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b1\r\n\r\n" +
	"--b1\r\nContent-Type: multipart/alternative; boundary=b2\r\n\r\n" +
	"--b2\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nお世話になっております。\r\n番号は 123456789018 です。\r\n<script>alert(1)</script>\r\n" +
	"--b2\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p onclick=\"steal()\">お世話に<b>なって</b>おります</p><img src=\"http://evil.example/x.png\"><script>alert(1)</script><a href=\"javascript:alert(2)\">ここ</a><style>@import 'http://evil.example'</style>\r\n" +
	"--b2--\r\n" +
	"--b1\r\nContent-Type: application/pdf; name=\"=?utf-8?B?6KaL56mN5pu4LnBkZg==?=\"\r\nContent-Disposition: attachment; filename*=UTF-8''%E8%A6%8B%E7%A9%8D%E6%9B%B8.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBERi0xLjQKSGVsbG8gZmlsZQo=\r\n--b1--\r\n"

// submit puts a mail of a person into the queue and waits until it has been
// looked into.
func (h *house) submit(person, subject string, to ...string) *holdqueue.Message {
	h.t.Helper()
	return h.accept(holdqueue.FromPerson, person, subject, to)
}

func (h *house) accept(door holdqueue.Origin, person, subject string, to []string) *holdqueue.Message {
	h.t.Helper()
	env := holdqueue.Envelope{Origin: door, Person: mailaddr.Address(person), MailFrom: mailaddr.Address(person),
		Meta: holdqueue.Meta{Subject: subject, MessageID: db.NewID() + "@corp.example", From: []mailaddr.Address{mailaddr.Address(person)}}}
	for _, a := range to {
		env.Recipients = append(env.Recipients, holdqueue.EnvelopeRecipient{Address: mailaddr.Address(a)})
		env.Meta.HeaderTo = append(env.Meta.HeaderTo, mailaddr.Address(a))
	}
	return h.commit(env)
}

// split is a mail of alice's that a gateway sends as one copy for each recipient.
func (h *house) split(subject string, to ...string) (copies []*holdqueue.Message) {
	h.t.Helper()
	env := holdqueue.Envelope{Origin: holdqueue.FromGateway, Source: "cloud", Person: "alice@corp.example", MailFrom: "alice@corp.example",
		Meta: holdqueue.Meta{Subject: subject, MessageID: db.NewID() + "@corp.example", From: []mailaddr.Address{"alice@corp.example"}}}
	for _, a := range to {
		env.Meta.HeaderTo = append(env.Meta.HeaderTo, mailaddr.Address(a))
	}
	for _, a := range to {
		env.Recipients = []holdqueue.EnvelopeRecipient{{Address: mailaddr.Address(a)}}
		copies = append(copies, h.commit(env))
	}
	return copies
}

// commit puts a mail into the queue and waits until it has been looked into.
func (h *house) commit(env holdqueue.Envelope) *holdqueue.Message {
	h.t.Helper()
	d, err := h.queue.Begin(h.t.Context())
	must(h.t, err)
	mail := cmp.Or(h.raw, text)
	if h.empty {
		mail = strings.Replace(mail, "JVBERi0xLjQKSGVsbG8gZmlsZQo=\r\n", "", 1)
	}
	_, err = io.WriteString(d, mail)
	must(h.t, err)
	id, err := d.Commit(h.t.Context(), env)
	must(h.t, err)
	var m *holdqueue.Message
	h.eventually("inspected", func() bool {
		m, err = h.queue.Get(h.t.Context(), id)
		must(h.t, err)
		return !slices.ContainsFunc(m.Recipients, func(r *holdqueue.Recipient) bool { return r.State == holdqueue.Received })
	})
	return m
}

// becomes waits for the states of a mail, in the order of its recipients.
func (h *house) becomes(id string, states ...holdqueue.State) {
	h.t.Helper()
	h.eventually(fmt.Sprint(states), func() bool {
		m, err := h.queue.Get(h.t.Context(), id)
		must(h.t, err)
		var now []holdqueue.State
		for _, r := range m.Recipients {
			now = append(now, r.State)
		}
		return slices.Equal(now, states)
	})
}

// question is the open request about a mail.
func (h *house) question(id string) *approval.Request {
	h.t.Helper()
	qs, err := h.desk.OfFamily(h.t.Context(), id, approval.Actor{Address: "admin@corp.example", Admin: true})
	must(h.t, err)
	for _, q := range qs {
		if q.State == approval.Open {
			return q
		}
	}
	h.t.Fatalf("no open question about %s", id)
	return nil
}
