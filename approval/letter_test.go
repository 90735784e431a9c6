package approval

import (
	"encoding/base64"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"testing"
)

// part is one leaf of a parsed mail.
type part struct {
	mediaType, body string
}

// parseMail reads a mail with the standard library, every part of it.
func parseMail(t testing.TB, raw string) (*mail.Message, []part) {
	t.Helper()
	if strings.Contains(strings.ReplaceAll(raw, "\r\n", ""), "\n") || strings.Contains(strings.ReplaceAll(raw, "\r\n", ""), "\r") {
		t.Error("a line does not end in CRLF")
	}
	for _, line := range strings.Split(raw, "\r\n") {
		if len(line) > 998 {
			t.Error("a line is longer than 998 octets")
		}
	}
	m, err := mail.ReadMessage(strings.NewReader(raw))
	must(t, err)
	return m, leaves(t, m.Header.Get("Content-Type"), m.Header.Get("Content-Transfer-Encoding"), m.Body)
}

func leaves(t testing.TB, contentType, encoding string, r io.Reader) []part {
	t.Helper()
	mediaType, params, err := mime.ParseMediaType(contentType)
	must(t, err)
	if strings.HasPrefix(mediaType, "multipart/") {
		var out []part
		mr := multipart.NewReader(r, params["boundary"])
		for {
			p, err := mr.NextRawPart()
			if err == io.EOF {
				return out
			}
			must(t, err)
			out = append(out, leaves(t, p.Header.Get("Content-Type"), p.Header.Get("Content-Transfer-Encoding"), p)...)
		}
	}
	switch encoding {
	case "base64":
		r = base64.NewDecoder(base64.StdEncoding, r)
	case "quoted-printable":
		r = quotedprintable.NewReader(r)
	}
	b, err := io.ReadAll(r)
	must(t, err)
	return []part{{mediaType, string(b)}}
}

func textOf(t testing.TB, raw string) string {
	t.Helper()
	_, parts := parseMail(t, raw)
	return strings.ReplaceAll(parts[0].body, "\r\n", "\n")
}
