package message

import "errors"

var errUnfinished = errors.New("message: not built yet")

// Parse splits raw into its parts. The only error is an input that is no mail
// at all (ErrNotMail); everything else is listed in Anomalies.
func Parse(raw []byte) (*Message, error) { return nil, errUnfinished }

// ErrNotMail: the input has no header field at all.
var ErrNotMail = errors.New("no header fields: not a mail")

// ErrTooLarge: a part decodes to more bytes than the caller's limit.
var ErrTooLarge = errors.New("decoded part is larger than the limit")

// Block is a header block alone, for those who have not read the body yet.
type Block struct {
	Raw       []byte
	Header    Span // fields and blank line
	Fields    []Field
	Anomalies []Anomaly
}

// Header reads the header block at the start of raw.
func Header(raw []byte) *Block { return &Block{Raw: raw} }

// Get is the first field of that name, raw and unfolded, "" where absent.
func (b *Block) Get(name string) string { return "" }

// All returns every field of that name, raw and unfolded.
func (b *Block) All(name string) []string { return nil }

// Get is the value of the first field of that name, raw and unfolded, "" where absent.
func (p *Part) Get(name string) string { return "" }

// Values returns every field of that name, raw and unfolded.
func (p *Part) Values(name string) []string { return nil }

// Text is the first field of that name, decoded (RFC 2047) for people.
func (p *Part) Text(name string) string { return "" }

// Path names the part by position, as IMAP does: "1.2"; "1" for a message
// without parts, "" for the root of a multipart.
func (p *Part) Path() string { return "" }

// Names lists every plausible reading of the part's file name, best first.
func (p *Part) Names() []string { return p.names }

// Decode undoes the transfer encoding, leniently. The result may share memory
// with the message. More than limit bytes give ErrTooLarge and the first limit
// bytes; limit <= 0 means no limit.
func (p *Part) Decode(limit int64) ([]byte, error) { return nil, errUnfinished }

// DecodedSize is the length Decode would give.
func (p *Part) DecodedSize() int64 { return 0 }

// Texts is the decoded part in every plausible charset, best first, as valid
// UTF-8 and without duplicates. At least one is returned.
func (p *Part) Texts(limit int64) []string { return nil }

// Reading is a way a careless reader might decode a part.
type Reading struct {
	How  string // "base64", "quoted-printable", "uuencode", "yenc", ...
	Data []byte
}

// Alternatives are readings of a leaf other than Decode's that give a known
// kind of file or a different text. Detection looks into them too.
func (p *Part) Alternatives(limit int64) []Reading { return nil }

// DecodeText decodes b in every plausible charset, the labelled one first when
// it fits. Same promises as Texts.
func DecodeText(b []byte, label string) []string { return nil }

// DecodeHeader undoes RFC 2047 (and raw 8-bit or JIS text) in an unfolded field
// value: the best reading for people.
func DecodeHeader(raw string) string { return raw }

// DecodeHeaders gives all plausible readings of a field value, best first.
func DecodeHeaders(raw string) []string { return nil }

// Address is one mailbox of an address field. Name is decoded; Address is
// local@domain as written, not validated: see mailaddr.
type Address struct{ Name, Address string }

// Addresses reads an address list leniently: groups, comments, encoded words.
// The addresses found are returned even when err says what was wrong.
func Addresses(value string) ([]Address, error) { return nil, nil }

// Digest is the hex SHA-256 of the decoded leaves, Subject and From: equal for
// the copies of one mail that were split per recipient, whatever their
// boundaries.
func Digest(m *Message) string { return "" }

// Crosscheck decodes m with a second parser (enmime) and returns what that one
// shows and ours does not, as ambiguous anomalies. Where its cost cannot be
// bounded it is not run, and one anomaly that is not ambiguous says so.
func Crosscheck(m *Message) []Anomaly { return nil }

// Automatic says why a mail counts as written by a program ("auto-submitted",
// "disposition-notification", "delivery-status", "calendar", "precedence"), ""
// where a person wrote it.
func (m *Message) Automatic() string { return "" }

// Protection says why the inside of a part must stay as it is.
type Protection string

// What Protected answers.
const (
	Unprotected Protection = ""
	Signed      Protection = "signed"    // S/MIME or PGP signature covers it
	Encrypted   Protection = "encrypted" // S/MIME enveloped, PGP/MIME, inline PGP
	Calendar    Protection = "calendar"  // iTIP
	Report      Protection = "report"    // DSN, MDN
	Inside      Protection = "message"   // inside a message/rfc822
	TNEF        Protection = "tnef"      // winmail.dat
	Undecodable Protection = "undecodable"
)

// Protected says whether p, or something around p, forbids changing p.
func (p *Part) Protected() Protection { return Unprotected }

// Rewritable says that p lies in Message.Raw and nothing forbids replacing it.
func (p *Part) Rewritable() bool { return p.Protected() == Unprotected && !p.Embedded }

// Attachment is a leaf (or a whole message/rfc822) that people see as a file.
type Attachment struct {
	Part   *Part
	Name   string // best name; made from the type where the mail gives none
	Type   string
	Size   int64 // decoded
	Inline bool  // shown inside the HTML by cid
}

// Attachments lists what people see as files, outermost message only.
func (m *Message) Attachments() []Attachment { return nil }

// Body is the text a reader would show: plain and HTML, either may be nil.
func (m *Message) Body() (plain, html *Part) { return nil, nil }

// TextParts are all parts of the outermost message that readers show as the
// sender's own text, every alternative included.
func (m *Message) TextParts() []*Part { return nil }
