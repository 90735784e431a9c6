package web

import (
	"bytes"
	"encoding/base64"
	"html"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/sekisho-mail/sekisho/linkify"
	"github.com/sekisho-mail/sekisho/web/dextest"
)

// attached is a mail whose files are of these names and contents.
func attached(to string, files ...string) string {
	var b strings.Builder
	b.WriteString("From: alice@corp.example\r\nTo: " + to + "\r\nSubject: files\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b1\r\n\r\n" +
		"--b1\r\nContent-Type: text/plain; charset=utf-8\r\n\r\ntext\r\n")
	for i := 0; i+1 < len(files); i += 2 {
		coded := base64.StdEncoding.EncodeToString([]byte(files[i+1]))
		b.WriteString("--b1\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename*=UTF-8''" +
			percent(files[i]) + "\r\n\r\n")
		for len(coded) > 76 {
			b.WriteString(coded[:76] + "\r\n")
			coded = coded[76:]
		}
		b.WriteString(coded + "\r\n")
	}
	return b.String() + "--b1--\r\n"
}

// photo is a PNG of one colour.
func photo(c color.Color) string {
	img := image.NewRGBA(image.Rect(0, 0, 600, 400))
	for i := range 600 * 400 {
		img.Set(i%600, i/600, c)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		panic(err)
	}
	return b.String()
}

// onePagePDF is the smallest document with a page.
const onePagePDF = "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R 4 0 R]/Count 2>>endobj\n" +
	"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 400]>>endobj\n4 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 400]>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"

var (
	fileValue   = regexp.MustCompile(`name="file" value="([^"]+)"`)
	dataPicture = regexp.MustCompile(`src="data:image/jpeg;base64,([^"]+)"`)
)

// filesOn gives the ids of the files on a page, each once.
func filesOn(t *testing.T, page answer) (ids []string) {
	t.Helper()
	for _, m := range fileValue.FindAllStringSubmatch(page.body, -1) {
		if len(ids) == 0 || ids[len(ids)-1] != m[1] {
			ids = append(ids, m[1])
		}
	}
	return ids
}

// pictureOn decodes the picture that stands in a page.
func pictureOn(t *testing.T, page answer) image.Image {
	t.Helper()
	m := dataPicture.FindStringSubmatch(page.body)
	if m == nil {
		t.Fatalf("no picture on %s", page.at)
	}
	raw, err := base64.StdEncoding.DecodeString(html.UnescapeString(m[1]))
	must(t, err)
	img, err := jpeg.Decode(bytes.NewReader(raw))
	must(t, err)
	return img
}

func TestRecipientsLookAtPicturesPDFAndText(t *testing.T) {
	h := newHouse(t)
	h.raw = attached("partner@view.example", "写真.png", photo(color.RGBA{R: 200, A: 255}), "図面.pdf", onePagePDF,
		"<script>.txt", "<script>alert(1)</script>\u202e裏", "表.xlsx", "PK\x03\x04...")
	m := h.submit("alice@corp.example", "見積の件", "partner@view.example")
	path := h.link(m)
	b := dextest.Browser(t)
	page := h.get(b, path).is(t, http.StatusOK)
	if n := strings.Count(page.body, `action="`+path+`/view"`); n != 3 {
		t.Errorf("%d of 4 files can be looked at:\n%s", n, page.body)
	}
	files := filesOn(t, page)
	shown := h.post(b, path+"/view", "file", files[0]).is(t, http.StatusOK)
	if img := pictureOn(t, shown); img.Bounds().Dx() != 600 {
		t.Errorf("%v", img.Bounds())
	}
	shown.has(t, `alt="写真.png、1 ページ中の 1 ページ目"`, `action="`+path+`/get"`)
	if csp := shown.header.Get("Content-Security-Policy"); !strings.Contains(csp, "sandbox allow-same-origin") || strings.Contains(csp, "script") ||
		!strings.Contains(csp, "img-src 'self' data:") || shown.header.Get("Cache-Control") != "no-store" || shown.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%v", shown.header)
	}
	pdf := h.post(b, path+"/view", "file", files[1]).is(t, http.StatusOK)
	pictureOn(t, pdf)
	pdf.has(t, "1 / 2 ページ", `rel="next"`)
	pdf.lacks(t, `rel="prev"`)
	next := regexp.MustCompile(`href="([^"]+)" rel="next"`).FindStringSubmatch(pdf.body)[1]
	h.get(b, next).is(t, http.StatusOK).has(t, "2 / 2 ページ", `rel="prev"`)
	h.get(b, strings.TrimSuffix(next, "2")+"3").is(t, http.StatusNotFound)
	h.get(b, strings.TrimSuffix(next, "2")+"-1").is(t, http.StatusNotFound)
	text := h.post(b, path+"/view", "file", files[2]).is(t, http.StatusOK)
	text.has(t, "&lt;script&gt;alert(1)&lt;/script&gt;\uFFFD裏")
	text.lacks(t, "<script>")
	h.post(b, path+"/view", "file", files[3]).is(t, http.StatusOK).has(t, "このファイルは、画面に表示できません")
	link, err := h.links.OfMessage(t.Context(), m.ID)
	if err != nil || link[0].Viewed != 3 || link[0].Taken != 0 {
		t.Errorf("%+v, %v", link, err)
	}
	h.get(h.as("alice"), "/messages/"+m.ID+"/links").is(t, http.StatusOK).has(t, "閲覧 3 回", "まだダウンロードされていません", `<span class="tag">閲覧</span>`, "写真.png")
	h.get(h.as("admin"), "/messages/"+m.ID+"/links").is(t, http.StatusOK).lacks(t, "写真.png")
}

