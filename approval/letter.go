package approval

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// letter is one of our own mails before it has its form.
type letter struct {
	from     mailaddr.Address
	fromName string
	to       mailaddr.Address
	subject  string
	text     string
	html     string
	language string
	at       time.Time
	id       string // of Message-ID and References, without brackets
	thread   string
	enclosed *enclosed
}

// enclosed describes a returned mail. Its bytes stand between the two halves
// of the letter and are never read here.
type enclosed struct {
	eightBit bool
	bcc      []mailaddr.Address
}

// form gives the message up to the returned mail, and what follows it. Without
// a returned mail the first is everything.
func (l *letter) form() (head, tail []byte) {
	var b bytes.Buffer
	l.header(&b)
	inner := boundary()
	if l.enclosed == nil {
		l.alternatives(&b, inner)
		return b.Bytes(), nil
	}
	outer := boundary()
	fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=%q\r\n\r\n--%s\r\n", outer, outer)
	l.alternatives(&b, inner)
	// RFC 2046 section 5.2.1: a message/rfc822 part is never base64.
	encoding := "7bit"
	if l.enclosed.eightBit {
		encoding = "8bit"
	}
	fmt.Fprintf(&b, "\r\n--%s\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: %s\r\n"+
		"Content-Disposition: attachment; filename=\"mail.eml\"\r\n\r\n", outer, encoding)
	// Mail programs open a message with this field for editing, as a draft.
	b.WriteString("X-Unsent: 1\r\n")
	// Bcc was taken out at acceptance; a copy that is sent again must reach the same people.
	if len(l.enclosed.bcc) > 0 {
		b.WriteString("Bcc: " + joinAddresses(l.enclosed.bcc) + "\r\n")
	}
	return b.Bytes(), []byte("\r\n--" + outer + "--\r\n")
}

func (l *letter) header(b *bytes.Buffer) {
	from := l.from.String()
	if l.fromName != "" {
		from = encodePhrase(l.fromName) + "\r\n <" + from + ">"
	}
	field := func(name, value string) { b.WriteString(name + ": " + value + "\r\n") }
	field("From", from)
	field("To", l.to.String())
	field("Subject", encodeWords(l.subject))
	field("Date", l.at.Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	field("Message-ID", "<"+l.id+">")
	if l.thread != "" && l.thread != l.id {
		field("In-Reply-To", "<"+l.thread+">")
		field("References", "<"+l.thread+">")
	}
	field("Auto-Submitted", "auto-generated") // RFC 3834: nobody's out-of-office shall answer
	field("X-Auto-Response-Suppress", "All")  // the same, for Exchange
	if l.language != "" {
		field("Content-Language", l.language)
	}
	field("MIME-Version", "1.0")
}

func (l *letter) alternatives(b *bytes.Buffer, boundary string) {
	fmt.Fprintf(b, "Content-Type: multipart/alternative; boundary=%q\r\n\r\n", boundary)
	textPart(b, boundary, "text/plain", l.text)
	textPart(b, boundary, "text/html", l.html)
	fmt.Fprintf(b, "--%s--\r\n", boundary)
}

func textPart(b *bytes.Buffer, boundary, mediaType, text string) {
	fmt.Fprintf(b, "--%s\r\nContent-Type: %s; charset=utf-8\r\n", boundary, mediaType)
	if plainLines(text) {
		b.WriteString("Content-Transfer-Encoding: 7bit\r\n\r\n")
		b.WriteString(strings.ReplaceAll(text, "\n", "\r\n"))
		b.WriteString("\r\n")
		return
	}
	b.WriteString("Content-Transfer-Encoding: base64\r\n\r\n")
	coded := base64.StdEncoding.EncodeToString([]byte(strings.ReplaceAll(text, "\n", "\r\n")))
	for len(coded) > 76 {
		b.WriteString(coded[:76] + "\r\n")
		coded = coded[76:]
	}
	b.WriteString(coded + "\r\n")
}

// plainLines says whether the text may travel as it is: ASCII, in lines of a
// length every server takes.
func plainLines(text string) bool {
	for line := range strings.SplitSeq(text, "\n") {
		if len(line) > 900 {
			return false
		}
		for i := range len(line) {
			if line[i] >= 0x7f || line[i] < 0x20 && line[i] != '\t' {
				return false
			}
		}
	}
	return true
}

// longestPlain is how long a text may be to stand in a header line unencoded.
const longestPlain = 60

// encodeWords writes text for a header field. What is short and plain ASCII
// stays so, unless it looks like encoded words itself.
func encodeWords(s string) string {
	if len(s) <= longestPlain && plainLines(s) && !strings.Contains(s, "=?") {
		return s
	}
	return words(s)
}

// encodePhrase writes a display name, in which ASCII has characters with a
// meaning of their own.
func encodePhrase(s string) string {
	if strings.ContainsAny(s, `"(),.:;<>@[\]`) {
		return words(s)
	}
	return encodeWords(s)
}

// words writes encoded words (RFC 2047), one a line, cut between characters.
func words(s string) string {
	const octets = 30 // 40 in base64: a line stays under 76
	var out []string
	for len(s) > 0 {
		n := min(octets, len(s))
		for n < len(s) && !utf8.RuneStart(s[n]) {
			n--
		}
		out = append(out, "=?utf-8?b?"+base64.StdEncoding.EncodeToString([]byte(s[:n]))+"?=")
		s = s[n:]
	}
	return strings.Join(out, "\r\n ")
}

func joinAddresses(list []mailaddr.Address) string {
	parts := make([]string, len(list))
	for i, a := range list {
		parts[i] = a.String()
	}
	return strings.Join(parts, ",\r\n ")
}

func boundary() string {
	var b [12]byte
	rand.Read(b[:])
	return "=_" + hex.EncodeToString(b[:])
}
