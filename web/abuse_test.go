package web

import (
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/linkify"
	"github.com/sekisho-mail/sekisho/web/dextest"
)

// everywhere is one path for every route of both listeners, with strange words where a route takes any, and the pages
// of a real link.
func everywhere(h *house, link string) (out []route) {
	fill := strings.NewReplacer(":token", "x%00<script>", ":file", "..%2F..%2Fetc", ":ticket", "%0d%0aSet-Cookie:a=b", ":id", "'%22%3E", ":name", "x", ":stamp", "x")
	for _, r := range (&staff{}).routes() {
		out = append(out, route{method: r.method, path: shared.staff.URL + fill.Replace(r.path), need: r.need})
	}
	for _, r := range (&portal{}).routes() {
		out = append(out, route{method: r.method, path: shared.portal.URL + fill.Replace(r.path)})
	}
	for _, p := range []string{link, link + "?lang=en", link + "/nothing/here", "/d/", "/u/x"} {
		out = append(out, route{method: get, path: shared.portal.URL + p})
	}
	return append(out, route{method: get, path: shared.staff.URL + "/nothing"})
}

func (h *house) ask(b *http.Client, method, to string, header ...string) answer {
	h.t.Helper()
	req, err := http.NewRequest(method, to, nil)
	must(h.t, err)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := b.Do(req)
	return h.read(res, err)
}

// stay is a browser that follows nothing.
func stay(b *http.Client) *http.Client {
	one := *b
	one.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &one
}

var loads = regexp.MustCompile(`(?i)(?:src|href|action|formaction|poster|data|srcset|content)\s*=\s*["']?\s*((?:https?:)?//[^"'\s>]*)|url\(\s*["']?((?:https?:)?//[^)]*)|@import`)

// No page can be framed, sniffed, kept, or tell another site its address; none loads anything from elsewhere.
func TestEveryAnswerKeepsToItself(t *testing.T) {
	h := newHouse(t)
	m := h.submit("alice@corp.example", "見積の件", "partner@files.example")
	link := h.link(m)
	for _, b := range []*http.Client{stay(dextest.Browser(t)), stay(h.as("alice")), stay(h.as("admin"))} {
		for _, r := range everywhere(h, link) {
			got := h.ask(b, r.method, r.path, "Sec-Fetch-Site", "same-origin", "Tus-Resumable", "1.0.0")
			if got.code >= 500 {
				t.Errorf("%s %s: %d", r.method, r.path, got.code)
			}
			for name, want := range map[string]string{"X-Frame-Options": "^DENY$", "X-Content-Type-Options": "^nosniff$", "Referrer-Policy": "^(no-referrer|same-origin)$",
				"Content-Security-Policy": "frame-ancestors '(none|self)'", "X-Robots-Tag": "noindex"} {
				if v := got.header.Get(name); !regexp.MustCompile(want).MatchString(v) {
					t.Errorf("%s %s (%d): %s: %q", r.method, r.path, got.code, name, v)
				}
			}
			if c := got.header.Get("Cache-Control"); !strings.Contains(c, "no-store") && !strings.Contains(r.path, "/assets/") && !strings.Contains(r.path, "favicon") && !strings.HasSuffix(r.path, "openapi.json") {
				t.Errorf("%s %s (%d) may be kept: %q", r.method, r.path, got.code, c)
			}
			for _, at := range loads.FindAllStringSubmatch(got.body, -1) {
				if !strings.HasPrefix(at[1], shared.portal.URL) && !strings.HasPrefix(at[1], shared.staff.URL) {
					t.Errorf("%s %s speaks of %q", r.method, r.path, at[0])
				}
			}
			if strings.Contains(got.body, "<script>") || len(got.header.Values("Set-Cookie")) > 0 && strings.Contains(got.header.Get("Set-Cookie"), "a=b") {
				t.Errorf("%s %s gives back what was asked", r.method, r.path)
			}
		}
	}
}

