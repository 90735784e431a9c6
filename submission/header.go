package submission

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"

	"github.com/emersion/go-smtp"
	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
	"github.com/sekisho-mail/sekisho/internal/message"
)

const (
	maxHeader = message.MaxHeader
	// maxHops is the number of Received fields at which a mail is taken to go in a circle (RFC 5321 section 6.3
	// asks for at least 100, which a circle through us would take hours to reach; no mail of ours comes near 50).
	maxHops = 50
)

// header is the header block of a mail as the client sent it.
type header struct {
	raw   []byte // the fields and the blank line
	block *message.Block
	rest  []byte // what has been read of the body
}

// readHeader reads the header block. The block ends at the first empty line, or with the message.
func readHeader(b *body) (*header, error) {
	var raw []byte
	for {
		p, err := b.next()
		if err != nil && err != io.EOF {
			return nil, err
		}
		// A line may begin in one piece and end in the next.
		from := max(len(raw)-3, 0)
		raw = append(raw, p...)
		if end := headerEnd(raw, from); end >= 0 {
			return newHeader(raw[:end:end], raw[end:])
		}
		if len(raw) > maxHeader {
			return nil, headerTooLarge()
		}
		if err == io.EOF {
			return newHeader(raw, nil)
		}
	}
}

func headerEnd(raw []byte, from int) int {
	if bytes.HasPrefix(raw, []byte("\r\n")) {
		return 2
	}
	if at := bytes.Index(raw[from:], []byte("\r\n\r\n")); at >= 0 {
		return from + at + 4
	}
	return -1
}

// newHeader refuses a header that cannot be read, or that could not be read any more with fields in front of it.
func newHeader(raw, rest []byte) (*header, error) {
	h := &header{raw: raw, block: message.Header(raw), rest: rest}
	switch {
	case len(raw) > maxHeader || len(h.block.Fields) >= message.MaxFields:
		return nil, headerTooLarge()
	case len(h.block.Fields) == 0:
		return nil, noHeader()
	case raw[0] == ' ' || raw[0] == '\t':
		// It would continue the last field we put in front.
		return nil, headerBeginsFolded()
	case h.hides("From") || h.hides("Sender") || h.hides("Bcc") || h.hides("Resent-Bcc"):
		return nil, headerUnclear()
	}
	return h, nil
}

// hides says whether a line looks like a field of that name and was not read as one: behind a line at which we take
// the header to be over and others read on, or "From :" in the first line, where a mailbox separator may stand.
func (h *header) hides(name string) bool {
	lines := 0
	for line := range bytes.SplitSeq(h.raw, []byte("\r\n")) {
		field, _, ok := bytes.Cut(line, []byte(":"))
		if ok && strings.EqualFold(string(bytes.TrimRight(field, " \t")), name) {
			lines++
		}
	}
	return lines > len(h.all(name))
}

func (h *header) all(name string) []string { return h.block.All(name) }
func (h *header) get(name string) string   { return h.block.Get(name) }
func (h *header) has(name string) bool     { return len(h.all(name)) > 0 }

// authors are the mailboxes of From and Sender, which say who writes.
type authors struct {
	from   []mailaddr.Address
	sender mailaddr.Address // "" where there is no Sender
}

// errUnreadable says that a field which names senders cannot be read for certain.
var errUnreadable = errors.New("address field cannot be read for certain")

// readAuthors reads From and Sender. Exactly one From and at most one Sender field may stand in a header (RFC 5322
// section 3.6): of two, each reader picks his own.
func (h *header) readAuthors() (authors, error) {
	switch n := len(h.all("From")); {
	case n == 0:
		return authors{}, fromMissing()
	case n > 1:
		return authors{}, fromRepeated()
	case len(h.all("Sender")) > 1:
		return authors{}, senderRepeated()
	}
	var a authors
	var err error
	if a.from, err = certain(h.get("From")); err != nil || len(a.from) == 0 {
		return a, fieldUnreadable("From")
	}
	if !h.has("Sender") {
		return a, nil
	}
	senders, err := certain(h.get("Sender"))
	if err != nil || len(senders) != 1 {
		return a, fieldUnreadable("Sender")
	}
	a.sender = senders[0]
	return a, nil
}

