package story

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestStories tells every story of testdata.
func TestStories(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			t.Parallel()
			s, err := readScript(path)
			if err != nil {
				t.Fatal(err)
			}
			tell(t, path, s)
		})
	}
}

// teller is a story under way.
type teller struct {
	*house
	t      *testing.T
	path   string
	script *script
	verbs  map[string]verb
	trouble

	last  answer // of the latest submission; its refusal must be told of
	owed  bool   // the latest submission was refused and nobody has said so
	mails map[string]*posted
	mail  *posted // the one that steps speak of

	letters map[int]bool        // deliveries that a step has spoken of
	notice  letter              // the latest one
	open    map[string]*ballot  // questions that somebody has on the screen
	links   map[string]string   // of delivered mail, by recipient
	doors   map[string]*browser // of recipients who came to download
	never   []func() error      // what must still be so at the end
	copies  map[string]*clouded // of a mail that a cloud split, by recipient
	// toldLater counts how often a cloud was answered 4xx.
	toldLater atomic.Int32
}

// posted is a mail that was accepted.
type posted struct {
	answer
	who string
	to  []string
	raw []byte // as it should arrive
}

// verb is what a step does.
type verb func(*teller, step)

func verbs() map[string]verb {
	all := map[string]verb{}
	for _, some := range []map[string]verb{mailVerbs(), peopleVerbs(), recipientVerbs(), troubleVerbs(), cloudVerbs(), movingVerbs()} {
		maps.Copy(all, some)
	}
	return all
}

func tell(t *testing.T, path string, s *script) {
	k := newTeller(t, path, s)
	for _, st := range k.found() {
		k.perform(st)
	}
	k.unpaid()
	k.end()
}

func newTeller(t *testing.T, path string, s *script) *teller {
	return &teller{t: t, path: path, script: s, verbs: verbs(), mails: map[string]*posted{}, letters: map[int]bool{}, links: map[string]string{},
		open: map[string]*ballot{}, doors: map[string]*browser{}}
}

// perform carries out one step; when it fails, the line that failed is said last.
func (k *teller) perform(st step) {
	k.t.Helper()
	do, ok := k.verbs[st.verb]
	if !ok {
		k.t.Fatalf("%s:%d: there is no verb %q", k.path, st.line, st.verb)
	}
	if st.verb != "refused" {
		k.unpaid()
	}
	done := false
	defer func() {
		if !done {
			k.t.Logf("%s:%d: %s", k.path, st.line, st.text)
		}
	}()
	do(k, st)
	done = !k.t.Failed()
	if !done {
		k.t.FailNow()
	}
}

// does carries out a step that a test writes in its own text.
func (k *teller) does(line string) {
	k.t.Helper()
	st, err := readStep(line)
	if err != nil {
		k.t.Fatal(err)
	}
	k.perform(st)
}

// unpaid fails a story that goes on as if a refused mail had been accepted.
func (k *teller) unpaid() {
	if k.owed {
		k.t.Fatalf("the mail was refused: %s", k.last)
	}
}

// found opens the company as the first steps want it, and gives the others.
func (k *teller) found() []step {
	s := settings{lines: map[string]string{}, policy: string(k.script.files["policy.yaml"]), people: string(k.script.files["people.yaml"])}
	rest := k.script.steps
	for len(rest) > 0 && rest[0].verb == "with" {
		for name, value := range rest[0].named {
			k.set(&s, name, value)
		}
		rest = rest[1:]
	}
	if s.hop == nil {
		k.recorder = newRecorder(k.t)
		s.hop = k.recorder
	}
	k.house = prepare(k.t, s)
	for name, raw := range k.script.files {
		if strings.HasSuffix(name, ".secret") || strings.HasSuffix(name, ".pem") {
			k.write(name, string(raw))
		}
	}
	k.start()
	return rest
}

// end makes sure of what every story promises: the service is alive and ends well, its log shows no content, the
// audit log is untouched, and nothing came that should not have come.
func (k *teller) end() {
	if k.child != nil {
		k.stop()
	}
	for _, still := range k.never {
		if err := still(); err != nil {
			k.t.Error(err)
		}
	}
	k.noneTwice()
	k.silent()
	if out, errs, err := k.command("audit", "verify"); err != nil {
		k.t.Errorf("audit verify: %v\n%s%s", err, out, errs)
	}
}

