package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/db/dbtest"
	"github.com/sekisho-mail/sekisho/internal/message"
	"github.com/sekisho-mail/sekisho/internal/seal"
	"github.com/sekisho-mail/sekisho/linkify"
)

const linkedWithCode = `version: 1
rules:
  - {name: all, when: {recipients: external}, then: {delay: 0s, link: {over: 0, access: code, preview: true}}}
`

// withFile is a mail with an attachment below From, To and Subject.
func withFile(content string) string {
	return "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b\r\n" +
		"Content-Type: application/octet-stream; name=a.bin\r\nContent-Disposition: attachment; filename=a.bin\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
		base64.StdEncoding.EncodeToString([]byte(content)) + "\r\n--b--"
}

// standing is an outpost beside a house: its own directory, user and key file.
type standing struct {
	*outpost
	url, user string
	at        string // of its listener
}

// putOutside prepares a portal as docs/scale.md says, word for word, and opens it.
func putOutside(t *testing.T, h *openedHouse, database string, more ...string) *standing {
	t.Helper()
	s := &standing{user: "portal_" + strings.ToLower(db.NewID()[16:])}
	dir := t.TempDir()
	keys := filepath.Join(dir, "portal.keys")
	if said, status := typed(t, "portal", "keys", "--config", h.config.Path, keys); status != 0 {
		t.Fatalf("%d %s", status, said)
	}
	grants, status := typed(t, "portal", "grants", "--user", s.user)
	if status != 0 {
		t.Fatalf("%d %s", status, grants)
	}
	owner := openSQL(t, database)
	for _, statement := range []string{"CREATE ROLE " + s.user + " LOGIN", grants, grants} { // twice: it may be run again
		if _, err := owner.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User(s.user)
	s.url = u.String()
	c := load(t, dir, fmt.Sprintf(`roles: [portal]
data_dir: data
organization: {domains: [corp.example], name: 株式会社コープ}
submission: {hostname: files.corp.example}
portal: {listen: "127.0.0.1:0", url: "http://files.corp.example", receipts: each}
base_url: https://hold.corp.example
database: {url: %q}
files: {url: %q}
keys: {file: %q}
metrics: {listen: ""}
`, s.url, h.config.Files.URL, keys)+strings.Join(more, "\n"))
	if s.outpost, err = openOutpost(t.Context(), c, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	s.outpost.db.Close()
	ctx, stop := context.WithCancel(context.Background())
	at, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- servePortal(ctx, c, itself(t), slog.New(slog.DiscardHandler), func(r *reached) { at <- r.Portal })
	}()
	select {
	case s.at = <-at:
	case err := <-ended:
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return s
}

func openSQL(t *testing.T, url string) *sql.DB {
	t.Helper()
	d, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// visit is a recipient's browser.
type visit struct {
	t      *testing.T
	client *http.Client
	base   string
}

func (v *visit) page(res *http.Response, err error) string {
	v.t.Helper()
	if err != nil {
		v.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		v.t.Fatalf("%s %v\n%s", res.Status, err, raw)
	}
	return string(raw)
}

var (
	linkInMail = regexp.MustCompile(`http://files\.corp\.example(/d/[A-Za-z0-9_-]{43})`)
	fileOnPage = regexp.MustCompile(`name="file" value="([^"]+)"`)
	codeInMail = regexp.MustCompile(`([0-9]{4}) ([0-9]{4})`)
)

// linkOf is the path of the link in a mail, "" when it has none.
func linkOf(t *testing.T, raw string) string {
	t.Helper()
	m, err := message.Parse([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	for leaf := range m.Leaves() {
		for _, text := range leaf.Texts(1 << 20) {
			if found := linkInMail.FindStringSubmatch(text); found != nil {
				return found[1]
			}
		}
	}
	return ""
}

// linkedMail sends a mail with a file and gives the path of its link.
func linkedMail(t *testing.T, h *openedHouse, content string) string {
	t.Helper()
	h.submit("alice@corp.example", "secret subject", withFile(content), "x@other.example")
	var path string
	h.until("the linked mail", func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, a := range h.sent {
			if a.kind == "" {
				path = linkOf(t, a.raw)
			}
		}
		return path != ""
	})
	return path
}

func TestAPortalWithItsOwnUserAndKeysServesDownloadsAndReadsNoMail(t *testing.T) {
	database := dbtest.PostgresURL(t)
	h := testHouse(t, linkedWithCode, fmt.Sprintf("database: {url: %q}", database), `portal: {listen: "127.0.0.1:0", url: "http://files.corp.example"}`)
	if _, err := h.links.Prove(t.Context()); err != nil {
		t.Fatal(err)
	}
	content := strings.Repeat("what the customer asked for\n", 9000)
	path := linkedMail(t, h, content)
	s := putOutside(t, h, database)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	v := &visit{t: t, client: &http.Client{Jar: jar}, base: "http://" + s.at}
	link := v.base + path
	if page := v.page(v.client.Get(link)); strings.Contains(page, "secret subject") || strings.Contains(page, "a.bin") {
		t.Errorf("shown before the code:\n%s", page)
	}
	v.page(v.client.PostForm(link+"/code", nil))
	_, letter := h.gets("code", "x@other.example")
	code := codeInMail.FindStringSubmatch(letter)
	if code == nil {
		t.Fatal(letter)
	}
	page := v.page(v.client.PostForm(link+"/enter", url.Values{"code": {code[1] + code[2]}}))
	file := fileOnPage.FindStringSubmatch(page)
	if file == nil {
		t.Fatal(page)
	}
	if got := v.page(v.client.PostForm(link+"/get", url.Values{"file": {file[1]}})); got != content {
		t.Errorf("%d octets of %d", len(got), len(content))
	}
	h.until("the download to be counted", func() bool {
		all, err := h.links.List(t.Context(), linkify.Filter{}, linkify.Page{})
		return err == nil && len(all) == 1 && all[0].Taken == 1
	})
	if shown := v.page(v.client.PostForm(link+"/view", url.Values{"file": {file[1]}})); !strings.Contains(shown, "what the customer asked for\n") {
		t.Errorf("not shown:\n%s", shown)
	}
	if all, err := h.links.List(t.Context(), linkify.Filter{}, linkify.Page{}); err != nil || all[0].Viewed != 1 || all[0].Taken != 1 {
		t.Errorf("%+v %v", all, err)
	}
	readsNothing(t, h, s)
	checksWell(t, h, s)
	r, err := h.audit.Verify(t.Context())
	if err != nil || !r.Untouched() {
		t.Errorf("%+v %v", r, err)
	}
}

// readsNothing tries what a thief would with the portal's user and its key file.
func readsNothing(t *testing.T, h *openedHouse, s *standing) {
	t.Helper()
	thief := openSQL(t, s.url)
	for _, statement := range []string{
		`SELECT body FROM message`, `SELECT id FROM message`, `SELECT address FROM recipient`, `SELECT detail FROM request`, `SELECT value FROM setting`,
		`SELECT title FROM link`, `SELECT detail FROM audit_entry`, `SELECT * FROM web_session`, `SELECT hash FROM web_token`, `SELECT * FROM work`,
		`UPDATE work SET due_at = 0`, `DELETE FROM work`, `UPDATE recipient SET state = 'delayed'`, `UPDATE audit_entry SET actor = ''`, `DELETE FROM audit_entry`,
		`DELETE FROM link_download`, `UPDATE link SET state = 'active'`, `UPDATE link SET expires_at = 9`, `DELETE FROM link`, `CREATE TABLE mine (a BIGINT)`,
		`INSERT INTO work (kind, ref, due_at, attempt, tries) VALUES ('send', 'x', 1, '', 0)`,
		`INSERT INTO audit_entry (id, at, actor, action, message, recipient, object, detail, salt, purge, leaf, number)
			VALUES ('x', 1, 'person:boss@corp.example', 'approve', '', '', '', '{}', '', '', '', -1)`,
		`INSERT INTO setting (name, value) VALUES ('pause', '')`, `INSERT INTO message (id) VALUES ('x')`,
		`INSERT INTO node (id, name, version, roles, digests, started_at, seen_at, left_at) VALUES ('x', 'n', 'v', 'queue', '{}', 1, 1, 0)`,
		`UPDATE schema_floor SET floor = 9999`, `INSERT INTO folder_file (id, folder, browser, state, size, received, sealed, address, created_at, ended_at)
			VALUES ('x', 'f', 'b', 'clean', 1, 1, '', '', 1, 1)`,
	} {
		if _, err := thief.Exec(statement); err == nil || !strings.Contains(err.Error(), "42501") {
			t.Errorf("the portal's user may: %s (%v)", statement, err)
		}
	}
	// Even with the rows in hand: its keys open neither body, meta nor title.
	var id string
	var body, meta, title []byte
	err := openSQL(t, h.config.Database.URL).QueryRow(`SELECT m.id, m.body, m.meta, l.title FROM message m JOIN link l ON l.message = m.id`).Scan(&id, &body, &meta, &title)
	if err != nil || len(body)+len(meta)+len(title) == 0 {
		t.Fatal(err)
	}
	for purpose, sealed := range map[string][]byte{"body": body, "meta": meta, "linkify.title": title} {
		if len(sealed) == 0 {
			continue
		}
		if _, err := s.keys.Open(purpose, id, sealed); !errors.Is(err, seal.ErrUnknownKey) {
			t.Errorf("%s: %v", purpose, err)
		}
	}
	raw, err := os.ReadFile(h.config.Keys.File)
	if err != nil {
		t.Fatal(err)
	}
	portal, err := os.ReadFile(s.config.Keys.File)
	if err != nil {
		t.Fatal(err)
	}
	for secret := range strings.FieldsSeq(string(raw)) {
		if len(secret) == 64 && bytes.Contains(portal, []byte(secret)) {
			t.Error("a main key stands in the portal's file")
		}
	}
}

// checksWell runs check on the portal, and on one that uses the owner's database user.
func checksWell(t *testing.T, h *openedHouse, s *standing) {
	t.Helper()
	if said, status := typed(t, "check", "--config", s.config.Path); status != 0 || !strings.Contains(said, "this user can read no mail") {
		t.Errorf("%d %s", status, said)
	}
	raw, err := os.ReadFile(s.config.Path)
	if err != nil {
		t.Fatal(err)
	}
	wrong := write(t, filepath.Dir(s.config.Path), "wrong.yaml", strings.Replace(string(raw), s.url, h.config.Database.URL, 1))
	if said, status := typed(t, "check", "--config", wrong); status != 1 || !strings.Contains(said, "may read the table message") {
		t.Errorf("%d %s", status, said)
	}
	// A node that leaves work to others hears that nobody does it; the portal that is running does its own part.
	left := write(t, h.dir, "left.yaml", string(readFile(t, h.config.Path))+"\nroles: [submission, queue]\n")
	said, _ := typed(t, "check", "--config", left)
	if !strings.Contains(said, "leaves web to others, and no node") || strings.Contains(said, "leaves portal to others") {
		t.Errorf("%s", said)
	}
	if said, status := typed(t, "queue", "nodes", "--config", h.config.Path); status != 0 || !strings.Contains(said, "alive") || !strings.Contains(said, "portal") {
		t.Errorf("%d %s", status, said)
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestAPortalOnlyNodeRefusesTheMainKeysAndStartsNothingElse(t *testing.T) {
	h := testHouse(t, linkedWithCode)
	c := *h.config
	c.Roles = []string{rolePortal}
	if _, err := openOutpost(t.Context(), &c, slog.New(slog.DiscardHandler)); !errors.Is(err, seal.ErrMainKeys) {
		t.Errorf("a portal took the main keys: %v", err)
	}
	keys := filepath.Join(t.TempDir(), "portal.keys")
	if said, status := typed(t, "portal", "keys", "--config", h.config.Path, keys); status != 0 {
		t.Fatalf("%d %s", status, said)
	}
	if said, status := typed(t, "portal", "keys", "--config", h.config.Path, keys); status == 0 {
		t.Errorf("written over: %s", said)
	}
	c = *h.config
	c.Keys.File = keys
	if _, err := openHouse(t.Context(), &c, "", slog.New(slog.DiscardHandler)); !errors.Is(err, seal.ErrPortalKeys) {
		t.Errorf("another node took a portal's keys: %v", err)
	}
	if said, status := typed(t, "portal", "grants", "--user", `x"; DROP TABLE message; --`); status == 0 {
		t.Errorf("%s", said)
	}
}

// Each role opens its own doors and runs its own loops; what is left out is left to other nodes.
func TestANodeDoesOnlyWhatItsRolesSay(t *testing.T) {
	database, keys := dbtest.PostgresURL(t), filepath.Join(t.TempDir(), "keys")
	for _, each := range []struct {
		roles                       string
		mail, web, portal, relaying bool
	}{
		{"[submission]", true, false, false, false},
		{"[queue]", false, false, false, true},
		{"[web]", false, true, false, false},
		{"[web, portal]", false, true, true, false},
		{"[submission, queue, web, portal]", true, true, true, true},
	} {
		t.Run(each.roles, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, "people.yaml", testPeople)
			c := load(t, dir, fmt.Sprintf(`roles: %s
data_dir: data
organization: {domains: [corp.example]}
submission: {hostname: mail.corp.example, listen: [], listen_tls: [], gateway: {listen: ["127.0.0.1:0"],
  sources: [{name: exo, networks: [127.0.0.0/8], senders: [corp.example], owner: admin@corp.example}]}}
relay: {host: "127.0.0.1:9"}
oidc: {issuer: https://login.corp.example}
web: {listen: "127.0.0.1:0"}
portal: {listen: "127.0.0.1:0", url: https://files.corp.example}
metrics: {listen: ""}
people: {file: people.yaml}
database: {url: %q}
keys: {file: %q}
`, each.roles, database, keys))
			h, err := openHouse(t.Context(), c, "", slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			defer h.close()
			ctx, stop := context.WithTimeout(t.Context(), 60*time.Second)
			defer stop()
			var got *reached
			if err := h.serve(ctx, func(r *reached) { got = r; stop() }); err != nil {
				t.Fatal(err)
			}
			if got == nil || (got.Gateway != "") != each.mail || (got.Web != "") != each.web || (got.Portal != "") != each.portal || (h.relay != nil) != each.relaying {
				t.Errorf("%+v relay=%v", got, h.relay != nil)
			}
		})
	}
}

func TestTwoServicesDoNotShareADataDir(t *testing.T) {
	h := testHouse(t, linkedWithCode)
	unlock, err := h.alone()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.alone(); err == nil || !strings.Contains(err.Error(), "data_dir of its own") {
		t.Errorf("%v", err)
	}
	unlock()
	if unlock, err = h.alone(); err != nil {
		t.Fatal(err)
	}
	unlock()
}
