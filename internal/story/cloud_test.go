package story

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"slices"
	"strings"
	"sync"
	"time"
)

// cloud behaves like Exchange Online or Google Workspace before a gateway: it splits a mail into one copy for each
// recipient, writes each of them anew (boundaries, transfer encodings, order of fields), adds fields of its own and the
// secret of the mail-flow rule, hands the copies in over connections of their own and tries again after a "later".
type cloud struct {
	kind   string // exchange or google
	secret string
	made   int
}

// copyFor is what one recipient's copy looks like when the cloud hands it in.
func (c *cloud) copyFor(raw []byte, to string) ([]byte, error) {
	c.made++
	m, err := mail.ReadMessage(bytes.NewReader(withoutBcc(raw)))
	if err != nil {
		return nil, err
	}
	var body bytes.Buffer
	kind, encoding, err := c.rewrite(&body, m.Header.Get("Content-Type"), m.Header.Get("Content-Transfer-Encoding"), m.Body)
	if err != nil {
		return nil, err
	}
	var fields []string
	for name, values := range m.Header {
		if name == "Content-Type" || name == "Content-Transfer-Encoding" || name == "Mime-Version" {
			continue
		}
		for _, v := range values {
			fields = append(fields, mime.BEncoding.Encode("utf-8", name)+": "+v)
		}
	}
	// The order is another in each copy.
	slices.Sort(fields)
	turn := c.made % len(fields)
	fields = append(append([]string{}, fields[turn:]...), fields[:turn]...)
	fields = append(fields, "MIME-Version: 1.0", "Content-Type: "+kind)
	if encoding != "" {
		fields = append(fields, "Content-Transfer-Encoding: "+encoding)
	}
	fields = append(c.own(to), fields...)
	return append([]byte(strings.Join(fields, "\r\n")+"\r\n\r\n"), body.Bytes()...), nil
}

// own are the fields that the provider adds, others in each copy.
func (c *cloud) own(to string) []string {
	id := fmt.Sprintf("%016X", rand.Uint64())
	received := "Received: from edge" + id[:4] + ".cloud.example by hub.cloud.example with HTTPS id " + id + "; " + time.Now().Format(time.RFC1123Z)
	if c.kind == "google" {
		return []string{"X-Google-DKIM-Signature: v=1; a=rsa-sha256; bh=" + id, "X-Gm-Message-State: " + id, received, "X-Google-Smtp-Source: " + id,
			"X-Sekisho-Source: " + c.secret}
	}
	return []string{received, "X-MS-Exchange-CrossTenant-Id: 11111111-2222-3333-4444-555555555555", "X-MS-Exchange-CrossTenant-Network-Message-Id: " + id,
		"X-MS-Exchange-AntiSpam-MessageData-0: " + id, "X-Sekisho-Source: " + c.secret, "X-OriginatorOrg: corp.example", "Thread-Index: " + id}
}

// rewrite writes a part anew: another boundary, another transfer encoding, the same content.
func (c *cloud) rewrite(w io.Writer, kind, encoding string, r io.Reader) (newKind, newEncoding string, err error) {
	if kind == "" {
		kind = "text/plain; charset=us-ascii"
	}
	media, params, err := mime.ParseMediaType(kind)
	if err != nil {
		return "", "", err
	}
	if !strings.HasPrefix(media, "multipart/") {
		how := []string{"base64", "quoted-printable"}[c.made%2]
		if media == "message/rfc822" {
			how = "8bit"
		}
		return kind, how, recode(w, how, encoding, r)
	}
	out := multipart.NewWriter(w)
	old := params["boundary"]
	params["boundary"] = out.Boundary()
	parts := multipart.NewReader(r, old)
	for {
		p, err := parts.NextRawPart()
		if err == io.EOF {
			return mime.FormatMediaType(media, params), "", out.Close()
		}
		if err != nil {
			return "", "", err
		}
		var body bytes.Buffer
		kind, how, err := c.rewrite(&body, p.Header.Get("Content-Type"), p.Header.Get("Content-Transfer-Encoding"), p)
		if err != nil {
			return "", "", err
		}
		p.Header.Set("Content-Type", kind)
		p.Header.Del("Content-Transfer-Encoding")
		if how != "" {
			p.Header.Set("Content-Transfer-Encoding", how)
		}
		into, err := out.CreatePart(p.Header)
		if err == nil {
			_, err = into.Write(body.Bytes())
		}
		if err != nil {
			return "", "", err
		}
	}
}

func recode(w io.Writer, to, from string, r io.Reader) error {
	switch strings.ToLower(from) {
	case "base64":
		r = base64.NewDecoder(base64.StdEncoding, r)
	case "quoted-printable":
		r = quotedprintable.NewReader(r)
	}
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	switch to {
	case "base64":
		text := base64.StdEncoding.EncodeToString(raw)
		for len(text) > 76 {
			fmt.Fprintf(w, "%s\r\n", text[:76])
			text = text[76:]
		}
		_, err = fmt.Fprintf(w, "%s\r\n", text)
	case "quoted-printable":
		q := quotedprintable.NewWriter(w)
		if _, err = q.Write(raw); err == nil {
			err = q.Close()
		}
	default:
		_, err = w.Write(raw)
	}
	return err
}

// clouded is a copy that the cloud has, or has handed in.
type clouded struct {
	send   letterOf
	posted *posted
	err    error
}

