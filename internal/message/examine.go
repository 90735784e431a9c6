package message

import (
	"bytes"
	"strings"
)

// splitEncoded splits multiparts and messages whose body had to be decoded
// first, which RFC 2045 section 6.4 forbids and some readers do all the same.
func (m *Message) splitEncoded() {
	for p := range m.Parts() {
		if len(p.Children) > 0 || identity(p.Encoding) {
			continue
		}
		composite := strings.HasPrefix(p.MediaType, "multipart/") && p.Params["boundary"] != ""
		if !composite && !p.isMessage() {
			continue
		}
		m.splitDecoded(p)
	}
}

func (m *Message) splitDecoded(p *Part) {
	depth := 0
	for o := p; o != nil; o = o.Parent {
		depth++
	}
	decoded, _ := p.Decode(0)
	m.budget -= int64(len(decoded))
	if m.budget < 0 || depth >= MaxDepth || m.parts >= MaxParts {
		m.note(p.anomaly("too_much_encoded", "more encoded messages inside messages than the limit", true))
		return
	}
	child := &Part{Parent: p, source: decoded, Nested: p.isMessage(), Embedded: true}
	if !child.Nested {
		head := []byte("Content-Type: multipart/mixed; boundary=\"" + p.Params["boundary"] + "\"\n\n")
		child.source = append(head, decoded...)
	}
	m.parts++
	p.Children = []*Part{child}
	split(m, child, depth)
	if child.Nested && len(child.Fields) == 0 {
		p.Children = nil // no message after all: the leaf stays one
	}
}

// examine lists what the finished tree shows.
func (m *Message) examine() {
	for p := range m.Parts() {
		if p.MediaType == "text/calendar" && p.Params["method"] != "" {
			p.Message().invites = true
		}
		if len(p.Children) > 0 {
			m.examineMargins(p)
			continue
		}
		m.examineLeaf(p)
	}
	if i := bytes.IndexByte(m.Raw, 0); i >= 0 {
		m.note(Anomaly{Code: "nul", Detail: "a NUL in the mail", Offset: i})
	}
	m.bareCR()
}

// bareCR lists carriage returns alone. Where one stands before a boundary or a
// structural field, readers that end lines there see other parts.
func (m *Message) bareCR() {
	quiet := false
	for at := 0; ; {
		i := bytes.IndexByte(m.Raw[at:], '\r')
		if i < 0 {
			return
		}
		at += i + 1
		if at < len(m.Raw) && m.Raw[at] == '\n' {
			at++
			continue
		}
		rest := m.Raw[at:min(len(m.Raw), at+8)]
		risky := bytes.HasPrefix(rest, []byte("--")) || strings.EqualFold(string(rest), "content-")
		if risky || !quiet {
			m.note(Anomaly{Code: "bare_cr", Detail: "a carriage return alone", Offset: at - 1, Ambiguous: risky})
		}
		quiet = quiet || !risky
	}
}

// examineMargins looks for parts in preamble and epilogue, where our reading
// sees none.
func (m *Message) examineMargins(p *Part) {
	if !p.Multipart() {
		return
	}
	if shownBoundary(p.Preamble.Of(p.source)) != "" {
		m.note(p.anomaly("parts_in_preamble", "the preamble of a multipart looks like parts", true))
	}
	if shownBoundary(p.Epilogue.Of(p.source)) != "" {
		m.note(p.anomaly("parts_in_epilogue", "the epilogue of a multipart looks like parts", true))
	}
}

// looksLikeParts says whether a structural field stands at the start of a line.
func looksLikeParts(b []byte) bool {
	for at := 0; at < len(b); {
		end, next := line(b, at)
		l := b[at:min(end, at+32)]
		if len(l) > 8 && strings.EqualFold(string(l[:8]), "content-") && bytes.IndexByte(l, ':') > 0 {
			return true
		}
		at = next
	}
	return false
}

// firstLine is the first line of b that is not blank.
func firstLine(b []byte) []byte {
	b = bytes.TrimLeft(b, "\r\n")
	end, _ := line(b, 0)
	return b[:end]
}

// examineLeaf looks at the transfer encoding of a leaf.
func (m *Message) examineLeaf(p *Part) {
	body := p.Body.Of(p.source)
	if strings.HasPrefix(p.MediaType, "multipart/") && p.boundary == "" && looksLikeDelimiter(body) && looksLikeParts(body) {
		m.note(p.anomaly("unsplit_multipart", "a multipart that cannot be split looks like parts", true))
	}
	if len(p.Fields) == 0 && looksLikeParts(firstLine(body)) {
		m.note(p.anomaly("fields_in_body", "a part with an empty header and fields in its body", true))
	}
	if p.Params["boundary"] != "" && p.boundary == "" {
		m.note(p.anomaly("boundary_on_single_part", "a boundary on a part that is no multipart", bytes.Contains(body, []byte("--"+p.Params["boundary"]))))
	}
	switch p.Encoding {
	case "7bit", "8bit", "binary":
	case "base64":
		s := scanBase64(body)
		p.unclean = !s.clean()
		if p.unclean {
			m.note(p.anomaly("bad_base64", "base64 that readers decode differently", true))
		} else if s.uneven > 0 {
			m.note(p.anomaly("uneven_base64", "base64 lines that end inside a group", false))
		}
	case "quoted-printable":
		if brokenQP(body) > 0 {
			p.unclean = true
			text := strings.HasPrefix(p.MediaType, "text/")
			m.note(p.anomaly("bad_quoted_printable", "quoted-printable that readers decode differently", !text))
		}
	case "x-uuencode":
	default:
		p.unclean = !strings.HasPrefix(p.MediaType, "text/") || worth("base64", body, false) || worth("quoted-printable", body, false) || worth("uuencode", body, false)
		if p.unclean {
			m.note(p.anomaly("undecoded", "content in an unknown transfer encoding", true))
		}
	}
}