// A page of another site can make a browser send any form; none is taken, by whatever sign it shows.
func TestNothingIsDoneForAnotherSite(t *testing.T) {
	h := newHouse(t)
	m := h.submit("alice@corp.example", "見積の件", "partner@files.example")
	link := h.link(m)
	routes := everywhere(h, link)
	for _, p := range []string{"/get", "/zip", "/code", "/enter", "/password", "/account", "/ask"} {
		routes = append(routes, route{method: post, path: shared.portal.URL + link + p})
	}
	routes = append(routes, route{method: post, path: shared.staff.URL + "/messages/" + m.ID + "/links/revoke"})
	for _, b := range []*http.Client{stay(dextest.Browser(t)), stay(h.as("alice"))} {
		for _, r := range routes {
			if r.method == get || r.method == http.MethodHead {
				continue
			}
			for _, sign := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"},
				{"Origin", "null", "Sec-Fetch-Site", "cross-site"}, {"Origin", "http://" + "localhost.evil.example"}} {
				if got := h.ask(b, r.method, r.path, append(sign, "Tus-Resumable", "1.0.0")...); got.code != http.StatusForbidden {
					t.Errorf("%s %s with %v: %d", r.method, r.path, sign, got.code)
				}
			}
		}
	}
	links, err := h.links.OfMessage(t.Context(), m.ID)
	must(t, err)
	if links[0].Taken != 0 || links[0].State != linkify.Active {
		t.Errorf("%+v", links[0])
	}
}

// Whatever method a request names, in its line or in a header, only POST acts, and only where there is a form.
func TestNoOtherMethodActs(t *testing.T) {
	h := newHouse(t)
	m := h.submit("alice@corp.example", "見積の件", "partner@files.example")
	link := h.link(m)
	b := stay(dextest.Browser(t))
	file := fileID(t, h.get(b, link))
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete, http.MethodPatch, "PROPFIND", "get", "POST "} {
		for _, p := range []string{link, link + "/get", link + "/zip", link + "/code", link + "/ask"} {
			for _, override := range []string{"", "X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"} {
				req := &http.Request{Method: strings.TrimSpace(method), URL: mustParse(t, shared.portal.URL+p+"?file="+file+"&_method=POST"), Header: http.Header{}}
				if override != "" {
					req.Header.Set(override, "POST")
				}
				if method == "POST " {
					req.Method = "post"
				}
				res, err := b.Do(req)
				if err != nil {
					continue // Go's client refuses to send it
				}
				body, _ := io.ReadAll(res.Body)
				res.Body.Close()
				if method == http.MethodTrace && strings.Contains(string(body), override) && override != "" {
					t.Errorf("TRACE gives back what was sent")
				}
				if res.StatusCode == http.StatusSeeOther {
					t.Errorf("%s %s (%s) acts", method, p, override)
				}
			}
		}
	}
	// A way of looking ahead is no wish to take.
	at := h.post(b, link+"/get", "file", file).is(t, http.StatusSeeOther).header.Get("Location")
	for _, sign := range []string{"Sec-Purpose", "Purpose", "X-Purpose", "X-Moz"} {
		h.ask(b, http.MethodGet, absolute(at), sign, "prefetch;prerender").is(t, http.StatusForbidden)
	}
	links, err := h.links.OfMessage(t.Context(), m.ID)
	must(t, err)
	log, err := h.links.Log(t.Context(), m.ID, "", linkify.Page{})
	must(t, err)
	if links[0].Taken != 0 || len(log) != 0 {
		t.Errorf("%d taken, %d lines", links[0].Taken, len(log))
	}
}

