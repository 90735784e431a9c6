package story

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// recipientVerbs are what people outside do with the links they got.
func recipientVerbs() map[string]verb {
	return map[string]verb{"download": (*teller).download, "gone": (*teller).gone, "scan": (*teller).scan}
}

// visitor is the browser of a recipient outside, which comes back with its cookies.
func (k *teller) visitor(address string) (b *browser, link string) {
	k.t.Helper()
	if link = k.links[address]; link == "" {
		k.t.Fatalf("%s has no link", address)
	}
	if k.doors[address] == nil {
		k.doors[address] = k.stranger()
	}
	return k.doors[address], link
}

var takeButton = regexp.MustCompile(`<span class="file-name">([^<]+)</span>(?s:.*?)name="file" value="([^"]+)"`)

// download takes every file behind a link and compares it: download A [code=yes] [files=N].
func (k *teller) download(st step) {
	k.t.Helper()
	b, link := k.visitor(st.word(0))
	if st.named["code"] != "" {
		k.enterCode(st, b, link)
	}
	p := b.get(link)
	buttons := takeButton.FindAllStringSubmatch(p.body, -1)
	if p.code != http.StatusOK || len(buttons) == 0 {
		k.t.Fatal(p)
	}
	if want := st.named["files"]; want != "" && want != fmt.Sprint(len(buttons)) {
		k.t.Fatalf("%d files behind it:\n%s", len(buttons), p.body)
	}
	for _, each := range buttons {
		got := b.post(link+"/get", url.Values{"file": {each[2]}})
		disposition := got.header.Get("Content-Disposition")
		if got.code != http.StatusOK || !strings.HasPrefix(disposition, "attachment") || got.header.Get("X-Content-Type-Options") != "nosniff" {
			k.t.Fatalf("%s answers %d %v", got.at, got.code, got.header)
		}
		if err := k.mail.sameFile(each[1], []byte(got.body)); err != nil {
			k.t.Fatal(err)
		}
	}
}

var shownCode = regexp.MustCompile(`確認コード： (\S[^\r\n]*)`)

// enterCode asks for a one-time code, reads it in the recipient's mail, mistypes it once, and types it.
func (k *teller) enterCode(st step, b *browser, link string) {
	k.t.Helper()
	if p := b.get(link); p.code != http.StatusOK || takeButton.MatchString(p.body) {
		k.t.Fatalf("the files are offered without a code: %d\n%s", p.code, p.text())
	}
	if p := b.post(link+"/code", nil); p.code != http.StatusOK {
		k.t.Fatal(p)
	}
	var code string
	k.await(st, st.word(0), func(l letter) error {
		shown := shownCode.FindStringSubmatch(l.text())
		if l.from != "" || shown == nil {
			return fmt.Errorf("no code in %q", l.subject)
		}
		code = strings.TrimSpace(shown[1])
		return nil
	})
	k.secrets = append(k.secrets, code)
	wrong := strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return r
		}
		return '0' + (r-'0'+1)%10
	}, code)
	if p := b.post(link+"/enter", url.Values{"code": {wrong}}); p.code == http.StatusOK || takeButton.MatchString(p.body) {
		k.t.Fatalf("a wrong code opens it: %d\n%s", p.code, p.text())
	}
	other := k.stranger()
	if p := other.post(link+"/enter", url.Values{"code": {code}}); takeButton.MatchString(p.body) {
		k.t.Fatal("the code opens it in another browser, too")
	}
	if p := b.post(link+"/enter", url.Values{"code": {code}}); p.code != http.StatusOK {
		k.t.Fatal(p)
	}
}

// gone says that a link works no longer: gone A [answers=410].
func (k *teller) gone(st step) {
	k.t.Helper()
	b, link := k.visitor(st.word(0))
	want := st.named["answers"]
	if want == "" {
		want = "410"
	}
	p := b.get(link)
	if fmt.Sprint(p.code) != want || takeButton.MatchString(p.body) {
		k.t.Fatal(p)
	}
}

// scan does what a mail scanner does with a link, and looks whether that left a trace: scan A.
func (k *teller) scan(st step) {
	k.t.Helper()
	_, link := k.visitor(st.word(0))
	for _, method := range []string{http.MethodHead, http.MethodGet, http.MethodHead, http.MethodGet} {
		p := k.stranger().ask(method, link, nil)
		if p.code != http.StatusOK || len(p.header["Set-Cookie"]) > 0 {
			k.t.Fatalf("%s %s answers %d %v", method, p.at, p.code, p.header)
		}
	}
	var list struct {
		Items []struct {
			Message string `json:"message"`
			State   string `json:"state"`
			Taken   int    `json:"taken"`
		} `json:"items"`
	}
	if err := k.as(k.mail.who).api("links", &list); err != nil {
		k.t.Fatal(err)
	}
	if !slices.ContainsFunc(list.Items, func(i struct {
		Message string `json:"message"`
		State   string `json:"state"`
		Taken   int    `json:"taken"`
	}) bool {
		return i.Message == k.mail.id && i.State == "active" && i.Taken == 0
	}) {
		k.t.Fatalf("looking at the link left a trace: %+v", list)
	}
}
