package linkify

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/sekisho-mail/sekisho/internal/message"
)

// edit replaces a range of the mail. Edits never overlap.
type edit struct {
	at   message.Span
	with []byte
}

// splicing is one Render in progress.
type splicing struct {
	raw    []byte
	root   *message.Part
	notice Notice
	body   string // the sender's text, where it has to be written anew
	eol    string
	gone   map[*message.Part]bool // parts that leave, and multiparts that they leave empty
	edits  []edit
}

// Render writes the mail with the planned parts taken out and the notice above
// the sender's text in every alternative. Every other byte is as it was. The
// same inputs give the same bytes.
func Render(w io.Writer, m *message.Message, s Splice, n Notice) error {
	if len(s.Links) == 0 {
		_, err := w.Write(m.Raw)
		return err
	}
	return RenderNotice(w, m, s, n)
}

// RenderNotice is Render also where no part is taken out.
func RenderNotice(w io.Writer, m *message.Message, s Splice, n Notice) error {
	r := splicing{raw: m.Raw, root: m.Root, notice: n.complete().besides(m), body: s.body, eol: lineEnd(m.Root), gone: map[*message.Part]bool{}}
	for _, a := range s.Links {
		if !a.replaceable() {
			return fmt.Errorf("part %s must stay as it is: %s", a.Path, a.Part.Protected())
		}
		r.gone[a.Part] = true
	}
	r.plan(m)
	if n.Paperclip && len(s.Links) > 0 && !r.gone[r.root] {
		r.clip()
	}
	return r.write(w)
}

// plan decides every edit.
func (r *splicing) plan(m *message.Message) {
	if r.gone[r.root] {
		r.replaceMail()
		return
	}
	r.empty(r.root)
	spoken := false
	for _, p := range m.TextParts() {
		if r.body == "" && p.Rewritable() && r.above(p) {
			spoken = true
		}
	}
	if !spoken {
		r.newText()
	}
	r.remove(r.root)
}

// empty marks the multiparts below p whose parts all leave.
func (r *splicing) empty(p *message.Part) bool {
	if r.gone[p] || !p.Multipart() {
		return r.gone[p]
	}
	all := true
	for _, c := range p.Children {
		if !r.empty(c) {
			all = false
		}
	}
	if all && p != r.root {
		r.gone[p] = true
	}
	return all
}

// remove takes out the marked parts below p, each with the boundary line before
// it; parts that follow each other go as one.
func (r *splicing) remove(p *message.Part) {
	if !p.Multipart() {
		return
	}
	for i := 0; i < len(p.Children); i++ {
		if !r.gone[p.Children[i]] {
			r.remove(p.Children[i])
			continue
		}
		at := message.Span{Start: p.Children[i].Delimiter.Start, End: p.Children[i].Body.End}
		for ; i+1 < len(p.Children) && r.gone[p.Children[i+1]]; i++ {
			at.End = p.Children[i+1].Body.End
		}
		r.edits = append(r.edits, edit{at: at, with: r.behind(p, at)})
	}
}

// behind is what must stand where parts of p left.
func (r *splicing) behind(p *message.Part, at message.Span) []byte {
	lead := ""
	if r.raw[at.Start] != '-' {
		lead = r.eol
	}
	switch {
	case at.End == len(r.raw):
		// The last boundary was missing: without one, the line end that belonged to
		// the boundary before these parts would go over to the text above.
		return []byte(lead + r.boundary(p) + "--" + r.eol)
	case r.raw[at.End] == '-':
		// The next boundary line has no line end of its own: behind an empty body or
		// an inner multipart. It takes over the one before these parts.
		return []byte(lead)
	}
	return nil
}

// boundary is the boundary line of a multipart as the mail writes it.
func (r *splicing) boundary(p *message.Part) string {
	return strings.Trim(string(p.Children[0].Delimiter.Of(r.raw)), "\r\n \t")
}

// newText puts a text part before the first part of a mail that has none we may
// write in.
func (r *splicing) newText() {
	first := r.root.Children[0]
	var b bytes.Buffer
	inside := r.raw[first.Delimiter.Start] != '-' // the line end before it is its own
	if inside {
		b.WriteString(r.eol)
	}
	b.WriteString(r.boundary(r.root) + r.eol + r.noticeHead() + r.eol)
	b.Write(r.noticeBody())
	if !inside {
		b.WriteString(r.eol)
	}
	at := first.Delimiter.Start
	r.edits = append(r.edits, edit{at: message.Span{Start: at, End: at}, with: b.Bytes()})
}

