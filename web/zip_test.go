package web

import (
	"archive/zip"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/sekisho-mail/sekisho/web/dextest"
)

// several is a mail with files of hostile and equal names.
func several(names ...string) string {
	var b strings.Builder
	b.WriteString("From: alice@corp.example\r\nTo: partner@files.example\r\nSubject: files\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b1\r\n\r\n" +
		"--b1\r\nContent-Type: text/plain; charset=utf-8\r\n\r\ntext\r\n")
	for _, n := range names {
		b.WriteString("--b1\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename*=UTF-8''" + percent(n) + "\r\n\r\ncontent of " + n + "\r\n")
	}
	return b.String() + "--b1--\r\n"
}

func unzipped(t *testing.T, body string) (names []string, content map[string]string) {
	t.Helper()
	z, err := zip.NewReader(strings.NewReader(body), int64(len(body)))
	must(t, err)
	content = map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		must(t, err)
		b, err := io.ReadAll(r)
		must(t, err)
		names, content[f.Name] = append(names, f.Name), string(b)
		if f.NonUTF8 {
			t.Errorf("%q is not marked as UTF-8", f.Name)
		}
	}
	return names, content
}

func TestAllFilesComeAsOneZipWithTheirNames(t *testing.T) {
	h := newHouse(t)
	h.raw = several("見積書.pdf", "見積書.PDF", "../../etc/passwd", `C:\evil.exe`, "gnp\u202eexe.txt")
	m := h.submit("alice@corp.example", "見積の件", "partner@files.example")
	path := h.link(m)
	b := dextest.Browser(t)
	got := h.post(b, path+"/zip").is(t, http.StatusOK)
	names, content := unzipped(t, got.body)
	for _, n := range names {
		if strings.ContainsAny(n, `/\:`) || strings.Contains(n, "..") || strings.ContainsRune(n, '\u202e') {
			t.Errorf("%q could be unpacked elsewhere, or read as something else", n)
		}
	}
	if len(names) != 5 || !strings.HasPrefix(content["見積書.pdf"], "content of 見積書.pdf") || !strings.HasPrefix(content["見積書 (2).PDF"], "content of 見積書.PDF") {
		t.Errorf("%q", names)
	}
	if d := got.header.Get("Content-Disposition"); !strings.HasPrefix(d, "attachment") || !strings.Contains(d, ".zip") {
		t.Error(d)
	}
	links, err := h.links.OfMessage(t.Context(), m.ID)
	must(t, err)
	if links[0].Taken != 5 {
		t.Errorf("%d files counted", links[0].Taken)
	}
	id := regexp.MustCompile(`name="file" value="([^"]+)" checked`).FindAllStringSubmatch(h.get(b, path).body, -1)
	if names, _ := unzipped(t, h.post(b, path+"/zip", "file", id[0][1], "file", id[1][1]).body); len(names) != 2 {
		t.Errorf("%d chosen files came", len(names))
	}
}

func TestAZipAsksForTheCodeAsWell(t *testing.T) {
	h := newHouse(t)
	h.raw = several("a.pdf", "b.pdf")
	m := h.submit("alice@corp.example", "見積の件", "partner@code.example")
	path := h.link(m)
	h.post(dextest.Browser(t), path+"/zip").is(t, http.StatusForbidden).lacks(t, "PK")
	links, err := h.links.OfMessage(t.Context(), m.ID)
	must(t, err)
	h.post(dextest.Browser(t), path+"/zip", "file", links[0].Files[0].ID).is(t, http.StatusForbidden).lacks(t, "PK", "content of")
	h.post(dextest.Browser(t), "/d/"+strings.Repeat("A", 43)+"/zip").is(t, http.StatusNotFound)
}
