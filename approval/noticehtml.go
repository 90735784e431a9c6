package approval

import (
	"html"
	"strings"
)

// asHTML gives the simple HTML alternative of a notice: the same words, with
// lists, quotes and one link that a thumb can hit. Only addresses of our own
// pages become links; what a held mail says never does.
func asHTML(language, text, ownBase string) string {
	h := &htmlNotice{base: ownBase}
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		h.line(line)
	}
	h.block("")
	root := `<html>`
	if language != "" {
		root = `<html lang="` + language + `">`
	}
	return `<!DOCTYPE html>` + root + `<head><meta charset="utf-8"></head>` +
		`<body style="font-family:sans-serif;font-size:16px;line-height:1.6;color:#1a1a1a">` + "\n" +
		h.out.String() + "</body></html>\n"
}

type htmlNotice struct {
	base string
	out  strings.Builder
	open string // the element that is open: p, ul, blockquote or none
}

// block closes what is open and opens another element.
func (h *htmlNotice) block(tag string) {
	if h.open != "" {
		h.out.WriteString("</" + h.open + ">\n")
	}
	if tag != "" {
		h.out.WriteString("<" + tag + ">")
	}
	h.open = tag
}

func (h *htmlNotice) line(line string) {
	item, isItem := strings.CutPrefix(line, "・")
	if !isItem {
		item, isItem = strings.CutPrefix(line, "- ")
	}
	quote, isQuote := strings.CutPrefix(line, ">")
	switch {
	case line == "":
		h.block("")
	case isItem:
		if h.open != "ul" {
			h.block("ul")
		}
		h.out.WriteString("<li>" + html.EscapeString(item) + "</li>")
	case isQuote:
		h.within("blockquote", html.EscapeString(strings.TrimPrefix(quote, " ")))
	default:
		h.within("p", h.linked(line))
	}
}

func (h *htmlNotice) within(tag, markup string) {
	if h.open == tag {
		h.out.WriteString("<br>\n")
	} else {
		h.block(tag)
	}
	h.out.WriteString(markup)
}

// linked makes the line "label: URL" a link, with the whole URL shown below,
// so that nobody must trust a label.
func (h *htmlNotice) linked(line string) string {
	at := strings.LastIndex(line, h.base+"/")
	if h.base == "" || at < 0 || strings.ContainsAny(line[at:], " \t") {
		return html.EscapeString(line)
	}
	label := strings.TrimRight(line[:at], "：: ")
	url := html.EscapeString(line[at:])
	if label == "" {
		return `<a href="` + url + `">` + url + `</a>`
	}
	return `<a href="` + url + `" style="display:inline-block;padding:10px 18px;border:1px solid #1a56a0;` +
		`border-radius:6px;color:#1a56a0">` + html.EscapeString(label) + `</a><br><small>` + url + `</small>`
}
