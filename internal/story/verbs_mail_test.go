package story

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// mailVerbs hand mail in and look at what became of it.
func mailVerbs() map[string]verb {
	return map[string]verb{
		"submit": (*teller).submit, "refused": (*teller).refused, "comes-round": (*teller).comesRound, "mail": (*teller).choose,
		"held": (*teller).held, "waiting": (*teller).waiting, "is": (*teller).is,
		"delivered": (*teller).delivered, "absent": (*teller).absent, "absent-yet": (*teller).absent, "later": (*teller).later, "dsn": (*teller).dsn, "signed": (*teller).signed,
	}
}

// submit hands a mail in: submit WHO FILE [to=A,B] [from=A] [as=NAME] [password=W] [gateway=25] [with="BODY=8BITMIME"].
// Who it goes to is read from To, Cc and Bcc unless the step says otherwise.
func (k *teller) submit(st step) {
	k.t.Helper()
	raw := []byte(k.fill(string(k.script.mail(k.t, st.word(1)))))
	if size := st.named["padded"]; size != "" {
		raw = append(raw, padding(k.bytes(size))...)
	}
	l, err := open(delivery{raw: raw})
	if err != nil && len(st.list("to")) == 0 {
		k.t.Fatal(err)
	}
	who := st.word(0)
	send := letterOf{from: who, raw: raw, to: st.list("to"), parameters: st.named["with"]}
	if !strings.Contains(who, "@") {
		send.from = who + "@corp.example"
	}
	if from, ok := st.named["from"]; ok {
		send.from = strings.Trim(from, "<>")
	}
	if send.to == nil {
		send.to = l.addresses("To", "Cc", "Bcc")
	}
	k.last, err = k.handIn(st, who, send)
	if err != nil {
		k.t.Fatal(err)
	}
	if k.owed = k.last.code != 250; k.owed {
		return
	}
	if k.last.id == "" {
		k.t.Fatalf("the answer names no id: %s", k.last)
	}
	k.mail = &posted{answer: k.last, who: who, to: send.to, raw: withoutBcc(raw)}
	name := st.named["as"]
	if name == "" {
		name = fmt.Sprint(len(k.mails))
	}
	k.mails[name] = k.mail
}

func (k *teller) handIn(st step, who string, send letterOf) (answer, error) {
	if st.named["gateway"] != "" {
		s, err := k.gatewayDoor()
		if err != nil {
			return answer{}, err
		}
		defer s.close()
		return s.send(send)
	}
	word := st.named["password"]
	if word == "" {
		word = password
	}
	s, err := k.submission(who+"@corp.example", word)
	if err != nil {
		return refusal(err)
	}
	defer s.close()
	return s.send(send)
}

// comesRound hands what was delivered to an address in at the gateway again, as a misconfigured server does.
func (k *teller) comesRound(st step) {
	k.t.Helper()
	s, err := k.gatewayDoor()
	if err != nil {
		k.t.Fatal(err)
	}
	defer s.close()
	all, _ := k.arrived(st.word(0))
	last := all[len(all)-1]
	if k.last, err = s.send(letterOf{from: last.from, to: last.to, raw: last.raw}); err != nil {
		k.t.Fatal(err)
	}
	k.owed = k.last.code != 250
}

// padding is text of n bytes that no compression makes small.
func padding(n int) []byte {
	var b bytes.Buffer
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "%08d: The quick brown fox jumps over the lazy dog.\r\n", i*7919)
	}
	return b.Bytes()
}

func (k *teller) bytes(text string) int {
	var n int
	var unit string
	if _, err := fmt.Sscanf(text, "%d%s", &n, &unit); err != nil {
		k.t.Fatalf("%q is no size", text)
	}
	return n * map[string]int{"kB": 1000, "MB": 1000_000, "KiB": 1 << 10, "MiB": 1 << 20}[unit]
}

// refused says that the latest submission was answered so: refused 550 5.7.1 [text="not yours"].
func (k *teller) refused(st step) {
	k.t.Helper()
	k.owed = false
	got := k.last.String()
	if !strings.HasPrefix(got, strings.Join(st.words, " ")) || !strings.Contains(got, k.fill(st.named["text"])) {
		k.t.Fatalf("the answer was: %s", got)
	}
}

// choose turns to another mail of the story.
func (k *teller) choose(st step) {
	k.t.Helper()
	if k.mail = k.mails[st.word(0)]; k.mail == nil {
		k.t.Fatalf("there is no mail %q", st.word(0))
	}
}

// held: held [to=A] [reason=DETECTOR or words of the reason] [approver=A] [rule=R].
func (k *teller) held(st step) {
	k.t.Helper()
	v := k.becomes(st, "held")
	if want := st.named["reason"]; want != "" && !v.because(want) {
		k.t.Fatalf("not held because of %s: %s", want, v)
	}
	for _, want := range st.list("approver") {
		if !slices.ContainsFunc(v.Holders, func(h struct {
			Address string `json:"address"`
			As      string `json:"as"`
		}) bool {
			return h.Address == want
		}) {
			k.t.Fatalf("%s is not asked: %s", want, v)
		}
	}
}

func (v mailView) because(want string) bool {
	for _, f := range v.Findings {
		if f.Detector == want {
			return true
		}
	}
	return slices.ContainsFunc(v.Reasons, func(r string) bool { return strings.Contains(r, want) })
}