// Ranges are answered with what they ask for or with the whole, never with more work than that.
func TestRangesCannotBeMadeToWork(t *testing.T) {
	h := newHouse(t)
	link := h.link(h.submit("alice@corp.example", "見積の件", "partner@files.example"))
	b := stay(dextest.Browser(t))
	at := absolute(h.post(b, link+"/get", "file", fileID(t, h.get(b, link))).is(t, http.StatusSeeOther).header.Get("Location"))
	const whole = "%PDF-1.4\nHello file\n"
	for ask, want := range map[string]struct {
		code int
		body string
	}{
		"bytes=0-0,2-2": {200, whole},
		"bytes=" + strings.Repeat("0-,", 1000) + "0-":    {200, whole},
		"bytes=" + strings.Repeat("0-19,", 1000) + "1-2": {200, whole},
		"bytes=-1":                     {206, "\n"},
		"bytes=-99999999999999999999":  {416, ""},
		"bytes=0-99999999999999999999": {416, ""},
		"bytes=0-9223372036854775807":  {206, whole},
		"bytes=9223372036854775807-":   {416, ""},
		"bytes=5-1":                    {416, ""},
		"bytes=--1":                    {416, ""},
		"bytes=-0":                     {206, ""},
		"bytes=a-b":                    {416, ""},
		"octets=0-1":                   {416, ""},
		"bytes=0-1\t":                  {206, "%P"},
	} {
		got := h.ask(b, http.MethodGet, at, "Range", ask)
		if got.code != want.code && !(want.code == 416 && got.code == 200) || got.code == 206 && got.body != want.body || got.code == 200 && got.body != whole {
			t.Errorf("%.40s: %d %q, want %d %q", ask, got.code, got.body, want.code, want.body)
		}
	}
	for _, condition := range []string{`W/"x"`, `"x"`, "garbage", "Thu, 01 Jan 1970 00:00:00 GMT"} {
		if got := h.ask(b, http.MethodGet, at, "Range", "bytes=1-2", "If-Range", condition); got.code != 200 || got.body != whole {
			t.Errorf("If-Range %s: %d %q", condition, got.code, got.body)
		}
	}
}

var hostileNames = []string{
	`<img src=x onerror=alert(1)>.svg`, `"><script>alert(1)</script>.html`, "a\r\nSet-Cookie: x=y\r\n\r\n<h1>.txt", "a\x00b.exe", `x"; filename="evil.exe`,
	"../../../etc/passwd", `..\..\windows\system32\cmd.exe`, "C:\\autoexec.bat", "/etc/shadow", "CON", "con.txt", "NUL.tar.gz", "COM1.log", "LPT9",
	"trailing. . .", " leading", "...", "..", ".", "~", "gnp\u202eexe.txt", "zero\u200bwidth.txt", "stream.txt:hidden", "pipe|name?.txt*", "%2e%2e%2fetc%2fpasswd",
	strings.Repeat("長", 300) + ".pdf", strings.Repeat("x", 500), "same.txt", "SAME.TXT", "same.txt", "semi;colon=x.txt", "UTF-8''%41.txt", "{{.Token}}.txt", "tab\there.txt", "\u2028line.txt",
}

// Names are the sender's, and a sender may be anybody's puppet: they stay names, on the pages, in headers and in archives.
func TestHostileNamesStayNames(t *testing.T) {
	h := newHouse(t)
	h.raw = several(hostileNames...)
	m := h.submit("alice@corp.example", `<script>alert("subject")</script>`, "partner@files.example")
	link := h.link(m)
	b := dextest.Browser(t)
	pages := []answer{h.get(b, link), h.get(b, link+"?lang=en"), h.get(h.as("alice"), "/messages/"+m.ID), h.get(h.as("alice"), "/messages/"+m.ID+"/links"), h.get(h.as("alice"), "/")}
	for _, p := range pages {
		p.is(t, http.StatusOK).lacks(t, "<img src=x", "<script>alert", "\u202e", "onerror=alert(1)>.svg\"")
	}
	ids := regexp.MustCompile(`name="file" value="([^"]+)"><input type="hidden" name="lang"`).FindAllStringSubmatch(pages[0].body, -1)
	if len(ids) != len(hostileNames) {
		t.Fatalf("%d files on the page, want %d", len(ids), len(hostileNames))
	}
	for i, id := range ids {
		got := h.post(b, link+"/get", "file", id[1]).is(t, http.StatusOK)
		if got.header.Get("X") != "" || got.header.Get("Content-Type") != "application/octet-stream" || !strings.Contains(got.header.Get("Content-Security-Policy"), "sandbox") {
			t.Errorf("%q: %v", hostileNames[i], got.header)
		}
		kind, param, err := mime.ParseMediaType(got.header.Get("Content-Disposition"))
		if err != nil || kind != "attachment" {
			t.Errorf("%q: %q, %v", hostileNames[i], got.header.Get("Content-Disposition"), err)
		}
		safeName(t, param["filename"])
	}
	names, _ := unzipped(t, h.post(b, link+"/zip").is(t, http.StatusOK).body)
	seen := map[string]bool{}
	for _, n := range names {
		safeName(t, n)
		if seen[strings.ToLower(n)] {
			t.Errorf("%q stands twice", n)
		}
		seen[strings.ToLower(n)] = true
	}
	if len(names) != len(hostileNames) {
		t.Errorf("%d files in the archive", len(names))
	}
}

