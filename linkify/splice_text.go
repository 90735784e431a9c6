package linkify

import (
	"bytes"
	"fmt"
	"html"
	"strings"

	"golang.org/x/net/html/atom"

	xhtml "golang.org/x/net/html"

	"github.com/sekisho-mail/sekisho/internal/message"
)

func escapeHTML(s string) string { return html.EscapeString(s) }

// above puts the notice above the text of p, in p's own charset, transfer
// encoding and line discipline. It says whether p could take it.
func (r *splicing) above(p *message.Part) bool {
	if !headed(p) {
		return false // our words would be read as its header
	}
	if p.MediaType == "text/html" {
		return r.aboveHTML(p)
	}
	words, ok := r.words(p)
	if !ok {
		return false
	}
	switch p.Encoding {
	case "7bit", "8bit", "binary":
		if p.Encoding == "7bit" && !isASCII(words) {
			return r.recode(p, append(words, decoded(p)...))
		}
		// A byte order mark stays what comes first.
		r.insert(p.Body.Start+byteOrderMark(p.Body.Of(r.raw)), words)
	case "quoted-printable":
		body := p.Body.Of(r.raw)
		r.insert(p.Body.Start+qpOffset(body, byteOrderMark(decoded(p))), qpLines(words, r.eol))
	case "base64":
		r.prefixBase64(p, words)
	default:
		return false
	}
	return true
}

// headed says whether a blank line ends the header of p.
func headed(p *message.Part) bool {
	h := strings.ReplaceAll(string(p.Header.Of(p.Source())), "\r\n", "\n")
	return h == "\n" || strings.HasSuffix(h, "\n\n")
}

func decoded(p *message.Part) []byte {
	b, _ := p.Decode(0) // a text part is never a fragment
	return b
}

func (r *splicing) insert(at int, b []byte) {
	r.edits = append(r.edits, edit{at: message.Span{Start: at, End: at}, with: b})
}

// words is the notice as plain text in the charset of p, with p's line ends.
func (r *splicing) words(p *message.Part) ([]byte, bool) {
	text := r.notice.Text
	charset := r.charset(p)
	if wide(charset) {
		return r.wideWords(p, charset)
	}
	b, missing, ok := message.EncodeText(text, charset, substitute(charset))
	if !ok || len(missing) > 0 && !japaneseCharset(charset) {
		// English is ASCII, which every charset contains that a text part may have
		// but the wide ones.
		text, b = r.notice.English, []byte(r.notice.English)
	}
	if strings.EqualFold(p.Params["format"], "flowed") {
		stuffed := stuff(text)
		if b, _, ok = message.EncodeText(stuffed, charset, substitute(charset)); !ok {
			b = []byte(stuffed)
		}
	}
	if p.MediaType == "text/enriched" {
		b = bytes.ReplaceAll(b, []byte("<"), []byte("<<")) // RFC 1896
	}
	eol := r.textLineEnd(p)
	return append(bytes.ReplaceAll(b, []byte("\n"), []byte(eol)), eol...), true
}

// wideWords is words for charsets whose characters are of two octets each: their line ends are, too, and only base64
// carries them.
func (r *splicing) wideWords(p *message.Part, charset string) ([]byte, bool) {
	if p.Encoding != "base64" {
		return nil, false
	}
	b, _, ok := message.EncodeText(strings.ReplaceAll(r.notice.Text, "\n", "\r\n")+"\r\n", charset, substitute(charset))
	return b, ok
}

// charset is the label of p, or what its bytes say where it has none.
func (r *splicing) charset(p *message.Part) string {
	if p.Charset != "" && message.Family(p.Charset) != "us-ascii" {
		return p.Charset
	}
	b := decoded(p)
	switch {
	case bytes.Contains(b, []byte("\x1b$")):
		return "iso-2022-jp" // PHPMailer and others: JIS under us-ascii
	case isASCII(b):
		return "us-ascii"
	case bytes.Equal(b, bytes.ToValidUTF8(b, nil)):
		return "utf-8"
	}
	return "us-ascii"
}

func japaneseCharset(label string) bool {
	switch message.Family(label) {
	case "iso-2022-jp", "shift_jis", "euc-jp":
		return true
	}
	return false
}

func wide(label string) bool {
	f := message.Family(label)
	return strings.HasPrefix(f, "utf-16") || strings.HasPrefix(f, "utf-32") || f == "utf-7"
}

// substitute is what printers of Japan set for a character they lack.
func substitute(charset string) func(rune) string {
	if japaneseCharset(charset) {
		return func(rune) string { return "〓" }
	}
	return func(rune) string { return "?" }
}

// stuff keeps lines from being flowed or taken for quotes (RFC 3676).
func stuff(text string) string {
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		l = strings.TrimRight(l, " ")
		if strings.HasPrefix(l, " ") || strings.HasPrefix(l, ">") || strings.HasPrefix(l, "From ") {
			l = " " + l
		}
		lines[i] = l
	}
	return strings.Join(lines, "\n")
}

// textLineEnd is the line end of the text of p: the mail's, or its own where an
// encoding hides it.
func (r *splicing) textLineEnd(p *message.Part) string {
	if p.Encoding != "base64" && p.Encoding != "quoted-printable" {
		return r.eol
	}
	b := decoded(p)
	i := bytes.IndexByte(b, '\n')
	if i == 0 || i > 0 && b[i-1] != '\r' {
		return "\n"
	}
	return "\r\n"
}

