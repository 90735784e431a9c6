package linkify

import (
	"fmt"
	"path"
	"strings"

	xhtml "golang.org/x/net/html"

	"github.com/sekisho-mail/sekisho/internal/message"
	"github.com/sekisho-mail/sekisho/internal/rtf"
	"github.com/sekisho-mail/sekisho/internal/tnef"
)

// wrapped says whether Outlook may have put files for other Outlooks into p (winmail.dat).
func wrapped(p *message.Part, name string) bool {
	return p.Protected() == message.TNEF || strings.EqualFold(name, "winmail.dat")
}

// unwrap gives the files inside p, each as an attachment of its own, and the text that Outlook put there. ok is false
// where p cannot be replaced by them: it is damaged, holds what only Outlook opens, or something around p forbids it.
func unwrap(p *message.Part) (files []Attachment, body string, ok bool) {
	if p.Embedded || p.Around() != message.Unprotected || len(p.Children) > 0 {
		return nil, "", false
	}
	content, err := p.Decode(0)
	if err != nil {
		return nil, "", false
	}
	c, err := tnef.Decode(content)
	if err != nil {
		return nil, "", false
	}
	for i, f := range c.Files {
		if f.Object {
			return nil, "", false
		}
		a := Attachment{Part: p, Path: fmt.Sprintf("%s/%d", p.Path(), i+1), Name: f.Name, Size: int64(len(f.Data)), content: f.Data}
		if a.Name == "" {
			a.Name = fmt.Sprintf("attachment-%d", i+1)
		}
		a.Type = typeOf(a.Name)
		files = append(files, a)
	}
	return files, bodyOf(c), true
}

// typeOf guesses the type of a file that has none from its name, the same on every machine.
func typeOf(name string) string {
	const office = "application/vnd.openxmlformats-officedocument."
	known := map[string]string{".pdf": "application/pdf", ".zip": "application/zip", ".txt": "text/plain", ".csv": "text/csv",
		".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".gif": "image/gif", ".doc": "application/msword",
		".xls": "application/vnd.ms-excel", ".ppt": "application/vnd.ms-powerpoint", ".docx": office + "wordprocessingml.document",
		".xlsx": office + "spreadsheetml.sheet", ".pptx": office + "presentationml.presentation"}
	if t := known[strings.ToLower(path.Ext(name))]; t != "" {
		return t
	}
	return "application/octet-stream"
}

// bodyOf is the text of a mail as Outlook wrapped it: as plain text, else from its HTML, else from its Rich Text.
func bodyOf(c tnef.Contents) string {
	for _, t := range c.Texts {
		if t = tidy(t); t != "" {
			return t
		}
	}
	if t := tidy(htmlText(message.DecodeText(c.HTML, c.Page)[0])); t != "" {
		return t
	}
	if b, err := tnef.ExpandRTF(c.RTF); err == nil {
		return tidy(rtf.Shown(b))
	}
	return ""
}

// tidy is text of lines ended by \n, without what no text part may hold.
func tidy(s string) string {
	s = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\x00", "").Replace(strings.ToValidUTF8(s, "\uFFFD"))
	return strings.TrimSpace(s)
}

// htmlText is what HTML says, without its form.
func htmlText(s string) string {
	z := xhtml.NewTokenizer(strings.NewReader(s))
	var b strings.Builder
	hidden := ""
	for {
		switch z.Next() {
		case xhtml.ErrorToken:
			return b.String()
		case xhtml.TextToken:
			if hidden == "" {
				b.WriteString(strings.ReplaceAll(strings.ReplaceAll(string(z.Text()), "\r", ""), "\n", " "))
			}
		case xhtml.StartTagToken, xhtml.SelfClosingTagToken:
			switch name, _ := z.TagName(); string(name) {
			case "script", "style", "title":
				hidden = string(name)
			case "br", "p", "div", "tr", "li", "h1", "h2", "h3":
				b.WriteByte('\n')
			}
		case xhtml.EndTagToken:
			if name, _ := z.TagName(); string(name) == hidden {
				hidden = ""
			}
		}
	}
}

// silent says whether the sender's own text, in all its forms, is empty.
func silent(m *message.Message) bool {
	for _, p := range m.TextParts() {
		b, _ := p.Decode(0) // a text is never a fragment
		text := message.DecodeText(b, p.Charset)[0]
		if p.MediaType == "text/html" {
			text = htmlText(text)
		}
		if strings.TrimFunc(text, func(r rune) bool { return r == '\u00a0' || r == '\ufeff' || strings.ContainsRune(" \t\r\n\u3000", r) }) != "" {
			return false
		}
	}
	return true
}

// planWrapped asks about the files inside winmail.dat. They leave together with it, or stay with it. done is false
// where it has to be taken as the one file it is.
func (s *Splice) planWrapped(m *message.Message, p *message.Part, choose func(Attachment) bool) (done bool) {
	files, body, ok := unwrap(p)
	if !ok {
		return false
	}
	if body != "" && silent(m) && m.Root.Multipart() && m.Root.MediaType != "multipart/mixed" {
		return false // there is no place for a text of our own
	}
	chosen := false
	for _, a := range files {
		chosen = choose(a) || chosen
	}
	if !chosen {
		return true
	}
	for _, a := range files {
		_ = a.measure() // memory is read without fail
		s.Links = append(s.Links, a)
	}
	if silent(m) && !strings.Contains(s.body, body) {
		s.body = strings.TrimPrefix(s.body+"\n\n"+body, "\n\n")
	}
	return true
}
