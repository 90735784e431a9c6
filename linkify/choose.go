package linkify

import (
	"fmt"
	"io"

	"github.com/sekisho-mail/sekisho/internal/message"
)

// CanLink says, at inspection, which parts would become links under t and which parts a rule wants linked
// but nothing may touch; the latter hold the mail with reason cannot_link (DESIGN 7.10).
func CanLink(m *message.Message, t Terms) ([]Attachment, []CannotLink, error) {
	s, err := Plan(m, t.wants)
	if err != nil {
		return nil, nil, fmt.Errorf("plan links: %w", err)
	}
	return s.Links, s.Cannot, nil
}

// wants says whether the terms ask for this part to become a link.
func (t Terms) wants(a Attachment) bool {
	if Exempt(a) {
		return false
	}
	if t.Only != nil && !t.Only(a) || t.Only == nil && a.Size <= t.Over && t.Over > 0 {
		return false
	}
	switch a.Type {
	case "message/rfc822", "message/global":
		return t.Messages
	}
	return true
}

// Preview writes what r would get, with a token that leads nowhere, and stores nothing. It needs of the
// options only what stands in the notice.
func Preview(w io.Writer, o Options, m Mail, r Recipient) error {
	if err := o.settle(); err != nil {
		return err
	}
	msg, err := message.Parse(m.Raw)
	if err != nil {
		return fmt.Errorf("preview links: %w", err)
	}
	s, err := r.choose(msg)
	if err != nil {
		return err
	}
	if len(s.Links) == 0 {
		_, err := w.Write(m.Raw)
		return err
	}
	h := letterhead{files: filesOf(s), access: r.Terms.access(), expires: o.expiry(m.AcceptedAt, r.Terms), viewOnly: r.Terms.ViewOnly}
	n := h.notice()
	n.Paperclip = r.Terms.Paperclip
	return Render(w, msg, s, n.fill(o.address(previewToken)))
}

// choose plans the parts of one mail for r, and refuses when something must be linked that cannot be and
// nobody has let it go.
func (r Recipient) choose(msg *message.Message) (Splice, error) {
	s, err := Plan(msg, r.Terms.wants)
	if err != nil {
		return Splice{}, fmt.Errorf("plan links: %w", err)
	}
	if len(s.Cannot) > 0 && !r.AsIs {
		return Splice{}, ErrCannotLink
	}
	return s, nil
}

func filesOf(s Splice) []File {
	files := make([]File, len(s.Links))
	for i, a := range s.Links {
		files[i] = File{Name: cleanName(a.Name), Type: a.Type, Size: a.Size, SHA256: a.SHA256}
	}
	return files
}
