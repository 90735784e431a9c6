package story

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// peopleVerbs are what people of the company do, on the pages and with the mails they get.
func peopleVerbs() map[string]verb {
	return map[string]verb{
		"cancel": (*teller).cancel, "send": (*teller).sendNow, "stop-clock": (*teller).stopClock,
		"approve": (*teller).decide, "reject": (*teller).decide, "ask-manager": (*teller).askManager, "look": (*teller).look,
		"notice": (*teller).noticed, "notices": (*teller).counted, "tap": (*teller).tap, "page": (*teller).page, "revoke": (*teller).revoke,
		"pause": (*teller).pause, "resume": (*teller).resume, "run": (*teller).run, "audited": (*teller).audited,
		"api": (*teller).callAPI,
	}
}

// act presses a button about the mail: cancel WHO [to=A,B] [late].
func (k *teller) act(st step, button string) {
	k.t.Helper()
	form := url.Values{}
	if of := st.list("to"); of != nil {
		form.Set("subset", "1")
		for _, r := range k.state().Recipients {
			if slices.Contains(of, r.Address) {
				form.Add("recipient", r.ID)
			}
		}
	}
	p := k.as(st.word(0)).post("/messages/"+k.mail.id+"/"+button, form)
	want := http.StatusOK
	switch {
	case slices.Contains(st.words, "late"):
		want = http.StatusConflict
	case slices.Contains(st.words, "forbidden"):
		want = http.StatusNotFound // whether the mail exists is nobody else's business
	}
	if p.code != want || !strings.Contains(p.text(), st.named["text"]) {
		k.t.Fatal(p)
	}
}

func (k *teller) cancel(st step)    { k.t.Helper(); k.act(st, "cancel") }
func (k *teller) sendNow(st step)   { k.t.Helper(); k.act(st, "release") }
func (k *teller) stopClock(st step) { k.t.Helper(); k.act(st, "stop") }

// ballot is a question as somebody has it open.
type ballot struct {
	requestView
	form url.Values
}

// look opens the page of the question and leaves it open: look WHO.
func (k *teller) look(st step) {
	k.t.Helper()
	b := k.as(st.word(0))
	q := k.question(b)
	p := b.get("/requests/" + q.ID)
	form := p.form("/requests/" + q.ID + "/decide")
	if form == nil {
		k.t.Fatal(p)
	}
	k.open[st.word(0)] = &ballot{requestView: q, form: form}
}

// decide answers the question on its page, one left open or one opened now:
// approve WHO [only=A,B] [others=reject] [comment=T] [answers=409] [text=T].
func (k *teller) decide(st step) {
	k.t.Helper()
	who := st.word(0)
	if k.open[who] == nil {
		k.look(st)
	}
	q := k.open[who]
	delete(k.open, who)
	q.form.Set("verb", st.verb)
	q.form.Set("comment", st.named["comment"])
	if only := st.list("only"); only != nil {
		q.form.Set("others", st.named["others"])
		q.form["recipient"] = slices.DeleteFunc(q.form["recipient"], func(id string) bool { return !slices.Contains(only, q.addressOf(id)) })
	}
	want := st.named["answers"]
	if want == "" {
		want = "200"
	}
	p := k.as(who).post("/requests/"+q.ID+"/decide", q.form)
	if fmt.Sprint(p.code) != want || !strings.Contains(p.text(), st.named["text"]) {
		k.t.Fatal(p)
	}
}

// question waits for the question about the mail that this browser's owner may see.
func (k *teller) question(b *browser) (q requestView) {
	k.t.Helper()
	k.eventually("a question", func() error {
		var v mailView
		if err := b.api("messages/"+k.mail.id, &v); err != nil {
			return err
		}
		if len(v.Requests) == 0 {
			return fmt.Errorf("none about it: %s", v)
		}
		for _, id := range v.Requests {
			if err := b.api("requests/"+id, &q); err != nil {
				return err
			}
			if q.State == "open" {
				return nil
			}
		}
		return nil // all are closed; the last one will say so
	})
	return q
}

func (q requestView) addressOf(id string) string {
	for _, r := range q.Recipients {
		if r.ID == id {
			return r.Address
		}
	}
	return ""
}

