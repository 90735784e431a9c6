package linkify

import (
	"errors"
	"io"

	"github.com/sekisho-mail/sekisho/internal/message"
)

// Attachment is a part that can become a link.
type Attachment struct {
	Part   *message.Part
	Path   string // position in the mail, as IMAP counts
	Name   string
	Type   string
	Size   int64  // decoded
	SHA256 string // hex, of the decoded bytes
	Inline bool   // shown inside the HTML by cid
}

// CannotLink is a part that a rule wants to link and that must stay as it is.
type CannotLink struct {
	Path   string
	Name   string
	Type   string
	Reason message.Protection
}

// Splice says which parts of one mail leave it.
type Splice struct {
	Links  []Attachment
	Cannot []CannotLink
}

// Notice is what stands above the sender's text. Text is plain lines ended by
// \n, HTML a fragment its maker has escaped. English is ASCII, for texts whose
// charset cannot say the other.
type Notice struct {
	Text    string
	HTML    string // made from Text when empty
	English string // made from Text when empty: what it has in ASCII
}

// Plan asks choose about every part that people see as a file and sorts the
// chosen ones into those that can become links and those that cannot.
func Plan(m *message.Message, choose func(Attachment) bool) (Splice, error) {
	return Splice{}, errors.New("linkify: not built yet")
}

// Exempt says whether a is one of the parts that stay in the mail by default
// (DESIGN 7.17): images shown inside the text, signatures, invitations, cards.
func Exempt(a Attachment) bool { return false }

// Render writes the mail with the planned parts taken out and the notice above
// the sender's text in every alternative. Every other byte is as it was. The
// same inputs give the same bytes.
func Render(w io.Writer, m *message.Message, s Splice, n Notice) error {
	return errors.New("linkify: not built yet")
}
