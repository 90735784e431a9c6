package story

import (
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// browser is somebody at a screen, without JavaScript.
type browser struct {
	h *house
	*http.Client
}

// page is what a browser got in the end.
type page struct {
	code   int
	at     *url.URL
	header http.Header
	body   string
}

func (h *house) newClient(jar http.CookieJar) *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = h.tlsTo("") // the name of the address
	h.t.Cleanup(t.CloseIdleConnections)
	return &http.Client{Transport: t, Jar: jar, Timeout: patience}
}

// stranger is a browser that has never been here.
func (h *house) stranger() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		h.t.Fatal(err)
	}
	return &browser{h: h, Client: h.newClient(jar)}
}

// as is the browser of a person, signed in at the provider the first time.
func (h *house) as(who string) *browser {
	h.t.Helper()
	if b := h.signedIn[who]; b != nil {
		return b
	}
	b := h.stranger()
	res, body := h.dex.SignIn(h.t, b.Client, h.staffURL()+"/", who+"@corp.example")
	if res.StatusCode != http.StatusOK || !strings.HasPrefix(res.Request.URL.String(), h.staffURL()+"/") {
		h.t.Fatalf("%s cannot sign in: %d at %s\n%s", who, res.StatusCode, res.Request.URL.Path, body)
	}
	h.signedIn[who] = b
	return b
}

func (b *browser) get(path string) page {
	b.h.t.Helper()
	return b.ask(http.MethodGet, path, nil)
}

// post sends a form of ours, as a browser does.
func (b *browser) post(path string, form url.Values) page {
	b.h.t.Helper()
	return b.ask(http.MethodPost, path, form)
}

func (b *browser) ask(method, path string, form url.Values) page {
	b.h.t.Helper()
	p, err := b.try(method, path, form)
	if err != nil {
		b.h.t.Fatal(err)
	}
	return p
}

// try is ask where the service may be dead or dying.
func (b *browser) try(method, path string, form url.Values) (page, error) {
	to := path
	if strings.HasPrefix(path, "/") {
		to = b.h.staffURL() + path
	}
	req, err := http.NewRequest(method, to, strings.NewReader(form.Encode()))
	if err != nil {
		return page{}, err
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	res, err := b.Do(req)
	if err != nil {
		return page{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return page{code: res.StatusCode, at: res.Request.URL, header: res.Header, body: string(body)}, err
}

var (
	noText = regexp.MustCompile(`(?s)<(?:style|script|svg|head)\b.*?</(?:style|script|svg|head)>|<[^>]*>`)
	blanks = regexp.MustCompile(`\s*\n\s*`)
)

// text is what stands on the page.
func (p page) text() string {
	return strings.TrimSpace(blanks.ReplaceAllString(html.UnescapeString(noText.ReplaceAllString(p.body, "")), "\n"))
}

func (p page) String() string { return fmt.Sprintf("%s answers %d:\n%s", p.at, p.code, p.text()) }

// api reads a document of the JSON API.
func (b *browser) api(path string, into any) error {
	p, err := b.try(http.MethodGet, "/api/v1/"+path, nil)
	if err != nil {
		return err
	}
	if p.code != http.StatusOK {
		return fmt.Errorf("%s answers %d: %s", path, p.code, p.text())
	}
	return json.Unmarshal([]byte(p.body), into)
}

// mailView is a mail as the API tells of it.
type mailView struct {
	ID         string          `json:"id"`
	Subject    string          `json:"subject"`
	Recipients []recipientView `json:"recipients"`
	Reasons    []string        `json:"reasons"`
	Findings   []struct {
		Detector string `json:"detector"`
		Count    int    `json:"count"`
	} `json:"findings"`
	Holders []struct {
		Address string `json:"address"`
		As      string `json:"as"`
	} `json:"holders"`
	Requests []string `json:"requests"`
}

type recipientView struct {
	ID        string     `json:"id"`
	Address   string     `json:"address"`
	State     string     `json:"state"`
	Stopped   bool       `json:"stopped"`
	ReleaseAt *time.Time `json:"release_at"`
	Reason    string     `json:"reason"`
	Reply     string     `json:"reply"`
	Uncertain bool       `json:"uncertain"`
}

// requestView is a question as the API tells of it.
type requestView struct {
	ID         string `json:"id"`
	State      string `json:"state"`
	MayDecide  bool   `json:"may_decide"`
	Recipients []struct {
		ID      string `json:"id"`
		Address string `json:"address"`
		Answer  string `json:"answer"`
	} `json:"recipients"`
}

func (v mailView) String() string {
	var b strings.Builder
	for _, r := range v.Recipients {
		fmt.Fprintf(&b, " %s is %s (%s %s)", r.Address, r.State, r.Reason, r.Reply)
	}
	fmt.Fprintf(&b, "; reasons %q, findings %v, with %v", v.Reasons, v.Findings, v.Holders)
	return b.String()
}