func TestWhatMayOnlyBeLookedAtIsNeverHandedOut(t *testing.T) {
	h := newHouse(t)
	white := photo(color.White)
	h.raw = attached("partner@viewonly.example", "写真.png", white, "名簿.csv", "佐藤,03-1234-5678\n", "表.xlsx", "PK\x03\x04...")
	m := h.submit("alice@corp.example", "見積の件", "partner@viewonly.example")
	path := h.link(m)
	b := dextest.Browser(t)
	page := h.get(b, path).is(t, http.StatusOK)
	page.has(t, "閲覧のみ", "この種類のファイルは、画面に表示できません")
	page.lacks(t, path+"/get", path+"/zip", "SHA-256")
	link, err := h.links.OfMessage(t.Context(), m.ID)
	must(t, err)
	for _, f := range link[0].Files {
		h.post(b, path+"/get", "file", f.ID).is(t, http.StatusForbidden).has(t, "閲覧のみ")
	}
	h.post(b, path+"/zip").is(t, http.StatusForbidden).has(t, "閲覧のみ")
	shown := h.post(b, path+"/view", "file", filesOn(t, page)[0]).is(t, http.StatusOK)
	shown.lacks(t, path+"/get")
	if img := pictureOn(t, shown); !marked600(img) {
		t.Error("the picture carries no mark")
	}
	h.post(b, path+"/view", "file", filesOn(t, page)[1]).is(t, http.StatusOK).inOrder(t, "partner@viewonly.example", "佐藤,03-1234-5678", "partner@viewonly.example")
	// The address of what is shown is none from which it can be taken, whole or in parts.
	at := strings.Split(shown.at, "/look/")[0]
	for _, header := range []string{"", "bytes=0-10"} {
		req, err := http.NewRequest(http.MethodGet, absolute(at), nil)
		must(t, err)
		if header != "" {
			req.Header.Set("Range", header)
		}
		res, err := b.Do(req)
		got := h.read(res, err).is(t, http.StatusForbidden)
		got.has(t, "閲覧のみ")
		if strings.Contains(got.body, white[:40]) {
			t.Error("bytes of the file")
		}
	}
}

// marked600 says whether a white picture shows anything.
func marked600(img image.Image) bool {
	n := 0
	for i := range 600 * 400 {
		if r, _, _, _ := img.At(i%600, i/600).RGBA(); r>>8 < 220 {
			n++
		}
	}
	return n > 2000
}

func TestNobodyLooksByHeadPrefetchOrAnotherBrowser(t *testing.T) {
	h := newHouse(t)
	m := h.submit("alice@corp.example", "見積の件", "partner@view.example")
	path := h.link(m)
	b := dextest.Browser(t)
	stop := b.CheckRedirect
	b.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	file := filesOn(t, h.get(b, path))[0]
	at := h.post(b, path+"/view", "file", file).is(t, http.StatusSeeOther).header.Get("Location")
	b.CheckRedirect = stop
	for _, c := range []struct{ method, header, value string }{{http.MethodHead, "", ""}, {http.MethodGet, "Sec-Purpose", "prefetch"},
		{http.MethodGet, "Sec-Purpose", "prefetch;prerender"}, {http.MethodGet, "X-Moz", "prefetch"}} {
		req, err := http.NewRequest(c.method, absolute(at), nil)
		must(t, err)
		if c.header != "" {
			req.Header.Set(c.header, c.value)
		}
		res, err := b.Do(req)
		if got := h.read(res, err); strings.Contains(got.body, "Hello") || strings.Contains(got.body, "data:image") {
			t.Errorf("%v shows the file", c)
		}
	}
	h.get(dextest.Browser(t), at).is(t, http.StatusForbidden)
	none := func(what string) {
		t.Helper()
		if l, err := h.links.OfMessage(t.Context(), m.ID); err != nil || l[0].Viewed != 0 {
			t.Errorf("%s is recorded: %+v, %v", what, l, err)
		}
	}
	none("what nobody saw")
	_, err := h.links.Revoke(t.Context(), m.ID, nil, linkify.ByPerson, linkify.System)
	must(t, err)
	h.get(b, at).is(t, http.StatusGone)
	none("a look after revocation")
	plain := h.link(h.submit("alice@corp.example", "見積の件", "partner@files.example"))
	page := h.get(b, plain)
	page.lacks(t, "/view")
	h.post(b, plain+"/view", "file", filesOn(t, page)[0]).is(t, http.StatusForbidden)
}
