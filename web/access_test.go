package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/sekisho-mail/sekisho/linkify"
	"github.com/sekisho-mail/sekisho/web/dextest"
	"github.com/sekisho-mail/sekisho/web/signin"
)

// TestPermits is the truth table of every need.
func TestPermits(t *testing.T) {
	kinds := map[string]standing{
		"nobody in particular": {}, "own": {own: true}, "named": {named: true}, "auditor": {auditor: true}, "admin": {admin: true},
		"admin with a reason": {admin: true, granted: true},
	}
	order := []string{"nobody in particular", "own", "named", "auditor", "admin", "admin with a reason"}
	for n, want := range map[need]string{
		anyone: "yyyyyy", visitor: "yyyyyy", member: "yyyyyy",
		mailSeen: "-yyyyy", mailRead: "-yy--y", mailActed: "-y--yy", linkActed: "-yy-yy",
		overseen: "---yyy", ruled: "----yy", mailAsked: "----yy",
		folderOwned: "-y----", folderActed: "-y--yy",
		"something new": "------",
	} {
		for i, kind := range order {
			if got := n.permits(kinds[kind]); got != (want[i] == 'y') {
				t.Errorf("%s for %s: %v", n, kind, got)
			}
		}
	}
}

// TestEveryRouteForEveryRole calls every route of the page of routes as every
// kind of person. What each may is written down here a second time, by hand: a
// new route without a line fails, and so does one that opens more than it says.
//
// y: let in (whatever the handler then says), n: told there is no such thing,
// f: forbidden, s: asked to sign in.
func TestEveryRouteForEveryRole(t *testing.T) {
	who := []string{"nobody", "bob", "alice", "manager", "auditor", "admin"}
	table := map[string]string{
		//                              nobody bob alice(own) manager(named) auditor admin
		"GET /":                                "syyyyy",
		"GET /messages/:id":                    "snyyyy",
		"GET /messages/:id/body":               "snyynn",
		"GET /messages/:id/content":            "snyynn",
		"POST /messages/:id/content":           "snnnny",
		"POST /messages/:id/cancel":            "snynny",
		"POST /messages/:id/release":           "snynny",
		"POST /messages/:id/stop":              "snynny",
		"GET /requests":                        "syyyyy",
		"GET /requests/:id":                    "snyyny",
		"POST /requests/:id/decide":            "sffyfy",
		"POST /requests/:id/ask":               "snffnf",
		"GET /links":                           "syyyyy",
		"GET /messages/:id/links":              "snyyny",
		"POST /messages/:id/links/revoke":      "snyyny",
		"POST /messages/:id/links/extend":      "snyyny",
		"POST /messages/:id/links/resend":      "snyyny",
		"GET /folders":                         "syyyyy",
		"POST /folders":                        "syyyyy",
		"GET /folders/:id":                     "snynny",
		"POST /folders/:id/invite":             "snynnn",
		"POST /folders/:id/close":              "snynny",
		"POST /folders/:id/extend":             "snynnn",
		"POST /folders/:id/files/:file/delete": "snynny",
		"GET /folders/:id/files/:file":         "snynnn",
		"GET /messages/:id/contain":            "snyyny",
		"POST /messages/:id/contain":           "snyyny",
		"GET /messages/:id/incident.docx":      "snyyny",
		"GET /admin":                           "sfffyy",
		"POST /admin/bulk":                     "sffffy",
		"POST /admin/cancel-all":               "sffffy",
		"POST /admin/pause":                    "sffffy",
		"POST /admin/resume":                   "sffffy",
		"GET /audit":                           "sfffyy",
		"GET /report":                          "sfffyy",
		"GET /people":                          "sfffyy",
		"POST /people/:id/unbind":              "sffffy",
		"GET /tokens":                          "syyyyy",
		"POST /tokens":                         "syyyyy",
		"POST /tokens/:id/revoke":              "snnnnn", // the id is nobody's token
		"GET /c/:token":                        "yyyyyy",
		"POST /c/:token":                       "yyyyyy",
		"GET /login":                           "yyyyyy",
		"GET /login/callback":                  "yyyyyy",
		"POST /logout":                         "yyyyyy",
		"GET /signed-out":                      "yyyyyy",
		"POST /language":                       "yyyyyy",

		"GET /api/v1/openapi.json":          "yyyyyy",
		"GET /api/v1/messages":              "syyyyy",
		"GET /api/v1/messages/:id":          "snyyyy",
		"POST /api/v1/messages/:id/cancel":  "snynny",
		"POST /api/v1/messages/:id/release": "snynny",
		"GET /api/v1/requests":              "syyyyy",
		"GET /api/v1/requests/:id":          "snyyny",
		"POST /api/v1/requests/:id/decide":  "sffyfy",
		"GET /api/v1/links":                 "syyyyy",
		"GET /api/v1/links/:id":             "snyyny",
		"POST /api/v1/links/:id/revoke":     "snyyny",

		"GET /assets/:stamp/:name": "yyyyyy",
		"GET /favicon.ico":         "yyyyyy",
		"GET /healthz":             "yyyyyy",
		"GET /readyz":              "yyyyyy",
	}
	for i, person := range who {
		t.Run(person, func(t *testing.T) {
			h := newHouse(t)
			for _, rt := range (&staff{}).routes() {
				want, ok := table[rt.pattern()]
				if !ok {
					t.Errorf("%s has no line in the table", rt.pattern())
					continue
				}
				if got := h.letIn(person, rt); got != want[i:i+1] {
					t.Errorf("%s for %s: %q, want %q", rt.pattern(), person, got, want[i:i+1])
				}
			}
			if got, want := len(table), len((&staff{}).routes()); got != want {
				t.Errorf("%d lines for %d routes", got, want)
			}
		})
	}
}

