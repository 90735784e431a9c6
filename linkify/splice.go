package linkify

import (
	"bytes"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/sekisho-mail/sekisho/internal/message"
)

// Attachment is a part that can become a link.
type Attachment struct {
	Part   *message.Part
	Path   string // position in the mail, as IMAP counts
	Name   string
	Type   string
	Size   int64  // decoded
	SHA256 string // hex, of the decoded bytes; set in Splice.Links, empty when choose is asked
	Inline bool   // shown inside the HTML by cid

	content []byte // of a file inside winmail.dat; else the part's own
}

// Content is the file, decoded piece by piece.
func (a Attachment) Content() io.Reader {
	if a.content != nil {
		return bytes.NewReader(a.content)
	}
	return a.Part.Reader()
}

// measure sets size and digest of the file.
func (a *Attachment) measure() error {
	n, sum, err := copyHashed(io.Discard, a.Content(), a.Size)
	a.Size, a.SHA256 = n, sum
	return err
}

// replaceable says whether the part that holds a may leave the mail.
func (a Attachment) replaceable() bool { return a.content != nil || a.Part.Rewritable() }

// CannotLink is a part that a rule wants to link and that must stay as it is.
type CannotLink struct {
	Path   string
	Name   string
	Type   string
	Reason message.Protection
}

// Splice says which parts of one mail leave it, in the order of the mail.
type Splice struct {
	Links  []Attachment
	Cannot []CannotLink

	body string // what the sender wrote, where winmail.dat alone says it
}

// Notice is what stands above the sender's text. Text is plain lines ended by
// \n, HTML a fragment its maker has escaped. English is ASCII, for texts whose
// charset cannot say the other.
type Notice struct {
	Text    string
	HTML    string // made from Text when empty
	English string // made from Text when empty: what it has in ASCII
	// Paperclip also attaches the text as a small file, where something left.
	Paperclip bool `json:",omitempty"`
}

// Plan asks choose about every part that people see as a file and sorts the
// chosen ones into those that can become links and those that cannot (DESIGN
// 7.10). It changes nothing.
func Plan(m *message.Message, choose func(Attachment) bool) (Splice, error) {
	var s Splice
	for _, found := range m.Attachments() {
		a := Attachment{
			Part: found.Part, Path: found.Part.Path(), Name: found.Name,
			Type: found.Type, Size: found.Size, Inline: found.Inline,
		}
		if wrapped(a.Part, a.Name) && s.planWrapped(m, a.Part, choose) {
			continue
		}
		if !choose(a) {
			continue
		}
		if why := found.Part.Protected(); why != message.Unprotected {
			s.Cannot = append(s.Cannot, CannotLink{Path: a.Path, Name: a.Name, Type: a.Type, Reason: why})
			continue
		}
		if a.Part.MediaType == "message/partial" { // a fragment
			s.Cannot = append(s.Cannot, CannotLink{Path: a.Path, Name: a.Name, Type: a.Type, Reason: message.Undecodable})
			continue
		}
		if err := a.measure(); err != nil {
			return Splice{}, fmt.Errorf("decode part %s: %w", a.Path, err)
		}
		s.Links = append(s.Links, a)
	}
	return s, nil
}

// Exempt says whether a is one of the parts that stay in the mail by default
// (DESIGN 7.17): images shown inside the text, signatures, invitations, cards.
func Exempt(a Attachment) bool {
	switch a.Type {
	case "application/pkcs7-signature", "application/x-pkcs7-signature", "application/pgp-signature",
		"text/calendar", "application/ics", "text/vcard", "text/x-vcard", "text/directory":
		return true
	}
	switch strings.ToLower(path.Ext(a.Name)) {
	case ".ics", ".vcf", ".p7s":
		return true
	}
	return a.Inline && strings.HasPrefix(a.Type, "image/")
}
