package web

import (
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/db/dbtest"
)

// wire stands between the product and PostgreSQL and can be cut.
type wire struct {
	listener net.Listener
	server   string
	mu       sync.Mutex
	down     bool
	open     map[net.Conn]bool
}

func newWire(t *testing.T, server string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	w := &wire{listener: l, server: server, open: map[net.Conn]bool{}}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go w.carry(c)
		}
	}()
	return w
}

func (w *wire) carry(c net.Conn) {
	defer c.Close()
	s, err := net.Dial("tcp", w.server)
	if err != nil {
		return
	}
	defer s.Close()
	w.mu.Lock()
	if w.down {
		w.mu.Unlock()
		return
	}
	w.open[c] = true
	w.mu.Unlock()
	go func() {
		io.Copy(s, c)
		s.Close()
	}()
	io.Copy(c, s)
	w.mu.Lock()
	delete(w.open, c)
	w.mu.Unlock()
}

// cut drops every connection and takes no new one; mend takes them again.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = true
	for c := range w.open {
		c.Close()
	}
}

func (w *wire) mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = false
}

func TestPagesSayWhatHappensWhileTheDatabaseIsDown(t *testing.T) {
	address, err := url.Parse(dbtest.PostgresURL(t))
	must(t, err)
	w := newWire(t, address.Host)
	address.Host = w.listener.Addr().String()
	h := &house{t: t, base: time.Now().Truncate(time.Second), browser: map[string]*http.Client{}}
	h.db, err = db.Open(t.Context(), address.String())
	must(t, err)
	t.Cleanup(func() { h.db.Close() })
	h.open()
	m := h.submit("alice@corp.example", "見積の件", "y@wait.example")
	path := h.link(h.submit("alice@corp.example", "見積の件", "partner@files.example"))
	alice := h.as("alice")

	w.cut()
	page := h.get(alice, "/messages/"+m.ID).is(t, http.StatusServiceUnavailable)
	page.has(t, "いまは表示できません", "受け付けたメールは失われず、復旧すると自動で送信を続けます。", "お問い合わせ番号", `href="/messages/`+m.ID+`">もう一度試す`)
	h.get(alice, "/?lang=en").is(t, http.StatusServiceUnavailable).has(t, "Not available right now", "goes on leaving by itself once it is back", "Try again")
	pressed := h.post(alice, "/messages/"+m.ID+"/cancel").is(t, http.StatusServiceUnavailable)
	pressed.has(t, "復旧後に、実行されたかどうかを")
	pressed.lacks(t, "もう一度試す")
	api := h.get(alice, "/api/v1/messages").is(t, http.StatusServiceUnavailable)
	api.has(t, `"code": "database_down"`)
	if api.header.Get("Retry-After") == "" {
		t.Error("programs are not told when to come back")
	}
	for lang, want := range map[string]string{"ja": "ファイルは失われていません。", "en": "the files are not lost."} {
		recipient := h.get(http.DefaultClient, path+"?lang="+lang).is(t, http.StatusServiceUnavailable)
		recipient.has(t, want, `href="`+path+"?lang="+lang)
		recipient.lacks(t, "atabase", "データベース")
	}
	h.get(http.DefaultClient, "/healthz").is(t, http.StatusOK)
	h.get(http.DefaultClient, "/signed-out").is(t, http.StatusOK)

	w.mend()
	h.eventually("the page is back", func() bool { return h.get(alice, "/messages/"+m.ID).code == http.StatusOK })
	h.post(alice, "/messages/"+m.ID+"/cancel").is(t, http.StatusOK)
	h.becomes(m.ID, holdqueue.Cancelled)
}