// certain reads an address field in which every reader must see the same addresses.
func certain(value string) ([]mailaddr.Address, error) {
	found, err := message.Addresses(value)
	if err != nil || strings.Count(bare(value), "<") > len(found) {
		return nil, errUnreadable
	}
	addresses := make([]mailaddr.Address, len(found))
	for i, f := range found {
		if addresses[i], err = mailaddr.Parse(f.Address, true); err != nil {
			return nil, errUnreadable
		}
	}
	return addresses, nil
}

// bare is a field value without what stands in quotes.
func bare(value string) string {
	var b strings.Builder
	quoted := false
	for i := 0; i < len(value); i++ {
		switch {
		case value[i] == '\\':
			i++
		case value[i] == '"':
			quoted = !quoted
		case !quoted:
			b.WriteByte(value[i])
		}
	}
	return b.String()
}

// addresses reads an address field for people to see; what is no mailbox is left out.
func (h *header) addresses(name string) []mailaddr.Address {
	var out []mailaddr.Address
	for _, value := range h.all(name) {
		found, _ := message.Addresses(value)
		for _, f := range found {
			if a, err := mailaddr.Parse(f.Address, true); err == nil {
				out = append(out, a)
			}
		}
	}
	return out
}

// messageID is the content of the first Message-ID, without brackets.
func (h *header) messageID() string {
	id := strings.TrimSpace(h.get("Message-ID"))
	return strings.TrimSuffix(strings.TrimPrefix(id, "<"), ">")
}

// automatic says whether a program wrote the mail: auto-replies (RFC 3834), delivery and disposition reports (RFC
// 3464, 8098), and answers and invitations of calendars (RFC 6047). What only the body shows, inspection finds.
func (h *header) automatic() bool {
	submitted, _, _ := strings.Cut(h.get("Auto-Submitted"), ";")
	submitted = strings.ToLower(strings.TrimSpace(submitted))
	if submitted != "" && submitted != "no" {
		return true
	}
	kind := strings.ToLower(h.get("Content-Type"))
	switch {
	case strings.HasPrefix(kind, "multipart/report"):
		return true
	case strings.HasPrefix(kind, "text/calendar"):
		return strings.Contains(kind, "method")
	}
	return strings.EqualFold(h.get("Content-Class"), "urn:content-classes:calendarmessage")
}

// nonASCII says whether the header holds octets that no header may hold without SMTPUTF8.
func (h *header) nonASCII() bool {
	for _, c := range h.raw {
		if c >= 0x80 {
			return true
		}
	}
	return false
}

// without writes the block to w without the fields of the names given, not one octet else changed.
func (h *header) without(w io.Writer, names []string) error {
	at := 0
	for _, f := range h.block.Fields {
		if !contains(names, f.Name) {
			continue
		}
		if _, err := w.Write(h.raw[at:f.Span.Start]); err != nil {
			return err
		}
		at = f.Span.End
	}
	_, err := w.Write(h.raw[at:])
	return err
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if strings.EqualFold(n, name) {
			return true
		}
	}
	return false
}

// answerTo logs nothing for a refusal, and makes a reference for the administrator of anything else.
func (s *session) answerTo(ctx context.Context, doing string, err error) *smtp.SMTPError {
	switch {
	case errors.Is(err, errIdle):
		return idleTooLong()
	case errors.Is(err, errStopping):
		return shuttingDown()
	case errors.Is(err, holdqueue.ErrInDoubt):
		// No answer is the only true one. The client sends the mail again.
		s.w.log.ErrorContext(ctx, "connection dropped: nobody knows whether a mail is kept", "error", err)
		s.w.mute, s.w.hangup = true, true
		return broken() // not heard
	case errors.Is(err, errForgotten):
		return reset() // not heard: the wire has the answer already
	case s.w.body != nil && s.w.body.ended != nil && errors.Is(err, s.w.body.ended):
		// The client's network, and nothing for an administrator to look after.
		s.w.log.InfoContext(ctx, "connection lost inside a message", "remote", s.w.remote)
		s.w.mute, s.w.hangup = true, true
		return broken() // not heard
	}
	return answer(ctx, s.w.log, doing, err)
}