// askManager passes a question to the sender on to the manager.
func (k *teller) askManager(st step) {
	k.t.Helper()
	b := k.as(st.word(0))
	q := k.question(b)
	form := b.get("/requests/" + q.ID).form("/requests/" + q.ID + "/ask")
	p := b.post("/requests/"+q.ID+"/ask", form)
	if p.code != http.StatusOK {
		k.t.Fatal(p)
	}
}

// noticed waits for a mail of ours: notice WHO SUBJECT [text=T] [lacks=T] [enclosed=yes].
func (k *teller) noticed(st step) {
	k.t.Helper()
	to := st.word(0)
	if !strings.Contains(to, "@") {
		to += "@corp.example"
	}
	k.notice = k.await(st, to, func(l letter) error {
		if l.from != "" || !strings.Contains(l.subject, st.word(1)) {
			return fmt.Errorf("another: %s", l.subject)
		}
		return nil
	})
	if auto := k.notice.header.Get("Auto-Submitted"); !strings.HasPrefix(auto, "auto-") {
		k.t.Fatalf("Auto-Submitted is %q", auto)
	}
	k.reads(st, k.notice)
	if st.named["enclosed"] != "" {
		k.enclosed()
	}
}

// counted says how many mails of ours with such a subject somebody has got: notices WHO SUBJECT N.
func (k *teller) counted(st step) {
	k.t.Helper()
	n := 0
	all, _ := k.arrived(st.word(0) + "@corp.example")
	for _, l := range all {
		if l.from == "" && strings.Contains(l.subject, st.word(1)) {
			n++
		}
	}
	if fmt.Sprint(n) != st.word(2) {
		k.t.Fatalf("%d came", n)
	}
}

// enclosed: the returned mail hangs on the notice, as it was.
func (k *teller) enclosed() {
	k.t.Helper()
	for _, f := range k.notice.files {
		if !strings.HasSuffix(f.name, ".eml") {
			continue
		}
		// The first field lets Outlook open it as a draft; the sender's own Bcc is in it again.
		raw := withoutBcc(bytes.TrimPrefix(f.raw, []byte("X-Unsent: 1\r\n")))
		if err := identical(k.mail.raw, raw); err != nil {
			k.t.Fatal(err)
		}
		return
	}
	k.t.Fatalf("no .eml hangs on it:\n%s", k.notice.raw)
}

var cancelLink = regexp.MustCompile(`https://[^\s<>"]+/c/[^\s<>"]+`)

// tap uses the link of the latest notice as a sender does on the train, without login: tap [late].
func (k *teller) tap(st step) {
	k.t.Helper()
	link := cancelLink.FindString(k.notice.text())
	if link == "" {
		k.t.Fatalf("no link in it:\n%s", k.notice.text())
	}
	k.secrets = append(k.secrets, link)
	b := k.stranger()
	before := k.state().String()
	for _, method := range []string{http.MethodHead, http.MethodGet, http.MethodGet} { // scanners look, too
		p := b.ask(method, link, nil)
		if p.code != http.StatusOK {
			k.t.Fatalf("%s %s answers %d:\n%s", method, p.at, p.code, p.text())
		}
		if subject := k.notice.subject; strings.Contains(p.body, subject) {
			k.t.Fatal("it shows the subject")
		}
	}
	if after := k.state().String(); after != before {
		k.t.Fatalf("looking changed something: %s, then %s", before, after)
	}
	want := http.StatusOK
	if slices.Contains(st.words, "late") {
		want = http.StatusConflict
	}
	if p := b.post(link, nil); p.code != want {
		k.t.Fatal(p)
	}
}

// page looks at a page: page WHO PATH [text=T] [lacks=T] [answers=404].
func (k *teller) page(st step) {
	k.t.Helper()
	b := k.stranger()
	if who := st.word(0); who != "nobody" {
		b = k.as(who)
	}
	path := strings.ReplaceAll(k.fill(st.word(1)), "{id}", k.mailID())
	want := st.named["answers"]
	if want == "" {
		want = "200"
	}
	p := b.get(path)
	if fmt.Sprint(p.code) != want || !strings.Contains(p.text(), st.named["text"]) {
		k.t.Fatalf("no %q: %s", st.named["text"], p)
	}
	if not := st.named["lacks"]; not != "" && strings.Contains(p.body, not) {
		k.t.Fatalf("%s shows %q", p.at, not)
	}
}