// noneTwice: nobody gets a mail twice, but for those of which the audit log says that an attempt's end was not seen.
func (k *teller) noneTwice() {
	seen := map[string]bool{}
	var twice []string
	for _, d := range k.hop.deliveries(k.t) {
		l, err := open(d)
		if err != nil {
			continue
		}
		for _, to := range d.to {
			key := l.header.Get("Message-Id") + " " + to
			if seen[key] {
				twice = append(twice, to+" got twice: "+l.subject)
			}
			seen[key] = true
		}
	}
	if len(twice) == 0 {
		return
	}
	marked, err := k.uncertain()
	if err != nil {
		k.t.Error(err)
	}
	if len(twice) > len(marked) {
		k.t.Errorf("%s; the audit log knows of %d uncertain attempts", strings.Join(twice, "; "), len(marked))
	}
}

// silent: no content, no password and no secret address of a page stands in the log.
func (k *teller) silent() {
	log := k.log()
	for _, m := range k.mails {
		l, err := open(delivery{raw: m.raw})
		if err != nil {
			continue
		}
		k.secrets = append(k.secrets, l.subject)
		for _, text := range l.texts {
			for line := range strings.Lines(text) {
				k.secrets = append(k.secrets, strings.TrimSpace(line))
			}
		}
		for _, f := range l.files {
			k.secrets = append(k.secrets, f.name)
		}
	}
	for _, secret := range k.secrets {
		if len(secret) >= 8 && strings.Contains(log, secret) {
			k.t.Errorf("the log shows %q", secret)
		}
	}
}

// state is the mail as its sender sees it now.
func (k *teller) state() mailView {
	k.t.Helper()
	var v mailView
	who, _, _ := strings.Cut(k.mail.who, "@")
	if err := k.as(who).api("messages/"+k.mail.id, &v); err != nil {
		k.t.Fatal(err)
	}
	return v
}

// becomes waits until some recipients are in a state: those that the step names, or all.
func (k *teller) becomes(st step, want ...string) mailView {
	k.t.Helper()
	var v mailView
	k.within(k.limit(st), strings.Join(want, " or "), func() error {
		v = k.state()
		return inState(v, st.list("to"), want)
	})
	return v
}

func inState(v mailView, of, want []string) error {
	found := 0
	for _, r := range v.Recipients {
		if len(of) > 0 && !slices.Contains(of, r.Address) {
			continue
		}
		found++
		if !slices.Contains(want, r.State) {
			return fmt.Errorf("%s", v)
		}
	}
	if found == 0 || found < len(of) {
		return fmt.Errorf("no such recipient: %s", v)
	}
	return nil
}

func (k *teller) limit(st step) time.Duration {
	if st.named["within"] == "" {
		return patience
	}
	return k.duration(st.named["within"])
}

func (k *teller) duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		k.t.Fatal(err)
	}
	return d
}

// arrived are the mails at the next hop for an address.
func (k *teller) arrived(address string) (all []letter, at []int) {
	for i, d := range k.hop.deliveries(k.t) {
		if !slices.Contains(d.to, address) {
			continue
		}
		l, err := open(d)
		if err != nil {
			k.t.Logf("a mail to %s cannot be read: %v", address, err)
			l = letter{delivery: d}
		}
		all, at = append(all, l), append(at, i)
	}
	return all, at
}

// await waits for a mail that no step has spoken of yet.
func (k *teller) await(st step, address string, so func(letter) error) letter {
	k.t.Helper()
	var found letter
	k.within(k.limit(st), "a mail to "+address, func() error {
		var why []error
		all, at := k.arrived(address)
		for i, l := range all {
			if k.letters[at[i]] {
				continue
			}
			if err := so(l); err != nil {
				why = append(why, err)
				continue
			}
			found = l
			if len(l.to) == 1 { // one transaction for several recipients is spoken of several times
				k.letters[at[i]] = true
			}
			return nil
		}
		return fmt.Errorf("%d mails to it, %d of them spoken of: %v", len(all), len(all)-len(why), why)
	})
	return found
}

// sameFile says whether a file is the one that was sent.
func (m *posted) sameFile(name string, raw []byte) error {
	l, err := open(delivery{raw: m.raw})
	if err != nil {
		return err
	}
	for _, f := range l.files {
		if f.name == name {
			if !bytes.Equal(f.raw, raw) {
				return fmt.Errorf("%s is not the file that was sent: %d octets instead of %d", name, len(raw), len(f.raw))
			}
			return nil
		}
	}
	return fmt.Errorf("no file %s was sent", name)
}

func mustRead(t testing.TB, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
