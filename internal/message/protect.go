package message

import (
	"bytes"
	"strings"
)

// Protection says why the inside of a part must stay as it is.
type Protection string

// What Protected answers.
const (
	Unprotected Protection = ""
	Signed      Protection = "signed"      // S/MIME or PGP signature covers it
	Encrypted   Protection = "encrypted"   // S/MIME enveloped, PGP/MIME, inline PGP
	Calendar    Protection = "calendar"    // iTIP
	Report      Protection = "report"      // DSN, MDN
	Inside      Protection = "message"     // inside a message/rfc822
	TNEF        Protection = "tnef"        // winmail.dat
	Undecodable Protection = "undecodable" // unknown or forbidden transfer encoding, fragment
)

// Protected says whether p, or something around p, forbids changing p.
func (p *Part) Protected() Protection {
	if k := p.kind(); k != Unprotected {
		return k
	}
	return p.Around()
}

// Around says whether something around p forbids changing p, whatever p itself is.
func (p *Part) Around() Protection {
	for o := p; o.Parent != nil; o = o.Parent {
		if o.Nested {
			return Inside
		}
		if o.Embedded {
			return Undecodable
		}
		if k := o.Parent.envelope(); k != Unprotected {
			return k
		}
	}
	if p.Message().invites {
		return Calendar
	}
	return Unprotected
}

// Rewritable says that p lies in Message.Raw and nothing forbids replacing it.
func (p *Part) Rewritable() bool { return p.Protected() == Unprotected && !p.Embedded }

// kind is what p itself is.
func (p *Part) kind() Protection {
	if k := p.envelope(); k != Unprotected {
		return k
	}
	switch p.MediaType {
	case "application/ms-tnef", "application/vnd.ms-tnef":
		return TNEF
	case "application/pgp-encrypted":
		return Encrypted
	case "application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature":
		return Signed
	case "text/plain":
		if a := p.armour(); a != Unprotected && p.Disposition != "attachment" {
			return a
		}
	}
	if _, known := canonicalEncoding(p.Encoding); !known {
		return Undecodable
	}
	if len(p.Children) == 0 && (strings.HasPrefix(p.MediaType, "multipart/") || p.MediaType == "message/partial") {
		return Undecodable
	}
	return Unprotected
}

// envelope is what p protects: itself and all inside it.
func (p *Part) envelope() Protection {
	switch p.MediaType {
	case "multipart/signed":
		return Signed
	case "multipart/encrypted":
		return Encrypted
	case "multipart/report":
		return Report
	case "application/pkcs7-mime", "application/x-pkcs7-mime":
		if strings.EqualFold(p.Params["smime-type"], "signed-data") {
			return Signed
		}
		return Encrypted
	}
	if strings.HasSuffix(strings.ToLower(p.Filename), ".p7m") {
		return Encrypted
	}
	return Unprotected
}

// armour finds inline PGP.
func (p *Part) armour() Protection {
	b, _ := p.Decode(1 << 20)
	switch {
	case bytes.Contains(b, []byte("-----BEGIN PGP MESSAGE-----")):
		return Encrypted
	case bytes.Contains(b, []byte("-----BEGIN PGP SIGNED MESSAGE-----")):
		return Signed
	}
	return Unprotected
}

// Automatic says why a mail counts as written by a program ("auto-submitted",
// "disposition-notification", "delivery-status", "calendar", "precedence"), ""
// where a person wrote it.
func (m *Message) Automatic() string {
	r := m.Root
	if word := strings.ToLower(strings.TrimSpace(parseStructured(r.Get("Auto-Submitted")).word)); word != "" && word != "no" {
		return "auto-submitted"
	}
	if r.MediaType == "multipart/report" {
		if strings.EqualFold(r.Params["report-type"], "disposition-notification") {
			return "disposition-notification"
		}
		return "delivery-status"
	}
	if r.invites {
		return "calendar"
	}
	switch strings.ToLower(strings.TrimSpace(r.Get("Precedence"))) {
	case "auto_reply", "auto-reply", "bulk", "junk", "list":
		return "precedence"
	}
	if r.Get("X-Autoreply") != "" || r.Get("X-Autorespond") != "" {
		return "auto-submitted"
	}
	return ""
}
