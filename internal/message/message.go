// Package message reads Internet mail (RFC 5322, MIME) without changing a byte
// of it. It is the authority on structure: where each header block, body,
// delimiter, preamble and epilogue begins and ends in the original bytes, what a
// part is called, what its text says in every plausible charset, and where a
// message can be read in two ways.
//
// It knows nothing of rules, people, storage or transport, does no I/O, and
// takes every input for hostile: work is linear in the input, and depth, parts,
// fields and parameters are bounded. What exceeds a bound is an anomaly, never a
// silent omission.
package message

import (
	"iter"
	"strings"
)

// Limits of the splitter. They are far above what any mail client makes.
const (
	MaxDepth      = 64      // nesting of multiparts and messages
	MaxParts      = 10_000  // parts in one message, all levels together
	MaxHeader     = 1 << 20 // bytes of one header block
	MaxFields     = 5_000   // fields of one header block
	MaxParameters = 100     // parameters of one field
	MaxAnomalies  = 500     // anomalies listed; the first of each code always is
)

// Span is a half-open range of byte offsets.
type Span struct{ Start, End int }

// Len is the number of bytes in s.
func (s Span) Len() int { return s.End - s.Start }

// Of returns the bytes of s in raw, sharing its memory.
func (s Span) Of(raw []byte) []byte { return raw[s.Start:s.End:s.End] }

// Field is one header field. Span covers the whole field with its line ends and
// folded lines; Value what follows the colon, without the last line end. Name is
// as written, without space around it; "" marks a line among the fields that is
// none, whose Value is the whole line.
type Field struct {
	Name  string
	Span  Span
	Value Span
}

// Anomaly is something in a message that its author's software should not have
// written. Ambiguous means that two honest readers may see different content, so
// that what we inspected may not be what the recipient sees.
type Anomaly struct {
	Code      string // stable, lower-case, e.g. "duplicate_content_type"
	Detail    string // for people; never message content
	Offset    int    // in Message.Raw; -1 inside a part that had to be decoded first
	Ambiguous bool
}

// Message is a parsed mail. Raw is never changed and must not be changed while
// the Message is in use.
type Message struct {
	Raw       []byte
	Root      *Part
	Anomalies []Anomaly

	seen   map[kind]bool // kinds already listed
	parts  int           // so far, all levels and decoded copies together
	budget int64         // bytes of decoded copies that may still be split
}

// AmbiguousCodes are the codes of the anomalies that can be ambiguous.
func AmbiguousCodes() []string {
	return strings.Fields(`bad_base64 bad_content_type bad_quoted_printable bare_cr bare_cr_in_header blank_folding boundary_is_terminator boundary_on_single_part
		boundary_reused conflicting_boundary delimiter_suffix duplicate_content_type duplicate_transfer_encoding empty_multipart fields_in_body
		header_ends_in_dashes header_too_large malformed_header no_delimiter nul_in_header odd_boundary odd_content_type odd_transfer_encoding
		parts_in_epilogue parts_in_preamble space_before_colon stray_delimiter too_deep too_many_parts too_much_encoded undecoded unseen_leaf
		unsplit_multipart`)
}

// Part is one node of the tree: the message itself, a part of a multipart, or
// the message inside a message/rfc822 part.
//
// Header and Body lie next to each other: Header holds the fields and the blank
// line, Body everything up to the next delimiter. Delimiter is the boundary line
// before the part with the line end that belongs to it (RFC 2046 section 5.1.1).
// For a multipart, Preamble, Close and Epilogue lie inside Body.
//
// All spans of a part refer to Source(), which is Message.Raw for every part but
// those inside a transfer-encoded multipart or message (Embedded).
type Part struct {
	Parent   *Part
	Children []*Part

	Delimiter Span
	Header    Span
	Body      Span
	Preamble  Span
	Close     Span
	Epilogue  Span

	Fields []Field

	MediaType   string            // lower-case; "text/plain" where absent
	Params      map[string]string // of Content-Type, names lower-case, values decoded
	Charset     string            // label as written, lower-case; "" where absent
	Encoding    string            // 7bit, 8bit, binary, base64, quoted-printable, x-uuencode, or as written
	Disposition string            // lower-case: attachment, inline, other, ""
	Filename    string            // best reading, "" where absent; see Names
	ContentID   string            // without angle brackets

	Nested   bool // root of a message inside message/rfc822 or message/global
	Embedded bool // spans refer to a decoded copy, not to Message.Raw

	source   []byte
	names    []string
	index    int    // position among the siblings, from 0
	boundary string // of a multipart, "" where none is usable
	closed   bool   // the close delimiter was found
	unclean  bool   // the transfer encoding can be read in two ways
	invites  bool   // of a message root: it carries an invitation (iTIP, RFC 6047), and clients lose it when its texts change
	dashes   int    // offset of the line of dashes that ended the header, 0 where none
}

// Source is the text that the spans of p refer to.
func (p *Part) Source() []byte { return p.source }

// Multipart says whether p has a multipart type and was split.
func (p *Part) Multipart() bool { return len(p.Children) > 0 && !p.Children[0].Nested }

// Message is the root of the innermost message that p belongs to: the mail
// itself or one inside a message/rfc822.
func (p *Part) Message() *Part {
	for p.Parent != nil && !p.Nested {
		p = p.Parent
	}
	return p
}

// Parts walks the tree in the order of the bytes, the root first.
func (m *Message) Parts() iter.Seq[*Part] { return m.Root.All() }

// All walks p and everything below it in the order of the bytes.
func (p *Part) All() iter.Seq[*Part] {
	return func(yield func(*Part) bool) { p.walk(yield) }
}

func (p *Part) walk(yield func(*Part) bool) bool {
	if !yield(p) {
		return false
	}
	for _, c := range p.Children {
		if !c.walk(yield) {
			return false
		}
	}
	return true
}

// Leaves walks the parts that have content of their own: everything without
// children, nested messages' leaves included.
func (m *Message) Leaves() iter.Seq[*Part] {
	return func(yield func(*Part) bool) {
		for p := range m.Parts() {
			if len(p.Children) == 0 && !yield(p) {
				return
			}
		}
	}
}

// Ambiguous says whether the message can be read in two ways.
func (m *Message) Ambiguous() bool {
	for _, a := range m.Anomalies {
		if a.Ambiguous {
			return true
		}
	}
	return false
}

// kind tells anomalies apart for MaxAnomalies.
type kind struct {
	code      string
	ambiguous bool
}

// note lists an anomaly, within MaxAnomalies; the first of a code always is.
func (m *Message) note(a Anomaly) {
	key := kind{a.Code, a.Ambiguous}
	if len(m.Anomalies) >= MaxAnomalies && m.seen[key] {
		return
	}
	if m.seen == nil {
		m.seen = make(map[kind]bool)
	}
	m.seen[key] = true
	m.Anomalies = append(m.Anomalies, a)
}
