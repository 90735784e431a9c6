package web

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/message"
	"github.com/sekisho-mail/sekisho/web/dextest"
)

// as is the browser of a person, signed in at dex the first time.
func (h *house) as(who string) *http.Client {
	h.t.Helper()
	if b := h.browser[who]; b != nil {
		return b
	}
	b := dextest.Browser(h.t)
	res, body := shared.dex.SignIn(h.t, b, shared.staff.URL+"/", who+"@corp.example")
	if res.StatusCode != http.StatusOK || res.Request.URL.Path != "/" {
		h.t.Fatalf("%s cannot sign in: %d at %s\n%s", who, res.StatusCode, res.Request.URL.Path, body)
	}
	h.browser[who] = b
	return b
}

// answer is what a browser got in the end.
type answer struct {
	code   int
	at     string // path and query it ended at
	body   string
	header http.Header
}

func (h *house) get(b *http.Client, to string) answer {
	h.t.Helper()
	res, err := b.Get(absolute(to))
	return h.read(res, err)
}

func (h *house) post(b *http.Client, to string, form ...string) answer {
	h.t.Helper()
	values := url.Values{}
	for i := 0; i+1 < len(form); i += 2 {
		values.Add(form[i], form[i+1])
	}
	req, err := http.NewRequest(http.MethodPost, absolute(to), strings.NewReader(values.Encode()))
	must(h.t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	res, err := b.Do(req)
	return h.read(res, err)
}

func (h *house) read(res *http.Response, err error) answer {
	h.t.Helper()
	must(h.t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	must(h.t, err)
	return answer{code: res.StatusCode, at: res.Request.URL.RequestURI(), body: string(b), header: res.Header}
}

// absolute: paths below /d/ and /u/ are the portal's, all others the staff's.
func absolute(to string) string {
	switch {
	case strings.HasPrefix(to, "http"):
		return to
	case strings.HasPrefix(to, "/d/"), strings.HasPrefix(to, "/u/"), strings.HasPrefix(to, "/account/"):
		return shared.portal.URL + to
	}
	return shared.staff.URL + to
}

func (a answer) has(t *testing.T, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(a.body, want) {
			t.Errorf("page %s (%d) lacks %q:\n%s", a.at, a.code, want, a.body)
		}
	}
}

func (a answer) lacks(t *testing.T, unwanted ...string) {
	t.Helper()
	for _, text := range unwanted {
		if strings.Contains(a.body, text) {
			t.Errorf("page %s shows %q", a.at, text)
		}
	}
}

// inOrder checks that the parts stand on the page, one behind the other.
func (a answer) inOrder(t *testing.T, parts ...string) {
	t.Helper()
	at := 0
	for _, part := range parts {
		i := strings.Index(a.body[at:], part)
		if i < 0 {
			t.Errorf("page %s has no %q behind what should come before it:\n%s", a.at, part, a.body)
			return
		}
		at += i + len(part)
	}
}

func (a answer) is(t *testing.T, code int) answer {
	t.Helper()
	if a.code != code {
		t.Fatalf("%s answers %d, want %d:\n%s", a.at, a.code, code, a.body)
	}
	return a
}

func mustParse(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	must(t, err)
	return u
}

// link waits until the mail has left and gives the path of the link in it.
func (h *house) link(m *holdqueue.Message) string {
	h.t.Helper()
	to, path := m.Recipients[0].Address.String(), ""
	h.becomes(m.ID, holdqueue.Sent) // before it, an earlier mail to the same address would be found
	h.eventually("a mail with a link", func() bool {
		path = h.find(to, regexp.MustCompile(`/d/[A-Za-z0-9_-]{43}`))
		return path != ""
	})
	return path
}

// find looks into what was delivered to an address, encodings undone.
func (h *house) find(to string, want *regexp.Regexp) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, d := range slices.Backward(h.got) {
		m, err := message.Parse([]byte(d.body))
		if d.to != to || err != nil {
			continue
		}
		for p := range m.Leaves() {
			if found := want.FindString(firstText(p)); found != "" {
				return found
			}
		}
	}
	return ""
}

// sessions is the stored content of all sessions.
func (h *house) sessions() string {
	h.t.Helper()
	var all strings.Builder
	must(h.t, h.db.Read(h.t.Context(), func(tx *db.Tx) error {
		rows, err := tx.Query(`SELECT token, content, expires_at FROM web_session ORDER BY token`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var token string
			var content []byte
			var expires int64
			if err := rows.Scan(&token, &content, &expires); err != nil {
				return err
			}
			fmt.Fprintln(&all, token, content, expires)
		}
		return rows.Err()
	}))
	return all.String()
}
