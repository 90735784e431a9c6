package story

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db/dbtest"
)

// TestDyingBetweenTwoStepsLosesNothing lets the service die, as by kill -9, at every point between two steps of the
// way: accept, inspect, decide, prepare, send, record. Each time one mail goes out as it is and one is held, approved
// and gets a link. What was answered with 250 arrives, once, and twice only at the border to the next hop and then
// marked; what was answered with 4yz never leaves.
func TestDyingBetweenTwoStepsLosesNothing(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"sqlite", "postgres"} {
		for _, point := range failpoints(t) {
			if engine == "postgres" && strings.HasPrefix(point, "blob.") {
				continue // the same code over the same files
			}
			t.Run(engine+"/"+point, func(t *testing.T) {
				t.Parallel()
				s := settings{fails: true, policy: askAndLink}
				if engine == "postgres" {
					s.database = dbtest.PostgresURL(t)
				}
				c := &crossing{house: found(t, s), point: point}
				c.run()
			})
		}
	}
}

var failpointCall = regexp.MustCompile(`failpoint\.At\("([a-z_.]+)"`)

// failpoints are all that the source has, so that none can be forgotten here.
func failpoints(t *testing.T) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		for _, m := range failpointCall.FindAllStringSubmatch(mustRead(t, path), -1) {
			all = append(all, m[1])
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	for _, step := range []string{"accept.", "inspect.", "decide.", "prepare.", "send.", "record.", "blob.", "db."} {
		if n := slices.IndexFunc(all, func(p string) bool { return strings.HasPrefix(p, step) }); n < 0 {
			t.Fatalf("no point of %q among %q", step, all)
		}
	}
	return all
}

// askAndLink lets plain mail leave after its inspection, and asks the manager about the other.
const askAndLink = `version: 1
rules:
  - name: plain
    when: {recipient_domains: [plain.example]}
    then: {delay: 0s}
  - name: asked
    when: {recipient_domains: [asked.example]}
    then: {hold: {approvers: [manager]}, delay: 0s, link: {over: 0, access: open}}
`

// breakable gives the house the program with failpoints, and a place for orders to them.
func (h *house) breakable() {
	h.t.Helper()
	var err error
	if h.binary, err = shared.fragile(); err != nil {
		h.t.Fatal(err)
	}
	h.points = filepath.Join(h.dir, "failpoints")
	if err := os.Mkdir(h.points, 0o700); err != nil {
		h.t.Fatal(err)
	}
}

// order tells a failpoint what to do with whoever comes by.
func (h *house) order(point, action string) {
	h.t.Helper()
	if err := os.Rename(h.write("order", action), filepath.Join(h.points, point)); err != nil {
		h.t.Fatal(err)
	}
}

// crossing is one passage of two mails, with one death on the way.
type crossing struct {
	*house
	point   string
	deaths  int
	clock   time.Duration
	doubts  int // submissions without an answer
	manager *browser
}

func (c *crossing) run() {
	c.manager = c.as("manager")
	c.order(c.point, "die")
	plain := c.handOver("plain", bytes.Repeat([]byte("A line of a mail that is too large for its row.\r\n"), 6500))
	asked := c.handOver("asked", withFile("asked", bytes.Repeat([]byte("0123456789abcdef"), 20000)))
	for _, m := range []*posted{plain, asked} {
		c.survive("the mail to "+m.to[0]+" has arrived", func() error {
			err := c.answer()
			if len(c.arrivals(m.to[0])) == 0 {
				return fmt.Errorf("it has not (%v)", err)
			}
			return nil
		})
	}
	c.survive("nothing waits any more", func() error {
		if err := c.answer(); err != nil {
			return err
		}
		out, errs, err := c.command("queue", "list", "--json")
		if err != nil || out != "" {
			return fmt.Errorf("%v\n%s%s", err, out, errs)
		}
		return nil
	})
	if c.deaths != 1 {
		c.t.Fatalf("nobody came by %s", c.point)
	}
	c.compare(plain, asked)
	c.stop()
	if out, errs, err := c.command("audit", "verify"); err != nil {
		c.t.Errorf("audit verify: %v\n%s%s", err, out, errs)
	}
}

