package demo

import (
	"bufio"
	"bytes"
	_ "embed"
	"html/template"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sekisho-mail/sekisho/internal/message"
)

// Outbox shows what the relay delivered as its readers see it: customers outside, and our own people with their
// notices.
type Outbox struct {
	Dir      string
	Internal string // the company's domain
	Staff    string // address of the staff pages
}

//go:embed outbox.html
var outboxHTML string

var outboxPage = template.Must(template.New("outbox").Parse(outboxHTML))

// Handler serves the list at / and one mail at /NAME.
func (o *Outbox) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", o.list)
	mux.HandleFunc("GET /{name}", o.show)
	mux.HandleFunc("GET /{name}/raw", o.raw)
	return mux
}

type letter struct {
	Name    string
	To      []string
	From    string
	Subject string
	Inside  bool
	At      time.Time
	Lines   []line
	Files   []string
}

// line is one line of a text, cut where its links are.
type line []span

type span struct{ Text, URL string }

var (
	fileName = regexp.MustCompile(`^[0-9A-Za-z.:-]+\.eml$`)
	link     = regexp.MustCompile(`https?://[^\s<>"]+`)
)

func (o *Outbox) list(w http.ResponseWriter, r *http.Request) {
	names, _ := filepath.Glob(filepath.Join(o.Dir, "*.eml")) // only a bad pattern errs
	slices.Sort(names)
	slices.Reverse(names)
	inside := r.URL.Query().Get("who") == "inside"
	var letters []letter
	for _, path := range names[:min(len(names), 500)] {
		l, _, err := o.read(filepath.Base(path))
		if err == nil && l.Inside == inside {
			letters = append(letters, l)
		}
	}
	o.render(w, map[string]any{"Letters": letters, "Inside": inside, "Staff": o.Staff})
}

func (o *Outbox) show(w http.ResponseWriter, r *http.Request) {
	l, m, err := o.read(r.PathValue("name"))
	if err != nil {
		http.NotFound(w, r)
		return
	}
	if plain, html := m.Body(); plain != nil || html != nil {
		l.Lines = cut(bodyText(plain, html))
	}
	for _, a := range m.Attachments() {
		l.Files = append(l.Files, a.Name)
	}
	o.render(w, map[string]any{"Letter": l, "Inside": l.Inside, "Staff": o.Staff})
}

func (o *Outbox) raw(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	if !fileName.MatchString(name) {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=us-ascii")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	http.ServeFile(w, r, filepath.Join(o.Dir, name))
}

func (o *Outbox) render(w http.ResponseWriter, page map[string]any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	outboxPage.Execute(w, page) // the reader has gone
}

// read takes the envelope lines off a file and parses the rest.
func (o *Outbox) read(name string) (letter, *message.Message, error) {
	if !fileName.MatchString(name) {
		return letter{}, nil, os.ErrNotExist
	}
	raw, err := os.ReadFile(filepath.Join(o.Dir, name))
	if err != nil {
		return letter{}, nil, err
	}
	l := letter{Name: name, Inside: true}
	if at, err := time.Parse("20060102T150405.000", strings.SplitN(name, "-", 2)[0]); err == nil {
		l.At = at.In(companyZone())
	}
	rest := raw
	lines := bufio.NewScanner(bytes.NewReader(raw))
	for lines.Scan() && strings.HasPrefix(lines.Text(), "X-Envelope-") {
		rest = raw[len(raw)-len(rest)+len(lines.Bytes())+2:]
		raw = raw[len(raw)-len(rest):]
		if to, ok := strings.CutPrefix(lines.Text(), "X-Envelope-To: "); ok {
			to = strings.Trim(to, "<>")
			l.To = append(l.To, to)
			l.Inside = l.Inside && strings.HasSuffix(strings.ToLower(to), "@"+o.Internal)
		}
	}
	m, err := message.Parse(rest)
	if err != nil {
		return l, nil, err
	}
	l.From, l.Subject = m.Root.Text("From"), m.Root.Text("Subject")
	return l, m, nil
}

// companyZone is that of the demo's configuration, so that this page and the staff pages beside it show the same times.
// Asia/Tokyo has had no summer time since 1951.
func companyZone() *time.Location { return time.FixedZone("Asia/Tokyo", 9*60*60) }

// bodyText is what a reader sees first; of a mail in HTML alone, its words.
func bodyText(plain, html *message.Part) string {
	const limit = 1 << 20
	if plain != nil {
		if t := plain.Texts(limit); len(t) > 0 {
			return t[0]
		}
	}
	if html != nil {
		if t := html.Texts(limit); len(t) > 0 {
			return tags.ReplaceAllString(t[0], "")
		}
	}
	return ""
}

var tags = regexp.MustCompile(`(?s)<[^>]*>`)

func cut(text string) (lines []line) {
	for t := range strings.Lines(text) {
		t = strings.TrimRight(t, "\r\n")
		var l line
		end := 0
		for _, at := range link.FindAllStringIndex(t, -1) {
			l = append(l, span{Text: t[end:at[0]]})
			if u, err := url.Parse(t[at[0]:at[1]]); err == nil {
				l = append(l, span{Text: t[at[0]:at[1]], URL: u.String()})
			}
			end = at[1]
		}
		lines = append(lines, append(l, span{Text: t[end:]}))
	}
	return lines
}
