package relay

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/sekisho-mail/sekisho/holdqueue"
)

// mailFrom is the MAIL command with the parameters that the server knows and the mail needs.
func (t *transaction) mailFrom() string {
	s, meta := t.session, &t.out.Message.Meta
	from, _ := wireAddress(t.out.From) // checked before anything else
	var b strings.Builder
	b.WriteString("MAIL FROM:<" + from + ">")
	// A later hop that believes BODY=8BITMIME may re-encode, or return, a mail that has no such bytes.
	if (t.survey.eightBit || t.utf8) && s.offered("8BITMIME") {
		b.WriteString(" BODY=8BITMIME")
	}
	if s.offered("SIZE") {
		fmt.Fprintf(&b, " SIZE=%d", t.size())
	}
	if t.utf8 {
		b.WriteString(" SMTPUTF8")
	}
	if !s.offered("DSN") {
		return b.String()
	}
	if ret := strings.ToUpper(meta.Ret); ret == "FULL" || ret == "HDRS" {
		b.WriteString(" RET=" + ret)
	}
	if meta.EnvID != "" && isPrintableASCII(meta.EnvID) && len(meta.EnvID) <= 100 {
		b.WriteString(" ENVID=" + xtext(meta.EnvID))
	}
	return b.String()
}

// rcptTo is the RCPT command, with RFC 3461's parameters as far as they are well formed: they come from outside.
func (t *transaction) rcptTo(r *holdqueue.Recipient) (string, error) {
	address, err := wireAddress(r.Address)
	if err != nil {
		return "", err
	}
	line := "RCPT TO:<" + address + ">"
	if !t.session.offered("DSN") {
		return line, nil
	}
	if notify := notifyWords(r.Notify); len(notify) > 0 {
		line += " NOTIFY=" + strings.Join(notify, ",")
	}
	kind, original, _ := strings.Cut(r.ORcpt, ";")
	switch {
	case original == "" || len(original) > 500:
	case strings.EqualFold(kind, "rfc822") && isPrintableASCII(original):
		line += " ORCPT=rfc822;" + xtext(original)
	case strings.EqualFold(kind, "utf-8") && printable(original) == original:
		line += " ORCPT=utf-8;" + utf8Xtext(original)
	}
	return line, nil
}

func notifyWords(notify string) (words []string) {
	for word := range strings.SplitSeq(strings.ToUpper(notify), ",") {
		switch word = strings.TrimSpace(word); word {
		case "NEVER":
			return []string{word}
		case "SUCCESS", "FAILURE", "DELAY":
			if !slices.Contains(words, word) {
				words = append(words, word)
			}
		}
	}
	return words
}

// xtext is RFC 3461's way to write any text as one word.
func xtext(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == '+' || c == '=' {
			fmt.Fprintf(&b, "+%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// utf8Xtext is RFC 6533's form of an internationalised address that passes every server.
func utf8Xtext(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r >= utf8.RuneSelf || r <= ' ' || r == '\\' || r == '+' || r == '=' {
			fmt.Fprintf(&b, `\x{%X}`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func isPrintableASCII(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
