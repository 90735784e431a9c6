package message

import (
	"strings"
)

// describe reads the fields that say what a part is, and lists what in them can
// be read in two ways.
func (p *Part) describe(m *Message) {
	p.Encoding = p.transferEncoding(m)
	ct := p.contentType(m)
	p.Params = make(map[string]string, len(ct.params))
	for _, q := range ct.params {
		base, _, _ := strings.Cut(q.name, "*")
		if _, known := p.Params[base]; !known {
			p.Params[base] = first(ct.strings(base))
		}
	}
	p.Charset = strings.ToLower(strings.TrimSpace(p.Params["charset"]))
	cd := p.disposition(m)
	p.findNames(m, &ct, &cd)
	p.ContentID = strings.Trim(p.Get("Content-ID"), "<> \t")
	switch {
	case strings.HasPrefix(p.MediaType, "multipart/"):
		p.findBoundary(m, &ct)
	case p.MediaType == "message/partial":
		m.note(p.anomaly("message_partial", "a fragment of a larger message", false))
	case p.MediaType == "message/external-body":
		m.note(p.anomaly("message_external_body", "a part whose content lies elsewhere", false))
	}
}

// differ says whether the values of one field, written several times, say
// different things.
func differ(values []string) bool {
	for _, v := range values[1:] {
		if !strings.EqualFold(v, values[0]) {
			return true
		}
	}
	return false
}

func (p *Part) contentType(m *Message) structured {
	all := p.Values("Content-Type")
	p.MediaType = "text/plain"
	if p.Parent != nil && p.Parent.MediaType == "multipart/digest" {
		p.MediaType = "message/rfc822" // RFC 2046 section 5.1.5
	}
	if len(all) == 0 {
		return structured{}
	}
	if len(all) > 1 {
		m.note(p.anomaly("duplicate_content_type", "several Content-Type fields", differ(all)))
	}
	ct := parseStructured(all[0])
	composite := len(ct.strings("boundary")) > 0
	if validType(ct.word) {
		p.MediaType = ct.word
	} else {
		m.note(p.anomaly("bad_content_type", "a Content-Type that is no type", composite || strings.Contains(ct.word, "multi")))
	}
	for _, odd := range ct.odd {
		m.note(p.anomaly("odd_content_type", "Content-Type: "+odd, composite))
	}
	return ct
}

// validType checks type/subtype, both tokens of RFC 2045.
func validType(s string) bool {
	kind, sub, ok := strings.Cut(s, "/")
	return ok && token(kind) && token(sub)
}

func token(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`()<>@,;:\"/[]?=`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

func (p *Part) isMessage() bool {
	return p.MediaType == "message/rfc822" || p.MediaType == "message/global"
}

func (p *Part) disposition(m *Message) structured {
	all := p.Values("Content-Disposition")
	if len(all) == 0 {
		return structured{}
	}
	if len(all) > 1 {
		m.note(p.anomaly("duplicate_content_disposition", "several Content-Disposition fields", false)) // see conflicting_names
	}
	cd := parseStructured(all[0])
	p.Disposition = cd.word
	for _, odd := range cd.odd {
		m.note(p.anomaly("odd_content_disposition", "Content-Disposition: "+odd, false))
	}
	for _, more := range all[1:] {
		v := parseStructured(more)
		cd.params = append(cd.params, v.params...)
	}
	return cd
}

// identity says whether an encoding leaves the bytes as they are.
func identity(encoding string) bool {
	return encoding == "7bit" || encoding == "8bit" || encoding == "binary"
}

// transferEncoding gives the canonical name of the encoding, "7bit" where absent.
func (p *Part) transferEncoding(m *Message) string {
	all := p.Values("Content-Transfer-Encoding")
	if len(all) == 0 {
		return "7bit"
	}
	if len(all) > 1 {
		m.note(p.anomaly("duplicate_transfer_encoding", "several Content-Transfer-Encoding fields", differ(all)))
	}
	// "8 bit" and "quoted printable" occur, and everybody reads them alike.
	if name, known := canonicalEncoding(strings.ToLower(strings.Join(strings.Fields(all[0]), "-"))); known {
		return name
	}
	v := parseStructured(all[0])
	for _, odd := range v.odd {
		m.note(p.anomaly("odd_transfer_encoding", "Content-Transfer-Encoding: "+odd, true))
	}
	name, known := canonicalEncoding(v.word)
	switch {
	case v.word == "":
		m.note(p.anomaly("empty_transfer_encoding", "an empty Content-Transfer-Encoding", false))
	case !known:
		m.note(p.anomaly("unknown_transfer_encoding", "an unknown Content-Transfer-Encoding", false)) // examineLeaf looks on
	}
	return name
}

func canonicalEncoding(word string) (string, bool) {
	switch word {
	case "7bit", "8bit", "binary", "base64", "quoted-printable":
		return word, true
	case "", "7-bit", "7bits":
		return "7bit", true
	case "8-bit", "8bits":
		return "8bit", true
	case "x-uuencode", "uuencode", "x-uue", "uue", "x-uu":
		return "x-uuencode", true
	}
	return word, false
}

// findBoundary takes the boundary of a multipart and lists what makes readers
// take another one.
func (p *Part) findBoundary(m *Message, ct *structured) {
	found := ct.readings("boundary")
	if len(found) == 0 || found[0].text() == "" {
		m.note(p.anomaly("multipart_without_boundary", "a multipart without a boundary", false)) // examineLeaf looks on
		return
	}
	p.boundary = found[len(found)-1].text() // the plain one comes last
	for _, r := range found {
		if r.text() != p.boundary {
			m.note(p.anomaly("conflicting_boundary", "several boundaries on one multipart", true))
			break
		}
	}
	if found[0].coded {
		m.note(p.anomaly("encoded_boundary", "a boundary written in RFC 2231 form", false))
	}
	for _, q := range ct.params {
		if q.name == "boundary" && oddBoundary(q) {
			m.note(p.anomaly("odd_boundary", "a boundary with characters that readers treat differently", true))
			break
		}
	}
	p.boundary = strings.TrimRight(p.boundary, " \t")
}

// oddBoundary says whether readers differ on what the boundary is. RFC 2046
// allows letters, digits and '()+_,-./:=? inside quotes; clients that leave the
// quotes out are many, and do no harm with = and the like.
func oddBoundary(q parameter) bool {
	if strings.HasSuffix(q.value, " ") || strings.HasSuffix(q.value, "\t") || strings.Contains(q.value, "=?") {
		return true
	}
	for i := 0; i < len(q.value); i++ {
		c := q.value[i]
		if c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return true
		}
		if !q.quoted && strings.IndexByte("()<>;, ", c) >= 0 {
			return true
		}
	}
	return q.quoted && strings.Contains(q.raw, `\`)
}
