package holdqueue

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"mime"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// StatusReport is a delivery status notification (RFC 3464; RFC 6533 for internationalised mail) to be built. It
// tells the sender about some recipients of one mail, all with the same action, in Japanese and English.
type StatusReport struct {
	ID      ID               // of the report; Message-ID and boundary come from it
	Host    string           // our name, as Reporting-MTA
	From    mailaddr.Address // who writes: postmaster
	To      mailaddr.Address // the reverse path of the mail
	At      time.Time
	Zone    *time.Location // of the company
	Message *Message
	Action  string // reportFailed, reportDelayed, reportRelayed
	Lines   []StatusLine
	Until   time.Time // when we give up, or gave up; only reportDelayed says it
	Header  []byte    // header block of the mail as accepted; nil when it is gone
}

// StatusLine is what happened to one recipient.
type StatusLine struct {
	Recipient *Recipient
	Result    Result
}

// Build writes the report. Where the sender asked for the whole mail back (RET=FULL) and it failed, head is where
// in raw the bytes of the mail belong (see Mail.Enclose); else head is -1 and raw is complete with the header
// block alone.
func (s *StatusReport) Build() (raw []byte, head int64) {
	var b bytes.Buffer
	boundary := "=_" + s.ID
	s.writeHeader(&b, boundary)
	fmt.Fprintf(&b, "--%s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n", boundary)
	writeBase64(&b, s.text())
	fmt.Fprintf(&b, "--%s\r\nContent-Type: message/%sdelivery-status\r\n", boundary, s.global())
	if s.international() {
		b.WriteString("Content-Transfer-Encoding: 8bit\r\n")
	}
	b.WriteString("\r\n")
	s.writeStatus(&b)
	head = s.writeOriginal(&b, boundary)
	fmt.Fprintf(&b, "\r\n--%s--\r\n", boundary)
	return b.Bytes(), head
}

// international says whether the report itself needs SMTPUTF8: only where its reader's own address does. Any other
// report is ASCII, because the next hop it leaves by may be the very one that lacks SMTPUTF8.
func (s *StatusReport) international() bool {
	return s.Message.Meta.SMTPUTF8 && !asciiMailbox(s.To)
}

func (s *StatusReport) global() string {
	if s.international() {
		return "global-"
	}
	return ""
}

func asciiMailbox(a mailaddr.Address) bool { return mailaddr.Address(a.Local()).IsASCII() }

func hasEightBit(p []byte) bool {
	return bytes.ContainsFunc(p, func(r rune) bool { return r >= utf8.RuneSelf })
}

func (s *StatusReport) writeHeader(b *bytes.Buffer, boundary string) {
	words := s.words()
	fmt.Fprintf(b, "From: %s <%s>\r\n", encodeWords(words.from), s.From)
	fmt.Fprintf(b, "To: <%s>\r\n", s.To)
	fmt.Fprintf(b, "Subject: %s\r\n", encodeWords(words.subject+s.subject()))
	fmt.Fprintf(b, "Date: %s\r\n", s.at(s.At).Format(time.RFC1123Z))
	fmt.Fprintf(b, "Message-ID: <%s@%s>\r\n", s.ID, s.Host)
	if id := "<" + s.Message.Meta.MessageID + ">"; isMessageID(id) {
		fmt.Fprintf(b, "In-Reply-To: %s\r\nReferences: %s\r\n", id, id)
	}
	// RFC 3834: nobody's responder answers this. Exchange reads its own field.
	b.WriteString("Auto-Submitted: auto-replied\r\nX-Auto-Response-Suppress: All\r\nMIME-Version: 1.0\r\n")
	fmt.Fprintf(b, "Content-Type: multipart/report; report-type=delivery-status;\r\n boundary=\"%s\"\r\n\r\n", boundary)
}

// isMessageID accepts only what cannot break out of a header field; the id came from outside.
func isMessageID(id string) bool {
	if len(id) < 5 || len(id) > 900 || id[0] != '<' || id[len(id)-1] != '>' {
		return false
	}
	return strings.IndexFunc(id[1:len(id)-1], func(r rune) bool { return r <= ' ' || r > '~' || r == '<' || r == '>' }) < 0
}

