package message

import (
	"bytes"
	"strconv"
	"strings"
)

// Path names the part by position, as IMAP does: "1.2"; "1" for a message
// without parts, "" for the root of a multipart. The parts of a message inside
// part 2 are 2.1, 2.2, ...
func (p *Part) Path() string {
	if p.Parent == nil {
		if len(p.Children) > 0 && !p.Children[0].Nested {
			return ""
		}
		return "1"
	}
	if p.Nested {
		if p.Multipart() {
			return p.Parent.Path()
		}
		return p.Parent.Path() + ".1"
	}
	if above := p.Parent.Path(); above != "" {
		return above + "." + strconv.Itoa(p.index+1)
	}
	return strconv.Itoa(p.index + 1)
}

// Attachment is a leaf (or a whole message/rfc822) that people see as a file.
type Attachment struct {
	Part   *Part
	Name   string // best name; made from the type where the mail gives none
	Type   string
	Size   int64 // decoded
	Inline bool  // shown inside the HTML by cid
}

// Attachments lists what people see as files, outermost message only.
func (m *Message) Attachments() []Attachment {
	cids := m.contentIDs()
	var out []Attachment
	var visit func(p *Part)
	visit = func(p *Part) {
		if p.Multipart() {
			for _, c := range p.Children {
				visit(c)
			}
			return
		}
		if p.text() || p.structural() {
			return // Apple Mail writes text, file, text: the second text is no file
		}
		out = append(out, Attachment{
			Part: p, Name: p.shownName(), Type: p.MediaType, Size: p.DecodedSize(),
			Inline: p.ContentID != "" && cids[p.ContentID] && p.Disposition != "attachment" ||
				p.ContentID != "" && cids[p.ContentID] && strings.HasPrefix(p.MediaType, "image/"),
		})
	}
	visit(m.Root)
	return out
}

// structural says that p is machinery and no file: the parts of reports, the
// control parts of signatures and encryption.
func (p *Part) structural() bool {
	if p.Parent == nil || p.Parent.MediaType == "multipart/mixed" {
		return false
	}
	if p.Parent.MediaType == "multipart/report" {
		return true
	}
	switch p.MediaType {
	case "application/pgp-signature", "application/pgp-encrypted", "application/pkcs7-signature",
		"application/x-pkcs7-signature", "message/delivery-status", "message/disposition-notification":
		return true
	}
	return false
}

func (p *Part) shownName() string {
	if p.Filename != "" {
		return p.Filename
	}
	switch {
	case p.isMessage():
		if len(p.Children) > 0 {
			if s := p.Children[0].Text("Subject"); s != "" {
				return s + ".eml"
			}
		}
		return "message.eml"
	case p.MediaType == "text/calendar":
		return "invite.ics"
	case p.MediaType == "application/ms-tnef":
		return "winmail.dat"
	case p.MediaType == "text/plain":
		return "attachment-" + p.Path() + ".txt"
	case p.MediaType == "text/html":
		return "attachment-" + p.Path() + ".html"
	}
	_, sub, _ := strings.Cut(p.MediaType, "/")
	if token(sub) && len(sub) <= 5 {
		return "attachment-" + p.Path() + "." + sub
	}
	return "attachment-" + p.Path() + ".bin"
}

// maxHTML is how much of an HTML text is searched for cid references.
const maxHTML = 8 << 20

// contentIDs are the Content-IDs that the HTML texts refer to.
func (m *Message) contentIDs() map[string]bool {
	out := map[string]bool{}
	for _, p := range m.TextParts() {
		if p.MediaType != "text/html" {
			continue
		}
		b, _ := p.Decode(maxHTML)
		for {
			i := bytes.Index(b, []byte("cid:"))
			if i < 0 {
				break
			}
			b = b[i+4:]
			end := bytes.IndexAny(b[:min(len(b), 512)], "\"'<>) \t\r\n;")
			if end < 0 {
				end = min(len(b), 512)
			}
			out[string(percent(string(b[:end])))] = true
		}
	}
	return out
}

// Body is the text a reader would show: plain and HTML, either may be nil.
func (m *Message) Body() (plain, html *Part) {
	for _, p := range m.TextParts() {
		switch {
		case p.MediaType == "text/plain" && plain == nil:
			plain = p
		case p.MediaType == "text/html" && html == nil:
			html = p
		}
	}
	return plain, html
}

// TextParts are all parts of the outermost message that readers show as the
// sender's own text, every alternative included: the first text of a mixed, the
// root of a related, all of an alternative, what a signature covers.
func (m *Message) TextParts() []*Part { return textParts(m.Root, nil) }

func textParts(p *Part, out []*Part) []*Part {
	if !p.Multipart() {
		if p.text() {
			out = append(out, p)
		}
		return out
	}
	switch p.MediaType {
	case "multipart/alternative":
		for _, c := range p.Children {
			out = textParts(c, out)
		}
	case "multipart/related":
		out = textParts(relatedRoot(p), out)
	case "multipart/encrypted":
	default:
		// The first child that holds text is the sender's text; the list footers
		// and the second texts that follow it are files or part of it.
		for _, c := range p.Children {
			if more := textParts(c, nil); len(more) > 0 {
				return append(out, more...)
			}
		}
	}
	return out
}

// relatedRoot is the part that a multipart/related shows (RFC 2387).
func relatedRoot(p *Part) *Part {
	if start := strings.Trim(p.Params["start"], "<>"); start != "" {
		for _, c := range p.Children {
			if c.ContentID == start {
				return c
			}
		}
	}
	return p.Children[0]
}

// text says whether p is shown as text and not as a file.
func (p *Part) text() bool {
	if p.Disposition == "attachment" || len(p.Children) > 0 {
		return false
	}
	switch p.MediaType {
	case "text/html":
		return p.Disposition == "inline" || p.Filename == ""
	case "text/plain", "text/enriched", "text/richtext":
		return p.Filename == ""
	}
	return false
}
