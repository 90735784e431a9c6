package facsimile

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/sekisho-mail/sekisho/internal/message"
)

// textPageOf decodes a text by the likeliest of its charsets and gives one page of it. Whoever shows it escapes it.
func textPageOf(o work, body []byte) (*Page, error) {
	cut := len(body) > maxText
	if cut {
		body = body[:maxText]
	}
	readings := message.DecodeText(body, "")
	if len(readings) == 0 || !isText(body, readings[0]) {
		return nil, ErrKind
	}
	pages := pagesOf(readings[0])
	if o.Page < 1 || o.Page > len(pages) {
		return nil, ErrNoPage
	}
	return &Page{Number: o.Page, Of: len(pages), Text: pages[o.Page-1], Cut: cut}, nil
}

// isText tells a text from bytes of another sort: those decode to controls, or to nothing known.
func isText(body []byte, text string) bool {
	if bytes.HasPrefix(body, []byte("\xff\xfe")) || bytes.HasPrefix(body, []byte("\xfe\xff")) {
		body = nil // UTF-16 is full of NUL
	}
	if bytes.IndexByte(body, 0) >= 0 {
		return false
	}
	odd, all := 0, 0
	for _, r := range text {
		all++
		if r == utf8.RuneError || r < ' ' && r != '\n' && r != '\r' && r != '\t' && r != '\f' && r != '\x1b' {
			odd++
		}
	}
	return all > 0 && odd*50 <= all
}

// pagesOf cuts a text at ends of lines; a line longer than a page is cut where it must be.
func pagesOf(text string) (pages []string) {
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	text = strings.ToValidUTF8(text, "\uFFFD")
	for len(text) > textPage {
		end := strings.LastIndexByte(text[:textPage], '\n') + 1
		if end == 0 {
			for end = textPage; !utf8.RuneStart(text[end]); {
				end--
			}
		}
		pages, text = append(pages, text[:end]), text[end:]
	}
	return append(pages, text)
}
