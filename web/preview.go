package web

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/microcosm-cc/bluemonday"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/message"
	"github.com/sekisho-mail/sekisho/submission/dlp"
)

// Bounds of a preview. The text of a mail stands at its beginning; 150 MB of
// attachments behind it need not be in memory to show it.
const (
	previewBytes = 8 << 20
	previewText  = 64 << 10
	previewHTML  = 512 << 10
)

// preview is the content of a mail made safe to show.
type preview struct {
	From, To, Cc string // as the header says it, decoded
	Date         string
	Text         []run
	Cut          bool // there is more than is shown
	HasHTML      bool
	Files        []fileView
	Unreadable   bool
	html         string // sanitised; for the frame only
}

// run is a piece of text, marked where something was found.
type run struct {
	Text string
	Mark bool
}

// fileView is an attachment by name.
type fileView struct {
	Name string
	Type string
	Size int64
}

// previewOf reads the stored mail and makes it showable. A mail that cannot be
// parsed is shown as unreadable: the page around it must work.
func (st *staff) previewOf(ctx context.Context, m *holdqueue.Message) (*preview, error) {
	if !m.PurgedAt.IsZero() {
		return &preview{Unreadable: true}, nil
	}
	body, err := st.Queue.Open(ctx, m)
	if errors.Is(err, holdqueue.ErrPurged) {
		return &preview{Unreadable: true}, nil
	}
	if err != nil {
		return nil, err
	}
	defer body.Close()
	raw := make([]byte, min(body.Size(), previewBytes))
	if _, err := io.ReadFull(io.NewSectionReader(body, 0, int64(len(raw))), raw); err != nil {
		return nil, fmt.Errorf("read message %s: %w", m.ID, err)
	}
	parsed, err := message.Parse(raw)
	if err != nil {
		return &preview{Unreadable: true}, nil
	}
	rep, err := reportOf(m)
	if err != nil {
		return nil, err
	}
	p := showable(parsed, rep)
	p.Cut = p.Cut || body.Size() > previewBytes
	return p, nil
}

func showable(m *message.Message, rep dlp.Report) *preview {
	p := &preview{From: m.Root.Text("From"), To: m.Root.Text("To"), Cc: m.Root.Text("Cc"), Date: m.Root.Get("Date")}
	plain, html := m.Body()
	if plain != nil {
		text := firstText(plain)
		p.Text, p.Cut = marked(text, marksIn(rep, plain.Path()), previewText)
	}
	if html != nil {
		clean := sanitised(firstText(html))
		p.html, p.HasHTML = clean, true
		if plain == nil {
			p.Text, p.Cut = marked(bareText(clean), nil, previewText)
		}
	}
	for _, a := range m.Attachments() {
		p.Files = append(p.Files, fileView{Name: a.Name, Type: a.Type, Size: a.Size})
	}
	return p
}

func firstText(part *message.Part) string {
	texts := part.Texts(previewHTML)
	if len(texts) == 0 {
		return ""
	}
	return texts[0]
}

// span is a range of bytes of a text.
type span struct{ from, to int }

// marksIn are the places of medium and surer findings in one text part.
func marksIn(rep dlp.Report, path string) []span {
	var out []span
	for _, f := range rep.Findings {
		for _, m := range f.Matches {
			if f.Level >= dlp.Medium && m.Where == dlp.InBody && m.Path == path && m.End > m.Start {
				out = append(out, span{m.Start, m.End})
			}
		}
	}
	slices.SortFunc(out, func(a, b span) int { return a.from - b.from })
	return out
}