// waiting says that the mail waits for its time: waiting [to=A] [about=5m].
func (k *teller) waiting(st step) {
	k.t.Helper()
	v := k.becomes(st, "delayed")
	if st.named["about"] == "" {
		return
	}
	want := k.duration(st.named["about"])
	for _, r := range v.Recipients {
		if r.State != "delayed" || r.ReleaseAt == nil {
			continue
		}
		if left := time.Until(*r.ReleaseAt); left > want || left < want-patience {
			k.t.Fatalf("%s leaves in %s, not in %s", r.Address, left, want)
		}
	}
}

// is: is sent|failed|cancelled|... [to=A] [reason=R] [uncertain=yes].
func (k *teller) is(st step) {
	k.t.Helper()
	v := k.becomes(st, st.word(0))
	for _, r := range v.Recipients {
		if want := st.named["reason"]; want != "" && r.State == st.word(0) && r.Reason != want {
			k.t.Fatalf("%s: the reason is %q", r.Address, r.Reason)
		}
		if want := st.named["reply"]; want != "" && r.State == st.word(0) && !strings.Contains(r.Reply, want) {
			k.t.Fatalf("%s: the answer was %q", r.Address, r.Reply)
		}
	}
}

// delivered: delivered A [identical] [links=N] [files=N] [from=A] [text=T] [lacks=T].
func (k *teller) delivered(st step) {
	k.t.Helper()
	address := st.word(0)
	m := k.mail
	l := k.await(st, address, func(l letter) error {
		if !bytes.Contains(l.raw, messageID(m.raw)) {
			return errors.New("another mail: " + l.subject)
		}
		return nil
	})
	if slices.Contains(st.words, "identical") {
		if err := identical(m.raw, l.raw); err != nil {
			k.t.Fatal(err)
		}
	}
	links := k.linksIn(l)
	if want := st.named["links"]; want != "" && fmt.Sprint(len(links)) != want {
		k.t.Fatalf("%d links in it: %q\n%s", len(links), links, l.raw)
	}
	if len(links) > 0 {
		k.links[address] = links[0]
		k.secrets = append(k.secrets, links...)
	}
	if want := st.named["files"]; want != "" && fmt.Sprint(len(l.files)) != want {
		k.t.Fatalf("%d files in it:\n%s", len(l.files), l.raw)
	}
	k.reads(st, l)
}

// reads compares what a letter says with what the step wants.
func (k *teller) reads(st step, l letter) {
	k.t.Helper()
	if from, ok := st.named["from"]; ok && l.from != strings.Trim(from, "<>") {
		k.t.Fatalf("it comes from <%s>", l.from)
	}
	if want := k.fill(st.named["text"]); !strings.Contains(l.text(), want) {
		k.t.Fatalf("it does not say %q:\n%s", want, l.text())
	}
	if not := st.named["lacks"]; not != "" && (strings.Contains(l.text(), not) || bytes.Contains(l.raw, []byte(not))) {
		k.t.Fatalf("it says %q:\n%s", not, l.raw)
	}
	if want := st.named["header"]; !bytes.Contains(l.raw, []byte(want)) {
		k.t.Fatalf("it has no %q:\n%s", want, l.raw)
	}
}

// messageID is the field of a mail that nobody changes; a mail without one is known by its subject.
func messageID(raw []byte) []byte {
	for _, name := range []string{"message-id:", "subject:"} {
		for line := range bytes.Lines(raw) {
			if len(bytes.TrimSpace(line)) == 0 {
				break
			}
			if bytes.HasPrefix(bytes.ToLower(line), []byte(name)) {
				return bytes.TrimSpace(line)
			}
		}
	}
	return nil
}

// linksIn are the addresses of the portal that a reader sees.
func (h *house) linksIn(l letter) (all []string) {
	for _, text := range l.texts {
		for rest := text; ; {
			i := strings.Index(rest, h.portalURL()+"/d/")
			if i < 0 {
				break
			}
			rest = rest[i:]
			end := strings.IndexFunc(rest, func(r rune) bool { return strings.ContainsRune(" \r\n\t<>\"'、。&", r) })
			if end < 0 {
				end = len(rest)
			}
			if !slices.Contains(all, rest[:end]) {
				all = append(all, rest[:end])
			}
			rest = rest[end:]
		}
	}
	return all
}

// absent: nothing of this mail has come to the address, and nothing will until the end of the story; absent-yet: so far.
func (k *teller) absent(st step) {
	k.t.Helper()
	m := k.mail
	for _, address := range st.words {
		none := func() error {
			all, _ := k.arrived(address)
			for _, l := range all {
				if m == nil || bytes.Contains(l.raw, messageID(m.raw)) && l.from != "" {
					return fmt.Errorf("%s got %q", address, l.subject)
				}
			}
			return nil
		}
		if err := none(); err != nil {
			k.t.Fatal(err)
		}
		if st.verb == "absent" {
			k.never = append(k.never, none)
		}
	}
}

// later lets time pass in which nothing must happen.
func (k *teller) later(st step) { time.Sleep(k.duration(st.word(0))) }

// dsn waits for a delivery status notification: dsn alice 5.1.1 [about=RECIPIENT] [text=T].
func (k *teller) dsn(st step) {
	k.t.Helper()
	l := k.await(st, st.word(0)+"@corp.example", func(l letter) error {
		if l.from != "" || !bytes.Contains(l.raw, []byte("message/delivery-status")) {
			return errors.New("no report: " + l.subject)
		}
		if about := st.named["about"]; about != "" && !bytes.Contains(l.raw, []byte("Final-Recipient: rfc822; "+about+"\r\n")) {
			return fmt.Errorf("no report about %s", about)
		}
		return nil
	})
	if !bytes.Contains(l.raw, []byte("Status: "+st.word(1))) {
		k.t.Fatalf("it has another status:\n%s", l.raw)
	}
	k.reads(st, l)
}