func (k *teller) mailID() string {
	if k.mail == nil {
		return ""
	}
	return k.mail.id
}

// revoke ends all links of the mail: revoke WHO.
func (k *teller) revoke(st step) {
	k.t.Helper()
	p := k.as(st.word(0)).post("/messages/"+k.mail.id+"/links/revoke", url.Values{"all": {"1"}})
	if p.code != http.StatusOK {
		k.t.Fatal(p)
	}
}

func (k *teller) pause(st step)  { k.t.Helper(); k.admin(st, "/admin/pause") }
func (k *teller) resume(st step) { k.t.Helper(); k.admin(st, "/admin/resume") }

func (k *teller) admin(st step, path string) {
	k.t.Helper()
	p := k.as(st.word(0)).post(path, url.Values{"reason": {st.named["reason"]}})
	if p.code != http.StatusOK {
		k.t.Fatal(p)
	}
}

// run carries out a command line: run queue cancel {id} --reason=x [prints=T] [fails=1].
func (k *teller) run(st step) {
	k.t.Helper()
	var args []string
	for _, w := range st.words {
		args = append(args, strings.ReplaceAll(w, "{id}", k.mailID()))
	}
	if why := st.named["reason"]; why != "" {
		args = append(args, "--reason", why)
	}
	out, errs, err := k.command(args...)
	if (err != nil) != (st.named["fails"] != "") {
		k.t.Fatalf("%v\n%s%s", err, out, errs)
	}
	if !strings.Contains(out+errs, st.named["prints"]) {
		k.t.Fatalf("it prints:\n%s%s", out, errs)
	}
}

// audited finds an entry of the audit log: audited ACTION [by=ACTOR] [reason=T].
func (k *teller) audited(st step) {
	k.t.Helper()
	out, errs, err := k.command("audit", "export")
	if err != nil {
		k.t.Fatalf("%v\n%s", err, errs)
	}
	var seen []string
	for line := range strings.Lines(out) {
		var e struct {
			Type, Action, Actor, Message string
			Detail                       map[string]string
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			k.t.Fatalf("%v: %s", err, line)
		}
		seen = append(seen, e.Action+" by "+e.Actor)
		if e.Action == st.word(0) && strings.HasPrefix(e.Actor, st.named["by"]) && k.detailed(st, e.Detail) &&
			(e.Message == "" || e.Message == k.mailID()) {
			return
		}
	}
	k.t.Fatalf("no such entry among: %s", strings.Join(seen, ", "))
}

// detailed says whether an entry's details are those of the step.
func (k *teller) detailed(st step, detail map[string]string) bool {
	for name, want := range st.named {
		if name != "by" && !strings.Contains(detail[name], want) {
			return false
		}
	}
	return true
}

// callAPI acts as a program with a token does: api WHO cancel|release [answers=409].
func (k *teller) callAPI(st step) {
	k.t.Helper()
	token := k.token(st.word(0))
	req, err := http.NewRequest(http.MethodPost, k.staffURL()+"/api/v1/messages/"+k.mail.id+"/"+st.word(1), strings.NewReader("{}"))
	if err != nil {
		k.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	res, err := k.client.Do(req)
	if err != nil {
		k.t.Fatal(err)
	}
	res.Body.Close()
	want := st.named["answers"]
	if want == "" {
		want = "200"
	}
	if fmt.Sprint(res.StatusCode) != want {
		k.t.Fatalf("it answers %s", res.Status)
	}
}

var shownToken = regexp.MustCompile(`<p class="mono">([^<]+)</p>`)

// token makes one on its page.
func (k *teller) token(who string) string {
	k.t.Helper()
	p := k.as(who).post("/tokens", url.Values{"name": {"a program"}, "scope": {"act"}, "days": {"30"}})
	secret := shownToken.FindStringSubmatch(p.body)
	if secret == nil {
		k.t.Fatalf("%s shows no token: %d\n%s", p.at, p.code, p.text())
	}
	k.secrets = append(k.secrets, secret[1])
	return secret[1]
}
