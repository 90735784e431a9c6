package message

import (
	"bytes"
	"strings"
)

// Block is a header block alone, for those who have not read the body yet.
type Block struct {
	Raw       []byte
	Header    Span // fields and blank line
	Fields    []Field
	Anomalies []Anomaly
}

// Header reads the header block at the start of raw.
func Header(raw []byte) *Block {
	m := &Message{Raw: raw}
	p := &Part{source: raw}
	m.block(nil, p, 0)
	return &Block{Raw: raw, Header: p.Header, Fields: p.Fields, Anomalies: m.Anomalies}
}

// Get is the first field of that name, raw and unfolded, "" where absent.
func (b *Block) Get(name string) string { return first(b.All(name)) }

// All returns every field of that name, raw and unfolded.
func (b *Block) All(name string) []string { return values(b.Raw, b.Fields, name) }

// Get is the value of the first field of that name, raw and unfolded, "" where absent.
func (p *Part) Get(name string) string { return first(p.Values(name)) }

// Values returns every field of that name, raw and unfolded.
func (p *Part) Values(name string) []string { return values(p.source, p.Fields, name) }

// Text is the first field of that name, decoded (RFC 2047) for people.
func (p *Part) Text(name string) string { return DecodeHeader(p.Get(name)) }

func first(s []string) string {
	if len(s) == 0 {
		return ""
	}
	return s[0]
}

func values(src []byte, fields []Field, name string) []string {
	var out []string
	for _, f := range fields {
		if strings.EqualFold(f.Name, name) {
			out = append(out, Unfold(f.Value.Of(src)))
		}
	}
	return out
}

// Unfold takes the line ends out of a field value (RFC 5322 section 2.2.3) and
// the space around it.
func Unfold(value []byte) string {
	if bytes.IndexByte(value, '\n') < 0 && bytes.IndexByte(value, '\r') < 0 {
		return string(bytes.TrimSpace(value))
	}
	out := make([]byte, 0, len(value))
	for _, c := range value {
		if c != '\n' && c != '\r' {
			out = append(out, c)
		}
	}
	return string(bytes.TrimSpace(out))
}

// block reads the fields at pos into p and returns where the body begins: behind
// the blank line, or at a boundary line, or at the first line that is no field
// when no field follows it.
func (m *Message) block(s *splitter, p *Part, pos int) int {
	b := &headReader{m: m, p: p, src: p.source, junk: -1}
	p.Header.Start = pos
	for at := pos; ; {
		if at >= len(b.src) {
			return b.finish(at)
		}
		if at-pos > MaxHeader || len(p.Fields) >= MaxFields {
			b.note("header_too_large", "a header block is larger than the limit", at, true)
			return b.finish(at)
		}
		end, next := line(b.src, at)
		switch {
		case end == at:
			return b.finish(next)
		case s != nil && b.src[at] == '-' && s.boundaryAt(at):
			b.note("header_without_body", "a part ends inside its header", at, false)
			return b.finish(at)
		case bytes.HasPrefix(b.src[at:end], []byte("--")):
			// No field begins so: the blank line before a boundary is missing.
			p.dashes = at
			return b.finish(at)
		default:
			b.line(at, end, next)
		}
		if b.junk >= 0 && b.bare && b.kept == 0 && p.Parent != nil {
			return b.finish(next)
		}
		at = next
	}
}

// boundaryAt says whether an open boundary stands at that line, listing nothing.
func (s *splitter) boundaryAt(at int) bool {
	if !bytes.HasPrefix(s.src[at:], []byte("--")) {
		return false
	}
	end, _ := line(s.src, at)
	name := bytes.TrimRight(s.src[at+2:end], " \t")
	return s.open[string(name)] != nil || s.open[string(bytes.TrimSuffix(name, []byte("--")))] != nil
}

// headReader reads one header block.
type headReader struct {
	m    *Message
	p    *Part
	src  []byte
	junk int  // first line that is no field and has no field after it, -1
	bare bool // one of the lines from junk on has no colon
	kept int  // fields before junk
}

func (b *headReader) note(code, detail string, at int, ambiguous bool) {
	b.m.note(b.anomaly(code, detail, at, ambiguous))
}

