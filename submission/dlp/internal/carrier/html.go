package carrier

import (
	"net/url"
	"strings"

	"golang.org/x/net/html"

	"github.com/sekisho-mail/sekisho/internal/message"
	"github.com/sekisho-mail/sekisho/submission/dlp/internal/detect"
)

// htmlFile reads an HTML document in every charset it may be in.
func (w *Walk) htmlFile(f file) error {
	readings := message.DecodeText(f.body, htmlCharset(f))
	for i, body := range readings[:min(len(readings), w.limits.ReadingsPerPart)] {
		t, hidden := htmlText(body)
		w.text(Text{Text: detect.Text{Body: t.b.String(), Cells: t.cells, Title: f.name}, Where: Attachment, Path: f.path, First: i == 0})
		if i == 0 {
			w.unseen(hidden, Attachment, f.path)
		}
	}
	unknown := w.blobs(f, readings[0])
	switch {
	case allGarbled(readings):
		return errUnreadable
	case sealed(readings[0], unknown):
		return ErrEncrypted
	}
	return nil
}

// htmlCharset is the carrier's label or the one of the document itself.
func htmlCharset(f file) string {
	if f.label != "" {
		return f.label
	}
	head := strings.ToLower(string(f.body[:min(len(f.body), 2048)]))
	_, after, ok := strings.Cut(head, "charset=")
	if !ok {
		return ""
	}
	after = strings.TrimLeft(after, "\"' ")
	if end := strings.IndexAny(after, "\"' />;"); end >= 0 {
		return after[:end]
	}
	return ""
}

// unseen reports what a page hides.
func (w *Walk) unseen(hidden []string, where Where, path string) {
	for _, how := range hidden {
		w.out.Form(FormHidden, where, path, how)
	}
}

// htmlText is everything a document says: what is shown, and behind it what is
// not (comments, alt texts, link targets, what styles hide; hidden lists how).
// Quotations keep their mark, tables their cells.
func htmlText(s string) (text *wordText, hidden []string) {
	t := &wordText{}
	h := htmlReader{t: t, look: htmlLooks{painted: paints(s)}}
	z := html.NewTokenizer(strings.NewReader(s))
	z.SetMaxBuf(1 << 20)
	for {
		switch z.Next() {
		case html.ErrorToken:
			h.closeAll()
			t.b.WriteString(h.hidden.String())
			return t, h.look.found
		case html.TextToken:
			h.text(string(z.Text()))
		case html.CommentToken:
			h.aside(string(z.Text()))
		case html.StartTagToken:
			name, attrs := z.TagName()
			h.open(string(name), z, attrs, false)
		case html.SelfClosingTagToken:
			name, attrs := z.TagName()
			h.open(string(name), z, attrs, true)
		case html.EndTagToken:
			name, _ := z.TagName()
			h.look.close(string(name))
			h.close(string(name))
		}
	}
}

type htmlReader struct {
	t      *wordText
	hidden strings.Builder
	look   htmlLooks
	quote  int    // depth of blockquotes
	raw    string // inside script or style
	fresh  bool   // at the start of a line
	pre    int
	inCell []bool
}

// text writes shown text with white space folded as browsers do.
func (h *htmlReader) text(s string) {
	if h.raw != "" {
		if h.raw == "script" {
			h.aside(s)
		}
		return
	}
	if strings.TrimSpace(s) != "" && h.look.unseen() {
		h.aside(s) // apart, or it would tear what is shown
		return
	}
	if h.pre > 0 {
		for i, l := range strings.SplitAfter(s, "\n") {
			if i > 0 || h.fresh {
				h.mark()
			}
			h.t.b.WriteString(l)
		}
		return
	}
	words := strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == '\n' || r == '\t' || r == '\r' })
	if len(words) == 0 {
		if s != "" && !h.fresh {
			h.t.b.WriteByte(' ')
		}
		return
	}
	if h.fresh {
		h.mark()
	} else if strings.IndexByte(" \n\t\r", s[0]) >= 0 {
		h.t.b.WriteByte(' ')
	}
	h.fresh = false
	h.t.b.WriteString(strings.Join(words, " "))
	if strings.IndexByte(" \n\t\r", s[len(s)-1]) >= 0 {
		h.t.b.WriteByte(' ')
	}
}

