package demo

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func outboxWith(t *testing.T, name, mail string) *Outbox {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.ReplaceAll(mail, "\n", "\r\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	return &Outbox{Dir: dir, Internal: "corp.example", Staff: "http://127.0.0.1:1"}
}

func (o *Outbox) page(path string) string {
	w := httptest.NewRecorder()
	o.Handler().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w.Body.String()
}

const delivered = "X-Envelope-From: <alice@corp.example>\nX-Envelope-To: <tanaka@customer.example>\n" +
	"From: alice@corp.example\nSubject: hello\n\nSee https://files.corp.example/d/abc\n"

// The files are named in UTC; people compare this page with the staff pages, which show the company's time.
func TestOutboxShowsTheCompanysTime(t *testing.T) {
	const name = "20261122T201534.123-00001.eml"
	o := outboxWith(t, name, delivered)
	for _, path := range []string{"/", "/" + name} {
		if body := o.page(path); !strings.Contains(body, "2026-11-23 05:15:34") {
			t.Errorf("%s shows\n%s", path, body)
		}
	}
}

func TestOutboxTellsOutsideFromInsideAndMakesLinksOfAddresses(t *testing.T) {
	const name = "20261122T201534.123-00001.eml"
	o := outboxWith(t, name, delivered)
	if !strings.Contains(o.page("/"), "hello") || strings.Contains(o.page("/?who=inside"), "hello") {
		t.Error("a mail to a customer stands under the wrong heading")
	}
	if body := o.page("/" + name); !strings.Contains(body, `<a href="https://files.corp.example/d/abc">`) {
		t.Errorf("no link in\n%s", body)
	}
	for _, wrong := range []string{"/none.eml", "/..%2Fsecret.eml", "/" + name + "x"} {
		if body := o.page(wrong); !strings.Contains(body, "404") {
			t.Errorf("%s answers\n%s", wrong, body)
		}
	}
}