// letIn calls a route about a fresh mail that is alice's and that the manager
// is asked about.
func (h *house) letIn(person string, rt route) string {
	h.t.Helper()
	m := h.submit("alice@corp.example", "名簿の件", "x@hold.example", "y@files.example")
	id, form := m.ID, url.Values{"revision": {string(h.question(m.ID).Revision)}, "verb": {"approve"}, "person": {"bob@corp.example"}, "message": {m.ID}}
	file := ""
	body, kind := form.Encode(), "application/x-www-form-urlencoded"
	switch {
	case strings.Contains(rt.path, "/requests/:id"):
		id = string(h.question(m.ID).ID)
	case strings.Contains(rt.path, "/links/:id"):
		h.eventually("a link", func() bool { l, err := h.links.OfMessage(h.t.Context(), m.ID); return err == nil && len(l) == 1 })
		l, err := h.links.OfMessage(h.t.Context(), m.ID)
		must(h.t, err)
		id = l[0].ID
	case strings.Contains(rt.path, "/folders/:id"):
		id, file = h.fullFolder()
	case strings.Contains(rt.path, "/people/:id"), strings.Contains(rt.path, "/tokens/:id"):
		id = strings.Repeat("0", 26)
	}
	path := strings.NewReplacer(":id", id, ":token", "wrong", ":stamp", "0", ":file", file, ":name", "style.css").Replace(rt.path)
	b := dextest.Browser(h.t)
	b.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	token := ""
	if person != "nobody" {
		switch {
		case isAPI(&http.Request{URL: &url.URL{Path: path}}):
			token = h.token(person, signin.MayAct)
			body, kind = "", ""
			if strings.HasSuffix(path, "/decide") {
				body, kind = fmt.Sprintf(`{"revision": %q, "verb": "approve"}`, h.question(m.ID).Revision), "application/json"
			}
		case rt.path != "/logout":
			b.Jar = h.as(person).Jar
		}
	}
	req, err := http.NewRequest(rt.method, absolute(path), strings.NewReader(body))
	must(h.t, err)
	req.Header.Set("Content-Type", kind)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := b.Do(req)
	a := h.read(res, err)
	return verdictIn(a, rt)
}

// fullFolder is a folder of alice's with a file that can be taken out.
func (h *house) fullFolder() (folder, file string) {
	h.t.Helper()
	ctx := h.t.Context()
	f, err := h.links.NewFolder(ctx, linkify.FolderTerms{Person: "alice@corp.example", Title: "資料", Until: h.base.AddDate(0, 0, 3)}, "person:alice@corp.example")
	must(h.t, err)
	_, token, _ := strings.Cut(f.Address, "/u/")
	u, err := h.links.BeginUpload(ctx, token, linkify.Visitor{Browser: linkify.NewBrowser()}, "a", 0)
	must(h.t, err)
	_, err = h.links.CheckUpload(ctx, u.ID)
	must(h.t, err)
	return f.ID, u.ID
}

func verdictIn(a answer, rt route) string {
	location := a.header.Get("Location")
	switch {
	case a.code == http.StatusUnauthorized, a.code == http.StatusSeeOther && strings.HasPrefix(location, "/login"):
		return "s"
	case rt.need == anyone || rt.need == visitor:
		return "y"
	case a.code == http.StatusForbidden:
		return "f"
	case a.code == http.StatusNotFound && !strings.HasSuffix(rt.path, "/unbind"):
		return "n"
	case a.code >= http.StatusInternalServerError:
		return "broken: " + a.body
	}
	return "y"
}

// token makes a bearer token of a person who has signed in.
func (h *house) token(person string, scope signin.Scope) string {
	h.t.Helper()
	page := h.post(h.as(person), "/tokens", "name", "script", "scope", string(scope), "days", "30").is(h.t, http.StatusOK)
	_, rest, ok := strings.Cut(page.body, `<p class="mono">`)
	secret, _, _ := strings.Cut(rest, "<")
	if !ok || !strings.HasPrefix(secret, "sekisho_") {
		h.t.Fatalf("no token on the page:\n%s", page.body)
	}
	return secret
}