// recode writes the whole text anew as quoted-printable, for the one case where
// its own encoding has no room: UTF-8 under 7bit.
func (r *splicing) recode(p *message.Part, text []byte) bool {
	field := "Content-Transfer-Encoding: quoted-printable" + r.eol
	done := false
	for _, f := range p.Fields {
		if strings.EqualFold(f.Name, "Content-Transfer-Encoding") {
			with := []byte(field)
			if done {
				with = nil
			}
			done = true
			r.edits = append(r.edits, edit{at: f.Span, with: with})
		}
	}
	if !done {
		end := p.Header.Start
		for _, f := range p.Fields {
			end = max(end, f.Span.End)
		}
		if end == p.Header.Start {
			return false // no header at all: text without charset
		}
		r.insert(end, []byte(field))
	}
	r.edits = append(r.edits, edit{at: p.Body, with: qpLines(text, r.eol)})
	return true
}

// prefixBase64 writes words before a base64 text and leaves that as it is: three
// bytes are four letters, so spaces fill the last group.
func (r *splicing) prefixBase64(p *message.Part, words []byte) {
	text := decoded(p)
	flowed := strings.EqualFold(p.Params["format"], "flowed") // a line that ends in spaces would join the next
	if mark := byteOrderMark(text); mark > 0 || flowed || wide(r.charset(p)) {
		whole := append(append(bytes.Clone(text[:mark]), words...), text[mark:]...)
		r.edits = append(r.edits, edit{at: p.Body, with: base64Lines(whole, r.eol)})
		return
	}
	if n := len(words) % 3; n > 0 {
		// Before the last line end, where nobody sees them.
		tail := len(words)
		if bytes.HasSuffix(words, []byte("\r\n")) {
			tail -= 2
		} else {
			tail--
		}
		words = append(append(bytes.Clone(words[:tail]), "  "[:3-n]...), words[tail:]...)
	}
	r.insert(p.Body.Start, base64Lines(words, r.eol))
}

func byteOrderMark(b []byte) int {
	for _, mark := range []string{"\xef\xbb\xbf", "\xff\xfe", "\xfe\xff"} {
		if bytes.HasPrefix(b, []byte(mark)) {
			return len(mark)
		}
	}
	return 0
}

// aboveHTML puts the notice behind <body>. What the charset lacks becomes a
// character reference, so that HTML always says all.
func (r *splicing) aboveHTML(p *message.Part) bool {
	charset := r.charset(p)
	if wide(charset) {
		return false
	}
	text := decoded(p)
	at := bodyStart(text, message.Family(charset) == "iso-2022-jp")
	if p.Encoding == "7bit" && message.Family(charset) == "utf-8" {
		charset = "us-ascii" // references pass where 8 bits do not
	}
	words, _, ok := message.EncodeText(r.notice.HTML, charset, reference)
	if !ok {
		words, _, _ = message.EncodeText(r.notice.HTML, "us-ascii", reference)
	}
	eol := r.textLineEnd(p)
	words = bytes.ReplaceAll(append(append([]byte("\n"), words...), '\n'), []byte("\n"), []byte(eol))
	switch p.Encoding {
	case "7bit", "8bit", "binary":
		r.insert(p.Body.Start+at, words)
	case "quoted-printable":
		r.insert(p.Body.Start+qpOffset(p.Body.Of(r.raw), at), qpInside(words, r.eol))
	case "base64":
		whole := append(append(bytes.Clone(text[:at]), words...), text[at:]...)
		r.edits = append(r.edits, edit{at: p.Body, with: base64Lines(whole, r.eol)})
	default:
		return false
	}
	return true
}

func reference(c rune) string { return fmt.Sprintf("&#%d;", c) }

// bodyStart is the offset behind <body>, else behind </head>, <html> or the
// doctype, else 0. Comments and scripts that speak of a body are passed over.
func bodyStart(text []byte, jis bool) int {
	if jis {
		text = maskJIS(text)
	}
	z := xhtml.NewTokenizer(bytes.NewReader(text))
	at, best := 0, byteOrderMark(text)
	for {
		kind := z.Next()
		at += len(z.Raw())
		switch kind {
		case xhtml.ErrorToken:
			return best
		case xhtml.DoctypeToken:
			best = at
		case xhtml.StartTagToken, xhtml.EndTagToken:
			name, _ := z.TagName()
			switch tag := atom.Lookup(name); {
			case tag == atom.Body && kind == xhtml.StartTagToken:
				return at
			case tag == atom.Head && kind == xhtml.EndTagToken, tag == atom.Html && kind == xhtml.StartTagToken:
				best = at
			}
		}
	}
}

// maskJIS hides two-byte characters, half of which look like "<".
func maskJIS(text []byte) []byte {
	out := bytes.Clone(text)
	double := false
	for i := 0; i < len(out); i++ {
		switch {
		case out[i] == 0x1b && i+2 < len(out):
			double = out[i+1] == '$'
			for n := 0; n < 3; n, i = n+1, i+1 {
				out[i] = 'x'
			}
			i--
		case out[i] == '\n':
			double = false
		case double:
			out[i] = 'x'
		}
	}
	return out
}