// marked cuts a text into runs at the marks, at most limit bytes of it. Marks
// that overlap, or that do not fit the text, are harmless.
func marked(text string, marks []span, limit int) (runs []run, cut bool) {
	if len(text) > limit {
		text, cut = text[:limit], true
		for !utf8.ValidString(text[max(0, len(text)-utf8.UTFMax):]) && len(text) > limit-utf8.UTFMax {
			text = text[:len(text)-1]
		}
	}
	at := 0
	for _, m := range marks {
		from, to := max(m.from, at), min(m.to, len(text))
		if from >= to || !utf8.RuneStart(text[from]) || to < len(text) && !utf8.RuneStart(text[to]) {
			continue
		}
		runs = append(runs, run{Text: visible(text[at:from])}, run{Text: visible(text[from:to]), Mark: true})
		at = to
	}
	return append(runs, run{Text: visible(text[at:])}), cut
}

// visible replaces characters that change how text reads without being seen:
// an approver must not be shown a name written backwards.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\r':
			return -1
		case r == '\n' || r == '\t':
			return r
		case unicode.Is(unicode.Bidi_Control, r), unicode.IsControl(r):
			return '\uFFFD'
		}
		return r
	}, s)
}

// sanitised keeps the shape of an HTML mail and nothing that could fetch,
// run, or lead anywhere. Links lose their target, pictures their source.
func sanitised(html string) string {
	p := bluemonday.NewPolicy()
	p.AllowElements("p", "br", "div", "span", "b", "strong", "i", "em", "u", "s", "sub", "sup", "small", "h1", "h2", "h3", "h4", "h5", "h6",
		"ul", "ol", "li", "dl", "dt", "dd", "blockquote", "pre", "code", "hr", "table", "thead", "tbody", "tfoot", "tr", "td", "th", "caption", "center", "font")
	p.AllowAttrs("colspan", "rowspan").Matching(bluemonday.Integer).OnElements("td", "th")
	p.SkipElementsContent("title", "style", "script", "head")
	return p.Sanitize(html)
}

// bareText is the text of sanitised HTML, for those who read no frames.
func bareText(clean string) string {
	for _, tag := range []string{"<br>", "<br/>", "</p>", "</div>", "</tr>", "</li>"} {
		clean = strings.ReplaceAll(clean, tag, "\n"+tag)
	}
	return strings.TrimSpace(unescape(bluemonday.StrictPolicy().Sanitize(clean)))
}

func unescape(s string) string {
	return strings.NewReplacer("&lt;", "<", "&gt;", ">", "&#34;", `"`, "&#39;", "'", "&amp;", "&", "&nbsp;", " ").Replace(s)
}

// frameStyle is the only style inside the frame, allowed by its hash.
const frameStyle = `body{margin:1rem;font:1rem/1.6 "Hiragino Sans","Noto Sans JP","Noto Sans CJK JP",Meiryo,sans-serif;color:#1d2329;background:#fff;overflow-wrap:anywhere}table{border-collapse:collapse;max-width:100%}td,th{padding:.125rem .375rem;vertical-align:top}blockquote{margin:0 0 0 .5rem;padding-left:.75rem;border-left:3px solid #ccc;color:#555}`

// body is the HTML of a mail in a document of its own, for the sandboxed frame.
// Its policy lets it load nothing, run nothing and be framed by our pages only.
func (st *staff) body(ctx context.Context, r *Request) (Response, error) {
	p, err := st.previewOf(ctx, r.Mail.Message)
	if err != nil {
		return nil, err
	}
	if !p.HasHTML {
		return nil, errNotFound
	}
	sum := sha256.Sum256([]byte(frameStyle))
	policy := "sandbox; default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; style-src 'sha256-" +
		base64.StdEncoding.EncodeToString(sum[:]) + "'"
	document := "<!doctype html><html><head><meta charset=\"utf-8\"><title>-</title><style>" + frameStyle + "</style></head><body>" + p.html + "</body></html>"
	return &plain{kind: "text/html; charset=utf-8", body: []byte(document), header: map[string]string{
		"Content-Security-Policy": policy, "X-Frame-Options": "SAMEORIGIN", "Referrer-Policy": "no-referrer",
	}}, nil
}