func safeName(t *testing.T, n string) {
	t.Helper()
	stem, _, _ := strings.Cut(strings.ToUpper(n), ".")
	switch {
	case n == "", n != path.Base(n), strings.ContainsAny(n, "/\\:*?\"<>|\x00\r\n\t\u202e\u200b\u2028"), strings.HasSuffix(n, "."), strings.HasSuffix(n, " "),
		strings.HasPrefix(n, "."), len(n) > 255, regexp.MustCompile(`^(CON|PRN|AUX|NUL|COM[0-9]|LPT[0-9])$`).MatchString(stem):
		t.Errorf("%q is no name to save under", n)
	}
}

// A thousand files in a mail are shown and packed within seconds, whatever they are called.
func TestThousandsOfFilesOfOneName(t *testing.T) {
	names := make([]string, 1000)
	for i := range names {
		names[i] = "same.txt"
	}
	entries := make([]zipEntry, 20_000)
	for i := range entries {
		entries[i].file.Name = "same.txt"
	}
	began := time.Now()
	name(entries)
	if entries[len(entries)-1].name != "same (20000).txt" {
		t.Errorf("the last is %q", entries[len(entries)-1].name)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("naming took %v", took)
	}
	h := newHouse(t)
	h.raw = several(names...)
	link := h.link(h.submit("alice@corp.example", "多数", "partner@files.example"))
	if got, _ := unzipped(t, h.post(dextest.Browser(t), link+"/zip").is(t, http.StatusOK).body); len(got) != len(names) {
		t.Errorf("%d files in the archive", len(got))
	}
}

// No parameter sends a reader to another site.
func TestNoRedirectLeadsElsewhere(t *testing.T) {
	h := newHouse(t)
	link := h.link(h.submit("alice@corp.example", "見積の件", "partner@files.example"))
	elsewhere := []string{"https://evil.example/", "//evil.example", "///evil.example", `/\evil.example`, `\\evil.example`, `/\/evil.example`, "/%2fevil.example", "/%5cevil.example",
		"/\t/evil.example", "/\r\n/evil.example", " //evil.example", "\x00//evil.example", "javascript:alert(1)", "data:text/html,x", "/..//evil.example", "/.//evil.example", "//evil.example@" + "corp.example",
		"https:evil.example", "http:/evil.example", "/login/../..//evil.example", "?x=//evil.example", "/a//evil.example/%2e%2e"}
	ours := regexp.MustCompile(`^/(?:$|[^/\\])`)
	check := func(got answer, what string) {
		t.Helper()
		at := got.header.Get("Location")
		u, err := url.Parse(at)
		if got.code != http.StatusSeeOther || at == "" {
			return
		}
		base := mustParse(t, shared.staff.URL)
		if err != nil || base.ResolveReference(u).Host != base.Host && !strings.HasPrefix(at, shared.dex.Issuer) || !strings.HasPrefix(at, "http") && !ours.MatchString(at) {
			t.Errorf("%s leads to %q", what, at)
		}
	}
	b, alice := stay(dextest.Browser(t)), stay(h.as("alice"))
	for _, to := range elsewhere {
		q := url.QueryEscape(to)
		check(h.ask(alice, get, shared.staff.URL+"/login?to="+q), "login of who is signed in, to="+to)
		check(h.post(alice, "/language", "to", "en", "back", to), "language, back="+to)
		for _, p := range []string{"/get", "/code", "/enter", "/password", "/ask", "/zip"} {
			check(h.post(b, link+p, "lang", to, "file", to, "address", to, "back", to, "to", to), "portal"+p)
		}
		check(h.ask(b, get, shared.portal.URL+"/account/dex/callback?state="+q+"&to="+q), "account")
		// Through the whole sign-in: where a fresh browser ends.
		if fresh := dextest.Browser(t); to[0] == '/' {
			res, _ := shared.dex.SignIn(t, fresh, shared.staff.URL+"/login?to="+q, "alice@corp.example")
			if res.Request.URL.Host != mustParse(t, shared.staff.URL).Host {
				t.Errorf("sign-in ends at %s", res.Request.URL)
			}
		}
	}
}