// replaceMail makes a mail that is nothing but a file into a text mail.
func (r *splicing) replaceMail() {
	mailHead, mailBody := r.noticeHead(), r.noticeBody()
	if r.notice.Paperclip {
		mailHead, mailBody = r.clipped(mailHead, mailBody)
	}
	at := -1
	for _, f := range r.root.Fields {
		name := strings.ToLower(f.Name)
		if !strings.HasPrefix(name, "content-") {
			continue
		}
		var with []byte
		if at < 0 {
			at = f.Span.Start
			with = []byte(mailHead)
		}
		r.edits = append(r.edits, edit{at: f.Span, with: with})
	}
	head := r.version()
	if at < 0 {
		head += mailHead
	}
	end := r.fieldsEnd()
	// The blank line is written anew: the header may have ended without one.
	body := append([]byte(head+r.eol), mailBody...)
	r.edits = append(r.edits, edit{at: message.Span{Start: end, End: len(r.raw)}, with: body})
}

// version is the field that makes a mail MIME, where it has none.
func (r *splicing) version() string {
	if r.root.Get("MIME-Version") == "" {
		return "MIME-Version: 1.0" + r.eol
	}
	return ""
}

// fieldsEnd is where the last field of the mail ends.
func (r *splicing) fieldsEnd() int {
	end := r.root.Header.Start
	for _, f := range r.root.Fields {
		end = max(end, f.Span.End)
	}
	return end
}

// noticeHead is the header of a text part of our own. Base64 passes every relay,
// 8BITMIME or not.
func (r *splicing) noticeHead() string {
	return "Content-Type: text/plain; charset=UTF-8" + r.eol + "Content-Transfer-Encoding: base64" + r.eol
}

func (r *splicing) noticeBody() []byte {
	text := r.notice.Text
	if r.body != "" {
		text += "\n" + r.body + "\n"
	}
	return base64Lines([]byte(strings.ReplaceAll(text, "\n", "\r\n")), r.eol)
}

// write copies the mail with its edits.
func (r *splicing) write(w io.Writer) error {
	slices.SortStableFunc(r.edits, func(a, b edit) int { return a.at.Start - b.at.Start })
	at := 0
	for _, e := range r.edits {
		if _, err := w.Write(r.raw[at:e.at.Start]); err != nil {
			return err
		}
		if _, err := w.Write(e.with); err != nil {
			return err
		}
		at = e.at.End
	}
	_, err := w.Write(r.raw[at:])
	return err
}

// lineEnd is the line end that the mail uses.
func lineEnd(root *message.Part) string {
	if bytes.HasSuffix(root.Header.Of(root.Source()), []byte("\r\n")) {
		return "\r\n"
	}
	return "\n"
}

// complete makes the forms that the caller left out.
func (n Notice) complete() Notice {
	if !strings.HasSuffix(n.Text, "\n") {
		n.Text += "\n"
	}
	if n.HTML == "" {
		n.HTML = "<div>" + strings.ReplaceAll(escapeHTML(strings.TrimSuffix(n.Text, "\n")), "\n", "<br>\n") + "</div>\n"
	}
	if n.English == "" {
		n.English = strings.Map(func(c rune) rune {
			if c >= 0x80 {
				return -1
			}
			return c
		}, n.Text)
	}
	if !strings.HasSuffix(n.English, "\n") {
		n.English += "\n"
	}
	return n
}

// besides keeps the notice's lines of hyphens from being read as boundaries of m. A boundary is compared with
// the beginning of a line (RFC 2046 section 5.1.1).
func (n Notice) besides(m *message.Message) Notice {
	for p := range m.Parts() {
		boundary := p.Params["boundary"]
		if !p.Multipart() || boundary == "" || strings.Trim(boundary, "-") != "" {
			continue
		}
		n.Text, n.English = doubleRules(n.Text), doubleRules(n.English)
		break
	}
	return n
}

// doubleRules writes lines of hyphens alone with equals signs.
func doubleRules(text string) string {
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		if strings.Trim(l, "-") == "" {
			lines[i] = strings.ReplaceAll(l, "-", "=")
		}
	}
	return strings.Join(lines, "\n")
}