// cloudVerbs are what a cloud does.
func cloudVerbs() map[string]verb {
	return map[string]verb{"cloud": (*teller).cloudSends, "cloud-persists": (*teller).cloudPersists, "comes": (*teller).copyComes,
		"loops": (*teller).loops, "queue-rows": (*teller).queueRows}
}

// cloudSends: cloud exchange|google FILE to=A,B,C [later=B,C] [from=A]. The copies go in at once, each over a connection of its
// own; those that come later wait for "comes". Each copy is a mail of the story by its recipient's local part.
func (k *teller) cloudSends(st step) {
	k.t.Helper()
	now := k.split(st)
	k.handed(now, k.hand(now))
}

// cloudPersists is cloud while the database is locked: it is told to come later, and comes when the database is free.
func (k *teller) cloudPersists(st step) {
	k.t.Helper()
	now := k.split(st)
	wait := k.hand(now)
	k.eventually("the cloud is told to come later", func() error {
		if k.toldLater.Load() == 0 {
			return errors.New("not yet")
		}
		return nil
	})
	k.databaseIs(step{words: []string{"free"}})
	k.handed(now, wait)
}

// split makes the copies of a mail and gives those that go in now.
func (k *teller) split(st step) (now []*clouded) {
	k.t.Helper()
	c := &cloud{kind: st.word(0), secret: strings.TrimSpace(string(k.script.files["cloud.secret"]))}
	raw := k.script.mail(k.t, st.word(1))
	from := "alice@corp.example"
	if st.named["from"] != "" {
		from = st.named["from"]
	}
	if k.copies == nil {
		k.copies = map[string]*clouded{}
	}
	later := st.list("later")
	for _, to := range append(st.list("to"), later...) {
		text, err := c.copyFor(raw, to)
		if err != nil {
			k.t.Fatal(err)
		}
		each := &clouded{send: letterOf{from: from, to: []string{to}, raw: text}}
		k.copies[to] = each
		if !slices.Contains(later, to) {
			now = append(now, each)
		}
	}
	return now
}

// copyComes hands in a copy that was late: comes A.
func (k *teller) copyComes(st step) {
	k.t.Helper()
	each := k.copies[st.word(0)]
	if each == nil {
		k.t.Fatalf("no copy for %s", st.word(0))
	}
	one := []*clouded{each}
	k.handed(one, k.hand(one))
}

// loops sends what was delivered round through the rule once more, as a mail-flow rule without its exception does: loops A.
func (k *teller) loops(st step) {
	k.t.Helper()
	all, _ := k.arrived(st.word(0))
	last := all[len(all)-1]
	c := &cloud{kind: "exchange", secret: strings.TrimSpace(string(k.script.files["cloud.secret"]))}
	raw := append([]byte(strings.Join(c.own(st.word(0)), "\r\n")+"\r\n"), last.raw...)
	var err error
	if k.last, err = k.handOver(letterOf{from: last.from, to: last.to, raw: raw}); err != nil {
		k.t.Fatal(err)
	}
	k.owed = k.last.code != 250
}

// hand begins to hand copies in, all at once; the result waits for it.
func (k *teller) hand(all []*clouded) (wait func()) {
	var group sync.WaitGroup
	for _, each := range all {
		group.Go(func() { each.posted, each.err = k.insist(each.send) })
	}
	return group.Wait
}

// handed waits and makes mails of the story of the copies.
func (k *teller) handed(all []*clouded, wait func()) {
	k.t.Helper()
	wait()
	for _, each := range all {
		if each.err != nil {
			k.t.Fatal(each.err)
		}
		name, _, _ := strings.Cut(each.send.to[0], "@")
		k.mails[name], k.mail = each.posted, each.posted
	}
}

// insist hands a copy in as a mail server does: what is answered "later", or breaks, is tried again.
func (k *teller) insist(send letterOf) (*posted, error) {
	deadline := time.Now().Add(patience)
	for {
		got, err := k.handOver(send)
		switch {
		case err == nil && got.code == 250:
			return &posted{answer: got, who: "alice", to: send.to, raw: withoutSecret(send.raw)}, nil
		case err == nil && got.code >= 500:
			return nil, fmt.Errorf("refused: %s", got)
		case err == nil:
			k.toldLater.Add(1)
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("never taken: %v %s", err, got)
		}
		time.Sleep(300 * time.Millisecond) // a provider's pause, in minutes
	}
}

func (k *teller) handOver(send letterOf) (answer, error) {
	s, err := k.gatewayDoor()
	if err != nil {
		return answer{}, err
	}
	defer s.close()
	return s.send(send)
}

// withoutSecret is a mail as it may leave.
func withoutSecret(raw []byte) []byte {
	var kept []byte
	for line := range bytes.Lines(raw) {
		if !bytes.HasPrefix(line, []byte("X-Sekisho-Source:")) {
			kept = append(kept, line...)
		}
	}
	return kept
}

// queueRows counts what the command line lists: queue-rows N [copies=M].
func (k *teller) queueRows(st step) {
	k.t.Helper()
	k.eventually("the list has its rows", func() error {
		out, errs, err := k.command("queue", "list", "--all", "--json")
		if err != nil {
			return fmt.Errorf("%w: %s", err, errs)
		}
		if n := strings.Count(out, "\n"); fmt.Sprint(n) != st.word(0) {
			return fmt.Errorf("%d rows:\n%s", n, out)
		}
		return nil
	})
}
