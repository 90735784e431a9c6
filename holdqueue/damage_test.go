package holdqueue

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/internal/blob"
)

// TestMailWhoseBytesAreGoneWaitsForPeople: the rest flows, and when the file is back and somebody releases the mail, it
// leaves as it was.
func TestMailWhoseBytesAreGoneWaitsForPeople(t *testing.T) {
	for name, harm := range map[string]func(whole []byte) []byte{
		"missing": func([]byte) []byte { return nil },
		"empty":   func([]byte) []byte { return []byte{} },
		"torn":    func(whole []byte) []byte { return whole[:len(whole)*2/3] },
		"changed": func(whole []byte) []byte {
			worse := append([]byte(nil), whole...)
			worse[len(worse)/2] ^= 1
			return worse
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachHouse(t, func(t *testing.T, h *house) {
				h.Inspect = func(_ context.Context, m *Message, _ Body) (Inspection, error) { return sendAll(m, time.Minute), nil }
				var cause error
				h.Poison = func(m *Message, err error) Inspection { cause = err; return holdAll(m) }
				h.run()
				h.eventually("the start", h.started)
				body := "S: large\r\n\r\n" + strings.Repeat("long\r\n", 100_000)
				harmed, other := h.submit(body, "a@o.example"), h.submit("S: x\r\n\r\n", "b@o.example")
				h.becomes(harmed, "delayed")
				h.becomes(other, "delayed")
				path := h.bodyFile(harmed)
				whole, err := os.ReadFile(path)
				must(t, err)
				must(t, os.Remove(path))
				if worse := harm(whole); worse != nil {
					must(t, os.WriteFile(path, worse, 0o600))
				}
				h.advance(2 * time.Minute)
				h.becomes(other, "sent")
				h.becomes(harmed, "held")
				if !errors.Is(cause, ErrDamaged) {
					t.Errorf("held because of %v", cause)
				}
				must(t, os.WriteFile(path, whole, 0o600))
				_, err = h.Release(t.Context(), harmed, nil, "os:root")
				must(t, err)
				h.advance(time.Minute)
				h.becomes(harmed, "sent")
				if got := h.deliveries(); len(got) != 2 || got[1].body != body {
					t.Errorf("%d mails left", len(got))
				}
			})
		})
	}
}

// bodyFile is where the body of a mail lies.
func (h *house) bodyFile(id ID) (path string) {
	h.t.Helper()
	must(h.t, filepath.WalkDir(filepath.Dir(h.opts.Spool), func(p string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasPrefix(d.Name(), id) {
			path = p
		}
		return err
	}))
	if path == "" {
		h.t.Fatalf("no file of %s", id)
	}
	return path
}

// awayStore does not answer.
type awayStore struct{ blob.Store }

func (awayStore) Open(context.Context, string) (blob.File, error) {
	return nil, errors.New("connection refused")
}

// TestMailWhoseStoreIsAwayIsTriedAgain: that is no damage.
func TestMailWhoseStoreIsAwayIsTriedAgain(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		here := h.opts.Blobs
		h.opts.Blobs = awayStore{here}
		h.reopen()
		id := h.submit("S: large\r\n\r\n"+strings.Repeat("long\r\n", 100_000), "a@o.example")
		c, _, _, err := h.take(t.Context(), []string{kindInspect}, 1)
		must(t, err)
		if err := h.inspect(t.Context(), c[0]); err == nil || errors.Is(err, ErrDamaged) {
			t.Fatal(err)
		}
		h.Queue.o.Blobs = here
		must(t, h.inspect(t.Context(), c[0]))
		h.Queue.o.Blobs = awayStore{here}
		c, _, _, err = h.take(t.Context(), []string{kindSend}, 1)
		must(t, err)
		must(t, h.send(t.Context(), c[0]))
		h.becomes(id, "deferred")
	})
}

// TestStraysAreFound: bodies without a mail and mails without their body.
func TestStraysAreFound(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		large := "S: large\r\n\r\n" + strings.Repeat("long\r\n", 100_000)
		h.submit(large, "a@o.example")
		lost := h.submit(large, "a@o.example")
		must(t, os.Remove(h.bodyFile(lost)))
		must(t, h.opts.Blobs.Put(t.Context(), bodies+"left", strings.NewReader("x"), 1))
		for settled, want := range map[time.Duration]int{-time.Hour: 1, time.Hour: 2} {
			found := map[string]bool{}
			must(t, Strays(t.Context(), h.db, h.opts.Blobs, time.Now().Add(settled), func(s Stray) error { found[s.Key] = s.Missing; return nil }))
			missing, isMissing := found[bodies+lost]
			left, isLeft := found[bodies+"left"]
			if len(found) != want || !isMissing || !missing || left || isLeft != (want == 2) {
				t.Errorf("before %v: %v", settled, found)
			}
		}
	})
}