func (b *headReader) anomaly(code, detail string, at int, ambiguous bool) Anomaly {
	if b.p.Embedded {
		at = -1
	}
	return Anomaly{Code: code, Detail: detail, Offset: at, Ambiguous: ambiguous}
}

// line takes one line of the header that is not blank.
func (b *headReader) line(at, end, next int) {
	c := b.src[at]
	b.controls(at, end)
	if c == ' ' || c == '\t' {
		b.fold(at, end, next)
		return
	}
	if at == b.p.Header.Start && b.p.Parent == nil && mailboxLine(b.src[at:end]) {
		b.note("mbox_line", "the mail begins with a mailbox separator", at, false)
		return
	}
	name, value, ok := b.split(at, end)
	if !ok {
		b.stray(at, end, next)
		return
	}
	if b.junk >= 0 {
		b.note("malformed_header", "a line that is no field stands among the fields", b.junk, structural(name))
		b.junk, b.bare = -1, false
	}
	b.p.Fields = append(b.p.Fields, Field{Name: name, Span: Span{at, next}, Value: Span{value, end}})
}

// structural says whether a field decides how the part is read: one of its own
// after a broken line is lost to readers that stop there.
func structural(name string) bool {
	return len(name) > 8 && strings.EqualFold(name[:8], "content-")
}

func mailboxLine(l []byte) bool {
	return bytes.HasPrefix(l, []byte("From ")) || bytes.HasPrefix(l, []byte(">From "))
}

// fold takes a continuation line.
func (b *headReader) fold(at, end, next int) {
	if len(b.p.Fields) == 0 {
		b.stray(at, end, next)
		return
	}
	f := &b.p.Fields[len(b.p.Fields)-1]
	if blank(b.src[at:end]) {
		// RFC 5322 section 4.2: readers differ on whether this ends the header.
		b.note("blank_folding", "a header line of nothing but space", at, structural(f.Name))
	}
	f.Span.End, f.Value.End = next, end
}

// split finds the name and where the value begins.
func (b *headReader) split(at, end int) (string, int, bool) {
	colon := bytes.IndexByte(b.src[at:end], ':')
	if colon <= 0 {
		return "", 0, false
	}
	name := b.src[at : at+colon]
	trimmed := bytes.TrimRight(name, " \t")
	if len(trimmed) == 0 || len(trimmed) > 200 {
		return "", 0, false
	}
	for _, c := range trimmed {
		if c <= ' ' || c >= 0x7f {
			return "", 0, false
		}
	}
	if len(trimmed) < len(name) {
		b.note("space_before_colon", "space between a field's name and its colon", at, structural(string(trimmed)))
	}
	return string(trimmed), at + colon + 1, true
}

// stray remembers a line that is no field, as a field without a name so that
// nothing in the header stays unread. When the header has no end, the body begins
// here.
func (b *headReader) stray(at, end, next int) {
	l := bytes.ToLower(bytes.TrimSpace(b.src[at:min(end, at+40)]))
	if bytes.HasPrefix(l, []byte("content-")) {
		b.note("malformed_header", "a structural field without a colon", at, true)
	}
	if b.junk < 0 {
		b.junk, b.kept = at, len(b.p.Fields)
	}
	b.bare = b.bare || bytes.IndexByte(b.src[at:end], ':') < 0
	b.p.Fields = append(b.p.Fields, Field{Span: Span{at, next}, Value: Span{at, end}})
}

func (b *headReader) controls(at, end int) {
	l := b.src[at:end]
	if bytes.IndexByte(l, 0) >= 0 {
		b.note("nul_in_header", "a NUL in a header", at, true)
	}
	if bytes.IndexByte(l, '\r') >= 0 {
		b.note("bare_cr_in_header", "a carriage return alone in a header", at, true)
	}
}

// finish ends the block. Lines without a colon at its end are the body of a part
// whose blank line is missing.
func (b *headReader) finish(at int) int {
	if b.junk >= 0 && b.bare {
		b.note("header_without_end", "the header ends without a blank line", b.junk, false)
		b.p.Fields = b.p.Fields[:b.kept]
		at = b.junk
	} else if b.junk >= 0 {
		b.note("malformed_header", "a field whose name is no name", b.junk, false)
	}
	b.p.Header.End = at
	return at
}