// survive does something until it is so, and starts the service anew when it has died. Leases of the dead run out at
// once: the clock is moved.
func (c *crossing) survive(what string, so func() error) {
	c.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := so()
		if err == nil {
			return
		}
		if c.child != nil && c.child.over() {
			c.deaths++
			c.kill()
			c.advance(30 * time.Second)
			c.launch()
			continue
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("never: %s: %v", what, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// handOver gives a mail to the service until it says 250, as a mail program does.
func (c *crossing) handOver(name string, body []byte) *posted {
	c.t.Helper()
	to := "somebody@" + name + ".example"
	head := fmt.Sprintf("From: alice@corp.example\r\nTo: %s\r\nDate: Fri, 21 Nov 2025 10:00:00 +0900\r\nSubject: %s\r\nMessage-ID: <%s.story@corp.example>\r\n", to, name, name)
	if !bytes.HasPrefix(body, []byte("MIME-Version")) {
		head += "\r\n"
	}
	m := &posted{who: "alice", to: []string{to}, raw: append([]byte(head), body...)}
	c.survive("the mail to "+to+" is accepted", func() error {
		s, err := c.submission("alice@corp.example", password)
		if err != nil {
			return err
		}
		defer s.close()
		a, err := s.send(letterOf{from: "alice@corp.example", to: m.to, raw: m.raw})
		switch {
		case err != nil:
			c.doubts++
			return err
		case a.code != 250:
			return fmt.Errorf("answered %s", a)
		}
		m.answer = a
		return nil
	})
	return m
}

// withFile is the rest of a mail with one file.
func withFile(name string, content []byte) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"=_%s\"\r\n\r\n--=_%s\r\nContent-Type: text/plain\r\n\r\nHere it is.\r\n", name, name)
	fmt.Fprintf(&b, "--=_%s\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=\"%s.csv\"\r\nContent-Transfer-Encoding: base64\r\n\r\n", name, name)
	text := base64.StdEncoding.EncodeToString(content)
	for line := range slices.Chunk([]byte(text), 76) {
		b.Write(append(line, "\r\n"...))
	}
	fmt.Fprintf(&b, "--=_%s--\r\n", name)
	return b.Bytes()
}

// answer approves whatever the manager is asked. A submission without an answer may have left a mail that is asked
// about, too.
func (c *crossing) answer() error {
	var list struct {
		Items []struct {
			ID string `json:"id"`
		} `json:"items"`
	}
	if err := c.manager.api("requests", &list); err != nil {
		return err
	}
	for _, q := range list.Items {
		path := "/requests/" + q.ID
		p, err := c.manager.try(http.MethodGet, path, nil)
		if err != nil {
			return err
		}
		form := p.form(path + "/decide")
		if form == nil {
			return fmt.Errorf("nothing to answer: %s", p)
		}
		form.Set("verb", "approve")
		if p, err = c.manager.try(http.MethodPost, path+"/decide", form); err != nil {
			return err
		}
		if p.code != http.StatusOK {
			return fmt.Errorf("%s", p)
		}
		c.advance(15 * time.Second) // the pause after an approval
	}
	return nil
}

// advance moves the clock on.
func (c *crossing) advance(d time.Duration) {
	c.clock += d
	c.order("clock", c.clock.String())
}

func (c *crossing) arrivals(to string) (all []delivery) {
	for _, d := range c.hop.deliveries(c.t) {
		if slices.Contains(d.to, to) {
			all = append(all, d)
		}
	}
	return all
}

var receivedID = regexp.MustCompile(`(?s)^.*?Received:.*?\bid ([0-9A-Za-z]{26})\b`)

// idOf is what the service called a mail that came.
func idOf(t testing.TB, d delivery) string {
	t.Helper()
	found := receivedID.FindSubmatch(d.raw)
	if found == nil {
		t.Fatalf("no id in:\n%.1000s", d.raw)
	}
	return string(found[1])
}

// compare looks at every copy that came.
func (c *crossing) compare(plain, asked *posted) {
	c.t.Helper()
	uncertain, err := c.uncertain()
	if err != nil {
		c.t.Fatal(err)
	}
	links := map[string]bool{}
	for _, m := range []*posted{plain, asked} {
		ids := map[string]int{}
		for _, d := range c.arrivals(m.to[0]) {
			ids[idOf(c.t, d)]++
			if m == plain {
				if err := identical(m.raw, d.raw); err != nil {
					c.t.Error(err)
				}
				continue
			}
			links[c.opened(m, d)] = true
		}
		for id, n := range ids {
			if n > 1 && !uncertain[id] {
				c.t.Errorf("%s came %d times and the audit log knows of no uncertain attempt", id, n)
			}
			if n > 2 {
				c.t.Errorf("%s came %d times after one death", id, n)
			}
		}
		if ids[m.id] == 0 {
			c.t.Errorf("%s was answered with 250 and has not come, but %v", m.id, ids)
		}
		if len(ids) > 1 {
			c.t.Errorf("%d mails came of one that was handed in without an answer %d times", len(ids), c.doubts)
		}
	}
	if len(links) > 1 {
		c.t.Errorf("the copies have different links")
	}
}

// opened takes the file from the link of a mail that arrived, and gives the link.
func (h *house) opened(m *posted, d delivery) string {
	h.t.Helper()
	l, err := open(d)
	if err != nil {
		h.t.Fatal(err)
	}
	links := h.linksIn(l)
	if len(links) != 1 || len(l.files) != 0 {
		h.t.Fatalf("%d links and %d files in:\n%.2000s", len(links), len(l.files), d.raw)
	}
	b := h.stranger()
	p := b.get(links[0])
	buttons := takeButton.FindAllStringSubmatch(p.body, -1)
	if len(buttons) != 1 {
		h.t.Fatal(p)
	}
	got := b.post(links[0]+"/get", map[string][]string{"file": {buttons[0][2]}})
	if err := m.sameFile(buttons[0][1], []byte(got.body)); err != nil {
		h.t.Error(err)
	}
	return links[0]
}
