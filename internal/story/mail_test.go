package story

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"slices"
	"strings"

	"golang.org/x/net/html/charset"
)

// letter is a mail as its reader sees it, read by the standard library and not by the code that is being tested.
type letter struct {
	delivery
	subject string
	texts   []string // decoded text parts
	files   []file   // decoded parts with a name
	header  mail.Header
}

type file struct {
	name string
	raw  []byte
}

var words = &mime.WordDecoder{CharsetReader: charset.NewReaderLabel}

// open reads a mail; what cannot be read is left out, because a test will miss it.
func open(d delivery) (letter, error) {
	l := letter{delivery: d}
	m, err := mail.ReadMessage(bytes.NewReader(d.raw))
	if err != nil {
		return l, err
	}
	l.header = m.Header
	if l.subject, err = words.DecodeHeader(m.Header.Get("Subject")); err != nil {
		l.subject = m.Header.Get("Subject")
	}
	return l, l.read(map[string][]string(m.Header), m.Body)
}

func (l *letter) read(header map[string][]string, body io.Reader) error {
	kind, params, err := mime.ParseMediaType(first(header["Content-Type"]))
	if err != nil {
		kind, params = "text/plain", nil
	}
	if strings.HasPrefix(kind, "multipart/") {
		parts := multipart.NewReader(body, params["boundary"])
		for {
			p, err := parts.NextRawPart()
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			if err := l.read(map[string][]string(p.Header), p); err != nil {
				return err
			}
		}
	}
	switch strings.ToLower(first(header["Content-Transfer-Encoding"])) {
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	}
	raw, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	return l.keep(header, kind, params, raw)
}

func (l *letter) keep(header map[string][]string, kind string, params map[string]string, raw []byte) error {
	_, disposition, _ := mime.ParseMediaType(first(header["Content-Disposition"]))
	name := disposition["filename"]
	if name == "" {
		name = params["name"]
	}
	if decoded, err := words.DecodeHeader(name); err == nil {
		name = decoded
	}
	if name != "" {
		l.files = append(l.files, file{name, raw})
		return nil
	}
	if !strings.HasPrefix(kind, "text/") {
		return nil
	}
	if label := params["charset"]; label != "" {
		r, err := charset.NewReaderLabel(label, bytes.NewReader(raw))
		if err != nil {
			return err
		}
		if raw, err = io.ReadAll(r); err != nil {
			return err
		}
	}
	l.texts = append(l.texts, string(raw))
	return nil
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// text is all that a reader reads.
func (l letter) text() string { return l.subject + "\n" + strings.Join(l.texts, "\n") }

// addresses are the mailboxes of some fields.
func (l letter) addresses(fields ...string) (all []string) {
	for _, f := range fields {
		list, err := l.header.AddressList(f)
		if err != nil {
			continue
		}
		for _, a := range list {
			all = append(all, a.Address)
		}
	}
	return all
}

// prepended are the fields that may stand above a mail that nothing changed.
var prepended = []string{"DKIM-Signature", "Received", "Date", "Message-ID", "X-Sekisho-Loop"}

// identical says what is different between a mail that was sent and one that arrived, beyond what may be
// prepended.
func identical(sent, arrived []byte) error {
	block, ok := bytes.CutSuffix(arrived, sent)
	if !ok {
		return fmt.Errorf("%d octets were sent and %d arrived that do not end in them:\n%s", len(sent), len(arrived), arrived[:min(len(arrived), 2000)])
	}
	for line := range bytes.Lines(block) {
		name, _, _ := bytes.Cut(line, []byte(":"))
		if line[0] != ' ' && line[0] != '\t' && !slices.Contains(prepended, string(name)) {
			return fmt.Errorf("a field was prepended: %q", line)
		}
	}
	return nil
}

// withoutBcc is a mail without the fields that must not travel.
func withoutBcc(raw []byte) []byte {
	head, body, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
	var kept []byte
	drop := false
	for line := range bytes.Lines(append(head, "\r\n"...)) {
		if line[0] != ' ' && line[0] != '\t' {
			lower := bytes.ToLower(line)
			drop = bytes.HasPrefix(lower, []byte("bcc:")) || bytes.HasPrefix(lower, []byte("resent-bcc:"))
		}
		if !drop {
			kept = append(kept, line...)
		}
	}
	return append(append(kept, "\r\n"...), body...)
}

// crlf gives a file of ours the line ends of mail.
func crlf(raw []byte) []byte {
	return bytes.ReplaceAll(bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
}
