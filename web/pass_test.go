package web

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/sekisho-mail/sekisho/linkify"
	"github.com/sekisho-mail/sekisho/web/dextest"
)

func TestAPasswordByAnotherChannelOpensTheFiles(t *testing.T) {
	h := newHouse(t)
	m := h.submit("alice@corp.example", "見積の件", "partner@password.example")
	path := h.link(m)
	mine := h.get(h.as("alice"), "/messages/"+m.ID+"/links")
	shown := regexp.MustCompile(`<b class="mono">([a-z0-9-]+)</b>`).FindStringSubmatch(mine.body)
	if shown == nil {
		t.Fatalf("the sender sees no password:\n%s", mine.body)
	}
	h.get(h.as("admin"), "/messages/"+m.ID+"/links").is(t, http.StatusOK).lacks(t, shown[1])
	h.eventually("alice told that there is one", func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, d := range h.got {
			if d.to == "alice@corp.example" && strings.Contains(d.body, "パスワードが必要です") {
				return !strings.Contains(d.body, shown[1])
			}
		}
		return false
	})
	b := dextest.Browser(t)
	page := h.get(b, path).is(t, http.StatusOK)
	page.has(t, "パスワードが必要です")
	page.lacks(t, "見積書.pdf", shown[1])
	h.post(b, path+"/password", "password", "abcd-efgh-jkmn").is(t, http.StatusForbidden).has(t, "パスワードが違います")
	h.post(b, path+"/code").is(t, http.StatusOK).lacks(t, "見積書.pdf") // there is no way round by a code
	typed := strings.ToUpper(strings.ReplaceAll(shown[1], "-", " "))
	h.post(b, path+"/password", "password", typed).is(t, http.StatusOK).has(t, "見積書.pdf")
	h.get(dextest.Browser(t), path).lacks(t, "見積書.pdf")
	for range 12 {
		h.post(dextest.Browser(t), path+"/password", "password", "wrong")
	}
	blocked := h.post(dextest.Browser(t), path+"/password", "password", shown[1]).is(t, http.StatusTooManyRequests)
	blocked.has(t, "回数が多すぎます", "を過ぎると、もう一度お試しいただけます")
	if n, err := strconv.Atoi(blocked.header.Get("Retry-After")); err != nil || n < 1 || n > 24*3600 {
		t.Errorf("Retry-After: %q", blocked.header.Get("Retry-After"))
	}
}

// signInAt begins at the portal and signs in at the provider.
func (h *house) signInAt(b *http.Client, path, email string) answer {
	h.t.Helper()
	follow := b.CheckRedirect
	b.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	page := h.post(b, path+"/account", "account", "dex").is(h.t, http.StatusOK)
	to, found := strings.CutPrefix(page.header.Get("Refresh"), "0; url=")
	if !found || !strings.Contains(html.UnescapeString(page.body), `href="`+to+`"`) {
		h.t.Fatalf("neither browser nor reader is led on: %q\n%s", to, page.body)
	}
	b.CheckRedirect = follow
	res, body := shared.dex.SignIn(h.t, b, to, email)
	return answer{code: res.StatusCode, at: res.Request.URL.RequestURI(), body: body, header: res.Header}
}

func TestAnAccountOfTheRecipientsOpensTheFiles(t *testing.T) {
	h := newHouse(t)
	m := h.submit("alice@corp.example", "見積の件", "partner@account.example")
	path := h.link(m)
	b := dextest.Browser(t)
	h.get(b, path).is(t, http.StatusOK).has(t, "dex でサインイン", "p•••@account.example")
	h.signInAt(b, path, "partner@account.example").is(t, http.StatusOK).has(t, "見積書.pdf")
	h.get(dextest.Browser(t), path).lacks(t, "見積書.pdf")

	colleague := dextest.Browser(t)
	page := h.signInAt(colleague, path, "colleague@account.example").is(t, http.StatusOK)
	page.has(t, "見積書.pdf")
	h.post(colleague, path+"/get", "file", fileID(t, page)).is(t, http.StatusOK)
	log, err := h.links.Log(t.Context(), m.ID, "", linkify.Page{})
	must(t, err)
	if len(log) != 1 || log[0].As != "colleague@account.example" {
		t.Errorf("%+v", log)
	}
	other := dextest.Browser(t)
	page = h.signInAt(other, path, "bob@corp.example").is(t, http.StatusOK)
	page.has(t, "このメールの宛先ではありません")
	page.lacks(t, "見積書.pdf")
}

func TestAnAccountsAnswerCountsInTheBrowserThatAsked(t *testing.T) {
	h := newHouse(t)
	m := h.submit("alice@corp.example", "見積の件", "partner@account.example")
	path := h.link(m)
	h.get(dextest.Browser(t), "/account/dex/callback?state="+strings.Repeat("A", 43)+"&code=x").is(t, http.StatusBadRequest)
	h.get(dextest.Browser(t), "/account/other/callback").is(t, http.StatusNotFound)
	b := dextest.Browser(t)
	b.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	to := strings.TrimPrefix(h.post(b, path+"/account", "account", "dex").is(t, http.StatusOK).header.Get("Refresh"), "0; url=")
	u, err := url.Parse(to)
	must(t, err)
	back := "/account/dex/callback?state=" + u.Query().Get("state") + "&code=stolen"
	h.get(dextest.Browser(t), back).is(t, http.StatusBadRequest) // begun elsewhere
	h.post(b, path+"/account", "account", "nobody").is(t, http.StatusNotFound)
	h.get(b, path+"?problem=%3Cscript%3E").lacks(t, "<script")
}