// writeStatus writes the fields that programs read.
func (s *StatusReport) writeStatus(b *bytes.Buffer) {
	fmt.Fprintf(b, "Reporting-MTA: dns; %s\r\n", s.Host)
	if id := s.Message.Meta.EnvID; id != "" && isField(id) {
		fmt.Fprintf(b, "Original-Envelope-Id: %s\r\n", id)
	}
	fmt.Fprintf(b, "X-Sekisho-Queue-ID: %s\r\n", s.Message.ID)
	fmt.Fprintf(b, "Arrival-Date: %s\r\n", s.at(s.Message.AcceptedAt).Format(time.RFC1123Z))
	for _, l := range s.Lines {
		b.WriteString("\r\n")
		s.writeRecipient(b, l)
	}
}

func (s *StatusReport) writeRecipient(b *bytes.Buffer, l StatusLine) {
	if kind, address, ok := strings.Cut(l.Recipient.ORcpt, ";"); ok && kind != "" && address != "" && isField(l.Recipient.ORcpt) {
		fmt.Fprintf(b, "Original-Recipient: %s;%s\r\n", kind, address)
	}
	fmt.Fprintf(b, "Final-Recipient: %s\r\n", s.finalRecipient(l.Recipient.Address))
	fmt.Fprintf(b, "Action: %s\r\n", s.Action)
	fmt.Fprintf(b, "Status: %s\r\n", s.status(l.Result))
	if remote := l.Result.Remote; remote != "" && isField(remote) {
		fmt.Fprintf(b, "Remote-MTA: dns; %s\r\n", remote)
	}
	if e := l.Result.Err; e != nil {
		fmt.Fprintf(b, "Diagnostic-Code: %s; %s\r\n", diagnosticType(e), fold(fieldText(e.Error())))
	} else if reply := fieldText(l.Result.Reply); reply != "" {
		fmt.Fprintf(b, "Diagnostic-Code: smtp; %s\r\n", fold(reply))
	}
	if !l.Recipient.ClaimedAt.IsZero() {
		fmt.Fprintf(b, "Last-Attempt-Date: %s\r\n", s.at(l.Recipient.ClaimedAt).Format(time.RFC1123Z))
	}
	if s.Action == reportDelayed && !s.Until.IsZero() {
		fmt.Fprintf(b, "Will-Retry-Until: %s\r\n", s.at(s.Until).Format(time.RFC1123Z))
	}
}

// finalRecipient writes an internationalised address as it is in an internationalised report, and escaped
// (RFC 6533 section 3, utf-8-addr-xtext) in one that must be ASCII.
func (s *StatusReport) finalRecipient(a mailaddr.Address) string {
	if asciiMailbox(a) {
		return "rfc822; " + a.Local() + "@" + a.Domain()
	}
	if s.international() {
		return "utf-8; " + string(a)
	}
	var out strings.Builder
	for _, r := range string(a) {
		if r >= utf8.RuneSelf || r == '\\' || r == '+' || r == '=' || r <= ' ' {
			fmt.Fprintf(&out, "\\x{%X}", r)
		} else {
			out.WriteRune(r)
		}
	}
	return "utf-8; " + out.String()
}

// status is RFC 3463's code. A temporary failure that has become final is "delivery time expired".
func (s *StatusReport) status(r Result) string {
	switch {
	case s.Action == reportRelayed:
		return "2.0.0"
	case r.Err == nil:
		return "5.0.0"
	case s.Action == reportFailed && r.Err.Temporary:
		return "5.4.7"
	case isStatus(r.Err.Enhanced):
		return r.Err.Enhanced
	case r.Err.Temporary:
		return "4.0.0"
	}
	return "5.0.0"
}

// diagnosticType says whether a server's reply is quoted, or we speak ourselves.
func diagnosticType(e *SendError) string {
	if e.Code == 0 {
		return "x-sekisho"
	}
	return "smtp"
}

func isStatus(code string) bool {
	var a, b, c uint16
	n, err := fmt.Sscanf(code, "%d.%d.%d", &a, &b, &c)
	return n == 3 && err == nil && fmt.Sprintf("%d.%d.%d", a, b, c) == code
}

// isField accepts a value that fits on a line of its own as it is. One that does not was made up by somebody.
func isField(value string) bool { return len(value) <= 500 && fieldText(value) == value }