// mark begins a quoted line.
func (h *htmlReader) mark() {
	if h.quote > 0 {
		h.t.b.WriteString("> ")
	}
}

func (h *htmlReader) line() {
	if !h.fresh {
		h.t.newline()
	}
	h.fresh = true
}

func (h *htmlReader) aside(s string) {
	if s = strings.TrimSpace(s); s != "" {
		h.hidden.WriteString("\n" + s)
	}
}

func (h *htmlReader) open(name string, z *html.Tokenizer, attrs, empty bool) {
	id, class, look := h.attributes(z, attrs)
	if !empty {
		h.look.open(name, look)
	}
	switch name {
	case "script", "style":
		h.raw = name
	case "br":
		h.fresh = false
		h.line()
	case "p", "div", "li", "ul", "ol", "h1", "h2", "h3", "h4", "h5", "h6", "dt", "dd", "address", "section", "article", "option", "title", "legend", "label":
		h.line()
	case "hr": // the rule above a signature
		h.line()
		h.t.b.WriteString("-----\n")
	case "pre", "textarea":
		h.line()
		h.pre++
	case "blockquote":
		h.line()
		h.quote++
	case "table":
		h.line()
		h.t.openTable()
		h.inCell = append(h.inCell, false)
	case "tr":
		h.endCell()
		h.line()
		h.t.openRow()
	case "td", "th":
		h.endCell()
		if n := len(h.inCell); n > 0 {
			h.inCell[n-1] = true
			h.fresh = true
			h.t.openCell()
		}
	}
	h.reply(id, class)
}

// reply notes where mail programs begin the earlier mail.
func (h *htmlReader) reply(id, class string) {
	if id == "divRplyFwdMsg" || id == "appendonsend" || strings.Contains(class, "moz-cite-prefix") {
		h.line()
	}
	if id == "divRplyFwdMsg" {
		h.t.b.WriteString("________________________________\n")
	}
}

// attributes collects what attributes say to people and machines, and how the
// element looks.
func (h *htmlReader) attributes(z *html.Tokenizer, more bool) (id, class string, look htmlLook) {
	for more {
		var k, v []byte
		k, v, more = z.TagAttr()
		key := string(k)
		look.attribute(key, v)
		switch key {
		case "id":
			id = string(v)
		case "class":
			class = string(v)
		case "alt", "title", "placeholder", "value", "content", "href", "src", "action", "aria-label", "summary", "cite", "data", "label",
			"formaction", "xlink:href", "srcset", "srcdoc", "background", "poster", "longdesc", "ping":
			h.says(string(v))
		default:
			if strings.HasPrefix(key, "on") { // what a click does
				h.says(string(v))
			}
		}
	}
	return id, class, look
}

// says searches the value of an attribute. A short text may stand in a data:
// address as it is; files there are opened elsewhere.
func (h *htmlReader) says(v string) {
	if strings.HasPrefix(v, "cid:") {
		return
	}
	if rest, ok := strings.CutPrefix(v, "data:"); ok {
		kind, body, _ := strings.Cut(rest, ",")
		if strings.HasSuffix(kind, ";base64") {
			return
		}
		if plain, err := url.PathUnescape(body); err == nil {
			body = plain
		}
		v = body
	}
	h.aside(v)
}

func (h *htmlReader) close(name string) {
	switch name {
	case "script", "style":
		h.raw = ""
	case "p", "div", "li", "h1", "h2", "h3", "h4", "h5", "h6", "title", "dd", "dt":
		h.line()
	case "pre", "textarea":
		h.pre = max(0, h.pre-1)
		h.line()
	case "blockquote":
		h.quote = max(0, h.quote-1)
		h.line()
	case "td", "th":
		h.endCell()
	case "tr":
		h.endCell()
		h.line()
	case "table":
		h.endCell()
		if n := len(h.inCell); n > 0 {
			h.inCell = h.inCell[:n-1]
			h.t.closeTable()
			h.fresh = true
		}
	}
}

func (h *htmlReader) endCell() {
	if n := len(h.inCell); n > 0 && h.inCell[n-1] {
		h.inCell[n-1] = false
		h.t.closeCell()
		h.fresh = true
	}
}

func (h *htmlReader) closeAll() {
	for range h.inCell {
		h.endCell()
		h.inCell = h.inCell[:len(h.inCell)-1]
	}
	h.t.newline()
}