// What a client says about hosts, schemes and addresses changes nothing: links in answers are relative or configured.
func TestHostsAndForwardedHeadersAreNotBelieved(t *testing.T) {
	h := newHouse(t)
	m := h.submit("alice@corp.example", "見積の件", "partner@files.example")
	link := h.link(m)
	b := stay(dextest.Browser(t))
	file := fileID(t, h.get(b, link))
	lies := map[string]string{"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "gopher", "X-Forwarded-For": "198.51.100.7", "X-Real-Ip": "198.51.100.7", "Forwarded": "host=evil.example;for=198.51.100.7",
		"X-Original-Url": "/admin", "X-Rewrite-Url": "/admin", "X-Forwarded-Prefix": "//evil.example"}
	for _, p := range []string{shared.portal.URL + link, shared.portal.URL + "/d/x", shared.staff.URL + "/", shared.staff.URL + "/login", shared.portal.URL + "/u/x"} {
		req, err := http.NewRequest(http.MethodGet, p, nil)
		must(t, err)
		req.Host = "evil.example"
		for k, v := range lies {
			req.Header.Set(k, v)
		}
		res, err := b.Do(req)
		got := h.read(res, err)
		if strings.Contains(got.body+got.header.Get("Location"), "evil.example") {
			t.Errorf("%s believes its client: %s", p, got.header.Get("Location"))
		}
	}
	form := strings.NewReader(url.Values{"file": {file}}.Encode())
	req, err := http.NewRequest(http.MethodPost, shared.portal.URL+link+"/get", form)
	must(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for k, v := range lies {
		req.Header.Set(k, v)
	}
	res, err := b.Do(req)
	at := h.read(res, err).is(t, http.StatusSeeOther).header.Get("Location")
	req, err = http.NewRequest(http.MethodGet, absolute(at), nil)
	must(t, err)
	for k, v := range lies {
		req.Header.Set(k, v)
	}
	res, err = b.Do(req)
	h.read(res, err).is(t, http.StatusOK)
	log, err := h.links.Log(t.Context(), m.ID, "", linkify.Page{})
	must(t, err)
	if len(log) != 1 || log[0].Address != "127.0.0.1" && log[0].Address != "::1" {
		t.Errorf("the log believes a header: %+v", log)
	}
}

// Requests that are too large, or that two servers could read differently, get a refusal and nothing else.
func TestOversizedAndAmbiguousRequestsAreRefused(t *testing.T) {
	h := newHouse(t)
	link := h.link(h.submit("alice@corp.example", "見積の件", "partner@files.example"))
	_, portal := h.handlers()
	server := httptest.NewUnstartedServer(portal)
	server.Config = NewServer(portal, h.quiet())
	server.Start()
	defer server.Close()
	say := func(text string) string {
		c, err := net.Dial("tcp", server.Listener.Addr().String())
		must(t, err)
		defer c.Close()
		must(t, c.SetDeadline(time.Now().Add(20*time.Second)))
		go io.WriteString(c, text)
		got, _ := io.ReadAll(c) // what is refused may end in a reset
		return string(got)
	}
	head := "POST " + link + "/get HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n"
	for what, text := range map[string]string{
		"two lengths":            head + "Content-Length: 4\r\nContent-Length: 5\r\n\r\na=bcd",
		"an unknown coding":      head + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
		"a space before a colon": head + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
		"a length with a sign":   head + "Content-Length: +4\r\n\r\na=bc",
		"a broken chunk":         head + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n\r\n",
		"a folded header":        head + "X: a\r\n b\r\nContent-Length: 0\r\n\r\n",
		"a line feed in a field": "GET " + link + " HTTP/1.1\r\nHost: x\r\nX: a\rb\r\nConnection: close\r\n\r\n",
		"no host":                "GET " + link + " HTTP/1.1\r\nConnection: close\r\n\r\n",
		"a huge header":          "GET " + link + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nCookie: a=" + strings.Repeat("x", 200<<10) + "\r\n\r\n",
		"a huge line":            "GET " + link + "?" + strings.Repeat("x", 200<<10) + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
		"many headers":           "GET " + link + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + strings.Repeat("A: b\r\n", 50_000) + "\r\n",
		"a huge form":            head + fmt.Sprintf("Content-Length: %d\r\n\r\n", 10<<20) + strings.Repeat("a=b&", 5<<19),
		"a huge form in chunks":  head + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("10000\r\n"+strings.Repeat("x", 0x10000)+"\r\n", 16) + "0\r\n\r\n",
	} {
		got := say(text)
		line, _, _ := strings.Cut(got, "\r\n")
		if got != "" && !regexp.MustCompile(`^HTTP/1\.1 (4\d\d|501) `).MatchString(line) {
			t.Errorf("%s: %q", what, line)
		}
	}
	// The rest of a refused request is not taken for another one.
	got := say(head + "Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
	if strings.Count(got, "HTTP/1.1 ") != 1 {
		t.Errorf("a request inside a request is answered: %q", got)
	}
}

// Whoever sends a request byte by byte is shown the door while others are served.
func TestTricklersAreShownTheDoor(t *testing.T) {
	h := newHouse(t)
	_, portal := h.handlers()
	server := httptest.NewUnstartedServer(portal)
	server.Config = NewServer(portal, h.quiet())
	server.Start()
	defer server.Close()
	c, err := net.Dial("tcp", server.Listener.Addr().String())
	must(t, err)
	defer c.Close()
	began := time.Now()
	must(t, c.SetReadDeadline(began.Add(30*time.Second)))
	go func() {
		for _, b := range []byte("GET /healthz HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("A: b\r\n", 100)) {
			if _, err := c.Write([]byte{b}); err != nil {
				return
			}
			time.Sleep(200 * time.Millisecond) // what a trickle is
		}
	}()
	got, err := io.ReadAll(c)
	if took := time.Since(began); strings.Contains(string(got), "200 OK") || took > 20*time.Second {
		t.Errorf("%q after %v, %v", got, took, err)
	}
}

// The protocol of uploads has more than we offer; what we do not offer is refused.
func TestUploadsOfferNothingElse(t *testing.T) {
	h := newHouse(t)
	_, folder := h.openFolder("資料")
	b, other := dextest.Browser(t), dextest.Browser(t)
	first := h.beginUpload(b, folder, "a.txt", 5)
	_, second := h.openFolder("ほか")
	for what, headers := range map[string][]string{
		"a final upload":   {"Upload-Concat", "final;" + first},
		"a length to come": {"Upload-Defer-Length", "1"},
		"no length":        {},
		"a fraction":       {"Upload-Length", "5.5"},
		"broken metadata":  {"Upload-Length", "5", "Upload-Metadata", "filename ///;,,,"},
	} {
		res := h.tus(b, http.MethodPost, folder+"/files", nil, headers...)
		if res.StatusCode == http.StatusCreated && what != "broken metadata" {
			t.Errorf("%s is begun", what)
		}
	}
	for what, res := range map[string]*http.Response{
		"a negative offset":    h.tus(b, http.MethodPatch, first, strings.NewReader("12345"), patch(-1)...),
		"an offset ahead":      h.tus(b, http.MethodPatch, first, strings.NewReader("12345"), patch(3)...),
		"another type":         h.tus(b, http.MethodPatch, first, strings.NewReader("12345"), "Upload-Offset", "0", "Content-Type", "text/plain"),
		"another version":      h.tus(b, http.MethodPatch, first, strings.NewReader("12345"), append(patch(0), "Tus-Resumable", "0.1")...),
		"another folder's":     h.tus(b, http.MethodPatch, second+strings.TrimPrefix(first, folder), strings.NewReader("12345"), patch(0)...),
		"another browser's":    h.tus(other, http.MethodPatch, first, strings.NewReader("12345"), patch(0)...),
		"a path upwards":       h.tus(b, http.MethodPatch, folder+"/files/..%2f..%2fx", strings.NewReader("12345"), patch(0)...),
		"reading it back":      h.tus(b, http.MethodGet, first, nil),
		"a method in a header": h.tus(other, http.MethodPost, first, nil, "X-HTTP-Method-Override", "DELETE"),
	} {
		if res.StatusCode < 400 {
			t.Errorf("%s: %d", what, res.StatusCode)
		}
	}
	if res := h.tus(b, http.MethodHead, first, nil); res.StatusCode != http.StatusOK || res.Header.Get("Upload-Offset") != "0" {
		t.Errorf("the upload is at %q (%d)", res.Header.Get("Upload-Offset"), res.StatusCode)
	}
}