// fieldText makes one line of printable ASCII of what a foreign server said.
func fieldText(text string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r == '\r' || r == '\n' || r == '\t':
			return ' '
		case r < ' ' || r > '~':
			return '?'
		}
		return r
	}, text))
}

// fold breaks a long value at blanks, so that no line comes near the 998 octets of RFC 5322.
func fold(value string) string {
	var out strings.Builder
	width := 0
	for i, word := range strings.Split(value, " ") {
		if i > 0 && width+len(word) > 70 {
			out.WriteString("\r\n")
			width = 0
		}
		if i > 0 {
			out.WriteByte(' ')
		}
		for len(word) > 200 {
			out.WriteString(word[:200] + "\r\n ")
			word, width = word[200:], 0
		}
		out.WriteString(word)
		width += len(word) + 1
	}
	return out.String()
}

// writeOriginal gives back the mail, or its header alone.
func (s *StatusReport) writeOriginal(b *bytes.Buffer, boundary string) (head int64) {
	if s.Action == reportFailed && strings.EqualFold(s.Message.Meta.Ret, "FULL") && !s.unsendable() {
		kind := "rfc822"
		if s.international() {
			kind = "global"
		}
		fmt.Fprintf(b, "\r\n--%s\r\nContent-Type: message/%s\r\n", boundary, kind)
		if s.Message.Meta.EightBit || s.international() {
			b.WriteString("Content-Transfer-Encoding: 8bit\r\n")
		}
		b.WriteString("\r\n")
		return int64(b.Len())
	}
	if len(s.Header) == 0 {
		return -1
	}
	kind := "text/rfc822-headers"
	if s.international() {
		kind = "message/global-headers"
	}
	fmt.Fprintf(b, "\r\n--%s\r\nContent-Type: %s\r\n", boundary, kind)
	header := shownHeader(s.Header)
	switch {
	case !hasEightBit(header):
		b.WriteString("\r\n")
		b.Write(header)
	case s.international():
		b.WriteString("Content-Transfer-Encoding: 8bit\r\n\r\n")
		b.Write(header)
	default:
		b.WriteString("Content-Transfer-Encoding: base64\r\n\r\n")
		writeBase64(b, string(header))
	}
	return -1
}

// unsendable says that the next hop lacks what the bytes of the mail need: they cannot go back by it either.
func (s *StatusReport) unsendable() bool {
	return slices.ContainsFunc(s.Lines, func(l StatusLine) bool {
		return l.Result.Err != nil && (l.Result.Err.Enhanced == "5.6.3" || l.Result.Err.Enhanced == "5.6.7")
	})
}

// maxReturnedHeader bounds the header that goes back with a report.
const maxReturnedHeader = 256 << 10

// shownHeader leaves Bcc out. Intake has taken it out already; a report may be forwarded, so this must not
// depend on it.
func shownHeader(header []byte) []byte {
	var out bytes.Buffer
	hidden := false
	for line := range bytes.SplitAfterSeq(header, []byte("\n")) {
		text := bytes.TrimRight(line, "\r\n")
		if len(text) == 0 || out.Len()+len(text) > maxReturnedHeader {
			break
		}
		if text[0] != ' ' && text[0] != '\t' {
			name, _, _ := bytes.Cut(text, []byte(":"))
			switch strings.ToLower(string(bytes.TrimSpace(name))) {
			case "bcc", "resent-bcc":
				hidden = true
			default:
				hidden = false
			}
		}
		if !hidden {
			out.Write(text)
			out.WriteString("\r\n")
		}
	}
	return out.Bytes()
}

func (s *StatusReport) at(t time.Time) time.Time {
	if s.Zone == nil {
		return t.UTC()
	}
	return t.In(s.Zone)
}

// encodeWords writes a header value in UTF-8 encoded words (RFC 2047), one to a line.
func encodeWords(text string) string {
	encoded := mime.BEncoding.Encode("utf-8", text)
	return strings.ReplaceAll(encoded, "?= =?", "?=\r\n =?")
}

func writeBase64(b *bytes.Buffer, text string) {
	encoded := base64.StdEncoding.EncodeToString([]byte(text))
	for len(encoded) > 76 {
		b.WriteString(encoded[:76] + "\r\n")
		encoded = encoded[76:]
	}
	b.WriteString(encoded + "\r\n")
}
